//! Who goes first among the targets of one tier.
//!
//! In: weight, price and shared [`TargetState`] of each, the time, a seed. Out: an order. Targets that are ill or cooling
//! come last (they may be well again by the time they are asked), those of weight 0 after all others that are well.
//! A target that waits for its probe keeps its place, or nobody would find out that it is well.

use crate::Usd;
use crate::breaker::{Admission, Breaker, BreakerRules, Health};
use crate::chance::Chance;
use crate::dispatch::{FailureKind, RetryBudget};
use crate::first_bytes::FirstBytes;
use crate::room::Place;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// A target is not left alone for longer, whatever it asks for: a mistake there would shut it out for ever.
const MAX_COOLING_MS: u64 = 3_600_000;

/// How traffic is spread over the targets of a tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// By weight, at random.
    #[default]
    Weighted,
    /// The first one that is well, in the order of the config.
    InOrder,
    /// The one with the fewest calls under way for its weight.
    LeastInFlight,
    /// Of two drawn by weight, the one with the lower latency times queue (peak EWMA).
    Latency,
    /// The cheapest; those of one price by weight.
    Price,
    /// The one that verdicts speak for on this kind of work; of equals by weight ([`crate::equals`]).
    Learned {
        /// Share of the requests that may go to another one, to find out.
        explore_percent: u8,
    },
}

/// One target as the balancer sees it.
#[derive(Clone, Copy, Debug)]
pub struct Weighed<'a> {
    /// Its share of the tier's traffic; 0 only as a fallback.
    pub weight: u32,
    /// What this request is expected to cost there; none sorts last.
    pub price: Option<Usd>,
    /// What verdicts make of it, the higher the better; only read by [`Balance::Learned`].
    pub score: u32,
    /// Its shared state.
    pub state: &'a TargetState,
}

