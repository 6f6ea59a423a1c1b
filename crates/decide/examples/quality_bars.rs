//! Holds the statistics of quality against traffic whose truth is known, and prints the figures of `docs/quality.md`.
//!
//! `cargo run --release -p tierway-decide --example quality_bars` (three minutes of one core; `-- 100` for a tenth of the runs,
//! `-- 1000 savings` for one part).
#![allow(clippy::print_stdout, reason = "it prints figures")]

use tierway_decide::baseline_ratio::{BaselineRatio, Pair};
use tierway_decide::quality::{Alarm, Cell, CellState, Design, Hold, Kind, MeanSequence, Rules, Stratum};
use tierway_decide::{Chance, RequestId, TaskType, Usd};

/// Kinds of requests: share of the traffic, how good the cheap answer is, what the sampler sees of it.
const KINDS: [(f64, f64, Stratum); 4] = [
    (0.55, 0.99, Stratum { rare: false, hard: false, unsure: false }),
    (0.25, 0.96, Stratum { rare: false, hard: false, unsure: true }),
    (0.15, 0.90, Stratum { rare: true, hard: true, unsure: false }),
    (0.05, 0.80, Stratum { rare: true, hard: true, unsure: true }),
];
const BASE: f64 = 0.05;
const VERDICTS: usize = 1_000;
const LOOKS: [usize; 4] = [50, 200, 500, VERDICTS];
/// Cells that share the chance of a false alarm: the nine kinds of work in one cheap tier.
const CELLS: usize = 9;
const TARGET: f64 = 0.95;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let runs: u64 = arguments.next().and_then(|runs| runs.parse().ok()).unwrap_or(1_000);
    let only = arguments.next();
    for (name, part) in
        [("intervals", intervals as fn(u64)), ("power", power), ("quarters", quarters), ("savings", savings)]
    {
        if only.as_ref().is_none_or(|only| only == name) {
            part(runs);
        }
    }
}

/// Answered requests as they come.
struct Traffic {
    chance: Chance,
    design: Design,
    requests: i64,
    wrong: f64,
}

impl Traffic {
    fn new(seed: u64, wrong: f64) -> Self {
        Self { chance: Chance::new(seed), design: Design::new(BASE), requests: seed.cast_signed() << 20, wrong }
    }

    /// The next one that is drawn: what the judge says of it, and its weight.
    fn next(&mut self) -> (f64, f64) {
        loop {
            self.requests += 1;
            let id = RequestId::new(RequestId::EPOCH_MS + self.requests, 0, 0);
            let mut left = self.chance.share();
            let kind = KINDS.iter().find(|(share, ..)| {
                left -= share;
                left <= 0.0
            });
            let (_, quality, stratum) = kind.unwrap_or(&KINDS[0]);
            if let Some(drawn) = self.design.draw(id, *stratum) {
                return (verdict(&mut self.chance, *quality, self.wrong), drawn.weight);
            }
        }
    }
}

/// Both looks of a judge who is wrong so often, each by itself.
fn verdict(chance: &mut Chance, quality: f64, wrong: f64) -> f64 {
    let good = chance.share() <= quality;
    let look = |chance: &mut Chance| f64::from(u8::from(good != (chance.share() <= wrong)));
    f64::midpoint(look(chance), look(chance))
}

fn truth() -> f64 {
    KINDS.iter().map(|(share, quality, _)| share * quality).sum()
}

fn rules(judge_error: f64) -> Rules {
    Rules { target: TARGET, confidence: 0.95, judge_error, false_alarms: 0.05, season: 2_000, hold: Hold::Disproved }
}

/// What one run showed.
struct Run {
    covers: bool,
    naive_covers: bool,
    /// Own and naive width at each of [`LOOKS`].
    widths: [(f64, f64); LOOKS.len()],
}

