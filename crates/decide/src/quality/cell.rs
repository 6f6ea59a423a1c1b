//! One kind of work in one tier: whether its requests may go there.
//!
//! Open until something is proven. Held at the baseline tier when the alarm says that quality is below the target, or,
//! where the operator wants proof first, until it is proven. Held cells are still looked at (the cheap tier answers in the
//! background), and come down again when a mirrored alarm says that it reaches the target. Every hold and every return
//! forgets what came before it: the traffic is another one from then on. So each state hears only verdicts on the traffic that
//! it is about: a held cell those of background answers, every other cell those of answers that clients got.

use super::{Alarm, Interval, Kind, MeanSequence};
use serde::{Deserialize, Serialize};

/// What follows when quality falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// A cell is held once it is proven to be below the target.
    #[default]
    Disproved,
    /// A cell is held until it is proven to reach the target.
    Unproven,
    /// Alarms only: a cell that is called held goes on being served.
    Never,
}

/// What is asked of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Share of answers that have to be at least as good as the baseline's, 0..1.
    pub target: f64,
    /// The chance that an interval holds at every look, and that a cell that comes down again is on target.
    pub confidence: f64,
    /// Share of single verdicts that are wrong, either way: what a judge says is compared with what it would say of
    /// answers on target. 0..0.5.
    pub judge_error: f64,
    /// The chance of a false alarm within a season, for this cell.
    pub false_alarms: f64,
    /// Verdicts of a season.
    pub season: u64,
    /// What follows when quality falls.
    pub hold: Hold,
}

impl Default for Rules {
    /// What a config asks for that says nothing.
    fn default() -> Self {
        Self {
            target: crate::DEFAULT_QUALITY_TARGET,
            confidence: 0.95,
            judge_error: 0.05,
            false_alarms: 0.05,
            season: 2_000,
            hold: Hold::Disproved,
        }
    }
}

impl Rules {
    /// What the mean of verdicts is when quality is on target.
    #[must_use]
    pub fn bar(&self) -> f64 {
        self.as_judged(self.target)
    }

    /// A certain word where a judge of this error would have it in the mean: what quality is corrected by goes for all.
    #[must_use]
    pub fn as_judged(&self, certain: f64) -> f64 {
        self.judge_error + (1.0 - 2.0 * self.judge_error) * certain
    }

    /// Quality behind a mean of verdicts.
    #[must_use]
    pub fn quality(&self, judged: f64) -> f64 {
        ((judged - self.judge_error) / (1.0 - 2.0 * self.judge_error)).clamp(0.0, 1.0)
    }

    /// Quality behind an interval of verdicts.
    #[must_use]
    pub fn corrected(&self, judged: Interval) -> Interval {
        Interval { value: self.quality(judged.value), low: self.quality(judged.low), high: self.quality(judged.high) }
    }

    /// The same with so many cells that share the chance of a false alarm.
    #[must_use]
    pub fn among(self, cells: usize) -> Self {
        Self { false_alarms: self.false_alarms / cells.max(1) as f64, ..self }
    }
}

/// Where a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellState {
    /// Nothing is proven; requests go where the prediction says.
    Open,
    /// Quality reaches the target, proven.
    Proven,
    /// Requests go to the baseline tier.
    Held,
}

impl CellState {
    /// The name in the store and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Proven => "proven",
            Self::Held => "held",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        [Self::Open, Self::Proven, Self::Held].into_iter().find(|state| state.name() == name)
    }
}

/// A change of state, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Change {
    /// From.
    pub from: CellState,
    /// To.
    pub to: CellState,
    /// Verdicts since the last change.
    pub verdicts: u64,
    /// Quality as these verdicts show it.
    pub quality: Interval,
}

/// One cell.
#[derive(Clone, Debug)]
pub struct Cell {
    rules: Rules,
    state: CellState,
    seen: MeanSequence,
    /// Says that quality fell below the target.
    alarm: Alarm,
    /// Says that it came back above it: an alarm about the share of answers that were not as good.
    comeback: Alarm,
}

