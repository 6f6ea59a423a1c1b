//! What routing saved: paid against what the baseline tier would have cost.
//!
//! In: finished calls with their attempts as billed, and prices. Out: the two counterfactuals of one call
//! ([`counterfactual`]) and sums over calls ([`Savings`]). Refuses to flatter: attempts that failed and were billed, and
//! what was paid to decide, are charged to the router; losses stay in the sum; a call without a price is counted and left
//! out, never taken for free; a model that the client itself named was not routed and saves nothing.

use crate::{Attempt, CallRecord, CallStatus, Ladder, Reason, Reasoning, Target, TierId, Usd};
use serde::{Deserialize, Serialize};
use tierway_wire::Usage;

/// How the baseline is computed; part of every report.
pub const SAME_TOKENS: &str = "same tokens: the served answer's tokens at the prices of the baseline tier's main target \
on the day of the call, under the service tier that the client asked for, else the one that was used; reasoning tokens are left out where that model does not reason unless asked";

/// What all attempts of one request cost together; none when the price of one that reported usage is unknown.
#[must_use]
pub fn paid(attempts: &[Attempt]) -> Option<Usd> {
    attempts.iter().try_fold(Usd::ZERO, |sum, attempt| match attempt.paid {
        Some(paid) => Some(sum + paid),
        None if attempt.usage.is_empty() => Some(sum),
        None => None,
    })
}

/// What a tier would have cost for the answer that was served, by the method of [`SAME_TOKENS`]; none without a price.
///
/// `usage`: under the terms that the client asked for ([`CallRecord::usage_as_asked`]). `unix_ms`: when the call came. A request that got no answer has no usage and would have cost
/// nothing, so what its failed attempts were billed is a loss.
#[must_use]
pub fn counterfactual(ladder: &Ladder, tier: TierId, usage: &Usage, unix_ms: i64) -> Option<Usd> {
    if usage.is_empty() {
        return Some(Usd::ZERO);
    }
    cost_on(main_target(ladder, tier)?, usage, unix_ms)
}

/// What one target would have charged for these tokens at that time, under their service tier; none without a price.
#[must_use]
pub fn cost_on(target: &Target, usage: &Usage, unix_ms: i64) -> Option<Usd> {
    target.prices.as_ref()?.cost(unix_ms, &as_served_by(target, usage))
}

/// The heaviest target of a tier, the first among equals: who would have had most of the traffic.
fn main_target(ladder: &Ladder, tier: TierId) -> Option<&Target> {
    let targets = &ladder.tier(tier).targets;
    targets.iter().rev().max_by_key(|target| target.weight)
}

/// The tokens that `target` would have reported: a model that does not reason by itself has no reasoning tokens.
fn as_served_by(target: &Target, usage: &Usage) -> Usage {
    let reasons =
        target.effort.is_some() || matches!(target.parameters.reasoning, Reasoning::OnByDefault | Reasoning::Always);
    if reasons {
        return *usage;
    }
    let output_tokens = usage.output_tokens.saturating_sub(usage.reasoning_tokens);
    Usage { output_tokens, reasoning_tokens: 0, ..*usage }
}

/// True when tierway had a say in where the call went.
#[must_use]
pub const fn is_routed(reason: &Reason) -> bool {
    !matches!(reason, Reason::RequestedModel)
}

/// True for the router's own calls (shadows, judges): nobody would have made them without it, so that the baseline of
/// each is nothing and all that it cost is a loss.
#[must_use]
pub const fn is_own(reason: &Reason) -> bool {
    matches!(reason, Reason::Shadow | Reason::Judge)
}

/// What the baseline would have cost for what the client got of a call. A call without an answer never saves: one that
/// failed would have cost nothing, one that the client left no more than what it cost here.
#[must_use]
pub fn baseline_of(call: &CallRecord) -> Option<Usd> {
    match call.status {
        CallStatus::Answered => call.baseline,
        CallStatus::Failed | CallStatus::Refused => Some(Usd::ZERO),
        CallStatus::Cancelled => call.baseline.zip(call.paid).map(|(baseline, paid)| baseline.min(paid)),
    }
}

/// What one call saved; negative is a loss. None when it was not routed, or a price is unknown.
#[must_use]
pub fn saved(call: &CallRecord) -> Option<Usd> {
    if !is_routed(&call.reason) {
        return None;
    }
    Some(baseline_of(call)? - call.paid_in_all()?)
}

