//! `tierway evidence`: the versions of evidence that the ledger keeps, and the way back to one of them.

use crate::exit::{Done, Failed, say};
use crate::from_log;
use crate::store::{StoreArg, now_ms};
use std::io::{self, Write};
use tierway_config::{Config, EvidenceSource};
use tierway_ledger::State;
use tierway_ledger::quality::EvidenceVersion;

/// Who made a version that is a return to an older one.
pub(crate) const ROLLBACK: &str = "rollback";

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// List the versions that `calibrate --from-log` and the schedule kept, the newest first
    List {
        #[command(flatten)]
        store: StoreArg,
    },
    /// Put an older version in force again; a running gateway that takes its evidence from the ledger does so within seconds
    Rollback {
        /// Which
        #[arg(value_name = "VERSION")]
        number: i64,
        /// Why, for those who read the list
        #[arg(long, value_name = "TEXT", default_value = "")]
        why: String,
        #[command(flatten)]
        store: StoreArg,
    },
    /// Print a version, as `calibrate` writes it into a file
    Show {
        /// Which
        #[arg(value_name = "VERSION")]
        number: i64,
        #[command(flatten)]
        store: StoreArg,
    },
}

pub(crate) fn run(args: &Args) -> Done {
    let (What::List { store } | What::Rollback { store, .. } | What::Show { store, .. }) = &args.what;
    let (location, config) = store.locate()?;
    let changes = matches!(args.what, What::Rollback { .. });
    let mut state = if changes { from_log::state(location) } else { from_log::state_to_read(location) }?;
    match &args.what {
        What::List { .. } => list(&mut io::stdout().lock(), &mut state, config.as_ref()),
        What::Rollback { number, why, .. } => rollback(&mut state, *number, why, config.as_ref()),
        What::Show { number, .. } => {
            writeln!(io::stdout().lock(), "{}", evidence(&mut state, *number)?).map_err(Failed::from)
        }
    }
}

fn list(out: &mut impl Write, state: &mut State, config: Option<&Config>) -> Done {
    let versions = state.evidence_versions().map_err(Failed::told)?;
    if versions.is_empty() {
        writeln!(out, "no evidence was kept yet: `tierway calibrate --from-log` does")?;
    }
    for kept in versions {
        let (at, outcomes) = (crate::audit::time(kept.at_ms), kept.outcomes);
        let mark = if kept.in_force { "*" } else { " " };
        writeln!(out, "{mark}{:>4}  {at}  {:<10} {outcomes:>6} outcomes  {}", kept.version, kept.author, kept.why)?;
    }
    not_in_force(config);
    Ok(())
}

/// Says so where the gateway does not obey the ledger.
fn not_in_force(config: Option<&Config>) {
    let Some(config) = config.filter(|config| config.evidence != Some(EvidenceSource::Ledger)) else { return };
    let now = match &config.evidence {
        Some(EvidenceSource::File(path)) => format!("is the file {}", path.display()),
        _ => "is not set".to_owned(),
    };
    say(format_args!(
        "note: `evidence` in [routing] {now}: `evidence = \"ledger\"` puts the newest version (*) in force"
    ));
}

fn rollback(state: &mut State, version: i64, why: &str, config: Option<&Config>) -> Done {
    let json = evidence(state, version)?;
    let versions = state.evidence_versions().map_err(Failed::told)?;
    let outcomes = versions.iter().find(|kept| kept.version == version).map_or(0, |kept| kept.outcomes);
    let why = back_to(version, why);
    let back = EvidenceVersion { version: 0, at_ms: now_ms(), author: ROLLBACK.into(), why, outcomes, in_force: true };
    let number = state.keep_evidence(&back, &json).map_err(Failed::told)?;
    writeln!(io::stdout().lock(), "version {number} is that of version {version}")?;
    not_in_force(config);
    Ok(())
}

/// Why there is a version that is a return to an older one.
pub(crate) fn back_to(version: i64, why: &str) -> String {
    format!("back to version {version}{}{why}", if why.is_empty() { "" } else { ": " })
}

fn evidence(state: &mut State, version: i64) -> Result<String, Failed> {
    let kept = state.evidence(version).map_err(Failed::told)?;
    kept.ok_or_else(|| Failed::told(format_args!("no version {version} is kept; `tierway evidence list` lists them")))
}
