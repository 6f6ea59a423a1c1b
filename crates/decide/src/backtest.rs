//! Two policies over the same recorded requests: what happened, and what would have happened.
//!
//! In: requests with the [outcome](Outcome) of deciding them again. Out: tier mix, cost and expected quality of both sides,
//! what would move, and the requests for which that matters most. Pure sums in bounded memory. It refuses to call an
//! expectation a measurement: quality here is the predictor's, on both sides the same predictor's.

use crate::replay::{Kept, Outcome};
use crate::{CallRecord, Complexity, Ladder, Prediction, RequestId, TaskType, TierId, Usd, savings};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

/// Sums of a replay.
#[derive(Clone, Debug)]
pub struct Backtest {
    answer_worth: f64,
    most_requests: usize,
    /// Requests that were read.
    pub read: u64,
    /// Requests that stay as they were, by why.
    pub kept: BTreeMap<Kept, u64>,
    /// Requests that were decided again.
    pub replayed: u64,
    /// Those among them whose cost is not known on one side; left out of all money.
    pub unpriced: u64,
    /// Those decided by thresholds that were proven on the operator's own outcomes.
    pub calibrated: u64,
    /// What happened.
    pub before: Side,
    /// What would have happened.
    pub after: Side,
    /// What would move, by where from, where to, and kind of work.
    pub moves: BTreeMap<(String, String, TaskType), Moves>,
    requests: BinaryHeap<Ranked>,
}

/// One side of the comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// Requests by tier.
    pub tiers: BTreeMap<String, u64>,
    /// Cost of the requests that are priced on both sides.
    pub paid: Usd,
    /// What the same requests would cost on the side's baseline tier.
    pub baseline: Usd,
    risk: f64,
    waste: f64,
    answers: u64,
}

impl Side {
    /// Expected share of answers that will not do although the baseline's would: the price of routing too low.
    #[must_use]
    pub fn risk(&self) -> f64 {
        self.risk / self.answers.max(1) as f64
    }

    /// Expected share of answers that the cheapest tier would have given as well, but a dearer one gave: what routing too
    /// high costs.
    #[must_use]
    pub fn waste(&self) -> f64 {
        self.waste / self.answers.max(1) as f64
    }

    /// Share of the baseline's bill that is saved; none without one.
    #[must_use]
    pub fn saved_share(&self) -> Option<f64> {
        (self.baseline > Usd::ZERO).then(|| (self.baseline - self.paid).as_f64() / self.baseline.as_f64())
    }

    fn count(&mut self, tier: &str, at: TierId, prediction: &Prediction, baseline: TierId) {
        *self.tiers.entry(tier.to_owned()).or_default() += 1;
        self.answers += 1;
        self.risk += shortfall(prediction, at, baseline);
        if at > TierId(0) {
            self.waste += f64::from(prediction.p_ok[0]);
        }
    }
}

/// How much less likely a tier's answer will do than the baseline's.
fn shortfall(prediction: &Prediction, tier: TierId, baseline: TierId) -> f64 {
    f64::from((chance(prediction, baseline) - chance(prediction, tier)).max(0.0))
}

/// P(the tier's answer will do); 0 for a tier that is none.
fn chance(prediction: &Prediction, tier: TierId) -> f32 {
    prediction.p_ok.get(usize::from(tier.0)).copied().unwrap_or(0.0)
}

/// Requests that would move alike.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moves {
    /// How many.
    pub calls: u64,
    /// What they would cost more; negative is cheaper.
    pub dearer: Usd,
    /// How many more answers will do, as expected; negative is fewer.
    pub better: f64,
}

/// One request that would move.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// The request.
    pub id: RequestId,
    /// Where it went.
    pub from: String,
    /// Where it would go.
    pub to: String,
    /// The model that answered.
    pub from_model: String,
    /// The model that it would go to.
    pub to_model: String,
    /// The kind of work.
    pub task_type: TaskType,
    /// How hard it looks.
    pub complexity: Complexity,
    /// P(the answer will do) of both tiers.
    pub chances: (f32, f32),
    /// What it cost and would cost; none when unknown.
    pub paid: (Option<Usd>, Option<Usd>),
    /// See [`Backtest::new`].
    pub weight: f64,
}

