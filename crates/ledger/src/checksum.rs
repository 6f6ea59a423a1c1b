//! A fingerprint of everything that a row says, so that a changed row is found.
//!
//! It covers texts, not the numbers that stand for them, so changing a name in the side table is found as well. It is
//! no signature: who can write the file can compute it. The digests of whole hours, which do not depend on order, are
//! what such a person would have to forge too; a copy of them kept elsewhere settles it.

use crate::codes::{Code, ReasonKind, rule_of};
use crate::row::flags;
use crate::varint::{put, put_signed, put_str};
use sha2::{Digest, Sha256};
use tierway_decide::{CallRecord, Usd};

/// First eight bytes of SHA-256 over all values of a record in a fixed order; `detail` is its packed part.
/// `scratch` is overwritten; it spares an allocation per row.
pub(crate) fn of(call: &CallRecord, detail: &[u8], scratch: &mut Vec<u8>) -> i64 {
    scratch.clear();
    put_columns(scratch, call);
    let digest = Sha256::new().chain_update(&*scratch).chain_update(detail).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_le_bytes(first)
}

fn put_columns(out: &mut Vec<u8>, call: &CallRecord) {
    out.extend_from_slice(&call.id.as_i64().to_le_bytes());
    for text in [
        &call.key,
        &call.team,
        &call.user,
        &call.session,
        &call.format,
        &call.requested_model,
        &call.tier,
        &call.served_tier,
        &call.provider,
        &call.served_model,
        &call.finish,
    ] {
        put_str(out, text);
    }
    put_str(out, rule_of(&call.reason).0);
    for code in [
        ReasonKind::of(&call.reason).code(),
        call.prediction.complexity.code(),
        call.prediction.task_type.code(),
        call.prediction.abstain.code(),
        call.status.code(),
        flags(call),
    ] {
        put_signed(out, code);
    }
    for tokens in [
        call.usage.input_tokens,
        call.usage.cached_input_tokens,
        call.usage.cache_write_5m_tokens,
        call.usage.output_tokens,
        call.usage.reasoning_tokens,
        u64::from(call.http_status),
        u64::from(call.total_ms),
        u64::from(call.decide_us),
        call.first_byte_ms.map_or(0, |ms| u64::from(ms) + 1),
    ] {
        put(out, tokens);
    }
    out.extend_from_slice(&call.prediction.score_strong.to_le_bytes());
    put_signed(out, call.classifier_paid.picos());
    for money in [call.paid, call.baseline, call.cheapest] {
        out.push(u8::from(money.is_some()));
        put_signed(out, money.map_or(0, Usd::picos));
    }
}
