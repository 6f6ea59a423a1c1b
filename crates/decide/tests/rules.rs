//! What hard rules find, where they look and which one speaks first.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests stop at the first surprise")]

use expect_test::{Expect, expect};
use std::borrow::Cow;
use tierway_decide::{Rule, RuleSet, Scope, TierId};
use tierway_wire::{Format, Outline, OutputForm, Part, Role, ToolOutline, Turn};

fn rule(name: &str, pattern: &str) -> Rule {
    Rule {
        name: name.into(),
        pattern: pattern.into(),
        tier: TierId(1),
        reason: String::new(),
        scope: Scope::LastUser,
        locked: false,
        case_sensitive: false,
    }
}

fn scoped(name: &str, scope: &str, pattern: &str) -> Rule {
    Rule { scope: scope.parse().unwrap(), ..rule(name, pattern) }
}

fn turn(role: Role, text: &str) -> Turn<'_> {
    Turn { role, parts: vec![Part::Text(Cow::Borrowed(text))] }
}

fn outline<'a>(turns: Vec<Turn<'a>>) -> Outline<'a> {
    Outline {
        format: Format::OpenaiChat,
        requested_model: "auto".into(),
        stream: false,
        usage_wanted: true,
        turns,
        tools: vec![ToolOutline { name: "run_sql".into(), bytes: 100 }],
        tool_forced: false,
        output: OutputForm::Text,
        max_output_tokens: None,
        speaks: false,
        answers: 1,
        effort: None,
        user: None,
        metadata: vec![("team".into(), "Legal".into())],
        bound_to_model: false,
        fields: Vec::new(),
        body_bytes: 0,
    }
}

/// A conversation with an instruction, an old question, a tool result and a new question.
fn conversation(question: &str) -> Outline<'_> {
    let mut last = turn(Role::User, "first part");
    last.parts.push(Part::Text(question.into()));
    outline(vec![
        turn(Role::System, "You are a *lawyer*."),
        turn(Role::User, "an old question about tax"),
        Turn { role: Role::Tool, parts: vec![Part::ToolResult { text: "rows: 12".into(), is_error: false }] },
        last,
        turn(Role::Assistant, "I call a tool"),
    ])
}

#[track_caller]
fn check(rules: Vec<Rule>, question: &str, want: &str) {
    let rules = RuleSet::new(rules).unwrap();
    let header = |name: &str| (name == "x-team").then_some("health");
    let hit = rules.first_match(&conversation(question), &header);
    assert_eq!(hit.map_or("-", |hit| hit.rule.name.as_str()), want, "{question:?}");
}

#[track_caller]
fn check_refused(rules: Vec<Rule>, want: Expect) {
    let errors = RuleSet::new(rules).unwrap_err();
    want.assert_eq(&errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_first_in_order_wins_wherever_it_matches_in_the_text() {
    let rules = || vec![rule("prove", r"\bprove\b"), rule("sum", r"\bsum\b"), rule("any", r"\w+ \w+")];
    check(rules(), "the sum that you prove", "prove");
    check(rules(), "the sum", "sum");
    check(rules(), "something else", "any");
    check(rules(), "word", "any");
    check(vec![rule("sum", r"\bsum\b")], "nothing", "-");
}

#[test]
fn a_locked_rule_is_not_shielded_by_an_earlier_one() {
    let locked = Rule { locked: true, ..rule("secret", r"\bsecret\b") };
    check(vec![rule("sum", r"\bsum\b"), locked], "the secret sum", "secret");
}

#[test]
fn each_scope_looks_where_it_says() {
    check(vec![rule("r", "tax")], "new", "-");
    check(vec![scoped("r", "all_messages", "tax")], "new", "r");
    check(vec![scoped("r", "all_messages", "rows: 12")], "new", "r");
    check(vec![rule("r", "rows")], "new", "-");
    check(vec![scoped("r", "system", "lawyer")], "new", "r");
    check(vec![scoped("r", "system", "new")], "new", "-");
    check(vec![rule("r", "lawyer")], "new", "-");
    check(vec![scoped("r", "header:X-Team", "^health$")], "new", "r");
    check(vec![scoped("r", "header:x-other", "")], "new", "-");
    check(vec![scoped("r", "header:x-team", "")], "new", "r");
    check(vec![scoped("r", "metadata:team", "legal")], "new", "r");
    check(vec![scoped("r", "metadata:team", "health")], "new", "-");
    check(vec![scoped("r", "tools", "sql$")], "new", "r");
    check(vec![rule("r", "^first part$")], "new", "r");
    check(vec![rule("r", "I call")], "new", "-");
}

#[test]
fn the_best_rank_wins_across_scopes() {
    let rules =
        || vec![scoped("header", "header:x-team", "health"), rule("text", "new"), scoped("tool", "tools", "sql")];
    check(rules(), "new", "header");
    check(rules()[1..].to_vec(), "new", "text");
    check(rules()[1..].to_vec(), "old", "tool");
}

#[test]
fn word_boundaries_and_case_hold_in_any_script() {
    for (pattern, text, hit) in [
        (r"\bhi\b", "hi", true),
        (r"\bhi\b", "philosophy", false),
        (r"\bhi\b", "éhi", false),
        (r"\bhi\b", "日本語 hi 日本語", true),
        (r"\bhi\b", "日hi本", false),
        (r"\bnaïve\b", "NAÏVE", true),
        (r"\bété\b", "l'été", true),
        (r"\bété\b", "étée", false),
        (r"(?:\bgraph\b|\btree\b){1,2}x?", "photograph", false),
        (r"\Bgraph", "photograph", true),
        (r"(?-i)SQL", "sql", false),
        (r"договор", "ДОГОВОР", true),
    ] {
        check(vec![rule("r", pattern)], text, if hit { "r" } else { "-" });
    }
    let exact = Rule { case_sensitive: true, ..rule("r", "PHI") };
    check(vec![exact.clone()], "phi", "-");
    check(vec![exact], "PHI", "r");
}

#[test]
fn all_bad_rules_are_reported_with_the_place_in_the_pattern() {
    check_refused(
        vec![
            rule("a", "(x"),
            rule("b", "x**y["),
            rule("c", "foo|"),
            rule("d", r"\b"),
            rule("e", "ok"),
            rule("e", "ok"),
        ],
        expect![[r#"
            rule `a`: bad pattern at character 1: unclosed group
            rule `b`: bad pattern at character 5: unclosed character class
            rule `c`: the pattern matches every text, even an empty one; write out what it should find
            rule `d`: the pattern matches every text, even an empty one; write out what it should find
            rule `e`: another rule has the same name; give each its own"#]],
    );
    check_refused(
        vec![rule("a", r"\w{5000}"), rule("b", "(?=x)"), rule("c", r"(.)\1")],
        expect![[r#"
            rule `a`: compiled, the patterns take more than 16777216 bytes; use smaller repetition counts
            rule `b`: bad pattern at character 1: look-around, including look-ahead and look-behind, is not supported
            rule `c`: bad pattern at character 4: backreferences are not supported"#]],
    );
}

#[test]
fn a_long_text_takes_time_in_proportion() {
    let rules =
        RuleSet::new(vec![rule("a", r"(a+)+$"), rule("b", r"\b(x+x+)+y\b"), rule("c", r"(?s)p.*q.*r")]).unwrap();
    let text = "aé".repeat(100_000) + &"x".repeat(200_000) + "pq";
    assert_eq!(rules.first_match(&outline(vec![turn(Role::User, &text)]), &|_| None), None);
}
