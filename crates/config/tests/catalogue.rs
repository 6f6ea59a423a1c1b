//! The built-in catalogue: every line is understood, ids find their models, examples cost what they cost.
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

use expect_test::{Expect, expect};
use serde_json::Value;
use std::collections::BTreeMap;
use tierway_config::catalogue::{Facts, Prices, import};
use tierway_config::day;
use tierway_decide::{Sampling, Usd};
use tierway_wire::Usage;

fn lookup(provider: &str, model: &str) -> Option<Facts> {
    Prices::default().lookup(Some(provider), model)
}

#[test]
fn every_line_is_understood_and_found_by_its_own_names() {
    let document: Value = serde_json::from_str(include_str!("../catalogue/catalogue.json")).unwrap();
    let models = document["models"].as_array().unwrap();
    assert_eq!(Prices::default().list("", "").len(), models.len());
    assert_eq!(Prices::catalogue_date(), document["version"].as_str().unwrap());
    for model in models {
        let (provider, id) = (model["provider"].as_str().unwrap(), model["model"].as_str().unwrap());
        let facts = lookup(provider, id).unwrap_or_else(|| panic!("{provider}/{id} is not found"));
        let periods = facts.prices.as_ref().unwrap().0.len();
        assert_eq!(periods, model["prices"].as_array().unwrap().len(), "{provider}/{id}");
        for price in &facts.prices.as_ref().unwrap().0 {
            assert!(price.input > Usd::ZERO || price.output == Usd::ZERO, "{provider}/{id}");
        }
        for alias in model["aliases"].as_array().into_iter().flatten() {
            assert_eq!(lookup(provider, alias.as_str().unwrap()).as_ref(), Some(&facts), "{alias}");
        }
    }
}

#[test]
fn ids_find_their_model() {
    for (provider, id, want) in [
        ("openai", "gpt-4o-mini", Some("0.15")),
        ("openai", "GPT-4o-mini", Some("0.15")),
        ("openai", "gpt-4o-mini-2024-07-18", Some("0.15")),
        ("openai", "gpt-6-luna-2026-09-22", Some("0.1")),
        ("openai", "gpt-6-luna-turbo", None),
        ("openai", "my-finetune", None),
        ("anthropic", "claude-haiku-5-5", Some("0.1")),
        ("anthropic", "claude-haiku-5-5-20261001", Some("0.1")),
        ("google", "gemini-3.8-flash", Some("0.75")),
        ("bedrock", "eu.anthropic.claude-haiku-5-5-v1:0", Some("0.11")),
        ("nobody", "gpt-4o-mini", None),
    ] {
        let price = lookup(provider, id).and_then(|facts| facts.prices.unwrap().on_day(20_780).cloned());
        let input = price.map(|price| price.input.times(1_000_000).to_string());
        assert_eq!(input.as_deref(), want, "{provider}/{id}");
    }
    assert_eq!(Prices::default().lookup(None, "gpt-4o-mini"), None);
}

#[test]
fn more_than_the_price_is_known() {
    let facts = lookup("anthropic", "claude-sonnet-5-5").unwrap();
    assert_eq!(facts.limits.context_window, Some(1_000_000));
    assert!(facts.capabilities.vision && !facts.capabilities.audio && facts.capabilities.files);
    assert_eq!(facts.parameters.sampling, Sampling::Never);
    assert!(!facts.parameters.forced_tool_choice && !facts.parameters.prefill);
    assert!(lookup("openai", "gpt-5.2-codex").unwrap().parameters.responses_only);
    assert_eq!(lookup("openai", "gpt-5-mini").unwrap().shutdown.as_deref(), Some("2026-12-11"));
    for model in ["o1-mini", "o1-mini-2024-09-12", "o1-preview"] {
        let can = lookup("openai", model).unwrap().capabilities;
        assert!(!can.vision && !can.audio && !can.tools && !can.json_schema, "{model}: {can:?}");
    }
    assert!(facts.source.starts_with("catalogue 20"));
}

/// Milliseconds since 1970 of a day and a time of the day.
fn unix_ms(date: &str, time: &str) -> i64 {
    let mut parts = time.split(':').map(|part| part.parse::<i64>().unwrap());
    let seconds = parts.next().unwrap() * 3600 + parts.next().unwrap() * 60 + parts.next().unwrap();
    (i64::from(day::parse(date).unwrap()) * 86_400 + seconds) * 1000
}

/// What an example costs by the catalogue; none when the model has no price.
fn cost(example: &Value) -> Option<Usd> {
    let text = |name: &str| example[name].as_str().unwrap();
    let response = example.get("response");
    let reported = |name: &str| response.and_then(|response| response.get(name)).and_then(Value::as_str);
    let tier = reported("service_tier").or_else(|| reported("speed")).unwrap_or_default();
    let usage: Usage = serde_json::from_value(example["expect_usage"].clone()).unwrap();
    assert_eq!(usage.service_tier.name(), if tier == "default" || tier.is_empty() { "standard" } else { tier });
    let prices = lookup(text("provider"), text("model"))?.prices?;
    prices.cost(unix_ms(text("date"), text("time_utc")), &usage)
}

