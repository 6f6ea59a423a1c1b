//! Multinomial logistic regression on counters and n-grams.
//!
//! Minimises the mean log loss plus a ridge by accelerated gradient steps (Nesterov, 1983) on standardised inputs; the
//! step comes from a bound of the curvature (Bohning, "Multinomial logistic regression algorithm", 1992).

use tierway_decide::model::Head;
use tierway_decide::{COUNTERS, Features, GRAM_BUCKETS};

/// How it is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Softmax {
    /// Ridge on the counters' weights.
    pub counters: f32,
    /// Ridge on the n-grams' weights.
    pub grams: f32,
    /// How much an n-gram counts beside a counter.
    pub gram_size: f32,
    /// Gradient steps.
    pub steps: usize,
}

impl Default for Softmax {
    fn default() -> Self {
        Self { counters: 0.01, grams: 0.002, gram_size: 8.0, steps: 300 }
    }
}

/// One head per class; `class[row]` is the row's class, `weight[row]` how much it counts.
#[must_use]
pub fn fit(rows: &[&Features], class: &[usize], weight: &[f32], names: &[String], how: &Softmax) -> Vec<Head> {
    let inputs = Inputs::of(rows, how.gram_size);
    let width = names.len();
    let total: f32 = weight.iter().sum::<f32>().max(1.0);
    let size = (COUNTERS + GRAM_BUCKETS + 1) * width;
    let ridge = |at: usize| match at / width {
        input if input < COUNTERS => how.counters,
        input if input < COUNTERS + GRAM_BUCKETS => how.grams,
        _ => 0.0,
    };
    let mut w = vec![0.0f32; size];
    let mut ahead = w.clone();
    let mut gradient = vec![0.0f32; size];
    let step = 1.0 / (0.5 * inputs.curvature() + how.counters.max(how.grams));
    let mut said = vec![0.0f32; width];
    for round in 0..how.steps {
        gradient.fill(0.0);
        for (row, class) in class.iter().enumerate() {
            said.fill(0.0);
            inputs.each(row, |input, x| {
                let weights = &ahead[input * width..(input + 1) * width];
                said.iter_mut().zip(weights).for_each(|(said, w)| *said += w * x);
            });
            softmax(&mut said);
            said[*class] -= 1.0;
            said.iter_mut().for_each(|miss| *miss *= weight[row] / total);
            inputs.each(row, |input, x| {
                let slot = &mut gradient[input * width..(input + 1) * width];
                slot.iter_mut().zip(&said).for_each(|(g, miss)| *g += miss * x);
            });
        }
        let push = round as f32 / (round as f32 + 3.0);
        for at in 0..size {
            let next = ahead[at] - step * (gradient[at] + ridge(at) * ahead[at]);
            ahead[at] = next + push * (next - w[at]);
            w[at] = next;
        }
    }
    (0..width).map(|head| inputs.head(&w, width, head, &names[head])).collect()
}

/// Turns scores into probabilities, in place.
pub fn softmax(scores: &mut [f32]) {
    let most = scores.iter().copied().fold(f32::MIN, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - most).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

struct Inputs<'a> {
    rows: &'a [&'a Features],
    mean: Vec<f32>,
    scale: Vec<f32>,
    gram_size: f32,
}

impl<'a> Inputs<'a> {
    fn of(rows: &'a [&'a Features], gram_size: f32) -> Self {
        let n = rows.len().max(1) as f32;
        let (mut mean, mut scale) = (vec![0.0; COUNTERS], vec![0.0; COUNTERS]);
        for at in 0..COUNTERS {
            let values = || rows.iter().map(|row| f32::from(row.counters()[at]));
            mean[at] = values().sum::<f32>() / n;
            let variance = values().map(|x| (x - mean[at]) * (x - mean[at])).sum::<f32>() / n;
            // rare counters are not blown up: a single odd row must not get a huge input
            scale[at] = if variance > 1e-6 { 1.0 / variance.sqrt().max(2.0) } else { 0.0 };
        }
        Self { rows, mean, scale, gram_size }
    }

    fn each(&self, row: usize, mut take: impl FnMut(usize, f32)) {
        let features = self.rows[row];
        for (at, byte) in features.counters().iter().enumerate() {
            take(at, (f32::from(*byte) - self.mean[at]) * self.scale[at]);
        }
        let x = self.gram_size / (features.grams().len().max(1) as f32).sqrt();
        features.grams().iter().for_each(|id| take(COUNTERS + usize::from(*id), x));
        take(COUNTERS + GRAM_BUCKETS, 1.0);
    }

    /// Largest eigenvalue of the inputs' second moments, by power iteration.
    fn curvature(&self) -> f32 {
        let mut v = vec![1.0f32; COUNTERS + GRAM_BUCKETS + 1];
        let mut size = 1.0;
        for _ in 0..12 {
            let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
            v.iter_mut().for_each(|x| *x /= norm);
            let mut next = vec![0.0f32; v.len()];
            for row in 0..self.rows.len() {
                let mut along = 0.0;
                self.each(row, |input, x| along += v[input] * x);
                along /= self.rows.len() as f32;
                self.each(row, |input, x| next[input] += along * x);
            }
            size = next.iter().map(|x| x * x).sum::<f32>().sqrt();
            v = next;
        }
        1.1 * size
    }

    fn head(&self, w: &[f32], width: usize, head: usize, name: &str) -> Head {
        let at = |input: usize| w[input * width + head];
        let counters: Vec<f32> = (0..COUNTERS).map(|c| at(c) * self.scale[c]).collect();
        let bias = at(COUNTERS + GRAM_BUCKETS) - counters.iter().zip(&self.mean).map(|(w, m)| w * m).sum::<f32>();
        let grams = (0..GRAM_BUCKETS).map(|id| at(COUNTERS + id) * self.gram_size).collect();
        Head { name: name.into(), bias, counters, grams, trees: Vec::new() }
    }
}