fn run(seed: u64, wrong: f64) -> Run {
    let rules = rules(wrong);
    let mut traffic = Traffic::new(seed, wrong);
    let (mut sequence, mut naive) = (MeanSequence::new(0.95), Naive::default());
    let mut run = Run { covers: true, naive_covers: true, widths: [(0.0, 0.0); LOOKS.len()] };
    for look in 1..=VERDICTS {
        let (value, weight) = traffic.next();
        sequence.take(value, weight);
        naive.take(value, weight);
        let interval = rules.corrected(sequence.interval());
        run.covers &= interval.low <= truth() && truth() <= interval.high;
        let (low, high) = naive.interval();
        let (low, high) = (rules.quality(low), rules.quality(high));
        // Nobody computes it of fewer than thirty.
        run.naive_covers &= look < 30 || (low <= truth() && truth() <= high);
        if let Some(at) = LOOKS.iter().position(|at| *at == look) {
            run.widths[at] = (interval.width(), high - low);
        }
    }
    run
}

/// Whether the interval holds at every look, and how wide it is beside the one that everybody computes.
fn intervals(runs: u64) {
    println!("Intervals at 95 %: {runs} runs of {VERDICTS} verdicts, a look after each; truth {:.4}\n", truth());
    println!(
        "judge wrong   right at every look   naive: right at every look   mean width at {LOOKS:?} verdicts (naive)"
    );
    for wrong in [0.0, 0.1] {
        let all: Vec<Run> = (0..runs).map(|seed| run(seed, wrong)).collect();
        let share = |of: fn(&Run) -> bool| 100.0 * all.iter().filter(|run| of(run)).count() as f64 / runs as f64;
        let mean = |of: &dyn Fn(&Run) -> f64| all.iter().map(of).sum::<f64>() / runs as f64;
        let widths = std::array::from_fn::<_, 4, _>(|at| {
            format!("{:.3} ({:.3})", mean(&|run| run.widths[at].0), mean(&|run| run.widths[at].1))
        });
        let (own, naive) = (share(|run| run.covers), share(|run| run.naive_covers));
        println!("{:>10.0} %   {own:>17.1} %   {naive:>24.1} %   {}", wrong * 100.0, widths.join("  "));
    }
}

/// The interval of the weighted mean by the normal distribution: right for one look that was planned.
#[derive(Default)]
struct Naive {
    weights: f64,
    squares: [f64; 3],
    sum: f64,
}

impl Naive {
    fn take(&mut self, value: f64, weight: f64) {
        self.weights += weight;
        self.sum += weight * value;
        for (sum, term) in self.squares.iter_mut().zip([1.0, value, value * value]) {
            *sum += weight * weight * term;
        }
    }

    fn interval(&self) -> (f64, f64) {
        let mean = self.sum / self.weights;
        let [ones, values, squares] = self.squares;
        let spread = squares - 2.0 * mean * values + mean * mean * ones;
        let half = 1.959_964 * spread.max(0.0).sqrt() / self.weights;
        (mean - half, mean + half)
    }
}

/// How soon the alarm sounds after quality fell, after 500 verdicts two points above the target.
fn power(runs: u64) {
    println!("\nVerdicts from a fall of quality to the alarm, target 95 %, {runs} runs\n");
    println!("judge wrong   alarm of            falls to   median   9 of 10   within 2,000");
    for wrong in [0.0, 0.1] {
        for (name, among) in [("all together", 2), ("one cell of nine", 2 * CELLS)] {
            for to in [0.90, 0.85, 0.75] {
                let rules = rules(wrong).among(among);
                let mut delays: Vec<u64> = (0..runs).filter_map(|seed| delay(rules, to, seed)).collect();
                delays.sort_unstable();
                let at = |part: f64| delays.get((part * runs as f64) as usize).map_or("-".to_owned(), u64::to_string);
                let heard = 100.0 * delays.len() as f64 / runs as f64;
                let (wrong, to) = (wrong * 100.0, to * 100.0);
                println!(
                    "{wrong:>10.0} %   {name:<18}  {to:>6.0} %   {:>6}   {:>7}   {heard:>10.1} %",
                    at(0.5),
                    at(0.9)
                );
            }
        }
    }
}

fn delay(rules: Rules, to: f64, seed: u64) -> Option<u64> {
    let mut chance = Chance::new(seed);
    let mut alarm = Alarm::new(rules.bar(), rules.season, rules.false_alarms);
    for _ in 0..500 {
        let _ = alarm.take(verdict(&mut chance, rules.target + 0.02, rules.judge_error), 1.0);
    }
    (1..=2_000).find(|_| alarm.take(verdict(&mut chance, to, rules.judge_error), 1.0))
}

