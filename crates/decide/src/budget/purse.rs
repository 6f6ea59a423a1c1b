//! What is spent and reserved of one budget in its window.

use super::Window;
use crate::Usd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts one window after the other. Shared by all requests of its holder, on every core; the lock is held for a few
/// additions. The window before stays known, so that what began in it is extended, settled and counted there.
#[derive(Debug, Default)]
pub struct Purse(Mutex<Windows>);

#[derive(Debug)]
struct Windows {
    now: Slot,
    before: Slot,
}

/// One window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    start_ms: i64,
    /// Settled.
    spent: Usd,
    /// Settled, and all reservations that are open: what says whether more may go out.
    committed: Usd,
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

impl Slot {
    const fn empty(start_ms: i64) -> Self {
        Self { start_ms, spent: Usd::ZERO, committed: Usd::ZERO }
    }

    fn take(&mut self, limit: Usd, amount: Usd) -> bool {
        let after = self.committed + amount;
        let fits = after <= limit;
        if fits {
            self.committed = after;
        }
        fits
    }

    fn short(&self) -> Short {
        Short { spent: self.spent, reserved: (self.committed - self.spent).max(Usd::ZERO) }
    }
}

impl Default for Windows {
    fn default() -> Self {
        Self { now: Slot::empty(i64::MIN), before: Slot::empty(i64::MIN) }
    }
}

impl Windows {
    /// Begins a new window when it has come. Who looked at the clock just before still finds the one before.
    fn turn(&mut self, window: Window) -> &mut Slot {
        if window.start_ms > self.now.start_ms {
            self.before = self.now;
            self.now = Slot::empty(window.start_ms);
        }
        if window.start_ms == self.before.start_ms { &mut self.before } else { &mut self.now }
    }

    /// The window that a reservation is of; none when it is long over.
    fn of(&mut self, held: &Held) -> Option<&mut Slot> {
        if self.now.start_ms == held.window_ms {
            Some(&mut self.now)
        } else if self.before.start_ms == held.window_ms {
            Some(&mut self.before)
        } else {
            None
        }
    }
}

impl Purse {
    /// Takes the worst case of a request, unless settled and reserved money together would go beyond the limit.
    ///
    /// # Errors
    /// [`Short`]: how it stands.
    pub fn reserve(&self, limit: Usd, window: Window, amount: Usd) -> Result<Held, Short> {
        let mut windows = self.windows();
        let slot = windows.turn(window);
        if slot.take(limit, amount) { Ok(Held { window_ms: slot.start_ms, amount }) } else { Err(slot.short()) }
    }

    /// Takes what somebody else has allowed: a limit that is kept elsewhere.
    pub fn force(&self, window: Window, amount: Usd) -> Held {
        let mut windows = self.windows();
        let slot = windows.turn(window);
        slot.committed += amount;
        Held { window_ms: slot.start_ms, amount }
    }

    /// Takes more for a request that holds some already, from the window that it began in; false when there is not that
    /// much left. `limit`: none when somebody else has allowed it.
    pub fn extend(&self, held: &mut Held, limit: Option<Usd>, more: Usd) -> bool {
        let mut windows = self.windows();
        let taken = windows.of(held).is_none_or(|slot| slot.take(limit.unwrap_or(Usd::from_picos(i64::MAX)), more));
        if taken {
            held.amount += more;
        }
        taken
    }

    /// Gives a part of it back, as if it had not been taken.
    pub fn take_back(&self, held: &mut Held, less: Usd) {
        held.amount = held.amount - less;
        if let Some(slot) = self.windows().of(held) {
            slot.committed = slot.committed - less;
        }
    }

    /// The request ended and cost this; what it reserved beyond that is free again. It counts in the window that it began
    /// in, as its record does. Gives what is settled there before and after.
    pub fn settle(&self, held: &Held, paid: Usd) -> (Usd, Usd) {
        let mut windows = self.windows();
        let Some(slot) = windows.of(held) else { return (Usd::ZERO, Usd::ZERO) };
        let before = slot.spent;
        slot.spent += paid;
        slot.committed = slot.committed - held.amount + paid;
        (before, slot.spent)
    }

    /// What the records say was settled in this window: the larger of both counts. After a start, and where other
    /// processes spend from the same budget. Gives what is settled before and after.
    pub fn at_least(&self, window: Window, spent: Usd) -> (Usd, Usd) {
        let mut windows = self.windows();
        let slot = windows.turn(window);
        let before = slot.spent;
        if slot.start_ms == window.start_ms {
            let missing = (spent - slot.spent).max(Usd::ZERO);
            slot.spent += missing;
            slot.committed += missing;
        }
        (before, slot.spent)
    }

    /// Settled in this window.
    #[must_use]
    pub fn spent(&self, window: Window) -> Usd {
        self.windows().turn(window).spent
    }

