//! `tierway train`: makes the model file of the built-in prior.

use crate::exit::{Done, Failed, say};
use crate::output::{Inputs, Target};
use std::collections::HashMap;
use std::path::PathBuf;
use tierway_learn::labels::Prompt;
use tierway_learn::train;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files of outcomes, as `calibrate` reads them; labelled texts are looked up in them
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    outcomes: Vec<PathBuf>,
    /// Where the model goes
    #[arg(long, value_name = "MODEL")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Done {
    let inputs = Inputs::default().files("file of outcomes", &args.outcomes);
    let target = Target::check(Some(&args.out), &inputs)?;
    let prompts: HashMap<String, Prompt> = crate::outcomes::parse(&args.outcomes, Prompt::parse)?.into_iter().collect();
    let trained = train::prior(&prompts).map_err(Failed::told)?;
    let bytes = trained.bank.to_bytes();
    target.write(&bytes)?;
    let (right, of) = trained.task_accuracy;
    say(format_args!(
        "{}: {} bytes; {} labels of the kind of work, {} of the tier; kind of work right for {:.1} % of {of} held-out labels",
        args.out.display(),
        bytes.len(),
        trained.task_labels,
        trained.tier_labels,
        100.0 * right,
    ));
    Ok(())
}
