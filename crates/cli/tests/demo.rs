//! `demo` as its users see it: the whole road, judging included.
#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, may fail loudly")]

use serde_json::Value;
use std::process::Command;

fn tierway(folder: &std::path::Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
    let output = command.args(arguments).current_dir(folder).env_remove("TIERWAY_CONFIG").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_demo_says_what_was_saved_and_what_quality_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = tierway(folder.path(), &["demo", "--ledger", "demo.db"]);
    for wanted in
        ["for 200 priced calls", "agreed", "all that clients got", "of routed-down answers the baseline does better"]
    {
        assert!(out.contains(wanted), "{wanted} is missing in\n{out}");
    }
    // What is shown was judged: shadows and judgements are in the ledger.
    let config = include_str!("../data/demo.toml").replace("BASE_URL", "http://127.0.0.1:9/v1");
    std::fs::write(folder.path().join("tierway.toml"), config).unwrap();
    let told = tierway(folder.path(), &["quality", "--db", "demo.db", "--days", "1", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let (samples, overall) = (&told["samples"], &told["quality"]["overall"]);
    let verdicts = overall["verdicts"].as_u64().unwrap();
    assert!(verdicts >= 60 && samples["judged"] == verdicts && samples["given_up"] == 0, "{told:#}");
    let share = overall["quality"]["value"].as_f64().unwrap();
    assert!(share > 0.85 && share < 1.0 && out.contains(&format!("{:.1} %", share * 100.0)), "{told:#}");
    assert!(told["quality"]["cost"].as_f64().unwrap() > 0.0 && told["states"] == Value::Array(Vec::new()), "{told:#}");
}
