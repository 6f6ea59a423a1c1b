//! The week in two minutes: what was saved, how sure that is, what the answers were worth, what went wrong, what to do.
//!
//! In: a [`Weekly`] that the caller fills from the ledger. Out: HTML that mail programs show, Markdown, text, JSON, and the
//! message of a chat webhook. It refuses the same things as every report: no saving without the line that shames it, no
//! quality without verdicts, no interval where nothing was measured.

mod chat;
mod html;
mod markdown;
mod story;

pub use chat::slack_json;
pub use html::weekly_html;
pub use markdown::weekly_markdown;

use crate::misroutes::Misroute;
use crate::report::{Report, Totals};
use serde_json::{Value, json};

/// One week, and the one before.
#[derive(Clone, Debug, PartialEq)]
pub struct Weekly {
    /// The week.
    pub report: Report,
    /// The totals of the week before; none where nothing was recorded.
    pub before: Option<Totals>,
    /// What the answers were worth; none until some were compared.
    pub quality: Option<QualityKept>,
    /// What went wrong, the dearest first.
    pub misroutes: Vec<Misroute>,
    /// Upstream calls that failed, by target and how, the most frequent first.
    pub failures: Vec<Failures>,
    /// What commands need to find this ledger, such as ` --db FILE`; empty where they find it by themselves.
    pub store: String,
}

/// Share of routed-down answers that were at least as good as the baseline's.
#[derive(Clone, Debug, PartialEq)]
pub struct QualityKept {
    /// Best guess.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Comparisons that it rests on.
    pub verdicts: u64,
    /// What the operator wants.
    pub target: f64,
    /// Kinds of work that are held at the baseline tier now, in words.
    pub held: Vec<String>,
}

/// Upstream calls that failed alike.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Failures {
    /// `provider/model`.
    pub target: String,
    /// How, in words.
    pub how: String,
    /// How many.
    pub calls: u64,
}

/// The week for programs. Money is in US dollars, shares are from 0 to 1.
///
/// # Errors
/// None that a report can cause; the serializer's type is kept for honesty.
pub fn weekly_json(weekly: &Weekly) -> Result<Value, serde_json::Error> {
    let quality = weekly.quality.as_ref().map(|quality| {
        json!({
            "value": quality.value, "low": quality.low, "high": quality.high, "verdicts": quality.verdicts,
            "target": quality.target, "held": quality.held,
        })
    });
    let misroutes = weekly.misroutes.iter().map(|one| {
        json!({
            "fault": one.fault, "task_type": one.task_type, "tier": one.tier, "reason": one.reason, "calls": one.calls,
            "lost_usd": one.lost.as_f64(), "examples": one.examples.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "advice": one.advice,
        })
    });
    Ok(json!({
        "report": serde_json::to_value(&weekly.report)?,
        "before": serde_json::to_value(&weekly.before)?,
        "quality": quality,
        "misroutes": misroutes.collect::<Vec<_>>(),
        "failures": weekly.failures,
    }))
}
