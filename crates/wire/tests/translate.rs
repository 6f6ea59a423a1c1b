//! What translation undoes, reorders and reports: stand-in tools, calls in turns, errors in mid-stream.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use expect_test::{Expect, expect};
use tierway_wire::neutral::{Answer, Collector, Content, Event, Finish};
use tierway_wire::splice::Fields;
use tierway_wire::{
    Context, EncodeOptions, Format, StreamDecoder, StreamEncoder, decode_answer, decode_request, encode_request,
    grammar,
};

fn context() -> Context {
    Context { request_id: "r1".to_owned(), ..Context::default() }
}

/// A provider's stream as events; it has ended.
fn read(format: Format, context: &Context, stream: &str) -> Vec<Event> {
    let (mut decoder, mut events) = (StreamDecoder::new(format, context), Vec::new());
    decoder.push(stream.as_bytes(), &mut events).unwrap();
    decoder.end(&mut events);
    events
}

fn written(to: Format, from: Format, events: &[Event]) -> String {
    let (mut encoder, mut out) = (StreamEncoder::new(to, from, &context()), Vec::new());
    events.iter().for_each(|event| encoder.push(event, &mut out));
    assert_eq!(grammar::breaches(to, &out), Vec::<String>::new());
    String::from_utf8(out).unwrap()
}

