//! `tierway audit --reconcile`: the ledger against a provider's own count.

use crate::exit::{Done, Failed, say};
use crate::store::Source;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use tierway_decide::{CallRecord, DAY_MS, Usd};
use tierway_ledger::{Span, StoredCall};
use tierway_report::reconcile::{Counted, Difference, Export, Reconciled, reconcile};
use tierway_report::{dollars, thousands};

/// Differences that are printed; the rest is counted (`--json` has them all).
const MOST_LINES: usize = 60;

/// `providers`: names of the providers that the export covers; none: those of its kind.
pub(crate) fn run(mut source: Source, file: &Path, providers: &[String], json: bool) -> Done {
    let text =
        std::fs::read_to_string(file).map_err(|error| Failed::told(format_args!("{}: {error}", file.display())))?;
    let export = Export::read(&text).map_err(|error| Failed::told(format_args!("{}: {error}", file.display())))?;
    let is_billed = billed_by(&source, &export, providers)?;
    let span = span(&export).ok_or_else(|| Failed::told("the export has no days"))?;
    let (mut counted, mut asked, mut unreadable) = (Counted::default(), Asked::default(), 0u64);
    let mut strangers = strangers(&source, providers);
    let read = source.reader.each(span, |stored| {
        match stored {
            Ok(StoredCall { call, .. }) => {
                counted.add(&call, &|provider| is_billed.iter().any(|name| name == provider));
                asked.add(&call);
                strangers.retain(|name| call.attempts.iter().all(|attempt| attempt.provider != *name));
            }
            Err(_) => unreadable += 1,
        }
        ControlFlow::Continue(())
    });
    read.map_err(Failed::told)?;
    if let Some(name) = strangers.first() {
        let message = format!("no provider `{name}`: neither in the config nor among the calls of the export's days");
        return Err(Failed::told(message));
    }
    if unreadable > 0 {
        let rows = thousands(unreadable);
        say(format_args!(
            "warning: {rows} rows of these days cannot be read and are not counted; `tierway audit` names them"
        ));
    }
    let days = export.days().map(|(first, last)| format!("{first} to {last}")).unwrap_or_default();
    let result = reconcile(&export, &counted);
    let mut out = io::stdout().lock();
    if json {
        let shown = serde_json::json!({
            "days": days, "providers": is_billed, "unreadable_rows": unreadable,
            "asked_to_decide": asked.calls, "asked_to_decide_usd": asked.paid.as_f64(), "reconciled": result,
        });
        writeln!(out, "{shown:#}")?;
    } else {
        tell(&mut out, &result, &days, &is_billed)?;
        if !result.differences.is_empty() {
            asked.tell(&mut out)?;
        }
    }
    out.flush()?;
    match result.differences.len() {
        0 => Ok(()),
        count => Err(Failed::told(format_args!("{count} figures differ from the provider's"))),
    }
}

/// Names that were given and are of no provider of the config. One of them may be that of a former provider.
fn strangers(source: &Source, named: &[String]) -> Vec<String> {
    let configured = source.config.iter().flat_map(|config| &config.providers);
    let known: Vec<_> = configured.map(|provider| provider.name.as_str()).collect();
    named.iter().filter(|name| !known.contains(&name.as_str())).cloned().collect()
}

/// Requests that a model was asked about (`classifier`). The provider counts what it was asked like any other request; the
/// ledger has what that cost, and neither model nor tokens.
#[derive(Default)]
struct Asked {
    calls: u64,
    paid: Usd,
}

impl Asked {
    fn add(&mut self, call: &CallRecord) {
        self.calls += u64::from(call.classifier_paid != Usd::ZERO);
        self.paid += call.classifier_paid;
    }

    fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        if self.calls == 0 {
            return Ok(());
        }
        let (calls, paid) = (thousands(self.calls), dollars(self.paid));
        writeln!(
            out,
            "A model was asked to decide {calls} of these requests, for {paid} (`classifier`): the provider counts that, too;"
        )?;
        writeln!(out, "the ledger keeps what it cost, and neither its model nor its tokens.")
    }
}

/// Names of the providers that the export speaks about.
fn billed_by(source: &Source, export: &Export, named: &[String]) -> Result<Vec<String>, Failed> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let kind = export.biller.name();
    let Some(config) = &source.config else { return Ok(vec![kind.to_owned()]) };
    let of_kind = config.providers.iter().filter(|provider| provider.kind.name() == kind);
    let names: Vec<_> = of_kind.map(|provider| provider.name.clone()).collect();
    if names.is_empty() {
        return Err(Failed::told(format_args!(
            "no provider of kind `{kind}` in {}; name the one that the export covers: --provider NAME",
            config.file
        )));
    }
    Ok(names)
}

/// The days of the export, whole. A call that began before midnight and was billed after it is looked for, too.
fn span(export: &Export) -> Option<Span> {
    let (first, last) = export.days()?;
    let midnight = |day: &str| Some(format!("{day}T00:00:00Z").parse::<jiff::Timestamp>().ok()?.as_millisecond());
    Some(Span { from_ms: midnight(first)?, to_ms: midnight(last)? + DAY_MS })
}

fn tell(out: &mut impl Write, result: &Reconciled, days: &str, providers: &[String]) -> io::Result<()> {
    let providers = providers.join(", ");
    writeln!(out, "{} export of {days} against the calls to {providers}", result.biller.name())?;
    writeln!(out, "{} days and models agree in every figure", thousands(result.agree))?;
    if result.differences.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n{:<12}{:<32}{:<22}{:>16}{:>16}{:>16}",
        "day", "model", "figure", "provider", "ledger", "difference"
    )?;
    let (fit, more) = tierway_report::shown(result.differences.len(), MOST_LINES);
    for one in &result.differences[..fit] {
        let (theirs, ours) = (one.provider.unwrap_or(0.0), one.ledger.unwrap_or(0.0));
        let shown = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| figure(one, value));
        let (difference, sign) = (theirs - ours, if theirs < ours { "-" } else { "+" });
        let difference = format!("{sign}{}", figure(one, difference.abs()));
        writeln!(
            out,
            "{:<12}{:<32}{:<22}{:>16}{:>16}{difference:>16}",
            one.day,
            one.model,
            one.figure,
            shown(one.provider),
            shown(one.ledger)
        )?;
    }
    if more > 0 {
        writeln!(out, "… and {more} more; --json has them all")?;
    }
    writeln!(out, "\n{}", WHY.join("\n"))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts were whole before")]
fn figure(one: &Difference, value: f64) -> String {
    if one.figure == "cost" { format!("${value:.4}") } else { thousands(value as u64) }
}

const WHY: [&str; 4] = [
    "More at the provider: calls that did not come through tierway (another key or project), calls that were given up before",
    "they reported their usage, or records that were dropped. More in the ledger: an export of only some projects or keys.",
    "The same amount with opposite signs on two days: calls around midnight, which the provider counts when they end.",
    "The provider's figures are not changed, nor are the ledger's.",
];
