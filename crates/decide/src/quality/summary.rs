//! What all verdicts of a period say together.
//!
//! In: judged comparisons in the order in which they were judged. Out: the share of cheap answers that were at least as good
//! as the baseline's, per cell and overall, and the two ways to be wrong: too low (a risk for quality) and too high (waste).

use super::{Comparison, Interval, JudgeError, Kappa, Kind, MeanSequence, Preference, Rules, kappa};
use crate::stats::each_of_two;
use crate::{TaskType, Usd};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// 95 % of a normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// One kind of work in one tier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellKey {
    /// The kind of work.
    pub task_type: TaskType,
    /// Name of the cheap tier.
    pub tier: String,
}

/// One verdict, as statistics need it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// When it was reached, Unix milliseconds.
    pub at_ms: i64,
    /// What it tells.
    pub kind: Kind,
    /// Whose verdict.
    pub cell: CellKey,
    /// What the judge (or a check) said.
    pub comparison: Comparison,
    /// A check said it, which does not err.
    pub certain: bool,
    /// What a person said of the same pair, if one was asked.
    pub person: Option<Preference>,
    /// Weight of the sampling design.
    pub weight: f64,
    /// What shadow and judge cost.
    pub cost: Usd,
}

impl Judged {
    /// The verdict's value on the scale of the judge: the word of a check is put where a judge of this error would have it.
    /// A person's word does not take the judge's place: people are shown the pairs first on which the judge was of two minds,
    /// and the correction is right for all pairs together, not for some of them. It tells [how often the judge is
    /// wrong](JudgeError) instead.
    #[must_use]
    pub fn score(&self, rules: &Rules) -> f64 {
        let score = self.comparison.score();
        if self.certain { rules.as_judged(score) } else { score }
    }
}

/// A share with the verdicts behind it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellSummary {
    /// The cell; none for all of them together.
    pub cell: Option<CellKey>,
    /// Verdicts.
    pub verdicts: u64,
    /// Share of answers at least as good as the baseline's; none without verdicts.
    pub quality: Option<Interval>,
    /// Verdicts in which the judge went by the place.
    pub disagreements: u64,
}

/// What all verdicts say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Answers of cheap tiers that clients got, all kinds of work together: what quality was kept.
    pub overall: CellSummary,
    /// Each cell: what went to the tier on a prediction, or would have.
    pub cells: Vec<CellSummary>,
    /// What rules sent to a cheap tier.
    pub ruled: CellSummary,
    /// Share of routed-down answers that the baseline would have bettered: the risk for quality; none without verdicts.
    pub too_low: Option<Interval>,
    /// Verdicts behind that.
    pub too_low_verdicts: u64,
    /// Share of answers of the baseline that the cheapest tier would have matched: waste; none without verdicts.
    pub too_high: Option<Interval>,
    /// Verdicts behind that.
    pub too_high_verdicts: u64,
    /// How often the judge is wrong, where people labelled enough pairs: then all shares above go by it, and their intervals
    /// hold with its own. Without, they go by the error that the rules name.
    pub judge_error: Option<JudgeError>,
    /// Agreement of judge and people; none without labels of two kinds.
    pub kappa: Option<Kappa>,
    /// Pairs that people labelled.
    pub labels: u64,
    /// Of these, where judge and person agree on "at least as good".
    pub labels_agreed: u64,
    /// What all these verdicts cost.
    pub cost: Usd,
}

/// A share in the making.
struct Share {
    seen: MeanSequence,
    disagreements: u64,
}

impl Share {
    fn new(rules: &Rules) -> Self {
        Self { seen: MeanSequence::new(rules.confidence), disagreements: 0 }
    }

    fn take(&mut self, judged: &Judged, rules: &Rules) {
        self.seen.take(judged.score(rules), judged.weight);
        self.disagreements += u64::from(judged.comparison.disagrees());
    }

    fn summary(&self, cell: Option<CellKey>, rules: &Rules) -> CellSummary {
        let quality = (self.seen.seen() > 0).then(|| rules.corrected(self.seen.interval()));
        CellSummary { cell, verdicts: self.seen.seen(), quality, disagreements: self.disagreements }
    }
}

impl Quality {
    /// Sums verdicts up, in the order in which they were judged.
    #[must_use]
    pub fn of(verdicts: &[Judged], rules: &Rules) -> Self {
        // The error's interval and that of a share are put together.
        let confidence = each_of_two(rules.confidence);
        let Some(learned) = JudgeError::learn(verdicts, confidence) else { return Self::with(verdicts, rules) };
        let with = |judge_error| Self::with(verdicts, &Rules { judge_error, confidence, ..*rules });
        let mut quality = with(learned.share.value);
        for end in [with(learned.share.low), with(learned.share.high)] {
            quality.widen(&end);
        }
        Self { judge_error: Some(learned), ..quality }
    }

    /// With intervals that hold both of these.
    fn widen(&mut self, other: &Self) {
        let widen = |own: &mut Option<Interval>, other: Option<Interval>| {
            if let Some((own, other)) = own.as_mut().zip(other) {
                (own.low, own.high) = (own.low.min(other.low), own.high.max(other.high));
            }
        };
        widen(&mut self.overall.quality, other.overall.quality);
        widen(&mut self.ruled.quality, other.ruled.quality);
        widen(&mut self.too_low, other.too_low);
        widen(&mut self.too_high, other.too_high);
        self.cells.iter_mut().zip(&other.cells).for_each(|(own, other)| widen(&mut own.quality, other.quality));
    }

