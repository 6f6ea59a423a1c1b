//! What the parts of a decision say to people.

use crate::figures::{percent, thousands};
use tierway_decide::equals::Standing;
use tierway_decide::{AttemptEnd, CallRecord, CallStatus, Reason, RejectWhy, Rejected};

/// Why a tier was chosen, as half a sentence. `rejected`: who was passed over, among them the tier that a bound kept out.
#[must_use]
pub fn reason_words(reason: &Reason, rejected: &[Rejected]) -> String {
    let bound = rejected.iter().filter(|rejected| rejected.target.is_none()).find_map(|rejected| match rejected.why {
        RejectWhy::BelowFloor => Some("; raised to the floor of request or caller"),
        RejectWhy::AboveCeiling => Some("; lowered to the ceiling of request or caller"),
        _ => None,
    });
    chosen_words(reason) + bound.unwrap_or_default()
}

fn chosen_words(reason: &Reason) -> String {
    match reason {
        Reason::LockedRule { rule, why } => format!("locked rule `{rule}`: {why}"),
        Reason::Rule { rule, why } => format!("rule `{rule}`: {why}"),
        Reason::RequestedModel => "the request names this model".into(),
        Reason::RequestedTier => "the request names this tier".into(),
        Reason::CallerTier => "the key or user is pinned to this tier".into(),
        Reason::Predicted => "the cheapest tier whose answer is expected to do".into(),
        Reason::ModelAsked => "a model was asked how hard it is".into(),
        Reason::Abstained => "too little to go by: doubt goes to the baseline tier".into(),
        Reason::SessionHeld => "the conversation stays where it is".into(),
        Reason::QualityHeld => {
            "a cheaper tier was predicted, but its answers to this kind of work fell below the quality target: baseline"
                .into()
        }
        Reason::Shadow => "the router's own: a second answer to a sampled request, for comparing".into(),
        Reason::Judge => "the router's own: a model compares two answers".into(),
        Reason::Default => "no policy is in force: baseline".into(),
    }
}

/// Why a request went where it went, as half a sentence: one that was refused at the door went nowhere.
#[must_use]
pub fn decided_words(call: &CallRecord) -> String {
    if was_decided(call) {
        return reason_words(&call.reason, &call.rejected);
    }
    "nothing was decided: it was refused before; why stood in its answer, which is not kept".into()
}

/// False for a request that was refused before anybody looked at it: its record says nothing of a decision.
#[must_use]
pub const fn was_decided(call: &CallRecord) -> bool {
    !matches!(call.status, CallStatus::Refused) || call.table_version != 0
}

/// Why a candidate was passed over, as half a sentence.
#[must_use]
pub fn reject_words(why: &RejectWhy) -> String {
    let mille = |mille: &u16| percent(f64::from(*mille) / 1000.0);
    match why {
        RejectWhy::NotGoodEnough { p_ok_mille, needed_mille } => {
            format!("will do with {}, {} are needed", mille(p_ok_mille), mille(needed_mille))
        }
        RejectWhy::Dearer => "would do as well, but is dearer".into(),
        RejectWhy::BelowFloor => "below the floor of request or caller".into(),
        RejectWhy::AboveCeiling => "above the ceiling of request or caller".into(),
        RejectWhy::Lacks { capability } => format!("cannot do {capability}"),
        RejectWhy::TooLong { tokens, window } => {
            let (tokens, window) = (thousands((*tokens).into()), thousands((*window).into()));
            format!("{tokens} tokens do not fit into {window}")
        }
        RejectWhy::BoundToModel => "the history belongs to the model that made it".into(),
        RejectWhy::QualityHeld => "its answers to this kind of work fell below the quality target".into(),
        RejectWhy::SteppedDown => "most of the caller's budget is spent".into(),
        RejectWhy::OverBudget => "the caller's budget does not allow its worst case".into(),
        RejectWhy::OverRate => "the caller is over its requests or tokens a minute".into(),
        RejectWhy::Outscored(duel) => {
            let standing = |own: Standing| {
                let count = |hundredths: u32| format!("{:.1}", f64::from(hundredths) / 100.0);
                let score = f64::from(own.score_ppm) / 1e6;
                format!("{score:.3} ({} to {} verdicts)", count(own.tally.good), count(own.tally.bad))
            };
            let how = if duel.drawn { "drew better" } else { "is better at this kind of work" };
            format!("target {} {how}: {} against {}", duel.by + 1, standing(duel.first), standing(duel.own))
        }
    }
}

/// How an upstream call ended, as half a sentence.
#[must_use]
pub fn attempt_words(end: &AttemptEnd) -> String {
    match end {
        AttemptEnd::Ok => "answered".into(),
        AttemptEnd::Http { status: 200, .. } => {
            "answered, but not as was asked (empty, refused, cut or of another form)".into()
        }
        AttemptEnd::Http { status, code } if code.is_empty() => format!("HTTP {status}"),
        AttemptEnd::Http { status, code } => format!("HTTP {status} ({code})"),
        AttemptEnd::Connect => "no connection".into(),
        AttemptEnd::FirstByteTimeout => "no first byte in time".into(),
        AttemptEnd::Stalled => "fell silent in mid-stream".into(),
        AttemptEnd::Cut => "broke off".into(),
        AttemptEnd::Garbled => "sent something that is not the API's format".into(),
        AttemptEnd::InBand { code } => format!("sent an error in the stream ({code})"),
        AttemptEnd::Cancelled => "given up before it ended".into(),
        AttemptEnd::Outrun => "slower than its sibling".into(),
        AttemptEnd::Deadline => "no time left".into(),
    }
}
