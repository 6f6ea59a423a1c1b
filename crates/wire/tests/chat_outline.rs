//! What the outline of a Chat Completions request holds, and how bad requests are refused.

use expect_test::{Expect, expect};
use tierway_wire::openai_chat::outline;

#[track_caller]
fn check(body: &str, want: &Expect) {
    let said = match outline(body.as_bytes()) {
        Err(error) => format!("{}: {error}", error.param.as_deref().unwrap_or("-")),
        Ok((outline, fields)) => {
            assert_eq!(fields.apply(&[]), body.as_bytes(), "the bytes stay as they came");
            let turns: Vec<String> =
                outline.turns.iter().map(|turn| format!("{:?} {:?}", turn.role, turn.parts)).collect();
            let tools: Vec<String> = outline.tools.iter().map(|tool| format!("{}/{}", tool.name, tool.bytes)).collect();
            format!(
                "{} stream {} usage {} tools {tools:?} forced {} {:?} max {:?} n {} effort {:?} user {:?} meta {:?} bound {}\n{}",
                outline.requested_model,
                outline.stream,
                outline.usage_wanted,
                outline.tool_forced,
                outline.output,
                outline.max_output_tokens,
                outline.answers,
                outline.effort.as_deref(),
                outline.user.as_deref(),
                outline.metadata,
                outline.bound_to_model,
                turns.join("\n"),
            )
        }
    };
    want.assert_eq(&said);
}

