//! What this replica knows of the requests and tokens a minute, and of the requests in work, that it shares.

use super::ahead::{Ahead, Count, Extra, portion};
use super::tally::Tally;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tierway_decide::rate::Standing;
use tokio::sync::watch;

/// Bounds of a pace: requests a minute, tokens a minute, requests in work. None where there is no such bound.
pub(crate) type Limits = [Option<u32>; 3];

const REQUESTS: usize = 0;
pub(super) const TOKENS: usize = 1;
pub(super) const PLACES: usize = 2;
const MINUTE_US: i64 = 60_000_000;

/// Requests and tokens a minute, and requests in work, of one payer.
pub(crate) struct Pace {
    pub(super) name: String,
    known: Mutex<Known>,
    /// A request is asking for what others will need; those may wait for it.
    is_coming: watch::Sender<bool>,
}

/// What this replica knows of it.
#[derive(Default)]
pub(super) struct Known {
    /// Requests in work in this replica, of those that count.
    pub(super) tally: Tally,
    /// Held for requests that are still to come.
    ahead: [Ahead; 3],
    /// Not told yet.
    correction: Correction,
    /// Requests and tokens a minute, as was heard last, and when that was.
    standings: [Option<Standing>; 2],
    heard: Option<Instant>,
    /// Requests that were let in since the last heartbeat, and between the two before.
    seen: i64,
    seen_before: i64,
}

/// What a minute's requests and tokens have to be corrected by: the time in which tokens flow out that were used beyond those
/// that were taken, and requests that were taken and never came; microseconds, under the limit that they were taken under.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Correction {
    pub(super) more_us: i64,
    pub(super) unused_us: i64,
}

/// A request asks for what others will need: no other does that meanwhile.
pub(super) struct Filling(Arc<Pace>);

impl Drop for Filling {
    fn drop(&mut self) {
        self.0.is_coming.send_replace(false);
    }
}

impl Pace {
    /// `name`: in the database, where there is one.
    pub(crate) fn new(name: String) -> Self {
        Self { name, known: Mutex::default(), is_coming: watch::Sender::new(false) }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None while another request does it.
    pub(super) fn fill(self: &Arc<Self>) -> Option<Filling> {
        let is_first = self.is_coming.send_if_modified(|is_coming| !std::mem::replace(is_coming, true));
        is_first.then(|| Filling(self.clone()))
    }

    /// Where another request is asking for what this one could have: becomes false when its answer is there.
    pub(super) fn coming(&self, limits: Limits, needs: [i64; 3]) -> Option<watch::Receiver<bool>> {
        if !*self.is_coming.borrow() || !self.known().all(limits, needs, Ahead::may_have) {
            return None;
        }
        Some(self.is_coming.subscribe())
    }

    /// For how many requests it is worth taking ahead: those of about a second, and those that wait already.
    pub(super) fn demand(&self) -> i64 {
        let known = self.known();
        let waiting = i64::try_from(self.is_coming.receiver_count()).unwrap_or(i64::MAX);
        known.seen.max(known.seen_before).saturating_add(waiting)
    }

    /// What is held for requests to come under these limits; what was taken under others goes back first, at its own price.
    pub(super) fn held(&self, limits: Limits) -> [i64; 3] {
        let mut known = self.known();
        known.give_back_all(|at, ahead| ahead.keep_only(limits[at].map(i64::from)));
        known.ahead.each_ref().map(Ahead::left)
    }

    /// Takes what a request needs of what is held, of all bounds or of none; gives how requests and tokens stand then.
    pub(super) fn take_ahead(&self, limits: Limits, needs: [i64; 3]) -> Option<[Option<Standing>; 2]> {
        let mut known = self.known();
        if !known.all(limits, needs, Ahead::fits) {
            return None;
        }
        for at in [REQUESTS, TOKENS, PLACES] {
            if limits[at].is_some() {
                known.ahead[at].take(needs[at]);
            }
        }
        known.seen += 1;
        Some(known.standings(limits))
    }

    /// What [`Self::take_ahead`] took.
    pub(super) fn put_back(&self, limits: Limits, needs: [i64; 3]) {
        let mut known = self.known();
        known.seen -= 1;
        for at in [REQUESTS, TOKENS, PLACES] {
            let Some(limit) = limits[at].map(i64::from) else { continue };
            let ahead = &mut known.ahead[at];
            let kept = if ahead.limit() == limit { ahead.put_back(needs[at]) } else { 0 };
            known.give_back(at, needs[at] - kept, limit);
        }
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
        let mut known = self.known();
        let mut more = extras.map(|extra| extra.more(count.came));
        if limits[PLACES].is_some() {
            let place = extras[PLACES];
            more[PLACES] = known.tally.granted(session, place.asked(count.wanted), place.need, more[PLACES]);
        }
        for at in [REQUESTS, TOKENS, PLACES] {
            let Some(limit) = limits[at].map(i64::from) else { continue };
            let worth = count.came.saturating_mul(extras[at].need);
            let left = standings.get(at).copied().flatten().map(|standing| signed(standing.remaining) + more[at]);
            // How many places are left is heard once a second ([`Known::keep_places`]); those that came are a portion of them.
            let portion = left.map_or(known.ahead[at].portion().max(worth), |left| left / count.portion);
            let over = known.ahead[at].fill(limit, more[at], worth, portion);
            known.give_back(at, over, limit);
        }
        known.seen += 1;
        (known.standings, known.heard) = (standings, Some(Instant::now()));
        known.standings(limits)
    }

    /// Nothing is held any longer; what was goes back.
    pub(super) fn keep_nothing(&self) {
        self.known().give_back_all(|_, ahead| ahead.keep(0));
    }

    /// A heartbeat: what lay unused since the last one goes back.
    pub(super) fn beat(&self) {
        let mut known = self.known();
        known.seen_before = std::mem::take(&mut known.seen);
        known.give_back_all(|_, ahead| ahead.unused());
    }

    /// Counts one more request without asking, unless there are `most` already; false then.
    pub(crate) fn enter(&self, most: u32) -> bool {
        let mut known = self.known();
        let held = known.ahead[PLACES].keep(0);
        known.tally.release(held);
        let fits = known.tally.open() < i64::from(most);
        if fits {
            known.tally.take_alone(1);
        }
        fits
    }

    /// The next request has the place, or it goes back.
    pub(crate) fn leave(&self) {
        let mut known = self.known();
        let kept = known.ahead[PLACES].put_back(1);
        known.tally.release(1 - kept);
    }

    /// A request had other tokens than were taken for it.
    pub(crate) fn correct(&self, tpm: u32, taken: u64, used: u64) {
        // None goes to the next request: the minute that they were taken in may be over.
        let more = signed(used).saturating_sub(signed(taken));
        self.known().correction.more_us += flow_us(more, tpm.into());
    }

    /// Enough is to be told that it should not wait for the next heartbeat.
    pub(crate) fn is_due(&self) -> bool {
        let known = self.known();
        known.is_flow_due(REQUESTS, known.correction.unused_us)
            || known.is_flow_due(TOKENS, known.correction.more_us)
            || known.ahead[PLACES].is_due(known.tally.untold())
    }
}

impl Known {
    /// Told once.
    pub(super) fn correction(&mut self) -> Correction {
        std::mem::take(&mut self.correction)
    }

