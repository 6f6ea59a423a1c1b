//! What a relay has to know of an answer or of one chunk of it, found without decoding it.
//!
//! One walk over the bytes that skips strings; nothing is allocated and nothing is copied.

use super::usage::usage;
use crate::json::{Cursor, unescape};
use crate::tokens::Tally;
use crate::{ServiceTier, Usage};
use std::borrow::Cow;

/// The decisive parts of a `chat.completion` body or of one stream chunk's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The `[DONE]` mark.
    pub is_done: bool,
    /// `choices` holds at least one choice.
    pub has_choices: bool,
    /// The highest number of a choice, plus one.
    pub choices: u32,
    /// Text, refusal, reasoning, sound or a tool call came.
    pub has_content: bool,
    /// A tool call came.
    pub has_tool_call: bool,
    /// A refusal came.
    pub has_refusal: bool,
    /// Sound came.
    pub has_audio: bool,
    /// JSON text of the first text that came.
    pub text_json: Option<&'a str>,
    /// JSON text of the first reasoning or refusal that came.
    pub other_json: Option<&'a str>,
    /// JSON text of the first calls of tools that came.
    pub calls_json: Option<&'a str>,
    /// The id of the answer, the same in all its chunks.
    pub id: Option<&'a str>,
    /// The first finish reason that is not null.
    pub finish: Option<&'a str>,
    /// How many choices have a finish reason.
    pub finished: u32,
    /// JSON text of the usage object, when there is one.
    pub usage_json: Option<&'a str>,
    /// JSON text of the error, when there is one.
    pub error_json: Option<&'a str>,
    /// The model that answers.
    pub model: Option<&'a str>,
    /// The service tier that was really used.
    pub service_tier: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Reads the data of one event, or a whole body. None when it is not a JSON object (and not `[DONE]`).
    #[must_use]
    pub fn read(data: &'a [u8]) -> Option<Self> {
        let mut facts = Facts::default();
        if data.trim_ascii() == b"[DONE]" {
            facts.is_done = true;
            return Some(facts);
        }
        let mut cursor = Cursor::new(std::str::from_utf8(data).ok()?);
        cursor.object(|key, cursor| match key {
            "choices" => cursor.array(|cursor| facts.choice(cursor)),
            "usage" => object_text(cursor, &mut facts.usage_json),
            // Groq's older streams carry usage in a field of their own.
            "x_groq" if cursor.peek() == Some(b'{') => cursor.object(|key, cursor| match key {
                "usage" if facts.usage_json.is_none() => object_text(cursor, &mut facts.usage_json),
                _ => cursor.skip().map(|_| ()),
            }),
            "error" => {
                let text = cursor.skip()?;
                facts.error_json = Some(text).filter(|text| *text != "null");
                Some(())
            }
            "id" => string_text(cursor, &mut facts.id),
            "model" => string_text(cursor, &mut facts.model),
            "service_tier" => string_text(cursor, &mut facts.service_tier),
            _ => cursor.skip().map(|_| ()),
        })?;
        Some(facts)
    }

    /// Usage as reported, under the service tier that this very body or chunk names.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let tier = self.service_tier.map_or(ServiceTier::Standard, ServiceTier::named);
        Some(self.usage_json.and_then(usage)?.under(tier))
    }

    /// The text that came; none for content in parts, which only whole answers have.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'a, str>> {
        Some(unescape(self.text_json?.strip_prefix('"')?.strip_suffix('"')?))
    }

    /// Counts what this chunk says; what is no text counts as a token.
    pub fn tally(&self, tally: &mut Tally) {
        let before = *tally;
        [self.text_json, self.other_json].into_iter().flatten().for_each(|json| tally.add_json(json));
        if let Some(calls) = self.calls_json {
            // What cannot be read is not counted.
            let _ = tally_calls(calls, tally);
        }
        if self.has_content && *tally == before {
            tally.add_one();
        }
    }

    /// JSON text of the text of a chunk that tells a relay nothing else: in what it says, not in who says it.
    #[must_use]
    pub fn only_text(&self) -> Option<&'a str> {
        let more = self.has_tool_call || self.has_refusal || self.has_audio || self.finished > 0;
        self.text_json.filter(|_| !more && self.usage_json.is_none() && self.error_json.is_none())
    }

    /// The chunk that says nothing but usage. A client that did not ask for it must not see it: clients index
    /// `choices[0]`.
    #[must_use]
    pub const fn is_usage_only(&self) -> bool {
        self.usage_json.is_some() && !self.has_choices
    }

    fn choice(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        self.has_choices = true;
        self.choices = self.choices.max(1);
        if cursor.peek()? != b'{' {
            return cursor.skip().map(|_| ());
        }
        cursor.object(|key, cursor| match key {
            "delta" | "message" if cursor.peek() == Some(b'{') => {
                cursor.object(|key, cursor| self.said(key, cursor.skip()?))
            }
            "text" => self.said("content", cursor.skip()?),
            "index" => {
                let index: u32 = cursor.skip()?.parse().unwrap_or_default();
                self.choices = self.choices.max(index.saturating_add(1));
                Some(())
            }
            "finish_reason" => {
                let mut reason = None;
                string_text(cursor, &mut reason)?;
                self.finished += u32::from(reason.is_some());
                self.finish = self.finish.or(reason);
                Some(())
            }
            _ => cursor.skip().map(|_| ()),
        })
    }

    fn said(&mut self, key: &str, value: &'a str) -> Option<()> {
        if matches!(value, "null" | "\"\"" | "[]" | "{}") {
            return Some(());
        }
        match key {
            "tool_calls" | "function_call" => {
                self.has_tool_call = true;
                self.calls_json = self.calls_json.or(Some(value));
            }
            "refusal" => {
                self.has_refusal = true;
                self.other_json = self.other_json.or(Some(value));
            }
            "audio" => self.has_audio = true,
            "content" => self.text_json = self.text_json.or(Some(value)),
            "reasoning_content" | "reasoning" => self.other_json = self.other_json.or(Some(value)),
            "reasoning_details" => {}
            _ => return Some(()),
        }
        self.has_content = true;
        Some(())
    }
}

