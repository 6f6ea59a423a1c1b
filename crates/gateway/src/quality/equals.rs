//! Which target of a tier the verdicts speak for, by kind of work: from the store into what decisions read.
//!
//! Each comparison counts for both models in it. Where it was a tie both get half; a person's word goes before the judge's.
//! Only the last verdicts count, so that a model which changed is known by what it does now. Targets of a tier that are one
//! model at different efforts are one here.

use std::collections::BTreeMap;
use tierway::Setup;
use tierway_decide::balance::Balance;
use tierway_decide::equals::Tally;
use tierway_decide::quality::{Comparison, Preference};
use tierway_decide::{Ladder, TaskType, TierId};
use tierway_ledger::quality::Compared;
use tierway_ledger::{LedgerError, State};

/// Verdicts that count.
const LAST: u64 = 10_000;

/// By kind of work, tier and `provider/model`.
type Known<'a> = BTreeMap<(TaskType, TierId, &'a str), Tally>;

/// Reads the verdicts anew, where targets are told apart by them.
pub(super) fn refresh(setup: &Setup, state: &mut State) -> Result<(), LedgerError> {
    if matches!(setup.balance, Balance::Learned { .. }) {
        tell(setup, &state.compared(LAST)?);
    }
    Ok(())
}

fn tell(setup: &Setup, compared: &[Compared]) {
    let ladder = setup.table.ladder();
    let known = sum(ladder, compared);
    for tier in ladder.ids() {
        for (id, target) in ladder.targets_of(tier) {
            let name = format!("{}/{}", target.provider, target.model);
            for task in TaskType::ALL {
                let tally = known.get(&(task, tier, name.as_str())).copied().unwrap_or_default();
                setup.tallies.set(id, task, tally);
            }
        }
    }
}

fn sum<'a>(ladder: &Ladder, compared: &'a [Compared]) -> Known<'a> {
    let mut known = Known::new();
    for one in compared {
        let Some(tier) = ladder.find(&one.tier) else { continue };
        let cheap = share(one.comparison);
        for (tier, model, share) in [(tier, &one.models[0], cheap), (ladder.baseline(), &one.models[1], 1.0 - cheap)] {
            let tally = known.entry((one.task_type, tier, model.as_str())).or_default();
            *tally = tally.with(share, one.weight);
        }
    }
    known
}

/// What part of the comparison the cheap answer won.
fn share(comparison: Comparison) -> f64 {
    let look = |preference| match preference {
        Preference::Cheap => 1.0,
        Preference::Tie => 0.5,
        Preference::Baseline => 0.0,
    };
    f64::midpoint(look(comparison.one), look(comparison.other))
}
