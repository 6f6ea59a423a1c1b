//! How often a judge is wrong, by people who looked at the same pairs.
//!
//! A look is wrong when it says "at least as good" and a person does not, or the other way round. Where both looks of a pair
//! differ in that, one of them is wrong, whoever is right: a rate of one half, without any label. Where they agree, labels
//! tell the rate. Both strata are put together by their shares, because the review page shows split pairs first: the mean of
//! the labels alone would be too high. What follows for quality is the correction of a prevalence for a test that errs
//! (Rogan and Gladen, American Journal of Epidemiology 107, 1978), at both ends of the interval of the error. Takes people
//! to be right, errors to be as frequent either way, and labelled pairs of a stratum to be like the others of it.

use super::{Interval, Judged, MeanSequence};
use crate::stats::each_of_two;
use serde::Serialize;

/// Labels of pairs on which both looks agree, below which nothing is said.
const LEAST_LABELS: u64 = 30;
/// With more errors than this a judge tells next to nothing, and dividing by what is left makes everything of it.
const MOST: f64 = 0.45;

/// Share of single looks that are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct JudgeError {
    /// The share with its interval, which holds at every look.
    pub share: Interval,
    /// Labels that it rests on: of pairs on which both looks agree.
    pub labels: u64,
}

impl JudgeError {
    /// Learns it from verdicts of which people labelled some; none while those are too few. `confidence`: the chance that
    /// the interval holds.
    #[must_use]
    pub fn learn(verdicts: &[Judged], confidence: f64) -> Option<Self> {
        // Two intervals are put together.
        let each = each_of_two(confidence);
        let (mut split, mut wrong) = (MeanSequence::new(each), MeanSequence::new(each));
        for judged in verdicts.iter().filter(|judged| !judged.certain) {
            let looks = judged.comparison;
            let agree = looks.one.as_good() == looks.other.as_good();
            split.take(f64::from(u8::from(!agree)), judged.weight);
            if let Some(person) = judged.person.filter(|_| agree) {
                wrong.take(f64::from(u8::from(person.as_good() != looks.one.as_good())), judged.weight);
            }
        }
        if wrong.seen() < LEAST_LABELS {
            return None;
        }
        let (split, of_agreed) = (split.interval(), wrong.interval());
        let both = |split: f64, of_agreed: f64| (split * 0.5 + (1.0 - split) * of_agreed.min(0.5)).min(MOST);
        let share = Interval {
            value: both(split.value, of_agreed.value),
            low: both(split.low, of_agreed.low),
            high: both(split.high, of_agreed.high),
        };
        Some(Self { share, labels: wrong.seen() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::{CellKey, Comparison, Kind, Preference, Quality, Rules};
    use crate::{Chance, TaskType, Usd};

    /// Verdicts of a judge who is wrong so often, on answers of which nine in ten are good; people label the first ones, and
    /// split pairs before others.
    fn judged(wrong: f64, count: usize, labels: usize, seed: u64) -> Vec<Judged> {
        let mut chance = Chance::new(seed);
        let word = |good: bool| if good { Preference::Tie } else { Preference::Baseline };
        let mut verdicts: Vec<_> = (0..count)
            .map(|_| {
                let good = chance.share() <= 0.9;
                let mut look = || word(good != (chance.share() <= wrong));
                let judged = Judged {
                    at_ms: 0,
                    kind: Kind::Down,
                    cell: CellKey { task_type: TaskType::Qa, tier: "nano".into() },
                    comparison: Comparison { one: look(), other: look() },
                    certain: false,
                    person: None,
                    weight: 1.0,
                    cost: Usd::ZERO,
                };
                (judged, word(good))
            })
            .collect();
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|at| verdicts[*at].0.comparison.score() != 0.5);
        order.iter().take(labels).for_each(|at| verdicts[*at].0.person = Some(verdicts[*at].1));
        verdicts.into_iter().map(|(judged, _)| judged).collect()
    }

    #[test]
    fn the_error_is_learned_although_people_see_split_pairs_first() {
        for wrong in [0.02, 0.1, 0.2] {
            let learned = |seed| JudgeError::learn(&judged(wrong, 2_000, 1_000, seed), 0.95).unwrap();
            let covered = (0..40).filter(|seed| {
                let share = learned(*seed).share;
                share.low <= wrong && wrong <= share.high
            });
            assert!(covered.count() >= 38, "{wrong}");
            let mean = (0..40).map(|seed| learned(seed).share.value).sum::<f64>() / 40.0;
            assert!((mean - wrong).abs() < 0.01, "{mean} for {wrong}");
        }
        assert_eq!(JudgeError::learn(&judged(0.1, 2_000, 20, 1), 0.95), None);
    }

    #[test]
    fn quality_goes_by_the_learned_error_and_not_by_the_configured_one() {
        let rules = Rules { judge_error: 0.0, ..Rules::default() };
        let of = |labels, seed| Quality::of(&judged(0.1, 2_000, labels, seed), &rules);
        let covers = |quality: &Quality| {
            let Interval { low, high, .. } = quality.overall.quality.unwrap();
            low <= 0.9 && 0.9 <= high
        };
        // Not knowing it, one takes good answers for bad ones.
        assert!((0..10).all(|seed| !covers(&of(0, seed))));
        for seed in 0..10 {
            let quality = of(1_000, seed);
            assert!(covers(&quality) && (quality.overall.quality.unwrap().value - 0.9).abs() < 0.03, "{quality:?}");
            assert!(quality.judge_error.is_some() && quality.cells[0].quality == quality.overall.quality);
            let too_low = quality.too_low.unwrap();
            assert!(too_low.low <= 0.1 && 0.1 <= too_low.high, "{too_low:?}");
        }
    }
}
