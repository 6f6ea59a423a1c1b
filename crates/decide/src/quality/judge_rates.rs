//! How often a judge misses a loss, and how often it sees a loss or a win where there is none: what a proof takes out.
//!
//! [`JudgeError`](super::JudgeError) is one number, for figures to look at: it takes errors to be as frequent either way. A
//! promise must not rest on that, because a judge that only misses losses would then pass for one that errs little. So here
//! are three rates, each among the pairs of which people say the same (Rogan and Gladen, American Journal of Epidemiology 107,
//! 1978, for a test with a sensitivity and a specificity): with f of the losses found and v false ones, a share R of losses
//! looks like f R + v (1 - R). The review page shows split pairs first, so a label counts by how many verdicts of its stratum
//! (both looks the same, next to each other, opposite) there are for each label of it.
//!
//! It takes people to be right, labelled pairs of a stratum to be like its others, and a judge to err as often on requests
//! that a router sends to the cheap tier as on others with the same truth: losses of a kind of request that it never finds are
//! not taken out where that kind goes to the cheap tier. It refuses to speak with few labels.

use super::{Interval, Judged, MeanSequence, Preference};
use serde::{Deserialize, Serialize};

/// Labels below which nothing is taken out: with fewer the intervals alone cost more than any promise leaves.
pub const LEAST_CHECKS: u64 = 100;

/// A judge's rates, each with its interval; all of them hold together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeRates {
    /// Labels of people that they rest on.
    pub checks: u64,
    /// Share of looks that find a loss where the cheap answer is worse.
    pub found_losses: Interval,
    /// Share of looks that see a loss where it is not.
    pub false_losses: Interval,
    /// Share of looks that see the cheap answer win where it does not.
    pub false_wins: Interval,
    /// Share of judged pairs in which the cheap answer is better, by people.
    pub wins: Interval,
}

/// One point within those intervals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// As in [`JudgeRates`], and so are the others.
    pub found_losses: f64,
    /// False losses.
    pub false_losses: f64,
    /// False wins.
    pub false_wins: f64,
    /// Wins.
    pub wins: f64,
}

/// Strata of verdicts, by how far both looks are from each other.
const STRATA: usize = 3;

fn stratum(judged: &Judged) -> usize {
    let step = |word: Preference| Preference::ALL.iter().position(|own| *own == word).unwrap_or(0);
    step(judged.comparison.one).abs_diff(step(judged.comparison.other)).min(STRATA - 1)
}

/// Share of a pair's two looks that say so.
fn looks(judged: &Judged, word: Preference) -> f64 {
    let says = |look: Preference| f64::from(u8::from(look == word));
    f64::midpoint(says(judged.comparison.one), says(judged.comparison.other))
}

impl JudgeRates {
    /// How many verdicts of a judge people checked.
    #[must_use]
    pub fn checks(verdicts: &[Judged]) -> u64 {
        verdicts.iter().filter(|judged| !judged.certain && judged.person.is_some()).count() as u64
    }

    /// Learns them from verdicts of which people labelled some; none with fewer than [`LEAST_CHECKS`]. `confidence`: the
    /// chance that all intervals hold, given how many verdicts and labels each stratum has.
    #[must_use]
    pub fn learn(verdicts: &[Judged], confidence: f64) -> Option<Self> {
        let checks = Self::checks(verdicts);
        if checks < LEAST_CHECKS {
            return None;
        }
        let (mut all, mut labelled) = ([0.0; STRATA], [0.0; STRATA]);
        for judged in verdicts.iter().filter(|judged| !judged.certain) {
            all[stratum(judged)] += judged.weight;
            labelled[stratum(judged)] += if judged.person.is_some() { judged.weight } else { 0.0 };
        }
        let stands_for = |at: usize| if labelled[at] > 0.0 { all[at] / labelled[at] } else { 0.0 };
        let most = (0..STRATA).map(stands_for).fold(f64::MIN_POSITIVE, f64::max);
        // Four intervals are put together: each may fail a quarter as often.
        let new = || MeanSequence::new(1.0 - (1.0 - confidence) / 4.0);
        let (mut found_losses, mut false_losses, mut false_wins, mut wins) = (new(), new(), new(), new());
        for judged in verdicts.iter().filter(|judged| !judged.certain) {
            let Some(person) = judged.person else { continue };
            let weight = judged.weight * stands_for(stratum(judged)) / most;
            let loss = looks(judged, Preference::Baseline);
            if person == Preference::Baseline { &mut found_losses } else { &mut false_losses }.take(loss, weight);
            if person != Preference::Cheap {
                false_wins.take(looks(judged, Preference::Cheap), weight);
            }
            wins.take(f64::from(u8::from(person == Preference::Cheap)), weight);
        }
        Some(Self {
            checks,
            found_losses: found_losses.interval(),
            false_losses: false_losses.interval(),
            false_wins: false_wins.interval(),
            wins: wins.interval(),
        })
    }