/// A request whose one message is given.
#[track_caller]
fn check_message(message: &str, want: &Expect) {
    check(&format!(r#"{{"model":"auto","messages":[{{"role":"user","content":"a"}},{message}]}}"#), want);
}

/// A request with one more top-level field.
#[track_caller]
fn check_field(field: &str, want: &Expect) {
    check(&format!(r#"{{"model":"auto","messages":[{{"role":"user","content":"a"}}],{field}}}"#), want);
}

#[test]
fn everything_that_routing_reads() {
    check(
        r#"{"model":"auto","stream":true,"stream_options":{"include_usage":true,"x":1},"n":2,"max_completion_tokens":50,
        "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},{"type":"custom","custom":{"name":"c"}},{"type":"web_search"}],
        "tool_choice":{"type":"function","function":{"name":"f"}},"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{}}},
        "reasoning_effort":"low","user":"u","safety_identifier":"s","metadata":{"team":"a","n":1},"unknown":{"deep":[[[1]]]},
        "messages":[{"role":"developer","content":"Be brief."},
        {"role":"user","name":"ann","content":[{"type":"text","text":"Grüße\n\ud83d\ude00"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}},{"type":"input_audio","input_audio":{"data":"","format":"wav"}},{"type":"file","file":{"file_id":"f"}}]},
        {"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1.0}"}}]},
        {"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"42"}]},
        {"role":"assistant","content":"","refusal":"no","reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}]}"#,
        &expect![[r#"
            auto stream true usage true tools ["f/74", "c/39", "web_search/21"] forced true JsonSchema max Some(50) n 2 effort Some("low") user Some("s") meta [("team", "a")] bound true
            System [Text("Be brief.")]
            User [Text("Grüße\n😀"), Image, Audio, File]
            Assistant [Reasoning("hm"), ToolCall { name: "f", arguments: "{\"a\":1.0}" }]
            Tool [ToolResult { text: "42", is_error: false }]
            Assistant [Text(""), Refusal("no")]"#]],
    );
}

#[test]
fn lax_where_nothing_depends_on_it() {
    check_field(
        r#""temperature":9,"logit_bias":[],"stop":{},"tools":[],"n":null,"stream":null,"user":7,"max_tokens":3.0"#,
        &expect![[r#"
        auto stream false usage false tools [] forced false Text max Some(3) n 1 effort None user None meta [] bound false
        User [Text("a")]"#]],
    );
    check_message(
        r#"{"role":"assistant","content":null}"#,
        &expect![[r#"
        auto stream false usage false tools [] forced false Text max None n 1 effort None user None meta [] bound false
        User [Text("a")]
        Assistant []"#]],
    );
    check_message(
        r#"{"role":"user","content":""}"#,
        &expect![[r#"
        auto stream false usage false tools [] forced false Text max None n 1 effort None user None meta [] bound false
        User [Text("a")]
        User [Text("")]"#]],
    );
}

#[test]
fn bad_requests_are_told_what_to_mend() {
    check("", &expect!["-: the body is not a JSON object: EOF while parsing a value at line 1 column 0"]);
    check(
        "[]",
        &expect!["-: the body is not a JSON object: invalid type: sequence, expected an object at line 1 column 0"],
    );
    check(
        r#"{"model":"a","messages":[{"role":"user","content":"x"}]"#,
        &expect!["-: the body is not a JSON object: EOF while parsing an object at line 1 column 55"],
    );
    check(
        r#"{"messages":[{"role":"user","content":"x"}]}"#,
        &expect!["model: `model` is missing: name `auto`, a tier or a model; GET /v1/models lists what there is"],
    );
    check(r#"{"model":7,"messages":[]}"#, &expect!["model: `model` has to be a string, not a number"]);
    check(r#"{"model":"","messages":[]}"#, &expect!["model: `model` must not be empty"]);
    check(r#"{"model":"a","model":"b","messages":[]}"#, &expect!["model: the field `model` is given twice"]);
    check(r#"{"model":"a"}"#, &expect!["messages: `messages` is missing: an array with at least one message"]);
    check(r#"{"model":"a","messages":[]}"#, &expect!["messages: `messages` must hold at least one message"]);
    check(
        r#"{"model":"a","messages":{"role":"user"}}"#,
        &expect!["messages: `messages` has to be an array, not an object"],
    );
}

#[test]
fn bad_messages_are_named_by_their_path() {
    check_message(
        r#"{"role":"user","content":"harmless","content":"patient file"}"#,
        &expect!["content: the field `content` is given twice"],
    );
    check_message("\"hello\"", &expect!["messages[1]: `messages[1]` has to be an object, not a string"]);
    check_message("{}", &expect![[r#"messages[1].role: `messages[1].role` is missing: say who speaks, as in "user""#]]);
    check_message(
        r#"{"role":"boss","content":"x"}"#,
        &expect![
            "messages[1].role: `messages[1].role` has to be `system`, `developer`, `user`, `assistant`, `tool` or `function`"
        ],
    );
    check_message(
        r#"{"role":"user"}"#,
        &expect!["messages[1].content: `messages[1].content` is missing: a string or an array of content parts"],
    );
    check_message(
        r#"{"role":"tool","content":null}"#,
        &expect!["messages[1].content: `messages[1].content` is missing: a string or an array of content parts"],
    );
    check_message(
        r#"{"role":"user","content":5}"#,
        &expect![
            "messages[1].content: `messages[1].content` has to be a string or an array of content parts, not a number"
        ],
    );
    check_message(
        r#"{"role":"user","content":[]}"#,
        &expect!["messages[1].content: `messages[1].content` must hold at least one part"],
    );
    check_message(
        r#"{"role":"user","content":["x"]}"#,
        &expect!["messages[1].content[0]: `messages[1].content[0]` has to be an object, not a string"],
    );
    check_message(
        r#"{"role":"user","content":[{"text":"x"}]}"#,
        &expect!["messages[1].content[0].type: `messages[1].content[0].type` is missing: `text`, most often"],
    );
    check_message(
        r#"{"role":"user","content":[{"type":"txt","text":"x"}]}"#,
        &expect![
            "messages[1].content[0].type: `messages[1].content[0].type` has to be `text`, `image_url`, `input_audio`, `file` or `refusal`"
        ],
    );
    check_message(
        r#"{"role":"user","content":[{"type":"text","text":null}]}"#,
        &expect!["messages[1].content[0].text: `messages[1].content[0].text` is missing: the part's text"],
    );
    check_message(
        r#"{"role":"user","content":[{"type":"image_url","image_url":{}}]}"#,
        &expect![
            "messages[1].content[0].image_url.url: `messages[1].content[0].image_url.url` is missing: a link or a data URL"
        ],
    );
    check_message(
        r#"{"role":"assistant","tool_calls":{}}"#,
        &expect!["messages[1].tool_calls: `messages[1].tool_calls` has to be an array, not an object"],
    );
    check_message(
        r#"{"role":"assistant","tool_calls":[{"id":"1","type":"function"}]}"#,
        &expect![
            "messages[1].tool_calls[0].function: `messages[1].tool_calls[0].function` is missing: an object with the call's `name` and arguments"
        ],
    );
    check_message(
        r#"{"role":"assistant","tool_calls":[{"function":{"arguments":"{}"}}]}"#,
        &expect![
            "messages[1].tool_calls[0].function.name: `messages[1].tool_calls[0].function.name` is missing: the tool's name"
        ],
    );
}

#[test]
fn bad_fields_are_named() {
    check_field(r#""stream":"yes""#, &expect!["stream: `stream` has to be a boolean, not a string"]);
    check_field(
        r#""stream_options":{"include_usage":true}"#,
        &expect!["stream_options: `stream_options` is only allowed when `stream` is true"],
    );
    check_field(
        r#""stream":true,"stream_options":{"include_usage":1}"#,
        &expect!["stream_options.include_usage: `stream_options.include_usage` has to be a boolean, not a number"],
    );
    check_field(r#""n":0"#, &expect!["n: `n` has to be a whole number from 1 to 128, not 0"]);
    check_field(r#""n":1.5"#, &expect!["n: `n` has to be a whole number from 1 to 128, not 1.5"]);
    check_field(
        r#""max_tokens":"5""#,
        &expect!["max_tokens: `max_tokens` has to be a whole number of at least 1, not a string"],
    );
    check_field(
        r#""max_tokens":-1"#,
        &expect!["max_tokens: `max_tokens` has to be a whole number of at least 1, not -1"],
    );
    check_field(
        r#""max_tokens":999999999999"#,
        &expect!["max_tokens: `max_tokens` has to be a whole number from 1 to 4294967295, not 999999999999"],
    );
    check_field(
        r#""max_tokens":5,"max_completion_tokens":5"#,
        &expect!["max_tokens: `max_tokens` and `max_completion_tokens` exclude each other; keep the second"],
    );
    check_field(r#""tools":{}"#, &expect!["tools: `tools` has to be an array, not an object"]);
    check_field(
        r#""tools":[{"function":{"name":"f"}}]"#,
        &expect!["tools[0].type: `tools[0].type` is missing: `function`, most often"],
    );
    check_field(
        r#""tools":[{"type":"function","function":{}}]"#,
        &expect!["tools[0].function.name: `tools[0].function.name` is missing: the tool's name"],
    );
    check_field(
        r#""tools":[{"type":"function","function":{"name":""}}]"#,
        &expect!["tools[0].function.name: `tools[0].function.name` must not be empty"],
    );
    check_field(
        r#""tool_choice":"maybe""#,
        &expect!["tool_choice: `tool_choice` has to be `none`, `auto`, `required` or an object that names a tool"],
    );
    check_field(
        r#""tool_choice":{}"#,
        &expect!["tool_choice.type: `tool_choice.type` is missing: `function`, most often"],
    );
    check_field(
        r#""response_format":"json""#,
        &expect!["response_format: `response_format` has to be an object, not a string"],
    );
    check_field(
        r#""response_format":{"type":"yaml"}"#,
        &expect!["response_format.type: `response_format.type` has to be `text`, `json_object` or `json_schema`"],
    );
    check_field(
        r#""response_format":{"type":"json_schema"}"#,
        &expect![
            "response_format.json_schema: `response_format.json_schema` is missing: give an object with `name` and `schema`"
        ],
    );
    check_field(r#""temperature":"hot""#, &expect!["temperature: `temperature` has to be a number, not a string"]);
    check_field(r#""metadata":[]"#, &expect!["metadata: `metadata` has to be an object, not an array"]);
    check_field(
        r#""reasoning_effort":3"#,
        &expect!["reasoning_effort: `reasoning_effort` has to be a string, not a number"],
    );
}
