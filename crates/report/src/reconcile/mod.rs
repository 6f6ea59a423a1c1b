//! A provider's own count of what was used, held against the ledger's: by day and model.
//!
//! In: the text of a usage or cost export of OpenAI or Anthropic (CSV of their consoles, JSON of their admin APIs), and the
//! upstream calls of the same days. Out: every day and model where the two differ, and by how much. It refuses exports that
//! do not tell models apart: a sum that agrees by chance proves nothing.

mod csv_export;
mod json_export;

use serde::Serialize;
use std::collections::BTreeMap;
use tierway_decide::{CallRecord, Usd};

/// Whose export it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Biller {
    /// OpenAI.
    Openai,
    /// Anthropic.
    Anthropic,
}

impl Biller {
    /// Its name, which is also the kind of its providers in a config.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}

/// What was used on one day with one model, as far as somebody counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Used {
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens in, cached and written ones included.
    pub input_tokens: Option<u64>,
    /// Those read from the provider's cache.
    pub cached_input_tokens: Option<u64>,
    /// Tokens out, reasoning included.
    pub output_tokens: Option<u64>,
    /// What it cost.
    pub cost: Option<Usd>,
}

impl Used {
    fn add(&mut self, other: &Self) {
        let sum = |mine: &mut Option<u64>, theirs: Option<u64>| {
            if let Some(theirs) = theirs {
                *mine = Some(mine.unwrap_or(0).saturating_add(theirs));
            }
        };
        sum(&mut self.requests, other.requests);
        sum(&mut self.input_tokens, other.input_tokens);
        sum(&mut self.cached_input_tokens, other.cached_input_tokens);
        sum(&mut self.output_tokens, other.output_tokens);
        if let Some(cost) = other.cost {
            self.cost = Some(self.cost.unwrap_or(Usd::ZERO) + cost);
        }
    }
}

/// Day (`YYYY-MM-DD`, UTC) and model.
pub type DayModel = (String, String);

/// An export, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Whose.
    pub biller: Biller,
    /// What was used, by day and model without its date.
    pub used: BTreeMap<DayModel, Used>,
}

/// An export that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Not of a known shape.
    #[error(
        "not an export that is known: wanted the CSV of OpenAI's or Anthropic's usage page, or the JSON of OpenAI's \
         /v1/organization/usage/completions or costs, or of Anthropic's usage_report/messages or cost_report ({0})"
    )]
    Unknown(String),
    /// A line with something else than it should have.
    #[error("line {line} of the export: `{column}` is `{value}`, wanted {wanted}")]
    BadValue {
        /// Which line (for JSON: which result), from 1.
        line: usize,
        /// Which column.
        column: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        wanted: &'static str,
    },
    /// Sums over all models.
    #[error(
        "line {line} of the export names no model; export it by model (`group_by=model`, costs: `group_by=line_item`)"
    )]
    NoModel {
        /// Which line (for JSON: which result), from 1.
        line: usize,
    },
    /// Nothing in it.
    #[error("the export has no usage in it")]
    Empty,
}

impl Export {
    /// Reads an export of any known shape.
    ///
    /// # Errors
    /// See [`ExportError`].
    pub fn read(text: &str) -> Result<Self, ExportError> {
        let text = text.trim_start_matches('\u{feff}').trim();
        let (biller, rows) =
            if text.starts_with(['{', '[']) { json_export::read(text)? } else { csv_export::read(text)? };
        let mut used: BTreeMap<DayModel, Used> = BTreeMap::new();
        for (day, model, row) in rows {
            used.entry((day, plain(&model).to_owned())).or_default().add(&row);
        }
        used.retain(|_, used| *used != Used::default());
        if used.is_empty() { Err(ExportError::Empty) } else { Ok(Self { biller, used }) }
    }

    /// First and last day, `YYYY-MM-DD`.
    #[must_use]
    pub fn days(&self) -> Option<(&str, &str)> {
        let first = self.used.keys().next()?;
        let last = self.used.keys().next_back()?;
        Some((&first.0, &last.0))
    }
}

/// The ledger's own count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted(pub BTreeMap<DayModel, Used>);

impl Counted {
    /// Counts every upstream call of a request that went to one of these providers and was answered or billed.
    pub fn add(&mut self, call: &CallRecord, is_billed_by: &dyn Fn(&str) -> bool) {
        for attempt in call.attempts.iter().filter(|attempt| is_billed_by(&attempt.provider)) {
            if attempt.usage.is_empty() {
                continue;
            }
            let Some(day) = day(call.id.unix_ms() + i64::from(attempt.started_ms)) else { continue };
            let used = self.0.entry((day, plain(&attempt.model).to_owned())).or_default();
            let usage = &attempt.usage;
            used.add(&Used {
                requests: Some(1),
                input_tokens: Some(usage.input_tokens),
                cached_input_tokens: Some(usage.cached_input_tokens),
                output_tokens: Some(usage.output_tokens),
                cost: attempt.paid,
            });
        }
    }
}

