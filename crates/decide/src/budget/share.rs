//! What one of several processes may still take of a budget while it cannot ask the others.
//!
//! As long as they can be asked, each hears with every answer what is left. When they cannot, it may take its part of what
//! was left then: the amount divided by how many there were. So all of them together take no more than was left.

use crate::Usd;
use std::sync::atomic::{AtomicI64, Ordering};

/// One process's part of one budget in one window. Shared by all its requests.
#[derive(Debug)]
pub struct Share {
    /// Settled by this process.
    settled: AtomicI64,
    /// Settled by it, and reserved by its requests in progress.
    committed: AtomicI64,
    /// How far the latter may go while nobody can be asked; as long as none was heard: [`UNHEARD`].
    allowed: AtomicI64,
}

const UNHEARD: i64 = i64::MIN;

impl Default for Share {
    fn default() -> Self {
        Self { settled: AtomicI64::new(0), committed: AtomicI64::new(0), allowed: AtomicI64::new(UNHEARD) }
    }
}

impl Share {
    /// The others allowed so much.
    pub fn granted(&self, amount: Usd) {
        add(&self.committed, amount);
    }

    /// So much was left of the budget a moment ago, for so many that share it.
    pub fn heard(&self, left: Usd, replicas: u32) {
        let allowed = self.committed.load(Ordering::Acquire).saturating_add(part(left, replicas));
        self.allowed.store(allowed, Ordering::Release);
    }

    /// Takes so much without asking; false when that is more than this process's part. `left`: what is left of the
    /// budget as far as this process knows, for one that has never heard from the others.
    pub fn take(&self, amount: Usd, left: Usd, replicas: u32) -> bool {
        if self.allowed.load(Ordering::Acquire) == UNHEARD {
            let allowed = self.committed.load(Ordering::Acquire).saturating_add(part(left, replicas));
            // Who comes second finds it said.
            let _ = self.allowed.compare_exchange(UNHEARD, allowed, Ordering::AcqRel, Ordering::Acquire);
        }
        let allowed = self.allowed.load(Ordering::Acquire);
        let fits = |committed: i64| committed.checked_add(amount.picos()).filter(|after| *after <= allowed);
        self.committed.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_ok()
    }

    /// So much of what the others allowed was never used: it is no longer this process's to take.
    pub fn give_back(&self, amount: Usd) {
        add(&self.committed, Usd::ZERO - amount);
        let less = |allowed: i64| (allowed != UNHEARD).then(|| allowed.saturating_sub(amount.picos()));
        let _ = self.allowed.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
    }

    /// A request that had reserved so much has ended, and cost this.
    pub fn settle(&self, reserved: Usd, paid: Usd) {
        add(&self.committed, paid - reserved);
        add(&self.settled, paid);
    }

    /// Settled by this process.
    #[must_use]
    pub fn settled(&self) -> Usd {
        Usd::from_picos(self.settled.load(Ordering::Acquire))
    }

    /// Reserved by its requests in progress.
    #[must_use]
    pub fn open(&self) -> Usd {
        let settled = self.settled.load(Ordering::Acquire);
        Usd::from_picos((self.committed.load(Ordering::Acquire) - settled).max(0))
    }
}

/// As money does: what is beyond the largest sum stays there.
fn add(to: &AtomicI64, amount: Usd) {
    let sum = |picos: i64| Some((Usd::from_picos(picos) + amount).picos());
    let _ = to.fetch_update(Ordering::AcqRel, Ordering::Acquire, sum);
}

fn part(left: Usd, replicas: u32) -> i64 {
    left.picos().max(0) / i64::from(replicas.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_beyond_all_measure_leaves_nothing() {
        let share = Share::default();
        for _ in 0..3 {
            share.settle(Usd::ZERO, Usd::from_picos(i64::MAX));
        }
        assert_eq!(share.settled(), Usd::from_picos(i64::MAX));
        assert!(!share.take(Usd::from_picos(1), Usd::from_picos(10), 1));
    }
    use proptest::prelude::*;

    fn usd(picos: i64) -> Usd {
        Usd::from_picos(picos)
    }

    #[test]
    fn alone_a_process_takes_its_part_of_what_was_left() {
        let share = Share::default();
        share.granted(usd(10));
        share.heard(usd(90), 3);
        assert!(share.take(usd(30), usd(0), 3), "a third of ninety");
        assert!(!share.take(usd(1), usd(1_000), 3));
        // What turns out cheaper than it could have been is its own again.
        share.settle(usd(30), usd(10));
        assert!(share.take(usd(20), usd(0), 3) && !share.take(usd(1), usd(0), 3));
        assert_eq!((share.settled(), share.open()), (usd(10), usd(30)));
    }

    #[test]
    fn what_was_given_back_unused_is_for_all_again() {
        let share = Share::default();
        share.granted(usd(10));
        share.heard(usd(90), 3);
        share.give_back(usd(10));
        assert!(!share.take(usd(31), usd(0), 3) && share.take(usd(30), usd(0), 3), "a third of ninety");
    }

    #[test]
    fn who_never_heard_takes_its_part_of_what_it_knows() {
        let share = Share::default();
        assert!(share.take(usd(20), usd(40), 2) && !share.take(usd(1), usd(40), 2));
        share.granted(usd(1));
        share.heard(usd(50), 1);
        assert!(share.take(usd(50), usd(0), 1) && !share.take(usd(1), usd(0), 1));
    }

    proptest! {
        /// Three processes lose each other after any history: together they never go beyond the limit.
        #[test]
        fn no_dollar_is_spent_twice(
            before in proptest::collection::vec((0usize..3, 0i64..40), 0..30),
            after in proptest::collection::vec((0usize..3, 0i64..40, any::<bool>()), 0..60),
        ) {
            let (shares, limit) = ([Share::default(), Share::default(), Share::default()], 300);
            let mut taken = 0;
            for (at, amount) in before {
                if taken + amount <= limit {
                    taken += amount;
                    shares[at].granted(usd(amount));
                }
            }
            // What is left is told to all of them every second.
            for share in &shares {
                share.heard(usd(limit - taken), 3);
            }
            for (at, amount, ends) in after {
                if shares[at].take(usd(amount), usd(0), 3) && ends {
                    shares[at].settle(usd(amount), usd(amount / 2));
                }
            }
            let total: i64 = shares.iter().map(|share| (share.settled() + share.open()).picos()).sum();
            prop_assert!(total <= limit, "{} of {}", total, limit);
        }
    }
}
