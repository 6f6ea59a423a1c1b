//! What becomes of requests, by API.

use super::adapt;
use crate::splice::Fields;
use crate::{EncodeOptions, Format, MaxTokensField, Reasoning, Sampling, SystemRole};
use expect_test::{Expect, expect};

fn modern() -> EncodeOptions {
    EncodeOptions {
        max_tokens_field: MaxTokensField::MaxCompletionTokens,
        sampling: Sampling::WhenNotReasoning,
        reasoning: Reasoning::OnByDefault,
        efforts: ["low", "medium", "high"].map(str::to_owned).to_vec(),
        stop: false,
        forced_tool_choice: false,
        prefill: false,
        max_output_tokens: Some(1_000),
        include_usage: true,
        ..EncodeOptions::new("new")
    }
}

fn old() -> EncodeOptions {
    EncodeOptions { reasoning: Reasoning::None, system_role: SystemRole::None, ..EncodeOptions::new("old") }
}

#[track_caller]
fn check(format: Format, options: &EncodeOptions, body: &str, want: &Expect) {
    let fields = Fields::parse(body.as_bytes()).unwrap();
    let (edits, adaptations) = adapt(format, &fields, options).unwrap();
    let said: Vec<String> =
        adaptations.iter().map(|adaptation| format!("{} {:?}", adaptation.field, adaptation.what)).collect();
    let out = String::from_utf8(fields.apply(&edits)).unwrap();
    serde_json::from_str::<serde_json::Value>(&out).expect("still JSON");
    want.assert_eq(&format!("{out}\n{}", said.join(", ")));
}

