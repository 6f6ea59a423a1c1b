//! The grammar checkers see what is wrong with a stream; what is right is covered by every stream of the other tests.

use expect_test::{Expect, expect};
use tierway_wire::Format::{self, AnthropicMessages, OpenaiChat, OpenaiResponses};
use tierway_wire::grammar::breaches;

/// One event a line: the name, when there is one, stands before a space and the data.
#[track_caller]
fn check(format: Format, events: &[&str], want: &Expect) {
    let mut stream = String::new();
    for event in events {
        match event.split_once(' ').filter(|(name, _)| !name.starts_with(['{', '['])) {
            Some((name, data)) => stream.push_str(&format!("event: {name}\ndata: {data}\n\n")),
            None => stream.push_str(&format!("data: {event}\n\n")),
        }
    }
    want.assert_eq(&breaches(format, stream.as_bytes()).join("\n"));
}

const ROLE: &str = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
const STOP: &str = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

#[test]
fn chat_streams() {
    check(OpenaiChat, &[ROLE, STOP, "[DONE]"], &expect![]);
    check(OpenaiChat, &[ROLE, "[DONE]", STOP], &expect!["event 2: something follows [DONE]"]);
    check(
        OpenaiChat,
        &[STOP, ROLE],
        &expect![[r#"
        event 0: the first delta names the role
        event 1: nothing follows a finish reason
        event 1: the role is named once
        event 2: the stream ends without [DONE]"#]],
    );
    check(OpenaiChat, &[ROLE, r#"{"error":{"message":"cut"}}"#], &expect![]);
    let tool = r#"{"id":"d","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{"}}]}}]}"#;
    check(
        OpenaiChat,
        &[ROLE, tool, STOP, "[DONE]"],
        &expect![[r#"
        event 1: all chunks have one id
        event 1: tool call indexes rise by one
        event 1: `finish_reason` is there, null at first"#]],
    );
}

#[test]
fn messages_streams() {
    let start = r#"message_start {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"x","content":[],"stop_reason":null,"usage":{"input_tokens":1}}}"#;
    let block =
        r#"content_block_start {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let delta =
        r#"content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#;
    let stop = r#"content_block_stop {"type":"content_block_stop","index":0}"#;
    let end = r#"message_delta {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":1}}"#;
    let last = r#"message_stop {"type":"message_stop"}"#;
    check(AnthropicMessages, &[start, block, delta, stop, end, last], &expect![]);
    check(
        AnthropicMessages,
        &[start, block, block, delta, end, last],
        &expect![[r#"
        event 2: one block is open at a time
        event 2: indexes rise by one
        event 3: deltas belong to the open block
        event 4: all blocks are closed before message_delta"#]],
    );
    check(
        AnthropicMessages,
        &[delta, stop, last, last],
        &expect![[r#"
        event 0: message_start comes first
        event 0: no block is open
        event 1: message_start comes first
        event 1: no block is open
        event 2: message_start comes first
        event 2: a stop reason comes before message_stop
        event 3: something follows message_stop"#]],
    );
    let thought = r#"content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"a"}}"#;
    check(
        AnthropicMessages,
        &[start, block, thought, stop, end],
        &expect![[r#"
        event 2: a `text` block gets no such delta
        event 5: the stream ends without message_stop"#]],
    );
}

#[test]
fn responses_streams() {
    let created = r#"response.created {"type":"response.created","sequence_number":0,"response":{"id":"r"}}"#;
    let text = r#"response.output_text.delta {"type":"response.output_text.delta","sequence_number":3,"item_id":"i","output_index":0,"delta":"a"}"#;
    let last = r#"response.completed {"type":"response.completed","sequence_number":2,"response":{"status":"failed","output":[1]}}"#;
    check(
        OpenaiResponses,
        &[created, text, last],
        &expect![[r#"
        event 0: the response is in progress
        event 0: `object` is `response`
        event 0: time and model are there
        event 0: the response has `error`
        event 0: the response has `incomplete_details`
        event 0: the response has `instructions`
        event 0: the response has `metadata`
        event 0: the response has `output`
        event 0: the response has `parallel_tool_calls`
        event 0: the response has `temperature`
        event 0: the response has `tool_choice`
        event 0: the response has `tools`
        event 0: the response has `top_p`
        event 1: sequence numbers rise by one from 0
        event 1: response.created and response.in_progress come first
        event 2: the response has an id
        event 2: `object` is `response`
        event 2: time and model are there
        event 2: the response has `error`
        event 2: the response has `incomplete_details`
        event 2: the response has `instructions`
        event 2: the response has `metadata`
        event 2: the response has `parallel_tool_calls`
        event 2: the response has `temperature`
        event 2: the response has `tool_choice`
        event 2: the response has `tools`
        event 2: the response has `top_p`
        event 2: the status is the event's
        event 2: the response repeats all items
        event 2: the response has usage"#]],
    );
}
