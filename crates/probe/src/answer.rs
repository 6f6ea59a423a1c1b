//! A whole answer or an error of a provider: read as each API, written for each client.

use crate::{assert_json, context, format_and_rest, is_json};
use tierway_decide::dispatch::ErrorReply;
use tierway_wire::{Format, decode_answer, decode_error, encode_answer, encode_error};

/// A whole answer or error of a provider: a byte that chooses the API, then the body.
pub fn probe(bytes: &[u8]) {
    let Some((choice, format, body)) = format_and_rest(bytes) else { return };
    let context = context(choice);
    let error = decode_error(format, 400, body);
    let kind = ErrorReply::read(429, body).kind(None);
    assert!(!kind.name().is_empty());
    if let Some(facts) = tierway_wire::openai_chat::Facts::read(body) {
        let _ = facts.usage();
        let priced = facts.usage_json.and_then(|usage| tierway_wire::with_cost(body, usage, "0.5", "{}"));
        // In a stream it may be no JSON: it goes through as it came, with the cost in it.
        if let Some(priced) = priced.filter(|_| is_json(body)) {
            assert_json(&priced);
        }
    }
    let answer = decode_answer(format, body, &context);
    for client in Format::ALL {
        assert_json(&encode_error(client, &error));
        if let Ok(answer) = &answer {
            assert_json(&encode_answer(client, answer, &context));
        }
    }
}
