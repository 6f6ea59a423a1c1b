//! A request reaches a model of the client's own API as edits of its bytes, and one of another API through the neutral form.
//! What is asked of the model in the end may not depend on the way: every kind of model in the price catalogue is asked both ways.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tierway_wire::neutral::Request;
use tierway_wire::splice::Fields;
use tierway_wire::{EncodeOptions, Format, SystemRole, adapt, decode_request, encode_request, outline};

/// The kinds of models that are asked in this API.
fn kinds(format: Format) -> Vec<EncodeOptions> {
    let catalogue: Value = serde_json::from_str(include_str!("../../config/catalogue/catalogue.json")).unwrap();
    let spoken = |provider: &str| match format {
        Format::AnthropicMessages => provider == "anthropic",
        Format::OpenaiResponses => provider == "openai",
        _ => provider != "anthropic",
    };
    let mut seen = BTreeSet::new();
    let models = catalogue["models"].as_array().unwrap().iter();
    let models = models.filter(|model| spoken(model["provider"].as_str().unwrap()) && model["parameters"].is_object());
    models.filter(|model| seen.insert(model["parameters"].to_string())).map(options).collect()
}

/// As the router reads them.
fn options(model: &Value) -> EncodeOptions {
    let takes = &model["parameters"];
    let flag = |name: &str| takes[name].as_bool();
    let word = |name: &str| takes[name].clone();
    EncodeOptions {
        max_tokens_field: serde_json::from_value(word("max_tokens_field")).unwrap_or_default(),
        sampling: serde_json::from_value(word("sampling")).unwrap_or_default(),
        reasoning: serde_json::from_value(word("reasoning")).unwrap_or_default(),
        efforts: serde_json::from_value(word("efforts")).unwrap_or_default(),
        penalties: flag("penalties").unwrap_or(true),
        reasoning_budget: takes["thinking"] == "budget",
        system_role: if flag("system_role") == Some(false) { SystemRole::None } else { SystemRole::Both },
        stop: flag("stop").unwrap_or(true),
        forced_tool_choice: flag("forced_tool_choice").unwrap_or(true),
        prefill: flag("prefill").unwrap_or(false),
        max_output_tokens: Some(8_000),
        ..EncodeOptions::new(model["model"].as_str().unwrap())
    }
}

/// What a request asks of a model, as JSON.
fn decisive(request: &Request) -> Value {
    let asked = &request.reasoning;
    let off = asked.enabled == Some(false) || asked.effort.as_deref() == Some("none");
    let reasoning = if off { json!("off") } else { json!([asked.effort, asked.budget_tokens, asked.enabled]) };
    let effort = asked.effort.as_ref().filter(|_| request.origin == Format::AnthropicMessages);
    json!({
        "limit": request.max_output_tokens, "reasoning": reasoning, "effort": effort,
        "temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k,
        "penalties": [request.presence_penalty, request.frequency_penalty], "logit_bias": request.logit_bias,
        "logprobs": [json!(request.logprobs), json!(request.top_logprobs)], "stop": request.stop,
        "choice": format!("{:?}", request.tool_choice), "output": format!("{:?}", request.output),
    })
}

/// The body as the model gets it by edits, and by the neutral form.
fn both_ways(format: Format, body: &str, options: &EncodeOptions) -> [Vec<u8>; 2] {
    let (_, fields) = outline(format, body.as_bytes()).unwrap();
    let (edits, _) = adapt(format, &fields, options).unwrap();
    let request = decode_request(format, &fields).unwrap();
    [fields.apply(&edits), encode_request(format, &request, options).unwrap().body]
}

