//! What this replica knows of the purses that it shares, so that it can be told again at any time.

use super::ahead::{Ahead, Count, Extra, FEWEST, portion};
use super::pace::Pace;
use super::tally::Tally;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tierway_decide::Usd;
use tierway_decide::budget::{Budget, Period, Share, Window};

/// A purse outlives its window in the database by so much, for requests that end late.
const KEEP_AFTER_S: i64 = 86_400;
/// One without an end is kept for so long after it was last used.
const KEEP_TOTAL_S: i64 = 400 * 86_400;
/// Settled money is told once it is one part in so many of what is held for requests to come, when that is full.
const SETTLED_PART: i64 = 4;

/// One budget in one window.
pub(crate) struct Book {
    /// Its name in the database.
    pub(super) name: String,
    pub(crate) window: Window,
    pub(super) keep_s: i64,
    /// This replica's part of it.
    share: Share,
    known: Mutex<Known>,
    /// The budget, as it was configured when it was last asked for or taken from.
    limit: AtomicI64,
    /// Spent before anybody shared it, units of 1e-12 dollars.
    base: AtomicI64,
    /// Spent by all, as was heard last; units of 1e-12 dollars.
    spent: AtomicI64,
    /// The ledger or the database has said so.
    is_base_certain: AtomicBool,
    /// Settled by this replica, as was told last; units of 1e-12 dollars.
    told_settled: AtomicI64,
    /// What all replicas had settled when that was last heard, for a database that forgets.
    settled_by: Mutex<HashMap<String, i64>>,
}

/// What this replica knows of its own.
#[derive(Default)]
pub(super) struct Known {
    pub(super) tally: Tally,
    /// Held for requests that are still to come; open in the tally, and committed in the share, as that of requests in progress is.
    ahead: Ahead,
    /// What the last one asked for, [`FEWEST`] times: settled money up to that may wait, but where less may be held, everything is told at once.
    few: i64,
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
            known: Mutex::default(),
            limit: AtomicI64::new(budget.limit.picos()),
            base: AtomicI64::new(spent.0.picos()),
            spent: AtomicI64::new(spent.0.picos()),
            is_base_certain: AtomicBool::new(spent.1),
            told_settled: AtomicI64::new(0),
            settled_by: Mutex::default(),
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is asked for at most so much, under this limit.
    pub(super) fn ask(&self, session: u64, most: i64, limit: Usd) {
        self.limit.store(limit.picos(), Ordering::Relaxed);
        self.known().tally.ask(session, most);
    }

    /// What was asked for was granted, and the worth of so many more requests. `left`: of the budget, after that.
    pub(super) fn granted(&self, session: u64, limit: Usd, extra: Extra, count: Count, left: i64) {
        let mut known = self.known();
        let more = known.tally.granted(session, extra.asked(count.wanted), extra.need, extra.more(count.came));
        self.share.granted(Usd::from_picos(extra.need + more));
        let portion = left.saturating_add(more) / count.portion;
        let over = known.ahead.fill(limit.picos(), more, count.came.saturating_mul(extra.need), portion);
        known.few = extra.need.saturating_mul(FEWEST);
        self.give_back(&mut known, over);
    }

    /// Nothing was taken.
    pub(super) fn refused(&self, session: u64, asked: i64) {
        self.known().tally.refused(session, asked);
    }

    /// What is held for requests to come under this limit; what was taken under another goes back first.
    pub(super) fn held(&self, limit: Usd) -> i64 {
        let mut known = self.known();
        let over = known.ahead.keep_only(Some(limit.picos()));
        self.give_back(&mut known, over);
        known.ahead.left()
    }

    /// Whether a request could have so much of what is held, were enough of it there.
    pub(super) fn may_have(&self, limit: Usd, amount: Usd) -> bool {
        self.known().ahead.may_have(limit.picos(), amount.picos())
    }

    /// Whether so much is held for requests to come, under this limit; takes it, and gives what all have spent, as was heard last.
    /// None where less is left than that, as far as this replica knows what is spent: requests may cost more than their worst case.
    pub(super) fn take_ahead(&self, limit: Usd, amount: Usd, known_spent: Usd) -> Option<Usd> {
        let mut known = self.known();
        (known_spent + amount <= limit && known.ahead.fits(limit.picos(), amount.picos())).then(|| {
            known.ahead.take(amount.picos());
            Usd::from_picos(self.spent.load(Ordering::Relaxed))
        })
    }

