//! Learns the routed models' scores from one part of the outcomes and proves a promise on the other.
//!
//! The decision that is proven is the one that is served: [`decide`] itself, with the threshold under test. Thresholds are
//! tried from the safest on, each by a game against "less than the promised share of the baseline's quality is kept";
//! the first that fails ends the sequence (learn then test). It refuses to promise what the data do not prove.

use crate::heads::{self, Stacked};
use crate::metrics::{Curve, Item};
use crate::order::{self, dear};
pub use crate::proof::choices;
use crate::proof::{Stage, unseen};
use crate::split;
use crate::table::{Row, Table};
use std::cmp::Ordering;
use tierway_decide::evidence::{
    EVIDENCE_VERSION, Estimate, Evidence, EvidenceError, EvidenceTier, Judge, Promise, unknown,
};
use tierway_decide::model::{Bank, Head};
use tierway_decide::quality::Rates;
use tierway_decide::stats::bootstrap;
use tierway_decide::{Counter, Features, GRAM_BUCKETS, Ladder, Prediction, Predictor, TaskType};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Share of the baseline's quality to keep, such as 0.99.
    pub quality: f64,
    /// How sure, such as 0.95.
    pub confidence: f64,
    /// Share of the outcomes that learn; the others prove. A proof needs rows more than heads do: five times the rows to
    /// learn from give some hundredths of APGR, but the budget that can be proven shrinks in proportion.
    pub learn: f64,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { quality: 0.99, confidence: 0.95, learn: 0.4, seed: 1 }
    }
}

/// What came out.
#[derive(Debug)]
pub struct Calibrated {
    /// What `serve` and `route` load.
    pub evidence: Evidence,
    /// Whether the refit beats prompt length on held-back rows; when not, length alone is used.
    pub beats_length: bool,
    /// Area above random of the refit and of length on held-back rows, summed over tiers, in points of quality.
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
        "{rows} outcomes have scores of the cheapest and of the baseline tier ({left_out} do not, {repeated} have an id, source and size that was there before); at least {LEAST} are needed, {} teach and prove something",
        ENOUGH
    )]
    TooFew {
        /// Usable ones.
        rows: usize,
        /// Others.
        left_out: usize,
        /// Those that were there before.
        repeated: usize,
    },
    /// One of the two parts is too small.
    #[error(
        "{teach} outcomes teach and {prove} prove; either part needs {LEAST_PART}: give more, or set `--learn` nearer to 0.4"
    )]
    TooFewInPart {
        /// Those that teach.
        teach: usize,
        /// Those that prove.
        prove: usize,
    },
    /// Nothing to choose between.
    #[error("the ladder has one tier: there is nothing to choose between; add a cheaper or a dearer one")]
    OneTier,
    /// The evidence does not load; a bug.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

/// Fewer outcomes than this teach and prove nothing.
const LEAST: usize = 60;
/// Nor do fewer than this on either side of the split.
const LEAST_PART: usize = 10;
/// From about here a refit beats length on most tables and a budget of a few per cent can be proven.
const ENOUGH: usize = 1000;
/// The most that learn: beyond it the heads hardly change, and learning takes longer than it is worth. The others prove.
pub(crate) const MOST_LEARN: usize = 8000;

/// Learns and proves.
///
/// # Errors
/// See [`CalibrateError`].
pub fn calibrate(table: &Table<'_>, ladder: &Ladder, options: &Options) -> Result<Calibrated, CalibrateError> {
    if table.tiers < 2 {
        return Err(CalibrateError::OneTier);
    }
    if table.rows.len() < LEAST {
        return Err(CalibrateError::TooFew {
            rows: table.rows.len(),
            left_out: table.left_out,
            repeated: table.repeated,
        });
    }
    let side = |row: &Row<'_>| split::share(&row.outcome.id) < options.learn;
    let (mut learned, mut proof): (Vec<usize>, Vec<usize>) =
        (0..table.rows.len()).partition(|at| side(&table.rows[*at]));
    if learned.len() > MOST_LEARN {
        learned.sort_by_key(|at| split::hash(&table.rows[*at].outcome.id));
        proof.extend(learned.split_off(MOST_LEARN));
    }
    if learned.len().min(proof.len()) < LEAST_PART {
        return Err(CalibrateError::TooFewInPart { teach: learned.len(), prove: proof.len() });
    }
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
    let heads = learn(table, learned, options.seed);
    let all = heads.rows.iter().chain(&proof).copied().collect();
    let done = prove(table, ladder, options, &heads, proof)?;
    let (order, ordered_on) = order::of(table, all, options.seed);
    let bank = Bank::new(&[&heads.heads[..], &[order]].concat());
    Ok(Calibrated { evidence: done.evidence.with_order(&bank, ordered_on), ..done })
}

