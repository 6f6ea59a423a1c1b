//! What an audit finds: whether every row is what was written, none is missing, and the sums are theirs.

use crate::Figures;
use serde::Serialize;
use tierway_decide::{RequestId, Usd};

/// The most problems that are named; the rest is counted.
pub const MOST_PROBLEMS: usize = 100;

/// The outcome of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Rows that were read.
    pub rows: u64,
    /// Hours that have rows.
    pub hours: u64,
    /// Hours whose rows are gone by the rule of retention: only their sums are left, and cannot be audited.
    pub expired_hours: u64,
    /// Everything summed up anew from the rows.
    pub recomputed: Figures,
    /// What the sums of the same hours say; what reports show.
    pub recorded: Figures,
    /// Sum of the checksums of all rows: noted down elsewhere, it settles whether a past period was changed.
    pub digest: i64,
    /// What is wrong; the first [`MOST_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How much more is wrong.
    pub more_problems: u64,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Problem {
    /// The row does not say what was written.
    RowChanged {
        /// Its request.
        id: RequestId,
    },
    /// The row cannot even be read.
    RowUnreadable {
        /// Its request.
        id: RequestId,
        /// Why.
        why: String,
    },
    /// What was paid is not what its attempts cost together.
    PaidDiffers {
        /// Its request.
        id: RequestId,
        /// What the row says.
        stated: Option<Usd>,
        /// What its attempts add up to.
        attempts: Option<Usd>,
    },
    /// Rows were removed, added, or changed together with their checksums.
    HourDiffers {
        /// When the hour begins, Unix milliseconds.
        start_ms: i64,
        /// Rows that were written.
        written: i64,
        /// Rows that are there.
        found: i64,
    },
    /// A sum is not that of its rows.
    SumDiffers {
        /// When the hour or day begins, Unix milliseconds.
        start_ms: i64,
        /// It is the sum of a day.
        whole_day: bool,
        /// What it sums up, in words.
        of: String,
        /// Calls that it says.
        recorded_calls: u64,
        /// Calls that its rows say.
        calls: u64,
        /// Paid as it says.
        recorded_paid: Usd,
        /// Paid as its rows say.
        paid: Usd,
    },
}

impl Audit {
    /// Nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    pub(crate) fn found(&mut self, problem: Problem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.more_problems += 1;
        }
    }
}
