//! Among equals: which target of a tier serves a kind of work best, learned from verdicts.
//!
//! In: what comparisons said of a target, whether this request explores, the request's id as a seed. Out: a score; the
//! highest goes first. Most requests go to the target that is best so far. A share of them draws each target's quality
//! from what is believed of it and goes to the highest draw (Thompson, 1933; Chapelle and Li, "An empirical evaluation of
//! Thompson sampling", 2011), so that one of which little is known gets its chance. No more than that share explores.
//! Pure: a record holds the beliefs, and with its id the same scores come out again.

use crate::Chance;
use serde::{Deserialize, Serialize};

/// What comparisons said of one target on one kind of work, in hundredths of a verdict (they have weights).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Its answer was better; half of a tie.
    pub good: u32,
    /// Its answer was worse; half of a tie.
    pub bad: u32,
}

/// Hundredths.
const PER_VERDICT: f64 = 100.0;

impl Tally {
    /// With one comparison more: `share` of it is its own (1 better, 1/2 as good, 0 worse), of this weight.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; a cast stops at the most"
    )]
    pub fn with(self, share: f64, weight: f64) -> Self {
        let part = |share: f64| (PER_VERDICT * weight.max(0.0) * share.clamp(0.0, 1.0)).round() as u32;
        Self { good: self.good.saturating_add(part(share)), bad: self.bad.saturating_add(part(1.0 - share)) }
    }

    /// The two parameters of what is believed: one verdict of either kind before any was seen.
    fn belief(self) -> (f64, f64) {
        (1.0 + f64::from(self.good) / PER_VERDICT, 1.0 + f64::from(self.bad) / PER_VERDICT)
    }
}

/// A target's standing in one decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What was known of it.
    pub tally: Tally,
    /// Its score in millionths.
    pub score_ppm: u32,
}

impl Standing {
    /// Of the target in this place of its tier: what is believed on average, or, in a request that `explores`, a draw.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a million")]
    pub fn of(tally: Tally, place: u8, explores: bool, seed: u64) -> Self {
        let (good, bad) = tally.belief();
        let score = if explores {
            // a stream for each place: a target's draw does not hang on who else is there
            let mut chance = Chance::new(seed ^ (u64::from(place) + 1).wrapping_mul(0x9e6c_63d0_676a_9a99));
            let (a, b) = (gamma(good, &mut chance), gamma(bad, &mut chance));
            a / (a + b)
        } else {
            good / (good + bad)
        };
        Self { tally, score_ppm: (1e6 * score.clamp(0.0, 1.0)).round() as u32 }
    }
}

/// Why one target of a tier went behind another, as a record keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duel {
    /// How this one stood.
    pub own: Standing,
    /// Place in the tier of the one that went first.
    pub by: u8,
    /// How that one stood.
    pub first: Standing,
    /// The request explored: both scores were drawn.
    pub drawn: bool,
}

impl Duel {
    /// Whether the same scores come out again for the target in this place, under the seed of that request.
    #[must_use]
    pub fn comes_out_again(&self, place: u8, seed: u64) -> bool {
        let again = |tally, place| Standing::of(tally, place, self.drawn, seed);
        (again(self.own.tally, place), again(self.first.tally, self.by)) == (self.own, self.first)
    }
}

/// Whether the request with this seed explores, of which `percent` do.
#[must_use]
pub fn explores(percent: u8, seed: u64) -> bool {
    Chance::new(seed ^ 0x6571_7561_6c73).share() <= f64::from(percent) / 100.0
}

