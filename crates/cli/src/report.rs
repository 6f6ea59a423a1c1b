//! `tierway report`: what a period cost and saved.

use crate::exit::{Done, Failed};
use crate::output::Target;
use crate::store::{Source, StoreArg, now_ms};
use crate::weekly::{self, Form};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use tierway_config::{Config, KeySource, ReportFormat};
use tierway_decide::day_of;
use tierway_ledger::{Span, State};
use tierway_report::{Note, Report, Weekly};

/// Columns where none are told: a log, a pipe.
const USUAL_WIDTH: usize = 100;
/// A configured model that is switched off within so many days is worth a note.
const SHUTDOWN_DAYS: i32 = 60;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// The last so many days [default: as configured, else 7]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// The week in two minutes: saved, quality, what went wrong and what to do
    #[arg(long, conflicts_with = "days")]
    weekly: bool,
    /// Also post the week to the webhook of the config
    #[arg(long, requires = "weekly")]
    post: bool,
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
    /// Headings and tables, for a wiki or a chat; only with --weekly
    Markdown,
}

pub(crate) fn run(args: &Args) -> Done {
    let mut source = args.store.open()?;
    let target = Target::check(args.output.as_deref(), &source.inputs())?;
    if args.weekly {
        return run_weekly(args, source, target);
    }
    let config = source.config.as_ref();
    let days = args.days.or(config.map(|config| config.report.days)).unwrap_or(7);
    let format = args.format.or(config.map(|config| configured(config.report.format))).unwrap_or(Format::Text);
    let span = Span::last_days(days, now_ms());
    let ladder = config.map(|config| config.table.ladder());
    let state = State::open_to_read(source.location.clone());
    // Where that may not be read nothing is said of how sure savings are.
    let shadows = state.and_then(|mut state| tierway_gateway::shadows(&mut state, span)).unwrap_or_default();
    let mut report = tierway_gateway::report(&mut source.reader, &shadows, span, ladder).map_err(Failed::told)?;
    report.notes.extend(config.into_iter().flat_map(shutdowns));
    target.write(render(&report, format, width())?.as_bytes())
}

fn run_weekly(args: &Args, mut source: Source, target: Target) -> Done {
    let config = source.config.as_ref();
    let form = match args.format {
        None | Some(Format::Text | Format::Markdown) => Form::Markdown,
        Some(Format::Html) => Form::Html,
        Some(Format::Json) => Form::Json,
        Some(Format::Csv) => {
            return Err(Failed::told("the week has no CSV; `tierway report --format csv` has the figures"));
        }
    };
    let mut state = weekly::state(source.location.clone());
    let week = tierway_gateway::weekly(&mut source.reader, state.as_mut(), now_ms(), config).map_err(Failed::told)?;
    let week = Weekly { store: args.store.again(), ..week };
    if args.post {
        let webhook = config.and_then(|config| config.report.weekly.as_ref()).map(|weekly| weekly.webhook.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let posted = runtime.block_on(weekly::post(&week, &webhook.unwrap_or(KeySource::None)));
        posted.map_err(Failed::told)?;
    }
    target.write(weekly::render(&week, form)?.as_bytes())
}

const fn configured(format: ReportFormat) -> Format {
    match format {
        ReportFormat::Text => Format::Text,
        ReportFormat::Json => Format::Json,
        ReportFormat::Csv => Format::Csv,
        ReportFormat::Html => Format::Html,
    }
}

/// Columns to fill: what `COLUMNS` says, else those of the terminal.
pub(crate) fn width() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    told.filter(|columns| *columns > 0).unwrap_or_else(terminal_width)
}

/// Where lines of a listing are folded: nowhere in a pipe or a file, where programs look for them.
pub(crate) fn fold() -> usize {
    if io::stdout().is_terminal() || std::env::var_os("COLUMNS").is_some() { width() } else { usize::MAX }
}

fn terminal_width() -> usize {
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
        Format::Markdown => return Err(Failed::told("only the week has Markdown: `tierway report --weekly`")),
    })
}

fn shutdowns(config: &Config) -> Vec<Note> {
    let today = day_of(now_ms());
    let shutdowns = config.shutdowns(today, SHUTDOWN_DAYS);
    shutdowns.into_iter().map(|shutdown| Note::Shutdown { what: shutdown.to_string() }).collect()
}
