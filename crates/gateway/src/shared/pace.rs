//! What this replica knows of the requests and tokens a minute, and of the requests in work, that it shares.

use super::ahead::{Ahead, Count, Extra};
use super::tally::{self, Tally};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tierway_decide::rate::Standing;

/// Bounds of a pace: requests a minute, tokens a minute, requests in work. None where there is no such bound.
pub(crate) type Limits = [Option<u32>; 3];

const REQUESTS: usize = 0;
pub(super) const TOKENS: usize = 1;
pub(super) const PLACES: usize = 2;
const MINUTE_US: i64 = 60_000_000;

/// Requests and tokens a minute, and requests in work, of one payer.
pub(crate) struct Pace {
    pub(super) name: String,
    /// Requests in work in this replica, of those that count.
    tally: Mutex<Tally>,
    ahead: Mutex<Stock>,
    /// A request is asking for what others will need.
    filling: AtomicBool,
    /// Tokens more than were taken, and requests less than were, not told yet: microseconds in which they flow out under the
    /// limit that they were taken under.
    more_us: AtomicI64,
    unused_us: AtomicI64,
}

/// Held for requests that are still to come.
#[derive(Default)]
struct Stock {
    bounds: [Ahead; 3],
    /// Requests and tokens a minute, as was heard last, and when that was.
    standings: [Option<Standing>; 2],
    heard: Option<Instant>,
}

/// What a minute's requests and tokens have to be corrected by: the time in which tokens flow out that were used beyond those
/// that were taken, and requests that were taken and never came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Correction {
    pub(super) more_us: i64,
    pub(super) unused_us: i64,
}

/// A request asks for what others will need: no other does that meanwhile.
pub(super) struct Filling(Arc<Pace>);

impl Drop for Filling {
    fn drop(&mut self) {
        self.0.filling.store(false, Ordering::Release);
    }
}

