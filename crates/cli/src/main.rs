//! The `tierway` command: one file per subcommand, arguments in, text out.
//!
//! Data goes to stdout, talk to stderr. Exit 0: good. 1: refused or failed, with a message that says what to do.
//! 2: the command line was not understood.

mod ask;
mod audit;
mod backtest;
mod calibrate;
mod check;
mod columns;
mod configs;
mod demo;
mod eval;
mod evidence;
mod exit;
mod explain;
mod export;
mod from_log;
mod init;
mod keys;
mod lines;
mod load;
mod migrate;
mod outcomes;
mod output;
mod period;
mod poll;
mod prices;
mod prompt;
mod quality;
mod recalibrate;
mod reconcile;
mod report;
mod route;
mod serve;
mod stopping;
mod store;
mod train;
mod weekly;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Routes each request to the cheapest tier of models that will answer it well, and proves what that saved.
#[derive(Parser)]
#[command(name = "tierway", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// See it work: no key, no config, no network
    Demo(demo::Args),
    /// Write a first config for the keys at hand
    Init(init::Args),
    /// Validate a config and run its tests
    Check(check::Args),
    /// Serve the API in front of the providers of a config
    Serve(serve::Args),
    /// Ask one question, end to end
    Ask(ask::Args),
    /// Say where requests would go, without calling anybody
    Route(route::Args),
    /// Report what a period cost and saved
    Report(report::Args),
    /// Show every step of the decision about one request
    Explain(explain::Args),
    /// Replay the log under another config: what would move, cost and be risked
    Backtest(backtest::Args),
    /// Recompute every total from the rows and compare with what reports show
    Audit(audit::Args),
    /// Write all rows of a period as CSV or JSON lines
    Export(export::Args),
    /// Learn from judged outcomes, prove a promise, write the evidence
    Calibrate(calibrate::Args),
    /// Measure an order of requests on judged outcomes
    Eval(eval::Args),
    /// Train the built-in prior from outcomes and the labels in the program
    Train(train::Args),
    /// Make, list, rotate and revoke keys of clients
    Keys(keys::Args),
    /// Show how good the cheap answers were
    Quality(quality::Args),
    /// Keep the config of several replicas in a PostgreSQL, in versions
    Config(configs::Args),
    /// List the evidence that the ledger keeps, and go back to a version
    Evidence(evidence::Args),
    /// Copy a SQLite ledger into a PostgreSQL
    Migrate(migrate::Args),
    /// List prices, or import a list
    Prices(prices::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Prices(args) => prices::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Ask(args) => ask::run(args),
        Command::Route(args) => route::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Quality(args) => quality::run(&args),
        Command::Config(args) => configs::run(&args),
        Command::Evidence(args) => evidence::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Backtest(args) => backtest::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Export(args) => export::run(&args),
    };
    exit::code(done)
}