/// Alarms in quarters in which quality never was below the target: those of cells and that of all together.
fn quarters(runs: u64) {
    println!(
        "\nQuarters (2,000 verdicts, {CELLS} cells) with any alarm though quality never fell below 95 %, {runs} runs\n"
    );
    println!("judge wrong   quality   false alarms");
    for wrong in [0.0, 0.1] {
        for quality in [0.95, 0.97] {
            let alarmed = (0..runs).filter(|seed| quarter(wrong, quality, *seed)).count();
            let share = 100.0 * alarmed as f64 / runs as f64;
            println!("{:>10.0} %   {:>5.0} %   {share:>10.1} %", wrong * 100.0, quality * 100.0);
        }
    }
}

fn quarter(wrong: f64, quality: f64, seed: u64) -> bool {
    let all = rules(wrong);
    let mut cells = vec![Cell::new(all.among(2 * CELLS)); CELLS];
    let mut overall = Alarm::new(all.bar(), all.season, all.false_alarms / 2.0);
    let mut chance = Chance::new(seed);
    (0..2_000).any(|_| {
        let cell = chance.up_to(CELLS as u64 - 1) as usize;
        let score = verdict(&mut chance, quality, wrong);
        let held = cells[cell].take(Kind::Down, score, 1.0).is_some_and(|change| change.to == CellState::Held);
        held | overall.take(score, 1.0)
    })
}

/// Shadows after which the interval of savings is looked at.
const SHADOWS: [usize; 5] = [30, 60, 120, 500, 2_000];
/// Kinds of work: same-token bill in dollars, how much longer the baseline's answers are on average, chance to be sampled.
const WORK: [(TaskType, f64, f64, f64); 3] =
    [(TaskType::Qa, 60.0, 1.3, 1.0), (TaskType::Coding, 30.0, 0.8, 0.5), (TaskType::Writing, 10.0, 2.0, 0.25)];

/// Whether the interval of savings holds: that of a planned look, and at all of [`SHADOWS`] together.
fn savings(runs: u64) {
    let truth: f64 = WORK.iter().map(|(_, dollars, longer, _)| dollars * longer).sum();
    println!("\nInterval of the baseline's bill (95 %), truth {truth} dollars, same tokens say 100, {runs} runs\n");
    println!("shadows   right    mean width, dollars");
    let (mut right, mut width, mut always) = ([0u64; SHADOWS.len()], [0.0; SHADOWS.len()], 0u64);
    for seed in 0..runs {
        let looks = SHADOWS.map(|shadows| bill(seed, shadows));
        for (at, (low, high)) in looks.iter().enumerate() {
            right[at] += u64::from((*low..=*high).contains(&truth));
            width[at] += (high - low) / runs as f64;
        }
        always += u64::from(looks.iter().all(|(low, high)| (*low..=*high).contains(&truth)));
    }
    for ((shadows, right), width) in SHADOWS.iter().zip(right).zip(width) {
        println!("{shadows:>7}   {:>5.1} %   {width:>8.1}", 100.0 * right as f64 / runs as f64);
    }
    println!("right at all five looks: {:.1} %", 100.0 * always as f64 / runs as f64);
}

/// The interval after so many shadows of one run.
fn bill(seed: u64, shadows: usize) -> (f64, f64) {
    let mut chance = Chance::new(seed);
    let mut pairs = Vec::with_capacity(shadows);
    while pairs.len() < shadows {
        let (task_type, _, longer, sampled) = WORK[chance.up_to(WORK.len() as u64 - 1) as usize];
        if chance.share() > sampled {
            continue;
        }
        // Few large, many small; the length of an answer is half constant, half exponential.
        let same_tokens = 0.001 + 0.01 * chance.share() * chance.share();
        let found = same_tokens * longer * (0.5 - 0.5 * chance.share().ln());
        let [same_tokens, found] = [same_tokens, found].map(Usd::from_f64);
        pairs.push(Pair { task_type, same_tokens, found, weight: 1.0 / sampled });
    }
    let elsewhere = WORK.map(|(task_type, dollars, ..)| (task_type, Usd::from_f64(dollars)));
    let bill = BaselineRatio::of(&pairs).and_then(|ratio| ratio.bill(&elsewhere, Usd::ZERO, 1.959_964));
    bill.map_or((f64::NEG_INFINITY, f64::INFINITY), |bill| (bill.low, bill.high))
}
