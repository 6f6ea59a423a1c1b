//! What a row may hold: texts that clients choose have a length, numbers a range.

use tierway_decide::{AttemptEnd, CallRecord};
use tierway_wire::{MOST_TOKENS, Usage};

/// The most bytes of any one text in a row; longer ones are cut. Ids of users and sessions are hashes or addresses.
pub const MOST_TEXT_BYTES: usize = 200;

/// Cuts a record to what a row may hold. What is stored, fingerprinted and read back is the record after this.
pub(crate) fn cut(call: &mut CallRecord) {
    for text in [
        &mut call.key,
        &mut call.team,
        &mut call.user,
        &mut call.session,
        &mut call.format,
        &mut call.requested_model,
        &mut call.tier,
        &mut call.served_tier,
        &mut call.provider,
        &mut call.served_model,
        &mut call.raised_from,
        &mut call.finish,
    ] {
        cut_text(text);
    }
    call.adapted.iter_mut().for_each(cut_text);
    cut_usage(&mut call.usage);
    for attempt in &mut call.attempts {
        cut_usage(&mut attempt.usage);
        match &mut attempt.end {
            AttemptEnd::Http { code, .. } | AttemptEnd::InBand { code } => cut_text(code),
            _ => {}
        }
    }
    let prediction = &mut call.prediction;
    let floats = prediction.p_ok.iter_mut().chain(&mut prediction.output_tokens);
    for float in floats.chain([&mut prediction.score_strong, &mut prediction.novelty]) {
        // Also turns -0 into 0: neither it nor NaN survives a column of numbers.
        if float.is_nan() || *float == 0.0 {
            *float = 0.0;
        }
    }
}

fn cut_text<T: AsRef<str> + From<String>>(text: &mut T) {
    // PostgreSQL has no such character in its texts; one client must not stop everybody's records with it.
    let whole = text.as_ref();
    if whole.len() <= MOST_TEXT_BYTES && !whole.contains('\0') {
        return;
    }
    let mut cut = whole[..whole.floor_char_boundary(MOST_TEXT_BYTES)].replace('\0', "\u{fffd}");
    cut.truncate(cut.floor_char_boundary(MOST_TEXT_BYTES));
    *text = cut.into();
}

fn cut_usage(usage: &mut Usage) {
    for tokens in [
        &mut usage.input_tokens,
        &mut usage.cached_input_tokens,
        &mut usage.cache_write_5m_tokens,
        &mut usage.cache_write_1h_tokens,
        &mut usage.output_tokens,
        &mut usage.reasoning_tokens,
        &mut usage.audio_input_tokens,
        &mut usage.audio_output_tokens,
    ] {
        *tokens = (*tokens).min(MOST_TOKENS);
    }
}