    fn with(verdicts: &[Judged], rules: &Rules) -> Self {
        let new = || Share::new(rules);
        let (mut overall, mut up, mut ruled) = (new(), new(), new());
        let mut cells: BTreeMap<&CellKey, Share> = BTreeMap::new();
        for judged in verdicts {
            if judged.kind.served_cheap() {
                overall.take(judged, rules);
            }
            match judged.kind {
                Kind::Up => up.take(judged, rules),
                Kind::Rule => ruled.take(judged, rules),
                Kind::Down | Kind::Held => cells.entry(&judged.cell).or_insert_with(new).take(judged, rules),
            }
        }
        let labels: Vec<_> =
            verdicts.iter().filter_map(|judged| Some((judged.comparison.word(), judged.person?))).collect();
        let agreed = labels.iter().filter(|(judge, person)| judge.as_good() == person.as_good()).count();
        let of = |share: &Share| share.summary(None, rules).quality;
        Self {
            overall: overall.summary(None, rules),
            cells: cells.iter().map(|(cell, share)| share.summary(Some((*cell).clone()), rules)).collect(),
            ruled: ruled.summary(None, rules),
            too_low: of(&overall).map(Interval::complement),
            too_low_verdicts: overall.seen.seen(),
            too_high: of(&up),
            too_high_verdicts: up.seen.seen(),
            judge_error: None,
            kappa: kappa(&labels, Z),
            labels: labels.len() as u64,
            labels_agreed: agreed as u64,
            cost: verdicts.iter().map(|judged| judged.cost).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(kind: Kind, tier: &str, word: Preference, person: Option<Preference>) -> Judged {
        Judged {
            at_ms: 0,
            kind,
            cell: CellKey { task_type: TaskType::Qa, tier: tier.into() },
            comparison: Comparison::certain(word),
            certain: false,
            person,
            weight: 1.0,
            cost: Usd::from_picos(5),
        }
    }

    fn rules(judge_error: f64) -> Rules {
        Rules {
            target: 0.9,
            confidence: 0.95,
            judge_error,
            false_alarms: 0.05,
            season: 2_000,
            hold: crate::quality::Hold::Disproved,
        }
    }

    #[test]
    fn both_ways_to_be_wrong_are_told_apart() {
        use Preference::{Baseline, Cheap, Tie};
        let mut verdicts = vec![judged(Kind::Down, "nano", Tie, None); 60];
        verdicts.extend(vec![judged(Kind::Down, "mini", Baseline, None); 20]);
        verdicts.extend(vec![judged(Kind::Held, "mini", Cheap, None); 20]);
        verdicts.extend(vec![judged(Kind::Up, "nano", Cheap, None); 30]);
        verdicts.push(judged(Kind::Down, "nano", Cheap, Some(Baseline)));
        verdicts.extend(vec![judged(Kind::Rule, "nano", Tie, None); 9]);
        let quality = Quality::of(&verdicts, &rules(0.0));
        let value = |share: Option<Interval>| share.unwrap().value;
        // What was held did not reach a client; what rules sent did, and says nothing of a cell.
        assert_eq!((quality.overall.verdicts, quality.too_low_verdicts, quality.too_high_verdicts), (90, 90, 30));
        assert!((value(quality.overall.quality) - 70.0 / 90.0).abs() < 1e-9, "{quality:?}");
        assert!((value(quality.too_low) - 20.0 / 90.0).abs() < 1e-9, "{quality:?}");
        assert_eq!(quality.cells.iter().map(|cell| cell.verdicts).collect::<Vec<_>>(), [40, 61]);
        assert_eq!((quality.ruled.verdicts, value(quality.ruled.quality)), (9, 1.0));
        assert!(quality.too_high.is_some_and(|share| share.value == 1.0 && share.low > 0.7), "{quality:?}");
        assert_eq!(quality.cells.len(), 2);
        assert_eq!((quality.labels, quality.labels_agreed, quality.cost), (1, 0, Usd::from_picos(140 * 5)));
    }

    #[test]
    fn without_verdicts_there_are_no_shares() {
        let quality = Quality::of(&[judged(Kind::Held, "nano", Preference::Tie, None)], &rules(0.1));
        assert_eq!(
            (quality.overall.quality, quality.ruled.quality, quality.too_low, quality.too_high),
            (None, None, None, None)
        );
        assert!(quality.cells[0].quality.is_some(), "of what was held there is a verdict");
    }

    #[test]
    fn what_is_certain_is_not_taken_to_be_wrong() {
        use Preference::{Baseline, Tie};
        let check = |word, person: Option<Preference>, want: f64| {
            let said = Judged { certain: true, ..judged(Kind::Down, "nano", word, person) };
            let rules = rules(0.1);
            assert!((rules.quality(said.score(&rules)) - want).abs() < 1e-9, "{said:?}");
        };
        check(Tie, None, 1.0);
        check(Baseline, None, 0.0);
        check(Tie, Some(Baseline), 1.0);
        // A judge that is wrong one time in ten says so of all good answers in nine of ten.
        let rules = rules(0.1);
        let mut verdicts = vec![judged(Kind::Down, "nano", Tie, None); 90];
        verdicts.extend(vec![judged(Kind::Down, "nano", Baseline, None); 10]);
        verdicts.extend(vec![Judged { certain: true, ..judged(Kind::Down, "nano", Tie, None) }; 100]);
        assert!((Quality::of(&verdicts, &rules).overall.quality.unwrap().value - 1.0).abs() < 1e-9);
        verdicts.extend(vec![Judged { certain: true, ..judged(Kind::Down, "nano", Baseline, None) }; 200]);
        assert!((Quality::of(&verdicts, &rules).overall.quality.unwrap().value - 0.5).abs() < 1e-9);
    }
}
