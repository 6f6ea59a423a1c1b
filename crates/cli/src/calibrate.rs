//! `tierway calibrate`: learns from judged outcomes, proves a promise on others, writes the evidence.

use crate::exit::{Done, Failed, say};
use crate::from_log::{self, Log};
use crate::load::ConfigArg;
use crate::output::{self, Inputs, Target};
use crate::store::now_ms;
use std::path::PathBuf;
use tierway_config::Config;
use tierway_decide::Ladder;
use tierway_decide::quality::JudgeRates;
use tierway_decide::stats::each_of_two;
use tierway_learn::Outcome;
use tierway_learn::calibrate::{CalibrateError, Calibrated, Options, calibrate};
use tierway_learn::summary;
use tierway_learn::table::{self, Table};
use tierway_ledger::quality::EvidenceVersion;
use tierway_ledger::{Span, State};

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("judged").args(["outcomes", "from_log"]).multiple(true).required(true)))]
pub(crate) struct Args {
    /// Files of judged outcomes: JSON lines, also gzipped, such as {"id":"1","messages":[..],"answers":{"gpt-4o":{"score":1}}};
    /// docs/quality.md has all fields
    #[arg(long, value_name = "FILE", num_args = 1..)]
    outcomes: Vec<PathBuf>,
    /// Use the verdicts that the ledger of the config keeps, alone or beside files, and keep the evidence there as a version; the
    /// judge's errors are taken out once people have checked 100 of its verdicts, before that its opinion is proven
    #[arg(long)]
    from_log: bool,
    /// Of the log, what was judged in the last so many days [default: all whose texts are kept]
    #[arg(long, value_name = "N", requires = "from_log", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    #[command(flatten)]
    config: ConfigArg,
    /// Share of the baseline tier's quality to keep
    #[arg(long, default_value_t = 0.99, value_parser = share)]
    quality: f64,
    /// How sure the promise has to be
    #[arg(long, default_value_t = 0.95, value_parser = share)]
    confidence: f64,
    /// Where the evidence goes
    #[arg(long, value_name = "FILE", default_value = "evidence.json")]
    out: PathBuf,
    /// Hidden reasoning tokens of a model that did not record its own, as MODEL=TOKENS
    #[arg(long, value_name = "MODEL=TOKENS", value_parser = tokens)]
    assume_reasoning_tokens: Vec<(String, f64)>,
    /// Share of the outcomes that teach; the others prove
    #[arg(long, default_value_t = Options::default().learn, value_parser = share)]
    learn: f64,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("wanted a share between 0 and 1, such as 0.99".into()),
    }
}

pub(crate) fn tokens(text: &str) -> Result<(String, f64), String> {
    let parsed = text.rsplit_once('=').and_then(|(model, tokens)| Some((model.to_owned(), tokens.parse().ok()?)));
    let parsed = parsed.filter(|(_, tokens): &(String, f64)| tokens.is_finite() && *tokens >= 0.0);
    parsed.ok_or_else(|| "wanted MODEL=TOKENS with a number from 0 on, such as o1-mini=1000".into())
}

/// Refuses to assume something of a model that neither the ladder nor the outcomes have, a slip that would go unseen; says which of the
/// others no outcome has an answer of.
pub(crate) fn refuse_strangers(outcomes: &[Outcome], ladder: &Ladder, assumed: &[(String, f64)]) -> Done {
    for name in table::strangers(outcomes, ladder, assumed) {
        let names = table::names(outcomes, ladder);
        let problem = format!("--assume-reasoning-tokens names {name}, which no tier answered with; {names}");
        if !table::is_on(ladder, name) {
            return Err(Failed::told(problem));
        }
        say(format_args!("note: {problem}"));
    }
    Ok(())
}

pub(crate) fn run(args: &Args) -> Done {
    // The built-in example has no log.
    let config = if args.from_log { args.config.load()? } else { args.config.load_or_example()? };
    let ladder = config.table.ladder();
    let inputs = Inputs::default().config(Some(&config)).files("file of outcomes", &args.outcomes);
    let inputs = match args.from_log {
        true => inputs.ledger(&tierway_gateway::location(&config).map_err(Failed::told)?),
        false => inputs,
    };
    let target = Target::check(Some(&args.out), &inputs)?;
    let mut outcomes = crate::outcomes::read(&args.outcomes)?;
    let mut log = args.from_log.then(|| verdicts(&config, args.days, args.confidence, &mut outcomes)).transpose()?;
    refuse_strangers(&outcomes, ladder, &args.assume_reasoning_tokens)?;
    let mut table = Table::new(&outcomes, ladder, &args.assume_reasoning_tokens);
    if let Some(log) = &log {
        (table.judge, table.checks) = (log.judge, log.checks);
    }
    let options =
        Options { quality: args.quality, confidence: args.confidence, learn: args.learn, ..Options::default() };
    let hint = if args.from_log { more(&config) } else { String::new() };
    let done = learn(&table, &outcomes, ladder, &options, &hint)?;
    let json = serde_json::to_string_pretty(&done.evidence).map_err(Failed::told)?;
    let mut out = output::aside(Some(&target));
    target.write(json.as_bytes())?;
    write!(out, "{}", summary::calibrated(&table, ladder, &done))?;
    writeln!(out, "\nwritten to {}; load it with `evidence = \"{0}\"` or `--evidence {0}`", args.out.display())?;
    if let Some(Verdicts { state, used, .. }) = &mut log {
        let version = keep(state, "calibrate", &done, table.rows.len(), used, &json)?;
        writeln!(out, "kept in the ledger as version {version}; `tierway evidence list` lists them")?;
    }
    Ok(())
}