/// What one part of the outcomes taught.
#[derive(Debug)]
pub struct Learned {
    /// Which rows.
    pub rows: Vec<usize>,
    /// Whether the refit beats prompt length on held-back rows; when not, length alone is used.
    pub beats_length: bool,
    /// Area above random of the refit and of length on held-back rows, summed over tiers, in points of quality.
    pub areas: (f64, f64),
    heads: Vec<Head>,
    held_back: Vec<Vec<f32>>,
}

/// Learns the scores of the ladder's models from these rows.
#[must_use]
pub fn learn(table: &Table<'_>, rows: Vec<usize>, seed: u64) -> Learned {
    let train: Vec<&Row<'_>> = rows.iter().map(|at| &table.rows[*at]).collect();
    let Stacked { heads, held_back } = refit(table, &train, seed);
    let areas = areas(table, &train, &held_back);
    let beats_length = areas.0 > areas.1;
    let heads = if beats_length { heads } else { by_length(table, &train) };
    Learned { rows, beats_length, areas, heads, held_back }
}

/// Proves what it can with what was learned, on rows that did not teach, in the order in which they are looked at.
///
/// # Errors
/// See [`CalibrateError`].
pub fn prove(
    table: &Table<'_>,
    ladder: &Ladder,
    options: &Options,
    learned: &Learned,
    proof: Vec<usize>,
) -> Result<Calibrated, CalibrateError> {
    let train: Vec<&Row<'_>> = learned.rows.iter().map(|at| &table.rows[*at]).collect();
    let draft = draft(table, &train, ladder, options, &Bank::new(&learned.heads));
    let predictor = with(&draft, ladder)?;
    let predicted = |rows: &[&Row<'_>]| -> Vec<Prediction> {
        rows.iter().map(|row| predict(&predictor, &row.outcome.features, table)).collect()
    };
    let mut rehearsal = predicted(&train);
    if learned.beats_length {
        unseen(table, &learned.held_back, &mut rehearsal);
    }
    let rows: Vec<&Row<'_>> = proof.iter().map(|at| &table.rows[*at]).collect();
    let stage = Stage { table, ladder, rows: &rows, predictions: &predicted(&rows) };
    let proven = stage.prove(&Stage { table, ladder, rows: &train, predictions: &rehearsal }, options);
    let tiers: Vec<usize> = match proven {
        Some(threshold) => stage.choices(threshold),
        None => vec![table.baseline; rows.len()],
    };
    let (kept, saved) = estimates(table, &rows, &tiers, options.seed);
    let judge = table
        .judge
        .map(|rates| Judge { rates, quality_kept_as_judged: kept_at(table, &rows, &tiers, options.seed, None) });
    let promise = Promise {
        max_shortfall: proven,
        quality_kept: Some(kept),
        saved,
        test: format!("{TEST}{}", if judge.is_some() { WITHOUT_ERRORS } else { "" }),
        judge,
        ..draft.promise.clone()
    };
    let evidence = Evidence { promise, proven_on: rows.len(), ..draft };
    Ok(Calibrated {
        evidence,
        beats_length: learned.beats_length,
        areas: learned.areas,
        proof: proof.into_iter().zip(tiers).collect(),
        learned: learned.rows.clone(),
    })
}

/// How a promise is tested, in words.
const TEST: &str =
    "fixed sequence of thresholds, betting on the signed difference to the promised share of the baseline's score";
const WITHOUT_ERRORS: &str = ", without the judge's errors at every corner of their intervals";