/// Money of many calls. Sums are exact; adding in any order, or adding sums to sums, gives the same figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Savings {
    /// Calls that tierway routed and whose prices are all known: what the savings are computed over.
    pub priced_calls: u64,
    /// Calls of which a price is unknown, routed or not: left out of the savings.
    pub unpriced_calls: u64,
    /// Calls to a model that the client named, at a known price: not routed, left out of the savings.
    pub passed_calls: u64,
    /// Paid for the attempts of priced calls.
    pub paid: Usd,
    /// Paid to decide priced calls.
    pub classifier: Usd,
    /// What priced calls would have cost on the baseline tier.
    pub baseline: Usd,
    /// The part of the difference that comes from calls that were cheaper than the baseline; not negative.
    pub gained: Usd,
    /// The part that comes from calls that were dearer, as an amount; not negative.
    pub lost: Usd,
    /// Calls that were dearer than the baseline.
    pub lost_calls: u64,
    /// Priced calls whose cost on the cheapest tier is known, too.
    pub cheapest_calls: u64,
    /// What those would have cost on the cheapest tier.
    pub cheapest: Usd,
    /// What those would have cost on the baseline tier.
    pub cheapest_baseline: Usd,
    /// What is known to be paid for unpriced, passed and refused calls, deciding included.
    pub paid_elsewhere: Usd,
}

impl Savings {
    /// Counts one call in. A request that was refused is no call, but a model may have been asked about it.
    pub fn add(&mut self, call: &CallRecord) {
        if call.status == CallStatus::Refused {
            self.paid_elsewhere += call.paid.unwrap_or(Usd::ZERO) + call.classifier_paid;
            return;
        }
        let routed = is_routed(&call.reason);
        let (Some(paid), Some(baseline), true) = (call.paid, baseline_of(call), routed) else {
            let unpriced = routed || call.paid.is_none();
            self.unpriced_calls += u64::from(unpriced);
            self.passed_calls += u64::from(!unpriced);
            self.paid_elsewhere += call.paid.unwrap_or(Usd::ZERO) + call.classifier_paid;
            return;
        };
        self.priced_calls += 1;
        self.paid += paid;
        self.classifier += call.classifier_paid;
        self.baseline += baseline;
        let saved = baseline - paid - call.classifier_paid;
        if saved < Usd::ZERO {
            self.lost += -saved;
            self.lost_calls += 1;
        } else {
            self.gained += saved;
        }
        if let Some(cheapest) = call.cheapest.filter(|_| call.status == CallStatus::Answered) {
            self.cheapest_calls += 1;
            self.cheapest += cheapest;
            self.cheapest_baseline += baseline;
        }
    }

    /// Counts the calls of another sum in.
    pub fn merge(&mut self, other: &Self) {
        self.priced_calls += other.priced_calls;
        self.unpriced_calls += other.unpriced_calls;
        self.passed_calls += other.passed_calls;
        self.paid += other.paid;
        self.classifier += other.classifier;
        self.baseline += other.baseline;
        self.gained += other.gained;
        self.lost += other.lost;
        self.lost_calls += other.lost_calls;
        self.cheapest_calls += other.cheapest_calls;
        self.cheapest += other.cheapest;
        self.cheapest_baseline += other.cheapest_baseline;
        self.paid_elsewhere += other.paid_elsewhere;
    }

    /// Paid for priced calls, deciding included: baseline less this is [`Self::saved`].
    #[must_use]
    pub fn paid_for_priced(&self) -> Usd {
        self.paid + self.classifier
    }

    /// Everything that is known to be paid, priced or not, routed or not.
    #[must_use]
    pub fn paid_in_all(&self) -> Usd {
        self.paid_for_priced() + self.paid_elsewhere
    }

    /// Saved on priced calls; negative is a loss.
    #[must_use]
    pub fn saved(&self) -> Usd {
        self.gained - self.lost
    }

    /// Share of the baseline that was saved: 0.25 is a quarter cheaper. None without a baseline.
    #[must_use]
    pub fn saved_share(&self) -> Option<f64> {
        share(self.saved(), self.baseline)
    }

    /// What sending every call to the cheapest tier would have saved, by the same method and without paying to decide.
    #[must_use]
    pub fn always_cheapest_saved(&self) -> Usd {
        self.cheapest_baseline - self.cheapest
    }

    /// The same as a share of the baseline. None without a baseline.
    #[must_use]
    pub fn always_cheapest_share(&self) -> Option<f64> {
        share(self.always_cheapest_saved(), self.cheapest_baseline)
    }
}

