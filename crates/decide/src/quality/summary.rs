//! What all verdicts of a period say together.
//!
//! In: judged comparisons in the order in which they were judged. Out: the share of cheap answers that were at least as good
//! as the baseline's, per cell and overall, and the two ways to be wrong: too low (a risk for quality) and too high (waste).

use super::{Comparison, Interval, Kappa, Kind, MeanSequence, Preference, Rules, kappa};
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
    /// What it tells.
    pub kind: Kind,
    /// Whose verdict.
    pub cell: CellKey,
    /// What the judge (or a check) said.
    pub comparison: Comparison,
    /// What a person said of the same pair, if one was asked; goes before the judge.
    pub person: Option<Preference>,
    /// Weight of the sampling design.
    pub weight: f64,
    /// What shadow and judge cost.
    pub cost: Usd,
}

impl Judged {
    /// The verdict's value on the scale of the judge: a person's word is put where a judge of this error would have it.
    #[must_use]
    pub fn score(&self, rules: &Rules) -> f64 {
        let person = self.person.map(|word| rules.judge_error + (1.0 - 2.0 * rules.judge_error) * word.as_good());
        person.unwrap_or_else(|| self.comparison.score())
    }
}

/// A share with the verdicts behind it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellSummary {
    /// The cell; none for all of them together.
    pub cell: Option<CellKey>,
    /// Verdicts.
    pub verdicts: u64,
    /// Share of answers at least as good as the baseline's.
    pub quality: Interval,
    /// Verdicts in which the judge went by the place.
    pub disagreements: u64,
}

/// What all verdicts say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// All cells together: routed down, or would have been.
    pub overall: CellSummary,
    /// Each cell.
    pub cells: Vec<CellSummary>,
    /// Share of routed-down answers that the baseline would have bettered: the risk for quality.
    pub too_low: Interval,
    /// Verdicts behind that.
    pub too_low_verdicts: u64,
    /// Share of answers of the baseline that the cheapest tier would have matched: waste.
    pub too_high: Interval,
    /// Verdicts behind that.
    pub too_high_verdicts: u64,
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
        let quality = rules.corrected(self.seen.interval());
        CellSummary { cell, verdicts: self.seen.seen(), quality, disagreements: self.disagreements }
    }
}

impl Quality {
    /// Sums verdicts up, in the order in which they were judged.
    #[must_use]
    pub fn of(verdicts: &[Judged], rules: &Rules) -> Self {
        let new = || Share::new(rules);
        let (mut overall, mut up, mut down) = (new(), new(), new());
        let mut cells: BTreeMap<&CellKey, Share> = BTreeMap::new();
        for judged in verdicts {
            match judged.kind {
                Kind::Up => up.take(judged, rules),
                Kind::Down | Kind::Held => {
                    overall.take(judged, rules);
                    cells.entry(&judged.cell).or_insert_with(new).take(judged, rules);
                    if judged.kind == Kind::Down {
                        down.take(judged, rules);
                    }
                }
            }
        }
        let labels: Vec<_> =
            verdicts.iter().filter_map(|judged| Some((judged.comparison.word(), judged.person?))).collect();
        let agreed = labels.iter().filter(|(judge, person)| judge.as_good() == person.as_good()).count();
        let of = |share: &Share| share.summary(None, rules).quality;
        Self {
            overall: overall.summary(None, rules),
            cells: cells.iter().map(|(cell, share)| share.summary(Some((*cell).clone()), rules)).collect(),
            too_low: of(&down).complement(),
            too_low_verdicts: down.seen.seen(),
            too_high: of(&up),
            too_high_verdicts: up.seen.seen(),
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
            kind,
            cell: CellKey { task_type: TaskType::Qa, tier: tier.into() },
            comparison: Comparison::certain(word),
            person,
            weight: 1.0,
            cost: Usd::from_picos(5),
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
        let rules = Rules {
            target: 0.9,
            confidence: 0.95,
            judge_error: 0.0,
            false_alarms: 0.05,
            season: 2_000,
            proof_first: false,
        };
        let quality = Quality::of(&verdicts, &rules);
        assert_eq!((quality.overall.verdicts, quality.too_low_verdicts, quality.too_high_verdicts), (101, 81, 30));
        assert!((quality.overall.quality.value - 80.0 / 101.0).abs() < 1e-9, "{quality:?}");
        assert!((quality.too_low.value - 21.0 / 81.0).abs() < 1e-9, "{quality:?}");
        assert!(quality.too_high.value == 1.0 && quality.too_high.low > 0.7, "{quality:?}");
        assert_eq!(quality.cells.len(), 2);
        assert_eq!((quality.labels, quality.labels_agreed, quality.cost), (1, 0, Usd::from_picos(131 * 5)));
    }
}