/// Places in `targets`, best first; all of them.
#[must_use]
pub fn order(balance: Balance, targets: &[Weighed<'_>], now_ms: u64, seed: u64) -> Vec<usize> {
    let mut chance = Chance::new(seed);
    // Exponential races: sorting by -ln(u)/weight draws by weight without replacement (Efraimidis, Spirakis, 2006).
    let draws: Vec<f64> = targets.iter().map(|target| -chance.share().ln() / f64::from(target.weight.max(1))).collect();
    let class = |at: usize| match targets[at].state.health(now_ms) {
        Health::Well | Health::Probing => u8::from(targets[at].weight == 0),
        Health::Cooling { .. } | Health::Ill { .. } => 2,
    };
    let mut places: Vec<usize> = (0..targets.len()).collect();
    places.sort_by(|&a, &b| {
        class(a).cmp(&class(b)).then_with(|| match balance {
            Balance::InOrder => Ordering::Equal,
            Balance::Weighted | Balance::Latency => draws[a].total_cmp(&draws[b]),
            Balance::LeastInFlight => {
                let queue = |at: usize| f64::from(targets[at].state.in_flight()) / f64::from(targets[at].weight.max(1));
                queue(a).total_cmp(&queue(b)).then(draws[a].total_cmp(&draws[b]))
            }
            Balance::Price => {
                let price = |at: usize| (targets[at].price.is_none(), targets[at].price);
                price(a).cmp(&price(b)).then(draws[a].total_cmp(&draws[b]))
            }
            Balance::Learned { .. } => targets[b].score.cmp(&targets[a].score).then(draws[a].total_cmp(&draws[b])),
        })
    });
    if balance == Balance::Latency
        && let [first, second, ..] = places[..]
        && class(first) == class(second)
        && targets[second].state.load(now_ms) < targets[first].state.load(now_ms)
    {
        places.swap(0, 1);
    }
    places
}

/// A latency is forgotten to a third within this time (the decay of Finagle's peak EWMA balancer).
const LATENCY_MEMORY_MS: f64 = 10_000.0;

/// What a busy target without an answer yet counts as: slower than most, faster than a sick one.
const UNKNOWN_LATENCY_MS: f64 = 2_000.0;

/// What all requests together know of one target. Shared without a lock; a lost race costs one stale figure.
#[derive(Debug, Default)]
pub struct TargetState {
    in_flight: AtomicU32,
    /// Peak EWMA of the time to the first byte, milliseconds as the bits of an `f64`.
    latency_bits: AtomicU64,
    latency_at_ms: AtomicU64,
    breaker: Breaker,
    /// Retries that may go to this target.
    pub retries: RetryBudget,
    streams: FirstBytes,
    wholes: FirstBytes,
}

impl TargetState {
    /// A target that nothing is known of.
    #[must_use]
    pub const fn new(rules: BreakerRules, retries: RetryBudget) -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            latency_bits: AtomicU64::new(0),
            latency_at_ms: AtomicU64::new(0),
            breaker: Breaker::new(rules),
            retries,
            streams: FirstBytes::new(),
            wholes: FirstBytes::new(),
        }
    }

    /// Asks to call it now. `again`: this request called it before ([`crate::dispatch::Step::Call`]). A refusal goes to
    /// [`crate::dispatch::Dispatch::on_refused`] as it is.
    ///
    /// # Errors
    /// When it may be asked again; none when its retry budget is empty.
    pub fn admit(&self, now_ms: u64, again: bool) -> Result<(), Option<u64>> {
        if let Health::Ill { until_ms } | Health::Cooling { until_ms } = self.health(now_ms) {
            return Err(Some(until_ms));
        }
        if again && !self.retries.take_retry() {
            return Err(None);
        }
        match self.breaker.admit(now_ms) {
            Admission::No { until_ms } => Err(Some(until_ms)),
            Admission::Yes | Admission::Probe => {
                if !again {
                    self.retries.on_call();
                }
                Ok(())
            }
        }
    }

    /// Counts a call as under way until the guard is dropped.
    #[must_use]
    pub fn depart(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight { target: Arc::clone(self), place: None }
    }

    /// The first byte of an answer came after `first_byte_ms`: the target is well.
    pub fn on_first_byte(&self, now_ms: u64, first_byte_ms: u64) {
        let sample = first_byte_ms.min(u64::from(u32::MAX)) as f64;
        let known = self.latency_ms(now_ms);
        // Peak: a slow answer counts at once in full, a fast one only as the memory of the slow one fades.
        let kept = (-(now_ms.saturating_sub(self.latency_at_ms.load(Relaxed)) as f64) / LATENCY_MEMORY_MS).exp();
        let latency = if sample >= known { sample } else { known + (sample - known) * (1.0 - kept) };
        self.latency_bits.store(latency.to_bits(), Relaxed);
        self.latency_at_ms.store(now_ms, Relaxed);
        self.breaker.on_success(now_ms);
    }

    /// How long answers took until they began, whole ones until they were there. Written where calls are hedged.
    #[must_use]
    pub const fn first_bytes(&self, stream: bool) -> &FirstBytes {
        if stream { &self.streams } else { &self.wholes }
    }

    /// A call failed. True when this made the breaker open.
    pub fn on_failure(&self, now_ms: u64, kind: FailureKind) -> bool {
        if let Some(pause) = kind.retry_after_ms() {
            self.breaker.cool_until(now_ms.saturating_add(pause.min(MAX_COOLING_MS)));
        }
        kind.counts_against_target() && self.breaker.on_failure(now_ms)
    }

    /// Leaves it alone until then, because somebody else found it ill.
    pub fn cool_until(&self, until_ms: u64) {
        self.breaker.cool_until(until_ms);
    }

    /// How it is.
    #[must_use]
    pub fn health(&self, now_ms: u64) -> Health {
        self.breaker.health(now_ms)
    }

    /// Calls under way.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Time to the first byte, as remembered; fades while nothing is heard, so that a target that was slow is tried again.
    #[must_use]
    pub fn latency_ms(&self, now_ms: u64) -> f64 {
        let silent_ms = now_ms.saturating_sub(self.latency_at_ms.load(Relaxed)) as f64;
        f64::from_bits(self.latency_bits.load(Relaxed)) * (-silent_ms / (LATENCY_MEMORY_MS * 6.0)).exp()
    }

    /// Latency times queue: what the next call may have to wait for. A target that nothing is known of is tried at once,
    /// but with one call, not with everything that comes before its first answer.
    #[must_use]
    pub fn load(&self, now_ms: u64) -> f64 {
        let (latency_ms, in_flight) = (self.latency_ms(now_ms), self.in_flight());
        let unknown = latency_ms < 1.0 && in_flight > 0;
        (if unknown { UNKNOWN_LATENCY_MS } else { latency_ms.max(1.0) }) * f64::from(in_flight.saturating_add(1))
    }
}

