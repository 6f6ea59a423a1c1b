//! Rules: all of them together find what each would find alone.

use regex::RegexBuilder;
use tierway_decide::{Rule, RuleSet, Scope, TierId};
use tierway_wire::{Format, outline};

/// Longer patterns are for the fuzzer's patience, not for the rules'.
const LONGEST: usize = 200;

/// A text, and on the lines after it patterns: `!` before one that is locked, `=` before one that minds capitals.
pub fn probe(bytes: &[u8]) {
    let Ok(given) = std::str::from_utf8(bytes) else { return };
    let mut lines = given.split('\n');
    let Some(text) = lines.next() else { return };
    let rules: Vec<Rule> = lines.take(6).filter(|line| line.len() <= LONGEST).enumerate().map(rule).collect();
    let Ok(set) = RuleSet::new(rules) else { return };
    let body = serde_json::json!({"model": "auto", "messages": [{"role": "user", "content": text}]}).to_string();
    let Ok((outline, _)) = outline(Format::OpenaiChat, body.as_bytes()) else { return };
    let found = set.first_match(&outline, &|_| None).map(|found| found.index);
    let alone = |rule: &Rule| {
        let built = RegexBuilder::new(&rule.pattern).case_insensitive(!rule.case_sensitive).build();
        built.map(|pattern| pattern.is_match(text))
    };
    let mut matches = Vec::new();
    for rule in set.rules() {
        // What the plain way finds too large says nothing.
        let Ok(is_match) = alone(rule) else { return };
        matches.push(is_match);
    }
    let first = |locked: bool| set.rules().iter().position(|rule| rule.locked == locked && matches[place(rule)]);
    assert_eq!(found, first(true).or_else(|| first(false)), "{:?} in {text:?}", set.rules());
}

fn place(rule: &Rule) -> usize {
    rule.name.parse().unwrap_or_default()
}

fn rule((index, line): (usize, &str)) -> Rule {
    let (locked, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
    let (case_sensitive, pattern) = line.strip_prefix('=').map_or((false, line), |rest| (true, rest));
    Rule {
        name: index.to_string(),
        pattern: pattern.to_owned(),
        tier: TierId(0),
        reason: String::new(),
        scope: Scope::LastUser,
        locked,
        case_sensitive,
    }
}