#[test]
fn examples_cost_what_their_working_says() {
    let examples: Vec<Value> = serde_json::from_str(include_str!("../../wire/tests/data/usage_examples.json")).unwrap();
    let mut counted = BTreeMap::new();
    for example in &examples {
        let source = example["cost_source"].as_str().unwrap();
        *counted.entry(source).or_insert(0) += 1;
        // What a provider reports itself goes before the catalogue; that is not computed here.
        if source != "reported" {
            let got = cost(example).map(|cost| cost.to_string());
            assert_eq!(
                got.as_deref(),
                example["expect_cost_usd"].as_str(),
                "{}: {}",
                example["name"],
                example["working"]
            );
        }
    }
    assert!(counted["catalogue"] > 40 && counted["unknown"] > 2, "{counted:?}");
}

#[track_caller]
fn check_import(text: &str, want: Expect) {
    let imported = import(text, "2026-11-23").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("overlay.json");
    std::fs::write(&path, &imported.overlay).unwrap();
    let prices = Prices::with_overlay(&path).unwrap();
    let mut lines = vec![format!("{}: {} models, {} left out", imported.shape, imported.models, imported.left_out)];
    for listed in prices.list("", "acme") {
        let price = listed.facts.prices.unwrap();
        let price = price.0.last().unwrap();
        let dollars = |amount: Option<Usd>| amount.map_or("-".into(), |amount| amount.times(1_000_000).to_string());
        let over: Vec<_> =
            price.over.iter().map(|o| format!("{}:{}", o.input_tokens, dollars(Some(o.input)))).collect();
        lines.push(format!(
            "{}/{} {} {} {} over {over:?} variants {} window {:?} shutdown {:?} vision {} ({})",
            listed.provider,
            listed.model,
            dollars(Some(price.input)),
            dollars(price.cached_input),
            dollars(Some(price.output)),
            price.variants.len(),
            listed.facts.limits.context_window,
            listed.facts.shutdown,
            listed.facts.capabilities.vision,
            listed.facts.source,
        ));
    }
    want.assert_eq(&lines.join("\n"));
}

#[test]
fn litellms_map_becomes_an_overlay() {
    check_import(
        include_str!("data/litellm_map.json"),
        expect![[r#"
        LiteLLM: 12 models, 4 left out
        openai/acme-audio 2.5 - 10 over [] variants 0 window Some(128000) shutdown None vision false (overlay overlay.json)
        openai/acme-embed 0.02 - 0 over [] variants 0 window Some(8191) shutdown None vision true (overlay overlay.json)
        openai/acme-future-field 0.4 - 1.6 over [] variants 0 window Some(128000) shutdown None vision false (overlay overlay.json)
        openai/acme-gone 10 - 30 over [] variants 0 window Some(8192) shutdown Some("2026-10-23") vision false (overlay overlay.json)
        openai/acme-mini 0.15 0.075 0.6 over [] variants 2 window Some(128000) shutdown None vision true (overlay overlay.json)
        openai/acme-retiring 2 0.5 8 over [] variants 0 window Some(200000) shutdown Some("2026-12-11") vision false (overlay overlay.json)
        openai/acme-think 1 0.05 5 over ["272000:2"] variants 1 window Some(272000) shutdown None vision true (overlay overlay.json)"#]],
    );
}

#[test]
fn models_devs_list_becomes_an_overlay() {
    check_import(
        include_str!("data/models_dev_api.json"),
        expect![[r#"
        models.dev: 12 models, 1 left out
        openai/acme-audio 2.5 - 10 over [] variants 0 window Some(128000) shutdown None vision false (overlay overlay.json)
        openai/acme-embed 0.02 - 0 over [] variants 0 window Some(8191) shutdown None vision false (overlay overlay.json)
        openai/acme-gone 10 - 30 over [] variants 0 window Some(8192) shutdown None vision false (overlay overlay.json)
        openai/acme-mini 0.15 0.08 0.6 over [] variants 0 window Some(128000) shutdown None vision true (overlay overlay.json)
        openai/acme-think 1 0.05 5 over ["272000:2"] variants 0 window Some(400000) shutdown None vision true (overlay overlay.json)
        openrouter/acme/acme-mini 0.15 - 0.6 over [] variants 0 window Some(128000) shutdown None vision true (overlay overlay.json)
        openrouter/acme/acme-open:free 0 - 0 over [] variants 0 window Some(32768) shutdown None vision false (overlay overlay.json)"#]],
    );
}

#[test]
fn what_is_no_price_list_is_refused_with_what_would_be() {
    let message = |text: &str| import(text, "2026-11-23").unwrap_err().to_string();
    expect![[r#"
        it is not JSON: EOF while parsing a value at line 1 column 0
        it is not JSON: invalid type: sequence, expected a map at line 1 column 0
        it has neither LiteLLM's shape (model ids with `litellm_provider` and `input_cost_per_token`) nor that of models.dev (providers with `models` that have `cost`)
        no entry has a price for input and output"#]].assert_eq(
        &["", "[]", "{}", r#"{"a": {"litellm_provider": "openai", "mode": "chat"}}"#].map(message).join("\n"),
    );
}

#[test]
fn an_overlay_goes_before_the_catalogue_and_keeps_what_it_does_not_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.json");
    let text = r#"{"models":[{"provider":"openai","model":"gpt-4o-mini","prices":[{"input":"1","output":"2"}]}]}"#;
    std::fs::write(&path, text).unwrap();
    let facts = Prices::with_overlay(&path).unwrap().lookup(Some("openai"), "gpt-4o-mini").unwrap();
    assert_eq!(facts.prices.unwrap().0[0].input, Usd::from_picos(1_000_000));
    assert_eq!(facts.limits.context_window, Some(128_000));
    assert_eq!(facts.source, "overlay mine.json");
}
