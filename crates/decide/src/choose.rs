//! Picks the tier that answers one request.
//! In: the [`Ladder`], how to [choose](Choosing), and one [`Ask`]. Out: a [`Decision`], or who was refused and why.
//! Pure: the same input gives the same decision, so a recorded request can be decided again offline.
//! Precedence, first match wins: locked rule, tier named by the request, tier pinned to the caller, rule, prediction by the
//! policy (unless that cell is held), doubt (baseline). Floors and ceilings then bound it; what the request needs raises
//! it, or lowers it to who can serve that where nobody above can and nobody else named the tier.

use crate::pricing::Price;
use crate::quality::Held;
use crate::{Caller, Complexity, ComplexityMap, Decision, Ladder, Pins, Prediction, Reason, RejectWhy, Rejected};
use crate::{Target, TargetId, TierId, Usd};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use tierway_wire::{Estimate, Needs, Usage};

/// How a tier is picked when neither a rule nor a pin does it.
#[derive(Clone, Debug, PartialEq)]
pub struct Choosing {
    /// The policy in force.
    pub policy: Policy,
    /// `policy = "target"`: the largest shortfall of P(answer will do) to the best tier that is put up with, 0..1.
    /// Proven on the operator's own outcomes where there are some, else a cautious constant.
    pub max_shortfall: f32,
    /// `policy = "tiers"`: the tier for each complexity, from simple to reasoning.
    pub by_complexity: ComplexityMap,
    /// Cells whose quality fell below the operator's target: what was predicted for them goes to the baseline tier.
    pub held: Held,
}

impl Choosing {
    /// [`Policy::Target`] with no shortfall put up with and nothing held.
    #[must_use]
    pub fn by_target(ladder: &Ladder) -> Self {
        let by_complexity = ComplexityMap::for_ladder(ladder);
        Self { policy: Policy::Target, max_shortfall: 0.0, by_complexity, held: Held::NONE }
    }
}

/// The policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The cheapest expected cost among tiers that are good enough.
    #[default]
    Target,
    /// A table from complexity to tier.
    Tiers,
}

/// Everything about one request that decides.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What this request asks for by header or model name.
    pub pins: Pins,
    /// The rule that matched, if any.
    pub rule: Option<RuleHit<'a>>,
    /// The predictor's view.
    pub prediction: Prediction,
    /// What a model said when it was asked.
    pub opinion: Option<Complexity>,
    /// What a target must be able to do.
    pub needs: Needs,
    /// Estimated input tokens.
    pub input_tokens: Estimate,
    /// The output that the client wants room for.
    pub wanted_output: u32,
    /// Where the conversation is now.
    pub session: Option<Session>,
    /// The day, for prices (days since 1970-01-01, UTC).
    pub day: i32,
}

/// The matching rule, as far as it decides.
#[derive(Clone, Copy, Debug)]
pub struct RuleHit<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its reason.
    pub why: &'a str,
    /// Where it sends.
    pub tier: TierId,
    /// Nothing overrides it.
    pub locked: bool,
}

/// What is known of a conversation that already went somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who answered last.
    pub target: TargetId,
    /// Input tokens that its prompt cache probably still holds.
    pub warm_tokens: u32,
    /// The history may only be seen again by the model that made it.
    pub bound: bool,
}

/// Nothing can serve the request.
#[derive(Clone, Debug, PartialEq)]
pub struct NothingFits {
    /// The tier that was chosen.
    pub tier: TierId,
    /// Everyone, and why not.
    pub rejected: Vec<Rejected>,
}

/// Decides. The targets of the decision are in order of preference before health and load are looked at.
///
/// # Errors
/// [`NothingFits`] when no target at or above the chosen tier, within the caller's ceiling, can serve the request, nor, where
/// nobody but us chose it, one below, within the floor.
pub fn decide(ladder: &Ladder, choosing: &Choosing, ask: &Ask<'_>) -> Result<Decision, NothingFits> {
    let mut rejected = Vec::new();
    let ceiling = ceiling(ladder, ask);
    let (tier, reason) = first_choice(ladder, choosing, ask, ceiling, &mut rejected);
    let upwards = || tier..=ceiling.max(tier);
    let (mut targets, mut misfits) = fitting(ladder, ask, upwards(), misfit);
    if targets.is_empty() && is_ours(&reason) {
        // Who was chosen for what is asked cannot serve how it is asked (o1-mini calls no tools): the best of those below that can.
        let below = ladder.ids().rev().filter(|below| (floor_of_both(ask)..tier).contains(below));
        targets = below
            .map(|below| fitting(ladder, ask, below..=below, misfit).0)
            .find(|fit| !fit.is_empty())
            .unwrap_or_default();
    }
    if targets.is_empty() {
        // Of those that an estimate rules out, one that it may be wrong about is asked before everybody is refused.
        (targets, misfits) = fitting(ladder, ask, upwards(), certain_misfit);
    }
    rejected.extend(misfits);
    let Some(first) = targets.first() else { return Err(NothingFits { tier, rejected }) };
    let raised_from = (first.tier > tier).then_some(tier);
    // A bound or a need may lead to a tier that was passed over before.
    rejected.retain(|rejected| rejected.tier != first.tier || rejected.target.is_some());
    Ok(Decision { tier: first.tier, targets, reason, raised_from, prediction: ask.prediction, rejected })
}

