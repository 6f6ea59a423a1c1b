//! What one config turns into, as far as a request is concerned. Never changed; a reload makes a new one.

use crate::cut_off::CutOff;
use crate::held::HeldCells;
use crate::log::FOREIGN;
use crate::provider_account::ProviderAccount;
use crate::router::ForeignTarget;
use crate::seam::{Clock, Provider, Sink};
use crate::sessions::{SessionNote, Sessions};
use crate::tallies::Tallies;
use crate::unlisted::UnlistedTargets;
use crate::witness::Witness;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tierway_decide::balance::{Balance, TargetState};
use tierway_decide::breaker::BreakerRules;
use tierway_decide::dispatch::{DispatchLimits, Hedging, RetryBudget};
use tierway_decide::{Choosing, Predictor, RequestId, RouteTable, Target, TargetId, Tier};

/// Everything that decides, and what all requests together know of the targets. Shared by all workers.
#[derive(Debug)]
pub struct Setup {
    /// Ladder, rules, policy, pins.
    pub table: RouteTable,
    /// How a prediction becomes a tier.
    pub choosing: Choosing,
    /// Says how hard a request is.
    pub predictor: Predictor,
    /// How traffic is spread within a tier.
    pub balance: Balance,
    /// Bounds of retries and fallbacks; its deadline is the time allowed for a whole request.
    pub limits: DispatchLimits,
    /// When a second target is asked beside one that is late; none: never.
    pub hedging: Option<Hedging>,
    /// How long the first content of a stream is held back, so that one which breaks by then falls back unseen.
    pub hold_back: Duration,
    /// Cells whose quality fell below the target.
    pub held: Arc<HeldCells>,
    /// What verdicts said of each target by kind of work; only read under [`Balance::Learned`].
    pub tallies: Tallies,
    /// Output tokens that a budget is asked for where a request states no bound; none: the most that a model can give.
    pub assumed_output: Option<u32>,
    /// Where requests wait for room at a provider's account.
    pub queue: Queue,
    states: Vec<Vec<Arc<TargetState>>>,
    /// Providers whose accounts have limits, by name.
    accounts: BTreeMap<String, ProviderAccount>,
    /// States of targets on no tier.
    passing: Arc<UnlistedTargets>,
    /// Breaker rules, and share and reserve of the retry budget, where they are not the usual ones.
    health: Option<(BreakerRules, u16, u16)>,
    pub(crate) sessions: Arc<Sessions>,
}

/// Bounds of the line at each provider's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Requests that may wait.
    pub most: usize,
    /// How long each may.
    pub within: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { most: 256, within: Duration::from_secs(10) }
    }
}

impl Setup {
    /// A setup in which nothing is known of any target yet.
    #[must_use]
    pub fn new(table: RouteTable, predictor: Predictor) -> Self {
        let choosing = table.choosing(None);
        let fresh = |tier: &Tier| tier.targets.iter().map(|_| Arc::default()).collect();
        let states = table.ladder().tiers().iter().map(fresh).collect();
        let tallies = Tallies::of(table.ladder());
        let limits = DispatchLimits::until(Timeouts::default().total.as_millis() as u64);
        Self {
            assumed_output: None,
            table,
            choosing,
            predictor,
            balance: Balance::default(),
            limits,
            hedging: None,
            hold_back: Duration::ZERO,
            held: Arc::default(),
            queue: Queue::default(),
            tallies,
            states,
            accounts: BTreeMap::new(),
            passing: Arc::default(),
            health: None,
            sessions: Arc::default(),
        }
    }

    /// With these breaker rules and retry budget for every target.
    #[must_use]
    pub fn with_health(mut self, rules: BreakerRules, retry_share_mille: u16, retry_reserve: u16) -> Self {
        self.health = Some((rules, retry_share_mille, retry_reserve));
        let health = self.health;
        self.states.iter_mut().flatten().for_each(|state| *state = Arc::new(fresh(health)));
        self
    }

    /// With these limits of providers' accounts.
    #[must_use]
    pub fn with_accounts(mut self, accounts: BTreeMap<String, ProviderAccount>) -> Self {
        self.accounts = accounts;
        self
    }

    /// Providers whose accounts have limits.
    #[must_use]
    pub const fn accounts(&self) -> &BTreeMap<String, ProviderAccount> {
        &self.accounts
    }

