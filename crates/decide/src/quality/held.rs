//! Which cells are held at the baseline tier, as a value that a decision reads.

use crate::{MAX_TIERS, TaskType, TierId};

/// A bit for each kind of work in each tier. Empty: nothing is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held([u16; MAX_TIERS]);

impl Held {
    /// Nothing is held.
    pub const NONE: Self = Self([0; MAX_TIERS]);

    /// With this cell held.
    #[must_use]
    pub const fn with(mut self, task: TaskType, tier: TierId) -> Self {
        if (tier.0 as usize) < MAX_TIERS {
            self.0[tier.0 as usize] |= 1 << task as u16;
        }
        self
    }

    /// Whether requests of this kind that would go to this tier go to the baseline instead.
    #[must_use]
    pub const fn has(&self, task: TaskType, tier: TierId) -> bool {
        (tier.0 as usize) < MAX_TIERS && self.0[tier.0 as usize] >> task as u16 & 1 == 1
    }

    /// How many cells are held.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.iter().map(|bits| bits.count_ones()).sum()
    }

    /// The bits of each tier, for keeping them in atomics.
    #[must_use]
    pub const fn bits(&self) -> [u16; MAX_TIERS] {
        self.0
    }

    /// From the bits of each tier.
    #[must_use]
    pub const fn from_bits(bits: [u16; MAX_TIERS]) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_held_by_itself() {
        let held = Held::NONE.with(TaskType::Other, TierId(1)).with(TaskType::Qa, TierId(0));
        for task in TaskType::ALL {
            for tier in 0..MAX_TIERS {
                let tier = TierId(u8::try_from(tier).unwrap());
                let want = (task, tier.0) == (TaskType::Other, 1) || (task, tier.0) == (TaskType::Qa, 0);
                assert_eq!(held.has(task, tier), want, "{task:?} {tier:?}");
            }
        }
        assert_eq!((Held::from_bits(held.bits()), held.count()), (held, 2));
        assert!(!Held::NONE.with(TaskType::Qa, TierId(200)).has(TaskType::Qa, TierId(200)));
    }
}