/// Every request of these parts, one of each list; of limits each has one in turn.
fn check(format: Format, base: &Value, limits: &[Value], parts: &[&[Value]]) {
    let mut bodies: Vec<Map<String, Value>> = vec![base.as_object().unwrap().clone()];
    let with = |body: &Map<String, Value>, more: &Value| {
        body.clone().into_iter().chain(more.as_object().unwrap().clone()).collect()
    };
    for part in parts {
        bodies = bodies.iter().flat_map(|body| part.iter().map(|more| with(body, more)).collect::<Vec<_>>()).collect();
    }
    let limited = |(body, limit): (&Map<String, Value>, &Value)| serde_json::to_string(&with(body, limit)).unwrap();
    let bodies: Vec<String> = bodies.iter().zip(limits.iter().cycle()).map(limited).collect();
    let (mut differ, kinds) = (Vec::new(), kinds(format));
    assert!(kinds.len() > 5, "{}", kinds.len());
    for kind in &kinds {
        for effort in [None, Some("high".to_owned())] {
            let options = EncodeOptions { effort, ..kind.clone() };
            for body in &bodies {
                let read = |body: &Vec<u8>| decode_request(format, &Fields::parse(body).unwrap()).unwrap();
                let bodies = both_ways(format, body, &options);
                let [edited, anew] = [0, 1].map(|way| decisive(&read(&bodies[way])));
                if edited != anew {
                    let [edited, anew] = bodies.map(|body| String::from_utf8(body).unwrap());
                    differ.push(format!("{options:?}\n  asked  {body}\n  edited {edited}\n  anew   {anew}"));
                }
            }
        }
    }
    let first: Vec<&String> = differ.iter().step_by(differ.len().div_ceil(12).max(1)).collect();
    assert!(differ.is_empty(), "{} differ, among them {first:#?}", differ.len());
}

#[test]
fn messages() {
    let efforts = [json!({}), json!({"output_config": {"effort": "max"}}), json!({"output_config": {"effort": "low"}})];
    check(
        Format::AnthropicMessages,
        &json!({"model": "auto", "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"name": "f", "input_schema": {"type": "object"}}]}),
        &[json!({"max_tokens": 100}), json!({"max_tokens": 50_000})],
        &[
            &efforts,
            &[
                json!({}),
                json!({"thinking": {"type": "disabled"}}),
                json!({"thinking": {"type": "adaptive", "display": "omitted"}}),
                json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}),
            ],
            &[json!({}), json!({"temperature": 0.5, "top_k": 3}), json!({"top_p": 0.9, "stop_sequences": ["a"]})],
            &[json!({}), json!({"tool_choice": {"type": "any"}}), json!({"tool_choice": {"type": "none"}})],
        ],
    );
}

#[test]
fn responses() {
    check(
        Format::OpenaiResponses,
        &json!({"model": "auto", "input": "hi", "tools": [{"type": "function", "name": "f", "parameters": null}]}),
        &[json!({}), json!({"max_output_tokens": 100}), json!({"max_output_tokens": 50_000})],
        &[
            &[
                json!({}),
                json!({"reasoning": {"summary": "auto"}}),
                json!({"reasoning": {"effort": "none"}}),
                json!({"reasoning": {"effort": "minimal"}}),
                json!({"reasoning": {"effort": "max", "summary": "auto"}}),
            ],
            &[json!({}), json!({"temperature": 0.5, "top_p": 0.9, "top_logprobs": 2})],
            &[json!({}), json!({"tool_choice": "required"}), json!({"tool_choice": {"type": "function", "name": "f"}})],
        ],
    );
}

#[test]
fn chat() {
    check(
        Format::OpenaiChat,
        &json!({"model": "auto", "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"type": "function", "function": {"name": "f"}}]}),
        &[
            json!({}),
            json!({"max_tokens": 100, "max_completion_tokens": null}),
            json!({"max_completion_tokens": 50_000}),
            json!({"max_tokens": 50_000}),
        ],
        &[
            &[
                json!({}),
                json!({"reasoning_effort": null}),
                json!({"reasoning_effort": "none"}),
                json!({"reasoning_effort": "minimal"}),
                json!({"reasoning_effort": "max"}),
                json!({"reasoning": {"effort": "max"}}),
                json!({"reasoning": {"max_tokens": 2000}}),
                json!({"reasoning": {"enabled": true}}),
                json!({"reasoning": {"enabled": false}}),
            ],
            &[
                json!({}),
                json!({"temperature": 0.5, "top_p": 0.9, "top_k": 3, "logprobs": true, "top_logprobs": 2}),
                json!({"presence_penalty": 0.5, "frequency_penalty": 0.5, "logit_bias": {"1": 1}, "stop": ["a"]}),
            ],
            &[json!({}), json!({"tool_choice": "required"}), json!({"tool_choice": "none"})],
        ],
    );
}