fn learn(
    table: &Table<'_>,
    outcomes: &[Outcome],
    ladder: &Ladder,
    options: &Options,
    hint: &str,
) -> Result<Calibrated, Failed> {
    calibrate(table, ladder, options).map_err(|error| match error {
        CalibrateError::TooFew { .. } => {
            Failed::told(format_args!("{error}; {}{hint}", table::names(outcomes, ladder)))
        }
        error => Failed::told(error),
    })
}

/// What `serve` does on its schedule: learns from all verdicts whose texts are kept, and keeps what it proves as a new
/// version. Says in words what came of it; what proves nothing is no version.
pub(crate) fn scheduled(config: &Config) -> Result<String, Failed> {
    let ladder = config.table.ladder();
    let mut outcomes = Vec::new();
    let confidence = config.quality.rules.confidence;
    let Verdicts { mut state, used, judge, checks } = verdicts(config, None, confidence, &mut outcomes)?;
    let table = Table { judge, checks, ..Table::new(&outcomes, ladder, &[]) };
    let options = Options { quality: config.table.quality_target(), confidence, ..Options::default() };
    let done = learn(&table, &outcomes, ladder, &options, &more(config))?;
    if done.evidence.promise.max_shortfall.is_none() {
        let promise = &done.evidence.promise;
        let (quality, confidence) = (promise.quality, promise.confidence);
        return Err(Failed::told(format_args!(
            "quality {quality} at confidence {confidence} could not be proven; {used}"
        )));
    }
    let json = serde_json::to_string_pretty(&done.evidence).map_err(Failed::told)?;
    let version = keep(&mut state, "schedule", &done, table.rows.len(), &used, &json)?;
    Ok(format!("recalibrated from the log: version {version}, {}", why(&done, &used)))
}

/// Verdicts of a log that were added to outcomes.
struct Verdicts {
    state: State,
    /// What was used, in words.
    used: String,
    judge: Option<JudgeRates>,
    checks: u64,
}

/// Adds the log's verdicts to the outcomes. `confidence`: that of the promise, of which the judge's rates get their part.
fn verdicts(
    config: &Config,
    days: Option<u32>,
    confidence: f64,
    outcomes: &mut Vec<Outcome>,
) -> Result<Verdicts, Failed> {
    let mut state = from_log::state(tierway_gateway::location(config).map_err(Failed::told)?)?;
    let from_ms = days.map_or(0, |days| Span::last_days(days, now_ms() + 1).from_ms);
    let log = from_log::read(&mut state, from_ms, Some(each_of_two(confidence)))?;
    let used = words(&log);
    say(&used);
    for outcome in log.outcomes {
        let outcome = Outcome::parse(&outcome.to_string());
        outcomes.push(outcome.map_err(|error| Failed::told(format_args!("the log: {error}")))?);
    }
    Ok(Verdicts { state, used, judge: log.judge, checks: log.checks })
}

fn words(log: &Log) -> String {
    let used =
        format!("{} of {} verdicts of the log used, an even sample of the traffic", log.outcomes.len(), log.pairs);
    log.between.map_or(used.clone(), |(first, last)| {
        format!("{used}, of requests from {} to {} UTC", crate::audit::time(first), crate::audit::time(last))
    })
}

/// What to do when a log has too few verdicts.
fn more(config: &Config) -> String {
    let quality = &config.quality;
    let sample = quality.sample.map_or("off".into(), |sample| sample.to_string());
    format!(
        ". For more verdicts raise `sample` ({sample}) and `dollars_a_day` ({}) in [quality], keep texts longer (`text_days`, {}) and wait, or add judged outcomes of your own with `--outcomes FILE`",
        quality.dollars_a_day.as_f64(),
        quality.text_days
    )
}

/// Keeps the evidence as a version; gives its number.
fn keep(
    state: &mut State,
    author: &str,
    done: &Calibrated,
    outcomes: usize,
    used: &str,
    json: &str,
) -> Result<i64, Failed> {
    let version = EvidenceVersion {
        version: 0,
        at_ms: now_ms(),
        author: author.to_owned(),
        why: why(done, used),
        outcomes: outcomes as u64,
        in_force: true,
    };
    state.keep_evidence(&version, json).map_err(Failed::told)
}

/// What a version rests on, in a sentence.
fn why(done: &Calibrated, used: &str) -> String {
    let promise = &done.evidence.promise;
    let proven = match promise.max_shortfall {
        Some(shortfall) => format!("proven with a shortfall of up to {shortfall:.3}"),
        None => "not proven".into(),
    };
    let saved = promise.saved.map(|saved| {
        let percent = |share: f64| share * 100.0;
        format!(", saves {:.1} % ({:.1} to {:.1})", percent(saved.value), percent(saved.low), percent(saved.high))
    });
    let without = promise.judge.map_or(String::new(), |judge| {
        format!(" without the judge's errors ({} checks of people)", judge.rates.checks)
    });
    let (quality, confidence) = (promise.quality, promise.confidence);
    format!("quality {quality} at confidence {confidence} {proven}{without}{}; {used}", saved.unwrap_or_default())
}
