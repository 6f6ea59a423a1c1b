//! Says that quality fell below a bar, soon when it did and rarely when it did not.
//!
//! Bets against "every value so far had a mean of at least the bar", beginning anew with each value, because nobody knows
//! when quality will fall: the sum of all these games is the Shiryaev-Roberts detector of Shin, Ramdas and Rinaldo
//! ("E-detectors", 2023). While the bar is met, the chance that it ever sounds within a season of values is at most the
//! one that was asked for, whatever the values are and however often one looks (Ville's inequality).

use serde::{Deserialize, Serialize};

/// Shares of the largest safe bet; fewer than an interval needs, for each costs a little power.
const BETS: [f64; 7] = [0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.5];

/// Watches the mean of values in 0..=1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    bar: f64,
    season: f64,
    needed: f64,
    from_start: [f64; BETS.len()],
    from_anywhere: [f64; BETS.len()],
    seen: u64,
}

impl Alarm {
    /// Watches for a mean below `bar` (0..1). `false_alarms`: the chance that it sounds within `season` values though the
    /// mean never was below.
    #[must_use]
    pub fn new(bar: f64, season: u64, false_alarms: f64) -> Self {
        Self {
            bar: bar.clamp(0.001, 0.999),
            season: (season.max(1)) as f64,
            needed: 1.0 / false_alarms.clamp(1e-9, 1.0),
            from_start: [1.0; BETS.len()],
            from_anywhere: [0.0; BETS.len()],
            seen: 0,
        }
    }

    /// Takes one value in 0..=1 with its weight in 0..=1. True from the value on that makes it sound.
    pub fn take(&mut self, value: f64, weight: f64) -> bool {
        let (x, weight) = (value.clamp(0.0, 1.0), weight.clamp(0.0, 1.0));
        let gain = weight * ((1.0 - x) / (1.0 - self.bar) - 1.0);
        for ((bet, start), anywhere) in BETS.iter().zip(&mut self.from_start).zip(&mut self.from_anywhere) {
            let factor = 1.0 + bet * gain;
            *start = (*start * factor).max(f64::MIN_POSITIVE);
            *anywhere = (*anywhere + 1.0) * factor;
        }
        self.seen += 1;
        self.sounds()
    }

    /// The evidence that the mean fell below the bar; it sounds at one over the chance of a false alarm.
    #[must_use]
    pub fn evidence(&self) -> f64 {
        let both = self.from_start.iter().zip(&self.from_anywhere);
        let mean = both.map(|(start, anywhere)| 0.5 * (start + anywhere / self.season)).sum::<f64>();
        mean / BETS.len() as f64
    }

    /// It has sounded.
    #[must_use]
    pub fn sounds(&self) -> bool {
        self.evidence() >= self.needed
    }

    /// How many values were taken.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chance;

    /// The value at which it sounds, if within 2,000; the mean falls from `before` to `after` at `fall`.
    fn sounds_at(before: f64, after: f64, fall: u64, seed: u64) -> Option<u64> {
        let mut chance = Chance::new(seed);
        let mut alarm = Alarm::new(0.9, 2_000, 0.05);
        (0..2_000).find(|at| {
            let mean = if *at < fall { before } else { after };
            alarm.take(f64::from(u8::from(chance.share() <= mean)), 1.0)
        })
    }

    #[test]
    fn it_is_rarely_false_and_hears_a_fall_wherever_it_comes() {
        let false_alarms = (0..300).filter(|seed| sounds_at(0.9, 0.9, 0, *seed).is_some()).count();
        assert!(false_alarms <= 15, "{false_alarms} of 300");
        let heard =
            |fall| (0..100).filter_map(move |seed| sounds_at(0.95, 0.78, fall, seed)).filter(move |at| *at > fall);
        for fall in [0, 1_000] {
            let delays: Vec<_> = heard(fall).map(|at| at - fall).collect();
            let mean = delays.iter().sum::<u64>() as f64 / delays.len() as f64;
            assert!(delays.len() >= 95 && mean < 250.0, "{} after {mean}", delays.len());
        }
    }
}