impl Pace {
    /// `name`: in the database, where there is one.
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            tally: Mutex::default(),
            ahead: Mutex::default(),
            filling: AtomicBool::new(false),
            more_us: AtomicI64::new(0),
            unused_us: AtomicI64::new(0),
        }
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        tally::lock(&self.tally)
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None while another request does it.
    pub(super) fn fill(self: &Arc<Self>) -> Option<Filling> {
        (!self.filling.swap(true, Ordering::Acquire)).then(|| Filling(self.clone()))
    }

    /// What is held for requests to come under these limits; what was taken under others goes back first, at its own price.
    pub(super) fn held(&self, limits: Limits) -> [i64; 3] {
        self.give_back_all(|at, ahead| ahead.keep_only(limits[at].map(i64::from)));
        let stock = self.stock();
        [REQUESTS, TOKENS, PLACES].map(|at| stock.bounds[at].left())
    }

    /// Takes what a request needs of what is held, of all bounds or of none; gives how requests and tokens stand then.
    pub(super) fn take_ahead(&self, limits: Limits, needs: [i64; 3]) -> Option<[Option<Standing>; 2]> {
        let mut stock = self.stock();
        let bounds = || limits.into_iter().zip(needs).enumerate();
        let fits =
            bounds().all(|(at, (limit, need))| limit.is_none_or(|limit| stock.bounds[at].fits(limit.into(), need)));
        if !fits {
            return None;
        }
        for (at, (limit, need)) in bounds() {
            if limit.is_some() {
                stock.bounds[at].take(need);
            }
        }
        Some(stock.standings(limits))
    }

    /// What [`Self::take_ahead`] took.
    pub(super) fn put_back(&self, limits: Limits, needs: [i64; 3]) {
        for (at, (limit, need)) in limits.into_iter().zip(needs).enumerate() {
            if let Some(limit) = limit.map(i64::from) {
                let kept = {
                    let ahead = &mut self.stock().bounds[at];
                    if ahead.limit() == limit { ahead.put_back(need) } else { 0 }
                };
                self.give_back(at, need - kept, limit);
            }
        }
    }

    /// A place is asked for, and others that will be needed.
    pub(super) fn ask(&self, session: u64, most: i64) {
        self.tally().ask(session, most);
    }

    /// What was asked for was granted, and the worth of so many more requests. `standings`: what was heard; gives how they stand
    /// with what is held.
    pub(super) fn granted(
        &self,
        session: u64,
        limits: Limits,
        extras: [Extra; 3],
        count: Count,
        standings: [Option<Standing>; 2],
    ) -> [Option<Standing>; 2] {
        let mut more = extras.map(|extra| extra.more(count.came));
        if limits[PLACES].is_some() {
            let place = extras[PLACES];
            more[PLACES] = self.tally().granted(session, place.asked(count.wanted), place.need, more[PLACES]);
        }
        for at in [REQUESTS, TOKENS, PLACES] {
            if let Some(limit) = limits[at].filter(|_| count.wanted > 0) {
                let worth = count.came.saturating_mul(extras[at].need);
                // How many places are left is heard once a second.
                let left = standings.get(at).copied().flatten().map(|standing| signed(standing.remaining) + more[at]);
                let most = left.map_or(i64::MAX, |left| left / count.portion);
                let over = self.stock().bounds[at].fill(limit.into(), more[at], worth, most);
                self.give_back(at, over, limit.into());
            }
        }
        let mut stock = self.stock();
        (stock.standings, stock.heard) = (standings, Some(Instant::now()));
        stock.standings(limits)
    }

    /// Nothing was taken of a place and others that were asked for.
    pub(super) fn refused(&self, session: u64, asked: i64) {
        self.tally().refused(session, asked);
    }

    /// Nothing is held any longer; what was goes back.
    pub(super) fn keep_nothing(&self) {
        self.give_back_all(|_, ahead| ahead.keep(0));
    }

    /// What lay unused since this was last called goes back.
    pub(super) fn give_back_unused(&self) {
        self.give_back_all(|_, ahead| ahead.unused());
    }

    fn give_back_all(&self, over: impl Fn(usize, &mut Ahead) -> i64) {
        for at in [REQUESTS, TOKENS, PLACES] {
            let (over, limit) = {
                let ahead = &mut self.stock().bounds[at];
                (over(at, ahead), ahead.limit())
            };
            self.give_back(at, over, limit);
        }
    }

    fn give_back(&self, at: usize, amount: i64, limit: i64) {
        if amount <= 0 {
            return;
        }
        match at {
            REQUESTS => _ = self.unused_us.fetch_add(flow_us(amount, limit), Ordering::AcqRel),
            TOKENS => _ = self.more_us.fetch_add(-flow_us(amount, limit), Ordering::AcqRel),
            _ => self.tally().release(amount),
        }
    }

    /// Counts one more request without asking, unless there are `most` already; false then.
    pub(crate) fn enter(&self, most: u32) -> bool {
        let held = self.stock().bounds[PLACES].keep(0);
        let mut tally = self.tally();
        tally.release(held);
        let fits = tally.open() < i64::from(most);
        if fits {
            tally.take_alone(1);
        }
        fits
    }

    /// The next request has the place, or it goes back.
    pub(crate) fn leave(&self) {
        let kept = self.stock().bounds[PLACES].put_back(1);
        self.tally().release(1 - kept);
    }

    /// A request had other tokens than were taken for it.
    pub(crate) fn correct(&self, tpm: u32, taken: u64, used: u64) {
        // None goes to the next request: the minute that they were taken in may be over.
        let more = signed(used).saturating_sub(signed(taken));
        self.more_us.fetch_add(flow_us(more, tpm.into()), Ordering::AcqRel);
    }

    /// Told once.
    pub(super) fn correction(&self) -> Correction {
        Correction {
            more_us: self.more_us.swap(0, Ordering::AcqRel),
            unused_us: self.unused_us.swap(0, Ordering::AcqRel),
        }
    }

    pub(super) fn is_corrected(&self) -> bool {
        self.more_us.load(Ordering::Acquire) != 0 || self.unused_us.load(Ordering::Acquire) != 0
    }

    /// Something of it is to be told.
    pub(super) fn is_untold(&self) -> bool {
        self.is_corrected() || self.tally().untold() > 0
    }

    /// Enough is to be told that it should not wait for the next heartbeat.
    pub(crate) fn is_due(&self) -> bool {
        let stock = self.stock();
        stock.is_due(REQUESTS, self.unused_us.load(Ordering::Acquire))
            || stock.is_due(TOKENS, self.more_us.load(Ordering::Acquire))
            || stock.bounds[PLACES].is_due(self.tally().untold())
    }
}

