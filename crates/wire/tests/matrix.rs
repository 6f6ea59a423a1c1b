//! What each inbound API's request becomes for each target, and what each target's answer becomes for the client.
//!
//! One snapshot a case: read them as the review of the translation. Streams are shown as the client reads them.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use expect_test::expect_file;
use std::fmt::Write as _;
use tierway_wire::neutral::{Answer, Choice, Content, Finish, Part};
use tierway_wire::{
    ApiError, Context, EncodeOptions, Format, StreamDecoder, StreamEncoder, Structured, Usage, decode_answer,
    decode_request, encode_answer, encode_error, encode_request, grammar, outline,
};

const INBOUND: [Format; 3] = [Format::OpenaiChat, Format::OpenaiResponses, Format::AnthropicMessages];

fn context() -> Context {
    let model = "served-1".to_owned();
    Context { request_id: "r1".to_owned(), model, created_s: 1_763_856_000, usage_wanted: true, ..Context::default() }
}

/// The request as every target gets it, with what was adapted or the reason why the target cannot take it.
fn requests(name: &str, bodies: [&str; 3], options: &EncodeOptions) {
    let mut shown = String::new();
    for (from, body) in INBOUND.into_iter().zip(bodies) {
        let (_, fields) = outline(from, body.as_bytes()).unwrap();
        let request = decode_request(from, &fields).unwrap();
        writeln!(shown, "== client speaks {}\n{body}", from.name()).unwrap();
        for to in Format::ALL {
            let same_model = from == to;
            // Bedrock's models take different things, which their names say.
            let model = if to == Format::BedrockConverse { "eu.amazon.nova-2-lite-v1:0" } else { "target-1" };
            let options = EncodeOptions { same_model, model: model.to_owned(), ..options.clone() };
            match encode_request(to, &request, &options) {
                Err(error) => writeln!(shown, "-- {}: refused: {error}", to.name()).unwrap(),
                Ok(encoded) => {
                    let body = String::from_utf8(encoded.body).unwrap();
                    serde_json::from_str::<serde_json::Value>(&body).unwrap();
                    writeln!(shown, "-- {}\n{body}", to.name()).unwrap();
                    for change in encoded.adaptations {
                        writeln!(shown, "   {:?} {}: {}", change.what, change.field, change.note).unwrap();
                    }
                }
            }
        }
    }
    expect_file![format!("matrix/{name}.request.txt")].assert_eq(&shown);
}

/// The answer of every provider as every client gets it, whole and streamed.
fn answers(name: &str, make: impl Fn(Format) -> Answer) {
    let (mut whole, mut streamed) = (String::new(), String::new());
    for from in Format::ALL {
        let answer = make(from);
        let body = encode_answer(from, &answer, &context());
        writeln!(whole, "== provider speaks {}\n{}", from.name(), String::from_utf8_lossy(&body)).unwrap();
        let read = decode_answer(from, &body, &context()).unwrap();
        let mut bytes = Vec::new();
        let mut encoder = StreamEncoder::new(from, from, &context());
        answer.events().iter().for_each(|event| encoder.push(event, &mut bytes));
        let (mut decoder, mut events) = (StreamDecoder::new(from, &context()), Vec::new());
        decoder.push(&bytes, &mut events).unwrap();
        decoder.end(&mut events);
        writeln!(streamed, "== provider speaks {}", from.name()).unwrap();
        for to in INBOUND {
            let body = encode_answer(to, &read, &context());
            writeln!(whole, "-- {}\n{}", to.name(), String::from_utf8_lossy(&body)).unwrap();
            let mut encoder = StreamEncoder::new(to, from, &context());
            let mut out = Vec::new();
            events.iter().for_each(|event| encoder.push(event, &mut out));
            assert_eq!(grammar::breaches(to, &out), Vec::<String>::new(), "{name}: {from:?} to {to:?}");
            writeln!(streamed, "-- {}\n{}", to.name(), String::from_utf8_lossy(&out)).unwrap();
        }
    }
    expect_file![format!("matrix/{name}.answer.txt")].assert_eq(&whole);
    expect_file![format!("matrix/{name}.stream.txt")].assert_eq(&streamed);
}