/// A draw from the gamma distribution of a shape of at least 1 (Marsaglia and Tsang, 2000).
fn gamma(shape: f64, chance: &mut Chance) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(chance);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && chance.share().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// A draw from the normal distribution (Box and Muller, 1958).
fn normal(chance: &mut Chance) -> f64 {
    let radius = (-2.0 * chance.share().ln()).sqrt();
    radius * (std::f64::consts::TAU * chance.share()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(good: u32, bad: u32) -> Tally {
        Tally { good: 100 * good, bad: 100 * bad }
    }

    /// Mean and standard deviation of beta distributions, in closed form.
    #[test]
    fn draws_are_of_the_beta_distribution() {
        for (good, bad) in [(0, 0), (3, 1), (40, 10), (0, 25)] {
            let draws: Vec<f64> = (0..20_000)
                .map(|seed| f64::from(Standing::of(tally(good, bad), 1, true, seed).score_ppm) / 1e6)
                .collect();
            let mean = draws.iter().sum::<f64>() / 20_000.0;
            let square = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / 20_000.0;
            let (a, b) = (f64::from(good) + 1.0, f64::from(bad) + 1.0);
            let variance = a * b / ((a + b).powi(2) * (a + b + 1.0));
            assert!((mean - a / (a + b)).abs() < 0.01, "{good} {bad}: {mean}");
            assert!((square / variance - 1.0).abs() < 0.06, "{good} {bad}: {square} {variance}");
        }
    }

    /// How often the better of two targets (90 % and 60 % of comparisons won) goes first over the last half of 2,000
    /// requests of which every fifth is judged; and the share of all that went to another one than the best so far.
    fn play(percent: u8, run: u64) -> (f64, f64) {
        let (mut known, mut firsts, mut strayed) = ([Tally::default(); 2], 0, 0);
        let mut world = Chance::new(run);
        for request in 0..2_000u64 {
            let seed = world.bits();
            let scores = |explores| [0, 1].map(|at| Standing::of(known[at], at as u8, explores, seed).score_ppm);
            let highest = |scores: [u32; 2]| usize::from(scores[1] > scores[0]);
            let chosen = highest(scores(explores(percent, seed)));
            strayed += u32::from(chosen != highest(scores(false)));
            firsts += u32::from(request >= 1_000 && chosen == 1);
            if request % 5 == 0 {
                let won = world.share() <= [0.6, 0.9][chosen];
                known[chosen] = known[chosen].with(f64::from(u8::from(won)), 1.0);
            }
        }
        (f64::from(firsts) / 1_000.0, f64::from(strayed) / 2_000.0)
    }

    #[test]
    fn the_better_one_is_found_and_exploring_is_bounded() {
        let runs: Vec<(f64, f64)> = (0..40).map(|run| play(20, run)).collect();
        let found = runs.iter().filter(|run| run.0 > 0.85).count();
        assert!(found >= 36, "{found} of 40");
        assert!(runs.iter().all(|run| run.1 < 0.22), "{runs:?}");
        let never: Vec<(f64, f64)> = (0..40).map(|run| play(0, run)).collect();
        assert!(never.iter().all(|run| run.1 == 0.0));
        assert!(never.iter().any(|run| run.0 == 0.0), "without exploring one stays with whoever was first");
    }

    #[test]
    fn comparisons_are_counted_by_their_weight() {
        assert_eq!(Tally::default().with(1.0, 1.0).with(0.5, 0.25).with(0.0, 2.0), Tally { good: 113, bad: 213 });
        assert_eq!(tally(1, 1).with(f64::NAN, -3.0), tally(1, 1));
        let most = Tally { good: u32::MAX, bad: u32::MAX };
        assert_eq!(most.with(0.5, 1e300), most);
        assert!((0..100).all(|seed| Standing::of(most, 0, true, seed).score_ppm.abs_diff(500_000) < 2_000));
    }

    #[test]
    fn the_same_seed_gives_the_same_score() {
        let again = |seed| Standing::of(tally(5, 2), 3, true, seed);
        assert_eq!(again(7), again(7));
        assert_ne!(again(7), again(8));
        assert_ne!(again(7), Standing::of(tally(5, 2), 2, true, 7), "places draw by themselves");
        assert_eq!(Standing::of(tally(5, 2), 3, false, 7), Standing::of(tally(5, 2), 0, false, 9));
    }
}
