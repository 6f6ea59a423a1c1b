//! Events of a stream that differ from the one before in nothing but their text.
//!
//! Nearly all of a stream is such events, so a relay need not read them: two comparisons and a look for the end of the
//! string tell that reading would find the same as it found last time. Refuses to guess: whatever is not the same byte for
//! byte has to be read. Knows no API: what is kept is the caller's to choose.

use crate::json::{string_length, unescape};
use std::borrow::Cow;

/// What stands around the text of an event that was read.
#[derive(Debug, Default)]
pub struct Repeats {
    /// Up to the text's opening quote; empty: nothing is kept.
    before: Vec<u8>,
    /// From its closing quote on.
    after: Vec<u8>,
}

impl Repeats {
    /// JSON text of the text of an event that says nothing else than the one [kept](Self::keep) last; it is not empty.
    #[must_use]
    pub fn text_json<'d>(&self, data: &'d [u8]) -> Option<&'d str> {
        let opened = self.before.len().checked_sub(1)?;
        let rest = data.strip_prefix(&*self.before)?;
        let length = string_length(rest).filter(|length| *length > 0)?;
        let same = rest[length..] == *self.after;
        same.then(|| std::str::from_utf8(&data[opened..=opened + length + 1]).ok()).flatten()
    }

    /// The text of such an event.
    #[must_use]
    pub fn text<'d>(&self, data: &'d [u8]) -> Option<Cow<'d, str>> {
        self.text_json(data).map(|json| unescape(&json[1..json.len() - 1]))
    }

    /// Keeps what stands around `text_json`, a string that is a part of `data`, where text is all that this event says.
    pub fn keep(&mut self, data: &[u8], text_json: &str) {
        let opened = text_json.as_ptr().addr().wrapping_sub(data.as_ptr().addr());
        let parts = data.get(..=opened).zip(data.get((opened + text_json.len()).saturating_sub(1)..));
        let Some((before, after)) = parts.filter(|_| text_json.starts_with('"')) else { return };
        self.before.clear();
        self.before.extend_from_slice(before);
        self.after.clear();
        self.after.extend_from_slice(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neutral::Event;
    use crate::openai_chat::Facts;
    use crate::{Context, DecodeError, Format, StreamDecoder};

    fn kept(first: &str) -> Repeats {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.text_json(first.as_bytes()), None);
        if let Some(text) = Facts::read(first.as_bytes()).unwrap().only_text() {
            repeats.keep(first.as_bytes(), text);
        }
        repeats
    }

    fn chunk(text: &str, more: &str) -> String {
        format!(r#"{{"id":"a","choices":[{{"delta":{{"content":{text}}},"finish_reason":null}}]{more}}}"#)
    }

    /// What is known of the second chunk once the first was read.
    #[track_caller]
    fn check(first: &str, second: &str, want: Option<&str>) {
        assert_eq!(kept(first).text_json(second.as_bytes()), want, "{second}");
        if want.is_some() {
            let [first, second] = [first, second].map(|chunk| Facts::read(chunk.as_bytes()).unwrap());
            assert_eq!(Facts { text_json: None, ..first }, Facts { text_json: None, ..second });
            assert_eq!(second.text_json, want);
        }
    }

    #[test]
    fn only_text_may_differ() {
        let first = chunk(r#""Hel""#, "");
        for text in [r#""lo""#, r#""ä \"b\" \\""#, r#"" ""#] {
            check(&first, &chunk(text, ""), Some(text));
        }
        for text in [r#""""#, "null", r#"["x"]"#, r#""x","refusal":"no""#, r#""x\""#] {
            check(&first, &chunk(text, ""), None);
        }
        check(&first, &chunk(r#""lo""#, r#","usage":{"prompt_tokens":1}"#), None);
        check(&first, &first.replace("null", "\"stop\""), None);
        check(&first, &first[..first.len() - 1], None);
        check(&first, "[DONE]", None);
    }

    #[test]
    fn a_chunk_that_says_more_is_not_kept() {
        let usage = chunk(r#""x""#, r#","usage":{"prompt_tokens":1}"#);
        for first in [&usage, &chunk(r#""x","tool_calls":[{}]"#, ""), &chunk(r#""x","audio":{"id":"a"}"#, "")] {
            check(first, first, None);
        }
        check(&chunk("null", ""), &chunk("null", ""), None);
        check(&chunk(r#""""#, ""), &chunk(r#""""#, ""), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_not_taken_for_some() {
        let first = chunk(r#""Hel""#, "");
        let broken: Vec<u8> = first.bytes().map(|byte| if byte == b'H' { 0xff } else { byte }).collect();
        assert_eq!(kept(&first).text_json(&broken), None);
    }

    /// Deltas of one block of a Messages stream, each read anew (after a ping nothing is a repeat) or not.
    fn deltas(texts: &[&str], read_anew: bool) -> Result<Vec<Event>, DecodeError> {
        let mut decoder = StreamDecoder::new(Format::AnthropicMessages, &Context::default());
        let mut heard = Vec::new();
        let mut say = |json: &str| decoder.push(format!("data: {json}\n\n").as_bytes(), &mut heard);
        for index in 0..2 {
            let start = r#","content_block":{"type":"text","text":""}}"#;
            say(&format!(r#"{{"type":"content_block_start","index":{index}{start}"#))?;
            for text in texts {
                let delta = format!(r#""delta":{{"type":"text_delta","text":{text}}}"#);
                say(&format!(r#"{{"type":"content_block_delta","index":{index},{delta}}}"#))?;
                if read_anew {
                    say(r#"{"type":"ping"}"#)?;
                }
            }
            say(&format!(r#"{{"type":"content_block_stop","index":{index}}}"#))?;
            // The block is closed: what still comes for it is nobody's.
            let late = r#""delta":{"type":"text_delta","text":"late"}}"#;
            say(&format!(r#"{{"type":"content_block_delta","index":{index},{late}"#))?;
        }
        Ok(heard)
    }

    #[test]
    fn a_message_is_the_same_whether_its_deltas_are_read_or_repeated() {
        let texts = [r#""Hel""#, r#""lo""#, r#""ä\n\u00e4 \"x\"""#, r#""""#, r#"" ""#];
        let heard = deltas(&texts, false).unwrap();
        assert_eq!(heard, deltas(&texts, true).unwrap());
        assert_eq!(heard.len(), 2 * (2 + 4));
        for broken in [r#""\x""#, "\"\u{1}\""] {
            assert!(deltas(&[r#""a""#, broken], false).is_err(), "{broken}");
        }
    }
}
