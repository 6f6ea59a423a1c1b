//! What was looked at and found: samples, verdicts, labels, feedback, cells, alarms, versions of evidence.

use super::{Source, State};
use crate::LedgerError;
use serde::Serialize;
use tierway_decide::quality::{CellKey, CellState, Comparison, Interval, Judged, Kind, Preference};
use tierway_decide::{Complexity, RequestId, TaskType, Usd};

/// An answered request that is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The request.
    pub id: RequestId,
    /// When it was taken, Unix milliseconds.
    pub taken_ms: i64,
    /// What it can tell.
    pub kind: Kind,
    /// The kind of work.
    pub task_type: TaskType,
    /// How hard it looked.
    pub complexity: Complexity,
    /// The cheap tier of the comparison.
    pub tier: String,
    /// The model that was served.
    pub served_model: String,
    /// The API that the client spoke.
    pub format: String,
    /// The caller's key.
    pub key: String,
    /// The chance it had to be looked at.
    pub chance: f64,
    /// Its weight beside others of the same design.
    pub weight: f64,
    /// Output tokens of the served answer.
    pub served_tokens: u64,
    /// Request and served answer, and until when they are kept; none: they are not.
    pub text: Option<SampleText>,
}

/// The texts of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleText {
    /// The request's body.
    pub request: String,
    /// What the client got, in whatever form its keeper reads it again; once it is judged, as in [`Verdict::served_answer`].
    pub served: String,
    /// Until when they are kept, Unix milliseconds.
    pub until_ms: i64,
}

/// What was found about a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// When, Unix milliseconds.
    pub done_ms: i64,
    /// What both looks said.
    pub comparison: Comparison,
    /// The model that judged; empty for a check.
    pub judge: String,
    /// How it was judged, in words; a judge's are kept as long as the texts that they speak about.
    pub why: String,
    /// The call record of the second answer.
    pub shadow: Option<RequestId>,
    /// The model of the second answer.
    pub shadow_model: String,
    /// Output tokens of the second answer.
    pub shadow_tokens: u64,
    /// What the client got, for people to read; kept as long as the other texts, if those are.
    pub served_answer: String,
    /// The second answer, as long.
    pub shadow_answer: String,
    /// What shadow and judge cost.
    pub cost: Usd,
}

/// A judged pair, for people to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The request.
    pub id: RequestId,
    /// What it can tell.
    pub kind: Kind,
    /// Whose verdict it is.
    pub cell: CellKey,
    /// The API that the client spoke.
    pub format: String,
    /// What the judge said.
    pub comparison: Comparison,
    /// The model that judged; empty for a check.
    pub judge: String,
    /// How it was judged.
    pub why: String,
    /// Models of both answers, the cheap one first.
    pub models: [String; 2],
    /// Output tokens of both, where they were reported.
    pub tokens: [Option<u64>; 2],
    /// The chance it had to be looked at.
    pub chance: f64,
    /// Request, cheap answer, baseline answer; none once they are forgotten.
    pub texts: Option<[String; 3]>,
    /// The last word of a person, if one was asked.
    pub person: Option<Preference>,
}

/// A request that a cheap tier answered, and the baseline tier, too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shadowed {
    /// The request.
    pub id: RequestId,
    /// The kind of work.
    pub task_type: TaskType,
    /// Output tokens of the baseline's answer.
    pub baseline_tokens: u64,
    /// The chance it had to be looked at.
    pub chance: f64,
}

/// What looking cost in a span.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// In all.
    pub cost: Usd,
    /// Looks that were paid for.
    pub looks: u64,
    /// Requests that could have been looked at, by those that were taken: each counts one over its chance.
    pub eligible: f64,
    /// When the first of them was taken, Unix milliseconds; none where none was.
    pub first_ms: Option<i64>,
}

/// How many samples wait, were judged, were given up in a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SampleCounts {
    /// Taken and not done yet.
    pub waiting: u64,
    /// With a verdict.
    pub judged: u64,
    /// Without one, and none will come.
    pub given_up: u64,
}

