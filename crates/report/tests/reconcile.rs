//! Exports of providers in the shapes that they come in, and what is said when they disagree.
#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, may fail loudly")]

use expect_test::{Expect, expect};
use tierway_decide::Usd;
use tierway_report::reconcile::{Counted, Export, Used, reconcile};

const OPENAI_CSV: &str = include_str!("data/openai_usage.csv");
const OPENAI_JSON: &str = include_str!("data/openai_usage.json");
const OPENAI_COSTS: &str = include_str!("data/openai_costs.json");
const ANTHROPIC_CSV: &str = include_str!("data/anthropic_usage.csv");
const ANTHROPIC_JSON: &str = include_str!("data/anthropic_usage.json");

fn words(used: &Used) -> String {
    let count = |count: Option<u64>| count.map_or_else(|| "?".into(), |count| count.to_string());
    let cost = used.cost.map_or_else(String::new, |cost| format!(", ${cost}"));
    let [requests, input, cached, output] =
        [used.requests, used.input_tokens, used.cached_input_tokens, used.output_tokens].map(count);
    format!("{requests} requests, {input} in ({cached} cached), {output} out{cost}")
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "cases read better without a borrow")]
fn check(text: &str, want: Expect) {
    let read = match Export::read(text) {
        Err(error) => format!("{error}\n"),
        Ok(export) => {
            let lines = export.used.iter().map(|((day, model), used)| format!("{day} {model}: {}\n", words(used)));
            format!("{}\n{}", export.biller.name(), lines.collect::<String>())
        }
    };
    want.assert_eq(&read);
}

#[test]
fn every_shape_is_read_to_the_same_figures() {
    let openai = expect![[r#"
        openai
        2026-03-02 gpt-4o: 2 requests, 300 in (100 cached), 70 out
        2026-03-02 gpt-4o-mini: 1 requests, 50 in (0 cached), 10 out
    "#]];
    check(OPENAI_CSV, openai);
    assert_eq!(Export::read(OPENAI_CSV), Export::read(OPENAI_JSON));
    assert_eq!(Export::read(OPENAI_CSV), Export::read(&OPENAI_CSV.replace(',', "\t")));
    check(
        OPENAI_COSTS,
        expect![[r#"
        openai
        2026-03-02 gpt-4o: ? requests, ? in (? cached), ? out, $0.0012
    "#]],
    );
    check(
        ANTHROPIC_CSV,
        expect![[r#"
        anthropic
        2026-03-02 claude-sonnet-4: ? requests, 210 in (80 cached), 65 out
    "#]],
    );
    assert_eq!(Export::read(ANTHROPIC_CSV), Export::read(ANTHROPIC_JSON));
}

#[test]
fn what_cannot_be_compared_is_refused_with_its_line() {
    check(
        "",
        expect![[r#"
        not an export that is known: wanted the CSV of OpenAI's or Anthropic's usage page, or the JSON of OpenAI's /v1/organization/usage/completions or costs, or of Anthropic's usage_report/messages or cost_report (its columns: )
    "#]],
    );
    check(
        "day,model\n1,2\n",
        expect![[r#"
        not an export that is known: wanted the CSV of OpenAI's or Anthropic's usage page, or the JSON of OpenAI's /v1/organization/usage/completions or costs, or of Anthropic's usage_report/messages or cost_report (its columns: day,model)
    "#]],
    );
    check(
        "{\"data\": 1}",
        expect![[r#"
        not an export that is known: wanted the CSV of OpenAI's or Anthropic's usage page, or the JSON of OpenAI's /v1/organization/usage/completions or costs, or of Anthropic's usage_report/messages or cost_report (invalid type: integer `1`, expected a sequence)
    "#]],
    );
    check(
        &OPENAI_CSV.replace("gpt-4o-mini-2024-07-18", ""),
        expect![[r#"
        line 3 of the export names no model; export it by model (`group_by=model`, costs: `group_by=line_item`)
    "#]],
    );
    check(
        &OPENAI_CSV.replace(",300,", ",many,"),
        expect![[r#"
        line 2 of the export: `input_tokens` is `many`, wanted a count
    "#]],
    );
    check(
        &OPENAI_JSON.replace("\"gpt-4o-2024-08-06\"", "null"),
        expect![[r#"
        line 1 of the export names no model; export it by model (`group_by=model`, costs: `group_by=line_item`)
    "#]],
    );
    check(
        &ANTHROPIC_CSV.replace("2026-03-02", "yesterday"),
        expect![[r#"
        line 2 of the export: `usage_date_utc` is `yesterday`, wanted Unix seconds or a date
    "#]],
    );
    check(
        OPENAI_CSV.lines().next().unwrap(),
        expect![[r#"
        the export has no usage in it
    "#]],
    );
}

/// What the ledger would have counted for the same.
fn counted(export: &str) -> Counted {
    Counted(Export::read(export).unwrap().used)
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "cases read better without a borrow")]
fn differ(export: &str, counted: &Counted, want: Expect) {
    let out = reconcile(&Export::read(export).unwrap(), counted);
    let lines = out
        .differences
        .iter()
        .map(|one| format!("{} {} {}: {:?} {:?}\n", one.day, one.model, one.figure, one.provider, one.ledger));
    want.assert_eq(&format!("{} agree\n{}", out.agree, lines.collect::<String>()));
}

#[test]
fn differences_are_named_by_day_and_model() {
    differ(
        OPENAI_CSV,
        &counted(OPENAI_CSV),
        expect![[r#"
        2 agree
    "#]],
    );
    let mut less = counted(OPENAI_CSV);
    let key = ("2026-03-02".to_owned(), "gpt-4o".to_owned());
    less.0.get_mut(&key).unwrap().output_tokens = Some(69);
    differ(
        OPENAI_CSV,
        &less,
        expect![[r#"
        1 agree
        2026-03-02 gpt-4o output tokens: Some(70.0) Some(69.0)
    "#]],
    );
    less.0.remove(&key);
    less.0.insert(("2026-03-02".into(), "o1".into()), Used { requests: Some(1), ..Used::default() });
    differ(
        OPENAI_CSV,
        &less,
        expect![[r#"
        1 agree
        2026-03-02 gpt-4o requests: Some(2.0) None
        2026-03-02 gpt-4o input tokens: Some(300.0) None
        2026-03-02 gpt-4o cached input tokens: Some(100.0) None
        2026-03-02 gpt-4o output tokens: Some(70.0) None
        2026-03-02 o1 requests: None Some(1.0)
    "#]],
    );
}

#[test]
fn only_what_the_export_has_is_compared() {
    // Costs without tokens, and to the precision that providers print.
    let mut ours = counted(OPENAI_CSV);
    ours.0.retain(|(_, model), _| model == "gpt-4o");
    for used in ours.0.values_mut() {
        used.cost = Some(Usd::from_f64(0.001_2));
    }
    differ(
        OPENAI_COSTS,
        &ours,
        expect![[r#"
        1 agree
    "#]],
    );
    ours.0.values_mut().for_each(|used| used.cost = Some(Usd::from_f64(0.0035)));
    differ(
        OPENAI_COSTS,
        &ours,
        expect![[r#"
        0 agree
        2026-03-02 gpt-4o cost: Some(0.0012) Some(0.0035)
    "#]],
    );
}
