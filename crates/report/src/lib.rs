//! Figures and pages made of call records.
//!
//! In: a [`Report`] that the caller fills from the ledger's sums. Out: text for terminals, JSON, CSV, HTML. Pure: the
//! same report gives the same bytes. It refuses to make anything look better than it is: the baseline's method, what
//! was left out, and what sending everything to the cheapest tier would have saved are part of every form.

mod backtest;
mod csv;
mod figures;
mod html;
mod misroutes;
pub mod reconcile;
mod report;
mod text;
mod weekly;
mod wording;
mod words;

pub use backtest::{BacktestReport, backtest_json, backtest_text, side_json};
pub use csv::{csv, field as csv_field};
pub use figures::{Amounts, dollars, many, milliseconds, percent, shown, thousands};
pub use html::html;
pub use misroutes::{Advice, Fault, InForce, Misroute, Misroutes};
pub use report::{Baseline, Day, Group, GroupBy, Line, Money, Note, Report, SavedBetween, Totals};
pub use text::{text, wrapped};
pub use weekly::{Failures, QualityKept, Weekly, slack_json, weekly_html, weekly_json, weekly_markdown};
pub use words::{attempt_words, decided_words, reason_words, reject_words, was_decided};

/// The report as one JSON object, indented. Money is in US dollars, times in milliseconds, shares from 0 to 1.
///
/// # Errors
/// None that a report can cause; the serializer's type is kept for honesty.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(report)
}