/// Heads of the tiers: the baseline's own score, and the gain of each other tier over it.
#[must_use]
pub fn refit(table: &Table<'_>, train: &[&Row<'_>], seed: u64) -> Stacked {
    let features: Vec<&Features> = train.iter().map(|row| &row.outcome.features).collect();
    let targets: Vec<Vec<f32>> = (0..table.tiers).map(|tier| gains(table, train, tier)).collect();
    let names: Vec<String> = (0..table.tiers).map(|tier| format!("tier {tier}")).collect();
    let slopes: Vec<f64> = (0..table.tiers).map(|tier| slope(table, tier)).collect();
    heads::stack(&features, &targets, &names, &slopes, &folds(train), FOLDS, seed)
}

/// The fold in which each row is held back, of [`FOLDS`].
pub(crate) fn folds(train: &[&Row<'_>]) -> Vec<usize> {
    train.iter().map(|row| (split::hash(&row.outcome.id) >> 7) as usize % FOLDS).collect()
}

/// What the baseline is expected to gain over a cheaper tier with each standard deviation of the length's logarithm. Most
/// published tables of pairs of models show such a slope (area 0.54 to 0.67 by length alone; one shows the opposite).
pub(crate) const GAIN_BY_LENGTH: f64 = 0.03;

fn slope(table: &Table<'_>, tier: usize) -> f64 {
    match tier.cmp(&table.baseline) {
        Ordering::Less => -GAIN_BY_LENGTH,
        Ordering::Greater if table.baseline == 0 => GAIN_BY_LENGTH,
        _ => 0.0,
    }
}

/// Heads that know the length of the ask and nothing else.
fn by_length(table: &Table<'_>, train: &[&Row<'_>]) -> Vec<Head> {
    let features: Vec<&Features> = train.iter().map(|row| &row.outcome.features).collect();
    let targets: Vec<Vec<f32>> = (0..table.tiers).map(|tier| gains(table, train, tier)).collect();
    let fitted = crate::linear::ridge(&[Counter::AskSize], &features, &targets, 0.1);
    let head = |(tier, dense): (usize, crate::linear::Dense)| Head {
        name: format!("tier {tier}"),
        bias: dense.bias,
        counters: dense.weights,
        ..Head::default()
    };
    fitted.into_iter().enumerate().map(head).collect()
}

/// Rows that learn have to have so many answers of a tier: of a tier that was hardly heard nothing is known, and what is not
/// known is not good enough.
const LEAST_HEARD: usize = 30;

fn gains(table: &Table<'_>, train: &[&Row<'_>], tier: usize) -> Vec<f32> {
    let heard = train.iter().filter(|row| row.own[tier]).count();
    if heard < LEAST_HEARD.min(train.len()) {
        return vec![-1.0; train.len()];
    }
    let gain = |row: &&Row<'_>| {
        let base = if tier == table.baseline { 0.0 } else { row.tiers[table.baseline].score };
        (row.tiers[tier].score - base) as f32
    };
    train.iter().map(gain).collect()
}

pub(crate) const FOLDS: usize = 5;

/// Area above random of what held-back rows were told, and of prompt length: summed over the choices between the baseline
/// and each other tier, because a ladder whose cheapest tier is nearly as good can still gain much at its top.
fn areas(table: &Table<'_>, train: &[&Row<'_>], held_back: &[Vec<f32>]) -> (f64, f64) {
    let length: Vec<f64> = train.iter().map(|row| row.outcome.length as f64).collect();
    let (mut own, mut by_length) = (0.0, 0.0);
    for tier in (0..table.tiers).filter(|tier| *tier != table.baseline) {
        let (ends, sign) = match tier < table.baseline {
            true => ((tier, table.baseline), -1.0),
            false => ((table.baseline, tier), 1.0),
        };
        let need: Vec<f64> = held_back[tier].iter().map(|said| sign * f64::from(*said)).collect();
        own += area(train, ends, &need);
        by_length += area(train, ends, &length);
    }
    (own, by_length)
}