    /// Settled in this window, and reserved.
    #[must_use]
    pub fn committed(&self, window: Window) -> Usd {
        self.windows().turn(window).committed
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_cost_beyond_all_measure_closes_a_budget_and_does_not_open_it() {
        let purse = Purse::default();
        for _ in 0..3 {
            let held = purse.force(MAY, usd(1));
            let _ = purse.settle(&held, Usd::from_picos(i64::MAX));
        }
        assert_eq!(purse.spent(MAY), Usd::from_picos(i64::MAX));
        assert!(purse.reserve(usd(10), MAY, usd(1)).is_err());
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
    fn what_began_before_midnight_is_extended_settled_and_counted_there_and_nowhere_else() {
        let purse = Purse::default();
        let mut old = purse.reserve(usd(10), MAY, usd(4)).unwrap();
        let spent = purse.reserve(usd(10), MAY, usd(6)).unwrap();
        purse.settle(&spent, usd(3));
        assert_eq!(purse.committed(JUNE), usd(0), "June begins empty");
        let new = purse.reserve(usd(10), JUNE, usd(10)).unwrap();
        assert!(!purse.extend(&mut old, Some(usd(10)), usd(4)), "three are spent and four reserved in May");
        assert!(purse.extend(&mut old, Some(usd(10)), usd(3)));
        assert_eq!(purse.settle(&old, usd(5)), (usd(3), usd(8)));
        assert_eq!((purse.spent(JUNE), purse.committed(JUNE)), (usd(0), usd(10)));
        assert_eq!(purse.settle(&new, usd(5)), (usd(0), usd(5)));
        assert_eq!((purse.spent(JUNE), purse.committed(JUNE)), (usd(5), usd(5)));
        // Who looked at the clock just before midnight.
        assert_eq!(purse.spent(MAY), usd(8));
        assert!(purse.reserve(usd(10), MAY, usd(3)).is_err() && purse.reserve(usd(10), MAY, usd(2)).is_ok());
        assert_eq!(purse.committed(JUNE), usd(5));
    }

    #[test]
    fn what_is_settled_two_windows_later_changes_nothing() {
        let purse = Purse::default();
        let mut old = purse.reserve(usd(10), MAY, usd(4)).unwrap();
        let july = Window { start_ms: 300, end_ms: None };
        assert_eq!((purse.committed(JUNE), purse.committed(july)), (usd(0), usd(0)));
        assert!(purse.extend(&mut old, Some(usd(10)), usd(9)), "nobody counts May any more");
        assert_eq!(purse.settle(&old, usd(9)), (usd(0), usd(0)));
        assert_eq!(purse.committed(july), usd(0));
    }

    #[test]
    fn what_was_allowed_elsewhere_counts_here_as_well() {
        let purse = Purse::default();
        let mut held = purse.force(MAY, usd(12));
        assert!(purse.extend(&mut held, None, usd(4)));
        purse.take_back(&mut held, usd(1));
        assert_eq!(purse.reserve(usd(10), MAY, usd(0)), Err(Short { spent: usd(0), reserved: usd(15) }));
        assert_eq!(purse.settle(&held, usd(2)), (usd(0), usd(2)));
        assert_eq!(purse.committed(MAY), usd(2));
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
        /// Whatever happens in whatever order, midnights included: never more than the limit is out in a window, and each
        /// cost counts once, in the window in which its request began.
        #[test]
        fn the_limit_holds(steps in proptest::collection::vec((0u8..8, 0i64..40, 0i64..40), 1..80)) {
            let (purse, limit) = (Purse::default(), usd(100));
            let mut window = MAY;
            // (start of the window, amount, held), and what was paid by window
            let (mut open, mut paid) = (Vec::<(i64, Held)>::new(), [0, 0]);
            for (what, amount, part) in steps {
                match what {
                    0..4 => if let Ok(held) = purse.reserve(limit, window, usd(amount)) {
                        open.push((window.start_ms, held));
                    },
                    4 => if let Some((_, held)) = open.last_mut() {
                        let _ = purse.extend(held, Some(limit), usd(part));
                    },
                    5..7 => if let Some((start_ms, held)) = open.pop() {
                        let cost = part.min(held.amount().picos());
                        paid[usize::from(start_ms == JUNE.start_ms)] += cost;
                        purse.settle(&held, usd(cost));
                    },
                    _ => window = JUNE,
                }
                let of_now = open.iter().filter(|(start_ms, _)| *start_ms == window.start_ms);
                let reserved: i64 = of_now.map(|(_, held)| held.amount().picos()).sum();
                let spent = paid[usize::from(window == JUNE)];
                prop_assert_eq!(purse.spent(window), usd(spent));
                prop_assert_eq!(purse.committed(window), usd(spent + reserved));
                prop_assert!(purse.committed(window) <= limit);
            }
        }
    }
}
