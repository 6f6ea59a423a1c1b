//! `tierway report`: what a period cost and saved.

use crate::exit::{Done, Failed};
use crate::store::{StoreArg, now_ms};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use tierway_config::{Config, ReportFormat};
use tierway_decide::Ladder;
use tierway_decide::savings::SAME_TOKENS;
use tierway_ledger::{Figures, Line, Point, ReasonKind, Span, Step, Summary};
use tierway_report::{Baseline, Day, Group, GroupBy, Money, Note, Report, Totals};

/// Columns where none are told: a log, a pipe.
const USUAL_WIDTH: usize = 100;
/// A configured model that is switched off within so many days is worth a note.
const SHUTDOWN_DAYS: i32 = 60;
const DAY_MS: i64 = 86_400_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// The last so many days [default: as configured, else 7]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// Its form [default: as configured, else text]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write to this file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Tables for a terminal
    Text,
    /// One object, money in dollars
    Json,
    /// One table for spreadsheets
    Csv,
    /// One page that needs nothing else; can be mailed
    Html,
}

pub(crate) fn run(args: &Args) -> Done {
    let mut source = args.store.open()?;
    let config = source.config.as_ref();
    let days = args.days.or(config.map(|config| config.report.days)).unwrap_or(7);
    let format = args.format.or(config.map(|config| configured(config.report.format))).unwrap_or(Format::Text);
    let span = Span::last_days(days, now_ms());
    let summary = source.reader.summary(span).map_err(Failed::told)?;
    let series = source.reader.series(span, Step::Day).map_err(Failed::told)?;
    let ladder = config.map(|config| config.table.ladder());
    let mut report = build(&summary, &series, ladder);
    report.notes.extend(config.into_iter().flat_map(shutdowns));
    let text = render(&report, format, width())?;
    match &args.output {
        None => io::stdout().lock().write_all(text.as_bytes())?,
        Some(path) => std::fs::write(path, text)
            .map_err(|error| Failed::told(format_args!("{} cannot be written: {error}", path.display())))?,
    }
    Ok(())
}

const fn configured(format: ReportFormat) -> Format {
    match format {
        ReportFormat::Text => Format::Text,
        ReportFormat::Json => Format::Json,
        ReportFormat::Csv => Format::Csv,
        ReportFormat::Html => Format::Html,
    }
}

/// Columns of the terminal.
pub(crate) fn width() -> usize {
    if !io::stdout().is_terminal() {
        return USUAL_WIDTH;
    }
    terminal_size::terminal_size().map_or(USUAL_WIDTH, |(columns, _)| usize::from(columns.0))
}

/// The report in a form.
pub(crate) fn render(report: &Report, format: Format, width: usize) -> Result<String, Failed> {
    Ok(match format {
        Format::Text => tierway_report::text(report, width),
        Format::Json => tierway_report::json(report).map_err(Failed::told)? + "\n",
        Format::Csv => tierway_report::csv(report),
        Format::Html => tierway_report::html(report),
    })
}

fn shutdowns(config: &Config) -> Vec<Note> {
    let today = i32::try_from(now_ms().div_euclid(DAY_MS)).unwrap_or(i32::MAX);
    let shutdowns = config.shutdowns(today, SHUTDOWN_DAYS);
    shutdowns.into_iter().map(|shutdown| Note::Shutdown { what: shutdown.to_string() }).collect()
}

/// The report of a period. Without a ladder tiers come with the most calls first, and the baseline has no name.
pub(crate) fn build(summary: &Summary, series: &[Point], ladder: Option<&Ladder>) -> Report {
    let calls = summary.totals.calls;
    let line = |line: &Line| report_line(line, calls);
    let group = |by: GroupBy, lines: &[Line]| Group { by, lines: lines.iter().map(line).collect() };
    let mut tiers: Vec<_> = summary.tiers.iter().map(line).collect();
    if let Some(ladder) = ladder {
        // Tiers of the past that the ladder does not have any more come last.
        tiers.sort_by_key(|tier| ladder.find(&tier.name).map_or(u8::MAX, |id| id.0));
    }
    let tier_name = |name: Option<&str>| name.unwrap_or_default().to_owned();
    Report {
        from_ms: summary.span.from_ms,
        to_ms: summary.span.to_ms,
        totals: totals(&summary.totals),
        baseline: Baseline {
            tier: tier_name(ladder.map(|ladder| ladder.tier(ladder.baseline()).name.as_str())),
            method: SAME_TOKENS.into(),
        },
        cheapest_tier: tier_name(ladder.and_then(|ladder| ladder.tiers().first()).map(|tier| tier.name.as_str())),
        tiers,
        groups: vec![
            group(GroupBy::TaskType, &summary.task_types),
            group(GroupBy::Complexity, &summary.complexities),
            group(GroupBy::Reason, &summary.reasons),
            group(GroupBy::Model, &summary.models),
            group(GroupBy::Team, &summary.teams),
            group(GroupBy::Key, &summary.keys),
        ],
        days: series.iter().map(day).collect(),
        notes: notes(summary),
    }
}

fn notes(summary: &Summary) -> Vec<Note> {
    if summary.totals.calls == 0 {
        return vec![Note::Empty];
    }
    let predicted = summary.reasons.iter().find(|line| line.name == ReasonKind::Predicted.name());
    let unproven = predicted.map_or(0, |line| line.figures.calls.saturating_sub(line.figures.calibrated));
    if unproven == 0 { Vec::new() } else { vec![Note::NotCalibrated { calls: unproven }] }
}

#[expect(clippy::cast_precision_loss, reason = "shares and means")]
fn report_line(line: &Line, calls: u64) -> tierway_report::Line {
    let figures = &line.figures;
    tierway_report::Line {
        name: line.name.clone(),
        calls: figures.calls,
        share: if calls == 0 { 0.0 } else { figures.calls as f64 / calls as f64 },
        failed: figures.failed,
        paid: figures.savings.paid_in_all(),
        saved: figures.savings.saved(),
        saved_share: figures.savings.saved_share(),
        unpriced: figures.savings.unpriced_calls,
        mean_ms: figures.mean_ms(),
        p95_ms: figures.total.quantile(0.95),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a mean")]
fn totals(figures: &Figures) -> Totals {
    Totals {
        calls: figures.calls,
        answered: figures.answered,
        failed: figures.failed,
        cancelled: figures.cancelled,
        refused: figures.refused,
        abstained: figures.abstained,
        moved: figures.moved,
        estimated: figures.estimated,
        attempts: figures.attempts,
        input_tokens: figures.input_tokens,
        cached_input_tokens: figures.cached_input_tokens,
        output_tokens: figures.output_tokens,
        reasoning_tokens: figures.reasoning_tokens,
        mean_ms: figures.mean_ms(),
        p95_ms: figures.total.quantile(0.95),
        first_byte_p95_ms: figures.first_byte.quantile(0.95),
        decide_mean_us: (figures.calls > 0).then(|| figures.decide_us as f64 / figures.calls as f64),
        money: Money::from(&figures.savings),
    }
}

fn day(point: &Point) -> Day {
    let date = jiff::Timestamp::from_millisecond(point.start_ms).map(|day| day.strftime("%Y-%m-%d").to_string());
    let sum = |of: fn(&Figures) -> tierway_decide::Usd| point.tiers.iter().map(|tier| of(&tier.figures)).sum();
    Day {
        date: date.unwrap_or_default(),
        calls: point.tiers.iter().map(|tier| tier.figures.calls).sum(),
        paid: sum(|figures| figures.savings.paid_in_all()),
        saved: sum(|figures| figures.savings.saved()),
    }
}