/// The dearest tier that may be used at all. A request's own ceiling holds no lower than the caller's floor.
fn ceiling(ladder: &Ladder, ask: &Ask<'_>) -> TierId {
    let top = ladder.ids().next_back().unwrap_or(TierId(0));
    if ask.rule.is_some_and(|rule| rule.locked) {
        return top;
    }
    let of_caller = ask.caller.pins.exact.or(ask.caller.pins.ceiling).unwrap_or(top).min(top);
    ask.pins.ceiling.map_or(of_caller, |own| own.max(floor_of(ask.caller)).min(of_caller))
}

/// The cheapest tier that the caller is promised: its pin, else its floor.
fn floor_of(caller: &Caller) -> TierId {
    caller.pins.exact.or(caller.pins.floor).unwrap_or(TierId(0))
}

/// That, or what the request itself asks for.
fn floor_of_both(ask: &Ask<'_>) -> TierId {
    floor_of(ask.caller).max(ask.pins.floor.unwrap_or(TierId(0)))
}

/// Nobody else said which tier it has to be.
const fn is_ours(reason: &Reason) -> bool {
    match reason {
        Reason::LockedRule { .. } | Reason::RequestedModel | Reason::RequestedTier | Reason::CallerTier => false,
        Reason::Rule { .. }
        | Reason::Predicted
        | Reason::ModelAsked
        | Reason::Abstained
        | Reason::SessionHeld
        | Reason::QualityHeld
        | Reason::Default
        | Reason::Shadow
        | Reason::Judge => true,
    }
}

fn first_choice(
    ladder: &Ladder,
    choosing: &Choosing,
    ask: &Ask<'_>,
    ceiling: TierId,
    rejected: &mut Vec<Rejected>,
) -> (TierId, Reason) {
    if let Some(rule) = ask.rule.filter(|rule| rule.locked) {
        return (rule.tier, Reason::LockedRule { rule: rule.name.into(), why: rule.why.into() });
    }
    if let Some(tier) = ask.pins.exact {
        return (bounded(tier, ask, ceiling, rejected), Reason::RequestedTier);
    }
    if let Some(tier) = ask.caller.pins.exact {
        return (tier, Reason::CallerTier);
    }
    let (tier, reason) = match ask.rule {
        Some(rule) => (rule.tier, Reason::Rule { rule: rule.name.into(), why: rule.why.into() }),
        None => {
            let (tier, reason) = predicted(ladder, choosing, ask, rejected);
            if is_held(ladder, choosing, ask, tier) {
                rejected.push(Rejected { tier, target: None, why: RejectWhy::QualityHeld });
                (ladder.baseline(), Reason::QualityHeld)
            } else {
                (tier, reason)
            }
        }
    };
    (bounded(tier, ask, ceiling, rejected), reason)
}

/// The evidence speaks against this tier for this kind of work. The baseline and what is above are never held: there is
/// nothing to compare them with.
fn is_held(ladder: &Ladder, choosing: &Choosing, ask: &Ask<'_>, tier: TierId) -> bool {
    tier < ladder.baseline() && choosing.held.has(ask.prediction.task_type, tier)
}

/// Holds a tier between the floors and the ceiling; says who was passed over for it.
fn bounded(tier: TierId, ask: &Ask<'_>, ceiling: TierId, rejected: &mut Vec<Rejected>) -> TierId {
    let held = tier.max(floor_of_both(ask)).min(ceiling);
    if held > tier {
        rejected.push(Rejected { tier, target: None, why: RejectWhy::BelowFloor });
    } else if held < tier {
        rejected.push(Rejected { tier, target: None, why: RejectWhy::AboveCeiling });
    }
    held
}