    /// Whether it is settled that losses look more like losses to the judge than other pairs do. Else nothing can be proven by
    /// what it says.
    #[must_use]
    pub fn tells_losses(&self) -> bool {
        self.found_losses.low > self.false_losses.high
    }

    /// The point that the labels make likeliest.
    #[must_use]
    pub fn likeliest(&self) -> Rates {
        let Self { found_losses, false_losses, false_wins, wins, .. } = self;
        Rates {
            found_losses: found_losses.value,
            false_losses: false_losses.value,
            false_wins: false_wins.value,
            wins: wins.value,
        }
    }

    /// The point under which the cheap tier is worst: losses were missed, and neither false losses nor wins excuse it.
    #[must_use]
    pub fn worst(&self) -> Rates {
        let Self { found_losses, false_losses, false_wins, wins, .. } = self;
        Rates {
            found_losses: found_losses.low,
            false_losses: false_losses.low,
            false_wins: false_wins.high,
            wins: wins.high,
        }
    }

    /// The point under which it is best.
    #[must_use]
    pub fn best(&self) -> Rates {
        let Self { found_losses, false_losses, false_wins, wins, .. } = self;
        Rates {
            found_losses: found_losses.high,
            false_losses: false_losses.high,
            false_wins: false_wins.low,
            wins: wins.low,
        }
    }

    /// Every corner of the intervals at which [`Rates::cheap`] and [`Rates::baseline`] can be least. More wins than there are
    /// only lower them, so of these only the upper end counts.
    #[must_use]
    pub fn corners(&self) -> Vec<Rates> {
        let ends = |interval: Interval| [interval.low, interval.high];
        let mut corners = Vec::with_capacity(8);
        for found_losses in ends(self.found_losses) {
            for false_losses in ends(self.false_losses) {
                for false_wins in ends(self.false_wins) {
                    corners.push(Rates { found_losses, false_losses, false_wins, wins: self.wins.high });
                }
            }
        }
        corners
    }
}

impl Rates {
    /// By what scores are multiplied, so that nothing is divided and no difference of two of them falls below -1.
    #[must_use]
    pub fn scale(&self) -> f64 {
        (self.found_losses - self.false_losses) * (1.0 - self.false_wins)
    }

    /// The baseline's score of a judged pair times [`Self::scale`], on average over all pairs: 1 where the cheap answer is not
    /// better.
    #[must_use]
    pub fn baseline(&self) -> f64 {
        self.scale() * (1.0 - self.wins)
    }

    /// The cheap tier's score of a pair times [`Self::scale`], where a share of its looks says that it loses and one that it
    /// wins: on average what it is in truth, or less, because wins that the judge missed are not put back. Linear in each rate.
    #[must_use]
    pub fn cheap(&self, loses: f64, wins: f64) -> f64 {
        let lost = (1.0 - self.false_wins) * (loses - self.false_losses);
        let won = (self.found_losses - self.false_losses) * (wins - self.false_wins);
        self.baseline() - lost + won
    }
}
