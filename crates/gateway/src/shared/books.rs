//! What this replica knows of the purses and paces that it shares, so that it can be told again at any time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tierway_decide::Usd;
use tierway_decide::budget::{Period, Share, Window};

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
    pub(crate) share: Share,
    /// The budget, as it was configured when it was last asked for.
    limit: AtomicI64,
    /// Spent before anybody shared it, units of 1e-12 dollars.
    base: AtomicI64,
    /// What all replicas had settled when that was last heard, for a database that forgets.
    settled: Mutex<HashMap<String, i64>>,
    told: AtomicBool,
}

impl Book {
    /// `spent`: what the ledger knows of its window.
    pub(crate) fn new(name: String, period: Period, window: Window, spent: Usd) -> Self {
        let keep_s = match period {
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
            limit: AtomicI64::new(0),
            base: AtomicI64::new(spent.picos()),
            settled: Mutex::default(),
            told: AtomicBool::new(true),
        }
    }

    /// It is about to be asked for under this limit.
    pub(super) fn under(&self, limit: Usd) {
        self.limit.store(limit.picos(), Ordering::Relaxed);
    }

    pub(super) fn base(&self) -> i64 {
        self.base.load(Ordering::Relaxed)
    }

    /// How all of it stands, as was just heard.
    pub(super) fn heard(&self, base: i64, spent: i64, reserved: i64, replicas: u32) {
        self.base.store(base, Ordering::Relaxed);
        let left = self.limit.load(Ordering::Relaxed).saturating_sub(spent).saturating_sub(reserved);
        self.share.heard(Usd::from_picos(left), replicas);
    }

    pub(super) fn settled(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True once, until it is told.
    pub(super) fn changed(&self) -> bool {
        self.told.swap(false, Ordering::AcqRel)
    }

    /// What is read after this is told.
    pub(super) fn telling(&self) {
        self.told.store(true, Ordering::Release);
    }
}

/// Requests and tokens a minute, and requests in work, of one payer.
pub(crate) struct Pace {
    pub(super) name: String,
    /// In work in this replica, of those that count; -1 as long as none did.
    active: AtomicI64,
    /// Tokens more than were taken, not told yet.
    more: AtomicI64,
    tpm: AtomicU32,
    told: AtomicBool,
}

impl Pace {
    /// `name`: in the database, where there is one.
    pub(crate) const fn new(name: String) -> Self {
        let (active, more) = (AtomicI64::new(-1), AtomicI64::new(0));
        Self { name, active, more, tpm: AtomicU32::new(0), told: AtomicBool::new(true) }
    }

    /// Counts one more request, unless there are `most` already; false then.
    pub(crate) fn enter(&self, most: Option<u32>) -> bool {
        let room = |count: i64| most.is_none_or(|most| count < i64::from(most)).then_some(count.max(0) + 1);
        self.active.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_ok()
    }

    pub(crate) fn leave(&self) {
        self.active.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn active(&self) -> i64 {
        self.active.load(Ordering::Acquire)
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

    pub(super) fn changed(&self) -> bool {
        self.told.swap(false, Ordering::AcqRel)
    }

    pub(super) fn telling(&self) {
        self.told.store(true, Ordering::Release);
    }
}
