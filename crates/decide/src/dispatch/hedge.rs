//! A second call beside one that is late: the first good first byte wins, the other is cancelled.
//!
//! Once for a request at most, to a target of the same tier that it did not ask yet, another provider's rather than the
//! same one's: a dearer tier is not asked for speed. It counts as an attempt and as a retry, of the request and of the
//! target. As long as one of the two is under way the failure of the other ends nothing.

use super::{Candidate, Dispatch, FailureKind, Recovery, Step};
use crate::first_bytes::FirstBytes;

/// When a call is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hedging {
    /// After so many milliseconds.
    After(u64),
    /// After the 95th percentile of what the target was seen to take (the bound that Dean and Barroso, "The Tail at
    /// Scale", 2013, found to add about 5 % of load); never, as long as too little was seen.
    Percentile95,
}

impl Hedging {
    /// Milliseconds after which a call to a target is late; none while that is not known.
    #[must_use]
    pub fn late_after_ms(self, seen: &FirstBytes) -> Option<u64> {
        match self {
            Self::After(ms) => Some(ms),
            Self::Percentile95 => seen.percentile_95_ms(),
        }
    }
}

impl Dispatch {
    /// How long the call that was just asked for may take until [`Self::on_late`] has somebody to ask beside it; none when
    /// it is not to be watched.
    #[must_use]
    pub fn late_after_ms(&self, now_ms: u64) -> Option<u64> {
        let first = self.current?;
        self.sibling(first, now_ms).and(self.plan[first].late_after_ms)
    }

    /// The call under way is late. A [`Step::Hedge`], or nothing: then it is waited for.
    pub fn on_late(&mut self, now_ms: u64) -> Option<Step> {
        let target = self.sibling(self.current?, now_ms)?;
        self.beside = Some(target);
        self.hedged = true;
        self.seen[target].calls += 1;
        self.attempts += 1;
        self.retries += 1;
        Some(Step::Hedge { target })
    }

    /// The target of the hedge was not called after all: held by its breaker until `ready_at_ms`, or (none) there is no
    /// budget for hedges. Not an attempt. Perhaps there is another.
    pub fn on_hedge_refused(&mut self, now_ms: u64, ready_at_ms: Option<u64>) -> Option<Step> {
        let refused = self.beside.take()?;
        self.attempts -= 1;
        self.retries -= 1;
        let seen = &mut self.seen[refused];
        seen.calls -= 1;
        seen.ready_at_ms = ready_at_ms?.max(now_ms + 1);
        seen.refusals += 1;
        self.hedged = false;
        self.on_late(now_ms)
    }

    /// Of two calls under way the one to `failed` failed; the other is now the only one.
    pub fn on_one_failed(&mut self, now_ms: u64, failed: usize, kind: FailureKind) {
        let (Some(first), Some(second)) = (self.current, self.beside.take()) else { return };
        self.current = Some(if failed == first { second } else { first });
        self.tell(kind);
        if kind.recovery() == Recovery::Stop {
            // What the other one says counts; should it fail as well, nobody else is asked.
            self.exclude(|_| true);
        } else {
            self.learn(now_ms, failed, kind);
        }
    }

    /// Of two calls under way the one to `winner` answers; the other is given up.
    pub fn on_outrun(&mut self, winner: usize) {
        if self.beside.take() == Some(winner) {
            self.current = Some(winner);
        }
    }

    /// Who may be asked beside a call to `first`.
    fn sibling(&self, first: usize, now_ms: u64) -> Option<usize> {
        let limits = &self.limits;
        let may = !self.hedged
            && !self.committed
            && self.done.is_none()
            && self.attempts < limits.max_attempts
            && self.retries < limits.max_retries
            && now_ms < limits.deadline_ms;
        let plan = &self.plan;
        let fresh = |at: &usize| {
            let seen = self.seen[*at];
            plan[*at].id.tier == plan[first].id.tier && seen.calls == 0 && !seen.excluded && seen.ready_at_ms <= now_ms
        };
        let elsewhere = |target: &Candidate| target.provider != plan[first].provider;
        let mut siblings = (0..plan.len()).filter(|at| may && fresh(at)).peekable();
        let any = siblings.peek().copied();
        siblings.find(|at| elsewhere(&plan[*at])).or(any)
    }
}