/// Mean over all shares of dear calls of the quality above a random mix: works without a gap between the tiers, too.
fn area(rows: &[&Row<'_>], ends: (usize, usize), need: &[f64]) -> f64 {
    let curve = Curve::of(&between(rows, ends, need));
    let (cheap, dear) = curve.ends();
    let above = |at: usize| curve.quality[at] - (cheap + (dear - cheap) * curve.share[at]);
    (1..curve.share.len())
        .map(|at| f64::midpoint(above(at), above(at - 1)) * (curve.share[at] - curve.share[at - 1]))
        .sum()
}

/// Rows as items of a curve from the cheapest tier to the baseline.
#[must_use]
pub fn items(table: &Table<'_>, rows: &[&Row<'_>], need: &[f64]) -> Vec<Item> {
    between(rows, (0, dear(table)), need)
}

/// Rows as items of a curve between two tiers.
fn between(rows: &[&Row<'_>], (cheap, dear): (usize, usize), need: &[f64]) -> Vec<Item> {
    let grade = |row: &Row<'_>, tier: usize| (row.tiers[tier].score, row.tiers[tier].cost);
    let item = |(row, need): (&&Row<'_>, &f64)| Item { need: *need, cheap: grade(row, cheap), dear: grade(row, dear) };
    rows.iter().zip(need).map(item).collect()
}

fn draft(table: &Table<'_>, train: &[&Row<'_>], ladder: &Ladder, options: &Options, bank: &Bank) -> Evidence {
    let tier = |tier: &tierway_decide::Tier| EvidenceTier {
        name: tier.name.to_string(),
        models: tier.targets.iter().map(|target| target.model.to_string()).collect(),
    };
    let (seen, unfamiliar) = familiar(train);
    Evidence {
        version: EVIDENCE_VERSION,
        tiers: ladder.tiers().iter().map(tier).collect(),
        baseline: ladder.tier(ladder.baseline()).name.to_string(),
        promise: Promise {
            quality: options.quality,
            confidence: options.confidence,
            max_shortfall: None,
            quality_kept: None,
            saved: None,
            test: String::new(),
            judge: None,
        },
        trained_on: train.len(),
        proven_on: 0,
        ordered_on: 0,
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

/// Rounds of the bootstrap.
const ROUNDS: usize = 1000;

/// Quality kept and share saved with 95 % intervals; what was saved is none where a cost is not known. Quality kept is
/// without a judge's errors where their rates are known, and its interval that of all rates that may be.
#[must_use]
pub fn estimates(table: &Table<'_>, rows: &[&Row<'_>], tiers: &[usize], seed: u64) -> (Estimate, Option<Estimate>) {
    let kept = |rates| kept_at(table, rows, tiers, seed, rates);
    let kept = match table.judge {
        None => kept(None),
        Some(judge) => Estimate {
            low: kept(Some(judge.worst())).low,
            high: kept(Some(judge.best())).high,
            ..kept(Some(judge.likeliest()))
        },
    };
    let saved = table.costs_known(tiers).then(|| {
        let paid = ratio(rows, tiers, table.baseline, seed, |row, tier| row.tiers[tier].cost);
        Estimate { value: 1.0 - paid.value, low: 1.0 - paid.high, high: 1.0 - paid.low }
    });
    (kept, saved)
}

/// Quality kept if the judge erred like this; by its own word without rates.
fn kept_at(table: &Table<'_>, rows: &[&Row<'_>], tiers: &[usize], seed: u64, rates: Option<Rates>) -> Estimate {
    ratio(rows, tiers, table.baseline, seed, |row, tier| row.worth(tier, table.baseline, rates))
}

/// Something summed over what was chosen, as a share of what the baseline has of it.
fn ratio(rows: &[&Row<'_>], tiers: &[usize], base: usize, seed: u64, of: impl Fn(&Row<'_>, usize) -> f64) -> Estimate {
    let ratio = |drawn: &[usize]| {
        let chosen: f64 = drawn.iter().map(|at| of(rows[*at], tiers[*at])).sum();
        let whole: f64 = drawn.iter().map(|at| of(rows[*at], base)).sum();
        (whole > 0.0).then(|| chosen / whole)
    };
    let all: Vec<usize> = (0..rows.len()).collect();
    let value = ratio(&all).unwrap_or(1.0);
    let (low, high) = bootstrap(rows.len(), ROUNDS, 0.95, seed, ratio).unwrap_or((value, value));
    Estimate { value, low, high }
}
