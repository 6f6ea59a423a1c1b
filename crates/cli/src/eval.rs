//! `tierway eval`: how well requests are ordered and routed on judged outcomes.

use crate::exit::{Done, Failed};
use crate::load::ConfigArg;
use crate::output::{self, Inputs, Target};
use std::path::{Path, PathBuf};
use tierway_decide::Predictor;
use tierway_learn::eval::{self, By};
use tierway_learn::plot;
use tierway_learn::table::{self, Table};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files of judged outcomes: JSON lines, also gzipped, such as {"id":"1","messages":[..],"answers":{"gpt-4o":{"score":1}}};
    /// docs/quality.md has all fields
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    outcomes: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
    /// Evidence to order requests with, instead of the built-in prior. On outcomes that it learned from the figures are
    /// too good: give others, or measure with --folds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["folds", "leave_one_source_out"])]
    evidence: Option<PathBuf>,
    /// Learn from the other parts of the outcomes, in this many folds
    #[arg(long, value_name = "K", conflicts_with = "leave_one_source_out", value_parser = clap::value_parser!(u8).range(2..=20))]
    folds: Option<u8>,
    /// Learn from all other sources
    #[arg(long)]
    leave_one_source_out: bool,
    /// Hidden reasoning tokens of a model that did not record its own, as MODEL=TOKENS
    #[arg(long, value_name = "MODEL=TOKENS", value_parser = crate::calibrate::tokens)]
    assume_reasoning_tokens: Vec<(String, f64)>,
    /// Rounds of the bootstrap behind each interval
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(50..=100_000))]
    bootstrap: u32,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Also draw quality against cost, as SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// Another ending would promise another kind of picture; stdout has none.
fn only_svg(path: &Path) -> Done {
    match path.extension().and_then(std::ffi::OsStr::to_str) {
        Some(ending) if !ending.eq_ignore_ascii_case("svg") => Err(Failed::told(format_args!(
            "the plot is an SVG, not a .{ending}: name it {} (browsers show it, `rsvg-convert` makes a PNG of it)",
            path.with_extension("svg").display()
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn run(args: &Args) -> Done {
    let config = args.config.load_or_example()?;
    let ladder = config.table.ladder();
    let inputs = Inputs::default().config(Some(&config)).files("file of outcomes", &args.outcomes);
    let inputs = inputs.files("evidence", &args.evidence);
    let plot = args.plot.as_deref().map(|path| Target::check(Some(path), &inputs)).transpose()?;
    args.plot.as_deref().map_or(Ok(()), only_svg)?;
    let outcomes = crate::outcomes::read(&args.outcomes)?;
    crate::calibrate::refuse_strangers(&outcomes, ladder, &args.assume_reasoning_tokens)?;
    let table = Table::new(&outcomes, ladder, &args.assume_reasoning_tokens);
    if table.rows.is_empty() {
        let names = table::names(&outcomes, ladder);
        return Err(Failed::told(format_args!(
            "no outcome has scores of the cheapest and of the baseline tier: {names}"
        )));
    }
    let predictor = match &args.evidence {
        None => Predictor::embedded().clone(),
        Some(path) => {
            tierway_gateway::predictor(&crate::load::with_evidence(&config, Some(path))).map_err(Failed::told)?
        }
    };
    let by = match args.folds {
        Some(folds) => By::Folds(usize::from(folds)),
        None if args.leave_one_source_out => By::Source,
        None => By::Predictor(&predictor),
    };
    let first = &table.rows[0].outcome.source;
    if matches!(by, By::Source) && table.rows.iter().all(|row| row.outcome.source == *first) {
        return Err(Failed::told(format_args!(
            "--leave-one-source-out learns from other sources, and all outcomes have the same `source` (\"{first}\"): use --folds"
        )));
    }
    let report = eval::evaluate(&table, &by, args.bootstrap as usize);
    if plot.is_some() && report.curve.is_empty() {
        return Err(Failed::told(format_args!(
            "no curve of quality against cost: {}",
            report.unknown_costs.join("; ")
        )));
    }
    let mut out = output::aside(plot.as_ref());
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report).map_err(Failed::told)?)?;
    } else {
        write!(out, "{}", eval::text(&report))?;
    }
    plot.map_or(Ok(()), |plot| plot.write(plot::curve(&report).as_bytes()))
}
