//! Retry, fallback and continuation of one request, as a value.
//! In: the targets that can serve it in order ([`Candidate`]), [`DispatchLimits`], a seed, and what went wrong with each
//! call ([`FailureKind`]). Out: the next [`Step`]. The shell performs steps and chooses nothing.
//!
//! Order: siblings in the tier at once, then a short pause and the tier again, then the next tier up, and when there is
//! nowhere else to go a longer pause. Once a byte of an answer went to the client nothing is retried; the only step left
//! is an explicit [`Step::Continue`], which hands the partial answer to a target that accepts to go on with it.
//!
//! Refuses: to call after the deadline, beyond the attempts of the request, or on a target that was excluded.
//! Times are milliseconds of one monotonic clock; its zero does not matter.

mod budget;
mod classify;
mod failure;
mod hedge;
mod plan;
#[cfg(test)]
mod tests;

pub use budget::RetryBudget;
pub use classify::{ErrorReply, retry_after_ms};
pub use failure::{Blame, FailureKind, Recovery};
pub use hedge::Hedging;
pub use plan::{Candidate, plan};

use crate::chance::Chance;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What the shell has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the request to `plan[target]`.
    Call {
        /// Place in the plan.
        target: usize,
        /// This request called it before: the call takes from the target's [`RetryBudget`].
        again: bool,
    },
    /// Beside the call under way, which is late, send the request to `plan[target]` too. It takes from the target's
    /// [`RetryBudget`].
    Hedge {
        /// Place in the plan.
        target: usize,
    },
    /// The client holds part of an answer: ask `plan[target]` to go on with it.
    Continue {
        /// Place in the plan.
        target: usize,
        /// The same model goes on; otherwise the client has to be told that another one does.
        same_model: bool,
        /// This request called it before: the call takes from the target's [`RetryBudget`].
        again: bool,
    },
    /// Ask [`Dispatch::next`] again at that time.
    Wait {
        /// Milliseconds of the monotonic clock.
        until_ms: u64,
    },
    /// Nothing can be done; the most telling of the failures.
    GiveUp {
        /// What to tell the client.
        failure: FailureKind,
    },
}

/// What to do when a stream breaks after its first bytes went to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamRecovery {
    /// Go on with a target that accepts a partial answer; end with an error when there is none.
    #[default]
    Continue,
    /// End with the API's error.
    Error,
}

/// Bounds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DispatchLimits {
    /// Nothing is called at or after this time.
    pub deadline_ms: u64,
    /// Upstream calls at most, all targets together, continuations included.
    pub max_attempts: u32,
    /// Calls at most to targets that this request called before.
    pub max_retries: u32,
    /// Continuations at most.
    pub max_continues: u32,
    /// Pause that is accepted before a dearer tier is asked instead.
    pub patience_ms: u64,
    /// Pause that is accepted when there is nowhere else to go.
    pub max_wait_ms: u64,
    /// Longest first pause after a failure without `Retry-After`; doubles with each retry. The pause is drawn between 0
    /// and this ("full jitter": waits of many requests spread out instead of coming back together).
    pub backoff_base_ms: u64,
    /// Longest pause by doubling.
    pub backoff_cap_ms: u64,
    /// What happens after the first byte.
    pub stream_recovery: StreamRecovery,
}

impl DispatchLimits {
    /// Defaults: four calls, two of them repeated; a client waits two seconds at most before a dearer tier is asked,
    /// and half a minute when there is none (official SDKs accept pauses of up to two minutes, people do not).
    #[must_use]
    pub const fn until(deadline_ms: u64) -> Self {
        Self {
            deadline_ms,
            max_attempts: 4,
            max_retries: 2,
            max_continues: 1,
            patience_ms: 2_000,
            max_wait_ms: 30_000,
            backoff_base_ms: 250,
            backoff_cap_ms: 4_000,
            stream_recovery: StreamRecovery::Continue,
        }
    }
}