    /// What [`Self::take_ahead`] took.
    pub(super) fn put_back(&self, amount: Usd) {
        let mut known = self.known();
        let over = amount.picos() - known.ahead.put_back(amount.picos());
        self.give_back(&mut known, over);
    }

    /// Holds no more than this portion for requests to come; the rest goes back. Whether anything did.
    pub(super) fn keep_ahead(&self, portion: i64) -> bool {
        let mut known = self.known();
        let over = known.ahead.keep(portion);
        self.give_back(&mut known, over);
        over > 0
    }

    /// A heartbeat: what lay unused since the last one goes back.
    pub(super) fn beat(&self) {
        let mut known = self.known();
        let over = known.ahead.unused();
        self.give_back(&mut known, over);
    }

    fn give_back(&self, known: &mut Known, amount: i64) {
        if amount > 0 {
            self.share.give_back(Usd::from_picos(amount));
            known.tally.release(amount);
        }
    }

    /// Enough is to be told that it should not wait for the next heartbeat.
    pub(crate) fn is_due(&self) -> bool {
        let known = self.known();
        // Settled money nobody but this replica knows of: little of it is lost when that is killed.
        known.ahead.portion() < known.few
            || known.ahead.is_due(known.tally.untold())
            || self.untold_settled() > known.few.max(known.ahead.size() / SETTLED_PART)
    }

    fn untold_settled(&self) -> i64 {
        (self.settled() - self.told_settled.load(Ordering::Acquire)).max(0)
    }

    /// Something of it is to be told.
    pub(super) fn is_untold(&self) -> bool {
        self.known().tally.untold() > 0 || self.untold_settled() > 0
    }

    /// Gives what this replica has settled, to be told.
    pub(super) fn tell_settled(&self) -> i64 {
        let settled = self.settled();
        self.told_settled.fetch_max(settled, Ordering::AcqRel);
        settled
    }

    /// Takes so much without asking, of this limit; false when that is more than this replica's part ([`Share::take`]).
    /// `spent`: as far as this replica knows. `is_up`: the others can be told what is given back.
    pub(crate) fn take(&self, amount: Usd, limit: Usd, spent: Usd, (replicas, is_up): (u32, bool)) -> bool {
        self.limit.store(limit.picos(), Ordering::Relaxed);
        let mut known = self.known();
        // What it holds is its own as long as it is alone; otherwise it goes back, and is nobody's own.
        let held = known.ahead.keep(0);
        if is_up {
            self.give_back(&mut known, held);
        } else if held > 0 {
            self.share.settle(Usd::from_picos(held), Usd::ZERO);
            known.tally.release(held);
        }
        let taken = self.share.take(amount, limit - spent, replicas);
        if taken {
            known.tally.take_alone(amount.picos());
        }
        taken
    }

    /// A request that had so much has ended, and cost this. What is left of it is for those that come next, or goes back.
    pub(crate) fn settle(&self, held: Usd, paid: Usd) {
        let mut known = self.known();
        let kept = known.ahead.put_back((held - paid).picos().max(0));
        let released = held - Usd::from_picos(kept);
        // In this order, and told the other way round: what is told to be given back is never missing from what is settled.
        self.share.settle(released, paid);
        known.tally.release(released.picos());
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

    /// How all of it stands, as was just heard. Gives how much of what is left may be held for requests to come.
    pub(super) fn heard(&self, base: i64, spent: i64, reserved: i64, replicas: u32) -> i64 {
        self.base.store(base, Ordering::Relaxed);
        self.spent.store(spent, Ordering::Relaxed);
        self.is_base_certain.store(true, Ordering::Relaxed);
        let left = self.limit.load(Ordering::Relaxed).saturating_sub(spent).saturating_sub(reserved);
        self.share.heard(Usd::from_picos(left), replicas);
        left.max(0) / portion(replicas)
    }

    pub(super) fn settled_by(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.settled_by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that this replica shares, by name.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) books: HashMap<String, Arc<Book>>,
    pub(super) paces: HashMap<String, Arc<Pace>>,
}

#[cfg(test)]
mod tests;
