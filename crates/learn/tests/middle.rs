//! A tier that nobody compared: no promise is made of it, and nothing goes there.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use tierway_decide::pricing::{Price, PriceHistory};
use tierway_decide::{Capabilities, Chance, Ladder, Limits, ParameterRules, Target, Tier, Usd};
use tierway_learn::Outcome;
use tierway_learn::calibrate::{Options, calibrate};
use tierway_learn::table::Table;
use tierway_wire::Format;

fn ladder() -> Ladder {
    let tier = |(name, price): (&str, f64)| {
        let price = Price { input: Usd::from_f64(price / 1e6), output: Usd::from_f64(price / 1e6), ..Price::default() };
        Tier {
            name: name.into(),
            targets: vec![Target {
                provider: "p".into(),
                model: name.into(),
                format: Format::OpenaiChat,
                effort: None,
                weight: 1,
                prices: Some(PriceHistory(vec![price])),
                limits: Limits::default(),
                capabilities: Capabilities::default(),
                parameters: ParameterRules::default(),
                shutdown: None,
            }],
            strengths: String::new(),
            weaknesses: String::new(),
        }
    };
    Ladder::new([("nano", 1.0), ("mini", 4.0), ("standard", 20.0)].map(tier).to_vec(), "standard").expect("sound")
}

/// Proofs are beyond the cheapest model. `heard`: whether the model in the middle answered, too; it is always right.
fn outcomes(heard: bool) -> Vec<Outcome> {
    let mut chance = Chance::new(7);
    let mut line = |at: usize| {
        let (hard, number) = (chance.share() < 0.4, chance.up_to(900));
        let ask = if hard {
            format!("Prove that {number} divides the sum of its squares.")
        } else {
            format!("What is the capital of region {number}?")
        };
        let answer =
            |model: &str, score: u8| format!(r#""{model}":{{"score":{score},"prompt_tokens":20,"output_tokens":100}}"#);
        let mut answers = vec![answer("nano", u8::from(!hard)), answer("standard", 1)];
        answers.extend(heard.then(|| answer("mini", 1)));
        let answers = answers.join(",");
        let json =
            format!(r#"{{"id":"r{at}","messages":[{{"role":"user","content":"{ask}"}}],"answers":{{{answers}}}}}"#);
        Outcome::parse(&json).expect("an outcome")
    };
    (0..900).map(&mut line).collect()
}

#[test]
fn nothing_goes_to_a_tier_of_which_nothing_is_known() {
    let ladder = ladder();
    for (heard, in_the_middle) in [(false, 0.0..0.001), (true, 0.2..0.6)] {
        let outcomes = outcomes(heard);
        let table = Table::new(&outcomes, &ladder, &[]);
        let done = calibrate(&table, &ladder, &Options { quality: 0.95, ..Options::default() }).expect("enough");
        assert!(done.evidence.promise.max_shortfall.is_some(), "heard: {heard}");
        let middle = done.proof.iter().filter(|(_, tier)| *tier == 1).count() as f64 / done.proof.len() as f64;
        assert!(in_the_middle.contains(&middle), "heard: {heard}: {middle} went to the middle");
    }
}
