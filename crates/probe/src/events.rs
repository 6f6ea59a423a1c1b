//! Server-sent events: cut anywhere they are the same events.

use crate::pieces;
use tierway_wire::sse::Events;

type Event = (Option<String>, Vec<u8>);

/// Server-sent events: a byte that says where they are cut, then the stream.
pub fn probe(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let (whole, left) = read([rest].into_iter());
    let (cut, left_of_cut) = read(pieces(*choice, rest));
    assert_eq!(whole, cut, "cut in pieces, other events came out");
    assert_eq!(left, left_of_cut);
    for (_, data) in &whole {
        assert!(data.len() <= rest.len(), "more came out than went in");
    }
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Vec<u8>) {
    let (mut events, mut seen) = (Events::default(), Vec::new());
    for piece in pieces {
        let pushed =
            events.push(piece, |event| seen.push((event.name().map(str::to_owned), event.data().into_owned())));
        if pushed.is_err() {
            break;
        }
    }
    (seen, events.unfinished().to_vec())
}
