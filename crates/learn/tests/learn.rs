//! Learning and proving on outcomes that are made up, where the truth is known.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::fmt::Write;
use tierway_decide::evidence::{Evidence, EvidenceError};
use tierway_decide::model::Bank;
use tierway_decide::pricing::{Price, PriceHistory};
use tierway_decide::quality::{Interval, JudgeRates};
use tierway_decide::{
    Abstain, Capabilities, Chance, Counter, Features, Ladder, Limits, ParameterRules, Predictor, Target, Tier, Usd,
};
use tierway_learn::calibrate::{CalibrateError, Options, calibrate, choices, estimates, refit};
use tierway_learn::labels::Prompt;
use tierway_learn::metrics::{Curve, Item};
use tierway_learn::summary;
use tierway_learn::table::{Row, Table};
use tierway_learn::{Outcome, labels, split};
use tierway_wire::Format;

/// Values of the independent reference script on the same six rows.
#[test]
fn metrics_equal_the_reference() {
    let rows = [(0.9, 0.0, 1.0), (0.8, 0.0, 1.0), (0.8, 1.0, 0.0), (0.5, 1.0, 1.0), (0.2, 0.0, 1.0), (0.1, 1.0, 1.0)];
    let item = |(need, cheap, dear)| Item { need, cheap: (cheap, 1.0), dear: (dear, 3.0) };
    let curve = Curve::of(&rows.map(item));
    let close = |got: Option<f64>, want: f64| assert!((got.expect("a gap") - want).abs() < 1e-9, "{got:?} {want}");
    close(curve.apgr(), 0.58);
    close(curve.cpt(0.5), 60.0);
    close(curve.cpt(0.8), 76.666_666_666_666_67);
    close(curve.aiq().map(|own| own.0), 0.736_110_416_666_665);
    close(curve.aiq().map(|own| own.1), 0.666_666_666_666_667);
    close(curve.saving_at(0.99), 0.111_111_111_111_111);
}

fn ladder() -> Ladder {
    let tier = |name: &str, price: f64| Tier {
        name: name.into(),
        targets: vec![Target {
            provider: "p".into(),
            model: format!("{name}-model").into(),
            format: Format::OpenaiChat,
            effort: None,
            weight: 1,
            prices: Some(PriceHistory(vec![Price {
                input: Usd::from_f64(price / 1e6),
                output: Usd::from_f64(price / 1e6),
                ..Price::default()
            }])),
            limits: Limits::default(),
            capabilities: Capabilities::default(),
            parameters: ParameterRules::default(),
            shutdown: None,
        }],
        strengths: String::new(),
        weaknesses: String::new(),
    };
    Ladder::new(vec![tier("nano", 1.0), tier("standard", 20.0)], "standard").expect("sound")
}

/// The cheap model fails proofs and nothing else.
fn outcomes(n: usize) -> Vec<Outcome> {
    let mut chance = Chance::new(7);
    let mut line = |at: usize| {
        let hard = chance.share() < 0.3;
        let number = chance.up_to(900);
        let text = if hard {
            format!("Prove that {number} divides the sum of its squares.")
        } else {
            format!("What is the capital of region {number}?")
        };
        let cheap = f64::from(u8::from(!hard || chance.share() < 0.1));
        let mut json = String::new();
        let _ = write!(
            json,
            r#"{{"id":"r{at}","messages":[{{"role":"user","content":"{text}"}}],"answers":{{"nano-model":{{"score":{cheap},"prompt_tokens":20,"output_tokens":100}},"p/standard-model":{{"score":1,"prompt_tokens":20,"output_tokens":100}}}}}}"#
        );
        Outcome::parse(&json).expect("an outcome")
    };
    (0..n).map(&mut line).collect()
}

