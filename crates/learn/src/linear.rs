//! Ridge regression on counters.
//!
//! Source: Hoerl and Kennard, "Ridge regression", 1970. The normal equations are solved exactly (Cholesky). Checked against
//! an independent implementation in `tests/`.

use tierway_decide::{COUNTERS, Counter, Features};

/// A linear model on the counters, as they are in a byte.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// What an all-zero request gets.
    pub bias: f32,
    /// One weight per step of a counter.
    pub weights: Vec<f32>,
}

impl Dense {
    /// What it predicts.
    #[must_use]
    pub fn predict(&self, features: &Features) -> f32 {
        let terms = self.weights.iter().zip(features.counters()).map(|(weight, byte)| weight * f32::from(*byte));
        self.bias + terms.sum::<f32>()
    }
}

/// Ridge regression of `targets` on some standardised counters (all when `only` is empty); `penalty` as a multiple of the
/// number of rows. One model per target; all share the one factorisation.
#[must_use]
pub fn ridge(only: &[Counter], rows: &[&Features], targets: &[Vec<f32>], penalty: f64) -> Vec<Dense> {
    let n = rows.len().max(1) as f64;
    let (mean, mut scale) = moments(rows);
    if !only.is_empty() {
        for counter in Counter::ALL.iter().filter(|counter| !only.contains(counter)) {
            scale[*counter as usize] = 0.0;
        }
    }
    let mut gram = vec![0.0f64; COUNTERS * COUNTERS];
    let mut sides = vec![vec![0.0f64; COUNTERS]; targets.len()];
    let means: Vec<f64> = targets.iter().map(|target| target.iter().map(|y| f64::from(*y)).sum::<f64>() / n).collect();
    let mut x = vec![0.0f64; COUNTERS];
    for (at, row) in rows.iter().enumerate() {
        for (c, x) in x.iter_mut().enumerate() {
            *x = (f64::from(row.counters()[c]) - mean[c]) * scale[c];
        }
        for i in 0..COUNTERS {
            if x[i] == 0.0 {
                continue;
            }
            for j in 0..=i {
                gram[i * COUNTERS + j] += x[i] * x[j];
            }
            for (side, (target, mean)) in sides.iter_mut().zip(targets.iter().zip(&means)) {
                side[i] += x[i] * (f64::from(target[at]) - mean);
            }
        }
    }
    for i in 0..COUNTERS {
        gram[i * COUNTERS + i] += penalty * n;
    }
    cholesky(&mut gram, COUNTERS);
    let unscale = |(side, mean_y): (&mut Vec<f64>, &f64)| {
        solve(&gram, COUNTERS, side);
        let weights: Vec<f64> = side.iter().zip(&scale).map(|(w, s)| w * s).collect();
        let bias = mean_y - weights.iter().zip(&mean).map(|(w, m)| w * m).sum::<f64>();
        Dense { bias: bias as f32, weights: weights.into_iter().map(|w| w as f32).collect() }
    };
    sides.iter_mut().zip(&means).map(unscale).collect()
}

/// Mean and one over the standard deviation of each counter; 0 for a counter that never changes.
fn moments(rows: &[&Features]) -> (Vec<f64>, Vec<f64>) {
    let n = rows.len().max(1) as f64;
    let (mut mean, mut square) = (vec![0.0; COUNTERS], vec![0.0; COUNTERS]);
    for row in rows {
        for (c, byte) in row.counters().iter().enumerate() {
            mean[c] += f64::from(*byte);
            square[c] += f64::from(*byte) * f64::from(*byte);
        }
    }
    let scale = |(mean, square): (&mut f64, &f64)| {
        *mean /= n;
        let variance = square / n - *mean * *mean;
        if variance > 1e-9 { 1.0 / variance.sqrt() } else { 0.0 }
    };
    let scale = mean.iter_mut().zip(&square).map(scale).collect();
    (mean, scale)
}

/// The lower Cholesky factor, in place. Positive definite by the penalty.
pub(crate) fn cholesky(a: &mut [f64], n: usize) {
    for j in 0..n {
        for i in j..n {
            let (upper, lower) = a.split_at(i * n);
            let (row_j, row_i) =
                if i == j { (&lower[..j], &lower[..j]) } else { (&upper[j * n..j * n + j], &lower[..j]) };
            let sum = lower[j] - row_i.iter().zip(row_j).map(|(x, y)| x * y).sum::<f64>();
            a[i * n + j] = if i == j { sum.max(1e-12).sqrt() } else { sum / a[j * n + j] };
        }
    }
}

pub(crate) fn solve(factor: &[f64], n: usize, x: &mut [f64]) {
    for i in 0..n {
        let sum: f64 = (0..i).map(|j| factor[i * n + j] * x[j]).sum();
        x[i] = (x[i] - sum) / factor[i * n + i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|j| factor[j * n + i] * x[j]).sum();
        x[i] = (x[i] - sum) / factor[i * n + i];
    }
}
