//! A route table proves its checks when it is made.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests stop at the first surprise")]

use std::collections::BTreeMap;
use tierway_decide::{
    AskModel, Classifier, Complexity, ComplexityMap, Ladder, Pins, Policy, RouteTable, Rule, RuleSet, Scope, Target,
    Tier, TierId,
};
use tierway_wire::Format;

fn ladder(names: &[&str], baseline: &str) -> Ladder {
    let target = |model: &str| Target {
        provider: "p".into(),
        model: model.into(),
        format: Format::OpenaiChat,
        effort: None,
        weight: 1,
        prices: None,
        limits: Default::default(),
        capabilities: Default::default(),
        parameters: Default::default(),
        shutdown: None,
    };
    let tier = |name: &&str| Tier {
        name: (*name).into(),
        targets: vec![target(name)],
        strengths: String::new(),
        weaknesses: String::new(),
    };
    Ladder::new(names.iter().map(tier).collect(), baseline).unwrap()
}

fn table() -> RouteTable {
    RouteTable::new(ladder(&["nano", "standard", "reasoning"], "standard"))
}

#[test]
fn the_default_map_follows_the_ladder() {
    let tiers = |ladder: &Ladder| {
        let map = ComplexityMap::for_ladder(ladder);
        Complexity::ALL.map(|complexity| ladder.tier(map.tier(complexity)).name.clone()).join(" ")
    };
    assert_eq!(tiers(&ladder(&["nano", "standard", "reasoning"], "standard")), "nano standard standard reasoning");
    assert_eq!(tiers(&ladder(&["small", "large"], "large")), "small large large large");
    assert_eq!(tiers(&ladder(&["one"], "one")), "one one one one");
}

#[test]
fn a_tier_that_does_not_exist_is_refused_wherever_it_is_named() {
    let missing = TierId(3);
    let rule = Rule {
        name: "maths".into(),
        pattern: "x".into(),
        tier: missing,
        reason: String::new(),
        scope: Scope::LastUser,
        locked: false,
        case_sensitive: false,
    };
    let ask = AskModel { tier: missing, timeout_ms: 1, max_output_tokens: 1, max_cost: None };
    let user = |pins| BTreeMap::from([("ann".to_owned(), pins)]);
    let refusals = [
        table().with_rules(RuleSet::new(vec![rule]).unwrap()),
        table().with_classifier(Classifier::Hybrid(ask)),
        table().with_complexity_map(ComplexityMap::new([TierId(0), TierId(0), TierId(0), missing])),
        table().with_users(user(Pins { floor: Some(missing), ..Pins::default() })),
        table().with_users(user(Pins { floor: Some(TierId(2)), ceiling: Some(TierId(1)), exact: None })),
        table().with_quality_target(0.0),
        table().with_quality_target(99.0),
        table().with_quality_target(f64::NAN),
    ];
    let messages: Vec<_> = refusals.into_iter().map(|refusal| refusal.unwrap_err().to_string()).collect();
    expect_test::expect![[r#"
        rule `maths` names tier 3, the ladder has 3
        the classifier names tier 3, the ladder has 3
        complexity `reasoning` names tier 3, the ladder has 3
        user `ann` names tier 3, the ladder has 3
        user `ann`: the floor is above the ceiling
        the quality target is 0; it is a share above 0 and at most 1, such as 0.99
        the quality target is 99; it is a share above 0 and at most 1, such as 0.99
        the quality target is NaN; it is a share above 0 and at most 1, such as 0.99"#]]
    .assert_eq(&messages.join("\n"));
}

#[test]
fn equal_tables_have_equal_versions_and_any_change_another() {
    assert_eq!(table().version(), table().version());
    assert_ne!(table().version(), table().with_policy(Policy::Tiers).version());
    assert_ne!(table().version(), table().with_quality_target(0.9).unwrap().version());
    assert_ne!(table().version(), RouteTable::new(ladder(&["nano", "standard"], "standard")).version());
    assert!(i64::try_from(table().version()).is_ok());
}