    /// So many processes use the accounts of providers: each keeps to its part of their limits.
    pub fn share_accounts(&self, replicas: u32) {
        self.accounts.values().for_each(|account| account.shared_by(replicas));
    }

    /// Takes over what an earlier setup knew of the same targets.
    #[must_use]
    pub fn after(mut self, earlier: &Self) -> Self {
        let names =
            |setup: &Self| setup.table.ladder().tiers().iter().map(|tier| tier.name.clone()).collect::<Vec<_>>();
        if names(&self) == names(earlier) {
            self.held = earlier.held.clone();
        }
        for (name, account) in &mut self.accounts {
            if let Some(earlier) = earlier.accounts.get(name) {
                account.after(earlier);
            }
        }
        self.passing = earlier.passing.clone();
        if self.places() == earlier.places() {
            self.sessions = earlier.sessions.clone();
        }
        let known = |tier: &Tier, target: &Target| {
            let (tiers, states) = (earlier.table.ladder().tiers(), &earlier.states);
            let (at, old) = tiers.iter().enumerate().find(|(_, old)| old.name == tier.name)?;
            let place =
                old.targets.iter().position(|old| old.provider == target.provider && old.model == target.model)?;
            Some(states[at][place].clone())
        };
        for (tier, states) in self.table.ladder().tiers().iter().zip(&mut self.states) {
            for (target, state) in tier.targets.iter().zip(states) {
                if let Some(known) = known(tier, target) {
                    *state = known;
                }
            }
        }
        self
    }

    /// All targets in their places, as tier, provider and model: what conversations know targets by.
    #[must_use]
    pub fn places(&self) -> Vec<(&str, &str, &str)> {
        let ladder = self.table.ladder();
        let targets = ladder.ids().flat_map(|tier| ladder.targets_of(tier).map(move |(_, target)| (tier, target)));
        targets.map(|(tier, target)| (&*ladder.tier(tier).name, &*target.provider, &*target.model)).collect()
    }

    /// What was learned here of conversations since the last time, oldest first, for replicas with the same ladder. From the
    /// first time on it is kept for the next.
    #[must_use]
    pub fn session_notes(&self) -> Vec<SessionNote> {
        self.sessions.take_notes()
    }

    /// What a replica with the same ladder has learned. It never replaces what is newer.
    pub fn hear_session(&self, note: SessionNote) {
        self.sessions.hear(note);
    }

    /// The target of an id; `foreign`: the one on no tier, where the request named it.
    pub(crate) fn target<'a>(&'a self, id: TargetId, foreign: Option<&'a Arc<Target>>) -> &'a Target {
        match foreign {
            Some(target) if id == FOREIGN => target,
            _ => self.table.ladder().target(id),
        }
    }

    /// What is known of a target of the ladder.
    #[must_use]
    pub fn state(&self, id: TargetId) -> &Arc<TargetState> {
        &self.states[usize::from(id.tier.0)][usize::from(id.index)]
    }

    /// What is known of a target that was named, on a tier or on none.
    pub(crate) fn state_of(&self, target: &Target, now_ms: u64) -> Arc<TargetState> {
        let tiers = self.table.ladder().tiers().iter().zip(&self.states);
        let mut known = tiers.flat_map(|(tier, states)| tier.targets.iter().zip(states));
        match known.find(|(known, _)| known.provider == target.provider && known.model == target.model) {
            Some((_, state)) => state.clone(),
            None => self.passing.state(target, now_ms, || fresh(self.health)),
        }
    }
}

fn fresh(health: Option<(BreakerRules, u16, u16)>) -> TargetState {
    let stated = |(rules, share, reserve)| TargetState::new(rules, RetryBudget::new(share, reserve));
    health.map_or_else(TargetState::default, stated)
}

/// A provider and how long to wait for it.
#[derive(Clone)]
pub struct Upstream {
    /// Who is asked.
    pub provider: Arc<dyn Provider>,
    /// How long.
    pub timeouts: Timeouts,
}

/// Limits of one upstream call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the request to the first content of a stream.
    pub first_byte: Duration,
    /// Longest silence inside a stream.
    pub between_chunks: Duration,
    /// The whole call.
    pub total: Duration,
}

impl Default for Timeouts {
    /// A minute for the first byte (reasoning models think before they speak), a minute of silence, ten minutes in all
    /// (what the official SDKs wait).
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(60),
            between_chunks: Duration::from_secs(60),
            total: Duration::from_secs(600),
        }
    }
}

