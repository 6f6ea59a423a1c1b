//! What is spent and reserved of one budget in its window.

use super::Window;
use crate::Usd;
use std::sync::atomic::{AtomicI64, Ordering};

/// Counts one window after the other. Shared by all requests of its holder, on every core.
#[derive(Debug)]
pub struct Purse {
    /// Start of the window that is counted.
    window_ms: AtomicI64,
    /// Settled in that window.
    spent: AtomicI64,
    /// Settled in that window, and all reservations that are open. The one number that says whether more may go out.
    committed: AtomicI64,
}

/// A reservation. Has to be given back by [`Purse::settle`]; nothing else can.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Held {
    window_ms: i64,
    amount: Usd,
}

/// There is not that much left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// Settled in this window.
    pub spent: Usd,
    /// Reserved by requests in progress.
    pub reserved: Usd,
}

impl Held {
    /// How much.
    #[must_use]
    pub const fn amount(&self) -> Usd {
        self.amount
    }
}

impl Default for Purse {
    fn default() -> Self {
        Self { window_ms: AtomicI64::new(i64::MIN), spent: AtomicI64::new(0), committed: AtomicI64::new(0) }
    }
}

impl Purse {
    /// Takes the worst case of a request, unless settled and reserved money together would go beyond the limit.
    ///
    /// # Errors
    /// [`Short`]: how it stands.
    pub fn reserve(&self, limit: Usd, window: Window, amount: Usd) -> Result<Held, Short> {
        let window_ms = self.turn(window);
        let take = |committed: i64| {
            let after = committed.saturating_add(amount.picos());
            (after <= limit.picos()).then_some(after)
        };
        match self.committed.fetch_update(Ordering::AcqRel, Ordering::Acquire, take) {
            Ok(_) => Ok(Held { window_ms, amount }),
            Err(committed) => {
                let spent = self.spent.load(Ordering::Acquire);
                Err(Short { spent: Usd::from_picos(spent), reserved: Usd::from_picos((committed - spent).max(0)) })
            }
        }
    }

    /// Takes more for a request that holds some already; false when there is not that much left.
    pub fn extend(&self, held: &mut Held, limit: Usd, window: Window, more: Usd) -> bool {
        match self.reserve(limit, window, more) {
            Err(_) => false,
            // What was taken in a later window than the rest goes back as that does, uncounted.
            Ok(further) => {
                held.amount += further.amount;
                true
            }
        }
    }

    /// The request ended and cost this; what it reserved beyond that is free again. What began in an earlier window was
    /// counted there. Gives what is settled before and after.
    pub fn settle(&self, held: &Held, paid: Usd) -> (Usd, Usd) {
        if self.window_ms.load(Ordering::Acquire) != held.window_ms {
            self.committed.fetch_sub(held.amount.picos(), Ordering::AcqRel);
            let spent = Usd::from_picos(self.spent.load(Ordering::Acquire));
            return (spent, spent);
        }
        let before = Usd::from_picos(self.spent.fetch_add(paid.picos(), Ordering::AcqRel));
        self.committed.fetch_add(paid.picos() - held.amount.picos(), Ordering::AcqRel);
        (before, before + paid)
    }

    /// What the records say was settled in this window: the larger of both counts. After a start, and where other
    /// processes spend from the same budget.
    pub fn at_least(&self, window: Window, spent: Usd) {
        if self.turn(window) != window.start_ms {
            return;
        }
        let missing = |known: i64| (spent.picos() > known).then_some(spent.picos());
        if let Ok(known) = self.spent.fetch_update(Ordering::AcqRel, Ordering::Acquire, missing) {
            self.committed.fetch_add(spent.picos() - known, Ordering::AcqRel);
        }
    }

    /// Settled in this window.
    #[must_use]
    pub fn spent(&self, window: Window) -> Usd {
        self.turn(window);
        Usd::from_picos(self.spent.load(Ordering::Acquire))
    }

    /// Settled in this window, and reserved.
    #[must_use]
    pub fn committed(&self, window: Window) -> Usd {
        self.turn(window);
        Usd::from_picos(self.committed.load(Ordering::Acquire))
    }

