//! The cells at work: verdicts in, changes and alarms out.
//!
//! State is rebuilt from the store: the last change of each cell, and the verdicts since. So a restart, another process or
//! a rollback all give the same.

use super::{cell_rules, cells_of, holds};
use std::collections::BTreeMap;
use tierway_config::Config;
use tierway_decide::quality::{Alarm, Cell, CellKey, CellState, Change, Held, Judged, Kind, Rules};
use tierway_decide::{Ladder, TaskType};
use tierway_ledger::quality::{AlarmRow, CellChange};
use tierway_ledger::{LedgerError, State};

/// All cells of a ladder.
pub(crate) struct Cells {
    rules: Rules,
    cells: BTreeMap<CellKey, Cell>,
    /// All cells together: an alarm, nothing is held for it.
    overall: Alarm,
    overall_sounds: bool,
}

/// What a verdict led to.
#[derive(Default)]
pub(crate) struct Led {
    pub(crate) change: Option<CellChange>,
    pub(crate) alarms: Vec<AlarmRow>,
}

impl Cells {
    /// As the store has them.
    pub(crate) fn read(config: &Config, state: &mut State) -> Result<Self, LedgerError> {
        let rules = cell_rules(config);
        let changed: BTreeMap<_, _> =
            state.cells()?.into_iter().map(|change| (change.cell.clone(), (change.to, change.at_ms))).collect();
        let mut cells = BTreeMap::new();
        for key in cells_of(config.table.ladder()) {
            let (mut cell, since) = match changed.get(&key) {
                Some((to, at_ms)) => (Cell::resumed(rules, *to), *at_ms),
                None => (Cell::new(rules), 0),
            };
            for judged in state.verdicts_of(&key, since)? {
                // What led to a change was written as one; what did not cannot now.
                let _ = cell.take(judged.score(&rules), judged.weight);
            }
            cells.insert(key, cell);
        }
        let of_all = Rules { false_alarms: config.quality.rules.false_alarms / 2.0, ..rules };
        let overall = Alarm::new(of_all.bar(), of_all.season, of_all.false_alarms);
        let mut read = Self { rules, cells, overall, overall_sounds: false };
        for judged in state.verdicts(0, i64::MAX)?.iter().filter(|judged| judged.kind != Kind::Up) {
            read.overall_sounds |= read.overall.take(judged.score(&rules), judged.weight);
        }
        Ok(read)
    }

    /// Takes one verdict.
    pub(crate) fn take(&mut self, judged: &Judged, now_ms: i64) -> Led {
        let mut led = Led::default();
        if judged.kind == Kind::Up {
            return led;
        }
        let score = judged.score(&self.rules);
        if self.overall.take(score, judged.weight) && !self.overall_sounds {
            self.overall_sounds = true;
            led.alarms.push(alarm(now_ms, None, "", self.overall_words()));
        }
        let Some(cell) = self.cells.get_mut(&judged.cell) else { return led };
        if let Some(change) = cell.take(score, judged.weight) {
            let why = words(&self.rules, &change);
            if change.to == CellState::Held {
                led.alarms.push(alarm(now_ms, Some(judged.cell.task_type), &judged.cell.tier, why.clone()));
            }
            led.change = Some(written(&judged.cell, &change, now_ms, "evidence", why));
        }
        led
    }

    /// A person changes a cell. None when it is not one of this ladder, or stands there already.
    pub(crate) fn change(
        &mut self,
        key: &CellKey,
        to: CellState,
        now_ms: i64,
        author: &str,
        why: &str,
    ) -> Option<CellChange> {
        let cell = self.cells.get_mut(key)?;
        let change = Change { from: cell.state(), to, verdicts: cell.verdicts(), quality: cell.quality() };
        if change.from == to {
            return None;
        }
        *cell = Cell::resumed(self.rules, to);
        Some(written(key, &change, now_ms, author, why.to_owned()))
    }

    /// What a decision reads.
    pub(crate) fn held(&self, config: &Config) -> Held {
        if !holds(config) {
            return Held::NONE;
        }
        let ladder: &Ladder = config.table.ladder();
        let held = self.cells.iter().filter(|(_, cell)| cell.state() == CellState::Held);
        held.fold(Held::NONE, |held, (key, _)| match ladder.find(&key.tier) {
            Some(tier) => held.with(key.task_type, tier),
            None => held,
        })
    }

    /// Every cell.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&CellKey, &Cell)> {
        self.cells.iter()
    }

    fn overall_words(&self) -> String {
        let target = percent(self.rules.target);
        format!(
            "the share of cheap answers at least as good as the baseline's fell below {target}, all kinds of work together"
        )
    }
}

fn alarm(at_ms: i64, task_type: Option<TaskType>, tier: &str, words: String) -> AlarmRow {
    AlarmRow { id: 0, at_ms, task_type, tier: tier.to_owned(), words, delivered: false }
}

fn written(key: &CellKey, change: &Change, at_ms: i64, author: &str, why: String) -> CellChange {
    CellChange {
        version: 0,
        at_ms,
        cell: key.clone(),
        from: change.from,
        to: change.to,
        author: author.to_owned(),
        why,
        verdicts: change.verdicts,
        quality: change.quality,
    }
}

/// A change in a sentence.
fn words(rules: &Rules, change: &Change) -> String {
    let (target, quality) = (percent(rules.target), change.quality);
    let seen = format!(
        "{} of {} answers at least as good as the baseline's, between {} and {}",
        percent(quality.value),
        change.verdicts,
        percent(quality.low),
        percent(quality.high)
    );
    match change.to {
        CellState::Held => format!("fell below {target} ({seen}); these requests go to the baseline tier"),
        CellState::Proven if change.from == CellState::Held => format!("reaches {target} again ({seen}); released"),
        CellState::Proven => format!("reaches {target}, proven ({seen})"),
        CellState::Open => format!("open ({seen})"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
