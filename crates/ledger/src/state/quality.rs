//! What was looked at and found: samples, verdicts, labels, feedback, cells, alarms, versions of evidence.
//!
//! Written once for both databases, in statements that both understand.

mod cells;
mod copy;
mod evidence;
mod people;
mod samples;

pub(crate) use copy::copy;

use serde::Serialize;
use tierway_decide::quality::{CellKey, CellState, Comparison, Interval, Kind, Preference};
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

/// How the answers of one model compared with those of another on one kind of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The kind of work.
    pub task_type: TaskType,
    /// The cheap tier.
    pub tier: String,
    /// Both models as `provider/model`, the cheap one first.
    pub models: [String; 2],
    /// What both looks said, or a person.
    pub comparison: Comparison,
    /// The weights of all such comparisons together.
    pub weight: f64,
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
    /// Who made it: `calibrate`, `schedule`, or who went back.
    pub author: String,
    /// What it rests on, in words.
    pub why: String,
    /// Outcomes that it was made from.
    pub outcomes: u64,
    /// This is the one in force: the newest.
    pub in_force: bool,
}
