//! `tierway quality`: how good the cheap answers were, as far as somebody looked.

use crate::exit::{Done, Failed, say};
use crate::from_log;
use crate::output::{Inputs, Target};
use crate::store::{StoreArg, now_ms};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tierway_decide::quality::{CellState, CellSummary, Interval, Rules};
use tierway_gateway::{QualityReport, Standing, quality_report};
use tierway_ledger::{Span, State};
use tierway_report::many;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// The last so many days
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Write what was found, where texts are kept, as outcomes for `calibrate --outcomes`: an even sample of the traffic
    #[arg(long, value_name = "FILE")]
    outcomes: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Done {
    let (location, config) = args.store.locate()?;
    let inputs = Inputs::default().config(config.as_ref()).ledger(&location);
    let mut state = from_log::state_to_read(location)?;
    let span = Span::last_days(args.days, now_ms() + 1);
    if let Some(path) = &args.outcomes {
        let target = Target::check(Some(path), &inputs)?;
        return outcomes(&mut state, span, path, target);
    }
    // Without a config: as if its section said nothing.
    let (rules, off) = config
        .map_or_else(|| (Rules::default(), false), |config| (config.quality.rules, config.quality.sample.is_none()));
    let report = quality_report(&mut state, span, &rules).map_err(Failed::told)?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    write(&mut out, &report, args.days, off).map_err(Failed::from)
}

fn outcomes(state: &mut State, span: Span, path: &Path, target: Target) -> Done {
    let log = from_log::read(state, span.from_ms, None)?;
    let lines: Vec<String> = log.outcomes.iter().map(|outcome| format!("{outcome}\n")).collect();
    target.write(lines.concat().as_bytes())?;
    say(format_args!("{} outcomes of {} pairs with texts written to {}", lines.len(), log.pairs, path.display()));
    Ok(())
}

/// The table for a terminal.
pub(crate) fn write(out: &mut impl Write, report: &QualityReport, days: u32, off: bool) -> io::Result<()> {
    let quality = &report.quality;
    let period = if days == 1 { "last day".to_owned() } else { format!("last {days} days") };
    writeln!(out, "Quality: cheap answers against those of the baseline, {period}\n")?;
    let samples = &report.samples;
    if samples.judged + samples.given_up + samples.waiting == 0 {
        let hint = if off { "set `sample` in [quality] and allow it for a key" } else { "no sample was taken yet" };
        return writeln!(out, "  nothing was looked at: {hint}");
    }
    writeln!(out, "  {:<28}{:>9}{:>10}   {:<19}state", "at least as good", "verdicts", "share", "interval")?;
    line(out, "all that clients got", &quality.overall, "")?;
    for cell in &quality.cells {
        let Some(key) = &cell.cell else { continue };
        let standing = report.states.iter().find(|at| at.task_type == key.task_type && at.tier == key.tier);
        line(
            out,
            &format!("{} on {}", key.task_type.name(), key.tier),
            cell,
            &standing.map_or_else(|| "open".into(), state),
        )?;
    }
    if quality.ruled.verdicts > 0 {
        line(out, "sent down by rules", &quality.ruled, "")?;
    }
    writeln!(out)?;
    share(
        out,
        "too low (risk)",
        quality.too_low,
        quality.too_low_verdicts,
        "of routed-down answers the baseline does better",
    )?;
    share(
        out,
        "too high (waste)",
        quality.too_high,
        quality.too_high_verdicts,
        "of baseline answers the cheapest tier does as well",
    )?;
    fact(out, "target", &percent(report.target), &confidence(report))?;
    let counts = format!("{} judged, {} given up, {} waiting", samples.judged, samples.given_up, samples.waiting);
    fact(out, "cost", &format!("${:.2}", quality.cost.as_f64()), &format!("for {counts}"))?;
    people(out, report)?;
    for alarm in report.alarms.iter().take(10) {
        let what = alarm.task_type.map_or("all kinds of work", tierway_decide::TaskType::name);
        writeln!(out)?;
        let when = format!("  ALARM {} ", crate::audit::time(alarm.at_ms));
        crate::columns::fact(out, &when, &format!("{what} {}: {}", alarm.tier, alarm.words))?;
    }
    Ok(())
}

fn people(out: &mut impl Write, report: &QualityReport) -> io::Result<()> {
    let quality = &report.quality;
    let kappa = quality.kappa.map(|kappa| format!(", kappa {:.2} [{:.2}, {:.2}]", kappa.value, kappa.low, kappa.high));
    if quality.labels > 0 {
        let agreed = format!("{} of {}", quality.labels_agreed, quality.labels);
        fact(out, "labels", &agreed, &format!("judge and people agree{}", kappa.unwrap_or_default()))?;
    }
    if let Some(learned) = &quality.judge_error {
        let Interval { value, low, high } = learned.share;
        let used = "of single looks are wrong, by people's labels; all shares above go by it";
        fact(out, "judge", &percent(value), &format!("{used} ({} to {})", percent(low), percent(high)))?;
        if report.judge_error < low || report.judge_error > high {
            let words = "cells and alarms take it to be";
            let (configured, better) = (percent(report.judge_error), (value * 100.0).round());
            fact(out, "", "", &format!("{words} {configured}: set `judge_error_percent = {better}`"))?;
        }
    }
    for said in &report.feedback {
        let tier = if said.tier.is_empty() { "unknown" } else { &said.tier };
        let words = format!("from {} about answers of {tier}", many(said.count, "caller"));
        fact(out, "feedback", &percent(said.mean), &words)?;
    }
    Ok(())
}

fn line(out: &mut impl Write, name: &str, cell: &CellSummary, state: &str) -> io::Result<()> {
    let (share, interval) = cell.quality.map_or_else(
        || ("-".to_owned(), "not known yet".to_owned()),
        |Interval { value, low, high }| (percent(value), format!("{} to {}", percent(low), percent(high))),
    );
    writeln!(out, "  {name:<28}{:>9}{share:>10}   {interval:<19}{state}", cell.verdicts)
}

fn share(out: &mut impl Write, name: &str, share: Option<Interval>, verdicts: u64, words: &str) -> io::Result<()> {
    let Some(Interval { value, low, high }) = share else { return Ok(()) };
    let words = format!("{words} ({} to {}, {})", percent(low), percent(high), many(verdicts, "verdict"));
    fact(out, name, &percent(value), &words)
}

fn fact(out: &mut impl Write, name: &str, value: &str, words: &str) -> io::Result<()> {
    crate::columns::fact(out, &format!("  {name:<18}{value:>7}  "), words)
}

fn state(standing: &Standing) -> String {
    match standing.state {
        CellState::Held => format!("HELD since {}", crate::audit::time(standing.since_ms)),
        state => state.name().to_owned(),
    }
}

fn confidence(report: &QualityReport) -> String {
    let error = if report.judge_error > 0.0 && report.quality.judge_error.is_none() {
        format!("; {} of single verdicts taken to be wrong", percent(report.judge_error))
    } else {
        String::new()
    };
    format!("intervals hold at every look, at {}{error}", percent(report.confidence))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
