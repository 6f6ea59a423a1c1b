//! What verdicts said of each target by kind of work, shared by all workers and changed while they run; and how the targets
//! of a tier stand in one request because of it.

use std::sync::atomic::{AtomicU64, Ordering};
use tierway_decide::balance::Balance;
use tierway_decide::equals::{Duel, Standing, Tally, explores};
use tierway_decide::{Ladder, RejectWhy, Rejected, TargetId, TaskType};

/// A [`Tally`] for each kind of work of each target. Read without a lock.
#[derive(Debug)]
pub struct Tallies(Vec<Vec<[AtomicU64; TaskType::ALL.len()]>>);

impl Tallies {
    /// Nothing is known yet.
    #[must_use]
    pub fn of(ladder: &Ladder) -> Self {
        let fresh = |tier: &tierway_decide::Tier| tier.targets.iter().map(|_| Default::default()).collect();
        Self(ladder.tiers().iter().map(fresh).collect())
    }

    /// As of now. `id` is of the ladder that they were made for.
    #[must_use]
    pub fn now(&self, id: TargetId, task: TaskType) -> Tally {
        let both = self.cell(id, task).load(Ordering::Relaxed);
        Tally { good: (both >> 32) as u32, bad: both as u32 }
    }

    /// From now on.
    pub fn set(&self, id: TargetId, task: TaskType, tally: Tally) {
        self.cell(id, task).store(u64::from(tally.good) << 32 | u64::from(tally.bad), Ordering::Relaxed);
    }

    fn cell(&self, id: TargetId, task: TaskType) -> &AtomicU64 {
        &self.0[usize::from(id.tier.0)][usize::from(id.index)][task as usize]
    }
}

/// How the targets of a tier are told apart in one request.
#[derive(Clone, Copy)]
pub(crate) struct Judging<'a> {
    tallies: &'a Tallies,
    task: TaskType,
    seed: u64,
    drawn: bool,
}

impl<'a> Judging<'a> {
    /// None where verdicts have no say in it.
    pub(crate) fn by(balance: Balance, tallies: &'a Tallies, task: TaskType, seed: u64) -> Option<Self> {
        let Balance::Learned { explore_percent } = balance else { return None };
        Some(Self { tallies, task, seed, drawn: explores(explore_percent, seed) })
    }

    pub(crate) fn standing(&self, id: TargetId) -> Standing {
        Standing::of(self.tallies.now(id, self.task), id.index, self.drawn, self.seed)
    }

    /// Those of an order that are behind because of their score.
    pub(crate) fn outscored(&self, ordered: &[TargetId]) -> Vec<Rejected> {
        let Some((leader, others)) = ordered.split_first() else { return Vec::new() };
        let first = self.standing(*leader);
        let duel = |id: &TargetId| {
            let duel = Duel { own: self.standing(*id), by: leader.index, first, drawn: self.drawn };
            (duel.own.score_ppm < first.score_ppm).then_some(Rejected {
                tier: id.tier,
                target: Some(*id),
                why: RejectWhy::Outscored(duel),
            })
        };
        others.iter().filter_map(duel).collect()
    }
}
