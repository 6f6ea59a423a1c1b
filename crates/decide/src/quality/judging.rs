//! What a blind comparison of two answers is worth.
//!
//! A judge sees each pair twice, the second time with the answers in the other places, because judges prefer a place. Both
//! looks count for half: a judge that changes its mind with the places has told nothing, and the score says so.

use crate::Chance;
use serde::{Deserialize, Serialize};

/// Which of two answers is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preference {
    /// The cheap tier's.
    Cheap,
    /// Neither: as good as the other.
    Tie,
    /// The baseline tier's.
    Baseline,
}

impl Preference {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Cheap, Self::Tie, Self::Baseline];

    /// 1 where the cheap answer is at least as good as the baseline's.
    #[must_use]
    pub const fn as_good(self) -> f64 {
        match self {
            Self::Cheap | Self::Tie => 1.0,
            Self::Baseline => 0.0,
        }
    }

    /// The name in the store and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cheap => "cheap",
            Self::Tie => "tie",
            Self::Baseline => "baseline",
        }
    }

    /// From a place: the judge said `first` (true), `second` (false) or neither, and the cheap answer stood first or not.
    #[must_use]
    pub const fn from_place(first: Option<bool>, cheap_was_first: bool) -> Self {
        match first {
            None => Self::Tie,
            Some(first) if first == cheap_was_first => Self::Cheap,
            Some(_) => Self::Baseline,
        }
    }
}

/// Both looks at one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// With the cheap answer in the place that [`Comparison::cheap_first`] drew.
    pub one: Preference,
    /// With the places changed.
    pub other: Preference,
}

impl Comparison {
    /// The same by both looks: what a check without a judge gives.
    #[must_use]
    pub const fn certain(preference: Preference) -> Self {
        Self { one: preference, other: preference }
    }

    /// At least as good as the baseline: 1, no: 0, by one look only: a half.
    #[must_use]
    pub fn score(self) -> f64 {
        f64::midpoint(self.one.as_good(), self.other.as_good())
    }

    /// The judge preferred one answer and then the other one: it went by the place.
    #[must_use]
    pub const fn disagrees(self) -> bool {
        matches!(
            (self.one, self.other),
            (Preference::Cheap, Preference::Baseline) | (Preference::Baseline, Preference::Cheap)
        )
    }

    /// The verdict in one word, for comparing with people: what both looks say together.
    #[must_use]
    pub const fn word(self) -> Preference {
        match (self.one, self.other) {
            (Preference::Cheap, Preference::Cheap | Preference::Tie) | (Preference::Tie, Preference::Cheap) => {
                Preference::Cheap
            }
            (Preference::Baseline, Preference::Baseline | Preference::Tie)
            | (Preference::Tie, Preference::Baseline) => Preference::Baseline,
            _ => Preference::Tie,
        }
    }

    /// Whether the cheap answer stands first in the first look: a coin by the request's id, so that it can be told again.
    #[must_use]
    pub const fn cheap_first(seed: u64) -> bool {
        Chance::new(seed ^ 0x6a75_6467_6521).bits() & 1 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Preference::{Baseline, Cheap, Tie};

    #[test]
    fn both_looks_count_for_half() {
        for (one, other, score, disagrees, word) in [
            (Cheap, Cheap, 1.0, false, Cheap),
            (Tie, Tie, 1.0, false, Tie),
            (Cheap, Tie, 1.0, false, Cheap),
            (Baseline, Baseline, 0.0, false, Baseline),
            (Tie, Baseline, 0.5, false, Baseline),
            (Cheap, Baseline, 0.5, true, Tie),
        ] {
            for comparison in [Comparison { one, other }, Comparison { one: other, other: one }] {
                assert_eq!(comparison.score(), score, "{comparison:?}");
                assert_eq!(comparison.disagrees(), disagrees, "{comparison:?}");
                assert_eq!(comparison.word(), word, "{comparison:?}");
            }
        }
    }

    #[test]
    fn places_are_undone_and_drawn_evenly() {
        assert_eq!(Preference::from_place(Some(true), true), Cheap);
        assert_eq!(Preference::from_place(Some(true), false), Baseline);
        assert_eq!(Preference::from_place(None, false), Tie);
        let first = (0..10_000).filter(|seed| Comparison::cheap_first(*seed)).count();
        assert!((4_800..5_200).contains(&first), "{first}");
    }
}