/// Names and arguments of calls, or of the one call of the API's first years.
fn tally_calls(json: &str, tally: &mut Tally) -> Option<()> {
    let mut cursor = Cursor::new(json);
    if json.starts_with('{') {
        return tally_call(&mut cursor, tally);
    }
    cursor.array(|cursor| {
        cursor.object(|key, cursor| match key {
            "function" | "custom" => tally_call(cursor, tally),
            _ => cursor.skip().map(|_| ()),
        })
    })
}

fn tally_call(cursor: &mut Cursor<'_>, tally: &mut Tally) -> Option<()> {
    cursor.object(|key, cursor| {
        let value = cursor.skip()?;
        if matches!(key, "name" | "arguments" | "input") && value.starts_with('"') {
            tally.add_json(value);
        }
        Some(())
    })
}

fn object_text<'a>(cursor: &mut Cursor<'a>, into: &mut Option<&'a str>) -> Option<()> {
    let text = cursor.skip()?;
    if text.starts_with('{') {
        *into = Some(text);
    }
    Some(())
}

/// The inside of a string, escapes as they came: the words read here have none.
fn string_text<'a>(cursor: &mut Cursor<'a>, into: &mut Option<&'a str>) -> Option<()> {
    let text = cursor.skip()?;
    *into = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).or(*into);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(data: &str, want: &Expect) {
        let said = match Facts::read(data.as_bytes()) {
            None => "no object".to_owned(),
            Some(facts) => format!(
                "content {} tool {} finish {:?} usage {:?} error {:?} done {} usage-only {}",
                facts.has_content,
                facts.has_tool_call,
                facts.finish,
                facts.usage().map(|usage| (usage.input_tokens, usage.output_tokens)),
                facts.error_json,
                facts.is_done,
                facts.is_usage_only(),
            ),
        };
        want.assert_eq(&said);
    }

    #[test]
    fn what_a_chunk_says_is_counted() {
        for (delta, want) in [
            (r#"{"content":"hello there how are you"}"#, 5),
            (r#"{"content":null,"reasoning":"hello there how","reasoning_details":[{}]}"#, 3),
            (r#"{"refusal":"hello there how"}"#, 3),
            (
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}}]}"#,
                7,
            ),
            (r#"{"function_call":{"name":"weather","arguments":""}}"#, 1),
            (r#"{"audio":{"data":"AAAA"}}"#, 1),
            (r#"{"role":"assistant","content":""}"#, 0),
        ] {
            let mut tally = Tally::default();
            let chunk = format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#);
            Facts::read(chunk.as_bytes()).unwrap().tally(&mut tally);
            assert_eq!(tally.tokens(), want, "{delta}");
        }
    }

    #[test]
    fn a_chunk_says_what_came() {
        check(
            r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}"#,
            &expect!["content false tool false finish None usage None error None done false usage-only false"],
        );
        check(
            r#"{"choices":[{"index":0,"delta":{"content":"say \"usage\":{\"prompt_tokens\":9}} \\"},"finish_reason":null}]}"#,
            &expect!["content true tool false finish None usage None error None done false usage-only false"],
        );
        check(
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}, {"delta":{},"finish_reason":"tool_calls"}]}"#,
            &expect![[
                r#"content true tool true finish Some("tool_calls") usage None error None done false usage-only false"#
            ]],
        );
        check(
            r#"{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3}}"#,
            &expect!["content false tool false finish None usage Some((12, 3)) error None done false usage-only true"],
        );
        check(
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":{"prompt_tokens":1,"completion_tokens":2}}}"#,
            &expect![[
                r#"content false tool false finish Some("stop") usage Some((1, 2)) error None done false usage-only false"#
            ]],
        );
        check(
            r#"{"error":{"message":"overloaded"}}"#,
            &expect![[
                r#"content false tool false finish None usage None error Some("{\"message\":\"overloaded\"}") done false usage-only false"#
            ]],
        );
        check(
            " [DONE]",
            &expect!["content false tool false finish None usage None error None done true usage-only false"],
        );
        for garbage in ["", "null", "[1]", "{\"a\":", "{\"a\"", "\"x\""] {
            check(garbage, &expect!["no object"]);
        }
    }
}