/// A call under way.
#[derive(Debug)]
pub struct InFlight {
    target: Arc<TargetState>,
    /// At the account of its provider.
    place: Option<Place>,
}

impl InFlight {
    /// The target that is called.
    #[must_use]
    pub fn target(&self) -> &TargetState {
        &self.target
    }

    /// With a place at the account of its provider, which it keeps until it has ended.
    #[must_use]
    pub fn with(self, place: Option<Place>) -> Self {
        debug_assert!(self.place.is_none(), "one call, one place");
        let mut call = self;
        call.place = place;
        call
    }

    /// The account of its provider is done with it before its client is.
    pub fn leave_account(&mut self) {
        self.place = None;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.target.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Arc<TargetState> {
        Arc::new(TargetState::new(BreakerRules::default(), RetryBudget::default()))
    }

    fn weighed<'a>(states: &'a [Arc<TargetState>], weights: &[u32]) -> Vec<Weighed<'a>> {
        let with =
            |(state, weight): (&'a Arc<TargetState>, &u32)| Weighed { weight: *weight, price: None, score: 0, state };
        states.iter().zip(weights).map(with).collect()
    }

    /// How often each target comes first in 10,000 draws, in per cent.
    fn shares(balance: Balance, targets: &[Weighed<'_>], now_ms: u64) -> Vec<u32> {
        let mut firsts = vec![0u32; targets.len()];
        (0..10_000).for_each(|seed| firsts[order(balance, targets, now_ms, seed)[0]] += 1);
        firsts.iter().map(|count| (count + 50) / 100).collect()
    }

    #[test]
    fn weights_are_shares_of_the_traffic() {
        let states = [fresh(), fresh(), fresh()];
        let got = shares(Balance::Weighted, &weighed(&states, &[7, 3, 0]), 0);
        assert!(got[0].abs_diff(70) <= 2 && got[1].abs_diff(30) <= 2 && got[2] == 0, "{got:?}");
    }

    #[test]
    fn nobody_is_left_alone_for_more_than_an_hour() {
        let state = fresh();
        state.on_failure(5, FailureKind::RateLimited { retry_after_ms: Some(30_000_000_000) });
        assert_eq!(state.health(5), Health::Cooling { until_ms: 3_600_005 });
        assert!(state.admit(3_600_005, false).is_ok());
    }

    #[test]
    fn a_fallback_takes_over_only_from_the_ill() {
        let states = [fresh(), fresh()];
        let targets = weighed(&states, &[1, 0]);
        (0..5).for_each(|now| {
            states[0].on_failure(now, FailureKind::Connect);
        });
        assert_eq!(order(Balance::Weighted, &targets, 10, 1), [1, 0]);
        assert_eq!(order(Balance::Weighted, &targets, 5_010, 1), [0, 1], "the probe is due");
        assert_eq!(states[0].admit(5_010, false), Ok(()));
        assert_eq!(order(Balance::Weighted, &targets, 5_011, 1), [1, 0], "others do not wait for the probe");
        states[0].on_first_byte(5_100, 90);
        assert_eq!(order(Balance::Weighted, &targets, 5_101, 1), [0, 1]);
    }

    #[test]
    fn in_order_is_the_order_of_the_config() {
        let states = [fresh(), fresh(), fresh()];
        let targets = weighed(&states, &[1, 1, 1]);
        assert_eq!(order(Balance::InOrder, &targets, 0, 9), [0, 1, 2]);
        states[0].on_failure(0, FailureKind::RateLimited { retry_after_ms: Some(800) });
        assert_eq!(order(Balance::InOrder, &targets, 799, 9), [1, 2, 0]);
        assert_eq!(order(Balance::InOrder, &targets, 800, 9), [0, 1, 2]);
    }

    #[test]
    fn the_shortest_queue_for_its_weight_goes_first() {
        let states = [fresh(), fresh()];
        let targets = weighed(&states, &[1, 4]);
        let first = states[0].depart();
        let under_way: Vec<_> = (0..3).map(|_| states[1].depart()).collect();
        assert_eq!(order(Balance::LeastInFlight, &targets, 0, 1)[0], 1);
        drop(first);
        assert_eq!(order(Balance::LeastInFlight, &targets, 0, 1)[0], 0);
        drop(under_way);
        assert_eq!((states[0].in_flight(), states[1].in_flight()), (0, 0));
    }

    #[test]
    fn a_slow_target_gets_less_and_is_tried_again_later() {
        let states = [fresh(), fresh()];
        let targets = weighed(&states, &[1, 1]);
        states[0].on_first_byte(0, 3_000);
        states[1].on_first_byte(0, 200);
        assert_eq!(shares(Balance::Latency, &targets, 1), [0, 100]);
        let held: Vec<_> = (0..20).map(|_| states[1].depart()).collect();
        assert_eq!(shares(Balance::Latency, &targets, 1), [100, 0], "a long queue counts as well");
        drop(held);
        states[1].on_first_byte(200_000, 200);
        assert_eq!(shares(Balance::Latency, &targets, 200_000), [100, 0], "forgotten, so tried again");
    }

    #[test]
    fn a_slow_answer_counts_at_once_a_fast_one_slowly() {
        let state = fresh();
        state.on_first_byte(0, 100);
        state.on_first_byte(10, 2_000);
        assert!((state.latency_ms(10) - 2_000.0).abs() < 1.0);
        state.on_first_byte(1_010, 100);
        assert!(state.latency_ms(1_010) > 1_500.0);
        state.on_first_byte(60_000, 100);
        assert!(state.latency_ms(60_000) < 110.0);
    }

    #[test]
    fn the_cheapest_goes_first_and_an_unknown_price_last() {
        let states = [fresh(), fresh(), fresh()];
        let mut targets = weighed(&states, &[1, 1, 1]);
        for (target, picos) in targets.iter_mut().zip([None, Some(500), Some(20)]) {
            target.price = picos.map(Usd::from_picos);
        }
        assert_eq!(order(Balance::Price, &targets, 0, 3), [2, 1, 0]);
    }

    #[test]
    fn the_best_by_verdicts_goes_first_unless_it_is_ill() {
        let states = [fresh(), fresh(), fresh()];
        let mut targets = weighed(&states, &[1, 3, 0]);
        let learned = Balance::Learned { explore_percent: 10 };
        let even = shares(learned, &targets, 0);
        assert!(even[0].abs_diff(25) <= 2 && even[1].abs_diff(75) <= 2, "nothing is known: by weight {even:?}");
        for (target, score) in targets.iter_mut().zip([700_000, 400_000, 900_000]) {
            target.score = score;
        }
        assert_eq!(order(learned, &targets, 0, 5), [0, 1, 2], "a fallback stays one");
        assert_eq!(shares(Balance::Weighted, &targets, 0)[2], 0);
        states[0].on_failure(0, FailureKind::RateLimited { retry_after_ms: Some(800) });
        assert_eq!(order(learned, &targets, 10, 5), [1, 2, 0]);
    }

    #[test]
    fn retries_come_out_of_the_budget() {
        let state = TargetState::new(BreakerRules::default(), RetryBudget::new(0, 1));
        assert_eq!(state.admit(0, false), Ok(()));
        assert_eq!(state.admit(0, true), Ok(()));
        assert_eq!(state.admit(0, true), Err(None));
        assert_eq!(state.admit(0, false), Ok(()), "first calls need no budget");
    }
}
