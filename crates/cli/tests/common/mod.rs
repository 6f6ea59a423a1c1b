//! The command as its users run it, and what several tests run it on.
#![allow(dead_code, missing_docs, clippy::unwrap_used, reason = "each test takes what it needs, and may fail loudly")]

use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Two tiers with prices, and a provider that nobody can reach.
pub(crate) const LADDER: &str = r#"
[providers.p]
kind = "openai_compatible"
base_url = "http://127.0.0.1:1/v1"

[[tiers]]
name = "nano"
price = { input = 0.15, output = 0.60 }
targets = [{ provider = "p", model = "small" }]

[[tiers]]
name = "standard"
price = { input = 5.00, output = 15.00 }
targets = [{ provider = "p", model = "large" }]

[routing]
baseline = "standard"
"#;

/// The demo's own ladder, for logs that it made.
pub(crate) fn demo_ladder() -> String {
    include_str!("../../data/demo.toml").replace("BASE_URL", "http://127.0.0.1:9/v1")
}

/// The command that was built.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tierway");

/// Nothing of this machine's environment counts.
pub(crate) fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(args).current_dir(dir).env_clear();
    command
}

/// Exit code, stdout and stderr.
pub(crate) fn tierway(dir: &Path, args: &[&str]) -> (i32, String, String) {
    ended(&mut command(dir, args))
}

/// Runs it to its end: exit code, stdout and stderr.
pub(crate) fn ended(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// What a command prints that has to end well.
#[track_caller]
pub(crate) fn good(dir: &Path, args: &[&str]) -> String {
    let (code, out, talk) = tierway(dir, args);
    assert_eq!(code, 0, "{args:?}: {talk}");
    out
}

/// A folder with this config.
pub(crate) fn folder(config: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tierway.toml"), config).unwrap();
    dir
}

/// The log of a demo in `log.db`, and nothing beside it.
pub(crate) fn demo_log() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    good(dir.path(), &["demo", "--ledger", "log.db"]);
    dir
}
