//! Which answered requests are looked at.
//!
//! In: the rate in force, and the [`Stratum`] of a request. Out: its chance of being looked at, and whether it is, drawn from
//! its id, so that both can be told again from the store. The chance depends only on what was known before the request
//! came; that is what lets a weight undo it. Refuses to look at anything without a chance that is above 0 and known.

use crate::{Chance, Complexity, Prediction, RequestId, TierId};
use serde::{Deserialize, Serialize};

/// What looking at a request tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It went to a cheap tier: would the baseline have done better?
    Down,
    /// It would have gone to a cheap tier, but its cell is held: would the cheap tier do again?
    Held,
    /// It went to the baseline: would the cheapest tier have done?
    Up,
    /// A rule of the operator sent it to a cheap tier: would the baseline have done better? No cell is held for it, because
    /// rules are not held.
    Rule,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Down, Self::Held, Self::Up, Self::Rule];

    /// The name in the store and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Held => "held",
            Self::Up => "up",
            Self::Rule => "rule",
        }
    }

    /// The client got the cheap tier's answer.
    #[must_use]
    pub const fn served_cheap(self) -> bool {
        matches!(self, Self::Down | Self::Rule)
    }
}

/// What makes a request worth a closer look than others. Each doubles its chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stratum {
    /// Its kind of work has few verdicts yet.
    pub rare: bool,
    /// It looks hard.
    pub hard: bool,
    /// The predictor was nearly of another opinion, or has not seen its like.
    pub unsure: bool,
}

/// Verdicts below which a cell counts as rare: half of what an interval of ten points takes.
const FEW: u64 = 100;
/// P(answer will do) below which, or novelty above which, the predictor was nearly of another opinion.
const SURE_P_OK: f32 = 0.85;
const FAMILIAR: f32 = 0.5;

impl Stratum {
    /// The stratum of a request that went (or would have gone) to `tier`, whose cell has so many verdicts.
    #[must_use]
    pub fn of(prediction: &Prediction, tier: TierId, verdicts: u64) -> Self {
        let p_ok = prediction.p_ok.get(usize::from(tier.0)).copied().unwrap_or(0.0);
        Self {
            rare: verdicts < FEW,
            hard: prediction.complexity >= Complexity::Complex,
            unsure: p_ok < SURE_P_OK || prediction.novelty > FAMILIAR,
        }
    }

    fn factor(self) -> f64 {
        f64::from(1_u8 << (u8::from(self.rare) + u8::from(self.hard) + u8::from(self.unsure)))
    }
}

/// The sampling design in force: the chance of the least interesting request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    base: f64,
}

/// A request that is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// The chance it had, above 0 and at most 1.
    pub chance: f64,
    /// Its weight beside others of the same design, above 0 and at most 1: the least chance over its own.
    pub weight: f64,
}

impl Design {
    /// A design whose least chance is `base`; values outside of 0..=1 are brought into it, and 0 looks at nothing.
    #[must_use]
    pub const fn new(base: f64) -> Self {
        // NaN looks at nothing either.
        Self { base: if base > 0.0 { base.min(1.0) } else { 0.0 } }
    }

    /// The least chance.
    #[must_use]
    pub const fn base(&self) -> f64 {
        self.base
    }

    /// The chance that a request of this stratum is looked at.
    #[must_use]
    pub fn chance(&self, stratum: Stratum) -> f64 {
        (self.base * stratum.factor()).min(1.0)
    }

    /// Looks at this request, or does not: the same id always gives the same.
    #[must_use]
    pub fn draw(&self, id: RequestId, stratum: Stratum) -> Option<Drawn> {
        let chance = self.chance(stratum);
        (chance > 0.0 && Self::coin(id) <= chance).then(|| Drawn { chance, weight: self.base / chance })
    }

    /// The number in 0..=1 that a chance has to reach. Anybody with the id and the recorded chance can draw again.
    #[must_use]
    pub fn coin(id: RequestId) -> f64 {
        Chance::new(id.as_i64().cast_unsigned() ^ 0x7361_6d70_6c65).share()
    }

    /// The largest base that a budget allows: `left` dollars for the rest of a period in which so many requests may still
    /// be looked at, at `each` dollars. Never above `base`; the mean stratum counts as twice the least.
    #[must_use]
    pub fn within_budget(base: f64, left: f64, each: f64, requests: f64) -> Self {
        if left <= 0.0 {
            return Self::new(0.0);
        }
        let affordable = left / (each.max(1e-12) * requests.max(1.0) * 2.0);
        Self::new(base.min(affordable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> impl Iterator<Item = RequestId> {
        (0..20_000).map(|n| RequestId::new(RequestId::EPOCH_MS + n * 37, 5, 0))
    }

    #[test]
    fn requests_are_drawn_at_their_chance_and_weights_undo_it() {
        let design = Design::new(0.05);
        let plain = Stratum::default();
        for (stratum, chance) in [
            (plain, 0.05),
            (Stratum { rare: true, ..plain }, 0.1),
            (Stratum { rare: true, hard: true, unsure: true }, 0.4),
        ] {
            let drawn: Vec<_> = ids().filter_map(|id| design.draw(id, stratum)).collect();
            assert!((design.chance(stratum) - chance).abs() < 1e-12);
            let share = drawn.len() as f64 / 20_000.0;
            assert!((share - chance).abs() < 0.01, "{share} for {chance}");
            assert!(drawn.iter().all(|drawn| (drawn.weight * drawn.chance - 0.05).abs() < 1e-12));
        }
        let again = |id| design.draw(id, plain);
        assert!(ids().all(|id| again(id) == again(id) && again(id).is_some() == (Design::coin(id) <= 0.05)));
    }

    #[test]
    fn nothing_is_looked_at_without_a_chance() {
        let all = Stratum { rare: true, hard: true, unsure: true };
        for base in [0.0, -1.0, f64::NAN] {
            assert!(ids().all(|id| Design::new(base).draw(id, all).is_none()), "{base}");
        }
        assert!(ids().all(|id| Design::new(7.0).draw(id, all) == Some(Drawn { chance: 1.0, weight: 1.0 })));
    }

    #[test]
    fn a_budget_lowers_the_rate_and_never_raises_it() {
        let base = |left, each, requests| Design::within_budget(0.1, left, each, requests).base;
        assert_eq!(base(100.0, 0.01, 10.0), 0.1);
        assert!((base(1.0, 0.01, 1_000.0) - 0.05).abs() < 1e-12);
        assert_eq!(base(0.0, 0.01, 1_000.0), 0.0);
    }
}
