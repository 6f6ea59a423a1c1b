//! What a report says, before it has a form.

use serde::{Serialize, Serializer};
use tierway_decide::Usd;
use tierway_decide::savings::Savings;

/// One period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// First millisecond, Unix time.
    pub from_ms: i64,
    /// First millisecond after it.
    pub to_ms: i64,
    /// What it was all about.
    pub totals: Totals,
    /// What savings are measured against.
    pub baseline: Baseline,
    /// Between what the savings lie; none until answers of the baseline tier were sampled.
    pub saved_between: Option<SavedBetween>,
    /// The name of the cheapest tier; empty when unknown.
    pub cheapest_tier: String,
    /// By tier, cheapest first where the ladder is known.
    pub tiers: Vec<Line>,
    /// By other things.
    pub groups: Vec<Group>,
    /// By day, the oldest first.
    pub days: Vec<Day>,
    /// What the reader has to know.
    pub notes: Vec<Note>,
}

/// What savings are measured against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Baseline {
    /// The tier that everything would have gone to; empty when unknown.
    pub tier: String,
    /// How its cost is found.
    pub method: String,
}

/// Counts of all calls, and their money.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// All.
    pub calls: u64,
    /// A whole answer went out.
    pub answered: u64,
    /// The client got an error.
    pub failed: u64,
    /// The client went away.
    pub cancelled: u64,
    /// Refused before any provider was called.
    pub refused: u64,
    /// The predictor abstained.
    pub abstained: u64,
    /// Answered by another tier than the decided one.
    pub moved: u64,
    /// Usage is an estimate.
    pub estimated: u64,
    /// Upstream calls.
    pub attempts: u64,
    /// Tokens in.
    pub input_tokens: u64,
    /// Part of them read from a provider's cache.
    pub cached_input_tokens: u64,
    /// Tokens out, reasoning included.
    pub output_tokens: u64,
    /// Part of them that is reasoning.
    pub reasoning_tokens: u64,
    /// Mean milliseconds until the last byte of answered calls.
    pub mean_ms: Option<f64>,
    /// The time that 95 of 100 of them did not exceed, within 6 %.
    pub p95_ms: Option<f64>,
    /// The same to the first content byte.
    pub first_byte_p95_ms: Option<f64>,
    /// Mean microseconds to decide.
    pub decide_mean_us: Option<f64>,
    /// Money.
    pub money: Money,
}

/// [`Savings`] in the form in which it is shown: every derived figure is there, none is computed by a form.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Money {
    /// Known to be paid in all: priced, unpriced and passed-through calls, deciding included.
    #[serde(rename = "paid_in_all_usd", serialize_with = "in_dollars")]
    pub paid_in_all: Usd,
    /// Calls that savings are computed over.
    pub priced_calls: u64,
    /// Calls without a known price, routed or not, left out of savings.
    pub unpriced_calls: u64,
    /// Calls to a model that the client named, at a known price, left out of savings.
    pub passed_calls: u64,
    /// Paid for priced calls: their attempts, failed ones included, and what deciding cost.
    #[serde(rename = "paid_usd", serialize_with = "in_dollars")]
    pub paid: Usd,
    /// The part of it that was paid to decide.
    #[serde(rename = "classifier_usd", serialize_with = "in_dollars")]
    pub classifier: Usd,
    /// What priced calls would have cost on the baseline tier.
    #[serde(rename = "baseline_usd", serialize_with = "in_dollars")]
    pub baseline: Usd,
    /// Baseline less paid; negative is a loss.
    #[serde(rename = "saved_usd", serialize_with = "in_dollars")]
    pub saved: Usd,
    /// The same as a share of the baseline.
    pub saved_share: Option<f64>,
    /// Saved on calls that were cheaper than the baseline.
    #[serde(rename = "gained_usd", serialize_with = "in_dollars")]
    pub gained: Usd,
    /// Lost on calls that were dearer, as an amount.
    #[serde(rename = "lost_usd", serialize_with = "in_dollars")]
    pub lost: Usd,
    /// Calls that were dearer than the baseline.
    pub lost_calls: u64,
    /// What sending every priced call to the cheapest tier would have saved.
    #[serde(rename = "always_cheapest_saved_usd", serialize_with = "in_dollars")]
    pub always_cheapest_saved: Usd,
    /// The same as a share of the baseline.
    pub always_cheapest_share: Option<f64>,
}