/// What a request stands on; shared by everything that outlives the call that made it.
pub(crate) struct Ground {
    pub(crate) setup: Arc<Setup>,
    pub(crate) upstreams: BTreeMap<String, Upstream>,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<IdSource>,
    /// Said at the end of the grace time: what is not done says its last words.
    pub(crate) cut_off: Arc<CutOff>,
    pub(crate) foreign: Option<Arc<ForeignTarget>>,
    pub(crate) witness: Option<Arc<dyn Witness>>,
}

/// How far ids may be ahead of the clock, milliseconds: it is set back by so much now and then, and the ids still rise.
const MOST_AHEAD_MS: i64 = 60_000;

/// Ids of one millisecond before the next one is begun: an eighth of what the counter holds. Each time that ids follow the clock
/// back over times that they have been at, they take the next eighth, so that none comes twice.
const COUNTED: u16 = 512;

/// Makes ids that sort by time and never repeat within a process. Where the clock is set back by more than a minute they follow
/// it: what was wrong is the time before.
#[derive(Debug)]
pub struct IdSource {
    process: u16,
    last: AtomicI64,
}

impl IdSource {
    /// `process`: 10 bits that tell this source from others that write to the same ledger.
    #[must_use]
    pub const fn new(process: u16) -> Self {
        Self { process, last: AtomicI64::new(0) }
    }

    /// The next id: of this millisecond, or just after the last one when the clock stood still or went back a little.
    pub fn next(&self, unix_ms: i64) -> RequestId {
        let next = |last: i64| self.after(RequestId::from_i64(last), unix_ms);
        let update = |last: i64| Some(next(last).as_i64());
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).unwrap_or_default();
        let (made, last) = (next(last), RequestId::from_i64(last));
        if made < last {
            let seconds = (last.unix_ms() - made.unix_ms()) / 1_000;
            tracing::warn!(seconds, "the clock went back; requests before are recorded as of later than they were");
        }
        made
    }

    /// The id after another of this source. The bits above the counter are those of other processes: where it is used up, the
    /// next millisecond is begun.
    fn after(&self, last: RequestId, unix_ms: i64) -> RequestId {
        let counter = (last.as_i64() & 0xfff) as u16;
        let eighth = counter / COUNTED * COUNTED;
        if last.unix_ms() > unix_ms + MOST_AHEAD_MS {
            return RequestId::new(unix_ms, self.process, (eighth + COUNTED) & 0xfff);
        }
        let successor = match (counter + 1) % COUNTED {
            0 => RequestId::new(last.unix_ms() + 1, self.process, eighth),
            _ => RequestId::new(last.unix_ms(), self.process, counter + 1),
        };
        successor.max(RequestId::new(unix_ms, self.process, eighth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    #[test]
    fn ids_rise_even_when_the_clock_goes_back() {
        let ids = IdSource::new(7);
        let times = [5_000, 5_000, 4_000, 5_001, 9_000, 0].map(|ms| RequestId::EPOCH_MS + ms);
        let made = times.map(|ms| ids.next(ms));
        assert!(made.is_sorted_by(|a, b| a < b), "{made:?}");
        assert_eq!(made[4].unix_ms(), times[4]);
    }

    #[test]
    fn a_clock_that_was_far_ahead_is_followed_back_and_no_id_comes_twice() {
        let ids = IdSource::new(7);
        let now = RequestId::EPOCH_MS + 5_000;
        let made: Vec<_> = [0, 0, 400 * DAY_MS, 0, 0, 1, DAY_MS, 0, 0].map(|ahead| ids.next(now + ahead)).into();
        let times: Vec<_> = made.iter().map(|id| id.unix_ms() - now).collect();
        assert_eq!(times, [0, 0, 400 * DAY_MS, 0, 0, 1, DAY_MS, 0, 0]);
        assert_eq!(made.iter().collect::<std::collections::BTreeSet<_>>().len(), made.len(), "{made:?}");
        assert!(made.iter().all(|id| id.as_i64() >> 12 & 0x3ff == 7), "ids of another process");
    }

    #[test]
    fn more_ids_in_a_millisecond_than_the_counter_holds_are_still_of_this_process() {
        let ids = IdSource::new(7);
        let made: Vec<_> = (0..10_000).map(|_| ids.next(RequestId::EPOCH_MS + 5_000)).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
        assert!(made.iter().all(|id| id.as_i64() >> 12 & 0x3ff == 7), "ids of another process");
    }
}