/// What a caller said of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Feedback {
    /// The request.
    pub id: RequestId,
    /// The caller's key.
    pub key: String,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// How good, 0..=1.
    pub score: f64,
    /// In words; may be empty.
    pub comment: String,
}

/// What callers said of the answers of one tier.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeedbackSum {
    /// The tier that answered; empty where its record is gone.
    pub tier: String,
    /// How many spoke.
    pub count: u64,
    /// Mean of their scores.
    pub mean: f64,
}

/// A change of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct CellChange {
    /// Numbered from 1 as they came; given by the store.
    pub version: i64,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// The cell.
    pub cell: CellKey,
    /// From.
    pub from: CellState,
    /// To.
    pub to: CellState,
    /// `evidence`, or who changed it.
    pub author: String,
    /// Why, in words.
    pub why: String,
    /// Verdicts since the change before.
    pub verdicts: u64,
    /// Quality as they showed it.
    pub quality: Interval,
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlarmRow {
    /// Numbered from 1 as they came; given by the store.
    pub id: i64,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// The kind of work; none: all together.
    pub task_type: Option<TaskType>,
    /// The tier; empty: all together.
    pub tier: String,
    /// What happened.
    pub words: String,
    /// It went to the webhook.
    pub delivered: bool,
}

/// A version of evidence, without the evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvidenceVersion {
    /// Numbered from 1 as they came; given by the store.
    pub version: i64,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// Who made it: `calibrate`, `schedule`, `rollback`.
    pub author: String,
    /// What it rests on, in words.
    pub why: String,
    /// Outcomes that it was made from.
    pub outcomes: u64,
    /// This is the one in force.
    pub in_force: bool,
}

macro_rules! ask {
    ($self:ident, $method:ident($($argument:expr),*)) => {
        match &mut $self.source {
            Source::Sqlite(store) => store.$method($($argument),*),
            Source::Postgres(_) => Err(LedgerError::SqliteOnly { what: "what is found about quality" }),
        }
    };
}

/// Every method fails with what the database says.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
impl State {
    /// Keeps a sample that waits for its verdict. One that is there already stays as it is.
    pub fn keep_sample(&mut self, sample: &Sample) -> Result<(), LedgerError> {
        ask!(self, keep_sample(sample))
    }

    /// Writes down what was found; false when the sample has a verdict already, or was given up.
    pub fn judge_sample(&mut self, id: RequestId, verdict: &Verdict) -> Result<bool, LedgerError> {
        ask!(self, judge_sample(id, verdict))
    }

    /// Gives a sample up; `cost` was paid all the same.
    pub fn give_up_sample(&mut self, id: RequestId, why: &str, cost: Usd, at_ms: i64) -> Result<(), LedgerError> {
        ask!(self, give_up_sample(id, why, cost, at_ms))
    }

    /// Samples that wait and whose texts are there, the oldest first: what a restart goes on with.
    pub fn waiting_samples(&mut self, limit: usize) -> Result<Vec<Sample>, LedgerError> {
        ask!(self, waiting_samples(limit))
    }

    /// Gives up the samples that wait without texts: who had those in memory is gone.
    pub fn give_up_lost_samples(&mut self, now_ms: i64) -> Result<(), LedgerError> {
        ask!(self, give_up_lost_samples(now_ms))
    }

    /// Verdicts that were reached in a span, in that order, with the last word of people.
    pub fn verdicts(&mut self, from_ms: i64, to_ms: i64) -> Result<Vec<Judged>, LedgerError> {
        ask!(self, verdicts(from_ms, to_ms))
    }

    /// What became of the samples that were taken in a span.
    pub fn sample_counts(&mut self, from_ms: i64, to_ms: i64) -> Result<SampleCounts, LedgerError> {
        ask!(self, sample_counts(from_ms, to_ms))
    }

    /// What looking at the samples cost that were taken since a moment.
    pub fn quality_spent(&mut self, from_ms: i64) -> Result<Spent, LedgerError> {
        ask!(self, quality_spent(from_ms))
    }

