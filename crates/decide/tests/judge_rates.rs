//! What is known of a judge's errors from labels of people, against an independent computation and against the truth.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use Preference::{Baseline, Cheap, Tie};
use tierway_decide::quality::{CellKey, Comparison, JudgeRates, Judged, Kind, Preference, Rates};
use tierway_decide::{Chance, TaskType, Usd};

fn verdict(one: Preference, other: Preference, person: Option<Preference>) -> Judged {
    Judged {
        at_ms: 0,
        kind: Kind::Down,
        cell: CellKey { task_type: TaskType::Qa, tier: "nano".into() },
        comparison: Comparison { one, other },
        certain: false,
        person,
        weight: 1.0,
        cost: Usd::ZERO,
    }
}

/// `scripts/independent.py` prints the same of the same labels, by scipy.
#[test]
fn rates_equal_an_independent_implementation() {
    let mut verdicts = Vec::new();
    for (one, other, person, count) in [
        (Baseline, Baseline, Some(Baseline), 20),
        (Tie, Tie, Some(Baseline), 3),
        (Tie, Tie, Some(Tie), 130),
        (Baseline, Baseline, Some(Tie), 6),
        (Cheap, Cheap, Some(Tie), 5),
        (Cheap, Cheap, Some(Cheap), 14),
        (Tie, Tie, Some(Cheap), 2),
        (Tie, Tie, None, 420),
        (Tie, Baseline, Some(Baseline), 9),
        (Tie, Baseline, Some(Tie), 12),
        (Cheap, Tie, Some(Tie), 15),
        (Tie, Cheap, Some(Cheap), 4),
        (Baseline, Tie, None, 40),
        (Cheap, Baseline, Some(Baseline), 12),
        (Baseline, Cheap, Some(Tie), 20),
        (Cheap, Baseline, Some(Cheap), 8),
    ] {
        verdicts.extend(vec![verdict(one, other, person); count]);
    }
    // What a check said is no word of the judge.
    verdicts.extend(vec![Judged { certain: true, ..verdict(Tie, Tie, Some(Baseline)) }; 50]);
    let rates = JudgeRates::learn(&verdicts, 0.975).unwrap();
    for (got, [value, low, high]) in [
        (rates.found_losses, [0.765_625, 0.482_915, 0.916_236]),
        (rates.false_losses, [0.075_000, 0.034_501, 0.157_661]),
        (rates.false_wins, [0.073_258, 0.035_896, 0.148_520]),
    ] {
        let near = |a: f64, b: f64| (a - b).abs() < 5e-6;
        assert!(near(got.value, value) && near(got.low, low) && near(got.high, high), "{got:?} {value}");
    }
    assert!(rates.checks == 260 && rates.tells_losses(), "{rates:?}");
    let at = rates.likeliest();
    let losses = (at.baseline() - at.cheap(0.12, at.false_wins)) / at.scale();
    assert!((losses - 0.065_158).abs() < 1e-6, "{losses}");
}

/// How far both looks are from each other: the order of the review page.
fn apart(judged: &Judged) -> usize {
    let step = |word: Preference| Preference::ALL.iter().position(|own| *own == word).unwrap();
    step(judged.comparison.one).abs_diff(step(judged.comparison.other))
}

/// A judge with these rates on answers that lose and win so often; people label the first ones, split pairs before others.
fn judged(truth: Rates, losses: f64, labels: usize, seed: u64) -> Vec<Judged> {
    let mut chance = Chance::new(seed);
    let mut verdicts: Vec<_> = (0..1_500)
        .map(|_| {
            let drawn = chance.share();
            let person = match drawn {
                drawn if drawn <= losses => Baseline,
                drawn if drawn <= losses + truth.wins => Cheap,
                _ => Tie,
            };
            let mut look = || match (person, chance.share()) {
                (Baseline, drawn) if drawn <= truth.found_losses => Baseline,
                (Tie | Cheap, drawn) if drawn <= truth.false_losses => Baseline,
                (Cheap, _) => Cheap,
                (_, drawn) if drawn > 1.0 - truth.false_wins => Cheap,
                _ => Tie,
            };
            (verdict(look(), look(), None), person)
        })
        .collect();
    verdicts.sort_by_key(|(judged, _)| std::cmp::Reverse(apart(judged)));
    verdicts.iter_mut().take(labels).for_each(|(judged, person)| judged.person = Some(*person));
    verdicts.into_iter().map(|(judged, _)| judged).collect()
}

#[test]
fn rates_are_found_although_people_see_split_pairs_first() {
    let truth = Rates { found_losses: 0.7, false_losses: 0.08, false_wins: 0.05, wins: 0.1 };
    let held = (0..40).filter(|seed| {
        let rates = JudgeRates::learn(&judged(truth, 0.15, 600, *seed), 0.95).unwrap();
        [
            (rates.found_losses, truth.found_losses),
            (rates.false_losses, truth.false_losses),
            (rates.false_wins, truth.false_wins),
            (rates.wins, truth.wins),
        ]
        .iter()
        .all(|(interval, rate)| interval.low <= *rate && *rate <= interval.high)
    });
    assert!(held.count() >= 38);
    let rates = JudgeRates::learn(&judged(truth, 0.15, 600, 1), 0.95).unwrap();
    assert!(rates.found_losses.width() < 0.45 && rates.false_losses.width() < 0.1, "{rates:?}");
    assert_eq!(JudgeRates::learn(&judged(truth, 0.15, 99, 1), 0.95), None);
    let coin = Rates { found_losses: 0.3, false_losses: 0.3, ..truth };
    assert!(!JudgeRates::learn(&judged(coin, 0.15, 600, 1), 0.95).unwrap().tells_losses());
}

/// What a look says on average, put back to what is true; and no margin falls below -1, on which the game counts.
#[test]
fn errors_are_taken_out_on_average_and_missed_wins_are_not_put_back() {
    for (found_losses, false_losses, false_wins) in [(1.0, 0.0, 0.0), (0.7, 0.1, 0.05), (0.9, 0.02, 0.2)] {
        for (losses, won, found_wins, exact) in [(0.2, 0.1, 1.0, true), (0.0, 0.0, 0.5, true), (0.3, 0.4, 0.6, false)] {
            let rates = Rates { found_losses, false_losses, false_wins, wins: won };
            let loses = losses * found_losses + (1.0 - losses) * false_losses;
            let wins = won * found_wins + (1.0 - won) * false_wins;
            let (got, want) = (rates.cheap(loses, wins) / rates.scale(), 1.0 - losses);
            assert!(got <= want + 1e-12 && (!exact || got >= want - 1e-12), "{got} {want} {rates:?}");
            for (loses, wins) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)] {
                let margin = rates.cheap(loses, wins) - 0.95 * rates.baseline();
                assert!(margin >= -1.0, "{margin} {rates:?}");
            }
        }
    }
}
