//! The cells at work: verdicts in, changes and alarms out.
//!
//! State is rebuilt from the store: the last change of each cell, and the verdicts since. So a restart, another process or
//! a rollback all give the same. What follows from reading (the target was moved, `hold` was changed, somebody was stopped
//! between a verdict and what it led to) is told like everything else: no state changes without a row that says so.

use super::{cell_rules, cells_of, holds};
use std::collections::BTreeMap;
use tierway_config::Config;
use tierway_decide::quality::{Cell, CellKey, CellState, Change, Held, Hold, Judged, Kind, Rules};
use tierway_decide::{DAY_MS, Ladder, TaskType};
use tierway_ledger::quality::{AlarmRow, CellChange};
use tierway_ledger::{LedgerError, State};

/// Older verdicts say nothing of today.
const MEMORY_MS: i64 = 366 * DAY_MS;
/// Alarms that are looked through for the last one about all kinds of work together.
const MOST_ALARMS: usize = 10_000;
/// Who changes a cell because the config says so.
const CONFIG: &str = "config";

/// All cells of a ladder.
pub(super) struct Cells {
    rules: Rules,
    cells: BTreeMap<CellKey, Cell>,
    /// All that clients got from cheap tiers, by rules, too: an alarm, nothing is held for it. Once it has sounded it is
    /// silent until quality is back.
    overall: Cell,
}

/// What follows.
#[derive(Debug, Default)]
pub(super) struct Led {
    pub(super) changes: Vec<CellChange>,
    pub(super) alarms: Vec<AlarmRow>,
}

/// Where a cell stands by its changes.
#[derive(Clone, Copy)]
struct Standing {
    state: CellState,
    /// What was seen since counts.
    since_ms: i64,
    by_config: bool,
}

/// Nothing ever happened to it.
const NEW: Standing = Standing { state: CellState::Open, since_ms: 0, by_config: true };

impl Cells {
    /// As the store has them, and what follows from that.
    pub(super) fn read(config: &Config, state: &mut State, now_ms: i64) -> Result<(Self, Led), LedgerError> {
        let standing = standing(&state.cells_since()?);
        let alarms = state.alarms(now_ms - MEMORY_MS, MOST_ALARMS)?;
        let mut sounded = alarms.iter().find(|alarm| alarm.task_type.is_none()).map(|alarm| alarm.at_ms);
        let rules = cell_rules(config);
        let overall =
            Cell::resumed(overall_rules(config), if sounded.is_some() { CellState::Held } else { CellState::Open });
        let (mut read, mut led) = (Self { rules, cells: BTreeMap::new(), overall }, Led::default());
        let mut since = BTreeMap::new();
        for key in cells_of(config.table.ladder()) {
            let mut stands = standing.get(&key).copied().unwrap_or(NEW);
            if let Some((to, why)) = wanted(rules.hold, stands) {
                let change = by_hand(&Cell::resumed(rules, stands.state), to);
                led.changes.push(written(&key, &change, now_ms, CONFIG, why.to_owned()));
                stands = Standing { state: to, since_ms: now_ms, by_config: true };
            }
            since.insert(key.clone(), stands.since_ms);
            read.cells.insert(key, Cell::resumed(rules, stands.state));
        }
        for judged in state.verdicts(now_ms - MEMORY_MS, i64::MAX)? {
            if sounded.is_none_or(|at_ms| judged.at_ms > at_ms) && read.hear(&judged, now_ms, &mut led) {
                sounded = Some(i64::MAX);
            }
            let since_ms = since.get_mut(&judged.cell).filter(|since_ms| judged.at_ms > **since_ms);
            let Some(since_ms) = since_ms else { continue };
            if read.hear_in_cell(&judged, now_ms, &mut led).is_some_and(|change| forgets(change.from, change.to)) {
                // It changes now: what was seen before is not about the traffic from now on.
                *since_ms = i64::MAX;
            }
        }
        Ok((read, led))
    }

    /// Takes one verdict.
    pub(super) fn take(&mut self, judged: &Judged, now_ms: i64) -> Led {
        let mut led = Led::default();
        self.hear(judged, now_ms, &mut led);
        let _ = self.hear_in_cell(judged, now_ms, &mut led);
        led
    }

    /// All kinds of work together; true when that sounds the alarm.
    fn hear(&mut self, judged: &Judged, now_ms: i64, led: &mut Led) -> bool {
        if !judged.kind.served_cheap() {
            return false;
        }
        let change = self.overall.take(Kind::Down, judged.score(&self.rules), judged.weight);
        let fell = change.is_some_and(|change| change.to == CellState::Held);
        if fell {
            led.alarms.push(alarm(now_ms, None, "", self.overall_words()));
        }
        fell
    }

    fn hear_in_cell(&mut self, judged: &Judged, now_ms: i64, led: &mut Led) -> Option<Change> {
        let change = self.cells.get_mut(&judged.cell)?.take(judged.kind, judged.score(&self.rules), judged.weight)?;
        let why = words(&self.rules, &change);
        if change.to == CellState::Held {
            led.alarms.push(alarm(now_ms, Some(judged.cell.task_type), &judged.cell.tier, why.clone()));
        }
        led.changes.push(written(&judged.cell, &change, now_ms, "evidence", why));
        Some(change)
    }

    /// A person changes a cell. None when it is not one of this ladder, or stands there already.
    pub(super) fn change(
        &mut self,
        key: &CellKey,
        to: CellState,
        now_ms: i64,
        author: &str,
        why: &str,
    ) -> Option<CellChange> {
        let cell = self.cells.get_mut(key)?;
        let change = by_hand(cell, to);
        if change.from == to {
            return None;
        }
        *cell = Cell::resumed(self.rules, to);
        Some(written(key, &change, now_ms, author, why.to_owned()))
    }