fn share(part: Usd, whole: Usd) -> Option<f64> {
    (whole > Usd::ZERO).then(|| part.as_f64() / whole.as_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{Price, PriceHistory};
    use crate::{
        AttemptEnd, CallStatus, Capabilities, Complexity, Limits, MAX_TIERS, MaxTokensField, ParameterRules,
        Prediction, RequestId, TaskType, Tier,
    };
    use tierway_wire::{Format, ServiceTier};

    /// Dollars per million tokens, which is what price lists say.
    fn per_mtok(dollars: f64) -> Usd {
        Usd::from_f64(dollars / 1e6)
    }

    fn target(model: &str, weight: u32, price: Option<(f64, f64)>, reasoning: Reasoning) -> Target {
        let prices = price.map(|(input, output)| {
            PriceHistory(vec![Price { input: per_mtok(input), output: per_mtok(output), ..Price::default() }])
        });
        Target {
            provider: "openai".into(),
            model: model.into(),
            format: Format::OpenaiChat,
            effort: None,
            weight,
            prices,
            limits: Limits::default(),
            capabilities: Capabilities::default(),
            parameters: ParameterRules { reasoning, max_tokens_field: MaxTokensField::MaxTokens, ..Default::default() },
            shutdown: None,
        }
    }

    /// The classic ladder: 0.15/0.60, 5/15 and 3/12 dollars per million tokens.
    fn ladder() -> Ladder {
        let tier = |name: &str, targets| Tier {
            name: name.into(),
            targets,
            strengths: String::new(),
            weaknesses: String::new(),
        };
        let tiers = vec![
            tier("nano", vec![target("gpt-4o-mini", 1, Some((0.15, 0.60)), Reasoning::None)]),
            tier(
                "standard",
                vec![
                    target("spare", 1, Some((50.0, 150.0)), Reasoning::None),
                    target("gpt-4o", 9, Some((5.0, 15.0)), Reasoning::None),
                ],
            ),
            tier("reasoning", vec![target("o1-mini", 1, Some((3.0, 12.0)), Reasoning::Always)]),
            tier("new", vec![target("nobody-knows", 1, None, Reasoning::None)]),
        ];
        Ladder::new(tiers, "standard").unwrap()
    }

    fn usage(input_tokens: u64, output_tokens: u64, reasoning_tokens: u64) -> Usage {
        Usage { input_tokens, output_tokens, reasoning_tokens, ..Usage::default() }
    }

    #[test]
    fn the_counterfactual_has_the_same_tokens_but_no_thoughts_of_a_model_that_does_not_think() {
        let cases = [
            // tier, tokens in, out, of them reasoning, dollars
            (0, (1000, 200, 0), Some("0.00027")),
            (1, (1000, 200, 0), Some("0.008")),
            (1, (1000, 1200, 1000), Some("0.008")),
            (2, (1000, 1200, 1000), Some("0.0174")),
            (1, (0, 0, 0), Some("0")),
            (3, (1000, 200, 0), None),
            (3, (0, 0, 0), Some("0")),
        ];
        for (tier, (input, output, reasoning), want) in cases {
            let got = counterfactual(&ladder(), TierId(tier), &usage(input, output, reasoning), 1_728_000_000_000);
            assert_eq!(got.map(|usd| usd.to_string()).as_deref(), want, "tier {tier}, {input}/{output}/{reasoning}");
        }
    }

    fn attempt(usage: Usage, paid: Option<f64>) -> Attempt {
        Attempt {
            tier: "nano".into(),
            provider: "openai".into(),
            model: "gpt-4o-mini".into(),
            started_ms: 0,
            took_ms: 1,
            end: AttemptEnd::Ok,
            usage,
            paid: paid.map(Usd::from_f64),
        }
    }

    #[test]
    fn all_attempts_are_paid_and_an_unknown_price_is_not_free() {
        let some = usage(10, 10, 0);
        let cases = [
            (vec![], Some("0")),
            (vec![attempt(some, Some(0.5)), attempt(some, Some(0.25))], Some("0.75")),
            (vec![attempt(Usage::default(), None), attempt(some, Some(0.25))], Some("0.25")),
            (vec![attempt(some, None), attempt(some, Some(0.25))], None),
        ];
        for (attempts, want) in cases {
            assert_eq!(paid(&attempts).map(|usd| usd.to_string()).as_deref(), want, "{attempts:?}");
        }
    }

    fn call(reason: Reason, money: [Option<f64>; 3], classifier: f64) -> CallRecord {
        let [paid, baseline, cheapest] = money.map(|usd| usd.map(Usd::from_f64));
        CallRecord {
            id: RequestId::first_at(0),
            key: "".into(),
            team: "".into(),
            user: "".into(),
            session: "".into(),
            format: "".into(),
            stream: false,
            requested_model: "auto".into(),
            tier: "".into(),
            served_tier: "".into(),
            provider: "".into(),
            served_model: "".into(),
            reason,
            raised_from: "".into(),
            rejected: vec![],
            prediction: Prediction {
                p_ok: [0.0; MAX_TIERS],
                score_strong: 0.0,
                complexity: Complexity::Simple,
                task_type: TaskType::Other,
                novelty: 0.0,
                abstain: None,
                output_tokens: [0.0; MAX_TIERS],
                calibrated: false,
            },
            features: vec![],
            table_version: 0,
            adapted: vec![],
            attempts: vec![],
            usage: Usage::default(),
            asked_service_tier: ServiceTier::Standard,
            usage_estimated: false,
            paid,
            classifier_paid: Usd::from_f64(classifier),
            baseline,
            cheapest,
            http_status: 200,
            status: CallStatus::Answered,
            finish: "".into(),
            first_byte_ms: None,
            total_ms: 0,
            decide_us: 0,
        }
    }

    #[test]
    fn losses_stay_and_what_has_no_price_is_counted_and_left_out() {
        let calls = [
            call(Reason::Predicted, [Some(1.0), Some(10.0), Some(1.0)], 0.5),
            call(Reason::Predicted, [Some(12.0), Some(10.0), Some(1.0)], 0.0),
            call(Reason::Default, [Some(2.0), Some(0.0), Some(0.0)], 0.0),
            call(Reason::Predicted, [None, Some(10.0), None], 0.25),
            call(Reason::Predicted, [Some(3.0), None, None], 0.0),
            call(Reason::RequestedModel, [Some(100.0), Some(10.0), Some(1.0)], 0.0),
            call(Reason::RequestedModel, [None, None, None], 0.0),
        ];
        let mut sum = Savings::default();
        calls.iter().for_each(|call| sum.add(call));
        expect_test::expect![[r#"
            priced 3, unpriced 3, passed 1
            paid 15 + classifier 0.5, baseline 20, elsewhere 103.25, in all 118.75
            gained 8.5 - lost 4 (2 calls) = 4.5, share 0.225
            always cheapest 18 (share 0.9)"#]]
        .assert_eq(&format!(
            "priced {}, unpriced {}, passed {}\npaid {} + classifier {}, baseline {}, elsewhere {}, in all {}\n\
             gained {} - lost {} ({} calls) = {}, share {}\nalways cheapest {} (share {})",
            sum.priced_calls,
            sum.unpriced_calls,
            sum.passed_calls,
            sum.paid,
            sum.classifier,
            sum.baseline,
            sum.paid_elsewhere,
            sum.paid_in_all(),
            sum.gained,
            sum.lost,
            sum.lost_calls,
            sum.saved(),
            sum.saved_share().unwrap(),
            sum.always_cheapest_saved(),
            sum.always_cheapest_share().unwrap(),
        ));
        let each: Vec<_> = calls.iter().map(|call| saved(call).map_or("?".into(), |usd| usd.to_string())).collect();
        assert_eq!(each.join(" "), "8.5 -2 -2 ? ? ? ?");

        let (mut left, mut right) = (Savings::default(), Savings::default());
        calls[..2].iter().for_each(|call| left.add(call));
        calls[2..].iter().for_each(|call| right.add(call));
        left.merge(&right);
        assert_eq!(left, sum, "sums of sums are the same");
    }

    #[test]
    fn a_call_without_an_answer_never_saves() {
        for (status, want) in [
            (CallStatus::Answered, Some("9")),
            (CallStatus::Failed, Some("-1")),
            (CallStatus::Cancelled, Some("0")),
            (CallStatus::Refused, Some("-1")),
        ] {
            let call = CallRecord { status, ..call(Reason::Predicted, [Some(1.0), Some(10.0), Some(0.5)], 0.0) };
            assert_eq!(saved(&call).map(|saved| saved.to_string()).as_deref(), want, "{status:?}");
            let mut sum = Savings::default();
            sum.add(&call);
            let counted = u64::from(status != CallStatus::Refused);
            assert_eq!(sum.priced_calls, counted, "a refused request is no call");
            assert_eq!(sum.cheapest_calls, u64::from(status == CallStatus::Answered), "{status:?}");
        }
    }
}