impl From<&Savings> for Money {
    fn from(savings: &Savings) -> Self {
        Self {
            paid_in_all: savings.paid_in_all(),
            priced_calls: savings.priced_calls,
            unpriced_calls: savings.unpriced_calls,
            passed_calls: savings.passed_calls,
            paid: savings.paid_for_priced(),
            classifier: savings.classifier,
            baseline: savings.baseline,
            saved: savings.saved(),
            saved_share: savings.saved_share(),
            gained: savings.gained,
            lost: savings.lost,
            lost_calls: savings.lost_calls,
            always_cheapest_saved: savings.always_cheapest_saved(),
            always_cheapest_share: savings.always_cheapest_share(),
        }
    }
}

/// Calls that have something in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Line {
    /// What they have in common.
    pub name: String,
    /// How many.
    pub calls: u64,
    /// Of all calls of the report.
    pub share: f64,
    /// The client got an error.
    pub failed: u64,
    /// Known to be paid for them, deciding included.
    #[serde(rename = "paid_usd", serialize_with = "in_dollars")]
    pub paid: Usd,
    /// Saved on those that have a price; negative is a loss.
    #[serde(rename = "saved_usd", serialize_with = "in_dollars")]
    pub saved: Usd,
    /// The same as a share of their baseline.
    pub saved_share: Option<f64>,
    /// Without a known price.
    pub unpriced: u64,
    /// Mean milliseconds until the last byte of answered calls.
    pub mean_ms: Option<f64>,
    /// The time that 95 of 100 of them did not exceed, within 6 %.
    pub p95_ms: Option<f64>,
}

/// Lines by one thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// By what.
    pub by: GroupBy,
    /// The lines, the most calls first.
    pub lines: Vec<Line>,
}

/// What calls are grouped by, besides tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// Provider and model that answered.
    Model,
    /// Kind of work.
    TaskType,
    /// Difficulty.
    Complexity,
    /// What decided.
    Reason,
    /// Team of the key.
    Team,
    /// Key.
    Key,
}

/// An interval for savings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SavedBetween {
    /// Best guess.
    #[serde(rename = "value_usd", serialize_with = "in_dollars")]
    pub value: Usd,
    /// Lower end.
    #[serde(rename = "low_usd", serialize_with = "in_dollars")]
    pub low: Usd,
    /// Upper end.
    #[serde(rename = "high_usd", serialize_with = "in_dollars")]
    pub high: Usd,
    /// Answers of the baseline tier that it rests on.
    pub shadows: u64,
    /// The chance that it holds.
    pub confidence: f64,
}

/// One day, UTC.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Day {
    /// When it begins, Unix milliseconds.
    pub start_ms: i64,
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Calls.
    pub calls: u64,
    /// Known to be paid.
    #[serde(rename = "paid_usd", serialize_with = "in_dollars")]
    pub paid: Usd,
    /// Saved on calls that have a price.
    #[serde(rename = "saved_usd", serialize_with = "in_dollars")]
    pub saved: Usd,
    /// Between what that lies; none until answers of the baseline tier were sampled.
    pub saved_between: Option<SavedBetween>,
}

/// What the reader has to know to read the figures right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    /// Nothing was recorded in the period.
    Empty,
    /// Predicted calls went by thresholds that were not proven on the operator's own outcomes.
    NotCalibrated {
        /// How many.
        calls: u64,
    },
    /// Some calls are the router's own: second answers and comparisons.
    OwnCalls {
        /// How many.
        calls: u64,
        /// What they cost.
        #[serde(rename = "paid_usd", serialize_with = "in_dollars")]
        paid: Usd,
    },
    /// A stand-in answered, no real model.
    StandIn,
    /// A configured model is switched off soon, or was.
    Shutdown {
        /// In words.
        what: String,
    },
    /// Something else, in words.
    Other {
        /// The words.
        text: String,
    },
}

fn in_dollars<S: Serializer>(amount: &Usd, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(amount.as_f64())
}
