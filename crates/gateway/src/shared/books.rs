//! What this replica knows of the purses and paces that it shares, so that it can be told again at any time.

use super::tally::{self, Tally};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tierway_decide::Usd;
use tierway_decide::budget::{Budget, Period, Share, Window};

/// A purse outlives its window in the database by so much, for requests that end late.
const KEEP_AFTER_S: i64 = 86_400;
/// One without an end is kept for so long after it was last used.
const KEEP_TOTAL_S: i64 = 400 * 86_400;

/// One budget in one window.
pub(crate) struct Book {
    /// Its name in the database.
    pub(super) name: String,
    pub(crate) window: Window,
    pub(super) keep_s: i64,
    /// This replica's part of it.
    share: Share,
    tally: Mutex<Tally>,
    /// The budget, as it was configured when it was last asked for or taken from.
    limit: AtomicI64,
    /// Spent before anybody shared it, units of 1e-12 dollars.
    base: AtomicI64,
    /// The ledger or the database has said so.
    is_base_certain: AtomicBool,
    /// What all replicas had settled when that was last heard, for a database that forgets.
    settled_by: Mutex<HashMap<String, i64>>,
}

impl Book {
    /// `spent`: what the ledger knows of its window, and whether it could be read.
    pub(crate) fn new(name: String, budget: Budget, window: Window, spent: (Usd, bool)) -> Self {
        let keep_s = match budget.period {
            Period::Day => 86_400 + KEEP_AFTER_S,
            Period::Week => 7 * 86_400 + KEEP_AFTER_S,
            Period::Month => 31 * 86_400 + KEEP_AFTER_S,
            Period::Total => KEEP_TOTAL_S,
        };
        Self {
            name,
            window,
            keep_s,
            share: Share::default(),
            tally: Mutex::default(),
            limit: AtomicI64::new(budget.limit.picos()),
            base: AtomicI64::new(spent.0.picos()),
            is_base_certain: AtomicBool::new(spent.1),
            settled_by: Mutex::default(),
        }
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        tally::lock(&self.tally)
    }

    /// It is asked for so much, under this limit.
    pub(super) fn ask(&self, session: u64, amount: Usd, limit: Usd) {
        self.limit.store(limit.picos(), Ordering::Relaxed);
        self.tally().ask(session, amount.picos());
    }

    pub(super) fn granted(&self, session: u64, amount: Usd) {
        self.tally().granted(session, amount.picos());
        self.share.granted(amount);
    }

    pub(super) fn refused(&self, session: u64, amount: Usd) {
        self.tally().refused(session, amount.picos());
    }

    /// Takes so much without asking, of this limit; false when that is more than this replica's part ([`Share::take`]).
    /// `spent`: as far as this replica knows.
    pub(crate) fn take(&self, amount: Usd, limit: Usd, spent: Usd, replicas: u32) -> bool {
        self.limit.store(limit.picos(), Ordering::Relaxed);
        let taken = self.share.take(amount, limit - spent, replicas);
        if taken {
            self.tally().take_alone(amount.picos());
        }
        taken
    }

    /// A request that had so much has ended, and cost this.
    pub(crate) fn settle(&self, held: Usd, paid: Usd) {
        // In this order, and told the other way round: what is told to be given back is never missing from what is settled.
        self.share.settle(held, paid);
        self.tally().release(held.picos());
    }

    /// Settled by this replica, units of 1e-12 dollars.
    pub(super) fn settled(&self) -> i64 {
        self.share.settled().picos()
    }

    pub(super) fn base(&self) -> i64 {
        self.base.load(Ordering::Relaxed)
    }

    pub(super) fn is_base_certain(&self) -> bool {
        self.is_base_certain.load(Ordering::Relaxed)
    }

    /// How all of it stands, as was just heard.
    pub(super) fn heard(&self, base: i64, spent: i64, reserved: i64, replicas: u32) {
        self.base.store(base, Ordering::Relaxed);
        self.is_base_certain.store(true, Ordering::Relaxed);
        let left = self.limit.load(Ordering::Relaxed).saturating_sub(spent).saturating_sub(reserved);
        self.share.heard(Usd::from_picos(left), replicas);
    }

    pub(super) fn settled_by(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.settled_by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests and tokens a minute, and requests in work, of one payer.
pub(crate) struct Pace {
    pub(super) name: String,
    /// Requests in work in this replica, of those that count.
    tally: Mutex<Tally>,
    /// Tokens more than were taken, not told yet.
    more: AtomicI64,
    tpm: AtomicU32,
}

impl Pace {
    /// `name`: in the database, where there is one.
    pub(crate) fn new(name: String) -> Self {
        Self { name, tally: Mutex::default(), more: AtomicI64::new(0), tpm: AtomicU32::new(0) }
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        tally::lock(&self.tally)
    }

    /// Counts one more request without asking, unless there are `most` already; false then.
    pub(crate) fn enter(&self, most: u32) -> bool {
        let mut tally = self.tally();
        let fits = tally.open() < i64::from(most);
        if fits {
            tally.take_alone(1);
        }
        fits
    }

    pub(crate) fn leave(&self) {
        self.tally().release(1);
    }

    /// A request had other tokens than were taken for it.
    pub(crate) fn correct(&self, tpm: u32, taken: u64, used: u64) {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.tpm.store(tpm, Ordering::Relaxed);
        self.more.fetch_add(signed(used).saturating_sub(signed(taken)), Ordering::AcqRel);
    }

    /// Tokens a minute, and how many more were used than taken; told once.
    pub(super) fn correction(&self) -> (u32, i64) {
        (self.tpm.load(Ordering::Relaxed), self.more.swap(0, Ordering::AcqRel))
    }

    pub(super) fn is_corrected(&self) -> bool {
        self.more.load(Ordering::Acquire) != 0
    }
}

/// All that this replica shares, by name.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) books: HashMap<String, Arc<Book>>,
    pub(super) paces: HashMap<String, Arc<Pace>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_began_alone_has_its_part_of_what_is_heard_to_be_left() {
        let usd = Usd::from_picos;
        let (budget, window) =
            (Budget { limit: usd(100), period: Period::Total }, Window { start_ms: 0, end_ms: None });
        for (amount, fits) in [(35, true), (36, false)] {
            let book = Book::new("purse".into(), budget, window, (usd(10), true));
            // Nobody was asked before; 20 are spent, 10 reserved, and there are two.
            book.heard(0, 20, 10, 2);
            assert_eq!(book.take(usd(amount), budget.limit, usd(20), 2), fits, "{amount}");
        }
    }
}