    /// Something of it is to be told.
    pub(super) fn is_untold(&self) -> bool {
        self.is_corrected() || self.tally.untold() > 0
    }

    /// The database may know something of it.
    pub(super) fn is_used(&self) -> bool {
        self.tally.is_used() || self.is_corrected()
    }

    pub(super) fn is_corrected(&self) -> bool {
        self.correction != Correction::default()
    }

    /// So many places all replicas have taken: of what is left, this one holds no more than its portion for requests to come.
    pub(super) fn keep_places(&mut self, taken: i64, replicas: u32) {
        let ahead = &mut self.ahead[PLACES];
        let left = ahead.limit().saturating_sub(taken).saturating_add(ahead.left());
        let over = ahead.keep(left / portion(replicas));
        self.give_back(PLACES, over, 0);
    }

    /// Whether each bound that there is allows what a request needs of it.
    fn all(&self, limits: Limits, needs: [i64; 3], allows: fn(&Ahead, i64, i64) -> bool) -> bool {
        let mut bounds = self.ahead.iter().zip(limits).zip(needs);
        bounds.all(|((ahead, limit), need)| limit.is_none_or(|limit| allows(ahead, limit.into(), need)))
    }

    fn give_back_all(&mut self, over: impl Fn(usize, &mut Ahead) -> i64) {
        for at in [REQUESTS, TOKENS, PLACES] {
            let amount = over(at, &mut self.ahead[at]);
            self.give_back(at, amount, self.ahead[at].limit());
        }
    }

    fn give_back(&mut self, at: usize, amount: i64, limit: i64) {
        match at {
            REQUESTS => self.correction.unused_us += flow_us(amount, limit),
            TOKENS => self.correction.more_us -= flow_us(amount, limit),
            _ => self.tally.release(amount),
        }
    }

    /// So much flow is to be told at once.
    const fn is_flow_due(&self, at: usize, flow_us: i64) -> bool {
        let ahead = &self.ahead[at];
        // Whatever is less than one of them is something.
        let (count, sign) = (flow_us.saturating_mul(ahead.limit()) / MINUTE_US, flow_us.signum());
        ahead.is_due(if count == 0 { sign } else { count })
    }

    /// As was heard last, what has flowed out since, and what is held.
    fn standings(&self, limits: Limits) -> [Option<Standing>; 2] {
        let since = self.heard.map_or(Duration::ZERO, |heard| heard.elapsed());
        let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        [REQUESTS, TOKENS].map(|at| {
            let held = u64::try_from(self.ahead[at].left()).unwrap_or(0);
            self.standings[at].zip(limits[at]).map(|(heard, limit)| aged(heard, limit.into(), since_ms, held))
        })
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

#[cfg(test)]
mod tests;
