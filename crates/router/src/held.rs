//! Which cells are held, shared by all workers and changed while they run.

use std::sync::atomic::{AtomicU16, Ordering};
use tierway_decide::MAX_TIERS;
use tierway_decide::quality::Held;

/// The cells that are held now. A decision reads them once; no lock.
#[derive(Debug, Default)]
pub struct HeldCells([AtomicU16; MAX_TIERS]);

impl HeldCells {
    /// As of now.
    #[must_use]
    pub fn now(&self) -> Held {
        Held::from_bits(std::array::from_fn(|tier| self.0[tier].load(Ordering::Relaxed)))
    }

    /// Holds these and no others.
    pub fn set(&self, held: Held) {
        for (cell, bits) in self.0.iter().zip(held.bits()) {
            cell.store(bits, Ordering::Relaxed);
        }
    }
}
