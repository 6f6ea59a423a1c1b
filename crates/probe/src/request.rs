//! A request of a client: read as each API, written for each provider.

use crate::{assert_json, format_and_rest};
use tierway_wire::{EncodeOptions, adapt, decode_request, encode_error, encode_request, outline, tokens};

/// A request as a client sends it: a byte that chooses the API, then the body.
pub fn probe(bytes: &[u8]) {
    let Some((choice, format, body)) = format_and_rest(bytes) else { return };
    let _ = tierway_wire::embeddings::outline(body);
    let _ = tierway_wire::anthropic::outline_to_count(body);
    let read = outline(format, body);
    let (outline, fields) = match read {
        Ok(read) => read,
        Err(refused) => return assert_json(&encode_error(format, &refused.into())),
    };
    assert_eq!(fields.apply(&[]), body, "a body that nobody changed came out changed");
    let _ = tokens::estimate_outline(&outline);
    let options = EncodeOptions { include_usage: choice & 0x40 != 0, ..EncodeOptions::new("m") };
    if let Ok((edits, _)) = adapt(format, &fields, &options) {
        assert_json(&fields.apply(&edits));
    }
    let Ok(neutral) = decode_request(format, &fields) else { return };
    for to in tierway_wire::Format::ALL {
        if let Ok(encoded) = encode_request(to, &neutral, &options) {
            assert_json(&encoded.body);
        }
    }
}
