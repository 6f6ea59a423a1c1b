//! Commands that write a file: never over what they read, whole or not at all, and refused before the work.
#![allow(missing_docs, clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use common::LADDER;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// Exit code and standard error of a line.
fn run(dir: &Path, line: &str) -> (i32, String) {
    let (code, _, talk) = common::tierway(dir, &line.split(' ').collect::<Vec<_>>());
    (code, talk)
}

/// A folder with a ledger, outcomes, a list of prices, prompts and a config: all that commands read.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let outcome = |at: usize| {
        let small = u8::from(!at.is_multiple_of(3));
        format!(
            "{{\"id\":\"{at}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Question {at}\"}}],\"answers\":{{\"small\":{{\"score\":{small}}},\"large\":{{\"score\":1}}}}}}\n"
        )
    };
    write("mine.jsonl", &(0..200).map(outcome).collect::<String>());
    write("k.toml", LADDER);
    write("in.jsonl", "{\"id\":1,\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}\n");
    let prices = r#"{"m": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 7e-06, "output_cost_per_token": 9e-06}}"#;
    write("l.json", prices);
    assert_eq!(run(dir.path(), "demo --ledger c.db").0, 0);
    symlink("c.db", dir.path().join("link.db")).unwrap();
    std::fs::hard_link(dir.path().join("mine.jsonl"), dir.path().join("twin.jsonl")).unwrap();
    dir
}

/// All files with what is in them.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let mut all: Vec<_> = files
        // what SQLite itself keeps while somebody reads
        .filter(|path| !["-shm", "-wal"].iter().any(|ending| path.to_string_lossy().ends_with(ending)))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn nothing_that_a_command_reads_is_overwritten() {
    let dir = folder();
    let before = contents(dir.path());
    for (command, path, what) in [
        ("export --db c.db -o c.db", "c.db", "ledger"),
        ("export --db c.db -o link.db", "link.db", "ledger"),
        ("export --db link.db -o ./c.db", "./c.db", "ledger"),
        ("report --db c.db -o c.db", "c.db", "ledger"),
        ("report --db c.db --weekly -o c.db", "c.db", "ledger"),
        ("report --db c.db -c k.toml -o k.toml", "k.toml", "config"),
        ("quality --db c.db --outcomes c.db", "c.db", "ledger"),
        ("calibrate -c k.toml --outcomes mine.jsonl --out mine.jsonl", "mine.jsonl", "file of outcomes"),
        ("calibrate -c k.toml --outcomes mine.jsonl --out twin.jsonl", "twin.jsonl", "file of outcomes"),
        ("calibrate -c k.toml --outcomes mine.jsonl --out k.toml", "k.toml", "config"),
        ("eval -c k.toml --outcomes mine.jsonl --plot mine.jsonl", "mine.jsonl", "file of outcomes"),
        ("train --outcomes mine.jsonl --out mine.jsonl", "mine.jsonl", "file of outcomes"),
        ("prices import l.json -o l.json", "l.json", "list of prices"),
        ("route -c k.toml --input in.jsonl --output ./in.jsonl", "./in.jsonl", "input"),
        ("route -c k.toml --input in.jsonl --output k.toml", "k.toml", "config"),
    ] {
        let (code, talk) = run(dir.path(), command);
        let want = format!("tierway: {path} is the {what} that is read here: name another file to write\n");
        assert_eq!((code, talk), (1, want), "{command}");
        assert!(contents(dir.path()) == before, "{command}");
    }
}

#[test]
fn what_fails_leaves_the_old_file_and_nothing_else() {
    let dir = folder();
    std::fs::write(dir.path().join("precious"), "mine").unwrap();
    std::fs::write(dir.path().join("broken.jsonl"), "{}\n").unwrap();
    std::fs::write(dir.path().join("few.jsonl"), "").unwrap();
    std::fs::write(dir.path().join("bytes"), b"\xff\n").unwrap();
    let before = contents(dir.path());
    for (command, wanted) in [
        ("route --input . --output precious", "Is a directory"),
        ("route --input /dev/zero --output precious", "/dev/zero:1: a line is longer than 64 MB"),
        ("calibrate -c k.toml --outcomes broken.jsonl --out precious", "broken.jsonl:1"),
        ("calibrate -c k.toml --outcomes few.jsonl --out precious", "0 outcomes"),
        ("calibrate -c k.toml --outcomes bytes --out precious", "bytes:1: no UTF-8 text; outcomes are JSON lines"),
        ("calibrate -c k.toml --outcomes few.jsonl --out nowhere/e.json", "there is no folder nowhere"),
        ("train --outcomes broken.jsonl --out nowhere/m", "there is no folder nowhere"),
        ("train --outcomes broken.jsonl --out .", ". cannot be written: Is a directory"),
        ("export --db c.db -o .", ". cannot be written: Is a directory"),
        ("report --db c.db -o /proc/none", "/proc/none cannot be written: "),
        ("export --db c.db -o /dev/full", "/dev/full cannot be written: No space left on device"),
    ] {
        let (code, talk) = run(dir.path(), command);
        assert!(code == 1 && talk.contains(wanted), "{command}: {code} {talk}");
        assert!(contents(dir.path()) == before, "{command}");
    }
}

#[test]
fn a_result_takes_the_place_of_an_older_one_with_its_permissions() {
    let dir = folder();
    let (old, link) = (dir.path().join("old.csv"), dir.path().join("link.csv"));
    std::fs::write(&old, "old").unwrap();
    std::fs::set_permissions(&old, PermissionsExt::from_mode(0o640)).unwrap();
    symlink("old.csv", &link).unwrap();
    assert_eq!(run(dir.path(), "export --db c.db -o link.csv"), (0, String::new()));
    assert!(link.is_symlink() && std::fs::read_to_string(&old).unwrap().starts_with("id,time_utc"));
    assert_eq!(std::fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(run(dir.path(), "calibrate -c k.toml --outcomes mine.jsonl --out e.json"), (0, String::new()));
    let names = contents(dir.path()).into_iter().map(|(name, _)| name);
    assert!(names.clone().all(|name| !name.ends_with(".part")), "{:?}", names.collect::<Vec<_>>());
}

#[test]
fn devices_and_pipes_are_written_directly() {
    let dir = folder();
    let shell = |line: &str| {
        let line = line.replace("tierway", common::PROGRAM);
        let output = Command::new("sh").args(["-c", &line]).current_dir(dir.path()).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let whole = shell("tierway export --db c.db");
    for line in [
        "tierway export --db c.db -o -",
        "tierway export --db c.db -o /dev/stdout",
        "tierway export --db c.db -o /dev/stderr 2>&1",
        "mkfifo pipe; tierway export --db c.db -o pipe & cat pipe",
        "echo x > log; tierway export --db c.db -o /dev/stdout >> log; tail -n +2 log",
    ] {
        assert!(shell(line) == whole, "{line}");
    }
    assert_eq!(shell("tierway export --db c.db -o /dev/null"), "");
}
