//! Providers that say the same in other events than OpenAI does, and clients of the API's first years.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use expect_test::{Expect, expect};
use std::fmt::Write as _;
use tierway_wire::neutral::{Answer, Collector, Content};
use tierway_wire::splice::Fields;
use tierway_wire::{
    Context, EncodeOptions, Format, StreamDecoder, StreamEncoder, decode_answer, decode_request, encode_answer,
    encode_request, grammar,
};

fn context() -> Context {
    Context { request_id: "r1".to_owned(), ..Context::default() }
}

/// A stream of these events, as the answer that it makes up; what a Messages client would see of it keeps to its grammar.
fn collected(format: Format, events: &[&str]) -> Answer {
    let stream: String = events.iter().map(|data| format!("data: {data}\n\n")).collect();
    let (mut decoder, mut read) = (StreamDecoder::new(format, &context()), Vec::new());
    decoder.push(stream.as_bytes(), &mut read).unwrap();
    decoder.end(&mut read);
    let (mut encoder, mut out) = (StreamEncoder::new(Format::AnthropicMessages, format, &context()), Vec::new());
    read.iter().for_each(|event| encoder.push(event, &mut out));
    assert_eq!(grammar::breaches(Format::AnthropicMessages, &out), Vec::<String>::new());
    let mut collector = Collector::new(format);
    read.iter().for_each(|event| collector.push(event));
    collector.finish().unwrap()
}

fn said(answer: &Answer) -> String {
    let mut said = String::new();
    for part in &answer.choices[0].parts {
        match &part.content {
            Content::Text { text, citations } => write!(said, "text {text:?} {}", citations.as_deref().unwrap_or("")),
            Content::Refusal(text) => write!(said, "refusal {text:?}"),
            Content::Reasoning { text, encrypted, id, .. } => write!(said, "reasoning {text:?} {encrypted:?} {id:?}"),
            Content::ToolCall { id, name, arguments, .. } => write!(said, "call {id} {name}({arguments})"),
            other => write!(said, "{other:?}"),
        }
        .unwrap();
        said.push('\n');
    }
    write!(said, "{:?}, {} {}", answer.choices[0].finish, answer.id, answer.model).unwrap();
    said
}

const MESSAGE: &str = r#"{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"Look.","annotations":[{"type":"url_citation","url":"u"}]},{"type":"refusal","refusal":"No."}]}"#;
const THOUGHT: &str =
    r#"{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm."}],"encrypted_content":"E"}"#;
const CALL: &str = r#"{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\"a\":1}"}"#;

fn closing() -> String {
    format!(
        r#"{{"type":"response.completed","response":{{"id":"resp_1","model":"m","status":"completed","output":[{THOUGHT},{MESSAGE},{CALL}]}}}}"#
    )
}