fn answer(origin: Format, contents: Vec<Content>, finish: Finish) -> Answer {
    Answer {
        origin,
        id: if matches!(origin, Format::OllamaChat | Format::BedrockConverse) {
            String::new()
        } else {
            "up_1".to_owned()
        },
        model: "served-1".to_owned(),
        choices: vec![Choice { parts: contents.into_iter().map(Part::new).collect(), finish, logprobs: None }],
        usage: Some(Usage { input_tokens: 20, output_tokens: 7, ..Usage::default() }),
        service_tier: None,
    }
}

fn call(id: &str, arguments: &str) -> Content {
    Content::ToolCall {
        id: id.to_owned(),
        name: "weather".to_owned(),
        arguments: arguments.to_owned(),
        custom: false,
        signature: None,
    }
}

#[test]
fn plain() {
    requests(
        "plain",
        [
            r#"{"model":"auto","messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":"Hello"}],"max_completion_tokens":50,"temperature":1.2,"top_p":0.9,"seed":7,"stop":["END"],"user":"u1","presence_penalty":0.5,"logit_bias":{"1":1},"store":true,"stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"model":"auto","instructions":"Be brief.","input":"Hello","max_output_tokens":50,"temperature":1.2,"metadata":{"team":"a"},"stream":true,"store":false}"#,
            r#"{"model":"auto","system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"Hello"}],"max_tokens":50,"temperature":0.5,"top_k":5,"stop_sequences":["END"],"metadata":{"user_id":"u1"},"stream":true,"context_management":{}}"#,
        ],
        &EncodeOptions::new("target-1"),
    );
    answers("plain", |origin| answer(origin, vec![Content::text("Good day.")], Finish::Stop));
}

