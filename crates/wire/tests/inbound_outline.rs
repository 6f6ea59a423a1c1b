//! Outlines of Messages and Responses requests, and how bad ones are refused.

use expect_test::{Expect, expect};
use tierway_wire::Format::{self, AnthropicMessages, OpenaiResponses};
use tierway_wire::outline;

#[track_caller]
fn check(format: Format, body: &str, want: &Expect) {
    let said = match outline(format, body.as_bytes()) {
        Err(error) => error.to_string(),
        Ok((outline, _)) => {
            let turns: Vec<String> =
                outline.turns.iter().map(|turn| format!("\n{:?} {:?}", turn.role, turn.parts)).collect();
            let tools: Vec<&str> = outline.tools.iter().map(|tool| tool.name.as_ref()).collect();
            format!(
                "stream {} tools {tools:?} forced {} {:?} max {:?} effort {:?} user {:?} bound {}{}",
                outline.stream,
                outline.tool_forced,
                outline.output,
                outline.max_output_tokens,
                outline.effort,
                outline.user,
                outline.bound_to_model,
                turns.concat(),
            )
        }
    };
    want.assert_eq(&said);
}

#[test]
fn a_messages_request() {
    check(
        AnthropicMessages,
        r#"{"model":"auto","max_tokens":9,"stream":true,"system":[{"type":"text","text":"Be brief."}],"metadata":{"user_id":"u"},
        "output_config":{"effort":"low","format":{"type":"json_schema","schema":{}}},"tool_choice":{"type":"any"},
        "tools":[{"name":"f","input_schema":{}},{"type":"web_search_20250305","name":"web_search"}],
        "messages":[{"role":"user","content":"a"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"tool_use","id":"1","name":"f","input":{"x":1.0}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"1","is_error":true,"content":[{"type":"text","text":"no"},{"type":"image","source":{}}]},{"type":"text","text":"b"}]}]}"#,
        &expect![[r#"
            stream true tools ["f", "web_search"] forced true JsonSchema max Some(9) effort Some("low") user Some("u") bound true
            System [Text("Be brief.")]
            User [Text("a")]
            Assistant [Reasoning("hm"), ToolCall { name: "f", arguments: "{\"x\":1.0}" }]
            Tool [ToolResult { text: "no", is_error: true }, Image]
            User [Text("b")]"#]],
    );
}

#[test]
fn bad_messages_requests() {
    let check = |rest: &str, want: &Expect| {
        check(AnthropicMessages, &format!(r#"{{"model":"auto","max_tokens":9,{rest}}}"#), want);
    };
    check(r#""messages":[]"#, &expect!["`messages` must hold at least one message"]);
    check(
        r#""messages":[{"role":"tool","content":"a"}]"#,
        &expect!["`messages[0].role` has to be `user` or `assistant`"],
    );
    check(
        r#""messages":[{"role":"user","content":[]}]"#,
        &expect!["`messages[0].content` must hold at least one block"],
    );
    check(
        r#""messages":[{"role":"user","content":[{"type":"text"}]}]"#,
        &expect!["`messages[0].content[0].text` is missing: this block needs it"],
    );
    check(
        r#""messages":[{"role":"user","content":[{"type":"image"}]}]"#,
        &expect!["`messages[0].content[0].source` is missing: an object of type `base64`, `url` or `file`"],
    );
    check(
        r#""messages":[{"role":"user","content":[{"type":"tool_result","content":"a"}]}]"#,
        &expect!["`messages[0].content[0].tool_use_id` is missing: the id of the call"],
    );
    check(
        r#""messages":[{"role":"user","content":"a","content":"b"}]"#,
        &expect!["the field `content` is given twice"],
    );
    check(
        r#""system":7,"messages":[{"role":"user","content":"a"}]"#,
        &expect!["`system` has to be a string or an array of text blocks, not a number"],
    );
    check(
        r#""tool_choice":{"type":"must"},"messages":[{"role":"user","content":"a"}]"#,
        &expect!["`tool_choice.type` has to be `auto`, `any`, `tool` or `none`"],
    );
    check_whole(
        r#"{"model":"auto","messages":[{"role":"user","content":"a"}]}"#,
        &expect!["`max_tokens` is missing: the most tokens to write; this API demands it"],
    );
    let counted = br#"{"model":"auto","messages":[{"role":"user","content":"a"}]}"#;
    assert!(tierway_wire::anthropic::outline_to_count(counted).is_ok());
}

#[track_caller]
fn check_whole(body: &str, want: &Expect) {
    check(AnthropicMessages, body, want);
}

#[test]
fn a_responses_request() {
    check(
        OpenaiResponses,
        r#"{"model":"auto","instructions":"Be brief.","stream":true,"reasoning":{"effort":"high"},"max_output_tokens":9,"user":"u",
        "text":{"format":{"type":"json_schema","name":"n","schema":{}}},"tool_choice":{"type":"function","name":"f"},
        "tools":[{"type":"function","name":"f","parameters":{}},{"type":"web_search"}],
        "input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"x"}]},
        {"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"e"},
        {"type":"function_call","call_id":"1","name":"f","arguments":"{}"},
        {"type":"function_call_output","call_id":"1","output":"42"},
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"b"}]}]}"#,
        &expect![[r#"
            stream true tools ["f", "web_search"] forced true JsonSchema max Some(9) effort Some("high") user Some("u") bound true
            System [Text("Be brief.")]
            User [Text("a"), Image]
            Assistant [Reasoning("hm"), ToolCall { name: "f", arguments: "{}" }]
            Tool [ToolResult { text: "42", is_error: false }]
            Assistant [Text("b")]"#]],
    );
    check(
        OpenaiResponses,
        r#"{"model":"auto","input":"a"}"#,
        &expect![[r#"
        stream false tools [] forced false Text max None effort None user None bound false
        User [Text("a")]"#]],
    );
    check(
        OpenaiResponses,
        r#"{"model":"auto","previous_response_id":"r","input":[]}"#,
        &expect!["stream false tools [] forced false Text max None effort None user None bound true"],
    );
}

#[test]
fn bad_responses_requests() {
    let check = |rest: &str, want: &Expect| {
        check(OpenaiResponses, &format!(r#"{{"model":"auto",{rest}}}"#), want);
    };
    check(r#""stream":false"#, &expect!["`input` is missing: a string or an array of items"]);
    check(r#""input":[]"#, &expect!["`input` must hold at least one item"]);
    check(
        r#""input":[{"role":"boss","content":"a"}]"#,
        &expect!["`input[0].role` has to be `user`, `assistant`, `system` or `developer`"],
    );
    check(r#""input":[{"content":"a"}]"#, &expect!["`input[0].type` is missing: `message`, most often"]);
    check(
        r#""input":[{"role":"user","content":[{"type":"text_in","text":"a"}]}]"#,
        &expect![
            "`input[0].content[0].type` has to be `input_text`, `input_image`, `input_file`, `input_audio`, `output_text` or `refusal`"
        ],
    );
    check(
        r#""input":[{"type":"function_call_output","output":"a"}]"#,
        &expect!["`input[0].call_id` is missing: the id of the call"],
    );
    check(
        r#""input":"a","max_output_tokens":0"#,
        &expect!["`max_output_tokens` has to be a whole number of at least 1, not 0"],
    );
    check(
        r#""input":"a","text":{"format":{"type":"json_schema","name":"n"}}"#,
        &expect!["`text.format.schema` is missing: the JSON schema of the answer"],
    );
    check(r#""input":"a","tools":[{"type":"function"}]"#, &expect!["`tools[0].name` is missing: the tool's name"]);
}
