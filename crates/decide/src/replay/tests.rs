use super::*;
use crate::backtest::Backtest;
use crate::pricing::{Price, PriceHistory};
use crate::{
    Abstain, Capabilities, Complexity, ComplexityMap, Ladder, Limits, MAX_TIERS, ParameterRules, Policy, Rejected,
    RequestId, Rule, RuleSet, Scope, SessionPolicy, TaskType, Tier,
};
use expect_test::{Expect, expect};
use tierway_wire::{Format, ServiceTier};

const HARD: &str = "Prove that there are infinitely many primes of the form 4k + 3, and derive the density of them.";
const EASY: &str = "What is the capital of France?";

/// nano, standard, reasoning at 1, 10 and 30 dollars per million tokens; nano is blind.
fn table(names: [&str; 3], policy: Policy, rules: &[(&str, u8)]) -> RouteTable {
    let tier = |(at, name): (usize, &str)| Tier {
        name: name.into(),
        targets: vec![Target {
            provider: "p".into(),
            model: format!("m{at}").into(),
            format: Format::OpenaiChat,
            effort: None,
            weight: 1,
            prices: Some(PriceHistory(vec![Price {
                input: Usd::from_picos([1, 10, 30][at] * 1_000_000),
                output: Usd::from_picos([1, 10, 30][at] * 1_000_000),
                ..Price::default()
            }])),
            limits: Limits::default(),
            capabilities: Capabilities { vision: at > 0, ..Capabilities::default() },
            parameters: ParameterRules::default(),
            shutdown: None,
        }],
        strengths: String::new(),
        weaknesses: String::new(),
    };
    let ladder = Ladder::new(names.into_iter().enumerate().map(tier).collect(), names[1]).unwrap();
    let rule = |(name, tier): &(&str, u8)| Rule {
        name: (*name).into(),
        pattern: "x".into(),
        tier: TierId(*tier),
        reason: String::new(),
        scope: Scope::LastUser,
        locked: false,
        case_sensitive: false,
    };
    let rules = RuleSet::new(rules.iter().map(rule).collect()).unwrap();
    let map = ComplexityMap::for_ladder(&ladder);
    RouteTable::new(ladder).with_rules(rules).unwrap().with_policy(policy).with_complexity_map(map).unwrap()
}

const NAMES: [&str; 3] = ["nano", "standard", "reasoning"];

/// An answered request of 1,000 tokens that went to the standard tier.
fn call(text: &str, reason: Reason) -> CallRecord {
    let body = serde_json::json!({"model": "auto", "messages": [{"role": "user", "content": text}]}).to_string();
    let (outline, _) = tierway_wire::openai_chat::outline(body.as_bytes()).unwrap();
    let usage = Usage { input_tokens: 600, output_tokens: 400, ..Usage::default() };
    let prediction = Prediction {
        p_ok: [0.0; MAX_TIERS],
        score_strong: 0.0,
        complexity: Complexity::Simple,
        task_type: TaskType::Other,
        novelty: 0.0,
        abstain: Some(Abstain::NoAsk),
        output_tokens: [0.0; MAX_TIERS],
        calibrated: false,
    };
    CallRecord {
        id: RequestId::new(RequestId::EPOCH_MS + 1_000, 0, 0),
        key: "app".into(),
        team: "".into(),
        user: "".into(),
        session: "s".into(),
        format: "openai_chat".into(),
        stream: false,
        requested_model: "auto".into(),
        tier: "standard".into(),
        served_tier: "standard".into(),
        provider: "p".into(),
        served_model: "m1".into(),
        reason,
        raised_from: "".into(),
        rejected: Vec::new(),
        prediction,
        features: Features::of(&outline).pack(),
        table_version: 0,
        adapted: Vec::new(),
        attempts: Vec::new(),
        usage,
        asked_service_tier: ServiceTier::Standard,
        usage_estimated: false,
        paid: Some(Usd::from_picos(10_000_000_000)),
        classifier_paid: Usd::ZERO,
        baseline: Some(Usd::from_picos(10_000_000_000)),
        cheapest: None,
        http_status: 200,
        status: CallStatus::Answered,
        finish: "".into(),
        first_byte_ms: None,
        total_ms: 1,
        decide_us: 1,
    }
}

fn rule_reason(name: &str) -> Reason {
    Reason::Rule { rule: name.into(), why: String::new() }
}

fn again(call: &CallRecord, table: &RouteTable, pins: Option<Pins>) -> Result<Outcome, Kept> {
    let under = Under { table, predictor: Predictor::embedded(), key_pins: &|_| pins };
    Looked::at(call, under, None)?.decide(table, &table.choosing(Some(0.3)), call)
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "cases read better without a borrow")]
fn check(call: CallRecord, table: RouteTable, pins: Option<Pins>, want: Expect) {
    let told = match again(&call, &table, pins) {
        Err(kept) => format!("{kept:?}"),
        Ok(outcome) => {
            let (tier, target) = (table.ladder().tier(outcome.tier), table.ladder().target(outcome.target));
            let moved = if outcome.moved { "moves to" } else { "stays on" };
            format!("{moved} {}/{} for {}", tier.name, target.model, outcome.paid.unwrap())
        }
    };
    want.assert_eq(&told);
}

fn target(rules: &[(&str, u8)]) -> RouteTable {
    table(NAMES, Policy::Target, rules)
}

