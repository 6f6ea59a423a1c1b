//! Learns the routed models' scores from one part of the outcomes and proves a promise on the other.
//!
//! The decision that is proven is the one that is served: [`decide`] itself, with the threshold under test. Thresholds are
//! tried from the safest on, each by a game against "less than the promised share of the baseline's quality is kept";
//! the first that fails ends the sequence (learn then test). It refuses to promise what the data do not prove.

use crate::heads::{self, Stacked};
use crate::metrics::{Curve, Item};
use crate::split;
use crate::table::{Row, Table};
use tierway_decide::evidence::{EVIDENCE_VERSION, Estimate, Evidence, EvidenceError, EvidenceTier, Promise, unknown};
use tierway_decide::model::{Bank, Head};
use tierway_decide::stats::{Betting, bootstrap};
use tierway_decide::{
    Ask, Caller, Choosing, Counter, Features, GRAM_BUCKETS, Ladder, Pins, Prediction, Predictor, TaskType, decide,
};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Share of the baseline's quality to keep, such as 0.99.
    pub quality: f64,
    /// How sure, such as 0.95.
    pub confidence: f64,
    /// Share of the outcomes that learn; the others prove.
    pub learn: f64,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { quality: 0.99, confidence: 0.95, learn: 0.5, seed: 1 }
    }
}

/// What came out.
#[derive(Debug)]
pub struct Calibrated {
    /// What `serve` and `route` load.
    pub evidence: Evidence,
    /// Whether the refit beats prompt length on held-back rows; when not, length alone is used.
    pub beats_length: bool,
    /// Area above random of the refit and of length on held-back rows, in points of quality.
    pub areas: (f64, f64),
    /// Indices of the rows that proved, and the tier that each would go to.
    pub proof: Vec<(usize, usize)>,
    /// Rows that learned.
    pub learned: Vec<usize>,
}

/// Outcomes that cannot be calibrated on.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// Too few for either part.
    #[error(
        "{rows} outcomes name models of the cheapest and the baseline tier ({left_out} do not); at least {LEAST} are needed"
    )]
    TooFew {
        /// Usable ones.
        rows: usize,
        /// Others.
        left_out: usize,
    },
    /// The evidence does not load; a bug.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

/// Fewer outcomes than this teach and prove nothing.
const LEAST: usize = 60;
/// Thresholds that are tried.
const STEPS: usize = 60;

/// Learns and proves.
///
/// # Errors
/// See [`CalibrateError`].
pub fn calibrate(table: &Table<'_>, ladder: &Ladder, options: &Options) -> Result<Calibrated, CalibrateError> {
    if table.rows.len() < LEAST {
        return Err(CalibrateError::TooFew { rows: table.rows.len(), left_out: table.left_out });
    }
    let side = |row: &Row<'_>| split::share(&row.outcome.id) < options.learn;
    let (learned, mut proof): (Vec<usize>, Vec<usize>) = (0..table.rows.len()).partition(|at| side(&table.rows[*at]));
    // the game is played in an order that has nothing to do with the scores
    proof.sort_by_key(|at| split::hash(&format!("order {}", table.rows[*at].outcome.id)));
    calibrate_on(table, ladder, options, learned, proof)
}

/// As [`calibrate`], with the rows that learn and those that prove, in the order in which they are looked at.
///
/// # Errors
/// See [`CalibrateError`].
pub fn calibrate_on(
    table: &Table<'_>,
    ladder: &Ladder,
    options: &Options,
    learned: Vec<usize>,
    proof: Vec<usize>,
) -> Result<Calibrated, CalibrateError> {
    let train: Vec<&Row<'_>> = learned.iter().map(|at| &table.rows[*at]).collect();
    let refit = refit(table, &train, options.seed);
    let areas = held_back(table, &train, &refit);
    let beats_length = areas.0 >= areas.1;
    let bank = Bank::new(&if beats_length { refit.heads } else { by_length(table, &train) });
    let draft = draft(table, &train, ladder, options, &bank);
    let predictor = with(&draft, ladder)?;
    let predictions: Vec<Prediction> =
        proof.iter().map(|at| predict(&predictor, &table.rows[*at].outcome.features, table)).collect();
    let rows: Vec<&Row<'_>> = proof.iter().map(|at| &table.rows[*at]).collect();
    let proven = prove(table, ladder, &rows, &predictions, options);
    let tiers: Vec<usize> = match proven {
        Some(threshold) => choices(ladder, &rows, &predictions, threshold),
        None => vec![table.baseline; rows.len()],
    };
    let (kept, saved) = estimates(table, &rows, &tiers, options.seed);
    let promise = Promise {
        max_shortfall: proven,
        quality_kept: Some(kept),
        saved: Some(saved),
        test: "fixed sequence of thresholds, betting on the signed difference to the promised share of the baseline's score"
            .to_owned(),
        ..draft.promise.clone()
    };
    let evidence = Evidence { promise, proven_on: rows.len(), ..draft };
    Ok(Calibrated { evidence, beats_length, areas, proof: proof.into_iter().zip(tiers).collect(), learned })
}