fn chunk(delta: &str, finish: &str) -> String {
    format!(r#"data: {{"id":"c","model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#)
        + "\n\n"
}

#[test]
fn the_tool_that_stood_in_for_a_schema_becomes_text_again() {
    let context = Context { structured_tool: Some("form".to_owned()), ..context() };
    let body = br#"{"id":"m","model":"c","content":[{"type":"tool_use","id":"t","name":"form","input":{"a":1.0}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":1}}"#;
    let whole = decode_answer(Format::AnthropicMessages, body, &context).unwrap();
    assert_eq!(whole.choices[0].parts[0].content, Content::text(r#"{"a":1.0}"#));
    assert_eq!(whole.choices[0].finish, Finish::Stop);
    let stream =
        chunk(r#"{"tool_calls":[{"index":0,"id":"t","function":{"name":"form","arguments":"{\"a\""}}]}"#, "null")
            + &chunk(r#"{"tool_calls":[{"index":0,"function":{"arguments":":1.0}"}}]}"#, "\"tool_calls\"")
            + "data: [DONE]\n\n";
    let mut collector = Collector::new(Format::OpenaiChat);
    read(Format::OpenaiChat, &context, &stream).iter().for_each(|event| collector.push(event));
    let streamed = collector.finish().unwrap();
    assert_eq!(streamed.choices[0], whole.choices[0]);
}

#[test]
fn a_tool_of_free_text_gets_its_text_back() {
    let context = Context { custom_tools: vec!["patch".to_owned()], ..context() };
    let stream =
        chunk(r#"{"tool_calls":[{"index":0,"id":"t","function":{"name":"patch","arguments":"{\"input\":"}}]}"#, "null")
            + &chunk(r#"{"tool_calls":[{"index":0,"function":{"arguments":"\"a\\nb\"}"}}]}"#, "\"tool_calls\"");
    let mut collector = Collector::new(Format::OpenaiChat);
    read(Format::OpenaiChat, &context, &stream).iter().for_each(|event| collector.push(event));
    let call = collector.finish().unwrap().choices[0].parts[0].content.clone();
    assert!(matches!(call, Content::ToolCall { custom: true, arguments, .. } if arguments == "a\nb"));
}

#[test]
fn calls_that_come_in_turns_stand_one_after_the_other_for_messages_clients() {
    let stream = chunk(r#"{"role":"assistant","content":"I look."}"#, "null")
        + &chunk(r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}]}"#, "null")
        + &chunk(r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"f","arguments":"{}"}}]}"#, "null")
        + &chunk(r#"{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}"#, "null")
        + &chunk("{}", "\"tool_calls\"")
        + "data: [DONE]\n\n";
    let events = read(Format::OpenaiChat, &context(), &stream);
    let out = written(Format::AnthropicMessages, Format::OpenaiChat, &events);
    let pieces: Vec<&str> = out.lines().filter(|line| line.contains("content_block_delta")).collect();
    let pieces: Vec<&str> =
        pieces.iter().filter_map(|line| line.split_once("\"index\":")).map(|(_, rest)| rest).collect();
    expect![[r#"
        0,"delta":{"type":"text_delta","text":"I look."}}
        1,"delta":{"type":"input_json_delta","partial_json":"{\"x\""}}
        1,"delta":{"type":"input_json_delta","partial_json":":1}"}}
        2,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#]]
    .assert_eq(&pieces.join("\n"));
    written(Format::OpenaiResponses, Format::OpenaiChat, &events);
}

/// The last event of each kind of client when the provider's stream fails.
#[track_caller]
fn check_failure(from: Format, stream: &str, want: &Expect) {
    let events = read(from, &context(), stream);
    let mut shown = Vec::new();
    for to in [Format::OpenaiChat, Format::OpenaiResponses, Format::AnthropicMessages] {
        let out = written(to, from, &events);
        let last = out.trim_end().rsplit("\n\n").next().unwrap().to_owned();
        shown.push(last.split("\"output\"").next().unwrap().to_owned());
    }
    want.assert_eq(&shown.join("\n"));
}

#[test]
fn errors_in_mid_stream_reach_every_client_in_its_own_shape() {
    let said = chunk(r#"{"role":"assistant","content":"Hel"}"#, "null");
    check_failure(
        Format::OpenaiChat,
        &said,
        &expect![[r#"
        data: {"error":{"message":"the provider's stream ended before the answer did","type":"server_error","param":null,"code":"stream_cut"}}
        event: response.failed
        data: {"type":"response.failed","sequence_number":5,"response":{"id":"c","object":"response","created_at":0,"status":"failed","error":{"code":"server_error","message":"the provider's stream ended before the answer did"},"incomplete_details":null,"model":"m",
        event: error
        data: {"type":"error","error":{"type":"api_error","message":"the provider's stream ended before the answer did"},"request_id":null}"#]],
    );
    let error = said + "data: {\"error\":{\"message\":\"Slow down.\",\"code\":\"rate_limit_exceeded\"}}\n\n";
    check_failure(
        Format::OpenaiChat,
        &error,
        &expect![[r#"
            data: {"error":{"message":"Slow down.","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}
            event: response.failed
            data: {"type":"response.failed","sequence_number":5,"response":{"id":"c","object":"response","created_at":0,"status":"failed","error":{"code":"rate_limit_exceeded","message":"Slow down."},"incomplete_details":null,"model":"m",
            event: error
            data: {"type":"error","error":{"type":"rate_limit_error","message":"Slow down."},"request_id":null}"#]],
    );
    let start = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"c\",\"usage\":{\"input_tokens\":1}}}\n\n";
    let overloaded =
        "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    check_failure(
        Format::AnthropicMessages,
        &format!("{start}{overloaded}"),
        &expect![[r#"
        data: {"error":{"message":"Overloaded","type":"overloaded_error","param":null,"code":"overloaded_error"}}
        event: response.failed
        data: {"type":"response.failed","sequence_number":2,"response":{"id":"m","object":"response","created_at":0,"status":"failed","error":{"code":"server_error","message":"Overloaded"},"incomplete_details":null,"model":"c",
        event: error
        data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":null}"#]],
    );
    check_failure(
        Format::OllamaChat,
        "{\"model\":\"l\",\"message\":{\"content\":\"a\"},\"done\":false}\n{\"error\":\"out of memory\"}\n",
        &expect![[r#"
        data: {"error":{"message":"out of memory","type":"server_error","param":null,"code":null}}
        event: response.failed
        data: {"type":"response.failed","sequence_number":5,"response":{"id":"resp_r1","object":"response","created_at":0,"status":"failed","error":{"code":"server_error","message":"out of memory"},"incomplete_details":null,"model":"l",
        event: error
        data: {"type":"error","error":{"type":"api_error","message":"out of memory"},"request_id":null}"#]],
    );
}

/// A whole answer and a stream of each provider with log probabilities of `a` and `b`: what clients of both of OpenAI's APIs
/// get, whole and streamed.
#[track_caller]
fn check_logprobs(from: Format, whole: &str, stream: &str, want: &Expect) {
    let context = context();
    let answer = decode_answer(from, whole.as_bytes(), &context).unwrap();
    let events = read(from, &context, stream);
    let mut collector = Collector::new(from);
    events.iter().for_each(|event| collector.push(event));
    let collected = collector.finish().unwrap();
    assert_eq!(collected.choices[0].logprobs, answer.choices[0].logprobs, "whole and stream say the same");
    let mut tokens = vec![answer.choices[0].logprobs.clone().unwrap()];
    for to in [Format::OpenaiChat, Format::OpenaiResponses] {
        let body = tierway_wire::encode_answer(to, &answer, &context);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let place =
            if to == Format::OpenaiChat { "/choices/0/logprobs/content" } else { "/output/0/content/0/logprobs" };
        tokens.push(body.pointer(place).unwrap().to_string());
        for events in [events.clone(), answer.events()] {
            let text = written(to, from, &events);
            let back = read(to, &context, &text);
            let mut collector = Collector::new(to);
            back.iter().for_each(|event| collector.push(event));
            assert_eq!(collector.finish().unwrap().choices[0].logprobs, answer.choices[0].logprobs, "{to:?}: {text}");
        }
    }
    want.assert_eq(&tokens.join("\n"));
}

#[test]
fn log_probabilities_arrive_whoever_gave_them() {
    let entry = |token: &str| format!(r#"{{"token":"{token}","logprob":-0.5,"bytes":[1],"top_logprobs":[]}}"#);
    let (a, b) = (entry("a"), entry("b"));
    check_logprobs(
        Format::OpenaiChat,
        &format!(r#"{{"choices":[{{"index":0,"message":{{"content":"ab"}},"logprobs":{{"content":[{a},{b}],"refusal":null}},"finish_reason":"stop"}}]}}"#),
        &[(&a, "a", "null"), (&b, "b", "\"stop\"")].map(|(odds, text, finish)| {
            format!("data: {{\"id\":\"c\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"logprobs\":{{\"content\":[{odds}],\"refusal\":null}},\"finish_reason\":{finish}}}]}}\n\n")
        }).concat(),
        &expect![[r#"
            {"content":[{"token":"a","logprob":-0.5,"bytes":[1],"top_logprobs":[]},{"token":"b","logprob":-0.5,"bytes":[1],"top_logprobs":[]}],"refusal":null}
            [{"token":"a","logprob":-0.5,"bytes":[1],"top_logprobs":[]},{"token":"b","logprob":-0.5,"bytes":[1],"top_logprobs":[]}]
            [{"token":"a","logprob":-0.5,"bytes":[1],"top_logprobs":[]},{"token":"b","logprob":-0.5,"bytes":[1],"top_logprobs":[]}]"#]],
    );
    check_logprobs(
        Format::OpenaiResponses,
        &format!(r#"{{"id":"r","model":"m","status":"completed","output":[{{"type":"message","role":"assistant","content":[{{"type":"output_text","text":"ab","annotations":[],"logprobs":[{a},{b}]}}]}}]}}"#),
        &[
            r#"{"type":"response.created","response":{"id":"r","model":"m"}}"#.to_owned(),
            format!(r#"{{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a","logprobs":[{a}]}}"#),
            format!(r#"{{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"b","logprobs":[{b}]}}"#),
            r#"{"type":"response.completed","response":{"status":"completed"}}"#.to_owned(),
        ].map(|data| format!("data: {data}\n\n")).concat(),
        &expect![[r#"
            {"content":[{"token":"a","logprob":-0.5,"bytes":[1],"top_logprobs":[]},{"token":"b","logprob":-0.5,"bytes":[1],"top_logprobs":[]}],"refusal":null}
            [{"token":"a","logprob":-0.5,"bytes":[1],"top_logprobs":[]},{"token":"b","logprob":-0.5,"bytes":[1],"top_logprobs":[]}]
            [{"token":"a","logprob":-0.5,"bytes":[1],"top_logprobs":[]},{"token":"b","logprob":-0.5,"bytes":[1],"top_logprobs":[]}]"#]],
    );
    let result = |tokens: &[&str]| {
        let list = tokens
            .iter()
            .map(|token| format!(r#"{{"token":"{token}","tokenId":7,"logProbability":-0.5}}"#))
            .collect::<Vec<_>>();
        let steps = list.iter().map(|token| format!(r#"{{"candidates":[{token}]}}"#)).collect::<Vec<_>>().join(",");
        format!(r#""logprobsResult":{{"chosenCandidates":[{}],"topCandidates":[{steps}]}}"#, list.join(","))
    };
    let candidate = |text: &str, odds: &str, finish: &str| {
        format!(
            r#"{{"responseId":"g","modelVersion":"m","candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}},{odds}{finish},"index":0}}]}}"#
        )
    };
    let stop = r#","finishReason":"STOP""#;
    check_logprobs(
        Format::Gemini,
        &candidate("ab", &result(&["a", "b"]), stop),
        &format!(
            "data: {}\n\ndata: {}\n\n",
            candidate("a", &result(&["a"]), ""),
            candidate("b", &result(&["b"]), stop)
        ),
        &expect![[r#"
            {"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":[97]}]},{"token":"b","logprob":-0.5,"bytes":[98],"top_logprobs":[{"token":"b","logprob":-0.5,"bytes":[98]}]}],"refusal":null}
            [{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":[97]}]},{"token":"b","logprob":-0.5,"bytes":[98],"top_logprobs":[{"token":"b","logprob":-0.5,"bytes":[98]}]}]
            [{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":[97]}]},{"token":"b","logprob":-0.5,"bytes":[98],"top_logprobs":[{"token":"b","logprob":-0.5,"bytes":[98]}]}]"#]],
    );
    let line = |text: &str, odds: &str, done: &str| {
        format!(
            r#"{{"model":"m","message":{{"role":"assistant","content":"{text}"}},"logprobs":[{odds}],"done":{done}}}"#
        )
    };
    check_logprobs(
        Format::OllamaChat,
        &line("ab", &format!("{a},{b}"), "true"),
        &format!("{}\n{}\n", line("a", &a, "false"), line("b", &b, "true")),
        &expect![[r#"
            {"content":[{"token":"a","logprob":-0.5,"bytes":[1],"top_logprobs":[]},{"token":"b","logprob":-0.5,"bytes":[1],"top_logprobs":[]}],"refusal":null}
            [{"token":"a","logprob":-0.5,"bytes":[1],"top_logprobs":[]},{"token":"b","logprob":-0.5,"bytes":[1],"top_logprobs":[]}]
            [{"token":"a","logprob":-0.5,"bytes":[1],"top_logprobs":[]},{"token":"b","logprob":-0.5,"bytes":[1],"top_logprobs":[]}]"#]],
    );
}

#[test]
fn a_tool_that_went_out_under_another_name_comes_back_under_its_own() {
    let long = format!("mcp__files__{}", "x".repeat(80));
    let body = format!(
        r#"{{"model":"auto","messages":[{{"role":"user","content":"a"}}],"tools":[{{"type":"custom","custom":{{"name":"{long}"}}}},{{"type":"function","function":{{"name":"a.b"}}}},{{"type":"function","function":{{"name":"a_b"}}}}],"tool_choice":{{"type":"function","function":{{"name":"a.b"}}}}}}"#
    );
    let request = decode_request(Format::OpenaiChat, &Fields::parse(body.as_bytes()).unwrap()).unwrap();
    let sent = encode_request(Format::AnthropicMessages, &request, &EncodeOptions::new("m")).unwrap();
    let names: Vec<&str> = sent.renamed_tools.iter().map(|(there, _)| there.as_str()).collect();
    expect![[r#"
        [
            "mcp__files__xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_b86f22e19d8edc22",
            "a_b_e61d99190466522c",
        ]
    "#]]
    .assert_debug_eq(&names);
    assert!(names.iter().all(|name| name.len() <= 64 && String::from_utf8_lossy(&sent.body).contains(name)));
    let (custom_tools, renamed_tools) = (sent.custom_tools.clone(), sent.renamed_tools.clone());
    let context = Context { custom_tools, renamed_tools, ..context() };
    for (there, (own, custom)) in names.iter().zip([(long.as_str(), true), ("a.b", false)]) {
        let body = format!(
            r#"{{"id":"m","model":"c","content":[{{"type":"tool_use","id":"t","name":"{there}","input":{{"input":"x"}}}}],"stop_reason":"tool_use"}}"#
        );
        let whole = decode_answer(Format::AnthropicMessages, body.as_bytes(), &context).unwrap();
        let Content::ToolCall { name, custom: is_custom, .. } = &whole.choices[0].parts[0].content else {
            panic!("a call");
        };
        assert_eq!((name.as_str(), *is_custom), (own, custom));
        let stream = written(Format::AnthropicMessages, Format::AnthropicMessages, &whole_again(&body).events());
        let mut collector = Collector::new(Format::AnthropicMessages);
        read(Format::AnthropicMessages, &context, &stream).iter().for_each(|event| collector.push(event));
        assert_eq!(collector.finish().unwrap().choices[0].parts[0], whole.choices[0].parts[0]);
    }
}

/// The answer as the model gave it.
fn whole_again(body: &str) -> Answer {
    decode_answer(Format::AnthropicMessages, body.as_bytes(), &context()).unwrap()
}

/// The notes of a whole answer, or of the chunks or events of a stream.
fn notes(to: Format, answer: &Answer, streamed: bool) -> String {
    let text = if streamed {
        written(to, answer.origin, &answer.events())
    } else {
        String::from_utf8(tierway_wire::encode_answer(to, answer, &context())).unwrap()
    };
    let notes = text.split(r#"{"type":"url_citation""#).skip(1).filter_map(|rest| rest.split('}').next());
    notes.map(str::to_owned).collect::<Vec<_>>().join("\n")
}

#[test]
fn links_that_an_answer_cites_are_told_in_the_clients_words() {
    let body = br#"{"id":"m","model":"c","content":[{"type":"text","text":"So: "},{"type":"text","text":"it rains","citations":[{"type":"web_search_result_location","url":"https://e.org","title":"E","encrypted_index":"x","cited_text":"rain"},{"type":"char_location","cited_text":"c","document_index":0}]}],"stop_reason":"end_turn"}"#;
    let answer = decode_answer(Format::AnthropicMessages, body, &context()).unwrap();
    let nested = r#","url_citation":{"start_index":4,"end_index":12,"url":"https://e.org","title":"E""#;
    let flat = r#","start_index":0,"end_index":8,"url":"https://e.org","title":"E""#;
    for streamed in [false, true] {
        assert_eq!(notes(Format::OpenaiChat, &answer, streamed), nested, "streamed {streamed}");
        // A Responses stream repeats what it said: the event, its part, its item, and the whole.
        let times = if streamed { 4 } else { 1 };
        assert_eq!(notes(Format::OpenaiResponses, &answer, streamed), [flat].repeat(times).join("\n"));
    }
}

/// The model has to read what its tools found, whatever form that has in the client's API.
#[test]
fn what_a_tool_found_arrives_in_every_api() {
    let body = br#"{"model":"auto","max_tokens":9,"messages":[{"role":"user","content":"x"},
        {"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[
            {"type":"document","source":{"type":"text","media_type":"text/plain","data":"all of it"}},
            {"type":"search_result","source":"https://a.example","title":"Moons","content":[{"type":"text","text":"Mars has two."}]}]}]}],
        "tools":[{"name":"f","input_schema":{"type":"object"}}]}"#;
    let request = decode_request(Format::AnthropicMessages, &Fields::parse(body).unwrap()).unwrap();
    for format in Format::ALL.into_iter().filter(|format| *format != Format::AnthropicMessages) {
        let encoded = encode_request(format, &request, &EncodeOptions::new("m")).unwrap();
        let text = String::from_utf8(encoded.body).unwrap();
        for part in ["all of it", "Moons", "https://a.example", "Mars has two."] {
            assert!(text.contains(part), "{format:?}: {part} is not in {text}");
        }
        assert!(encoded.adaptations.iter().all(|one| one.field != "provider_item"), "{:?}", encoded.adaptations);
    }
}
