//! Whether the interval of savings holds: at each of some looks, and at every look together.

use std::collections::BTreeMap;
use tierway_decide::baseline_ratio::{BaselineRatio, Bill, Pair};
use tierway_decide::{Chance, TaskType, Usd};

/// Shadows at which figures are printed.
const SHOWN: [usize; 5] = [30, 60, 120, 500, 2_000];
const CONFIDENCE: f64 = 0.95;

/// A kind of work: same-token bill in dollars, how much the baseline's own answers cost beside that on average, share of the
/// requests, chance to be sampled.
struct Kind(TaskType, f64, f64, f64, f64);

/// Traffic whose truth is known.
struct Traffic {
    name: &'static str,
    kinds: &'static [Kind],
    /// A request's cost by same tokens, and the baseline's own answer over what its kind expects, 1 on average.
    draw: fn(&mut Chance) -> (f64, f64),
}

const TRAFFIC: [Traffic; 2] = [
    Traffic {
        name: "three kinds; few requests large, lengths half constant and half exponential",
        kinds: &[
            Kind(TaskType::Qa, 60.0, 1.3, 1.0 / 3.0, 1.0),
            Kind(TaskType::Coding, 30.0, 0.8, 1.0 / 3.0, 0.5),
            Kind(TaskType::Writing, 10.0, 2.0, 1.0 / 3.0, 0.25),
        ],
        draw: |chance| (0.001 + 0.01 * chance.share() * chance.share(), 0.5 - 0.5 * chance.share().ln()),
    },
    Traffic {
        name: "eight kinds, some rare; costs and lengths with long tails (log-normal, sigma 1 and 0.7)",
        kinds: &[
            Kind(TaskType::Qa, 25.0, 1.3, 0.30, 0.05),
            Kind(TaskType::Coding, 30.0, 0.8, 0.20, 0.05),
            Kind(TaskType::Writing, 15.0, 2.0, 0.15, 0.1),
            Kind(TaskType::Summarization, 8.0, 1.1, 0.12, 0.05),
            Kind(TaskType::Extraction, 6.0, 1.0, 0.08, 0.1),
            Kind(TaskType::Analysis, 8.0, 1.6, 0.06, 0.2),
            Kind(TaskType::Classification, 2.0, 0.9, 0.05, 0.1),
            Kind(TaskType::Other, 6.0, 0.7, 0.04, 0.4),
        ],
        draw: |chance| ((normal(chance) - 0.5).exp() * 0.004, (0.7 * normal(chance) - 0.245).exp()),
    },
];

/// A normal deviate (Box and Muller, 1958).
fn normal(chance: &mut Chance) -> f64 {
    (-2.0 * chance.share().ln()).sqrt() * (std::f64::consts::TAU * chance.share()).cos()
}

impl Traffic {
    /// The next request that is sampled.
    fn next(&self, chance: &mut Chance) -> Pair {
        loop {
            let mut left = chance.share();
            let kind = self.kinds.iter().find(|kind| {
                left -= kind.3;
                left <= 0.0
            });
            let Kind(task_type, _, longer, _, sampled) = kind.unwrap_or(&self.kinds[0]);
            if chance.share() > *sampled {
                continue;
            }
            let (same_tokens, length) = (self.draw)(chance);
            let [same_tokens, found] = [same_tokens, same_tokens * longer * length].map(Usd::from_f64);
            return Pair { task_type: *task_type, same_tokens, found, weight: 1.0 / sampled };
        }
    }
}

/// What one run showed.
#[derive(Clone, Default)]
struct Run {
    /// Right at every look, and the usual interval.
    always: [bool; 2],
    /// At each of [`SHOWN`]: right and width, own and usual.
    shown: [[(bool, f64); 2]; SHOWN.len()],
}

