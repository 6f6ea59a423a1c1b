//! `demo` as its user sees it: the whole road, judging included; and broken off.
#![allow(missing_docs, clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn the_demo_says_what_was_saved_and_what_quality_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = common::good(folder.path(), &["demo", "--ledger", "kept.db"]);
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
    // Whoever keeps the ledger finds the verdicts in it, and beside them the records of the first round alone.
    let kept = common::good(folder.path(), &["quality", "--db", "kept.db"]);
    let found = kept.lines().find(|line| line.contains("all that clients got")).unwrap_or_default();
    assert_eq!(found.split_whitespace().nth(4), Some(all[4]), "{kept}");
    let report = common::good(folder.path(), &["report", "--db", "kept.db", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["totals"]["calls"], 200);
}

/// Starts one that keeps its files in `temporary`, and interrupts it once it has said a line with these words.
fn interrupted(temporary: &Path, args: &[&str], words: &str) -> (Option<i32>, String) {
    let mut command = common::command(temporary, args);
    let mut demo = command.env("TMPDIR", temporary).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(words)));
    assert!(Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap().success());
    let rest: Vec<_> = lines.collect();
    (demo.wait().unwrap().code(), rest.join("\n"))
}

#[test]
fn a_demo_that_is_broken_off_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let left = || std::fs::read_dir(temporary.path()).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>();
    let (code, said) = interrupted(temporary.path(), &["demo"], "tierway demo: a stand-in answers");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the demo was broken off"), "{said}");
    assert_eq!(left(), [] as [&Path; 0]);
    let (code, said) = interrupted(temporary.path(), &["demo", "--serve"], "curl -si http://");
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert_eq!(left(), [] as [&Path; 0]);
}

#[test]
fn a_demo_without_a_place_says_which_variable_names_one() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, talk) = common::ended(common::command(folder.path(), &["demo"]).env("TMPDIR", "/nowhere"));
    assert!(code == 1 && talk.contains("no temporary folder can be made: ") && talk.contains("TMPDIR"), "{talk}");
}

#[test]
fn invented_records_do_not_go_among_others() {
    let folder = common::folder(common::LADDER);
    common::good(folder.path(), &["keys", "add", "--name", "app"]);
    let (code, _, talk) = common::tierway(folder.path(), &["demo", "--ledger", "tierway.db"]);
    assert!(code == 1 && talk.contains("tierway.db has records or keys already"), "{talk}");
    let log = common::demo_log();
    let (code, _, talk) = common::tierway(log.path(), &["demo", "--ledger", "log.db"]);
    assert!(code == 1 && talk.contains("name a new file"), "{talk}");
}

#[test]
fn a_folder_is_no_ledger_and_gets_no_lock_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("records")).unwrap();
    let (code, _, talk) = common::tierway(folder.path(), &["demo", "--ledger", "records"]);
    assert_eq!(
        (code, talk.as_str()),
        (1, "tierway: records is a folder; name a file in it, such as records/tierway.db\n")
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