/// What is known of one target within this request.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    calls: u32,
    excluded: bool,
    refusals: u8,
    ready_at_ms: u64,
}

/// A target that refuses this often (breaker, cooldown) is left for the rest of the request.
const MAX_REFUSALS: u8 = 3;

/// One request on its way.
#[derive(Clone, Debug)]
pub struct Dispatch {
    plan: Vec<Candidate>,
    limits: DispatchLimits,
    chance: Chance,
    seen: Vec<Seen>,
    current: Option<usize>,
    current_was_new: bool,
    /// The call beside the current one.
    beside: Option<usize>,
    hedged: bool,
    attempts: u32,
    retries: u32,
    continues: u32,
    committed: bool,
    told: Option<FailureKind>,
    done: Option<FailureKind>,
}

impl Dispatch {
    /// A request that was not sent yet. `plan`: all targets that can serve it, best first, those of one tier together.
    #[must_use]
    pub fn new(plan: Vec<Candidate>, limits: DispatchLimits, seed: u64) -> Self {
        let seen = vec![Seen::default(); plan.len()];
        Self {
            plan,
            limits,
            chance: Chance::new(seed),
            seen,
            current: None,
            current_was_new: false,
            beside: None,
            hedged: false,
            attempts: 0,
            retries: 0,
            continues: 0,
            committed: false,
            told: None,
            done: None,
        }
    }

    /// The first step, and the one after a [`Step::Wait`].
    pub fn next(&mut self, now_ms: u64) -> Step {
        if let Some(failure) = self.done {
            return Step::GiveUp { failure };
        }
        if self.committed {
            return self.give_up(FailureKind::Cut);
        }
        if now_ms >= self.limits.deadline_ms {
            return self.give_up(FailureKind::Deadline);
        }
        if self.attempts >= self.limits.max_attempts {
            return self.give_up_telling(now_ms);
        }
        match self.pick(now_ms) {
            Pick::Now(target) => self.call(target),
            Pick::At(until_ms) => Step::Wait { until_ms },
            Pick::Nobody => self.give_up_telling(now_ms),
        }
    }

    /// The call or continuation in progress failed. `committed`: a byte of an answer went to the client.
    pub fn on_failure(&mut self, now_ms: u64, kind: FailureKind, committed: bool) -> Step {
        self.committed |= committed;
        let Some(failed) = self.current.take().filter(|_| self.done.is_none()) else { return self.next(now_ms) };
        if self.committed {
            return self.go_on(now_ms, failed, kind);
        }
        self.tell(kind);
        if kind.recovery() == Recovery::Stop {
            return self.give_up(kind);
        }
        self.learn(now_ms, failed, kind);
        self.next(now_ms)
    }

    /// The target of the step was not called after all: its breaker or cooldown holds it until `ready_at_ms`, or (none)
    /// its retry budget is empty. Not an attempt.
    pub fn on_refused(&mut self, now_ms: u64, ready_at_ms: Option<u64>) -> Step {
        let Some(refused) = self.current.take().filter(|_| self.done.is_none()) else { return self.next(now_ms) };
        self.attempts -= 1;
        let seen = &mut self.seen[refused];
        seen.refusals += 1;
        seen.excluded |= ready_at_ms.is_none() || seen.refusals >= MAX_REFUSALS || self.committed;
        seen.ready_at_ms = ready_at_ms.unwrap_or(0).max(now_ms + 1);
        if self.committed {
            self.continues -= 1;
            seen.calls -= 1;
            return self.go_on(now_ms, refused, FailureKind::Cut);
        }
        if self.current_was_new {
            seen.calls = 0;
        } else {
            seen.calls -= 1;
            self.retries -= 1;
        }
        self.next(now_ms)
    }

    /// While this request waited, the account of this target got room: it may be called at once.
    pub fn on_room(&mut self, now_ms: u64, target: usize) -> Step {
        if let Some(seen) = self.seen.get_mut(target) {
            (seen.ready_at_ms, seen.refusals) = (now_ms, 0);
        }
        self.next(now_ms)
    }

