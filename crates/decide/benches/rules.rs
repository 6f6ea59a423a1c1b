//! What looking for hard rules costs: eight patterns of the usual kind, in short, long and non-ASCII texts.

use std::borrow::Cow;
use tierway_decide::{Rule, RuleSet, Scope, TierId};
use tierway_wire::{Format, Outline, OutputForm, Part, Role, Turn};

fn main() {
    divan::main();
}

const PATTERNS: [&str; 8] = [
    r"\b(?:patients|symptoms?|medications?|lab results?|HIPAA|blood (?:pressure|sugar))\b",
    r"\b(?:review|draft|amend)\b[^\n]{0,60}\b(?:contracts?|clauses?|agreements?|NDAs?)\b",
    r"\b(?:compute|calculate)\b[^.?!\n]{0,60}\d",
    r"\bprove that\b[^\n]{0,160}(?:[=<>≤≥∈√∑∫]|\b(?:integers?|primes?|theorem)\b)",
    r"\brefactor(?:s|ed|ing)?\b|\bTraceback \(most recent call last\)",
    r"\btranslat(?:e|ion)\b[^\n]{0,200}\b(?:in)?to (?:english|french|german|spanish|chinese)\b",
    r"\b(?:answer|reply)\b[^.?!\n]{0,30}\byes or no\b",
    r"\b\d*[xyz]\s*(?:\^\s*\d|[²³])",
];

fn rules() -> RuleSet {
    let rule = |(at, pattern): (usize, &&str)| Rule {
        name: at.to_string(),
        pattern: (*pattern).to_owned(),
        tier: TierId(0),
        reason: String::new(),
        scope: Scope::LastUser,
        locked: false,
        case_sensitive: false,
    };
    RuleSet::new(PATTERNS.iter().enumerate().map(rule).collect()).unwrap_or_default()
}

fn outline(text: &str) -> Outline<'_> {
    Outline {
        format: Format::OpenaiChat,
        requested_model: "auto".into(),
        stream: false,
        usage_wanted: true,
        turns: vec![Turn { role: Role::User, parts: vec![Part::Text(Cow::Borrowed(text))] }],
        tools: Vec::new(),
        tool_forced: false,
        output: OutputForm::Text,
        max_output_tokens: None,
        speaks: false,
        answers: 1,
        effort: None,
        user: None,
        metadata: Vec::new(),
        bound_to_model: false,
        fields: Vec::new(),
        body_bytes: text.len(),
    }
}

const ENGLISH: &str =
    "The committee met on Tuesday to discuss the graph of visitors, and nobody could prove who drafted it. ";
const MIXED: &str = "Der Ausschuß traf sich früh, um über die Größe der Bühne zu reden; 日本語の文も混ざっています。 ";
/// Candidates that a word boundary then refuses, among letters of several bytes: the dearest text there is.
const TRAPS: &str = "éhipaaé ésymptomsé xrefactoringé ";

#[divan::bench(args = [2_000, 200_000])]
fn english(bencher: divan::Bencher, length: usize) {
    run(bencher, ENGLISH, length);
}

#[divan::bench(args = [2_000, 200_000])]
fn mixed_scripts(bencher: divan::Bencher, length: usize) {
    run(bencher, MIXED, length);
}

#[divan::bench(args = [2_000, 200_000])]
fn traps(bencher: divan::Bencher, length: usize) {
    run(bencher, TRAPS, length);
}

#[divan::bench]
fn compile() -> RuleSet {
    rules()
}

fn run(bencher: divan::Bencher, phrase: &str, length: usize) {
    let (rules, text) = (rules(), phrase.chars().cycle().take(length).collect::<String>());
    let outline = outline(&text);
    bencher.bench(|| rules.first_match(&outline, &|_| None).map(|hit| hit.index));
}