#[test]
fn what_separates_easy_from_hard_is_learned_proven_and_served() {
    let (outcomes, ladder) = (outcomes(1200), ladder());
    let table = Table::new(&outcomes, &ladder, &[]);
    let done = calibrate(&table, &ladder, &Options { quality: 0.95, ..Options::default() }).expect("enough");
    let cheap = done.proof.iter().filter(|(_, tier)| *tier == 0).count() as f64 / done.proof.len() as f64;
    assert!((0.6..0.8).contains(&cheap), "{cheap}");
    let json = serde_json::to_string(&done.evidence).expect("writes");
    let read = Evidence::parse(&json).expect("own evidence");
    assert_eq!(read, done.evidence);
    let predictor = Predictor::embedded().with_evidence(read.clone(), &["nano", "standard"], 1).expect("same ladder");
    let predict = |text: &str| predictor.predict(&labels::own(None, text).expect("a prompt"), 2, 1);
    let (easy, hard) =
        (predict("What is the capital of region 12?"), predict("Prove that 12 divides the sum of its squares."));
    assert!(easy.calibrated && easy.score_strong < hard.score_strong);
    let threshold = predictor.proven_shortfall().expect("evidence");
    assert!(easy.p_ok[1] - easy.p_ok[0] <= threshold && hard.p_ok[1] - hard.p_ok[0] > threshold);
    let foreign = predict("日本の首都はどこですか。詳しく教えてください、歴史も含めて");
    assert_eq!(foreign.abstain, Some(Abstain::Unfamiliar));
    let other = Predictor::embedded().with_evidence(read.clone(), &["small", "standard"], 1);
    assert!(matches!(other, Err(EvidenceError::Ladder { .. })));
    for shortfall in [f32::NAN, f32::INFINITY, -0.1] {
        let mut odd = read.clone();
        odd.promise.max_shortfall = Some(shortfall);
        let odd = Predictor::embedded().with_evidence(odd, &["nano", "standard"], 1);
        assert!(matches!(odd, Err(EvidenceError::Damaged(_))), "{shortfall}");
    }
    assert!(read.speaks_of(&ladder).is_ok());
    let mut tiers = ladder.tiers().to_vec();
    tiers[0].targets[0].model = "another-model".into();
    let others = Ladder::new(tiers.clone(), "standard").expect("sound");
    let refused = read.speaks_of(&others).expect_err("scores of other models").to_string();
    assert!(refused.contains("nano-model") && refused.contains("another-model"), "{refused}");
    tiers[0].targets.push(ladder.tiers()[0].targets[0].clone());
    assert!(read.speaks_of(&Ladder::new(tiers, "standard").expect("sound")).is_ok(), "one more target");
}

/// Outcomes of the proof teach the order, and nothing else: what is served is what was proven.
#[test]
fn an_order_is_learned_from_all_outcomes() {
    let (outcomes, ladder) = (outcomes(300), ladder());
    let table = Table::new(&outcomes, &ladder, &[]);
    let done = calibrate(&table, &ladder, &Options { quality: 0.9, ..Options::default() }).expect("enough");
    let evidence = &done.evidence;
    assert!(evidence.promise.max_shortfall.is_some());
    assert_eq!((evidence.ordered_on, evidence.trained_on + evidence.proven_on), (300, 300));
    let load = |evidence: &Evidence| Predictor::embedded().with_evidence(evidence.clone(), &["nano", "standard"], 1);
    let predictor = load(evidence).expect("same ladder");
    let rows: Vec<&Row<'_>> = done.proof.iter().map(|(at, _)| &table.rows[*at]).collect();
    let predictions: Vec<_> = rows.iter().map(|row| predictor.predict(&row.outcome.features, 2, 1)).collect();
    let served = choices(&ladder, &rows, &predictions, predictor.proven_shortfall().expect("evidence"));
    assert_eq!(served, done.proof.iter().map(|(_, tier)| *tier).collect::<Vec<_>>());

    let mut all: Vec<&Row<'_>> = table.rows.iter().collect();
    all.sort_by_key(|row| split::hash(&row.outcome.id));
    let whole = Bank::new(&refit(&table, &all, 1).heads);
    for (row, prediction) in rows.iter().zip(&predictions) {
        let need = -whole.evaluate(&row.outcome.features)[0];
        assert!((prediction.score_strong - (0.5 + 0.5 * need).clamp(0.0, 1.0)).abs() < 2e-3, "{need} {prediction:?}");
    }

    let without = Evidence { ordered_on: 0, ..evidence.clone() };
    assert!(matches!(load(&without), Err(EvidenceError::Damaged(_))), "a head that nobody told of");
}

