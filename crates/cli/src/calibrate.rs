//! `tierway calibrate`: learns from judged outcomes, proves a promise on others, writes the evidence.

use crate::exit::{Done, Failed};
use crate::load::ConfigArg;
use std::io::{self, Write};
use std::path::PathBuf;
use tierway_learn::calibrate::{CalibrateError, Calibrated, Options, calibrate};
use tierway_learn::summary;
use tierway_learn::table::{self, Table};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files of judged outcomes (JSON lines, also gzipped)
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    outcomes: Vec<PathBuf>,
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
    parsed.ok_or_else(|| "wanted MODEL=TOKENS, such as o1-mini=1000".into())
}

pub(crate) fn run(args: &Args) -> Done {
    let config = args.config.load_or_example()?;
    let ladder = config.table.ladder();
    let outcomes = crate::outcomes::read(&args.outcomes)?;
    let table = Table::new(&outcomes, ladder, &args.assume_reasoning_tokens);
    let options =
        Options { quality: args.quality, confidence: args.confidence, learn: args.learn, ..Options::default() };
    let done: Calibrated = calibrate(&table, ladder, &options).map_err(|error| match error {
        CalibrateError::TooFew { .. } => Failed::told(format_args!("{error}; {}", table::names(&outcomes, ladder))),
        error => Failed::told(error),
    })?;
    let json = serde_json::to_vec_pretty(&done.evidence).map_err(Failed::told)?;
    std::fs::write(&args.out, json).map_err(|error| Failed::told(format_args!("{}: {error}", args.out.display())))?;
    let mut out = io::stdout().lock();
    write!(out, "{}", summary::calibrated(&table, ladder, &done))?;
    writeln!(out, "\nwritten to {}; load it with `evidence = \"{0}\"` or `--evidence {0}`", args.out.display())?;
    Ok(())
}