impl Cell {
    /// A cell nobody has looked at.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let state = if rules.hold == Hold::Unproven { CellState::Held } else { CellState::Open };
        Self::resumed(rules, state)
    }

    /// A cell in a state that was reached before; the verdicts since then are taken again.
    #[must_use]
    pub fn resumed(rules: Rules, state: CellState) -> Self {
        let alarm = Alarm::new(rules.bar(), rules.season, rules.false_alarms);
        let comeback = Alarm::new(1.0 - rules.bar(), rules.season, 1.0 - rules.confidence);
        Self { rules, state, seen: MeanSequence::new(rules.confidence), alarm, comeback }
    }

    /// Whether verdicts of this kind are about the traffic that the cell has in its state. Traffic of rules never is: it
    /// goes where the rule says, held or not.
    #[must_use]
    pub fn hears(&self, kind: Kind) -> bool {
        match kind {
            Kind::Down => !self.is_kept_away(),
            Kind::Held => self.is_kept_away(),
            Kind::Up | Kind::Rule => false,
        }
    }

    fn is_kept_away(&self) -> bool {
        self.state == CellState::Held && self.rules.hold != Hold::Never
    }

    /// Takes one verdict: at least as good (1) or not (0), with its weight. One that it does not hear changes nothing.
    pub fn take(&mut self, kind: Kind, score: f64, weight: f64) -> Option<Change> {
        if !self.hears(kind) {
            return None;
        }
        self.seen.take(score, weight);
        let (fell, came_back) = (self.alarm.take(score, weight), self.comeback.take(1.0 - score, weight));
        let to = match self.state {
            CellState::Open | CellState::Proven if fell => CellState::Held,
            CellState::Open if self.quality().low >= self.rules.target => CellState::Proven,
            CellState::Held if came_back => CellState::Proven,
            _ => return None,
        };
        let change = Change { from: self.state, to, verdicts: self.seen.seen(), quality: self.quality() };
        if to == CellState::Proven && change.from == CellState::Open {
            // The same traffic as before: what was seen still counts.
            self.state = to;
        } else {
            *self = Self::resumed(self.rules, to);
        }
        Some(change)
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> CellState {
        self.state
    }

    /// Verdicts since the last change.
    #[must_use]
    pub const fn verdicts(&self) -> u64 {
        self.seen.seen()
    }

    /// Share of answers at least as good as the baseline's since the last change, what the judge gets wrong taken out.
    #[must_use]
    pub fn quality(&self) -> Interval {
        self.rules.corrected(self.seen.interval())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chance;

    fn rules(hold: Hold) -> Rules {
        Rules { target: 0.9, confidence: 0.95, judge_error: 0.0, false_alarms: 0.05, season: 2_000, hold }
    }

    /// The kind that the cell's own traffic has.
    fn own(cell: &Cell) -> Kind {
        if cell.hears(Kind::Held) { Kind::Held } else { Kind::Down }
    }

    /// The states that a cell goes through under these shares of good answers, a thousand verdicts each.
    fn states(rules: Rules, shares: &[f64], wrong: f64) -> Vec<CellState> {
        let mut chance = Chance::new(11);
        let mut cell = Cell::new(rules);
        let mut states = vec![cell.state()];
        for share in shares {
            for _ in 0..1_000 {
                let good = chance.share() <= *share;
                let said = good != (chance.share() <= wrong);
                let kind = own(&cell);
                states.extend(cell.take(kind, f64::from(u8::from(said)), 1.0).map(|change| change.to));
            }
        }
        states
    }

    #[test]
    fn a_cell_is_held_when_it_falls_and_comes_back_when_it_is_good_again() {
        use CellState::{Held, Open, Proven};
        assert_eq!(states(rules(Hold::Disproved), &[0.97, 0.75, 0.97], 0.0), [Open, Proven, Held, Proven]);
        assert_eq!(states(rules(Hold::Never), &[0.97, 0.75, 0.97], 0.0), [Open, Proven, Held, Proven]);
        assert_eq!(states(rules(Hold::Unproven), &[0.97], 0.0), [Held, Proven]);
        assert_eq!(states(rules(Hold::Unproven), &[0.7, 0.9], 0.0), [Held]);
        assert_eq!(states(rules(Hold::Disproved), &[0.9, 0.9], 0.0), [Open]);
    }

    #[test]
    fn each_state_hears_its_own_traffic_only() {
        use CellState::{Held, Open, Proven};
        for (hold, state, heard) in [
            (Hold::Disproved, Open, Kind::Down),
            (Hold::Disproved, Proven, Kind::Down),
            (Hold::Disproved, Held, Kind::Held),
            (Hold::Unproven, Held, Kind::Held),
            // Not really held: its requests still go down.
            (Hold::Never, Held, Kind::Down),
        ] {
            for kind in Kind::ALL {
                let mut cell = Cell::resumed(rules(hold), state);
                // All good or all bad: whichever would change the state.
                let score = if state == Held { 1.0 } else { 0.0 };
                let changed = (0..500).any(|_| cell.take(kind, score, 1.0).is_some());
                assert_eq!(changed, kind == heard, "{hold:?} {state:?} {kind:?}");
            }
        }
    }

    #[test]
    fn what_the_judge_gets_wrong_is_taken_out() {
        use CellState::{Held, Open, Proven};
        let knowing = Rules { judge_error: 0.1, ..rules(Hold::Disproved) };
        assert_eq!(states(knowing, &[0.97, 0.75], 0.1), [Open, Proven, Held]);
        // not knowing it, one would hold what is good
        assert_eq!(states(rules(Hold::Disproved), &[0.97], 0.1)[..2], [Open, Held]);
        assert!((knowing.quality(knowing.bar()) - 0.9).abs() < 1e-12);
    }
}
