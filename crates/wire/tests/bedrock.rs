//! What Bedrock's Converse API is asked, by the maker of the model, and what becomes of its streams, broken ones included.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use expect_test::{Expect, expect};
use std::fmt::Write as _;
use tierway_wire::neutral::Event;
use tierway_wire::{
    Context, EncodeOptions, Format, Reasoning, StreamDecoder, Structured, decode_answer, decode_request,
    encode_request, outline,
};

/// What a client's request becomes for this model, and what it loses on the way.
#[track_caller]
fn check(from: Format, body: &str, options: &EncodeOptions, want: &Expect) {
    let (_, fields) = outline(from, body.as_bytes()).unwrap();
    let request = decode_request(from, &fields).unwrap();
    let mut shown = String::new();
    match encode_request(Format::BedrockConverse, &request, options) {
        Err(error) => writeln!(shown, "refused: {error}").unwrap(),
        Ok(encoded) => {
            writeln!(shown, "{}", String::from_utf8(encoded.body).unwrap()).unwrap();
            for change in encoded.adaptations {
                writeln!(shown, "{:?} {}: {}", change.what, change.field, change.note).unwrap();
            }
        }
    }
    want.assert_eq(&shown);
}

fn of(model: &str) -> EncodeOptions {
    EncodeOptions { same_model: false, structured: Structured::ForcedTool, ..EncodeOptions::new(model) }
}

const NOVA: &str = "amazon.nova-2-lite-v1:0";
const CLAUDE: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
const LLAMA: &str = "meta.llama4-scout-17b-instruct-v1:0";
const MISTRAL: &str = "mistral.mistral-large-3-675b-instruct";

