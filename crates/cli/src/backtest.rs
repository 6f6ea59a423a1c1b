//! `tierway backtest`: what another config would have done with the requests of the log.

use crate::exit::{Done, Failed};
use crate::period::Since;
use crate::store::{StoreArg, now_ms};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use tierway_config::Config;
use tierway_decide::backtest::Backtest;
use tierway_decide::{Classifier, Rule};
use tierway_ledger::Span;
use tierway_report::BacktestReport;

/// Rows between two looks at the progress bar.
const ROWS_PER_STEP: u64 = 512;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The config to try
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Requests since then: 12h, 7d, 4w or a day such as 2026-03-02
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = Since::parse)]
    since: Since,
    /// Requests to name, those for which it matters most
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    #[command(flatten)]
    store: StoreArg,
    /// The outcome as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Done {
    let policy = tierway_config::load(&args.policy).map_err(Failed::told)?;
    let mut source = args.store.open_beside(&policy)?;
    let setup = crate::load::setup(&policy, None)?;
    let span = args.since.until(now_ms()).map_err(Failed::told)?;
    let totals = source.reader.summary(span).map_err(Failed::told)?.totals;
    let bar = progress(totals.calls);
    let keys = tierway_gateway::key_pins(&policy, &source.keys());
    let sum = tierway_gateway::backtest(&mut source.reader, (span, &totals), &setup, &keys, args.top, |read| {
        if read % ROWS_PER_STEP == 0 {
            bar.set_position(read);
        }
    });
    bar.finish_and_clear();
    let sum = sum.map_err(Failed::told)?;
    show(args, span, &policy, source.config.as_ref(), &sum)
}

fn show(args: &Args, span: Span, policy: &Config, before: Option<&Config>, sum: &Backtest) -> Done {
    let report = BacktestReport {
        from_ms: span.from_ms,
        to_ms: span.to_ms,
        policy: policy.file.clone(),
        ladder: policy.table.ladder(),
        backtest: sum,
        notes: notes(policy, before),
    };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", tierway_report::backtest_json(&report))?;
    } else {
        out.write_all(tierway_report::backtest_text(&report, crate::report::width()).as_bytes())?;
    }
    Ok(())
}

fn progress(rows: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} requests, {eta} left");
    ProgressBar::new(rows).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What a record does not hold, so that a replay cannot know it.
fn notes(policy: &Config, before: Option<&Config>) -> Vec<String> {
    let mut notes = Vec::new();
    let old: BTreeSet<_> = before.into_iter().flat_map(|config| config.table.rules().rules()).map(looks_for).collect();
    let rules = policy.table.rules().rules().iter();
    let unseen: Vec<_> = rules.filter(|rule| !old.contains(&looks_for(rule))).map(|rule| rule.name.as_str()).collect();
    if !unseen.is_empty() && before.is_some() {
        notes.push(format!(
            "Rules that are new or look for something else ({}) cannot be replayed: the log holds no text. Try them with \
             `[[tests]]` and `tierway check`.",
            unseen.join(", ")
        ));
    } else if !unseen.is_empty() {
        notes.push(
            "Rules are known by their names: what a new rule would catch cannot be replayed, since the log holds no text."
                .into(),
        );
    }
    let asks = |config: &Config| !matches!(config.table.classifier(), Classifier::Local);
    if asks(policy) && !before.is_some_and(asks) {
        notes.push(
            "The new config asks a model how hard a request is; its opinions and what they cost are not known.".into(),
        );
    }
    notes
}

/// What makes two rules match the same requests.
fn looks_for(rule: &Rule) -> (String, String, String, bool) {
    (rule.name.clone(), rule.pattern.clone(), rule.scope.name().into_owned(), rule.case_sensitive)
}
