//! The part of a record that reports never filter or sum by, packed into one blob.
//!
//! Attempts, rejected candidates, features and their like are read one request at a time, so they cost bytes rather
//! than columns. What repeats a column (nearly always: the one attempt that gave the answer) is a bit. The first byte
//! is the version of this layout; a row keeps the one that it was written with.
//! Measured beside JSON on the same records by `cargo bench -p tierway-ledger`.

use crate::varint::{Garbled, Input, put, put_bytes, put_floats, put_signed, put_str};
use tierway_decide::equals::{Duel, Standing, Tally};
use tierway_decide::{Attempt, AttemptEnd, CallRecord, RejectWhy, Rejected, TargetId, TierId, Usd};
use tierway_wire::{ServiceTier, Usage};

/// Version 1 had no service tiers: its rows were all served, or taken to be served, under the standard one.
const VERSION: u8 = 2;

/// Attempt: same tier, provider and model as the row says for the one that answered.
const SAME_TARGET: u8 = 1;
/// Attempt: same usage as the row.
const SAME_USAGE: u8 = 2;
/// Attempt: no usage at all.
const NO_USAGE: u8 = 4;
/// Attempt: its cost is known.
const PRICED: u8 = 8;
/// Attempt: it cost what the row says was paid.
const SAME_PAID: u8 = 16;

/// Appends the packed part of a record; `why` is the operator's text of its reason.
pub(crate) fn pack(out: &mut Vec<u8>, call: &CallRecord, why: &str) {
    out.push(VERSION);
    out.extend_from_slice(&call.table_version.to_le_bytes());
    put_str(out, &call.raised_from);
    put_str(out, why);
    put_floats(out, &call.prediction.p_ok);
    put_floats(out, &call.prediction.output_tokens);
    put_floats(out, &[call.prediction.novelty]);
    put(out, call.usage.cache_write_1h_tokens);
    put(out, call.usage.audio_input_tokens);
    put(out, call.usage.audio_output_tokens);
    out.extend_from_slice(&[tier_code(call.usage.service_tier), tier_code(call.asked_service_tier)]);
    put(out, call.rejected.len() as u64);
    call.rejected.iter().for_each(|rejected| pack_rejected(out, rejected));
    put(out, call.adapted.len() as u64);
    call.adapted.iter().for_each(|name| put_str(out, name));
    put(out, call.attempts.len() as u64);
    call.attempts.iter().for_each(|attempt| pack_attempt(out, call, attempt));
    put_bytes(out, &call.features);
}

/// Reads the packed part into a record whose columns are already there. Gives the operator's text of its reason.
pub(crate) fn unpack(detail: &[u8], call: &mut CallRecord) -> Result<String, Garbled> {
    let mut input = Input::new(detail);
    let version = input.byte()?;
    if !(1..=VERSION).contains(&version) {
        return Err(input.garbled());
    }
    let table = input.take(8)?;
    call.table_version = u64::from_le_bytes(table.try_into().map_err(|_| input.garbled())?);
    call.raised_from = input.text()?.into();
    let why = input.text()?;
    call.prediction.p_ok = input.floats()?;
    call.prediction.output_tokens = input.floats()?;
    [call.prediction.novelty] = input.floats()?;
    call.usage.cache_write_1h_tokens = input.number()?;
    call.usage.audio_input_tokens = input.number()?;
    call.usage.audio_output_tokens = input.number()?;
    if version >= 2 {
        call.usage.service_tier = unpack_tier(&mut input)?;
        call.asked_service_tier = unpack_tier(&mut input)?;
    }
    call.rejected = list(&mut input, unpack_rejected)?;
    call.adapted = list(&mut input, |input| {
        let name = input.text()?;
        Ok(name)
    })?;
    call.attempts = list(&mut input, |input| unpack_attempt(input, call, version))?;
    call.features = input.bytes()?.to_vec();
    input.finish()?;
    Ok(why)
}

/// A counted list. The count is not trusted with memory: it grows as members really come.
fn list<T>(input: &mut Input, mut one: impl FnMut(&mut Input) -> Result<T, Garbled>) -> Result<Vec<T>, Garbled> {
    let count = input.number()?;
    let mut members = Vec::new();
    for _ in 0..count {
        members.push(one(input)?);
    }
    Ok(members)
}