fn run(traffic: &Traffic, truth: f64, seed: u64) -> Run {
    let mut chance = Chance::new(seed);
    let bill: Vec<_> = traffic.kinds.iter().map(|kind| (kind.0, Usd::from_f64(kind.1))).collect();
    let mut pairs = Vec::new();
    let mut run = Run { always: [true; 2], ..Run::default() };
    while pairs.len() < SHOWN[SHOWN.len() - 1] {
        pairs.push(traffic.next(&mut chance));
        // After every shadow at first; later an interval hardly moves from one to the next.
        let looked = pairs.len() >= SHOWN[0] && (pairs.len() <= 200 || pairs.len() % 20 == 0);
        if !looked {
            continue;
        }
        let own = BaselineRatio::of(&pairs).map(|ratio| ratio.bill(&bill, Usd::ZERO, CONFIDENCE));
        let both = [own, Some(usual(&pairs, &bill))].map(|found| {
            found.map_or((true, f64::INFINITY), |bill| ((bill.low..=bill.high).contains(&truth), bill.high - bill.low))
        });
        for (always, (right, _)) in run.always.iter_mut().zip(both) {
            *always &= right;
        }
        if let Some(at) = SHOWN.iter().position(|shown| *shown == pairs.len()) {
            run.shown[at] = both;
        }
    }
    run
}

/// The interval of one planned look: linearised variance, 1.96 standard errors; a kind without two pairs has the ratio of all.
fn usual(pairs: &[Pair], bill: &[(TaskType, Usd)]) -> Bill {
    let ratio = |pairs: &[&Pair]| {
        let sum = |of: &dyn Fn(&Pair) -> f64| pairs.iter().map(|pair| of(pair)).sum::<f64>();
        let expected = sum(&|pair| pair.weight * pair.same_tokens.as_f64());
        let value = sum(&|pair| pair.weight * pair.found.as_f64()) / expected;
        let squares = sum(&|pair| (pair.weight * (pair.found.as_f64() - value * pair.same_tokens.as_f64())).powi(2));
        (value, squares / expected.powi(2) * pairs.len() as f64 / (pairs.len() - 1) as f64)
    };
    let mut kinds: BTreeMap<TaskType, Vec<&Pair>> = BTreeMap::new();
    pairs.iter().for_each(|pair| kinds.entry(pair.task_type).or_default().push(pair));
    let all: Vec<&Pair> = pairs.iter().collect();
    let (mut value, mut variance) = (0.0, 0.0);
    for (task, amount) in bill {
        let (own, varies) = ratio(kinds.get(task).filter(|pairs| pairs.len() > 1).unwrap_or(&all));
        value += amount.as_f64() * own;
        variance += amount.as_f64().powi(2) * varies;
    }
    let half = 1.959_964 * variance.sqrt();
    Bill { value, low: value - half, high: value + half }
}

pub(crate) fn savings(runs: u64) {
    for traffic in &TRAFFIC {
        let truth: f64 = traffic.kinds.iter().map(|kind| kind.1 * kind.2).sum();
        let same: f64 = traffic.kinds.iter().map(|kind| kind.1).sum();
        println!("\nInterval of the baseline's bill (95 %): {}", traffic.name);
        println!(
            "truth {truth:.1} dollars, same tokens say {same:.0}, {runs} runs, looked at from {} shadows on\n",
            SHOWN[0]
        );
        let all: Vec<Run> = (0..runs).map(|seed| run(traffic, truth, seed)).collect();
        let share = |of: &dyn Fn(&Run) -> bool| 100.0 * all.iter().filter(|run| of(run)).count() as f64 / runs as f64;
        let mean = |of: &dyn Fn(&Run) -> f64| all.iter().map(of).sum::<f64>() / runs as f64;
        println!("shadows     right   mean width     usual: right   mean width");
        for (at, shadows) in SHOWN.iter().enumerate() {
            let [own, usual] =
                [0, 1].map(|who| (share(&|run| run.shown[at][who].0), mean(&|run| run.shown[at][who].1)));
            println!(
                "{shadows:>7}   {:>5.1} %   {:>10.1}          {:>5.1} %   {:>10.1}",
                own.0, own.1, usual.0, usual.1
            );
        }
        println!(
            "at every look {:>4.1} %                       {:>5.1} %",
            share(&|run| run.always[0]),
            share(&|run| run.always[1])
        );
    }
}
