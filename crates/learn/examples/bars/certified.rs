//! What share of the requests can be sent to the cheap tier with a proof, by rule and by number of labels.
//!
//! The loss of a request is 1 when it went to the cheap tier and the dear one would have scored better; the betting rules
//! bound the net difference, in which the cheap tier may also win. Budget and confidence are 5 % and 95 %.

use crate::data::{self, Sources, ULAB};
use tierway_decide::model::Bank;
use tierway_decide::stats::{accepted, binomial_tail, hoeffding_bentkus};
use tierway_learn::calibrate::{out_of_fold, refit};
use tierway_learn::table::{Row, Table};
use tierway_learn::{game, split};

const SPLITS: u64 = 50;
const TEACH: usize = 1000;
const LABELS: [usize; 3] = [200, 500, 1000];
const BUDGET: f64 = 0.05;
const CONFIDENCE: f64 = 0.95;
/// Shares of the requests that go to the cheap tier, from the safest on.
const STEPS: usize = 50;
const RULES: [&str; 4] = ["binomial", "Hoeffding-Bentkus", "betting, fixed bets", "betting, bet learned"];

pub(crate) fn run(all: &Sources) {
    println!("\nshare proven cheap at 5 % and 95 %, ten tasks, mean of {SPLITS} splits; {TEACH} rows teach (broken)");
    let outcomes = data::of(all, &["ulab-"]);
    let ladder = data::ladder(ULAB, "standard");
    let table = Table::new(&outcomes, &ladder, &[]);
    let mut sums = [[(0.0, 0u32); LABELS.len()]; RULES.len()];
    for seed in 0..SPLITS {
        let order = split::shuffled(table.rows.len(), seed + 9000);
        let (teach, rest) = order.split_at(TEACH);
        let train: Vec<&Row<'_>> = teach.iter().map(|at| &table.rows[*at]).collect();
        let bank = Bank::new(&refit(&table, &train, seed).heads);
        let need = |at: &usize| -f64::from(bank.evaluate(&table.rows[*at].outcome.features)[0]);
        let fold_of: Vec<usize> = (0..train.len()).map(|at| at % 3).collect();
        let rehearsed = out_of_fold(&table, &train, &fold_of, 3, seed);
        let all_needs: Vec<f64> = rest.iter().map(need).collect();
        let mut sorted = all_needs.clone();
        sorted.sort_by(f64::total_cmp);
        let limits: Vec<f64> = (1..=STEPS).map(|step| sorted[(sorted.len() * step / STEPS) - 1]).collect();
        for (column, labels) in LABELS.into_iter().enumerate() {
            let (proof, truth): (Vec<usize>, Vec<usize>) = (0..rest.len()).partition(|at| *at < labels);
            for (line, sum) in sums.iter_mut().enumerate() {
                let test = |limit: &f64| {
                    let gains = |own: &[usize]| -> Vec<f64> {
                        own.iter()
                            .filter(|at| all_needs[**at] <= *limit)
                            .map(|at| gain(&table.rows[rest[*at]]))
                            .collect()
                    };
                    let shown = gains(&proof);
                    let losses = shown.iter().filter(|gain| **gain > 1e-9).count();
                    match line {
                        0 => binomial_tail(losses as u64, labels as u64, BUDGET),
                        1 => hoeffding_bentkus(losses as f64, labels as u64, BUDGET),
                        _ => {
                            let net = |cheap: bool, gain: f64| BUDGET - if cheap { gain } else { 0.0 };
                            let margins: Vec<f64> = proof
                                .iter()
                                .map(|at| net(all_needs[*at] <= *limit, gain(&table.rows[rest[*at]])))
                                .collect();
                            let taught = train.iter().zip(&rehearsed).map(|(row, need)| net(need <= limit, gain(row)));
                            let worst = 1.0 - BUDGET;
                            let bet = (line == 3).then(|| game::best_bet(&taught.collect::<Vec<_>>(), worst)).flatten();
                            f64::from(u8::from(!game::proves(&margins, worst, bet, CONFIDENCE)))
                        }
                    }
                };
                let steps = accepted(limits.iter().map(test), CONFIDENCE);
                let Some(limit) = steps.checked_sub(1).map(|step| limits[step]) else { continue };
                let sent: Vec<f64> =
                    truth.iter().filter(|at| all_needs[**at] <= limit).map(|at| gain(&table.rows[rest[*at]])).collect();
                let lost: f64 = match line {
                    0 | 1 => sent.iter().filter(|gain| **gain > 1e-9).count() as f64,
                    _ => sent.iter().sum(),
                };
                sum[column].0 += sent.len() as f64 / (truth.len() as f64 * SPLITS as f64);
                sum[column].1 += u32::from(lost / truth.len() as f64 > BUDGET);
            }
        }
    }
    println!("{:<24} {:>18} {:>18} {:>18}", "rule", "200 labels", "500", "1000");
    for (rule, line) in RULES.iter().zip(sums) {
        let cell =
            |(share, broken): (f64, u32)| format!("{share:.2} ({:.0} %)", 100.0 * f64::from(broken) / SPLITS as f64);
        println!("{rule:<24} {:>18} {:>18} {:>18}", cell(line[0]), cell(line[1]), cell(line[2]));
    }
}

/// What the dear tier scores above the cheap one.
fn gain(row: &Row<'_>) -> f64 {
    row.tiers[1].score - row.tiers[0].score
}
