//! Server-sent events, cut anywhere.
//!
//! [`Events`] takes bytes as they arrive and gives whole events. It holds at most one unfinished event, of a stated size.
//! Source: WHATWG HTML, section 9.2 "Server-sent events".

use bytes::{Buf, BytesMut};
use std::borrow::Cow;

/// An event larger than this is taken for garbage: no provider sends one (images travel as links or in whole answers).
pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// Splits a byte stream into events.
#[derive(Debug, Default)]
pub struct Events {
    held: BytesMut,
    /// Bytes of `held` that were searched for an end already.
    searched: usize,
}

/// One event as its raw lines, without the empty line that ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a>(&'a [u8]);

/// The stream carries something that can be no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream carries an event of more than {MAX_EVENT_BYTES} bytes")]
pub struct EventTooLong;

impl Events {
    /// Takes the next bytes and calls `each` for every event that is now whole. Comments alone are no events.
    ///
    /// # Errors
    /// When an unfinished event grows beyond [`MAX_EVENT_BYTES`].
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Event<'_>)) -> Result<(), EventTooLong> {
        let mut rest = bytes;
        // The common case: nothing held, events whole in the chunk, so nothing is copied.
        if self.held.is_empty() {
            while let Some((event, after)) = split(rest, 0) {
                if event.0.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
                    each(event);
                }
                rest = after;
            }
            self.held.extend_from_slice(rest);
            self.searched = rest.len().saturating_sub(3);
            return self.bounded();
        }
        self.held.extend_from_slice(rest);
        while let Some((event, after)) = split(&self.held, self.searched) {
            let used = self.held.len() - after.len();
            if event.0.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
                each(event);
            }
            self.held.advance(used);
            self.searched = 0;
        }
        self.searched = self.held.len().saturating_sub(3);
        self.bounded()
    }

    /// Bytes of an event whose end has not come. Not empty at the end of a stream means that it was cut.
    #[must_use]
    pub fn unfinished(&self) -> &[u8] {
        &self.held
    }

    fn bounded(&self) -> Result<(), EventTooLong> {
        if self.held.len() > MAX_EVENT_BYTES { Err(EventTooLong) } else { Ok(()) }
    }
}

/// The first event and what follows its empty line; `searched` bytes are known to hold no end.
fn split(bytes: &[u8], searched: usize) -> Option<(Event<'_>, &[u8])> {
    let mut at = searched;
    loop {
        at += memchr::memchr2(b'\n', b'\r', &bytes[at..])?;
        let first = line_end(&bytes[at..])?;
        match bytes.get(at + first) {
            Some(b'\n' | b'\r') => {
                let second = line_end(&bytes[at + first..])?;
                return Some((Event(&bytes[..at]), &bytes[at + first + second..]));
            }
            Some(_) => at += first,
            None => return None,
        }
    }
}

/// Length of the line end that starts here; none when a lone `\r` may still become `\r\n`.
fn line_end(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\r', b'\n', ..] => Some(2),
        [b'\r'] => None,
        _ => Some(1),
    }
}

impl<'a> Event<'a> {
    /// Its lines as they came, without the empty line that ends it.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.0
    }

    /// The value of the `event:` line.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        self.fields().find(|(field, _)| *field == b"event").and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// All `data:` lines joined by line feeds. Empty for a comment.
    #[must_use]
    pub fn data(&self) -> Cow<'a, [u8]> {
        // Nearly all events of most APIs are one line.
        if let Some(line) = self.0.strip_prefix(b"data: ").filter(|line| memchr::memchr2(b'\n', b'\r', line).is_none())
        {
            return Cow::Borrowed(line);
        }
        let mut lines = self.fields().filter(|(field, _)| *field == b"data").map(|(_, value)| value);
        let first = lines.next().unwrap_or_default();
        match lines.next() {
            None => Cow::Borrowed(first),
            Some(second) => {
                let mut joined = [first, second].join(&b'\n');
                for line in lines {
                    joined.push(b'\n');
                    joined.extend_from_slice(line);
                }
                Cow::Owned(joined)
            }
        }
    }

    fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        // A mark of the byte order may stand before the first line of a stream.
        let lines = self.0.strip_prefix(b"\xef\xbb\xbf").unwrap_or(self.0);
        lines.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()).map(|line| {
            let colon = memchr::memchr(b':', line).unwrap_or(line.len());
            let value = line.get(colon + 1..).unwrap_or_default();
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the text in pieces of every size; the events must not depend on where it was cut.
    #[track_caller]
    fn check(text: &str, want: &[(Option<&str>, &str)]) {
        for size in 1..=text.len() {
            let (mut events, mut got) = (Events::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                events
                    .push(piece, |event| {
                        got.push((
                            event.name().map(str::to_owned),
                            String::from_utf8(event.data().into_owned()).unwrap(),
                        ));
                    })
                    .unwrap();
            }
            let got: Vec<_> = got.iter().map(|(name, data)| (name.as_deref(), data.as_str())).collect();
            assert_eq!(got, want, "in pieces of {size}");
        }
    }

    #[test]
    fn events_are_whole_wherever_the_bytes_are_cut() {
        check("data: {\"ä\":1}\n\ndata:[DONE]\n\n", &[(None, "{\"ä\":1}"), (None, "[DONE]")]);
        check(
            "event: ping\r\ndata: a\r\ndata: b\r\n\r\n: note\n\ndata: c\n\n",
            &[(Some("ping"), "a\nb"), (None, ""), (None, "c")],
        );
        check("\u{feff}data: a\n\ndata: \u{feff}b\n\n", &[(None, "a"), (None, "\u{feff}b")]);
        check("\n\ndata: x\n\ndata: cut", &[(None, "x")]);
    }
}
