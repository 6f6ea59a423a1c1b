//! A stream of a provider: cut anywhere it says the same, and what is written for each client can be read.

use crate::{assert_json, context, format_and_rest, pieces};
use tierway_wire::neutral::Event;
use tierway_wire::sse::Events;
use tierway_wire::{Context, Format, StreamDecoder, StreamEncoder};

/// A stream of a provider: a byte that chooses the API, one that says where it is cut, then the stream.
pub fn probe(bytes: &[u8]) {
    let Some((choice, format, rest)) = format_and_rest(bytes) else { return };
    let Some((cut, rest)) = rest.split_first() else { return };
    let context = context(choice);
    let (events, whole) = decode(format, [rest].into_iter(), &context);
    let (of_pieces, ended) = decode(format, pieces(*cut, rest), &context);
    assert_eq!(events, of_pieces, "cut in pieces, other events came out");
    assert_eq!(whole, ended);
    for client in Format::ALL {
        let mut encoder = StreamEncoder::new(client, format, &context);
        let mut written = Vec::new();
        events.iter().for_each(|event| encoder.push(event, &mut written));
        assert_readable(client, &written);
    }
}

/// What it says, and whether it was read to its end.
fn decode<'a>(format: Format, pieces: impl Iterator<Item = &'a [u8]>, context: &Context) -> (Vec<Event>, bool) {
    let mut decoder = StreamDecoder::new(format, context);
    let mut events = Vec::new();
    for piece in pieces {
        if decoder.push(piece, &mut events).is_err() {
            return (events, false);
        }
    }
    decoder.end(&mut events);
    (events, true)
}

#[track_caller]
fn assert_readable(client: Format, written: &[u8]) {
    if client == Format::OllamaChat {
        return written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(assert_json);
    }
    let mut events = Events::default();
    let pushed = events.push(written, |event| {
        let data = event.data();
        if !data.is_empty() && &*data != b"[DONE]" {
            assert_json(&data);
        }
    });
    assert!(pushed.is_ok() && events.unfinished().is_empty(), "half an event:\n{}", String::from_utf8_lossy(written));
}
