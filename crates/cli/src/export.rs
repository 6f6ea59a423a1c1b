//! `tierway export`: every row of a period, for spreadsheets and other programs.

use crate::exit::{Done, Failed, say};
use crate::output::Target;
use crate::store::{StoreArg, now_ms};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use tierway_decide::{CallRecord, Reason, Usd, savings};
use tierway_ledger::{ReasonKind, Span};
use tierway_report::csv_field;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// Only the last so many days [default: everything]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// Its form
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Write to this file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One line for each request, money in dollars
    Csv,
    /// One JSON object for each request with everything that is kept; money in 1e-12 dollars
    Jsonl,
}

pub(crate) fn run(args: &Args) -> Done {
    let mut source = args.store.open()?;
    let span = args.days.map_or(Span::ALL, |days| Span::last_days(days, now_ms()));
    let mut out = Target::check(args.output.as_deref(), &source.inputs())?.open()?;
    let mut written: io::Result<()> = Ok(());
    if args.format == Format::Csv {
        written = write!(out, "{}\r\n", COLUMNS.join(","));
    }
    let mut bad = 0u64;
    let each = source.reader.each(span, |stored| {
        match stored {
            Ok(stored) => written = line(&mut out, args.format, &stored.call),
            Err(error) => {
                bad += 1;
                say(error);
            }
        }
        if written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    each.map_err(Failed::told)?;
    written.map_err(|error| out.failed(error))?;
    out.finish()?;
    if bad == 0 { Ok(()) } else { Err(Failed::told(format_args!("{bad} rows could not be read and were left out"))) }
}

const COLUMNS: [&str; 40] = [
    "id",
    "time_utc",
    "key",
    "team",
    "user",
    "session",
    "format",
    "stream",
    "requested_model",
    "tier",
    "served_tier",
    "provider",
    "served_model",
    "complexity",
    "task_type",
    "score_strong",
    "abstained",
    "reason",
    "rule",
    "raised_from",
    "status",
    "http_status",
    "finish",
    "attempts",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "usage_estimated",
    "paid_usd",
    "classifier_usd",
    "baseline_usd",
    "cheapest_usd",
    "saved_usd",
    "first_byte_ms",
    "total_ms",
    "decide_us",
    "calibrated",
    "table_version",
];

fn line(out: &mut impl Write, format: Format, call: &CallRecord) -> io::Result<()> {
    match format {
        Format::Csv => write!(out, "{}\r\n", cells(call).join(",")),
        Format::Jsonl => {
            serde_json::to_writer(&mut *out, &Shown { request_id: call.id.to_string(), call })?;
            writeln!(out)
        }
    }
}

/// The record as it is, but with its id as people see it.
#[derive(serde::Serialize)]
struct Shown<'a> {
    request_id: String,
    #[serde(flatten)]
    call: &'a CallRecord,
}

fn cells(call: &CallRecord) -> [String; 40] {
    let amount = |amount: Option<Usd>| amount.map_or_else(String::new, |amount| amount.to_string());
    let status = serde_json::to_value(call.status).ok();
    let rule = match &call.reason {
        Reason::LockedRule { rule, .. } | Reason::Rule { rule, .. } => rule.as_str(),
        _ => "",
    };
    let time = jiff::Timestamp::from_millisecond(call.id.unix_ms()).map(|time| time.to_string());
    let usage = &call.usage;
    [
        call.id.to_string(),
        time.unwrap_or_default(),
        csv_field(&call.key),
        csv_field(&call.team),
        csv_field(&call.user),
        csv_field(&call.session),
        csv_field(&call.format),
        call.stream.to_string(),
        csv_field(&call.requested_model),
        csv_field(&call.tier),
        csv_field(&call.served_tier),
        csv_field(&call.provider),
        csv_field(&call.served_model),
        call.prediction.complexity.name().into(),
        call.prediction.task_type.name().into(),
        call.prediction.score_strong.to_string(),
        call.prediction.abstain.is_some().to_string(),
        ReasonKind::of(&call.reason).name().into(),
        csv_field(rule),
        csv_field(&call.raised_from),
        status.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().into(),
        call.http_status.to_string(),
        csv_field(&call.finish),
        call.attempts.len().to_string(),
        usage.input_tokens.to_string(),
        usage.cached_input_tokens.to_string(),
        (usage.cache_write_5m_tokens + usage.cache_write_1h_tokens).to_string(),
        usage.output_tokens.to_string(),
        usage.reasoning_tokens.to_string(),
        call.usage_estimated.to_string(),
        amount(call.paid_in_all()),
        call.classifier_paid.to_string(),
        amount(call.baseline),
        amount(call.cheapest),
        amount(savings::saved(call)),
        call.first_byte_ms.map_or_else(String::new, |ms| ms.to_string()),
        call.total_ms.to_string(),
        call.decide_us.to_string(),
        call.prediction.calibrated.to_string(),
        format!("{:016x}", call.table_version),
    ]
}