fn pack_rejected(out: &mut Vec<u8>, rejected: &Rejected) {
    out.push(rejected.tier.0);
    // The target's tier nearly always is the rejected one; 0 stands for "the whole tier".
    match rejected.target {
        None => out.push(0),
        Some(target) => {
            out.push(1);
            out.extend_from_slice(&[target.tier.0, target.index]);
        }
    }
    match &rejected.why {
        RejectWhy::NotGoodEnough { p_ok_mille, needed_mille } => {
            out.push(0);
            put(out, u64::from(*p_ok_mille));
            put(out, u64::from(*needed_mille));
        }
        RejectWhy::Dearer => out.push(1),
        RejectWhy::BelowFloor => out.push(2),
        RejectWhy::AboveCeiling => out.push(3),
        RejectWhy::Lacks { capability } => {
            out.push(4);
            put_str(out, capability);
        }
        RejectWhy::TooLong { tokens, window } => {
            out.push(5);
            put(out, u64::from(*tokens));
            put(out, u64::from(*window));
        }
        RejectWhy::BoundToModel => out.push(6),
        // 7 and 8 stood for reasons that nothing ever gave; they stay free, so that no reader takes one for another.
        RejectWhy::QualityHeld => out.push(9),
        RejectWhy::SteppedDown => out.push(10),
        RejectWhy::OverBudget => out.push(11),
        RejectWhy::OverRate => out.push(12),
        RejectWhy::Outscored(duel) => {
            out.extend_from_slice(&[13, duel.by, u8::from(duel.drawn)]);
            for Standing { tally, score_ppm } in [duel.own, duel.first] {
                [tally.good, tally.bad, score_ppm].into_iter().for_each(|number| put(out, number.into()));
            }
        }
    }
}

fn unpack_rejected(input: &mut Input) -> Result<Rejected, Garbled> {
    let tier = TierId(input.byte()?);
    let target = match input.byte()? {
        0 => None,
        1 => Some(TargetId { tier: TierId(input.byte()?), index: input.byte()? }),
        _ => return Err(input.garbled()),
    };
    let why = match input.byte()? {
        0 => RejectWhy::NotGoodEnough { p_ok_mille: input.small()?, needed_mille: input.small()? },
        1 => RejectWhy::Dearer,
        2 => RejectWhy::BelowFloor,
        3 => RejectWhy::AboveCeiling,
        4 => RejectWhy::Lacks { capability: input.text()? },
        5 => RejectWhy::TooLong { tokens: input.small()?, window: input.small()? },
        6 => RejectWhy::BoundToModel,
        9 => RejectWhy::QualityHeld,
        10 => RejectWhy::SteppedDown,
        11 => RejectWhy::OverBudget,
        12 => RejectWhy::OverRate,
        13 => {
            let (by, drawn) = (input.byte()?, input.byte()? != 0);
            let mut standing = || -> Result<Standing, Garbled> {
                let tally = Tally { good: input.small()?, bad: input.small()? };
                Ok(Standing { tally, score_ppm: input.small()? })
            };
            RejectWhy::Outscored(Duel { own: standing()?, by, first: standing()?, drawn })
        }
        _ => return Err(input.garbled()),
    };
    Ok(Rejected { tier, target, why })
}

fn pack_attempt(out: &mut Vec<u8>, call: &CallRecord, attempt: &Attempt) {
    let same_target =
        attempt.tier == call.served_tier && attempt.provider == call.provider && attempt.model == call.served_model;
    let no_usage = attempt.usage.is_empty();
    let same_usage = !no_usage && attempt.usage == call.usage;
    let same_paid = attempt.paid.is_some() && attempt.paid == call.paid;
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    out.push(
        bit(same_target, SAME_TARGET)
            | bit(same_usage, SAME_USAGE)
            | bit(no_usage, NO_USAGE)
            | bit(attempt.paid.is_some(), PRICED)
            | bit(same_paid, SAME_PAID),
    );
    if !same_target {
        put_str(out, &attempt.tier);
        put_str(out, &attempt.provider);
        put_str(out, &attempt.model);
    }
    put(out, u64::from(attempt.started_ms));
    put(out, u64::from(attempt.took_ms));
    pack_end(out, &attempt.end);
    if !same_usage && !no_usage {
        usage_fields(&attempt.usage).into_iter().for_each(|tokens| put(out, tokens));
        out.push(tier_code(attempt.usage.service_tier));
    }
    if let (Some(paid), false) = (attempt.paid, same_paid) {
        put_signed(out, paid.picos());
    }
}

fn unpack_attempt(input: &mut Input, call: &CallRecord, version: u8) -> Result<Attempt, Garbled> {
    let bits = input.byte()?;
    let (tier, provider, model) = if bits & SAME_TARGET == 0 {
        (input.text()?.into(), input.text()?.into(), input.text()?.into())
    } else {
        (call.served_tier.clone(), call.provider.clone(), call.served_model.clone())
    };
    let (started_ms, took_ms) = (input.small()?, input.small()?);
    let end = unpack_end(input)?;
    let usage = match (bits & SAME_USAGE != 0, bits & NO_USAGE != 0) {
        (true, _) => call.usage,
        (false, true) => Usage::default(),
        (false, false) => unpack_usage(input, version)?,
    };
    let paid = match (bits & PRICED != 0, bits & SAME_PAID != 0) {
        (false, _) => None,
        (true, true) => call.paid,
        (true, false) => Some(Usd::from_picos(input.signed()?)),
    };
    Ok(Attempt { tier, provider, model, started_ms, took_ms, end, usage, paid })
}

