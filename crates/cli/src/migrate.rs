//! `tierway migrate`: a SQLite ledger into a PostgreSQL, with everything that it holds.

use crate::exit::{Done, Failed, say};
use crate::load::ConfigArg;
use indicatif::{ProgressBar, ProgressStyle};
use tierway_config::KeySource;
use tierway_ledger::{Location, Migrated, Reader, Span, migrate};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// `sqlite:FILE`, or `sqlite` for the path of the config
    #[arg(long, value_name = "STORE")]
    from: String,
    /// `postgres://…`, or `postgres` for the URL that the config names
    #[arg(long, value_name = "STORE")]
    to: String,
    /// Do not add up everything that is in the PostgreSQL afterwards
    #[arg(long)]
    no_audit: bool,
}

pub(crate) fn run(args: &Args) -> Done {
    let (from, to) = (source(args)?, target(args)?);
    say(format_args!("tierway: copying {from} to {to}; it can be stopped and started again"));
    let bar = ProgressBar::new(0);
    let style =
        ProgressStyle::with_template("  {bar:40} {pos}/{len} rows, {per_sec}, {eta} left").map_err(Failed::told)?;
    bar.set_style(style);
    let done = migrate(&from, &to, &mut |rows, wanted| {
        bar.set_length(wanted);
        bar.set_position(rows);
    });
    bar.finish_and_clear();
    let done = done.map_err(Failed::told)?;
    tell(&done);
    if !args.no_audit {
        let audit = Reader::open(to).and_then(|mut reader| reader.audit(Span::ALL, |_| {})).map_err(Failed::told)?;
        if !audit.is_clean() {
            return Err(Failed::told(
                "the sums in the PostgreSQL are not those of its rows; run `tierway audit` on it",
            ));
        }
        say(format_args!("  audited: {} rows in the PostgreSQL, all sums are theirs", audit.rows));
    }
    if !done.is_complete() {
        return Err(Failed::told("not everything could be copied; the source is as it was, see above"));
    }
    Ok(())
}

fn tell(done: &Migrated) {
    say(format_args!("  rows:    {} of {}, {} of them there before", done.rows, done.rows_wanted, done.rows_before));
    say(format_args!("  digest:  {:016x}, the source says {:016x}", done.digest, done.digest_wanted));
    say(format_args!(
        "  hours of which only sums were left: {}; keys: {}; rows about quality: {}",
        done.forgotten_hours, done.keys, done.quality
    ));
    for id in done.rows_changed.iter().take(10) {
        say(format_args!("  not copied, because its row is not as it was written: {id}"));
    }
    for name in &done.keys_unreadable {
        say(format_args!("  not copied, because a newer tierway made it: key `{name}`"));
    }
}

fn source(args: &Args) -> Result<Location, Failed> {
    match args.from.split_once(':') {
        Some(("sqlite", path)) => Ok(Location::Sqlite(path.into())),
        None if args.from == "sqlite" => Ok(Location::Sqlite(args.config.load()?.ledger.path)),
        // Not shown: it may be a URL with a password.
        _ => Err(Failed::told("`--from` is neither `sqlite` nor `sqlite:FILE`; only a SQLite ledger can be copied")),
    }
}

fn target(args: &Args) -> Result<Location, Failed> {
    let url = args.to.strip_prefix("postgres:").filter(|rest| !rest.starts_with("//")).unwrap_or(&args.to);
    if let Location::Postgres(url) = Location::from(url) {
        url.check().map_err(Failed::told)?;
        return Ok(Location::Postgres(url));
    }
    if args.to != "postgres" {
        return Err(Failed::told("`--to` is neither `postgres` nor a URL that begins with postgres://"));
    }
    let config = args.config.load()?;
    if config.ledger.url == KeySource::None {
        return Err(Failed::told("the config names no PostgreSQL; set `[ledger] url`, or give `--to postgres://…`"));
    }
    tierway_gateway::location(&config).map_err(Failed::told)
}
