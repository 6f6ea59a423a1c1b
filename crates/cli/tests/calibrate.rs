//! `calibrate`, `route --evidence` and `eval` through the binary, on outcomes that are made up.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

const CONFIG: &str = r#"
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

/// Exit code, standard output, standard error.
fn tierway(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
    let output = command.current_dir(dir).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The small model fails proofs and nothing else. Ids are numbers, as exports of notebooks write them.
fn outcomes(n: usize) -> String {
    (0..n).fold(String::from("\u{feff}"), |mut lines, at| {
        let (text, small) = match at % 3 {
            0 => (format!("Prove that {at} divides the sum of its squares."), 0),
            _ => (format!("What is the capital of region {at}?"), 1),
        };
        let _ = writeln!(
            lines,
            r#"{{"id":{at},"messages":[{{"role":"user","content":"{text}"}}],"answers":{{"small":{{"score":{small},"prompt_tokens":20,"output_tokens":90}},"p/large":{{"score":1,"output_tokens":100}}}}}}"#
        );
        lines
    })
}

fn folder(rows: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tierway.toml"), CONFIG).unwrap();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(rows.as_bytes()).unwrap();
    std::fs::write(dir.path().join("outcomes.jsonl.gz"), packed.finish().unwrap()).unwrap();
    dir
}

#[test]
fn what_was_proven_is_what_routes() {
    let dir = folder(&outcomes(420));
    let calibrate = ["calibrate", "--outcomes", "outcomes.jsonl.gz", "--quality", "0.9", "--out", "e.json"];
    let (code, out, talk) = tierway(dir.path(), &calibrate);
    assert_eq!(code, 0, "{talk}");
    for wanted in ["PROVEN: at least 90 %", "always nano", "oracle", "too low", "label next"] {
        assert!(out.contains(wanted), "{wanted} is missing in\n{out}");
    }
    let asks = "{\"id\":1,\"messages\":[{\"role\":\"user\",\"content\":\"What is the capital of region 77?\"}]}\n{\"id\":2,\"messages\":[{\"role\":\"user\",\"content\":\"Prove that 77 divides the sum of its squares.\"}]}\n";
    std::fs::write(dir.path().join("in.jsonl"), asks).unwrap();
    let (code, out, talk) = tierway(dir.path(), &["route", "--input", "in.jsonl", "--evidence", "e.json"]);
    assert_eq!(code, 0, "{talk}");
    let tiers: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&tiers[0]["tier"], &tiers[1]["tier"]), (&"nano".into(), &"standard".into()), "{out}");
    assert!(tiers[0]["score_strong"].as_f64() < tiers[1]["score_strong"].as_f64());
    let (code, out, talk) = tierway(dir.path(), &["eval", "--outcomes", "outcomes.jsonl.gz", "--evidence", "e.json"]);
    assert!(code == 0 && out.contains("ordered by evidence"), "{talk}{out}");
}

#[test]
fn outcomes_that_do_not_serve_are_refused_with_a_reason() {
    let refused = |rows: &str, wanted: &[&str]| {
        let dir = folder(rows);
        let (code, _, talk) = tierway(dir.path(), &["calibrate", "--outcomes", "outcomes.jsonl.gz"]);
        assert_eq!(code, 1, "{talk}");
        assert!(!dir.path().join("evidence.json").exists());
        for wanted in wanted {
            assert!(talk.contains(wanted), "{wanted} is missing in\n{talk}");
        }
    };
    refused(&outcomes(5), &["5 outcomes have scores", "at least 60"]);
    refused("", &["0 outcomes have scores", "no answer with a score"]);
    let renamed = outcomes(90).replace("\"small\"", "\"tiny\"");
    refused(&renamed, &["the outcomes have p/large (90), tiny (90)", "the ladder wants small for nano"]);
    refused(&outcomes(70).replace("\"score\":1", "\"score\":9"), &["outcomes.jsonl.gz:1:", "the score 9"]);
    refused(&format!("{}{{\"id\":1}}\n", outcomes(70)), &["outcomes.jsonl.gz:71:", "messages"]);
}