    /// Begins a new window when it has come; never goes back to an old one. Open reservations stay until they are
    /// settled. Gives the window that is counted.
    fn turn(&self, window: Window) -> i64 {
        let counted = self.window_ms.load(Ordering::Acquire);
        if counted >= window.start_ms {
            return counted;
        }
        if self.window_ms.compare_exchange(counted, window.start_ms, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            let old = self.spent.swap(0, Ordering::AcqRel);
            self.committed.fetch_sub(old, Ordering::AcqRel);
        }
        self.window_ms.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAY: Window = Window { start_ms: 100, end_ms: Some(200) };
    const JUNE: Window = Window { start_ms: 200, end_ms: Some(300) };

    fn usd(dollars: i64) -> Usd {
        Usd::from_picos(dollars)
    }

    #[test]
    fn what_is_reserved_cannot_be_reserved_again_and_what_is_left_over_can() {
        let purse = Purse::default();
        let one = purse.reserve(usd(10), MAY, usd(6)).unwrap();
        assert_eq!(purse.reserve(usd(10), MAY, usd(5)), Err(Short { spent: usd(0), reserved: usd(6) }));
        let two = purse.reserve(usd(10), MAY, usd(4)).unwrap();
        assert_eq!(purse.settle(&one, usd(1)), (usd(0), usd(1)));
        assert_eq!(purse.settle(&two, usd(0)), (usd(1), usd(1)));
        assert_eq!(purse.reserve(usd(10), MAY, usd(10)), Err(Short { spent: usd(1), reserved: usd(0) }));
        assert!(purse.reserve(usd(10), MAY, usd(9)).is_ok());
    }

    #[test]
    fn a_new_window_is_empty_but_for_what_is_open_and_an_old_one_never_comes_back() {
        let purse = Purse::default();
        let old = purse.reserve(usd(10), MAY, usd(4)).unwrap();
        let spent = purse.reserve(usd(10), MAY, usd(6)).unwrap();
        purse.settle(&spent, usd(6));
        assert!(purse.reserve(usd(10), JUNE, usd(7)).is_err(), "four are still reserved");
        let new = purse.reserve(usd(10), JUNE, usd(6)).unwrap();
        // It began in May and is counted there.
        assert_eq!(purse.settle(&old, usd(4)), (usd(0), usd(0)));
        assert_eq!(purse.settle(&new, usd(5)), (usd(0), usd(5)));
        assert_eq!(purse.spent(MAY), usd(5), "the clock went back");
        assert!(purse.reserve(usd(10), MAY, usd(6)).is_err());
    }

    #[test]
    fn what_records_say_counts_where_it_is_more() {
        let purse = Purse::default();
        let open = purse.reserve(usd(10), MAY, usd(2)).unwrap();
        purse.at_least(MAY, usd(7));
        purse.at_least(MAY, usd(3));
        assert_eq!((purse.spent(MAY), purse.committed(MAY)), (usd(7), usd(9)));
        purse.settle(&open, usd(1));
        assert_eq!((purse.spent(MAY), purse.committed(MAY)), (usd(8), usd(8)));
    }

    proptest! {
        /// Whatever happens in whatever order: never more than the limit is out, and in the end only what was paid.
        #[test]
        fn the_limit_holds(steps in proptest::collection::vec((0u8..3, 0i64..40, 0i64..40), 1..60)) {
            let (purse, limit) = (Purse::default(), usd(100));
            let (mut open, mut paid) = (Vec::new(), 0);
            for (what, amount, part) in steps {
                if what < 2 {
                    if let Ok(held) = purse.reserve(limit, MAY, usd(amount)) {
                        open.push(held);
                    }
                } else if let Some(held) = open.pop() {
                    let cost = part.min(held.amount().picos());
                    paid += cost;
                    purse.settle(&held, usd(cost));
                }
                let reserved: i64 = open.iter().map(|held| held.amount().picos()).sum();
                prop_assert_eq!(purse.committed(MAY), usd(paid + reserved));
                prop_assert!(purse.committed(MAY) <= limit);
            }
        }
    }
}