#[test]
fn reasoning_is_asked_for_in_the_words_of_the_maker() {
    let body =
        r#"{"model":"auto","reasoning_effort":"high","temperature":0.5,"messages":[{"role":"user","content":"Why?"}]}"#;
    check(
        Format::OpenaiChat,
        body,
        &of(NOVA),
        &expect![[r#"
        {"messages":[{"role":"user","content":[{"text":"Why?"}]}],"additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"high"}}}
        Dropped temperature: the model refuses it, or does while it thinks
    "#]],
    );
    check(
        Format::OpenaiChat,
        body,
        &EncodeOptions { reasoning_budget: true, ..of(CLAUDE) },
        &expect![[r#"
        {"messages":[{"role":"user","content":[{"text":"Why?"}]}],"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":16384}}}
        Dropped temperature: the model refuses it, or does while it thinks
    "#]],
    );
    check(
        Format::OpenaiChat,
        body,
        &of("anthropic.claude-opus-5"),
        &expect![[r#"
        {"messages":[{"role":"user","content":[{"text":"Why?"}]}],"outputConfig":{"effort":"high"},"additionalModelRequestFields":{"thinking":{"type":"adaptive"}}}
        Dropped temperature: the model refuses it, or does while it thinks
    "#]],
    );
    check(
        Format::OpenaiChat,
        body,
        &of("openai.gpt-oss-120b-1:0"),
        &expect![[r#"
        {"messages":[{"role":"user","content":[{"text":"Why?"}]}],"inferenceConfig":{"temperature":0.5},"additionalModelRequestFields":{"reasoning_effort":"high"}}
    "#]],
    );
    check(
        Format::OpenaiChat,
        body,
        &EncodeOptions { reasoning: Reasoning::None, ..of(LLAMA) },
        &expect![[r#"
        {"messages":[{"role":"user","content":[{"text":"Why?"}]}],"inferenceConfig":{"temperature":0.5}}
        Dropped reasoning_effort: this model does not reason
    "#]],
    );
    let limited =
        r#"{"model":"auto","reasoning_effort":"high","max_tokens":99,"messages":[{"role":"user","content":"Why?"}]}"#;
    check(
        Format::OpenaiChat,
        limited,
        &of(NOVA),
        &expect![[r#"
        {"messages":[{"role":"user","content":[{"text":"Why?"}]}],"inferenceConfig":{"maxTokens":99},"additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"medium"}}}
        Changed reasoning_effort: this model takes no output limit at high effort; asked for medium
    "#]],
    );
}

#[test]
fn tools_are_forced_where_the_maker_allows_it() {
    let body = r#"{"model":"auto","messages":[{"role":"user","content":"Go"}],"tool_choice":{"type":"function","function":{"name":"b"}},"tools":[{"type":"function","function":{"name":"a","parameters":{}}},{"type":"function","function":{"name":"b"}}]}"#;
    for (model, want) in [
        (
            NOVA,
            expect![[r#"
            {"messages":[{"role":"user","content":[{"text":"Go"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"a","inputSchema":{"json":{"type":"object"}}}},{"toolSpec":{"name":"b","inputSchema":{"json":{"type":"object","properties":{}}}}}],"toolChoice":{"tool":{"name":"b"}}}}
        "#]],
        ),
        (
            MISTRAL,
            expect![[r#"
            {"messages":[{"role":"user","content":[{"text":"Go"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"b","inputSchema":{"json":{"type":"object","properties":{}}}}}],"toolChoice":{"any":{}}}}
            Changed tool_choice: the model is forced to the one tool that is offered
        "#]],
        ),
        (
            LLAMA,
            expect![[r#"
            {"messages":[{"role":"user","content":[{"text":"Go"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"a","inputSchema":{"json":{"type":"object"}}}},{"toolSpec":{"name":"b","inputSchema":{"json":{"type":"object","properties":{}}}}}],"toolChoice":{"auto":{}}}}
            Changed tool_choice: the model cannot be forced to call a tool; it decides
        "#]],
        ),
    ] {
        check(Format::OpenaiChat, body, &of(model), &want);
    }
    let none = body.replace(r#"{"type":"function","function":{"name":"b"}},"tools""#, r#""none","tools""#);
    check(
        Format::OpenaiChat,
        &none,
        &of(NOVA),
        &expect![[r#"
        {"messages":[{"role":"user","content":[{"text":"Go"}]}]}
        Changed tool_choice: the API cannot forbid tools, so none are offered
    "#]],
    );
}

#[test]
fn earlier_calls_want_tools_beside_them() {
    let body = r#"{"model":"auto","messages":[{"role":"user","content":"Go"},{"role":"assistant","tool_calls":[{"id":"a very long id with blanks, which no provider gives but a client may have made up somewhere","type":"function","function":{"name":"a","arguments":""}}]},{"role":"tool","tool_call_id":"a very long id with blanks, which no provider gives but a client may have made up somewhere","content":"done"}]}"#;
    check(
        Format::OpenaiChat,
        body,
        &of(LLAMA),
        &expect![[r#"
        {"messages":[{"role":"user","content":[{"text":"Go"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"call_389540131f40c44e","name":"a","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"call_389540131f40c44e","content":[{"text":"done"}]}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"a","inputSchema":{"json":{"type":"object","properties":{}}}}}]}}
        Changed tools: the API wants tools beside earlier calls of them; their names stand there
    "#]],
    );
}

#[test]
fn a_schema_is_held_by_the_api_by_a_tool_or_not_at_all() {
    let body = r#"{"model":"auto","messages":[{"role":"user","content":"Go"}],"response_format":{"type":"json_schema","json_schema":{"name":"form","schema":{"type":"object"}}}}"#;
    check(
        Format::OpenaiChat,
        body,
        &EncodeOptions { structured: Structured::Native, ..of(CLAUDE) },
        &expect![[r#"
        {"messages":[{"role":"user","content":[{"text":"Go"}]}],"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\"}","name":"form"}}}}}
    "#]],
    );
    check(
        Format::OpenaiChat,
        body,
        &EncodeOptions { structured: Structured::Native, ..of(NOVA) },
        &expect![[r#"
        {"messages":[{"role":"user","content":[{"text":"Go"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"form","description":"Gives the final answer in the form that is wanted.","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"tool":{"name":"form"}}}}
        Changed response_format: the schema became a tool that the model has to call
    "#]],
    );
    check(
        Format::OpenaiChat,
        body,
        &of(LLAMA),
        &expect![[r#"
        refused: this target cannot take `response_format`: the model can neither be held to a schema nor forced to call a tool that has it
    "#]],
    );
}

#[test]
fn marks_pictures_and_documents_go_where_they_can() {
    let body = r#"{"model":"auto","max_tokens":9,"system":[{"type":"text","text":"Be.","cache_control":{"type":"ephemeral","ttl":"1h"}}],"tools":[{"name":"a","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},"title":"a.pdf"}]},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"a","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","is_error":true,"content":[{"type":"text","text":"no"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0K"}}],"cache_control":{"type":"ephemeral"}},{"type":"text","text":" "}]}]}"#;
    check(
        Format::AnthropicMessages,
        body,
        &of(CLAUDE),
        &expect![[r#"
        {"system":[{"text":"Be."},{"cachePoint":{"type":"default","ttl":"1h"}}],"messages":[{"role":"user","content":[{"document":{"format":"pdf","name":"a","source":{"bytes":"JVBERi0="}}},{"text":"See the document."}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"c","name":"a","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"text":"no"},{"image":{"format":"png","source":{"bytes":"iVBORw0K"}}}],"status":"error"}},{"cachePoint":{"type":"default"}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"a","inputSchema":{"json":{"type":"object"}}}},{"cachePoint":{"type":"default"}}]},"inferenceConfig":{"maxTokens":9}}
        Changed file.filename: Bedrock takes plain names, each once and without an ending
        Dropped messages: a turn that says nothing was left out, as the API refuses it
        Changed messages: the API takes a document beside a text only; a few words were added
    "#]],
    );
    check(
        Format::AnthropicMessages,
        body,
        &of(NOVA),
        &expect![[r#"
        {"system":[{"text":"Be."},{"cachePoint":{"type":"default"}}],"messages":[{"role":"user","content":[{"document":{"format":"pdf","name":"a","source":{"bytes":"JVBERi0="}}},{"text":"See the document."}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"c","name":"a","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"text":"no"},{"image":{"format":"png","source":{"bytes":"iVBORw0K"}}}],"status":"error"}},{"cachePoint":{"type":"default"}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"a","inputSchema":{"json":{"type":"object"}}}}]},"inferenceConfig":{"maxTokens":9}}
        Changed cache_control.ttl: this model's cache lives for five minutes
        Changed file.filename: Bedrock takes plain names, each once and without an ending
        Dropped messages: a turn that says nothing was left out, as the API refuses it
        Changed messages: the API takes a document beside a text only; a few words were added
        Dropped tools.cache_control: this model takes no marks behind tools
    "#]],
    );
    check(
        Format::AnthropicMessages,
        body,
        &of(LLAMA),
        &expect![[r#"
        {"system":[{"text":"Be."}],"messages":[{"role":"user","content":[{"document":{"format":"pdf","name":"a","source":{"bytes":"JVBERi0="}}},{"text":"See the document."}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"c","name":"a","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"text":"no"}]}},{"image":{"format":"png","source":{"bytes":"iVBORw0K"}}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"a","inputSchema":{"json":{"type":"object"}}}}]},"inferenceConfig":{"maxTokens":9}}
        Dropped cache_control: this model takes no marks
        Changed file.filename: Bedrock takes plain names, each once and without an ending
        Moved tool_result.content: pictures of tool results stand beside them
        Dropped tool_result.is_error: the model's results have no such field
        Dropped messages: a turn that says nothing was left out, as the API refuses it
        Changed messages: the API takes a document beside a text only; a few words were added
    "#]],
    );
    let link = r#"{"model":"auto","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.org/a.png"}}]}]}"#;
    check(
        Format::OpenaiChat,
        link,
        &of(NOVA),
        &expect![[r#"
        refused: this target cannot take `image_url`: Bedrock fetches no links; send it inline
    "#]],
    );
    let odd = link.replace("https://example.org/a.png", "data:image/tiff;base64,AAAA");
    check(
        Format::OpenaiChat,
        &odd,
        &of(NOVA),
        &expect![[r#"
        refused: this target cannot take `image_url`: Bedrock takes no image/tiff
    "#]],
    );
}

/// The neutral events of a stream, given as name and data of each of the provider's.
#[track_caller]
fn check_stream(events: &[(&str, &str)], want: &Expect) {
    let stream: String = events.iter().map(|(name, data)| format!("event: {name}\ndata: {data}\n\n")).collect();
    let context = Context { model: "nova".to_owned(), ..Context::default() };
    let (mut decoder, mut out) = (StreamDecoder::new(Format::BedrockConverse, &context), Vec::new());
    let read = decoder.push(stream.as_bytes(), &mut out);
    if read.is_ok() {
        decoder.end(&mut out);
    }
    let mut shown = String::new();
    for event in &out {
        match event {
            Event::Error(error) => {
                writeln!(shown, "Error {} {:?}: {}", error.status, error.code, error.message).unwrap();
            }
            Event::Usage(usage) => writeln!(
                shown,
                "Usage in {} read {} written {}+{} out {} {}",
                usage.input_tokens,
                usage.cached_input_tokens,
                usage.cache_write_5m_tokens,
                usage.cache_write_1h_tokens,
                usage.output_tokens,
                usage.service_tier.name(),
            )
            .unwrap(),
            event => writeln!(shown, "{event:?}").unwrap(),
        }
    }
    if let Err(error) = read {
        writeln!(shown, "broken: {error}").unwrap();
    }
    want.assert_eq(&shown);
}

const START: (&str, &str) = ("messageStart", r#"{"role":"assistant"}"#);

#[test]
fn streams_are_read_as_they_come() {
    check_stream(
        &[
            START,
            ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}},"p":"abc"}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"sig"}}}"#),
            ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"I look."}}"#),
            ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
            ("contentBlockStart", r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t","name":"a"}}}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{}"}}}"#),
            ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
            ("messageStop", r#"{"stopReason":"tool_use"}"#),
            (
                "metadata",
                r#"{"usage":{"inputTokens":5,"outputTokens":7,"totalTokens":132,"cacheReadInputTokens":20,"cacheWriteInputTokens":100,"cacheDetails":[{"ttl":"1h","inputTokens":60},{"ttl":"5m","inputTokens":40}]},"metrics":{"latencyMs":9},"serviceTier":{"type":"flex"}}"#,
            ),
        ],
        &expect![[r#"
            Start { id: "", model: "nova", usage: None }
            BlockStart { choice: 0, block: 0, kind: Reasoning { encrypted: None, id: None } }
            Delta { choice: 0, block: 0, delta: Reasoning("Hm") }
            Delta { choice: 0, block: 0, delta: Signature("sig") }
            BlockStop { choice: 0, block: 0 }
            BlockStart { choice: 0, block: 1, kind: Text }
            Delta { choice: 0, block: 1, delta: Text("I look.") }
            BlockStop { choice: 0, block: 1 }
            BlockStart { choice: 0, block: 2, kind: ToolCall { id: "t", name: "a", custom: false, signature: None } }
            Delta { choice: 0, block: 2, delta: Arguments("{}") }
            BlockStop { choice: 0, block: 2 }
            Finish { choice: 0, finish: ToolCalls }
            Usage in 125 read 20 written 40+60 out 7 flex
            Done
        "#]],
    );
}

#[test]
fn odd_streams_are_read_or_refused() {
    // Blocks that nobody closes, an end without usage, words that are not known.
    check_stream(
        &[
            START,
            ("contentBlockDelta", r#"{"contentBlockIndex":7,"delta":{"text":"a"}}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":9,"delta":{"toolUse":{"input":"{}"}}}"#),
            ("contentBlockDelta", r#"{"delta":{"text":"nowhere"}}"#),
            ("somethingNew", r#"{"x":[1]}"#),
            ("messageStop", r#"{"stopReason":"a_new_reason"}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":7,"delta":{"text":"too late"}}"#),
            ("messageStop", r#"{"stopReason":"max_tokens"}"#),
        ],
        &expect![[r#"
            Start { id: "", model: "nova", usage: None }
            BlockStart { choice: 0, block: 0, kind: Text }
            Delta { choice: 0, block: 0, delta: Text("a") }
            BlockStop { choice: 0, block: 0 }
            Finish { choice: 0, finish: Stop }
            Done
        "#]],
    );
    check_stream(
        &[START, ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"a"}}"#)],
        &expect![[r#"
        Start { id: "", model: "nova", usage: None }
        BlockStart { choice: 0, block: 0, kind: Text }
        Delta { choice: 0, block: 0, delta: Text("a") }
        Error 502 Some("stream_cut"): the provider's stream ended before the answer did
    "#]],
    );
    check_stream(
        &[START, ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"te"#)],
        &expect![[r#"
        Start { id: "", model: "nova", usage: None }
        broken: not valid JSON: EOF while parsing a string at line 1 column 35
    "#]],
    );
    check_stream(
        &[],
        &expect![[r#"
        Error 502 Some("stream_cut"): the provider's stream ended before the answer did
    "#]],
    );
}

#[test]
fn exceptions_in_a_stream_are_errors_with_a_status() {
    for (name, data, want) in [
        (
            "throttlingException",
            r#"{"message":"Too many requests"}"#,
            expect![[r#"
            Start { id: "", model: "nova", usage: None }
            Error 429 Some("throttlingException"): Too many requests
        "#]],
        ),
        (
            "serviceUnavailableException",
            r#"{"message":"Busy"}"#,
            expect![[r#"
            Start { id: "", model: "nova", usage: None }
            Error 503 Some("serviceUnavailableException"): Busy
        "#]],
        ),
        (
            "validationException",
            r#"{"message":"Bad"}"#,
            expect![[r#"
            Start { id: "", model: "nova", usage: None }
            Error 400 Some("validationException"): Bad
        "#]],
        ),
        (
            "internalServerException",
            "{}",
            expect![[r#"
            Start { id: "", model: "nova", usage: None }
            Error 500 Some("internalServerException"): the provider answered HTTP 500
        "#]],
        ),
        (
            "modelStreamErrorException",
            r#"{"message":"Broke","originalStatusCode":529}"#,
            expect![[r#"
            Start { id: "", model: "nova", usage: None }
            Error 529 Some("modelStreamErrorException"): Broke
        "#]],
        ),
        (
            "modelStreamErrorException",
            r#"{"message":"Broke"}"#,
            expect![[r#"
            Start { id: "", model: "nova", usage: None }
            Error 502 Some("modelStreamErrorException"): Broke
        "#]],
        ),
        (
            "someNewException",
            "no JSON",
            expect![[r#"
            Start { id: "", model: "nova", usage: None }
            broken: not valid JSON: expected ident at line 1 column 2
        "#]],
        ),
    ] {
        check_stream(&[START, (name, data), ("messageStop", r#"{"stopReason":"end_turn"}"#)], &want);
    }
}

#[test]
fn an_answer_without_a_message_is_none() {
    for (body, want) in [
        (r#"{"message":"Too many"}"#, Err("`output.message` is missing in the provider's answer")),
        (r#"{"output":{"message":{"role":"assistant"}},"stopReason":"end_turn"}"#, Ok(0)),
        (r#"{"output":{"message":{"role":"assistant","content":[{"text":"a"},{"newBlock":{}}]}}}"#, Ok(2)),
        ("[]", Err("`output.message` is missing in the provider's answer")),
    ] {
        let read = decode_answer(Format::BedrockConverse, body.as_bytes(), &Context::default());
        let read = read.map(|answer| answer.choices[0].parts.len()).map_err(|error| error.message);
        assert_eq!(read, want.map_err(str::to_owned), "{body}");
    }
}