/// The day of a Unix millisecond, UTC.
pub(crate) fn day(unix_ms: i64) -> Option<String> {
    Some(jiff::Timestamp::from_millisecond(unix_ms).ok()?.strftime("%Y-%m-%d").to_string())
}

/// A model without the date of its snapshot: providers bill `gpt-4o-2024-08-06` for `gpt-4o`.
fn plain(model: &str) -> &str {
    let model = model.strip_suffix("-latest").unwrap_or(model);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let dated = |length: usize, is: &dyn Fn(&str) -> bool| {
        let (head, tail) = model.split_at_checked(model.len().checked_sub(length)?)?;
        (is(tail) && !head.is_empty()).then_some(head)
    };
    let long = |tail: &str| {
        let parts: Vec<_> = tail[1..].split('-').collect();
        tail.starts_with('-') && parts.len() == 3 && parts[0].len() == 4 && parts.iter().all(|part| digits(part))
    };
    let short = |tail: &str| tail.starts_with('-') && digits(&tail[1..]);
    dated(11, &long).or_else(|| dated(9, &short)).unwrap_or(model)
}

/// One figure of one day and model that the two sides see differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// `YYYY-MM-DD`, UTC.
    pub day: String,
    /// The model, without the date of its snapshot.
    pub model: String,
    /// Which figure.
    pub figure: &'static str,
    /// What the provider says; none when it has nothing of this day and model.
    pub provider: Option<f64>,
    /// What the ledger says; none when it has nothing of this day and model.
    pub ledger: Option<f64>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reconciled {
    /// Whose export it was.
    pub biller: Biller,
    /// Days and models that both have and that agree in every figure which both have.
    pub agree: u64,
    /// Figures that differ, by day and model.
    pub differences: Vec<Difference>,
}

/// Differences of money below this are rounding: providers print cents and less to a fixed number of digits.
const ROUNDING: f64 = 0.000_5;

/// Holds both counts against each other. Figures that the export does not have are not compared.
#[must_use]
pub fn reconcile(export: &Export, counted: &Counted) -> Reconciled {
    let mut keys: Vec<_> = export.used.keys().chain(counted.0.keys()).collect();
    keys.sort();
    keys.dedup();
    let mut out = Reconciled { biller: export.biller, agree: 0, differences: Vec::new() };
    for key in keys {
        let (theirs, ours) = (export.used.get(key), counted.0.get(key));
        let before = out.differences.len();
        for (figure, of, slack) in FIGURES {
            let (provider, ledger) = (theirs.and_then(of), ours.and_then(of));
            let exported = theirs.is_none_or(|theirs| of(theirs).is_some());
            let differs = match (provider, ledger) {
                (Some(provider), Some(ledger)) => (provider - ledger).abs() > *slack,
                (Some(provider), None) => provider != 0.0,
                (None, Some(ledger)) => ledger != 0.0 && exported && export_has(export, *of),
                (None, None) => false,
            };
            if differs {
                let (day, model) = key.clone();
                out.differences.push(Difference { day, model, figure, provider, ledger });
            }
        }
        out.agree += u64::from(out.differences.len() == before);
    }
    out
}

type Figure = (&'static str, fn(&Used) -> Option<f64>, f64);

#[expect(clippy::cast_precision_loss, reason = "counts for display and comparison; 2^53 tokens are far away")]
const FIGURES: &[Figure] = &[
    ("requests", |used| used.requests.map(|count| count as f64), 0.0),
    ("input tokens", |used| used.input_tokens.map(|count| count as f64), 0.0),
    ("cached input tokens", |used| used.cached_input_tokens.map(|count| count as f64), 0.0),
    ("output tokens", |used| used.output_tokens.map(|count| count as f64), 0.0),
    ("cost", |used| used.cost.map(Usd::as_f64), ROUNDING),
];

fn export_has(export: &Export, of: fn(&Used) -> Option<f64>) -> bool {
    export.used.values().any(|used| of(used).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_counted_with_their_model() {
        for (model, want) in [
            ("gpt-4o-2024-08-06", "gpt-4o"),
            ("gpt-4o-mini", "gpt-4o-mini"),
            ("claude-sonnet-4-20250514", "claude-sonnet-4"),
            ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
            ("o1", "o1"),
            ("gpt-3.5-turbo-0125", "gpt-3.5-turbo-0125"),
            ("-20250514", "-20250514"),
            ("é-2025-01-01", "é"),
        ] {
            assert_eq!(plain(model), want);
        }
    }
}