    /// The accounts of these targets had no room in time: they are left for the rest of the request.
    pub fn on_no_room(&mut self, now_ms: u64, targets: &[usize]) -> Step {
        for target in targets {
            if let Some(seen) = self.seen.get_mut(*target) {
                seen.excluded = true;
            }
        }
        self.next(now_ms)
    }

    /// Whether there are targets in other tiers than that of this one.
    #[must_use]
    pub fn has_other_tiers(&self, target: usize) -> bool {
        self.plan.get(target).is_some_and(|here| self.plan.iter().any(|other| other.id.tier != here.id.tier))
    }

    /// Longest pause before another tier is asked, milliseconds.
    #[must_use]
    pub const fn patience_ms(&self) -> u64 {
        self.limits.patience_ms
    }

    /// Whether a partial answer could be gone on with at all: a caller that cannot keep one may as well not begin to.
    #[must_use]
    pub fn may_continue(&self) -> bool {
        self.limits.stream_recovery == StreamRecovery::Continue
            && self.limits.max_continues > 0
            && self.plan.iter().zip(&self.seen).any(|(target, seen)| target.prefill && !seen.excluded)
    }

    /// The targets in order.
    #[must_use]
    pub fn plan(&self) -> &[Candidate] {
        &self.plan
    }

    /// Upstream calls so far.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The end of the request's time.
    #[must_use]
    pub const fn deadline_ms(&self) -> u64 {
        self.limits.deadline_ms
    }

    /// Who is not to be asked any more, or not before some time, after this failure.
    fn learn(&mut self, now_ms: u64, failed: usize, kind: FailureKind) {
        match kind.recovery() {
            Recovery::Again { not_before_ms } => {
                let pause = self.pause(not_before_ms);
                self.seen[failed].ready_at_ms = now_ms.saturating_add(pause);
            }
            Recovery::NextTarget => self.seen[failed].excluded = true,
            Recovery::NextProvider => {
                let provider = self.plan[failed].provider;
                self.exclude(|target| target.provider == provider);
            }
            Recovery::LargerWindow => {
                let from = self.plan[failed];
                self.exclude(|target| !target.larger_than(&from));
            }
            Recovery::NextTier => {
                let tier = self.plan[failed].id.tier;
                self.exclude(|target| target.id.tier <= tier);
            }
            Recovery::Stop => {}
        }
    }

    fn call(&mut self, target: usize) -> Step {
        let again = self.seen[target].calls > 0;
        self.current = Some(target);
        self.current_was_new = !again;
        self.seen[target].calls += 1;
        self.attempts += 1;
        self.retries += u32::from(again);
        Step::Call { target, again }
    }

    /// After the first byte: somebody who accepts the partial answer, or the end.
    fn go_on(&mut self, now_ms: u64, failed: usize, kind: FailureKind) -> Step {
        let may = self.limits.stream_recovery == StreamRecovery::Continue
            && kind.can_continue(self.continues > 0)
            && self.continues < self.limits.max_continues
            && self.attempts < self.limits.max_attempts
            && now_ms < self.limits.deadline_ms;
        let same_target_again = matches!(kind.recovery(), Recovery::Again { not_before_ms: None });
        self.seen[failed].excluded |= !same_target_again;
        let model = self.plan[failed].model;
        let able = |target: &usize| {
            self.plan[*target].prefill && !self.seen[*target].excluded && self.seen[*target].ready_at_ms <= now_ms
        };
        // Whoever just broke is the last of those that speak with its voice.
        let order = (0..self.plan.len()).filter(|target| *target != failed).chain([failed]);
        let same = order.clone().filter(able).find(|target| self.plan[*target].model == model);
        match same.or_else(|| (0..self.plan.len()).find(able)).filter(|_| may) {
            None => self.give_up(kind),
            Some(target) => {
                let again = self.seen[target].calls > 0;
                self.current = Some(target);
                self.seen[target].calls += 1;
                self.attempts += 1;
                self.continues += 1;
                Step::Continue { target, same_model: same.is_some(), again }
            }
        }
    }