/// In the order of a heap whose top is the least weighty, so that it can be dropped.
#[derive(Clone, Debug)]
struct Ranked(Moved);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.weight.total_cmp(&self.0.weight).then(self.0.id.cmp(&other.0.id))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

impl Backtest {
    /// Nothing yet. Of the requests that would move, the `most_requests` of most weight are kept: the change in the chance
    /// that the answer will do, plus the change in cost in units of `answer_worth`. With the mean cost of a baseline answer
    /// for that, an answer that is lost weighs as much as an answer's price.
    #[must_use]
    pub fn new(answer_worth: Usd, most_requests: usize) -> Self {
        Self {
            answer_worth: answer_worth.as_f64(),
            most_requests,
            read: 0,
            kept: BTreeMap::new(),
            replayed: 0,
            unpriced: 0,
            calibrated: 0,
            before: Side::default(),
            after: Side::default(),
            moves: BTreeMap::new(),
            requests: BinaryHeap::new(),
        }
    }

    /// Counts a request that stays as it was.
    pub fn keep(&mut self, why: Kept) {
        self.read += 1;
        *self.kept.entry(why).or_default() += 1;
    }

    /// Counts a request in. `prediction` and `ladder` are those of the new side; a tier that was left behind by the new
    /// ladder counts as the baseline.
    pub fn add(&mut self, call: &CallRecord, prediction: &Prediction, outcome: &Outcome, ladder: &Ladder) {
        self.read += 1;
        self.replayed += 1;
        self.calibrated += u64::from(prediction.calibrated);
        let baseline = ladder.baseline();
        let from = ladder.find(&call.tier).unwrap_or(baseline);
        let to = &ladder.tier(outcome.tier).name;
        self.before.count(&call.tier, from, prediction, baseline);
        self.after.count(to, outcome.tier, prediction, baseline);
        let was = call.paid_in_all();
        let would = savings::counterfactual(ladder, baseline, &call.usage_as_asked(), call.id.unix_ms());
        match (was, outcome.paid, savings::baseline_of(call), would) {
            (Some(was), Some(paid), Some(baseline_was), Some(baseline)) => {
                self.before.paid += was;
                self.before.baseline += baseline_was;
                self.after.paid += paid;
                self.after.baseline += baseline;
            }
            _ => self.unpriced += 1,
        }
        if outcome.moved {
            self.count_move(call, (from, to), (was, outcome.paid), prediction, outcome, ladder);
        }
    }

    fn count_move(
        &mut self,
        call: &CallRecord,
        (from, to): (TierId, &str),
        paid: (Option<Usd>, Option<Usd>),
        prediction: &Prediction,
        outcome: &Outcome,
        ladder: &Ladder,
    ) {
        let chances = (chance(prediction, from), chance(prediction, outcome.tier));
        let better = f64::from(chances.1 - chances.0);
        let dearer = paid.0.zip(paid.1).map_or(Usd::ZERO, |(was, would)| would - was);
        let moves = self.moves.entry((call.tier.to_string(), to.to_owned(), prediction.task_type)).or_default();
        moves.calls += 1;
        moves.dearer += dearer;
        moves.better += better;
        let worth = if self.answer_worth > 0.0 { dearer.as_f64() / self.answer_worth } else { 0.0 };
        let weight = better.abs() + worth.abs();
        let lightest = self.requests.peek().map_or(f64::NEG_INFINITY, |least| least.0.weight);
        if self.requests.len() >= self.most_requests && weight <= lightest {
            return;
        }
        self.requests.push(Ranked(Moved {
            id: call.id,
            from: call.tier.to_string(),
            to: to.to_owned(),
            from_model: call.served_model.to_string(),
            to_model: ladder.target(outcome.target).model.to_string(),
            task_type: prediction.task_type,
            complexity: prediction.complexity,
            chances,
            paid,
            weight,
        }));
        if self.requests.len() > self.most_requests {
            self.requests.pop();
        }
    }

    /// How many requests would move.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.moves.values().map(|moves| moves.calls).sum()
    }

    /// The requests that would move, the weightiest first.
    #[must_use]
    pub fn weightiest(&self) -> Vec<Moved> {
        let mut ranked: Vec<_> = self.requests.iter().collect();
        ranked.sort();
        ranked.into_iter().map(|ranked| ranked.0.clone()).collect()
    }
}
