//! Which requests went wrong, and what is said to be the matter.
#![allow(missing_docs)]

use expect_test::{Expect, expect};
use tierway_decide::{
    CallRecord, CallStatus, Complexity, MAX_TIERS, Policy, Prediction, Reason, RejectWhy, Rejected, RequestId,
    TaskType, TierId, Usd,
};
use tierway_report::{InForce, Misroutes};

/// A request on `standard` for which `nano`, a tenth of the price, looks as good.
fn call(reason: Reason, rejected: Vec<(u8, RejectWhy)>, paid: f64) -> CallRecord {
    let [paid, baseline, cheapest] = [paid, 1.0, 0.1].map(|usd| Some(Usd::from_f64(usd)));
    let (mut p_ok, output_tokens) = ([0.0; MAX_TIERS], [0.0; MAX_TIERS]);
    p_ok[..2].fill(0.9);
    CallRecord {
        id: RequestId::first_at(0),
        key: "".into(),
        team: "".into(),
        user: "".into(),
        session: "".into(),
        format: "".into(),
        stream: false,
        requested_model: "auto".into(),
        tier: "standard".into(),
        served_tier: "standard".into(),
        provider: "".into(),
        served_model: "".into(),
        reason,
        raised_from: "".into(),
        rejected: rejected.into_iter().map(|(tier, why)| Rejected { tier: TierId(tier), target: None, why }).collect(),
        prediction: Prediction {
            p_ok,
            score_strong: 0.0,
            complexity: Complexity::Simple,
            task_type: TaskType::Qa,
            novelty: 0.0,
            abstain: None,
            output_tokens,
            calibrated: false,
        },
        features: Vec::new(),
        table_version: 0,
        adapted: Vec::new(),
        attempts: Vec::new(),
        usage: Default::default(),
        asked_service_tier: Default::default(),
        usage_estimated: false,
        paid,
        classifier_paid: Usd::ZERO,
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

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "cases read better without a borrow")]
fn check(call: CallRecord, want: Expect) {
    let mut misroutes = Misroutes::default();
    misroutes.look(&call);
    let now = InForce { baseline: "standard".into(), policy: Policy::Target, quality_target: 0.98, calibrated: false };
    let told = |one: &tierway_report::Misroute| format!("{}. {}", one.sentence(), one.advice.config.replace('\n', " "));
    want.assert_eq(&misroutes.worst(1, &now).iter().map(told).collect::<String>());
}

#[test]
fn a_threshold_is_blamed_for_what_it_decided_alone() {
    let unsure = RejectWhy::NotGoodEnough { p_ok_mille: 900, needed_mille: 950 };
    let lacks = RejectWhy::Lacks { capability: "tools".into() };
    check(
        call(Reason::Predicted, vec![(0, unsure)], 1.0),
        expect![
            "1 qa request on standard (predicted) went to a dearer tier although the cheapest was expected to do as well: up to $0.90 too much. [routing] quality_target = 0.97"
        ],
    );
    check(call(Reason::Predicted, vec![(0, lacks)], 1.0), expect![""]);
    check(call(Reason::Predicted, vec![(0, RejectWhy::BelowFloor)], 1.0), expect![""]);
    check(call(Reason::Abstained, vec![(0, RejectWhy::BelowFloor)], 1.0), expect![""]);
}

#[test]
fn what_a_floor_made_dearer_than_the_baseline_is_the_floors_matter() {
    check(
        call(Reason::Rule { rule: "cheap".into(), why: String::new() }, vec![(0, RejectWhy::BelowFloor)], 3.0),
        expect![[
            r#"1 qa request on standard (floor) cost more than on the baseline tier: $2.00 too much. [[keys]]  # of these callers floor = "standard""#
        ]],
    );
}
