//! Answers that verifiably do not do, whatever they say: empty, cut off, no JSON where JSON was asked for, tool arguments
//! that are no JSON. Judges form only; what an answer is worth is for evidence to say.

use serde::de::IgnoredAny;
use tierway_wire::neutral::{Choice, Content, Finish};
use tierway_wire::{Context, Format, Outline, OutputForm};

/// Whether a whole answer, as the client would get it, is broken for this request.
pub(crate) fn is_unfit(body: &[u8], client: Format, outline: &Outline<'_>) -> bool {
    // An answer that cannot be read was refused before it came here.
    let Ok(answer) = tierway_wire::decode_answer(client, body, &Context::default()) else { return false };
    answer.choices.is_empty() || answer.choices.iter().any(|choice| broken(choice, outline.output))
}

fn broken(choice: &Choice, wanted: OutputForm) -> bool {
    let (mut text, mut called, mut other) = (String::new(), false, false);
    for part in &choice.parts {
        match &part.content {
            Content::Text { text: more, .. } => text.push_str(more),
            Content::ToolCall { arguments, custom, .. } => {
                called = true;
                if !custom && !arguments.is_empty() && !is_json(arguments) {
                    return true;
                }
            }
            Content::Refusal(_) => other = true,
            Content::Reasoning { .. } => {}
            _ => other = true,
        }
    }
    if called || other || choice.finish == Finish::ContentFilter {
        return false;
    }
    match wanted {
        OutputForm::Text => text.trim().is_empty(),
        OutputForm::JsonObject | OutputForm::JsonSchema => !text.trim_start().starts_with('{') || !is_json(&text),
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, finish: &str, form: Option<&str>, want: bool) {
        let form = form.map(|form| format!(r#","response_format":{{"type":"{form}"}}"#)).unwrap_or_default();
        let request = format!(r#"{{"model":"auto","messages":[{{"role":"user","content":"x"}}]{form}}}"#);
        let (outline, _) = tierway_wire::openai_chat::outline(request.as_bytes()).unwrap();
        let body = format!(
            r#"{{"id":"a","object":"chat.completion","model":"m","choices":[{{"index":0,"message":{message},"finish_reason":"{finish}"}}]}}"#
        );
        assert_eq!(is_unfit(body.as_bytes(), Format::OpenaiChat, &outline), want, "{message}");
    }

    #[test]
    fn form_is_judged_and_nothing_else() {
        let said = |text: &str| format!(r#"{{"role":"assistant","content":{}}}"#, serde_json::json!(text));
        check(&said("no idea"), "stop", None, false);
        check(&said("  "), "stop", None, true);
        check(&said("{\"a\":1}"), "stop", Some("json_object"), false);
        check(&said("{\"a\":"), "length", Some("json_object"), true);
        check(&said("Sure! {\"a\":1}"), "stop", Some("json_object"), true);
        let call = |arguments: &str| {
            let call =
                serde_json::json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]);
            format!(r#"{{"role":"assistant","content":null,"tool_calls":{call}}}"#)
        };
        check(&call("{\"x\":1}"), "tool_calls", None, false);
        check(&call("{\"x\":"), "tool_calls", None, true);
        check(r#"{"role":"assistant","content":null,"refusal":"I will not"}"#, "stop", None, false);
    }
}
