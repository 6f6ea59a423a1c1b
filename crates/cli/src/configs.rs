//! `tierway config`: the config of several replicas, kept in a PostgreSQL in versions.

use crate::evidence::back_to;
use crate::exit::{Done, Failed, say};
use crate::load::{ConfigArg, Place, configs, parse};
use crate::store::now_ms;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tierway_ledger::{ConfigStore, PostgresUrl};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Check a config and put it in force; replicas that serve from the database follow within seconds
    Push {
        /// The config
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Why, for those who read the list
        #[arg(long, value_name = "TEXT", default_value = "")]
        why: String,
        #[command(flatten)]
        place: ConfigArg,
    },
    /// List the versions, the newest first; it is in force
    List {
        #[command(flatten)]
        place: ConfigArg,
    },
    /// Print a version
    Show {
        /// Which [default: the one in force]
        #[arg(value_name = "VERSION")]
        number: Option<i64>,
        #[command(flatten)]
        place: ConfigArg,
    },
    /// Put an older version in force again
    Rollback {
        /// Which
        #[arg(value_name = "VERSION")]
        number: i64,
        /// Why, for those who read the list
        #[arg(long, value_name = "TEXT", default_value = "")]
        why: String,
        #[command(flatten)]
        place: ConfigArg,
    },
}

/// The database that is named where other commands name a config.
fn database(place: &ConfigArg) -> Result<PostgresUrl, Failed> {
    match place.place() {
        Place::Database(url) => Ok(url),
        Place::File(path) => {
            let path = path.display();
            Err(Failed::told(format_args!("{path} is a file; name the database: `--config postgres://…`")))
        }
    }
}

/// The configs that are there; nothing is made.
fn there(url: &PostgresUrl) -> Result<ConfigStore, Failed> {
    configs(url).map_err(Failed::told)
}

pub(crate) fn run(args: &Args) -> Done {
    let (What::Push { place, .. } | What::List { place } | What::Show { place, .. } | What::Rollback { place, .. }) =
        &args.what;
    let url = database(place)?;
    match &args.what {
        What::Push { file, why, .. } => push(&url, file, why),
        What::List { .. } => list(&mut io::stdout().lock(), &mut there(&url)?),
        What::Show { number, .. } => show(&mut io::stdout().lock(), &mut there(&url)?, *number),
        What::Rollback { number, why, .. } => rollback(&url, *number, why),
    }
}

fn push(url: &PostgresUrl, file: &Path, why: &str) -> Done {
    let name = file.display();
    let text = tierway_config::read_text(file).map_err(|error| Failed::told(format_args!("{name}: {error}")))?;
    keep(url, &text, &name.to_string(), why)
}

/// A config that is wrong would keep every replica on the one before; for one that is not put there nothing is made, either.
fn keep(url: &PostgresUrl, text: &str, name: &str, why: &str) -> Done {
    // Read as a replica will read it: what it names is looked for where that one was started.
    let config = parse(text, "config").map_err(|mut problems| {
        problems.0.iter_mut().for_each(|problem| name.clone_into(&mut problem.file));
        Failed::told(format_args!("{name} is not put in force; {problems}"))
    })?;
    for warning in &config.warnings {
        say(format_args!("warning: {warning}"));
    }
    let mut store = ConfigStore::open(url.clone()).map_err(Failed::told)?;
    let version = store.push(text, why, now_ms()).map_err(Failed::told)?;
    writeln!(io::stdout().lock(), "version {version} of the config at {url} is in force")?;
    Ok(())
}

fn list(out: &mut impl Write, store: &mut ConfigStore) -> Done {
    let versions = store.versions().map_err(Failed::told)?;
    if versions.is_empty() {
        say("no config was put here yet: `tierway config push FILE` does");
    }
    for (place, kept) in versions.iter().enumerate() {
        let mark = if place == 0 { "*" } else { " " };
        writeln!(out, "{mark}{:>4}  {}  {}", kept.version, crate::audit::time(kept.at_ms), kept.why)?;
    }
    Ok(())
}

fn show(out: &mut impl Write, store: &mut ConfigStore, version: Option<i64>) -> Done {
    let version = match version {
        Some(version) => version,
        None => store.newest().map_err(Failed::told)?.unwrap_or_default(),
    };
    write!(out, "{}", text(store, version)?)?;
    Ok(())
}

fn rollback(url: &PostgresUrl, version: i64, why: &str) -> Done {
    let old = text(&mut there(url)?, version)?;
    keep(url, &old, &format!("version {version}"), &back_to(version, why))
}

fn text(store: &mut ConfigStore, version: i64) -> Result<String, Failed> {
    let kept = store.text(version).map_err(Failed::told)?;
    kept.ok_or_else(|| Failed::told(format_args!("no version {version} is kept; `tierway config list` lists them")))
}
