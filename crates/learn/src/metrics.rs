//! How well scores route: the curve from all-cheap to all-dear and what is read off it.
//!
//! APGR, CPT: Ong et al., "RouteLLM", 2024. AIQ and the zero router: Hu et al., "RouterBench", 2024. Ties in the score
//! are averaged: the curve is the expected one under random order within a tie.

/// One request for the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    /// Rises with the need for the dear tier.
    pub need: f64,
    /// Quality and cost of the cheap tier.
    pub cheap: (f64, f64),
    /// Quality and cost of the dear tier.
    pub dear: (f64, f64),
}

/// Share of dear calls, mean quality, mean cost: from all cheap to all dear.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// Shares of dear calls.
    pub share: Vec<f64>,
    /// Mean quality at each.
    pub quality: Vec<f64>,
    /// Mean cost at each.
    pub cost: Vec<f64>,
}

impl Curve {
    /// The curve of these requests; empty for none.
    #[must_use]
    pub fn of(items: &[Item]) -> Self {
        let mut sorted: Vec<&Item> = items.iter().collect();
        sorted.sort_by(|a, b| b.need.total_cmp(&a.need));
        let n = items.len() as f64;
        if items.is_empty() {
            return Self::default();
        }
        let mut quality: f64 = items.iter().map(|item| item.cheap.0).sum();
        let mut cost: f64 = items.iter().map(|item| item.cheap.1).sum();
        let mut curve = Self { share: vec![0.0], quality: vec![quality / n], cost: vec![cost / n] };
        let mut done = 0;
        for tie in sorted.chunk_by(|a, b| a.need == b.need) {
            quality += tie.iter().map(|item| item.dear.0 - item.cheap.0).sum::<f64>();
            cost += tie.iter().map(|item| item.dear.1 - item.cheap.1).sum::<f64>();
            done += tie.len();
            curve.share.push(done as f64 / n);
            curve.quality.push(quality / n);
            curve.cost.push(cost / n);
        }
        curve
    }

    /// Quality of all cheap and all dear.
    #[must_use]
    pub fn ends(&self) -> (f64, f64) {
        (self.quality.first().copied().unwrap_or(0.0), self.quality.last().copied().unwrap_or(0.0))
    }

    /// Performance gap recovered at 0, 10, .. 100 % of dear calls; none when the tiers are equally good.
    fn recovered(&self) -> Option<[f64; 11]> {
        let (cheap, dear) = self.ends();
        if (dear - cheap).abs() < 1e-12 {
            return None;
        }
        let at = |tenth: usize| (interpolate(tenth as f64 / 10.0, &self.share, &self.quality) - cheap) / (dear - cheap);
        Some(std::array::from_fn(at))
    }

    /// Area under the recovered gap over the share of dear calls: random 0.5, more is better.
    #[must_use]
    pub fn apgr(&self) -> Option<f64> {
        let recovered = self.recovered()?;
        Some(recovered.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])).sum::<f64>() / 10.0)
    }

    /// Per cent of dear calls that recover this share of the gap; none when it is never reached.
    #[must_use]
    pub fn cpt(&self, target: f64) -> Option<f64> {
        let recovered = self.recovered()?;
        let at = (1..11).find(|at| recovered[*at] >= target)?;
        let (before, after) = (recovered[at - 1], recovered[at]);
        let part = if before >= target { 0.0 } else { (target - before) / (after - before) };
        Some(10.0 * (at as f64 - 1.0 + part))
    }

    /// Mean quality over the cost range of the non-decreasing convex hull, for this curve and for the two ends alone
    /// (the zero router). None when the costs are equal.
    #[must_use]
    pub fn aiq(&self) -> Option<(f64, f64)> {
        let (first, last) = (*self.cost.first()?, *self.cost.last()?);
        let (least, most) = (first.min(last), first.max(last));
        let (cheap, dear) = self.ends();
        let points = self.cost.iter().copied().zip(self.quality.iter().copied()).collect();
        (most > least)
            .then(|| (under_hull(points, least, most), under_hull(vec![(first, cheap), (last, dear)], least, most)))
    }

    /// Largest saving against all dear that keeps this share of its quality, with the threshold picked on these very
    /// requests: optimistic.
    #[must_use]
    pub fn saving_at(&self, kept: f64) -> Option<f64> {
        let (_, dear) = self.ends();
        let all = *self.cost.last()?;
        let good = self.cost.iter().zip(&self.quality).filter(|(_, quality)| **quality >= kept * dear - 1e-12);
        let least = good.map(|(cost, _)| *cost).reduce(f64::min)?;
        (all > 0.0).then(|| 1.0 - least / all)
    }
}

/// Linear interpolation of `y` over rising `x`.
fn interpolate(at: f64, x: &[f64], y: &[f64]) -> f64 {
    let high = x.partition_point(|x| *x <= at).clamp(1, x.len().max(2) - 1);
    let (Some(x1), Some(y1)) = (x.get(high), y.get(high)) else { return y.first().copied().unwrap_or(0.0) };
    let (x0, y0) = (x[high - 1], y[high - 1]);
    if *x1 == x0 { *y1 } else { y0 + (y1 - y0) * (at - x0) / (x1 - x0) }
}

/// Steps of the cost grid, as in the reference script.
const GRID: usize = 400;

fn under_hull(mut points: Vec<(f64, f64)>, least: f64, most: f64) -> f64 {
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points.dedup();
    let mut hull: Vec<(f64, f64)> = Vec::new();
    for point in points {
        while let [.., a, b] = hull[..]
            && (b.1 - a.1) * (point.0 - a.0) <= (point.1 - a.1) * (b.0 - a.0)
        {
            hull.pop();
        }
        hull.push(point);
    }
    let mut rising: Vec<(f64, f64)> = Vec::new();
    for point in hull {
        if rising.last().is_none_or(|last| point.1 >= last.1) {
            rising.push(point);
        }
    }
    let (mut x, mut y): (Vec<f64>, Vec<f64>) = rising.into_iter().unzip();
    if let (Some(last), Some(top)) = (x.last().copied(), y.last().copied())
        && last < most
    {
        x.push(most);
        y.push(top);
    }
    let (low, high) = (x[0], x[x.len() - 1]);
    let at = |step: usize| {
        let cost = least + (most - least) * step as f64 / GRID as f64;
        if x.len() > 1 { interpolate(cost.clamp(low, high), &x, &y) } else { y[0] }
    };
    (0..GRID).map(|step| f64::midpoint(at(step), at(step + 1))).sum::<f64>() / GRID as f64
}