    /// What a decision reads.
    pub(super) fn held(&self, config: &Config) -> Held {
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
    pub(super) fn each(&self) -> impl Iterator<Item = (&CellKey, &Cell)> {
        self.cells.iter()
    }

    fn overall_words(&self) -> String {
        let target = percent(self.rules.target);
        format!(
            "the share of cheap answers at least as good as the baseline's fell below {target}, all kinds of work together"
        )
    }
}

/// Half of the chance of a false alarm; the cells share the other half.
fn overall_rules(config: &Config) -> Rules {
    let rules = config.quality.rules;
    Rules { false_alarms: rules.false_alarms / 2.0, hold: Hold::Never, ..rules }
}

/// Where each cell stands that ever changed. `history`: the newest first.
fn standing(history: &[CellChange]) -> BTreeMap<CellKey, Standing> {
    let mut standing: BTreeMap<CellKey, Standing> = BTreeMap::new();
    let mut settled: Vec<&CellKey> = Vec::new();
    for change in history {
        if settled.contains(&&change.cell) {
            continue;
        }
        let last = standing.entry(change.cell.clone()).or_insert(Standing {
            state: change.to,
            since_ms: 0,
            by_config: change.author == CONFIG,
        });
        if forgets(change.from, change.to) {
            last.since_ms = change.at_ms;
            settled.push(&change.cell);
        }
    }
    standing
}

/// A cell that is proven has the same traffic as before, so what was seen goes on counting; all other changes begin anew.
fn forgets(from: CellState, to: CellState) -> bool {
    (from, to) != (CellState::Open, CellState::Proven)
}

/// Where the config wants a cell that nothing else has moved, and why.
fn wanted(hold: Hold, stands: Standing) -> Option<(CellState, &'static str)> {
    match (hold, stands.state, stands.by_config) {
        (Hold::Unproven, CellState::Open, true) => {
            Some((CellState::Held, "`hold` is `unproven`: it goes to the baseline tier until it is proven"))
        }
        (Hold::Disproved | Hold::Never, CellState::Held, true) => {
            Some((CellState::Open, "`hold` is not `unproven` any more: it goes where the prediction says"))
        }
        _ => None,
    }
}

fn by_hand(cell: &Cell, to: CellState) -> Change {
    Change { from: cell.state(), to, verdicts: cell.verdicts(), quality: cell.quality() }
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

#[cfg(test)]
mod tests {
    use super::*;
    use tierway_decide::Usd;
    use tierway_decide::quality::{Comparison, Preference};

    fn config(more: &str) -> Config {
        let text = format!(
            "[providers.o]\nkind = \"openai\"\n[[tiers]]\nname = \"small\"\ntargets = [\"o/gpt-4o-mini\"]\n[[tiers]]\n\
             name = \"standard\"\ntargets = [\"o/gpt-4o\"]\n[quality]\nsample = 0.5\ntarget = 0.9\njudge_error_percent = 0\n{more}"
        );
        tierway_config::parse(&text, "t.toml", &|_| None).unwrap()
    }

    fn judged(kind: Kind, good: bool) -> Judged {
        Judged {
            at_ms: 0,
            kind,
            cell: CellKey { task_type: TaskType::Qa, tier: "small".into() },
            comparison: Comparison::certain(if good { Preference::Tie } else { Preference::Baseline }),
            certain: true,
            person: None,
            weight: 1.0,
            cost: Usd::ZERO,
        }
    }

    #[test]
    fn the_alarm_about_everything_sounds_again_after_quality_was_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path().join("l.db").as_path()).unwrap();
        let (mut cells, led) = Cells::read(&config(""), &mut state, 1).unwrap();
        assert!(led.changes.is_empty() && led.alarms.is_empty());
        let mut sounded = |count: usize, good: bool| -> usize {
            let alarms = (0..count).flat_map(|_| cells.take(&judged(Kind::Rule, good), 1).alarms);
            alarms.filter(|alarm| alarm.task_type.is_none()).count()
        };
        assert_eq!(
            [(80, false), (80, false), (400, true), (80, false)].map(|(n, good)| sounded(n, good)),
            [1, 0, 0, 1]
        );
        assert!(cells.each().all(|(_, cell)| cell.state() == CellState::Open));
    }

    #[test]
    fn what_was_seen_counts_from_the_last_change_that_forgot() {
        use CellState::{Held, Open, Proven};
        let change = |version, at_ms, from, to, author: &str| CellChange {
            version,
            at_ms,
            from,
            to,
            author: author.into(),
            ..written(
                &CellKey { task_type: TaskType::Qa, tier: "small".into() },
                &by_hand(&Cell::new(Rules::default()), Open),
                0,
                "",
                String::new(),
            )
        };
        let mut history = vec![
            change(1, 10, Open, Held, CONFIG),
            change(2, 20, Held, Open, CONFIG),
            change(3, 30, Open, Proven, "evidence"),
        ];
        history.reverse();
        let stands = standing(&history).into_values().next().unwrap();
        assert_eq!((stands.state, stands.since_ms, stands.by_config), (Proven, 20, false));
        let stands = standing(&history[1..]).into_values().next().unwrap();
        assert_eq!((stands.state, stands.since_ms, stands.by_config), (Open, 20, true));
        let stands = standing(&history[2..]).into_values().next().unwrap();
        assert_eq!(wanted(Hold::Disproved, stands).map(|(to, _)| to), Some(Open));
        assert_eq!(wanted(Hold::Unproven, stands), None);
    }
}
