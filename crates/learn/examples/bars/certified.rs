//! What share of the requests can be sent to the cheap tier with a proof, by rule and by number of labels.
//!
//! The loss of a request is 1 when it went to the cheap tier and the dear one would have scored better; the betting rules
//! bound the net difference, in which the cheap tier may also win. Budget and confidence are 5 % and 95 %. Labels are drawn
//! with replacement from the rows that did not teach, and these are the truth, so that it is known exactly.

use crate::data::{self, Sources, ULAB};
use crate::promise::share;
use tierway_decide::Chance;
use tierway_decide::model::Bank;
use tierway_decide::stats::{accepted, binomial_tail, hoeffding_bentkus};
use tierway_learn::calibrate::refit;
use tierway_learn::heads::Stacked;
use tierway_learn::table::{Row, Table};
use tierway_learn::{game, split};

const TEACH: usize = 1000;
const LABELS: [usize; 3] = [200, 500, 1000];
const BUDGET: f64 = 0.05;
const CONFIDENCE: f64 = 0.95;
/// Shares of the requests that go to the cheap tier, from the safest on.
const STEPS: usize = 50;

/// The rules that are compared.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    Binomial,
    HoeffdingBentkus,
    FixedBets,
    LearnedBet,
}

const RULES: [(Rule, &str); 4] = [
    (Rule::Binomial, "binomial"),
    (Rule::HoeffdingBentkus, "Hoeffding-Bentkus"),
    (Rule::FixedBets, "betting, fixed bets"),
    (Rule::LearnedBet, "betting, bet learned"),
];

/// One request: how much it seems to need the dear tier, and what that tier scores above the cheap one.
#[derive(Clone, Copy)]
struct Case {
    need: f64,
    gain: f64,
}

impl Case {
    /// What it adds to the loss of a rule that sends needs up to `limit` to the cheap tier.
    fn loss(&self, rule: Rule, limit: f64) -> f64 {
        match rule {
            _ if self.need > limit => 0.0,
            Rule::Binomial | Rule::HoeffdingBentkus => f64::from(u8::from(self.gain > 1e-9)),
            Rule::FixedBets | Rule::LearnedBet => self.gain,
        }
    }
}

pub(crate) fn run(all: &Sources, splits: u64) {
    println!(
        "\nshare proven cheap at 5 % and 95 %, ten tasks, mean of {splits} splits; {TEACH} rows teach; broken [95 %]"
    );
    let outcomes = data::of(all, &["ulab-"]);
    let ladder = data::ladder(ULAB, "standard");
    let table = Table::new(&outcomes, &ladder, &[]);
    let mut sums = [[(0.0, 0u32); LABELS.len()]; RULES.len()];
    for seed in 0..splits {
        let order = split::shuffled(table.rows.len(), seed + 9000);
        let (taught, pool) = cases(&table, &order, seed);
        let mut needs: Vec<f64> = taught.iter().map(|case| case.need).collect();
        needs.sort_by(f64::total_cmp);
        let limits: Vec<f64> = (1..=STEPS).map(|step| needs[(needs.len() * step / STEPS) - 1]).collect();
        let mut chance = Chance::new(seed + 31_000);
        for (column, labels) in LABELS.into_iter().enumerate() {
            let proof: Vec<Case> = (0..labels).map(|_| pool[chance.up_to(pool.len() as u64 - 1) as usize]).collect();
            for ((rule, _), sum) in RULES.iter().zip(sums.iter_mut()) {
                let steps = accepted(limits.iter().map(|limit| p_value(*rule, *limit, &proof, &taught)), CONFIDENCE);
                let Some(limit) = steps.checked_sub(1).map(|step| limits[step]) else { continue };
                let sent = pool.iter().filter(|case| case.need <= limit).count() as f64;
                let lost: f64 = pool.iter().map(|case| case.loss(*rule, limit)).sum();
                sum[column].0 += sent / (pool.len() as f64 * splits as f64);
                sum[column].1 += u32::from(lost / pool.len() as f64 > BUDGET + 1e-9);
            }
        }
    }
    println!("{:<22} {:>26} {:>26} {:>26}", "rule", "200 labels", "500", "1000");
    for ((_, name), line) in RULES.iter().zip(sums) {
        let [a, b, c] = line.map(|(cheap, broken)| format!("{cheap:.2}, {}", share(broken, splits)));
        println!("{name:<22} {a:>26} {b:>26} {c:>26}");
    }
}

/// Rows that taught, with needs by heads that had not seen them; and all others.
fn cases(table: &Table<'_>, order: &[usize], seed: u64) -> (Vec<Case>, Vec<Case>) {
    let (teach, rest) = order.split_at(TEACH);
    let train: Vec<&Row<'_>> = teach.iter().map(|at| &table.rows[*at]).collect();
    let Stacked { heads, held_back } = refit(table, &train, seed);
    let bank = Bank::new(&heads);
    let gain = |row: &Row<'_>| row.tiers[1].score - row.tiers[0].score;
    let taught = train.iter().zip(&held_back[0]).map(|(row, said)| Case { need: -f64::from(*said), gain: gain(row) });
    let new = |at: &usize| {
        let row = &table.rows[*at];
        Case { need: -f64::from(bank.evaluate(&row.outcome.features)[0]), gain: gain(row) }
    };
    (taught.collect(), rest.iter().map(new).collect())
}

fn p_value(rule: Rule, limit: f64, proof: &[Case], taught: &[Case]) -> f64 {
    let lost: f64 = proof.iter().map(|case| case.loss(rule, limit)).sum();
    let margins = |cases: &[Case]| -> Vec<f64> { cases.iter().map(|case| BUDGET - case.loss(rule, limit)).collect() };
    let (n, worst) = (proof.len() as u64, 1.0 - BUDGET);
    let game = |bet| f64::from(u8::from(!game::proves(&[margins(proof)], worst, bet, CONFIDENCE)));
    match rule {
        Rule::Binomial => binomial_tail(lost.round() as u64, n, BUDGET),
        Rule::HoeffdingBentkus => hoeffding_bentkus(lost, n, BUDGET),
        Rule::FixedBets => game(None),
        Rule::LearnedBet => game(game::best_bet(&margins(taught), worst)),
    }
}