fn predicted(ladder: &Ladder, choosing: &Choosing, ask: &Ask<'_>, rejected: &mut Vec<Rejected>) -> (TierId, Reason) {
    if let Some(complexity) = ask.opinion {
        return (choosing.by_complexity.tier(complexity), Reason::ModelAsked);
    }
    if ask.prediction.abstain.is_some() {
        return (ladder.baseline(), Reason::Abstained);
    }
    match choosing.policy {
        Policy::Tiers => (choosing.by_complexity.tier(ask.prediction.complexity), Reason::Predicted),
        Policy::Target => cheapest_good_enough(ladder, choosing, ask, rejected),
    }
}

/// The cheapest expected cost among tiers whose shortfall to the best one is small enough. Staying where the conversation
/// is counts the warm prompt cache in, so that a lower list price does not win by throwing the cache away.
fn cheapest_good_enough(
    ladder: &Ladder,
    choosing: &Choosing,
    ask: &Ask<'_>,
    rejected: &mut Vec<Rejected>,
) -> (TierId, Reason) {
    let p_ok = |tier: TierId| ask.prediction.p_ok[usize::from(tier.0)];
    let best = ladder.ids().map(p_ok).fold(0.0, f32::max);
    let needed = best - choosing.max_shortfall;
    let mut chosen: Option<(TierId, Option<Usd>)> = None;
    for tier in ladder.ids() {
        if p_ok(tier) < needed {
            let why = RejectWhy::NotGoodEnough { p_ok_mille: mille(p_ok(tier)), needed_mille: mille(needed) };
            rejected.push(Rejected { tier, target: None, why });
            continue;
        }
        let cost = expected_cost(ladder, tier, ask);
        let better = match chosen {
            None => true,
            // Without both prices the order of the ladder stands for cost.
            Some((_, Some(least))) => cost.is_some_and(|cost| cost < least),
            Some((_, None)) => false,
        };
        if better && let Some((dearer, _)) = chosen.replace((tier, cost)) {
            rejected.push(Rejected { tier: dearer, target: None, why: RejectWhy::Dearer });
        } else if !better {
            rejected.push(Rejected { tier, target: None, why: RejectWhy::Dearer });
        }
    }
    let tier = chosen.map_or(ladder.baseline(), |(tier, _)| tier);
    let held = ask.session.is_some_and(|session| session.target.tier == tier && session.warm_tokens > 0);
    (tier, if held { Reason::SessionHeld } else { Reason::Predicted })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1000")]
fn mille(p: f32) -> u16 {
    (p.clamp(0.0, 1.0) * 1000.0).round() as u16
}

/// What the tier would probably cost: forecast output, and its cache as warm as it is, on the conversation's own target or
/// else the first fitting one. None when its price is unknown.
#[must_use]
pub fn expected_cost(ladder: &Ladder, tier: TierId, ask: &Ask<'_>) -> Option<Usd> {
    let mut fitting = ladder.targets_of(tier).filter(|(_, target)| misfit(target, ask).is_none());
    let own = |(id, _): &(TargetId, &Target)| ask.session.is_some_and(|session| session.target == *id);
    let (id, target) = fitting.clone().find(own).or_else(|| fitting.next())?;
    let price = target.prices.as_ref()?.on_day(ask.day)?;
    let input_tokens = target.limits.vocabulary.tokens(ask.input_tokens);
    Some(price.cost(&expected_usage(id, price, input_tokens, ask)))
}

fn expected_usage(id: TargetId, price: &Price, input_tokens: u32, ask: &Ask<'_>) -> Usage {
    let input = u64::from(input_tokens);
    let warm = ask.session.filter(|session| session.target == id).map_or(0, |session| u64::from(session.warm_tokens));
    let cached_input_tokens = if price.cached_input.is_some() { warm.min(input) } else { 0 };
    let output_tokens = ask.prediction.output_on(id.tier);
    Usage { input_tokens: input, cached_input_tokens, output_tokens, ..Usage::default() }
}

/// All targets of these tiers that can serve the request; and the others with the reason.
fn fitting(
    ladder: &Ladder,
    ask: &Ask<'_>,
    tiers: RangeInclusive<TierId>,
    misfit: fn(&Target, &Ask<'_>) -> Option<RejectWhy>,
) -> (Vec<TargetId>, Vec<Rejected>) {
    let (mut fit, mut misfits) = (Vec::with_capacity(4), Vec::new());
    for tier in ladder.ids().filter(|tier| tiers.contains(tier)) {
        for (id, target) in ladder.targets_of(tier) {
            let bound = ask.session.is_some_and(|session| session.bound && session.target != id);
            match if bound { Some(RejectWhy::BoundToModel) } else { misfit(target, ask) } {
                None => fit.push(id),
                Some(why) => misfits.push(Rejected { tier, target: Some(id), why }),
            }
        }
    }
    (fit, misfits)
}

/// Why this target cannot serve the request, if it cannot as far as is estimated.
#[must_use]
pub(crate) fn misfit(target: &Target, ask: &Ask<'_>) -> Option<RejectWhy> {
    misfit_with(target, ask, target.limits.vocabulary.tokens(ask.input_tokens))
}

/// Why this target cannot serve the request, if it surely cannot: estimates are up to a third too high (`docs/tokens.md`).
#[must_use]
pub fn certain_misfit(target: &Target, ask: &Ask<'_>) -> Option<RejectWhy> {
    misfit_with(target, ask, target.limits.vocabulary.tokens(ask.input_tokens) / 4 * 3)
}

fn misfit_with(target: &Target, ask: &Ask<'_>, input_tokens: u32) -> Option<RejectWhy> {
    if let Some(capability) = target.capabilities.lacking(ask.needs) {
        return Some(RejectWhy::Lacks { capability: capability.into() });
    }
    if let Some(window) = target.limits.max_input.filter(|most| input_tokens > *most) {
        return Some(RejectWhy::TooLong { tokens: input_tokens, window });
    }
    let window = target.limits.context_window?;
    let tokens = input_tokens.saturating_add(ask.wanted_output);
    (tokens > window).then_some(RejectWhy::TooLong { tokens, window })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::PriceHistory;
    use crate::{Abstain, Capabilities, Limits, MAX_TIERS, ParameterRules, TaskType, Tier};
    use expect_test::{Expect, expect};
    use tierway_wire::Format;

    /// nano 1/1, standard 10/10, reasoning 8/8 dollars per million tokens; nano is blind and short.
    fn ladder() -> Ladder {
        let target = |model: &str, price: i64, window: u32, vision: bool| Target {
            provider: "p".into(),
            model: model.into(),
            format: Format::OpenaiChat,
            effort: None,
            weight: 1,
            prices: Some(PriceHistory(vec![Price {
                input: Usd::from_picos(price * 1_000_000),
                output: Usd::from_picos(price * 1_000_000),
                cached_input: Some(Usd::from_picos(price * 100_000)),
                ..Price::default()
            }])),
            limits: Limits { context_window: Some(window), ..Limits::default() },
            capabilities: Capabilities { vision, ..Capabilities::default() },
            parameters: ParameterRules::default(),
            shutdown: None,
        };
        let tier = |name: &str, target: Target| Tier {
            name: name.into(),
            targets: vec![target],
            strengths: String::new(),
            weaknesses: String::new(),
        };
        let tiers = vec![
            tier("nano", target("n", 1, 1_000, false)),
            tier("standard", target("s", 10, 100_000, true)),
            tier("reasoning", target("r", 8, 100_000, true)),
        ];
        Ladder::new(tiers, "standard").unwrap()
    }

    fn ask(p_ok: [f32; 3], caller: &Caller) -> Ask<'_> {
        let mut all = [0.0; MAX_TIERS];
        all[..3].copy_from_slice(&p_ok);
        let prediction = Prediction {
            p_ok: all,
            score_strong: 0.5,
            complexity: Complexity::Reasoning,
            task_type: TaskType::Other,
            novelty: 0.0,
            abstain: None,
            output_tokens: [100.0; MAX_TIERS],
            calibrated: false,
        };
        Ask {
            caller,
            pins: Pins::default(),
            rule: None,
            prediction,
            opinion: None,
            needs: Needs::default(),
            input_tokens: 500.into(),
            wanted_output: 0,
            session: None,
            day: 0,
        }
    }

    /// Tier, reason, the tier it was raised from; or everyone who was refused.
    fn outcome(policy: Policy, ask: &Ask<'_>) -> String {
        let ladder = ladder();
        let choosing = Choosing {
            policy,
            max_shortfall: 0.05,
            by_complexity: ComplexityMap::for_ladder(&ladder),
            held: Held::NONE,
        };
        let name = |tier: TierId| ladder.tier(tier).name.clone();
        match decide(&ladder, &choosing, ask) {
            Ok(decision) => {
                let raised =
                    decision.raised_from.map(|from| format!(", raised from {}", name(from))).unwrap_or_default();
                format!("{} ({}){raised}", name(decision.tier), decision.reason.summary())
            }
            Err(nothing) => format!("nothing: {}", nothing.rejected.len()),
        }
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "cases read better without a borrow")]
    fn check(p_ok: [f32; 3], change: impl FnOnce(&mut Ask<'_>), want: Expect) {
        let caller = Caller::default();
        let mut ask = ask(p_ok, &caller);
        change(&mut ask);
        want.assert_eq(&outcome(Policy::Target, &ask));
    }

    const EASY: [f32; 3] = [0.95, 0.97, 0.98];
    const HARD: [f32; 3] = [0.20, 0.60, 0.90];
    const MIDDLING: [f32; 3] = [0.70, 0.95, 0.97];

    #[test]
    fn the_cheapest_tier_that_is_good_enough() {
        check(EASY, |_| {}, expect!["nano (predicted)"]);
        check(HARD, |_| {}, expect!["reasoning (predicted)"]);
        // Both will do, and the reasoning tier is the cheaper of the two here.
        check(MIDDLING, |_| {}, expect!["reasoning (predicted)"]);
        // A warm cache at the standard tier outweighs a slightly lower list price.
        let warm = |ask: &mut Ask<'_>| {
            let target = TargetId { tier: TierId(1), index: 0 };
            ask.session = Some(Session { target, warm_tokens: 480, bound: false });
        };
        check(MIDDLING, warm, expect!["standard (session_held)"]);
        check(EASY, |ask| ask.prediction.abstain = Some(Abstain::NoSignal), expect!["standard (abstained)"]);
        check(EASY, |ask| ask.opinion = Some(Complexity::Reasoning), expect!["reasoning (model_asked)"]);
        let caller = Caller::default();
        expect!["reasoning (predicted)"].assert_eq(&outcome(Policy::Tiers, &ask(EASY, &caller)));
    }

    #[test]
    fn rules_pins_floors_and_ceilings_in_their_order() {
        let rule = |locked| RuleHit { name: "r", why: "w", tier: TierId(1), locked };
        check(EASY, |ask| ask.rule = Some(rule(false)), expect!["standard (rule:r)"]);
        let named = |locked| {
            move |ask: &mut Ask<'_>| {
                ask.rule = Some(rule(locked));
                ask.pins.exact = Some(TierId(2));
            }
        };
        check(EASY, named(false), expect!["reasoning (requested_tier)"]);
        check(EASY, named(true), expect!["standard (locked_rule:r)"]);
        check(EASY, |ask| ask.pins.floor = Some(TierId(1)), expect!["standard (predicted)"]);
        check(HARD, |ask| ask.pins.ceiling = Some(TierId(0)), expect!["nano (predicted)"]);
        let locked_over_ceiling = |ask: &mut Ask<'_>| {
            ask.rule = Some(rule(true));
            ask.pins.ceiling = Some(TierId(0));
        };
        check(EASY, locked_over_ceiling, expect!["standard (locked_rule:r)"]);
    }

    #[test]
    fn what_a_caller_is_bound_to_binds_what_its_requests_ask_for() {
        let tier = |tier| Some(TierId(tier));
        let bound = |of_caller: Pins, of_request: Pins| {
            let caller = Caller { pins: of_caller, ..Caller::default() };
            outcome(Policy::Target, &Ask { pins: of_request, ..ask(EASY, &caller) })
        };
        let floor = Pins { floor: tier(1), ..Pins::default() };
        let ceiling = Pins { ceiling: tier(0), ..Pins::default() };
        let exact = |at| Pins { exact: tier(at), ..Pins::default() };
        expect!["standard (predicted)"].assert_eq(&bound(floor, ceiling));
        expect!["standard (requested_tier)"].assert_eq(&bound(floor, exact(0)));
        expect!["reasoning (requested_tier)"].assert_eq(&bound(floor, exact(2)));
        expect!["nano (requested_tier)"].assert_eq(&bound(ceiling, exact(2)));
        expect!["nano (predicted)"].assert_eq(&bound(ceiling, floor));
        for asked in [exact(0), exact(2)] {
            expect!["standard (requested_tier)"].assert_eq(&bound(exact(1), asked));
        }
        expect!["standard (caller_tier)"].assert_eq(&bound(exact(1), ceiling));
        // Both of one caller, such as a key's ceiling and a user's floor: the ceiling.
        expect!["nano (predicted)"].assert_eq(&bound(Pins { ceiling: tier(0), ..floor }, Pins::default()));
    }

    #[test]
    fn the_cache_counts_on_whichever_target_of_the_tier_it_is() {
        let mut tiers = ladder().tiers().to_vec();
        let sibling = tiers[1].targets[0].clone();
        tiers[1].targets.push(sibling);
        let (ladder, caller) = (Ladder::new(tiers, "standard").unwrap(), Caller::default());
        let cost = |at: Option<u8>| {
            let session =
                at.map(|index| Session { target: TargetId { tier: TierId(1), index }, warm_tokens: 480, bound: false });
            expected_cost(&ladder, TierId(1), &Ask { session, ..ask(EASY, &caller) })
        };
        assert!(cost(Some(0)) < cost(None));
        assert_eq!(cost(Some(1)), cost(Some(0)));
    }

    #[test]
    fn who_is_chosen_was_not_passed_over() {
        let (ladder, caller) = (ladder(), Caller::default());
        let choosing = Choosing {
            policy: Policy::Target,
            max_shortfall: 0.05,
            by_complexity: ComplexityMap::for_ladder(&ladder),
            held: Held::NONE,
        };
        let pins = Pins { floor: Some(TierId(1)), ..Pins::default() };
        let decision = decide(&ladder, &choosing, &Ask { pins, ..ask(EASY, &caller) }).unwrap();
        let passed_over: Vec<_> = decision.rejected.iter().map(|rejected| (rejected.tier.0, &rejected.why)).collect();
        assert_eq!(decision.tier, TierId(1));
        assert_eq!(passed_over, [(2, &RejectWhy::Dearer), (0, &RejectWhy::BelowFloor)]);
    }

    #[test]
    fn an_estimate_that_may_be_wrong_refuses_nobody() {
        // The windows hold 1,000 and twice 100,000.
        check(EASY, |ask| ask.input_tokens = 129_000.into(), expect!["standard (predicted), raised from nano"]);
        check(HARD, |ask| ask.input_tokens = 140_000.into(), expect!["nothing: 3"]);
        let capped = |ask: &mut Ask<'_>| {
            ask.input_tokens = 1_300.into();
            ask.pins.ceiling = Some(TierId(0));
        };
        check(EASY, capped, expect!["nano (predicted)"]);
        check(EASY, |ask| ask.input_tokens = 1_300.into(), expect!["standard (predicted), raised from nano"]);
    }

    #[test]
    fn who_can_serve_it_below_is_better_than_nobody() {
        let caller = Caller::default();
        let mut tiers = ladder().tiers().to_vec();
        tiers[2].targets[0].capabilities.vision = false;
        let ladder = Ladder::new(tiers, "standard").unwrap();
        let choosing = Choosing { max_shortfall: 0.05, ..Choosing::by_target(&ladder) };
        let seeing = Ask { needs: Needs { vision: true, ..Needs::default() }, ..ask(HARD, &caller) };
        let with = |pins: Pins| decide(&ladder, &choosing, &Ask { pins, ..seeing.clone() });
        let decision = with(Pins::default()).unwrap();
        assert_eq!((decision.tier, decision.raised_from), (TierId(1), None));
        assert!(decision.rejected.iter().any(|one| matches!(one.why, RejectWhy::Lacks { .. })), "{decision:?}");
        assert!(with(Pins { floor: Some(TierId(2)), ..Pins::default() }).is_err());
        assert!(with(Pins { exact: Some(TierId(2)), ..Pins::default() }).is_err());
    }

    #[test]
    fn needs_may_only_raise() {
        let seeing = |ask: &mut Ask<'_>| ask.needs.vision = true;
        check(EASY, seeing, expect!["standard (predicted), raised from nano"]);
        check(EASY, |ask| ask.input_tokens = 5_000.into(), expect!["standard (predicted), raised from nano"]);
        check(HARD, |ask| ask.input_tokens = 500_000.into(), expect!["nothing: 3"]);
        let capped = |ask: &mut Ask<'_>| {
            ask.needs.vision = true;
            ask.pins.ceiling = Some(TierId(0));
        };
        // The two others were passed over as dearer before.
        check(EASY, capped, expect!["nothing: 3"]);
        let bound = |ask: &mut Ask<'_>| {
            let target = TargetId { tier: TierId(1), index: 0 };
            ask.session = Some(Session { target, warm_tokens: 0, bound: true });
        };
        check(EASY, bound, expect!["standard (predicted), raised from nano"]);
    }
}