#[test]
fn tools() {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    let chat = format!(
        r#"{{"model":"auto","messages":[{{"role":"user","content":"Weather in Rome and Oslo?"}},{{"role":"assistant","content":null,"tool_calls":[{{"id":"c1","type":"function","function":{{"name":"weather","arguments":"{{\"city\":\"Rome\"}}"}}}},{{"id":"c2","type":"function","function":{{"name":"weather","arguments":"{{\"city\":\"Oslo\"}}"}}}}]}},{{"role":"tool","tool_call_id":"c1","content":"20 C"}},{{"role":"tool","tool_call_id":"c2","content":"2 C"}}],"tools":[{{"type":"function","function":{{"name":"weather","description":"Tells it.","parameters":{schema},"strict":true}}}}],"tool_choice":{{"type":"function","function":{{"name":"weather"}}}},"parallel_tool_calls":false}}"#
    );
    let responses = format!(
        r#"{{"model":"auto","input":[{{"role":"user","content":"Weather in Rome?"}},{{"type":"function_call","call_id":"c1","name":"weather","arguments":"{{\"city\":\"Rome\"}}"}},{{"type":"function_call_output","call_id":"c1","output":"20 C"}}],"tools":[{{"type":"function","name":"weather","parameters":{schema},"strict":false}},{{"type":"custom","name":"patch","format":{{"type":"text"}}}},{{"type":"web_search"}}],"tool_choice":"required"}}"#
    );
    let messages = format!(
        r#"{{"model":"auto","max_tokens":99,"messages":[{{"role":"user","content":"Weather in Rome?"}},{{"role":"assistant","content":[{{"type":"text","text":"I look."}},{{"type":"tool_use","id":"c1","name":"weather","input":{{"city":"Rome"}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"c1","content":[{{"type":"text","text":"20 C"}},{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"iVBORw0K"}}}}],"is_error":true}},{{"type":"text","text":"And?"}}]}}],"tools":[{{"name":"weather","input_schema":{schema},"cache_control":{{"type":"ephemeral"}}}}],"tool_choice":{{"type":"any","disable_parallel_tool_use":true}}}}"#
    );
    requests("tools", [&chat, &responses, &messages], &EncodeOptions::new("target-1"));
    let calls = || vec![Content::text("I look."), call("c1", r#"{"city":"Rome"}"#), call("c2", r#"{"city":"Oslo"}"#)];
    answers("tools", |origin| answer(origin, calls(), Finish::ToolCalls));
}

#[test]
fn structured_output() {
    let schema = r#"{"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"string"}}}"#;
    let chat = format!(
        r#"{{"model":"auto","messages":[{{"role":"user","content":"Fill it."}}],"response_format":{{"type":"json_schema","json_schema":{{"name":"form","schema":{schema},"strict":true}}}}}}"#
    );
    let responses = format!(
        r#"{{"model":"auto","input":"Fill it.","text":{{"format":{{"type":"json_schema","name":"form","schema":{schema}}}}}}}"#
    );
    let messages = format!(
        r#"{{"model":"auto","max_tokens":99,"messages":[{{"role":"user","content":"Fill it."}}],"output_config":{{"format":{{"type":"json_schema","schema":{schema}}}}}}}"#
    );
    let bodies = [chat.as_str(), &responses, &messages];
    requests("structured", bodies, &EncodeOptions::new("target-1"));
    let forced = EncodeOptions { structured: Structured::ForcedTool, ..EncodeOptions::new("target-1") };
    requests("structured_forced", bodies, &forced);
    answers("structured", |origin| answer(origin, vec![Content::text(r#"{"b":1,"a":"x"}"#)], Finish::Stop));
}

#[test]
fn images() {
    requests(
        "images",
        [
            r#"{"model":"auto","messages":[{"role":"user","content":[{"type":"text","text":"What is it?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0K","detail":"low"}},{"type":"image_url","image_url":{"url":"https://example.org/a.jpg"}}]}]}"#,
            r#"{"model":"auto","input":[{"role":"user","content":[{"type":"input_text","text":"What is it?"},{"type":"input_image","image_url":"data:image/png;base64,iVBORw0K","detail":"auto"}]}]}"#,
            r#"{"model":"auto","max_tokens":99,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0K"}},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},"title":"a.pdf"},{"type":"text","text":"What is it?"}]}]}"#,
        ],
        &EncodeOptions::new("target-1"),
    );
}

#[test]
fn thinking() {
    requests(
        "thinking",
        [
            r#"{"model":"auto","reasoning_effort":"high","temperature":0.5,"messages":[{"role":"user","content":"Why?"},{"role":"assistant","reasoning_content":"Hm.","content":"So."},{"role":"user","content":"And?"}]}"#,
            r#"{"model":"auto","reasoning":{"effort":"high","summary":"auto"},"include":["reasoning.encrypted_content"],"input":[{"role":"user","content":"Why?"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm."}],"encrypted_content":"enc"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"So."}]},{"role":"user","content":"And?"}]}"#,
            r#"{"model":"auto","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":4000},"messages":[{"role":"user","content":"Why?"},{"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":"sig"},{"type":"text","text":"So."}]},{"role":"user","content":"And?"}]}"#,
        ],
        &EncodeOptions::new("target-1"),
    );
    answers("thinking", |origin| {
        let (signature, encrypted) = match origin {
            Format::AnthropicMessages | Format::Gemini | Format::BedrockConverse => (Some("sig".to_owned()), None),
            Format::OpenaiResponses => (None, Some("enc".to_owned())),
            Format::OpenaiChat | Format::OllamaChat => (None, None),
        };
        let thought = Content::Reasoning { text: "Hm.".to_owned(), signature, encrypted, id: None, origin };
        answer(origin, vec![thought, Content::text("So.")], Finish::Stop)
    });
}

#[test]
fn finish_reasons_and_usage() {
    let usage = Usage {
        input_tokens: 100,
        cached_input_tokens: 60,
        cache_write_5m_tokens: 10,
        output_tokens: 50,
        reasoning_tokens: 30,
        ..Usage::default()
    };
    answers("length_and_usage", |origin| {
        let said = answer(origin, vec![Content::text("Cut h")], Finish::Length);
        Answer { usage: Some(usage), ..said }
    });
    answers("filter", |origin| answer(origin, vec![Content::text("")], Finish::ContentFilter));
}

#[test]
fn errors() {
    let mut shown = String::new();
    for status in [400, 401, 404, 429, 500, 503, 529] {
        for format in Format::ALL {
            let error = ApiError::new(status, "What to do next.").with_code("some_code");
            let body = String::from_utf8(encode_error(format, &error)).unwrap();
            writeln!(shown, "{status} {}: {body}", format.name()).unwrap();
        }
    }
    expect_file!["matrix/errors.txt"].assert_eq(&shown);
}
