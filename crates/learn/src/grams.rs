//! Ridge regression on n-grams: the mean target plus, for each n-gram that occurs, its weight over the root of their number.
//!
//! Solved for one number per row instead of one per n-gram, by conjugate gradients (Hestenes and Stiefel, 1952). How strong
//! the penalty is, the data say: the one under which they are most probable (the evidence of MacKay, "Bayesian
//! interpolation", 1992), which with a few hundred noisy scores is steadier than trying penalties on held-back rows.

use crate::linear::{cholesky, solve};
use tierway_decide::{Features, GRAM_BUCKETS};

/// A linear model on the n-grams.
#[derive(Clone, Debug, PartialEq)]
pub struct Sparse {
    /// What a request without n-grams gets.
    pub bias: f32,
    /// A weight per id.
    pub weights: Vec<f32>,
}

impl Sparse {
    /// What it predicts.
    #[must_use]
    pub fn predict(&self, features: &Features) -> f32 {
        self.bias + dot(features, &self.weights)
    }
}

fn norm(features: &Features) -> f32 {
    1.0 / (features.grams().len().max(1) as f32).sqrt()
}

fn dot(features: &Features, weights: &[f32]) -> f32 {
    norm(features) * features.grams().iter().map(|id| weights[usize::from(*id)]).sum::<f32>()
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

fn centre(values: &mut [f32]) {
    let mean = mean(values);
    values.iter_mut().for_each(|value| *value -= mean);
}

/// Most rounds of conjugate gradients.
const ROUNDS: usize = 60;
/// They end when the squared residual is this part of what it was.
const ENOUGH: f64 = 1e-7;

/// Ridge regression of one target with a free mean.
#[must_use]
pub fn ridge(rows: &[&Features], target: &[f32], penalty: f32) -> Sparse {
    let back = |duals: &[f32]| {
        let mut weights = vec![0.0f32; GRAM_BUCKETS];
        for (row, dual) in rows.iter().zip(duals) {
            let share = norm(row) * dual;
            row.grams().iter().for_each(|id| weights[usize::from(*id)] += share);
        }
        weights
    };
    let times = |weights: &[f32]| -> Vec<f32> { rows.iter().map(|row| dot(row, weights)).collect() };
    let inner = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let mut residual = target.to_vec();
    centre(&mut residual);
    let mut duals = vec![0.0f32; rows.len()];
    let mut direction = residual.clone();
    let mut size = inner(&residual, &residual);
    let enough = size * ENOUGH;
    for _ in 0..ROUNDS {
        if size <= enough {
            break;
        }
        let mut image = times(&back(&direction));
        centre(&mut image);
        image.iter_mut().zip(&direction).for_each(|(image, along)| *image += penalty * along);
        let step = (size / inner(&direction, &image).max(1e-30)) as f32;
        for at in 0..rows.len() {
            duals[at] += step * direction[at];
            residual[at] -= step * image[at];
        }
        let next = inner(&residual, &residual);
        let keep = (next / size) as f32;
        direction.iter_mut().zip(&residual).for_each(|(along, left)| *along = left + keep * *along);
        size = next;
    }
    let weights = back(&duals);
    Sparse { bias: mean(target) - mean(&times(&weights)), weights }
}

/// Penalties that are weighed against each other; the last is as good as ignoring all words.
const PENALTIES: [f64; 7] = [0.5, 1.0, 2.0, 5.0, 12.0, 40.0, 200.0];
/// Rows that are asked, evenly spread: more cost much and say little more.
const ASKED: usize = 300;

/// For each target the penalty under which it is most probable, when weights and noise are normal.
#[must_use]
pub fn penalties(rows: &[&Features], targets: &[Vec<f32>]) -> Vec<f32> {
    let n = rows.len().min(ASKED);
    let asked: Vec<usize> = (0..n).map(|at| at * rows.len() / n.max(1)).collect();
    let kernel = centred_kernel(&asked.iter().map(|at| rows[*at]).collect::<Vec<_>>());
    let away: Vec<Vec<f64>> = targets
        .iter()
        .map(|target| {
            let own: Vec<f64> = asked.iter().map(|at| f64::from(target[*at])).collect();
            let mean = own.iter().sum::<f64>() / n.max(1) as f64;
            own.into_iter().map(|y| y - mean).collect()
        })
        .collect();
    let free = n.saturating_sub(1) as f64;
    let mut best = vec![(f64::INFINITY, PENALTIES[PENALTIES.len() - 1]); targets.len()];
    for penalty in PENALTIES {
        let mut factor = kernel.clone();
        (0..n).for_each(|at| factor[at * n + at] += penalty);
        cholesky(&mut factor, n);
        // the constant is free and takes no part: its eigenvalue is the penalty alone
        let volume = (0..n).map(|at| 2.0 * factor[at * n + at].ln()).sum::<f64>() - penalty.ln();
        for (best, away) in best.iter_mut().zip(&away) {
            let mut solved = away.clone();
            solve(&factor, n, &mut solved);
            let misfit: f64 = solved.iter().zip(away).map(|(a, y)| a * y).sum();
            let surprise = free * misfit.max(1e-12).ln() + volume;
            if surprise < best.0 {
                *best = (surprise, penalty);
            }
        }
    }
    best.into_iter().map(|(_, penalty)| penalty as f32).collect()
}

/// Shared n-grams of each pair of rows over the root of both numbers, less the means of rows and columns.
fn centred_kernel(rows: &[&Features]) -> Vec<f64> {
    let n = rows.len();
    let mut kernel = vec![0.0f64; n * n];
    let mut has = vec![0u8; GRAM_BUCKETS];
    for (i, row) in rows.iter().enumerate() {
        row.grams().iter().for_each(|id| has[usize::from(*id)] = 1);
        for (j, other) in rows.iter().enumerate().take(i + 1) {
            let shared: u32 = other.grams().iter().map(|id| u32::from(has[usize::from(*id)])).sum();
            let value = f64::from(shared) * f64::from(norm(row)) * f64::from(norm(other));
            (kernel[i * n + j], kernel[j * n + i]) = (value, value);
        }
        row.grams().iter().for_each(|id| has[usize::from(*id)] = 0);
    }
    let means: Vec<f64> = kernel.chunks(n.max(1)).map(|row| row.iter().sum::<f64>() / n.max(1) as f64).collect();
    let whole = means.iter().sum::<f64>() / n.max(1) as f64;
    for i in 0..n {
        for j in 0..n {
            kernel[i * n + j] += whole - means[i] - means[j];
        }
    }
    kernel
}
