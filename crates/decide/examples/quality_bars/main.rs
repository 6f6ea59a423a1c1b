//! Holds the statistics of quality against traffic whose truth is known, and prints the figures of `docs/quality.md`.
//!
//! `cargo run --release -p tierway-decide --example quality_bars` (three minutes of one core; `-- 100` for a tenth of the runs,
//! `-- 1000 savings` for one part).
#![allow(clippy::print_stdout, reason = "it prints figures")]

mod savings;

use tierway_decide::quality::{Alarm, Cell, CellState, Design, Hold, Kind, MeanSequence, Rules, Stratum};
use tierway_decide::{Chance, RequestId};

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
        [("intervals", intervals as fn(u64)), ("power", power), ("quarters", quarters), ("savings", savings::savings)]
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