#[test]
fn a_chat_request_that_fits_keeps_its_bytes() {
    let body = r#"{ "model":"auto", "messages":[{"role":"developer","content":"x"}], "temperature": 1.0, "seed":9007199254740993 }"#;
    check(
        Format::OpenaiChat,
        &EncodeOptions::new("m"),
        body,
        &expect![[r#"
        { "model":"m", "messages":[{"role":"developer","content":"x"}], "temperature": 1.0, "seed":9007199254740993 }
    "#]],
    );
}

#[test]
fn a_chat_request_is_fitted_to_a_model_that_reasons() {
    let body = r#"{"model":"auto","messages":[],"temperature":0.1,"top_p":null,"max_tokens":10,"stop":["a"],"stream":true,"stream_options":{"include_obfuscation":false},"tool_choice":"required","reasoning_effort":"max","logprobs":true}"#;
    check(
        Format::OpenaiChat,
        &modern(),
        body,
        &expect![[r#"
        {"model":"new","messages":[],"max_completion_tokens":10,"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true},"tool_choice":"auto","reasoning_effort":"high"}
        max_tokens Changed, reasoning_effort Changed, temperature Dropped, logprobs Dropped, stop Dropped, tool_choice Changed"#]],
    );
    let body = r#"{"model":"auto","messages":[],"temperature":0.1,"max_tokens":5000,"reasoning_effort":"none"}"#;
    check(
        Format::OpenaiChat,
        &modern(),
        body,
        &expect![[r#"
        {"model":"new","messages":[],"temperature":0.1,"reasoning_effort":"none","max_completion_tokens":1000}
        max_tokens Changed"#]],
    );
}

#[test]
fn a_limit_survives_beside_one_that_is_null_and_is_lowered_beside_one_too() {
    for (limits, new, old) in [
        (r#""max_tokens":100,"max_completion_tokens":null"#, r#""max_completion_tokens":100"#, r#""max_tokens":100"#),
        (
            r#""max_tokens":null,"max_completion_tokens":5000"#,
            r#""max_completion_tokens":1000"#,
            r#""max_tokens":5000"#,
        ),
        (r#""max_tokens":10,"max_completion_tokens":20"#, r#""max_completion_tokens":20"#, r#""max_tokens":20"#),
        (r#""max_tokens":null,"n":1"#, r#""n":1"#, r#""max_tokens":null,"n":1"#),
    ] {
        for (options, want) in [(modern(), new), (EncodeOptions::new("old"), old)] {
            let body = format!("{{{limits}}}");
            let fields = Fields::parse(body.as_bytes()).unwrap();
            let (edits, _) = adapt(Format::OpenaiChat, &fields, &options).unwrap();
            let out = String::from_utf8(fields.apply(&edits)).unwrap();
            assert_eq!(out, format!(r#"{{{want},"model":"{}"}}"#, options.model), "{limits}");
        }
    }
}

#[test]
fn a_chat_request_is_fitted_to_an_old_model() {
    let body = r#"{"model":"auto","max_completion_tokens":10,"reasoning_effort":"low","messages":[{"role":"system","content":"Be brief."},{"role":"assistant","content":"a"},{"role":"user","content":"hi","name":"ann"},{"role":"developer","content":[{"type":"text","text":"Be kind."}]}]}"#;
    check(
        Format::OpenaiChat,
        &old(),
        body,
        &expect![[r#"
        {"model":"old","max_tokens":10,"messages":[{"role":"assistant","content":"a"},{"role":"user","content":[{"type":"text","text":"Be brief."},{"type":"text","text":"Be kind."},{"type":"text","text":"hi"}],"name":"ann"}]}
        max_completion_tokens Changed, reasoning_effort Dropped, system Moved"#]],
    );
    let system = EncodeOptions { system_role: SystemRole::System, ..EncodeOptions::new("m") };
    check(
        Format::OpenaiChat,
        &system,
        body,
        &expect![[r#"
        {"model":"m","max_tokens":10,"reasoning_effort":"low","messages":[{"role":"system","content":"Be brief."},{"role":"assistant","content":"a"},{"role":"user","content":"hi","name":"ann"},{"role":"system","content":[{"type":"text","text":"Be kind."}]}]}
        max_completion_tokens Changed, messages.role Changed"#]],
    );
}

#[test]
fn a_messages_request_is_fitted() {
    let body = r#"{"model":"auto","max_tokens":4000,"temperature":1,"top_k":5,"thinking":{"type":"enabled","budget_tokens":2000},"stop_sequences":["x"],"tool_choice":{"type":"any"},"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#;
    check(
        Format::AnthropicMessages,
        &modern(),
        body,
        &expect![[r#"
            {"model":"new","max_tokens":1000,"thinking":{"type":"adaptive"},"tool_choice":{"type":"auto"},"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"Continue exactly where you stopped."}],"output_config":{"effort":"low"}}
            max_tokens Changed, tool_choice Changed, thinking Changed, temperature Dropped, top_k Dropped, stop_sequences Dropped, messages Changed"#]],
    );
    check(
        Format::AnthropicMessages,
        &old(),
        body,
        &expect![[r#"
        {"model":"old","max_tokens":4000,"temperature":1,"top_k":5,"stop_sequences":["x"],"tool_choice":{"type":"any"},"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}
        thinking Dropped"#]],
    );
    let budget = EncodeOptions { reasoning_budget: true, ..EncodeOptions::new("m") };
    let body = r#"{"model":"auto","max_tokens":40,"thinking":{"type":"adaptive"},"messages":[]}"#;
    check(
        Format::AnthropicMessages,
        &budget,
        body,
        &expect![[r#"
            {"model":"m","max_tokens":40,"thinking":{"type":"disabled"},"messages":[]}
            thinking Dropped"#]],
    );
}

#[test]
fn an_effort_steers_output_and_asks_for_no_thinking() {
    let body = |more: &str| format!(r#"{{"model":"auto","max_tokens":4000,{more},"messages":[]}}"#);
    let effort = body(r#""output_config":{"effort":"max"},"temperature":1"#);
    let haiku = EncodeOptions {
        sampling: Sampling::WhenNotReasoning,
        reasoning_budget: true,
        ..EncodeOptions::new("claude-haiku-4-5")
    };
    check(
        Format::AnthropicMessages,
        &haiku,
        &effort,
        &expect![[r#"
            {"model":"claude-haiku-4-5","max_tokens":4000,"temperature":1,"messages":[]}
            output_config.effort Dropped"#]],
    );
    check(
        Format::AnthropicMessages,
        &haiku,
        &body(r#""thinking":{"type":"adaptive","display":"omitted"},"output_config":{"format":{},"effort":"low"}"#),
        &expect![[r#"
            {"model":"claude-haiku-4-5","max_tokens":4000,"thinking":{"type":"enabled","budget_tokens":2048,"display":"omitted"},"output_config":{"format":{}},"messages":[]}
            output_config.effort Dropped, thinking Changed"#]],
    );
    check(
        Format::AnthropicMessages,
        &old(),
        &effort,
        &expect![[r#"
            {"model":"old","max_tokens":4000,"temperature":1,"messages":[]}
            output_config.effort Dropped"#]],
    );
    let efforts = ["low", "medium", "high"].map(str::to_owned).to_vec();
    let opus = EncodeOptions { efforts, model: "claude-opus-4-5".to_owned(), ..haiku.clone() };
    check(
        Format::AnthropicMessages,
        &opus,
        &effort,
        &expect![[r#"
            {"model":"claude-opus-4-5","max_tokens":4000,"output_config":{"effort":"high"},"temperature":1,"messages":[]}
            output_config.effort Changed"#]],
    );
    let told = EncodeOptions { effort: Some("high".to_owned()), ..haiku };
    check(
        Format::AnthropicMessages,
        &told,
        &body(r#""output_config":{"effort":"low"},"tool_choice":{"type":"any"}"#),
        &expect![[r#"
            {"model":"claude-haiku-4-5","max_tokens":4000,"tool_choice":{"type":"any"},"messages":[],"thinking":{"type":"disabled"}}
            thinking Changed, output_config.effort Dropped, thinking Dropped"#]],
    );
    let always = EncodeOptions { reasoning: Reasoning::Always, prefill: true, ..modern() };
    check(
        Format::AnthropicMessages,
        &always,
        &body(r#""thinking":{"type":"disabled"}"#),
        &expect![[r#"
            {"model":"new","max_tokens":1000,"thinking":{"type":"adaptive"},"messages":[],"output_config":{"effort":"low"}}
            max_tokens Changed, thinking Changed"#]],
    );
}

#[test]
fn a_responses_request_is_fitted() {
    let body = r#"{"model":"auto","input":"x","max_output_tokens":4000,"temperature":1,"reasoning":{"effort":"minimal","summary":"auto"},"tool_choice":{"type":"function","name":"f"}}"#;
    check(
        Format::OpenaiResponses,
        &modern(),
        body,
        &expect![[r#"
        {"model":"new","input":"x","max_output_tokens":1000,"reasoning":{"effort":"low","summary":"auto"},"tool_choice":"auto"}
        max_output_tokens Changed, reasoning Changed, temperature Dropped, tool_choice Changed"#]],
    );
    check(
        Format::OpenaiResponses,
        &old(),
        body,
        &expect![[r#"
        {"model":"old","input":"x","max_output_tokens":4000,"temperature":1,"tool_choice":{"type":"function","name":"f"}}
        reasoning Dropped"#]],
    );
    let include =
        r#"{"model":"auto","input":"x","include":["reasoning.encrypted_content","message.output_text.logprobs"]}"#;
    check(
        Format::OpenaiResponses,
        &old(),
        include,
        &expect![[r#"
            {"model":"old","input":"x","include":["message.output_text.logprobs"]}
            include.reasoning Dropped"#]],
    );
    let summary = r#"{"model":"auto","input":"x","reasoning":{"summary":"auto"}}"#;
    check(
        Format::OpenaiResponses,
        &old(),
        summary,
        &expect![[r#"
            {"model":"old","input":"x"}
            reasoning Dropped"#]],
    );
    check(
        Format::OpenaiResponses,
        &modern(),
        summary,
        &expect![[r#"
            {"model":"new","input":"x","reasoning":{"summary":"auto"}}
        "#]],
    );
}
