//! What a call will have cost if it ends with some usage: the prices of one upstream call while it is under way.
//!
//! Stands beside the record, not on it, so that two calls of one request can be under way at once.

use crate::log::Money;
use crate::setup::Ground;
use tierway_decide::{Target, TierId, Usd, savings};
use tierway_wire::{ServiceTier, Usage};

/// The prices of one call.
pub(crate) struct Tariff<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) target: &'a Target,
    /// Paid for this request before; none when a price is unknown.
    pub(crate) before: Option<Usd>,
    /// Tokens of the answer that other targets gave, and that stand in the prompt of this call.
    pub(crate) carried_tokens: u64,
    /// When the request came.
    pub(crate) unix_ms: i64,
    /// The service tier that the client asked for.
    pub(crate) asked: ServiceTier,
}

impl Tariff<'_> {
    /// What the request will have cost if the call ends with this usage.
    pub(crate) fn money(&self, usage: &Usage) -> Money {
        let answer = of_whole(usage, self.carried_tokens);
        let now = price_of(self.target, usage, self.unix_ms);
        Money {
            paid: self.before.zip(now).map(|(before, now)| before + now),
            baseline: counterfactual(self.ground, &answer, self.asked, self.unix_ms).0,
            estimated: false,
        }
    }
}

/// The usage of a whole answer, when its last target reports this for its part.
pub(crate) const fn of_whole(usage: &Usage, carried_tokens: u64) -> Usage {
    Usage {
        input_tokens: usage.input_tokens.saturating_sub(carried_tokens),
        output_tokens: usage.output_tokens + carried_tokens,
        ..*usage
    }
}

/// What the same tokens cost on the baseline tier and on the cheapest one, under the service tier that was asked for.
pub(crate) fn counterfactual(
    ground: &Ground,
    usage: &Usage,
    asked: ServiceTier,
    unix_ms: i64,
) -> (Option<Usd>, Option<Usd>) {
    let ladder = ground.setup.table.ladder();
    // As `CallRecord::usage_as_asked` will have it.
    let usage = usage.under(asked.or(usage.service_tier));
    let on = |tier| savings::counterfactual(ladder, tier, &usage, unix_ms);
    (on(ladder.baseline()), on(TierId(0)))
}

/// What a target asks for this usage; nothing for none.
pub(crate) fn price_of(target: &Target, usage: &Usage, unix_ms: i64) -> Option<Usd> {
    if usage.is_empty() {
        return Some(Usd::ZERO);
    }
    target.prices.as_ref()?.cost(unix_ms, usage)
}
