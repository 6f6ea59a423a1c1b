//! The fake upstream as a program, for tests in other languages and for trying things by hand.
//!
//! `tierway-fake-upstream [--port N] [--key KEY] [--lenient]` prints one JSON line with its address and serves until it is
//! stopped. Plans and traits are set over HTTP: `PUT /_fake/plan/MODEL`, `PUT /_fake/traits/MODEL`; what it saw is at
//! `GET /_fake/requests`, for one model at `GET /_fake/requests/MODEL`.

use std::io::Write;
use std::process::ExitCode;
use tierway_testkit::{Upstream, UpstreamConfig};

const USAGE: &str = "usage: tierway-fake-upstream [--port N] [--key KEY] [--lenient]";

fn arguments(mut words: impl Iterator<Item = String>) -> Result<UpstreamConfig, String> {
    let mut config = UpstreamConfig::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--port" => config.port = value()?.parse().map_err(|error| format!("--port: {error}"))?,
            "--key" => config.key = Some(value()?),
            "--lenient" => config.lenient = true,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(config)
}

fn main() -> ExitCode {
    let config = match arguments(std::env::args().skip(1)) {
        Ok(config) => config,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "tierway-fake-upstream: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: UpstreamConfig) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let upstream = Upstream::start_with(config).await?;
        let mut out = std::io::stdout();
        writeln!(out, "{}", serde_json::json!({"url": upstream.url(), "port": upstream.address().port()}))?;
        out.flush()?;
        upstream.serve().await;
        Ok(())
    })
}
