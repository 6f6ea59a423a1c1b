//! What an answer cost, in the usage object that every API we answer in calls `usage`: SDKs keep extra fields.

use crate::Format;
use crate::json::Cursor;
use crate::splice::{Edit, Fields};

/// The usage object of a whole answer, as JSON text.
#[must_use]
pub fn usage_in(answer: &[u8]) -> Option<&str> {
    Fields::parse(answer).ok()?.get("usage")
}

/// The usage object of an event that states the usage of a whole streamed answer, as JSON text; none in any other event.
/// Chat Completions have it in [`crate::openai_chat::Facts`].
#[must_use]
pub fn final_usage(format: Format, event: &[u8]) -> Option<&str> {
    let kind = kind(std::str::from_utf8(event).ok()?)?;
    let outer = match (format, kind) {
        (Format::AnthropicMessages, "message_delta") => event,
        (Format::OpenaiResponses, "response.completed" | "response.incomplete" | "response.failed") => {
            Fields::parse(event).ok()?.get("response")?.as_bytes()
        }
        _ => return None,
    };
    usage_in(outer)
}

/// The inside of the top-level `type`: the first field in nearly every event.
fn kind(text: &str) -> Option<&str> {
    let mut found = None;
    // The walk stops as soon as it is found: the closure then gives none, which ends it.
    let _ = Cursor::new(text).object(|key, cursor| {
        let value = cursor.skip()?;
        if key == "type" {
            found = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            return None;
        }
        Some(())
    });
    found
}

/// The body or event with `cost` (JSON text of a number, US dollars) and `cost_details` (JSON text of an object) set in
/// its usage object `usage`, a part of `data`; every other byte as it came. None when it lies elsewhere or is no object.
#[must_use]
pub fn with_cost(data: &[u8], usage: &str, cost: &str, details: &str) -> Option<Vec<u8>> {
    let start = (usage.as_ptr() as usize).checked_sub(data.as_ptr() as usize)?;
    let (before, after) = (data.get(..start)?, data.get(start + usage.len()..)?);
    let mut out = Vec::with_capacity(data.len() + cost.len() + details.len() + 32);
    out.extend_from_slice(before);
    if let Some(open) = appendable(usage) {
        for part in [open, ",\"cost\":", cost, ",\"cost_details\":", details, "}"] {
            out.extend_from_slice(part.as_bytes());
        }
    } else {
        let edits = [Edit::Set("cost", cost.into()), Edit::Set("cost_details", details.into())];
        out.extend_from_slice(&Fields::parse(usage.as_bytes()).ok()?.apply(&edits));
    }
    out.extend_from_slice(after);
    Some(out)
}

/// A usage object without its closing brace, when it surely names no cost yet, as nearly all do: it need not be read again.
fn appendable(usage: &str) -> Option<&str> {
    let open = usage.strip_suffix('}')?;
    (open.contains(':') && !open.contains("cost") && !open.contains('\\')).then_some(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priced(data: &str, usage: &str) -> Option<String> {
        with_cost(data.as_bytes(), usage, "0.5", "{}").map(|out| String::from_utf8(out).unwrap())
    }

    const COST: &str = r#""cost":0.5,"cost_details":{}"#;

    #[test]
    fn money_goes_into_usage_and_nothing_else_moves() {
        for body in [
            r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
            r#"{ "usage" : {"input_tokens":1} , "seed":9007199254740993,"x":1.0}"#,
        ] {
            let usage = usage_in(body.as_bytes()).unwrap();
            assert_eq!(priced(body, usage).unwrap(), body.replace(":1}", &format!(":1,{COST}}}")));
        }
        for (usage, want) in [
            ("{}", "{COST}"),
            ("{ }", "{COST }"),
            (r#"{"cost":9,"n":1}"#, r#"{"cost":0.5,"n":1,"cost_details":{}}"#),
            (r#"{"n":1,"c\u006fst":9}"#, r#"{"n":1,"c\u006fst":0.5,"cost_details":{}}"#),
            (r#"{"n":{"m":[]} }"#, r#"{"n":{"m":[]} ,COST}"#),
        ] {
            assert_eq!(priced(usage, usage).unwrap(), want.replace("COST", COST));
        }
        assert_eq!(priced("null", "null"), None);
        assert_eq!(priced("{}", &String::from("{}")), None, "it lies elsewhere");
    }

    #[test]
    fn the_usage_of_a_whole_stream_is_told_from_what_else_is_called_so() {
        for (format, event, want) in [
            (Format::AnthropicMessages, r#"{"type":"message_start","message":{"usage":{"n":1}},"usage":{}}"#, None),
            (Format::AnthropicMessages, r#"{"type":"message_delta","delta":{},"usage":{"n":1}}"#, Some(r#"{"n":1}"#)),
            (Format::AnthropicMessages, r#"{"type":"message_delta","delta":{}}"#, None),
            (Format::OpenaiResponses, r#"{"type":"response.created","response":{"usage":null}}"#, None),
            (
                Format::OpenaiResponses,
                r#"{"type":"response.completed","response":{"usage":{"n":1}}}"#,
                Some(r#"{"n":1}"#),
            ),
            (
                Format::OpenaiResponses,
                r#"{"response":{"usage":{"n":1}},"type":"response.incomplete"}"#,
                Some(r#"{"n":1}"#),
            ),
            (Format::OpenaiResponses, r#"{"type":"response.completed","usage":{}}"#, None),
            (Format::OpenaiResponses, "[DONE]", None),
        ] {
            assert_eq!(final_usage(format, event.as_bytes()), want, "{event}");
        }
    }
}
