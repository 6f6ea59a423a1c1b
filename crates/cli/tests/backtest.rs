//! `backtest` as its users see it: the demo's log under other configs.
#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, may fail loudly")]

mod common;

use common::{demo_ladder, demo_log, good, tierway};
use serde_json::Value;
use std::path::Path;
use tierway_config::init::default_rules;

/// The demo's log, and configs beside it: the demo's own, and others.
fn log() -> tempfile::TempDir {
    let (folder, demo) = (demo_log(), demo_ladder());
    let ledger = "\n[ledger]\npath = \"log.db\"\n";
    let rules = default_rules("nano", "standard", "reasoning");
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("same.toml", format!("{demo}{ledger}{rules}"));
    write("lower.toml", format!("{demo}quality_target = 0.85\n{ledger}{rules}"));
    write(
        "top.toml",
        format!(
            "{demo}policy = \"tiers\"\ncomplexity = {{ simple = \"reasoning\", medium = \"reasoning\", complex = \"reasoning\", reasoning = \"reasoning\" }}\n{ledger}{rules}"
        ),
    );
    folder
}

#[track_caller]
fn replay(folder: &Path, policy: &str) -> Value {
    serde_json::from_str(&good(folder, &["backtest", "--since", "1h", "--policy", policy, "--json"])).unwrap()
}

#[test]
fn the_log_is_replayed_under_other_policies() {
    let folder = log();
    let folder = folder.path();

    let same = replay(folder, "same.toml");
    assert_eq!((&same["read"], &same["replayed"], &same["moved"]), (&200.into(), &200.into(), &0.into()), "{same:#}");
    assert_eq!(same["before"], same["after"], "the same config decides as it did");

    let lower = replay(folder, "lower.toml");
    let of = |side: &str, what: &str| lower[side][what].as_f64().unwrap();
    assert!(of("after", "paid_usd") < of("before", "paid_usd"), "a lower target costs less");
    assert!(of("after", "risk") > of("before", "risk"), "and risks more");
    assert_eq!(lower["before"]["paid_usd"], same["before"]["paid_usd"]);
    let weights: Vec<_> = lower["requests"].as_array().unwrap().iter().map(|one| one["weight"].as_f64()).collect();
    assert!(!weights.is_empty() && weights.is_sorted_by(|a, b| a >= b), "the weightiest first: {weights:?}");
    let id = lower["requests"][0]["request_id"].as_str().unwrap();
    assert!(good(folder, &["explain", id, "--db", "log.db"]).contains(id), "it can be looked at");

    // Rules hold whatever the policy says.
    let top = replay(folder, "top.toml");
    let ruled =
        top["after"]["tiers"]["nano"].as_u64().unwrap_or(0) + top["after"]["tiers"]["standard"].as_u64().unwrap();
    assert!(ruled > 0 && ruled < 200, "{top:#}");
    assert!(top["after"]["risk"].as_f64().unwrap() < 0.05);
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let folder = log();
    let folder = folder.path();
    let text = good(folder, &["backtest", "--policy", "lower.toml", "--config", "same.toml"]);
    for wanted in ["200 requests read, 200 decided again", "too low (quality risk)", "Not calibrated", "same tokens"] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
    let more = std::fs::read_to_string(folder.join("lower.toml")).unwrap()
        + "\n[[rules]]\nname = \"brand-new\"\ntier = \"reasoning\"\npattern = 'x'\nreason = \"y\"\n";
    std::fs::write(folder.join("more.toml"), more).unwrap();
    let text = good(folder, &["backtest", "--policy", "more.toml", "--config", "same.toml"]);
    assert!(text.contains("(brand-new) cannot be replayed"), "{text}");
    assert_eq!(tierway(folder, &["backtest", "--policy", "lower.toml", "--since", "yesterday"]).0, 2);
    let (code, _, talk) = tierway(folder, &["backtest", "--policy", "lower.toml", "--db", "none.db"]);
    assert_eq!(code, 1, "{talk}");
}