    fn pick(&self, now_ms: u64) -> Pick {
        let mut earliest: Option<u64> = None;
        let mut from = 0;
        while let Some(first) = self.plan.get(from) {
            let end = from + self.plan[from..].iter().take_while(|target| target.id.tier == first.id.tier).count();
            match self.pick_in(from..end, now_ms) {
                Pick::At(at) if at - now_ms > self.limits.patience_ms => {
                    earliest = Some(earliest.map_or(at, |known| known.min(at)));
                }
                Pick::Nobody => {}
                found => return found,
            }
            from = end;
        }
        earliest.filter(|at| at - now_ms <= self.limits.max_wait_ms).map_or(Pick::Nobody, Pick::At)
    }

    /// Within one tier: whoever was not called yet, else whoever is ready first. While a tier above can be asked, this one
    /// is asked once more only, and the last attempt is not spent here.
    fn pick_in(&self, tier: Range<usize>, now_ms: u64) -> Pick {
        let fresh = |at: &usize| {
            let seen = self.seen[*at];
            !seen.excluded && seen.calls == 0 && seen.ready_at_ms <= now_ms
        };
        let again_here: u32 = self.seen[tier.clone()].iter().map(|seen| seen.calls.saturating_sub(1)).sum();
        let above = (tier.end..self.plan.len()).any(|at| fresh(&at));
        if above && self.attempts > 0 && self.attempts + 1 >= self.limits.max_attempts {
            return Pick::Nobody;
        }
        if let Some(fresh) = tier.clone().find(fresh) {
            return Pick::Now(fresh);
        }
        let may_retry = self.retries < self.limits.max_retries && !(above && again_here > 0);
        let open = |at: &usize| !self.seen[*at].excluded && (may_retry || self.seen[*at].calls == 0);
        match tier.filter(open).min_by_key(|at| self.seen[*at].ready_at_ms) {
            None => Pick::Nobody,
            Some(at) if self.seen[at].ready_at_ms <= now_ms => Pick::Now(at),
            Some(at) if self.seen[at].ready_at_ms < self.limits.deadline_ms => Pick::At(self.seen[at].ready_at_ms),
            Some(_) => Pick::Nobody,
        }
    }

    /// Full jitter; a pause that the provider named is never cut short, only stretched by up to a tenth.
    fn pause(&mut self, not_before_ms: Option<u64>) -> u64 {
        if let Some(told) = not_before_ms {
            return told.saturating_add(self.chance.up_to((told / 10).min(1_000)));
        }
        let doubled = self.limits.backoff_base_ms.saturating_mul(1 << self.retries.min(16));
        self.chance.up_to(doubled.min(self.limits.backoff_cap_ms))
    }

    fn exclude(&mut self, which: impl Fn(&Candidate) -> bool) {
        for (target, seen) in self.plan.iter().zip(&mut self.seen) {
            seen.excluded |= which(target);
        }
    }

    /// Keeps the failure that helps the client most; of two alike the later.
    fn tell(&mut self, kind: FailureKind) {
        if self.told.is_none_or(|told| kind.tells() >= told.tells()) {
            self.told = Some(kind);
        }
    }

    fn give_up(&mut self, failure: FailureKind) -> Step {
        self.done = Some(failure);
        Step::GiveUp { failure }
    }

    fn give_up_telling(&mut self, now_ms: u64) -> Step {
        let cooling = || {
            let ready = self.seen.iter().filter(|seen| seen.refusals > 0).map(|seen| seen.ready_at_ms).min();
            FailureKind::CoolingDown { retry_after_ms: ready.unwrap_or(now_ms).saturating_sub(now_ms) }
        };
        let failure = self.told.unwrap_or_else(cooling);
        self.give_up(failure)
    }
}

enum Pick {
    Now(usize),
    At(u64),
    Nobody,
}
