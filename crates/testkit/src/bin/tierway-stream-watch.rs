//! Watches the streams of a gateway for tests in other languages: `tierway-stream-watch http://127.0.0.1:PORT` prints one JSON
//! line with the address to use in its place; `GET /_watch` there gives streams and breaches so far.

use std::io::Write;
use std::process::ExitCode;
use tierway_testkit::Watch;

fn main() -> ExitCode {
    let Some(gateway) = std::env::args().nth(1).filter(|gateway| gateway.starts_with("http://")) else {
        let _ = writeln!(std::io::stderr(), "usage: tierway-stream-watch http://127.0.0.1:PORT");
        return ExitCode::from(2);
    };
    match run(&gateway) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "tierway-stream-watch: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(gateway: &str) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let watch = Watch::start(gateway.trim_end_matches('/').to_owned()).await?;
        let mut out = std::io::stdout();
        writeln!(out, "{}", serde_json::json!({ "url": format!("http://{}", watch.address()?) }))?;
        out.flush()?;
        watch.serve().await
    })
}