    /// Requests of a span that went down and were answered by the baseline tier, too, the newest first.
    pub fn shadowed(&mut self, from_ms: i64, to_ms: i64, limit: usize) -> Result<Vec<Shadowed>, LedgerError> {
        ask!(self, shadowed(from_ms, to_ms, limit))
    }

    /// One judged pair.
    pub fn pair(&mut self, id: RequestId) -> Result<Option<Pair>, LedgerError> {
        ask!(self, pair(id))
    }

    /// Judged pairs with texts that nobody has labelled, those first where the judge was of two minds.
    pub fn unlabelled(&mut self, limit: usize) -> Result<Vec<RequestId>, LedgerError> {
        ask!(self, unlabelled(limit))
    }

    /// Every judged pair with texts, in the order in which they were judged: for learning from.
    pub fn pairs_with_texts(&mut self, from_ms: i64) -> Result<Vec<Pair>, LedgerError> {
        ask!(self, pairs_with_texts(from_ms))
    }

    /// Writes down what a person said of a pair; a second word of the same person replaces the first.
    pub fn label(&mut self, id: RequestId, reviewer: &str, word: Preference, at_ms: i64) -> Result<(), LedgerError> {
        ask!(self, label(id, reviewer, word, at_ms))
    }

    /// Writes down what a caller said; a second word about the same request replaces the first.
    pub fn keep_feedback(&mut self, feedback: &Feedback) -> Result<(), LedgerError> {
        ask!(self, keep_feedback(feedback))
    }

    /// What callers said of requests of a span, by the tier that answered.
    pub fn feedback(&mut self, from_ms: i64, to_ms: i64) -> Result<Vec<FeedbackSum>, LedgerError> {
        ask!(self, feedback(from_ms, to_ms))
    }

    /// Changes a cell; gives the version.
    pub fn change_cell(&mut self, change: &CellChange) -> Result<i64, LedgerError> {
        ask!(self, change_cell(change))
    }

    /// The number of the last change; 0 before there was one.
    pub fn cells_version(&mut self) -> Result<i64, LedgerError> {
        ask!(self, cells_version())
    }

    /// The last change of every cell that was ever changed.
    pub fn cells(&mut self) -> Result<Vec<CellChange>, LedgerError> {
        ask!(self, cells())
    }

    /// All changes, the newest first.
    pub fn cell_history(&mut self, limit: usize) -> Result<Vec<CellChange>, LedgerError> {
        ask!(self, cell_history(limit))
    }

    /// Keeps an alarm; gives its number.
    pub fn raise_alarm(&mut self, alarm: &AlarmRow) -> Result<i64, LedgerError> {
        ask!(self, raise_alarm(alarm))
    }

    /// Notes that an alarm went to the webhook.
    pub fn alarm_delivered(&mut self, id: i64) -> Result<(), LedgerError> {
        ask!(self, alarm_delivered(id))
    }

    /// Alarms since a moment, the newest first.
    pub fn alarms(&mut self, from_ms: i64, limit: usize) -> Result<Vec<AlarmRow>, LedgerError> {
        ask!(self, alarms(from_ms, limit))
    }

    /// Keeps evidence as a new version that is in force; gives its number.
    pub fn keep_evidence(&mut self, version: &EvidenceVersion, evidence: &str) -> Result<i64, LedgerError> {
        ask!(self, keep_evidence(version, evidence))
    }

    /// All versions, the newest first.
    pub fn evidence_versions(&mut self) -> Result<Vec<EvidenceVersion>, LedgerError> {
        ask!(self, evidence_versions())
    }

    /// The evidence of a version.
    pub fn evidence(&mut self, version: i64) -> Result<Option<String>, LedgerError> {
        ask!(self, evidence(version))
    }

    /// Forgets texts whose time is over, and gives up samples that still wait for what is gone.
    pub fn forget_texts(&mut self, now_ms: i64) -> Result<u64, LedgerError> {
        ask!(self, forget_texts(now_ms))
    }
}