/// Heads of the tiers: the baseline's own score, and the gain of each other tier over it.
#[must_use]
pub fn refit(table: &Table<'_>, train: &[&Row<'_>], seed: u64) -> Stacked {
    let features: Vec<&Features> = train.iter().map(|row| &row.outcome.features).collect();
    let targets: Vec<Vec<f32>> = (0..table.tiers).map(|tier| gains(table, train, tier)).collect();
    let names: Vec<String> = (0..table.tiers).map(|tier| format!("tier {tier}")).collect();
    let fold_of: Vec<usize> = train.iter().map(|row| (split::hash(&row.outcome.id) >> 7) as usize % FOLDS).collect();
    heads::stack(&features, &targets, &names, &fold_of, FOLDS, seed)
}

/// Heads that know the length of the ask and nothing else.
fn by_length(table: &Table<'_>, train: &[&Row<'_>]) -> Vec<Head> {
    let features: Vec<&Features> = train.iter().map(|row| &row.outcome.features).collect();
    let targets: Vec<Vec<f32>> = (0..table.tiers).map(|tier| gains(table, train, tier)).collect();
    let fitted = crate::linear::dense_ridge_on(&[Counter::AskSize], &features, &targets, 0.1);
    let head = |(tier, dense): (usize, crate::linear::Dense)| Head {
        name: format!("tier {tier}"),
        bias: dense.bias,
        counters: dense.weights,
        ..Head::default()
    };
    fitted.into_iter().enumerate().map(head).collect()
}

fn gains(table: &Table<'_>, train: &[&Row<'_>], tier: usize) -> Vec<f32> {
    let gain = |row: &&Row<'_>| {
        let base = if tier == table.baseline { 0.0 } else { row.tiers[table.baseline].score };
        (row.tiers[tier].score - base) as f32
    };
    train.iter().map(gain).collect()
}

/// Predictions of the need for the baseline over the cheapest tier, each by heads that did not see the row.
#[must_use]
pub fn out_of_fold(table: &Table<'_>, train: &[&Row<'_>], fold_of: &[usize], folds: usize, seed: u64) -> Vec<f64> {
    let mut need = vec![0.0; train.len()];
    for fold in 0..folds {
        let others: Vec<&Row<'_>> =
            train.iter().zip(fold_of).filter(|(_, own)| **own != fold).map(|(row, _)| *row).collect();
        if others.is_empty() {
            continue;
        }
        let bank = Bank::new(&refit(table, &others, seed).heads);
        for (at, row) in train.iter().enumerate().filter(|(at, _)| fold_of[*at] == fold) {
            need[at] = need_of(&bank, &row.outcome.features, table);
        }
    }
    need
}

/// The gain of the baseline (or of the tier above a baseline that is the cheapest) over the cheapest tier.
fn need_of(bank: &Bank, features: &Features, table: &Table<'_>) -> f64 {
    let said = bank.evaluate(features);
    f64::from(if table.baseline == 0 { said[1] } else { -said[0] })
}

const FOLDS: usize = 5;

/// Area above random on held-back rows, of the refit and of prompt length.
fn held_back(table: &Table<'_>, train: &[&Row<'_>], refit: &Stacked) -> (f64, f64) {
    let gain = |said: &f32| f64::from(*said);
    let need: Vec<f64> = match table.baseline {
        0 => refit.held_back.get(1).into_iter().flatten().map(gain).collect(),
        _ => refit.held_back[0].iter().map(|said| -gain(said)).collect(),
    };
    let length: Vec<f64> = train.iter().map(|row| row.outcome.length as f64).collect();
    (area(table, train, &need), area(table, train, &length))
}

/// Mean over all shares of dear calls of the quality above a random mix: works without a gap between the tiers, too.
fn area(table: &Table<'_>, rows: &[&Row<'_>], need: &[f64]) -> f64 {
    let curve = Curve::of(&items(table, rows, need));
    let (cheap, dear) = curve.ends();
    let above = |at: usize| curve.quality[at] - (cheap + (dear - cheap) * curve.share[at]);
    (1..curve.share.len())
        .map(|at| f64::midpoint(above(at), above(at - 1)) * (curve.share[at] - curve.share[at - 1]))
        .sum()
}

