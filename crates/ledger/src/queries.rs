//! What can be asked of a ledger, and the shape of the answers. Serializable as they are: dashboard, API and command
//! line show the same ones.

use crate::{Figures, ReasonKind};
use serde::{Deserialize, Serialize};
use tierway_decide::{CallRecord, CallStatus, Complexity, DAY_MS, HOUR_MS, RequestId, TaskType, Usd};

/// A span of time in Unix milliseconds: from the first, before the second. Sums are kept by the hour, so questions
/// about sums widen it to whole hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First millisecond.
    pub from_ms: i64,
    /// First millisecond after it.
    pub to_ms: i64,
}

impl Span {
    /// Everything.
    pub const ALL: Self = Self { from_ms: RequestId::EPOCH_MS, to_ms: RequestId::EPOCH_MS + (1 << 41) - 1 };

    /// The last days before a time.
    #[must_use]
    pub const fn last_days(days: u32, now_ms: i64) -> Self {
        Self { from_ms: now_ms - days as i64 * DAY_MS, to_ms: now_ms }
    }

    /// First hour, and first hour after it, since 1970.
    pub(crate) const fn hours(self) -> (i64, i64) {
        (self.from_ms.div_euclid(HOUR_MS), (self.to_ms + HOUR_MS - 1).div_euclid(HOUR_MS))
    }
}

/// Whose money a call spends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Payer {
    /// A key, by its name.
    Key(String),
    /// A team.
    Team(String),
    /// An end user, as the application names it.
    User(String),
}

/// Sums of the calls that have something in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What they have in common: a tier, `provider/model`, a team... Empty for calls without (refused before).
    pub name: String,
    /// Their sums.
    pub figures: Figures,
}

/// Where requests of one kind went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The kind of work.
    pub task_type: TaskType,
    /// How hard they looked.
    pub complexity: Complexity,
    /// Where they went.
    pub tier: String,
    /// How many.
    pub calls: u64,
    /// What was paid for them in all, in units of 1e-12 dollars.
    pub paid: Usd,
}

/// Sums of a span by everything that reports show. Lines come with the most calls first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The span, widened to whole hours; to whole days where only sums by the day are kept.
    pub span: Span,
    /// Everything.
    pub totals: Figures,
    /// By the tier that answered, or the decided one where none did; the router's own calls in a line [`OWN`].
    pub tiers: Vec<Line>,
    /// By `provider/model` that answered.
    pub models: Vec<Line>,
    /// By kind of work, [`OWN`] as with tiers.
    pub task_types: Vec<Line>,
    /// By difficulty, [`OWN`] as with tiers.
    pub complexities: Vec<Line>,
    /// By what decided.
    pub reasons: Vec<Line>,
    /// By team.
    pub teams: Vec<Line>,
    /// By key.
    pub keys: Vec<Line>,
    /// Where requests of each kind went; without the router's own.
    pub routes: Vec<Route>,
}

/// The name of the line that holds the router's own calls: second answers to sampled requests, and comparisons.
pub const OWN: &str = "(own)";

/// Width of a point in a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// An hour.
    Hour,
    /// A day, UTC.
    Day,
}

/// Sums of one hour or day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// When it begins, Unix milliseconds.
    pub start_ms: i64,
    /// By tier, in the order of names.
    pub tiers: Vec<Line>,
}

/// What was paid in an hour or day for calls with known prices, and what they would have cost on the baseline tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// When it begins, Unix milliseconds.
    pub start_ms: i64,
    /// Paid, deciding included.
    pub paid: Usd,
    /// The baseline's bill, by the tier that answered and the kind of work.
    pub baseline: Vec<(String, TaskType, Usd)>,
}

/// Which requests to list. What is none does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// The tier that answered, or was decided where none did.
    pub tier: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// The provider that answered.
    pub provider: Option<String>,
    /// The team of the key.
    pub team: Option<String>,
    /// The key.
    pub key: Option<String>,
    /// The end user.
    pub user: Option<String>,
    /// The conversation.
    pub session: Option<String>,
    /// How it ended.
    pub status: Option<CallStatus>,
    /// The kind of work.
    pub task_type: Option<TaskType>,
    /// How hard it looked.
    pub complexity: Option<Complexity>,
    /// What decided.
    pub reason: Option<ReasonKind>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// It took at least so many milliseconds.
    pub slower_than_ms: Option<u32>,
    /// It needed more than one attempt.
    pub retried: bool,
    /// A client sent it: the router's own (second answers to sampled requests, comparisons) are left out.
    pub of_clients: bool,
}

/// Some requests, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The requests.
    pub calls: Vec<CallRecord>,
    /// Ask again with requests before this one for more; none when there are no more. A page may be short, or empty,
    /// and still have a next one: a question looks at a bounded number of rows.
    pub next: Option<RequestId>,
}