/// How a minute stands so long after it was heard, with what is held of it.
fn aged(heard: Standing, limit: u64, since_ms: u64, held: u64) -> Standing {
    let flowed = since_ms.min(heard.reset_ms).saturating_mul(limit) / 60_000;
    let remaining = heard.remaining.saturating_add(flowed).saturating_add(held).min(limit);
    Standing { remaining, reset_ms: heard.reset_ms.saturating_sub(since_ms) }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Microseconds in which so many flow out of a minute; none without a bound.
fn flow_us(count: i64, per_minute: i64) -> i64 {
    // More than an hour makes no difference anywhere.
    let most = 60 * MINUTE_US;
    count.saturating_mul(MINUTE_US).checked_div(per_minute).unwrap_or(0).clamp(-most, most)
}

impl Stock {
    /// So much flow is to be told at once.
    const fn is_due(&self, at: usize, flow_us: i64) -> bool {
        let ahead = &self.bounds[at];
        // Whatever is less than one of them is something.
        let (count, sign) = (flow_us.saturating_mul(ahead.limit()) / MINUTE_US, flow_us.signum());
        ahead.is_due(if count == 0 { sign } else { count })
    }

    /// As was heard last, what has flowed out since, and what is held.
    fn standings(&self, limits: Limits) -> [Option<Standing>; 2] {
        let since = self.heard.map_or(Duration::ZERO, |heard| heard.elapsed());
        let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        [REQUESTS, TOKENS].map(|at| {
            let held = u64::try_from(self.bounds[at].left()).unwrap_or(0);
            self.standings[at].zip(limits[at]).map(|(heard, limit)| aged(heard, limit.into(), since_ms, held))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ahead::MOST;
    use super::*;

    const LIMITS: Limits = [Some(6_000), Some(60_000), Some(500)];

    /// A pace that holds what four requests need, of ten tokens each, with so much left of a minute as was heard.
    fn pace() -> Pace {
        let (pace, heard) = (Pace::new("pace".into()), Standing { remaining: 5_000, reset_ms: 0 });
        pace.tally().begin(1);
        let extras = [1, 10, 1].map(|need| Extra { need, held: 0 });
        pace.ask(1, 33);
        let standings =
            pace.granted(1, LIMITS, extras, Count { came: 4, wanted: MOST, portion: 100 }, [Some(heard), Some(heard)]);
        assert_eq!(standings.map(|standing| standing.unwrap().remaining), [5_004, 5_040]);
        pace
    }

    #[test]
    fn a_request_takes_of_all_bounds_or_of_none() {
        let pace = pace();
        assert!(pace.take_ahead(LIMITS, [1, 41, 1]).is_none());
        assert!(pace.take_ahead([Some(6_000), Some(60_000), Some(499)], [1, 10, 1]).is_none(), "another limit");
        assert_eq!(pace.held(LIMITS), [4, 40, 4]);
        let standings = pace.take_ahead(LIMITS, [1, 40, 1]).unwrap();
        assert_eq!(standings.map(|standing| standing.unwrap().remaining), [5_003, 5_000]);
        assert!(pace.take_ahead(LIMITS, [1, 1, 1]).is_none() && pace.take_ahead([None; 3], [1; 3]).is_some());
        pace.put_back(LIMITS, [1, 40, 1]);
        assert_eq!(pace.held(LIMITS), [4, 40, 4]);
    }

    #[test]
    fn what_a_request_did_not_need_is_for_the_next() {
        let pace = pace();
        pace.take_ahead(LIMITS, [1, 10, 1]).unwrap();
        pace.leave();
        pace.correct(60_000, 10, 2);
        assert_eq!((pace.held(LIMITS), pace.tally().open()), ([3, 30, 4], 5));
        assert_eq!(pace.correction().more_us, -8_000, "no token is used in a later minute than it was taken in");
        assert!(!pace.is_untold());
        // No more than was held: the rest is told.
        pace.leave();
        pace.correct(60_000, 10, 5);
        assert_eq!((pace.held(LIMITS), pace.tally().open()), ([3, 30, 4], 4));
        assert_eq!(pace.tally().untold(), 1);
        assert_eq!((pace.correction().more_us, pace.correction().more_us, pace.is_due()), (-5_000, 0, false));
    }

    #[test]
    fn what_is_not_used_goes_back() {
        let pace = pace();
        pace.take_ahead(LIMITS, [1, 10, 1]).unwrap();
        pace.give_back_unused();
        assert!(!pace.is_untold());
        pace.give_back_unused();
        assert_eq!(
            pace.correction(),
            Correction { more_us: -30_000, unused_us: 30_000 },
            "three requests of 6,000 a minute flow out in 30 ms, and so do their 30 tokens of 60,000"
        );
        assert_eq!((pace.held(LIMITS), pace.tally().open()), ([0; 3], 2), "two are in work");
        assert!(pace.is_due());
    }

    #[test]
    fn what_was_taken_under_another_limit_goes_back_at_its_own_price() {
        let (pace, lowered) = (pace(), [Some(60), Some(600), Some(5)]);
        assert_eq!(pace.held(lowered), [0; 3], "no discount for what is asked for under the new limits");
        assert_eq!(pace.correction(), Correction { more_us: -40_000, unused_us: 40_000 });
        assert_eq!(pace.tally().open(), 1);
    }

    #[test]
    fn one_bound_that_is_near_leaves_alone_what_is_held_of_the_others() {
        for (left, came, held) in [(5_000, 0, [4, 40, 4]), (300, 0, [3, 3, 4]), (5_000, 4, [4, 40, 4])] {
            let pace = pace();
            let extras = [1, 10, 1].map(|need| Extra { need, held: came * need });
            pace.ask(1, 33);
            let standings = [Some(Standing { remaining: left, reset_ms: 7 }); 2];
            pace.granted(1, LIMITS, extras, Count { came, wanted: MOST, portion: 100 }, standings);
            assert_eq!(pace.held(LIMITS), held, "{left}");
        }
    }

    #[test]
    fn requests_that_never_came_are_told_at_once_when_they_are_many() {
        let pace = pace();
        pace.put_back(LIMITS, [3, 0, 0]);
        assert!(!pace.is_due());
        pace.put_back(LIMITS, [1, 0, 0]);
        assert!(pace.is_due());
    }

    #[test]
    fn a_minute_that_was_heard_flows_on() {
        let heard = Standing { remaining: 10, reset_ms: 50_000 };
        for (since_ms, held, remaining, reset_ms) in
            [(0, 0, 10, 50_000), (0, 5, 15, 50_000), (10_000, 5, 25, 40_000), (50_000, 0, 60, 0), (90_000, 5, 60, 0)]
        {
            assert_eq!(aged(heard, 60, since_ms, held), Standing { remaining, reset_ms }, "{since_ms} {held}");
        }
    }

    #[test]
    fn alone_it_counts_what_it_held_as_its_own() {
        let pace = pace();
        assert!(!pace.enter(1), "one is in work");
        assert!(pace.enter(2));
        assert_eq!((pace.held(LIMITS)[PLACES], pace.tally().open()), (0, 2));
    }
}