/// Rows as items of a curve from the cheapest tier to the baseline.
#[must_use]
pub fn items(table: &Table<'_>, rows: &[&Row<'_>], need: &[f64]) -> Vec<Item> {
    let dear = if table.baseline == 0 { table.tiers - 1 } else { table.baseline };
    let item = |(row, need): (&&Row<'_>, &f64)| Item {
        need: *need,
        cheap: (row.tiers[0].score, row.tiers[0].cost),
        dear: (row.tiers[dear].score, row.tiers[dear].cost),
    };
    rows.iter().zip(need).map(item).collect()
}

fn draft(table: &Table<'_>, train: &[&Row<'_>], ladder: &Ladder, options: &Options, bank: &Bank) -> Evidence {
    let tier = |tier: &tierway_decide::Tier| EvidenceTier {
        name: tier.name.clone(),
        models: tier.targets.iter().map(|target| target.model.clone()).collect(),
    };
    let (seen, unfamiliar) = familiar(train);
    Evidence {
        version: EVIDENCE_VERSION,
        tiers: ladder.tiers().iter().map(tier).collect(),
        baseline: ladder.tier(ladder.baseline()).name.clone(),
        promise: Promise {
            quality: options.quality,
            confidence: options.confidence,
            max_shortfall: None,
            quality_kept: None,
            saved: None,
            test: String::new(),
        },
        trained_on: train.len(),
        proven_on: 0,
        output_tokens: forecasts(table, train),
        unfamiliar,
        heads: String::new(),
        seen: String::new(),
    }
    .with_heads(bank, &seen)
}

/// N-grams that were seen, and the share of unknown ones that all but few of the learned rows stay under.
fn familiar(train: &[&Row<'_>]) -> (Vec<u8>, f32) {
    let mut times = vec![0u32; GRAM_BUCKETS];
    for row in train {
        row.outcome.features.grams().iter().for_each(|id| times[usize::from(*id)] += 1);
    }
    let bits = |least: u32| -> Vec<u8> {
        let byte = |ids: &[u32]| ids.iter().enumerate().fold(0, |byte, (at, n)| byte | u8::from(*n >= least) << at);
        times.chunks(8).map(byte).collect()
    };
    // an n-gram that only the row itself has is unknown to the others
    let twice = bits(2);
    let mut shares: Vec<f32> = train.iter().map(|row| unknown(&row.outcome.features, &twice)).collect();
    shares.sort_by(f32::total_cmp);
    let limit = shares.get(shares.len().saturating_sub(1 + shares.len() / 200)).copied().unwrap_or(1.0);
    (bits(1), (limit + 0.02).max(0.3))
}

/// Mean output tokens by tier and kind of work, drawn towards the tier's mean where there are few.
fn forecasts(table: &Table<'_>, train: &[&Row<'_>]) -> Vec<Vec<f32>> {
    let prior = Predictor::embedded();
    let task = |row: &&Row<'_>| predict(prior, &row.outcome.features, table).task_type as usize;
    let tasks: Vec<usize> = train.iter().map(task).collect();
    let row_of = |tier: usize| {
        let all = train.iter().map(|row| row.tiers[tier].output).sum::<f64>() / train.len().max(1) as f64;
        let mean = |task: usize| {
            let own = train.iter().zip(&tasks).filter(|(_, own)| **own == task).map(|(row, _)| row.tiers[tier].output);
            let (sum, count) = own.fold((0.0, 0.0), |(sum, count), output| (sum + output, count + 1.0));
            ((sum + 20.0 * all) / (count + 20.0)) as f32
        };
        (0..TaskType::ALL.len()).map(mean).collect()
    };
    (0..table.tiers).map(row_of).collect()
}

fn with(evidence: &Evidence, ladder: &Ladder) -> Result<Predictor, EvidenceError> {
    let names: Vec<&str> = ladder.tiers().iter().map(|tier| tier.name.as_str()).collect();
    Predictor::embedded().with_evidence(evidence.clone(), &names, usize::from(ladder.baseline().0))
}

fn predict(predictor: &Predictor, features: &Features, table: &Table<'_>) -> Prediction {
    predictor.predict(features, table.tiers, table.baseline)
}

