//! Every kind of bad config says file, line, what is wrong and what to do: all problems in one run.
//!
//! The cases are in `data/bad_configs.txt`: a name, the config, what is said. `UPDATE_EXPECT=1` writes what is said now.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

use std::fmt::Write as _;
use tierway_config::parse;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bad_configs.txt");

/// A case that says `+ladder` goes on with this, so that only what it is about is wrong.
const LADDER: &str = r#"
[providers.openai]
kind = "openai"
[[tiers]]
name = "nano"
targets = ["openai/gpt-4o-mini"]
[[tiers]]
name = "standard"
targets = ["openai/gpt-4o"]
"#;

struct Case {
    name: String,
    config: String,
    says: String,
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(CASES).unwrap();
    let blocks = text.split("\n### ").skip(1);
    let case = |block: &str| {
        let (name, rest) = block.split_once('\n').unwrap();
        let (config, says) = rest.split_once("\n--- says\n").unwrap();
        Case { name: name.into(), config: config.into(), says: says.trim_end().into() }
    };
    blocks.map(case).collect()
}

fn said(config: &str) -> String {
    match parse(&config.replace("+ladder", LADDER), "tierway.toml", &|_| None) {
        Ok(_) => "nothing".into(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn each_bad_config_says_what_is_wrong_and_what_to_do() {
    let text = std::fs::read_to_string(CASES).unwrap();
    let mut fresh = text.split("\n### ").next().unwrap().to_owned();
    let mut failed = Vec::new();
    let cases = cases();
    for Case { name, config, says } in &cases {
        let now = said(config);
        if now != *says {
            failed.push(format!("{name}\nsays:\n{now}\nshould say:\n{says}\n"));
        }
        let _ = write!(fresh, "\n### {name}\n{config}\n--- says\n{now}\n");
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(CASES, fresh).unwrap();
    } else {
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }
    assert!(cases.len() >= 30);
}

#[test]
fn each_line_names_the_file_and_no_case_passes() {
    for case in cases() {
        assert!(case.says.lines().all(|line| line.starts_with("tierway.toml:")), "{}: {}", case.name, case.says);
        assert!(!case.says.contains("sk-live"), "{}", case.name);
    }
}

/// Cuts and omissions of a good config: nothing may panic, and what is refused is refused with a reason and a line.
#[test]
fn any_piece_of_a_config_is_good_or_refused_with_a_reason() {
    let full = include_str!("data/full.toml");
    let lines: Vec<&str> = full.lines().collect();
    let cut = (0..full.len()).step_by(7).filter_map(|end| full.get(..end)).map(str::to_owned);
    let without = (0..lines.len()).map(|gone| [&lines[..gone], &lines[gone + 1..]].concat().join("\n"));
    let swapped = (1..lines.len()).map(|at| {
        let mut lines = lines.clone();
        lines.swap(at, at - 1);
        lines.join("\n")
    });
    let (mut good, mut refused) = (0, 0);
    for text in cut.chain(without).chain(swapped) {
        match parse(&text, "t.toml", &|_| None) {
            Ok(_) => good += 1,
            Err(problems) => {
                refused += 1;
                assert!(!problems.0.is_empty(), "{text}");
                let last = text.split('\n').count();
                assert!(
                    problems.0.iter().all(|problem| problem.line <= last && !problem.message.is_empty()),
                    "{problems}"
                );
            }
        }
    }
    assert!(good > 50 && refused > 500, "{good} {refused}");
}
