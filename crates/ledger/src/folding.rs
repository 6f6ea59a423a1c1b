//! The pass over days that are over: which are to be folded is asked once, then one is folded in each step.
//!
//! A day that cannot be folded holds up no other: it is passed over, which is said once, and tried again by each pass.

use crate::LedgerError;
use crate::engine::Engine;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What became of a day that was to be folded.
pub(crate) enum Step {
    /// It is folded.
    Done,
    /// Something in its sums is not what it should be.
    Unfit(LedgerError),
    /// Another process is folding; it does not need us.
    Elsewhere,
}

/// Where the pass is.
pub(crate) struct Folding {
    due: Instant,
    /// Days (since 1970, UTC) that are left in this pass; the newest is the last.
    left: Vec<i64>,
    /// Days that could not be folded.
    unfit: BTreeSet<i64>,
}

impl Folding {
    pub(crate) const fn new(due: Instant) -> Self {
        Self { due, left: Vec::new(), unfit: BTreeSet::new() }
    }

    /// When the next step is to be taken.
    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// Takes a step: the next after a while when there is more to do, and else, or when the database fails, after a long one.
    pub(crate) fn step(&mut self, engine: &mut Engine, today: i64, (a_while, long): (Duration, Duration)) {
        let more = self.try_step(engine, today).unwrap_or_else(|error| {
            tracing::warn!(%error, "the sums of days could not be put together; until the next try reports read them one by one");
            false
        });
        self.due = Instant::now() + if more { a_while } else { long };
    }

    /// True when there is more to do.
    fn try_step(&mut self, engine: &mut Engine, today: i64) -> Result<bool, LedgerError> {
        // A day that the database failed at is not taken again before the others.
        let Some(day) = self.left.pop() else {
            self.left = engine.unfolded_before(today)?;
            return Ok(!self.left.is_empty());
        };
        match engine.fold(day)? {
            Step::Done => _ = self.unfit.remove(&day),
            Step::Unfit(error) => {
                if self.unfit.insert(day) {
                    tracing::warn!(%error, day, "the sums of a day (since 1970-01-01) cannot be put together: reports read them one by one");
                }
            }
            Step::Elsewhere => self.left.clear(),
        }
        Ok(!self.left.is_empty())
    }
}