fn pack_end(out: &mut Vec<u8>, end: &AttemptEnd) {
    match end {
        AttemptEnd::Ok => out.push(0),
        AttemptEnd::Http { status, code } => {
            out.push(1);
            put(out, u64::from(*status));
            put_str(out, code);
        }
        AttemptEnd::Connect => out.push(2),
        AttemptEnd::FirstByteTimeout => out.push(3),
        AttemptEnd::Stalled => out.push(4),
        AttemptEnd::Cut => out.push(5),
        AttemptEnd::Garbled => out.push(6),
        AttemptEnd::InBand { code } => {
            out.push(7);
            put_str(out, code);
        }
        AttemptEnd::Cancelled => out.push(8),
        AttemptEnd::Outrun => out.push(9),
        AttemptEnd::Deadline => out.push(10),
    }
}

fn unpack_end(input: &mut Input) -> Result<AttemptEnd, Garbled> {
    Ok(match input.byte()? {
        0 => AttemptEnd::Ok,
        1 => AttemptEnd::Http { status: input.small()?, code: input.text()? },
        2 => AttemptEnd::Connect,
        3 => AttemptEnd::FirstByteTimeout,
        4 => AttemptEnd::Stalled,
        5 => AttemptEnd::Cut,
        6 => AttemptEnd::Garbled,
        7 => AttemptEnd::InBand { code: input.text()? },
        8 => AttemptEnd::Cancelled,
        9 => AttemptEnd::Outrun,
        10 => AttemptEnd::Deadline,
        _ => return Err(input.garbled()),
    })
}

const fn usage_fields(usage: &Usage) -> [u64; 8] {
    [
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.audio_input_tokens,
        usage.audio_output_tokens,
    ]
}

fn unpack_usage(input: &mut Input, version: u8) -> Result<Usage, Garbled> {
    Ok(Usage {
        input_tokens: input.number()?,
        cached_input_tokens: input.number()?,
        cache_write_5m_tokens: input.number()?,
        cache_write_1h_tokens: input.number()?,
        output_tokens: input.number()?,
        reasoning_tokens: input.number()?,
        audio_input_tokens: input.number()?,
        audio_output_tokens: input.number()?,
        service_tier: if version >= 2 { unpack_tier(input)? } else { ServiceTier::Standard },
    })
}

/// As stored: these numbers stay.
const fn tier_code(tier: ServiceTier) -> u8 {
    match tier {
        ServiceTier::Standard => 0,
        ServiceTier::Flex => 1,
        ServiceTier::Priority => 2,
        ServiceTier::Batch => 3,
        ServiceTier::Fast => 4,
        ServiceTier::Scale => 5,
        ServiceTier::Other => 6,
    }
}

fn unpack_tier(input: &mut Input) -> Result<ServiceTier, Garbled> {
    let code = input.byte()?;
    ServiceTier::ALL.into_iter().find(|tier| tier_code(*tier) == code).ok_or_else(|| input.garbled())
}

#[cfg(test)]
#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

#[cfg(test)]
mod tests {
    use super::*;

    /// One with an answer and no other attempts.
    fn call() -> CallRecord {
        let mut calls = synthetic::traffic(1, 100, synthetic::MONDAY_MS, synthetic::HOUR_MS);
        calls.find(|call| call.attempts.len() == 1 && call.paid.is_some() && !call.usage.is_empty()).unwrap()
    }

    #[test]
    fn every_service_tier_comes_back() {
        for tier in ServiceTier::ALL {
            let mut call = call();
            (call.usage.service_tier, call.asked_service_tier) = (tier, ServiceTier::Flex);
            call.attempts[0].usage = call.usage.under(ServiceTier::Batch);
            let mut packed = Vec::new();
            pack(&mut packed, &call, "");
            let mut read =
                CallRecord { attempts: Vec::new(), asked_service_tier: ServiceTier::Standard, ..call.clone() };
            read.usage = read.usage.under(ServiceTier::Standard);
            unpack(&packed, &mut read).unwrap();
            assert_eq!(read, call, "{tier:?}");
        }
    }
    #[test]
    fn why_an_equal_was_passed_over_comes_back() {
        let standing = |good, bad, score_ppm| Standing { tally: Tally { good, bad }, score_ppm };
        let duel = Duel { own: standing(0, u32::MAX, 1), by: 3, first: standing(250, 50, 999_999), drawn: true };
        for duel in [duel, Duel { drawn: false, ..duel }] {
            let target = Some(TargetId { tier: TierId(1), index: 2 });
            let rejected = Rejected { tier: TierId(1), target, why: RejectWhy::Outscored(duel) };
            let mut packed = Vec::new();
            pack_rejected(&mut packed, &rejected);
            let mut input = Input::new(&packed);
            assert_eq!(unpack_rejected(&mut input).unwrap(), rejected);
            input.finish().unwrap();
        }
    }
}
