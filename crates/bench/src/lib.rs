//! What the benches share: requests and answers of a stated size, a config with everything on, a provider that answers at
//! once, and the little HTTP that the tools of the load bench speak, times by the clock.

pub mod canned;
pub mod times;
pub mod traffic;
pub mod wire;

use std::process::ExitCode;

/// Why a bench cannot run.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;

/// How a tool ends: what went wrong goes to stderr.
#[expect(clippy::print_stderr, reason = "tools for developers")]
pub fn exit(done: Result<(), Failed>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What a tool found, as a line on stdout.
#[expect(clippy::print_stdout, reason = "tools for developers")]
pub fn print(found: &serde_json::Value) {
    println!("{found}");
}

/// Runs a tool on one thread.
///
/// # Errors
/// When it fails, or there can be no runtime.
pub fn block_on(tool: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(tool)
}