#[test]
fn what_moves_costs_the_same_tokens_elsewhere_and_what_stays_costs_what_it_did() {
    check(call(EASY, Reason::Predicted), target(&[]), None, expect!["moves to nano/m0 for 0.001"]);
    check(call(HARD, Reason::Predicted), target(&[]), None, expect!["moves to reasoning/m2 for 0.03"]);
    let held = call(HARD, rule_reason("law"));
    check(held, target(&[("law", 1)]), None, expect!["stays on standard/m1 for 0.01"]);
    check(call(EASY, Reason::Predicted), table(NAMES, Policy::Tiers, &[]), None, expect!["moves to nano/m0 for 0.001"]);
}

#[test]
fn rules_are_known_by_their_names() {
    check(call(HARD, rule_reason("law")), target(&[("law", 0)]), None, expect!["moves to nano/m0 for 0.001"]);
    check(call(EASY, rule_reason("law")), target(&[("law", 1)]), None, expect!["stays on standard/m1 for 0.01"]);
    // The rule is gone: the prediction decides.
    check(call(EASY, rule_reason("law")), target(&[("tax", 1)]), None, expect!["moves to nano/m0 for 0.001"]);
}

#[test]
fn what_the_request_or_its_key_pinned_holds() {
    check(call(EASY, Reason::RequestedTier), target(&[]), None, expect!["stays on standard/m1 for 0.01"]);
    check(call(EASY, Reason::CallerTier), target(&[]), None, expect!["stays on standard/m1 for 0.01"]);
    let reasoning = Pins { exact: Some(TierId(2)), ..Pins::default() };
    check(call(EASY, Reason::CallerTier), target(&[]), Some(reasoning), expect!["moves to reasoning/m2 for 0.03"]);
    let mut floored = call(EASY, Reason::Predicted);
    floored.rejected.push(Rejected { tier: TierId(0), target: None, why: RejectWhy::BelowFloor });
    check(floored, target(&[]), None, expect!["stays on standard/m1 for 0.01"]);
    let renamed = table(["a", "b", "c"], Policy::Target, &[]);
    check(call(EASY, Reason::RequestedTier), renamed, None, expect!["TierGone"]);
}

#[test]
fn what_cannot_be_decided_again_stays() {
    check(call(EASY, Reason::RequestedModel), target(&[]), None, expect!["NamedModel"]);
    let failed = CallRecord { status: CallStatus::Failed, ..call(EASY, Reason::Predicted) };
    check(failed, target(&[]), None, expect!["NotAnswered"]);
    let bare = CallRecord { features: Vec::new(), ..call(EASY, Reason::Predicted) };
    check(bare, target(&[]), None, expect!["NoFeatures"]);
}

#[test]
fn a_conversation_stays_where_the_replay_left_it() {
    let (table, policy) = (target(&[]), SessionPolicy::default());
    let first = call(EASY, Reason::Predicted);
    let mut conversations = Conversations::default();
    assert_eq!(conversations.find(&first, policy), None);
    let outcome = again(&first, &table, None).unwrap();
    conversations.remember(&first, &outcome, policy);
    let later =
        |minutes: i64| CallRecord { id: RequestId::new(first.id.unix_ms() + minutes * 60_000, 0, 0), ..first.clone() };
    let session = |minutes| conversations.find(&later(minutes), policy);
    assert_eq!(session(1), Some(Session { target: outcome.target, warm_tokens: 1_000, bound: false }));
    assert_eq!(session(6).map(|session| session.warm_tokens), Some(0), "the cache is cold");
    assert_eq!(session(61), None, "forgotten");
    assert_eq!(conversations.find(&CallRecord { session: "other".into(), ..first.clone() }, policy), None);
}

#[test]
fn sums_name_what_moves_and_put_the_weightiest_first() {
    let table = target(&[("law", 0)]);
    let mut sum = Backtest::new(Usd::from_picos(100_000_000_000), 2);
    let calls = [
        call(EASY, Reason::Predicted),
        call(HARD, rule_reason("law")),
        call(HARD, Reason::Predicted),
        CallRecord { usage: Usage { input_tokens: 9_000, ..Usage::default() }, ..call(EASY, Reason::Predicted) },
        call(EASY, Reason::RequestedModel),
    ];
    let under = Under { table: &table, predictor: Predictor::embedded(), key_pins: &|_| None };
    for (at, call) in (0u16..).zip(&calls) {
        let call = CallRecord { id: RequestId::new(RequestId::EPOCH_MS, 0, at), ..call.clone() };
        match Looked::at(&call, under, None) {
            Err(why) => sum.keep(why),
            Ok(looked) => {
                let outcome = looked.decide(&table, &table.choosing(Some(0.3)), &call).unwrap();
                sum.add(&call, looked.prediction(), &outcome, table.ladder());
            }
        }
    }
    assert_eq!((sum.read, sum.replayed, sum.moved(), sum.kept[&Kept::NamedModel]), (5, 4, 4, 1));
    assert_eq!((sum.before.paid.as_f64(), sum.after.paid.as_f64()), (0.04, 0.041));
    assert_eq!(sum.after.tiers, [("nano".to_owned(), 3), ("reasoning".to_owned(), 1)].into());
    assert_eq!(sum.before.risk(), 0.0, "the baseline falls short of nothing");
    assert!(sum.after.risk() > 0.0 && sum.after.waste() < sum.before.waste());
    // The hard ones: one that becomes better and dear, and one that a rule sends down.
    let first: Vec<_> = sum.weightiest().iter().map(|moved| moved.id.as_i64() & 0xfff).collect();
    assert_eq!(first, [2, 1]);
}