/// The tier that each request goes to under a threshold: what is served, without rules, pins and sessions.
#[must_use]
pub fn choices(ladder: &Ladder, rows: &[&Row<'_>], predictions: &[Prediction], threshold: f32) -> Vec<usize> {
    let choosing = Choosing { max_shortfall: threshold, ..Choosing::by_target(ladder) };
    let caller = Caller::default();
    let choice = |(row, prediction): (&&Row<'_>, &Prediction)| {
        let ask = Ask {
            caller: &caller,
            pins: Pins::default(),
            rule: None,
            prediction: *prediction,
            opinion: None,
            needs: row.outcome.needs,
            input_tokens: u32::try_from(row.outcome.body_bytes / 4).unwrap_or(u32::MAX),
            wanted_output: 0,
            session: None,
            day: i32::MAX,
        };
        decide(ladder, &choosing, &ask)
            .map_or(usize::from(ladder.baseline().0), |decision| usize::from(decision.tier.0))
    };
    rows.iter().zip(predictions).map(choice).collect()
}

/// Thresholds from the safest on: evenly spaced over the shortfalls that occur. Their choice sees no score.
fn thresholds(table: &Table<'_>, predictions: &[Prediction]) -> Vec<f32> {
    let mut shortfalls = Vec::new();
    for prediction in predictions {
        let p_ok = &prediction.p_ok[..table.tiers];
        let best = p_ok.iter().copied().fold(0.0, f32::max);
        shortfalls.extend(p_ok.iter().map(|p| best - p).filter(|shortfall| *shortfall > 0.0));
    }
    shortfalls.sort_by(f32::total_cmp);
    let at = |step: usize| shortfalls.get((shortfalls.len() * step / STEPS).min(shortfalls.len().max(1) - 1)).copied();
    let mut thresholds: Vec<f32> = std::iter::once(0.0).chain((0..=STEPS).filter_map(at)).collect();
    thresholds.dedup();
    thresholds
}

/// The cheapest threshold that keeps the promise, proven; none when not even the safest does.
fn prove(
    table: &Table<'_>,
    ladder: &Ladder,
    rows: &[&Row<'_>],
    predictions: &[Prediction],
    options: &Options,
) -> Option<f32> {
    let mut best: Option<(f64, f32)> = None;
    for threshold in thresholds(table, predictions) {
        let tiers = choices(ladder, rows, predictions, threshold);
        if !keeps(table, rows, &tiers, options.quality, options.confidence) {
            break;
        }
        let cost: f64 = rows.iter().zip(&tiers).map(|(row, tier)| row.tiers[*tier].cost).sum();
        if best.is_none_or(|(least, _)| cost <= least) {
            best = Some((cost, threshold));
        }
    }
    best.map(|(_, threshold)| threshold)
}

/// Whether these choices keep the promised share of the baseline's quality, at this confidence.
#[must_use]
pub fn keeps(table: &Table<'_>, rows: &[&Row<'_>], tiers: &[usize], quality: f64, confidence: f64) -> bool {
    if tiers.iter().all(|tier| *tier == table.baseline) {
        return true;
    }
    let mut game = Betting::new(quality.max(0.01));
    for (row, tier) in rows.iter().zip(tiers) {
        game.take(row.tiers[*tier].score - quality * row.tiers[table.baseline].score);
    }
    game.proves(confidence)
}

/// Rounds of the bootstrap.
const ROUNDS: usize = 1000;

/// Quality kept and share saved with 95 % intervals.
#[must_use]
pub fn estimates(table: &Table<'_>, rows: &[&Row<'_>], tiers: &[usize], seed: u64) -> (Estimate, Estimate) {
    let base = table.baseline;
    let ratio = |of: fn(&crate::table::Graded) -> f64, drawn: &[usize]| {
        let chosen: f64 = drawn.iter().map(|at| of(&rows[*at].tiers[tiers[*at]])).sum();
        let whole: f64 = drawn.iter().map(|at| of(&rows[*at].tiers[base])).sum();
        (whole > 0.0).then(|| chosen / whole)
    };
    let all: Vec<usize> = (0..rows.len()).collect();
    let estimate = |of: fn(&crate::table::Graded) -> f64, turn: fn(f64) -> f64| {
        let value = turn(ratio(of, &all).unwrap_or(1.0));
        let interval = bootstrap(rows.len(), ROUNDS, 0.95, seed, |drawn| ratio(of, drawn).map(turn));
        let (low, high) = interval.unwrap_or((value, value));
        Estimate { value, low, high }
    };
    (estimate(|grade| grade.score, |share| share), estimate(|grade| grade.cost, |share| 1.0 - share))
}