/// Servers that send only part of the events: all of them make up the same answer.
#[test]
fn a_responses_stream_is_read_whichever_events_carry_it() {
    let want = expect![[r#"
        reasoning "Hm." Some("E") Some("rs_1")
        text "Look." [{"type":"url_citation","url":"u"}]
        refusal "No."
        call c1 f({"a":1})
        ToolCalls, resp_1 m"#]];
    let created = r#"{"type":"response.created","response":{"id":"resp_1","model":"m"}}"#.to_owned();
    let item = |kind: &str, place: u32, item: &str| {
        format!(r#"{{"type":"response.output_item.{kind}","output_index":{place},"item":{item}}}"#)
    };
    let begun = |place: u32, kind: &str| {
        item("added", place, &format!(r#"{{"type":"{kind}","id":"rs_1","call_id":"c1","name":"f"}}"#))
    };
    let done = [item("done", 0, THOUGHT), item("done", 1, MESSAGE), item("done", 2, CALL)];
    let part = r#"{"type":"response.content_part.done","output_index":1,"content_index":0,"part":{"type":"output_text","text":"Look.","annotations":[{"type":"url_citation","url":"u"}]}}"#;
    let pieces = [
        r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"delta":"Hm."}"#,
        r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"Lo"}"#,
        r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"ok."}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":2,"delta":"{\"a\":1}"}"#,
    ]
    .map(str::to_owned);
    let begun = [begun(0, "reasoning"), begun(1, "message"), begun(2, "function_call")];
    let streams: [(&str, Vec<String>); 6] = [
        ("the closing event alone", vec![]),
        ("and that it began", vec![created.clone()]),
        ("items when they are whole", [std::slice::from_ref(&created), &done[..]].concat()),
        ("a begin of each, then items", [std::slice::from_ref(&created), &begun[..], &done[..]].concat()),
        ("a part, the rest at the end", [std::slice::from_ref(&created), &begun[..1], &[part.to_owned()]].concat()),
        ("all of it", [&[created], &begun[..], &pieces[..], &[part.to_owned()], &done[..]].concat()),
    ];
    for (name, events) in streams {
        let last = closing();
        let events: Vec<&str> = events.iter().map(String::as_str).chain([last.as_str()]).collect();
        let answer = collected(Format::OpenaiResponses, &events);
        // Blocks are numbered as they begin; what came only at the end stands behind what came before.
        let (mut lines, finish): (Vec<String>, Vec<String>) =
            said(&answer).lines().map(str::to_owned).partition(|line| !line.starts_with("ToolCalls"));
        let place =
            |line: &String| ["reasoning", "text", "refusal", "call"].iter().position(|kind| line.starts_with(kind));
        lines.sort_by_key(place);
        want.assert_eq(&[lines, finish].concat().join("\n"));
        assert_eq!(answer.choices[0].parts.len(), 4, "{name}");
    }
}

#[track_caller]
fn check(answer: &Answer, want: &Expect) {
    want.assert_eq(&said(answer));
}

#[test]
fn the_call_of_the_first_years_is_a_call() {
    let whole = br#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{\"a\":1}"}},"finish_reason":"function_call"}]}"#;
    let want = expect![[r#"
        call call_r1_0 f({"a":1})
        ToolCalls, c m"#]];
    check(&decode_answer(Format::OpenaiChat, whole, &context()).unwrap(), &want);
    let chunk = |delta: &str, finish: &str| {
        format!(r#"{{"id":"c","model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#)
    };
    let chunks = [
        chunk(r#"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":""}}"#, "null"),
        chunk(r#"{"function_call":{"arguments":"{\"a\""}}"#, "null"),
        chunk(r#"{"function_call":{"arguments":":1}"}}"#, "null"),
        chunk("{}", "\"function_call\""),
        "[DONE]".to_owned(),
    ];
    check(&collected(Format::OpenaiChat, &chunks.each_ref().map(String::as_str)), &want);
}

#[test]
fn a_client_of_the_first_years_reads_its_call() {
    let body = br#"{"model":"auto","functions":[{"name":"f","parameters":{"type":"object"}}],"function_call":"auto","messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"one"},{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"two"}]}"#;
    let request = decode_request(Format::OpenaiChat, &Fields::parse(body).unwrap()).unwrap();
    let sent = encode_request(Format::AnthropicMessages, &request, &EncodeOptions::new("m")).unwrap();
    expect![[r#"{"model":"m","max_tokens":8192,"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"tool_use","id":"f","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"f","content":[{"type":"text","text":"one"}]}]},{"role":"assistant","content":[{"type":"tool_use","id":"f_1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"f_1","content":[{"type":"text","text":"two"}]}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}"#]]
    .assert_eq(&String::from_utf8(sent.body).unwrap());

    let context = Context { legacy_functions: true, ..context() };
    let answer = br#"{"id":"m","model":"c","content":[{"type":"text","text":"Look."},{"type":"tool_use","id":"t","name":"f","input":{"a":1}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":1}}"#;
    let answer = decode_answer(Format::AnthropicMessages, answer, &context).unwrap();
    let whole = String::from_utf8(encode_answer(Format::OpenaiChat, &answer, &context)).unwrap();
    let from = whole.find("\"choices\"").unwrap();
    expect![[r#""choices":[{"index":0,"message":{"role":"assistant","content":"Look.","refusal":null,"function_call":{"name":"f","arguments":"{\"a\":1}"}},"logprobs":null,"finish_reason":"function_call"}]"#]]
        .assert_eq(whole[from..].split(",\"usage\"").next().unwrap());
    let (mut encoder, mut out) =
        (StreamEncoder::new(Format::OpenaiChat, Format::AnthropicMessages, &context), Vec::new());
    answer.events().iter().for_each(|event| encoder.push(event, &mut out));
    assert_eq!(grammar::breaches(Format::OpenaiChat, &out), Vec::<String>::new());
    let out = String::from_utf8(out).unwrap();
    let deltas: Vec<&str> =
        out.lines().filter_map(|line| line.split_once("\"delta\":").map(|(_, rest)| rest)).collect();
    expect![[r#"
        {"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}
        {"content":"Look."},"logprobs":null,"finish_reason":null}]}
        {"function_call":{"name":"f","arguments":""}},"logprobs":null,"finish_reason":null}]}
        {"function_call":{"arguments":"{\"a\":1}"}},"logprobs":null,"finish_reason":null}]}
        {},"logprobs":null,"finish_reason":"function_call"}]}"#]]
    .assert_eq(&deltas.join("\n"));
}

/// Clients of Messages run tools on `tool_use` only.
#[test]
fn a_call_that_ends_with_stop_is_a_call() {
    let call = r#"[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]"#;
    let streamed = collected(
        Format::OpenaiChat,
        &[
            &format!(r#"{{"id":"a","model":"m","choices":[{{"index":0,"delta":{{"tool_calls":{call}}}}}]}}"#),
            r#"{"id":"a","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            "[DONE]",
        ],
    );
    let whole = format!(
        r#"{{"id":"a","model":"m","choices":[{{"index":0,"message":{{"tool_calls":{call}}},"finish_reason":"stop"}}]}}"#
    );
    let whole = decode_answer(Format::OpenaiChat, whole.as_bytes(), &context()).unwrap();
    for answer in [streamed, whole] {
        let message = encode_answer(Format::AnthropicMessages, &answer, &context());
        let message: serde_json::Value = serde_json::from_slice(&message).unwrap();
        assert_eq!(message["stop_reason"], "tool_use", "{message}");
    }
}
