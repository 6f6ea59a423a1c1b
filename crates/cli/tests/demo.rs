//! `demo` as its users see it: the whole road, judging included.
#![allow(missing_docs)]

use std::process::Command;

#[test]
fn the_demo_says_what_was_saved_and_what_quality_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
    let output = command.arg("demo").current_dir(folder.path()).env_remove("TIERWAY_CONFIG").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let out = String::from_utf8(output.stdout).unwrap();
    let line = |begin: &str| -> Vec<&str> {
        let line = out.lines().find(|line| line.trim_start().starts_with(begin));
        line.unwrap_or_else(|| panic!("{begin} is missing in\n{out}")).split_whitespace().collect()
    };
    assert!(out.contains("for 200 priced calls") && out.contains("of routed-down answers the baseline does better"));
    // "all that clients got  75  98.7 %  88.6 % to 100.0 %": the stand-in lets about one in 25 be lost.
    let all = line("all that clients got");
    let number = |at: usize| all[at].parse::<f64>().unwrap();
    let (verdicts, share, low) = (number(4), number(5), number(7));
    assert!(verdicts >= 60.0 && share > 85.0 && share < 100.0 && low > 70.0 && low < share, "{all:?}");
    // "cost  $0.43  for 75 judged, 0 given up, 0 waiting"
    let cost = line("cost");
    assert!(cost[1].trim_start_matches('$').parse::<f64>().unwrap() > 0.0, "{cost:?}");
    assert_eq!((cost[3].parse(), cost[5], cost[8]), (Ok(verdicts), "0", "0"), "{cost:?}");
}
