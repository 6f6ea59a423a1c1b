//! How much of a target's traffic may be retries.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A token bucket that first calls fill and retries empty: in any stretch of time a target sees at most `reserve` plus
/// `share` of its first calls as retries, whatever goes wrong. Without it, many clients retrying a sick target keep it sick.
#[derive(Debug)]
pub struct RetryBudget {
    milli_tokens: AtomicU32,
    share_mille: u32,
    reserve_milli: u32,
}

impl RetryBudget {
    /// `share_mille`: retries per thousand first calls; `reserve`: retries that a target with little traffic may always
    /// save up.
    #[must_use]
    pub const fn new(share_mille: u16, reserve: u16) -> Self {
        let reserve_milli = reserve as u32 * 1_000;
        Self { milli_tokens: AtomicU32::new(reserve_milli), share_mille: share_mille as u32, reserve_milli }
    }

    /// A first call to the target.
    pub fn on_call(&self) {
        let add = |tokens: u32| Some((tokens + self.share_mille).min(self.reserve_milli));
        let _ = self.milli_tokens.fetch_update(Relaxed, Relaxed, add);
    }

    /// Whether a retry may be sent now; takes it from the budget.
    #[must_use]
    pub fn take_retry(&self) -> bool {
        self.milli_tokens.fetch_update(Relaxed, Relaxed, |tokens| tokens.checked_sub(1_000)).is_ok()
    }
}

impl Default for RetryBudget {
    /// A fifth of the traffic, and ten retries in hand.
    fn default() -> Self {
        Self::new(200, 10)
    }
}