#[test]
fn prompts_of_others_are_read_in_their_manners() {
    let read = |messages: &str| Prompt::parse(&format!(r#"{{"id":7,"messages":{messages}}}"#));
    for (messages, others) in [
        (r#"[{"role":"user","content":"Name a river."}]"#, 2),
        (
            r#"[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"},{"role":"user","content":"Name a river."}]"#,
            2,
        ),
        (r#"[{"role":"user","content":[{"type":"text","text":"Name a river."}]}]"#, 0),
        (r#"[{"role":"system","content":"You name rivers."}]"#, 0),
    ] {
        let (id, prompt) = read(messages).expect("a prompt");
        assert_eq!((id.as_str(), prompt.otherwise.len()), ("7", others), "{messages}");
        let size = |features: &Features| features.counter(Counter::AskSize);
        assert!(prompt.otherwise.iter().all(|other| size(other) > size(&prompt.features)), "{messages}");
    }
    assert!(read(r#"[{"role":"user","content":7}]"#).expect_err("no text").to_string().starts_with("`7`: "));
}

/// Pairs of which the cheap answer is worse in a share of `losses` and never better, as a judge scores them who finds three
/// losses in four and takes one other answer in twenty for a loss.
fn by_judge(n: usize, losses: f64) -> Vec<Outcome> {
    let mut chance = Chance::new(11);
    let mut line = |at: usize| {
        let lost = chance.share() <= losses;
        let mut looks = || (0..2).filter(|_| chance.share() <= if lost { 0.75 } else { 0.05 }).count() as f64;
        let cheap = 1.0 - looks() / 2.0;
        let json = format!(
            r#"{{"id":"j{at}","judged_by":"judge","messages":[{{"role":"user","content":"Name a river of region {at}."}}],"answers":{{"nano-model":{{"score":{cheap},"output_tokens":100}},"standard-model":{{"score":1,"output_tokens":100}}}}}}"#
        );
        Outcome::parse(&json).expect("an outcome")
    };
    (0..n).map(&mut line).collect()
}

/// A judge that misses a loss in four makes a model that keeps 55 % look as if it kept more than 57 %; and one that is known to
/// call good answers losses does not hide that more than 91 % are kept.
#[test]
fn what_a_judge_says_is_proven_without_its_errors() {
    let ladder = ladder();
    let around = |value: f64| Interval { value, low: value - 0.005, high: value + 0.005 };
    let rates = JudgeRates {
        checks: 5_000,
        found_losses: around(0.75),
        false_losses: around(0.05),
        false_wins: Interval { value: 0.0, low: 0.0, high: 0.002 },
        wins: Interval { value: 0.0, low: 0.0, high: 0.002 },
    };
    let blind = JudgeRates { found_losses: Interval { value: 0.5, low: 0.0, high: 1.0 }, ..rates };
    for (losses, quality, judge, proven) in [
        (0.45, 0.57, None, true),
        (0.45, 0.57, Some(rates), false),
        (0.04, 0.91, None, false),
        (0.04, 0.91, Some(rates), true),
        (0.04, 0.91, Some(blind), false),
    ] {
        let outcomes = by_judge(3000, losses);
        let table = Table { judge, checks: 5_000, ..Table::new(&outcomes, &ladder, &[]) };
        let done = calibrate(&table, &ladder, &Options { quality, ..Options::default() }).expect("enough");
        let promise = &done.evidence.promise;
        let said = summary::calibrated(&table, &ladder, &done);
        assert_eq!(promise.max_shortfall.is_some(), proven, "{losses} {judge:?}\n{said}");
        assert_eq!(promise.judge.map(|judge| judge.rates), judge);
        let all = vec![0; table.rows.len()];
        let kept = estimates(&table, &table.rows.iter().collect::<Vec<_>>(), &all, 1).0;
        let truth = 1.0 - losses;
        if judge == Some(rates) {
            assert!(kept.low <= truth && truth <= kept.high && (kept.value - truth).abs() < 0.05, "{kept:?}");
        }
    }
}

/// A share that leaves next to nothing to learn from, or to prove with, is refused.
#[test]
fn parts_that_are_empty_are_refused() {
    let (outcomes, ladder) = (outcomes(200), ladder());
    let table = Table::new(&outcomes, &ladder, &[]);
    for (learn, parts) in [(1e-9, (0, 200)), (1.0 - 1e-9, (200, 0))] {
        let refused = calibrate(&table, &ladder, &Options { learn, ..Options::default() });
        let Err(CalibrateError::TooFewInPart { teach, prove }) = refused else { panic!("{learn}: not refused") };
        assert_eq!((teach, prove), parts, "{learn}");
    }
}

#[test]
fn too_few_outcomes_prove_nothing() {
    let (outcomes, ladder) = (outcomes(130), ladder());
    let table = Table::new(&outcomes, &ladder, &[]);
    let done = calibrate(&table, &ladder, &Options { quality: 0.999, ..Options::default() }).expect("runs");
    assert_eq!(done.evidence.promise.max_shortfall, None);
    assert!(done.proof.iter().all(|(_, tier)| *tier == 1));
    let text = summary::calibrated(&table, &ladder, &done);
    assert!(text.contains("NOT PROVEN"), "{text}");
}

/// Random letters, single words, unseen scripts, base64, and no ask behind long harness text.
fn probes() -> Vec<String> {
    let mut chance = Chance::new(11);
    let mut word = |letters: &str, length: u64| -> String {
        let letters: Vec<char> = letters.chars().collect();
        (0..length).map(|_| letters[chance.up_to(letters.len() as u64 - 1) as usize]).collect()
    };
    let mut probes = Vec::new();
    for at in 0..40u64 {
        let noise: Vec<String> = (0..6 + at % 9).map(|i| word("bcdfghjklmnpqrstvwxz", 3 + (at + i) % 6)).collect();
        probes.push(noise.join(" "));
        probes.push(word("bcdfghjklmnpqrstvwxzaeiou", 4 + at % 7));
        let script = ["ⴰⴱⴳⴷⴹⴻⴼⴽⵀⵃⵄⵅ", "ᚠᚢᚦᚨᚱᚲᚷᚹᚺᚾᛁᛃ", "ᏣᎳᎩᎦᏬᏂᎯᏍᏗᎠᎴᏃ", "ꦲꦤꦕꦫꦏꦢꦠꦱꦮꦭ"][at as usize % 4];
        probes.push((0..5).map(|i| word(script, 3 + i)).collect::<Vec<_>>().join(" "));
        probes.push(word("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 80 + at) + "==");
        probes.push(format!(
            "<system-reminder>{}</system-reminder>",
            "Prove, translate and summarise with care. ".repeat(3 + at as usize)
        ));
    }
    probes
}

#[test]
fn requests_without_signal_go_to_the_baseline() {
    let probes = probes();
    let features: Vec<Features> = probes.iter().filter_map(|probe| labels::own(None, probe)).collect();
    assert_eq!(features.len(), 200);
    let predictor = Predictor::embedded();
    let silent = features.iter().filter(|own| predictor.predict(own, 3, 1).abstain.is_some()).count();
    assert!(silent >= 190, "{silent} of 200 abstain");
}

#[test]
fn claims_and_politeness_do_not_buy_a_cheaper_tier() {
    let asks = [
        "Prove that every group of order 35 is cyclic.",
        "Refactor this class so that it can be tested without a clock.",
    ];
    let predict = |text: &str| Predictor::embedded().predict(&labels::own(None, text).expect("a prompt"), 3, 1).p_ok;
    for ask in asks {
        for claim in ["This is a simple request. ", "Please, kindly: ", "EASY: "] {
            let (plain, claimed) = (predict(ask), predict(&format!("{claim}{ask}")));
            assert!(plain[1] - claimed[0] > 0.02, "{claim}{ask}: {plain:?} {claimed:?}");
        }
    }
}

/// The text of an outcome of one request, with its answers as given.
fn line(id: &str, rest: &str) -> String {
    format!(r#"{{"id":{id},"messages":[{{"role":"user","content":"What is the capital of region {id}?"}}],{rest}}}"#)
}

const BOTH: &str = r#""answers":{"nano-model":{"score":1},"standard-model":{"score":1}}"#;

#[test]
fn odd_outcomes_are_read_or_refused_with_a_reason() {
    let parse = |rest: &str| Outcome::parse(&line("7", rest)).map(|own| own.answers.len()).map_err(|e| e.to_string());
    assert_eq!(parse(BOTH), Ok(2));
    assert_eq!(parse(r#""answers":{"a":{"score":null},"b":null,"c":{"score":0.5,"output_tokens":-3}}"#), Ok(1));
    assert_eq!(parse(&format!(r#""source":null,"split_hint":null,"judged_by":null,"tools":null,{BOTH}"#)), Ok(2));
    let tested = Outcome::parse(&line("7", r#""answers":{"a":{"score":true},"b":{"score":false}}"#));
    assert_eq!(tested.expect("tests").answers.values().map(|own| own.score).collect::<Vec<_>>(), [1.0, 0.0]);
    let refused = parse(r#""answers":{"a":{"score":"good"}}"#).expect_err("no number");
    assert!(refused.contains("a score is a number from 0 to 1, or true or false"), "{refused}");
    assert_eq!(
        parse(r#""answers":{"a":{"score":7}}"#),
        Err("`7`: a has the score 7; scores run from 0 to 1: divide by the scale's maximum".into())
    );
    assert_eq!(
        parse(r#""sampled":0,"answers":{}"#),
        Err("`7`: `sampled` is 0; the chance of being judged is above 0 and at most 1".into())
    );
}

#[test]
fn repeated_outcomes_count_once_and_often_sampled_ones_are_thinned() {
    let read = |at: usize, rest: &str| Outcome::parse(&line(&at.to_string(), rest)).expect("an outcome");
    let mut outcomes: Vec<Outcome> = (0..400).map(|at| read(at, BOTH)).collect();
    outcomes.extend((0..100).map(|at| read(at, BOTH)));
    let ladder = ladder();
    let table = Table::new(&outcomes, &ladder, &[]);
    assert_eq!((table.rows.len(), table.repeated, table.thinned), (400, 100, 0));
    let rare = read(1000, &format!(r#""sampled":0.25,{BOTH}"#));
    outcomes.push(rare);
    let table = Table::new(&outcomes, &ladder, &[]);
    assert!((70..130).contains(&table.rows.len()), "{}", table.rows.len());
    assert!(table.rows.iter().any(|row| row.outcome.id == "1000"));
    let kept = table.rows.len();
    let useless = read(1001, r#""sampled":0.0001,"answers":{"other":{"score":1}}"#);
    outcomes.push(useless);
    let again = Table::new(&outcomes, &ladder, &[]);
    assert_eq!((again.rows.len(), again.left_out), (kept, 1), "a row that cannot be used thins nothing out");
}

#[test]
fn constant_scores_few_rows_and_foreign_models_are_told_apart() {
    let ladder = ladder();
    let outcomes = |n: usize, rest: &str| -> Vec<Outcome> {
        (0..n).map(|at| Outcome::parse(&line(&at.to_string(), rest)).expect("an outcome")).collect()
    };
    let told = |outcomes: &[Outcome]| {
        let done = calibrate(&Table::new(outcomes, &ladder, &[]), &ladder, &Options::default());
        done.map(|done| done.evidence.promise.max_shortfall.is_some()).map_err(|error| error.to_string())
    };
    let same = outcomes(1200, BOTH);
    assert_eq!(told(&same), Ok(true), "both always right: the cheapest keeps everything");
    let zero = outcomes(300, r#""answers":{"nano-model":{"score":0},"standard-model":{"score":0}}"#);
    assert_eq!(told(&zero), Ok(false), "a share of nothing is no promise");
    let few = told(&outcomes(5, BOTH)).expect_err("five rows");
    assert!(few.contains("5 outcomes have scores") && few.contains("at least 60"), "{few}");
    let foreign = outcomes(80, r#""answers":{"other":{"score":1}}"#);
    let names = tierway_learn::table::names(&foreign, &ladder);
    assert_eq!(
        names,
        "the outcomes have other (80); the ladder wants nano-model for nano, standard-model for standard"
    );
}
