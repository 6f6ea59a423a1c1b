//! The tutorial's three tiers: learned and proven on the `train` split, measured on `dev`.

use crate::data::{self, Sources, TUTORIAL};
use crate::splits::mean;
use tierway_decide::Predictor;
use tierway_learn::Outcome;
use tierway_learn::calibrate::{Options, calibrate, choices, estimates, learn, prove};
use tierway_learn::split;
use tierway_learn::table::{Row, Table};

/// Random splits beside the one of the files: its 439 rows alone move by three points of quality.
const SPLITS: u64 = 20;

pub(crate) fn run(all: &Sources) {
    let outcomes = data::of(all, &["ze-", "bfcl1"]);
    splits(&outcomes);
    let (dev, train): (Vec<Outcome>, Vec<Outcome>) = outcomes.into_iter().partition(|own| own.split == "dev");
    let ladder = data::ladder(TUTORIAL, "standard");
    let hidden = [("o1-mini-2024-09-12".to_owned(), 1000.0)];
    let (train, dev) = (Table::new(&train, &ladder, &hidden), Table::new(&dev, &ladder, &hidden));
    println!(
        "\ntutorial: learned and proven on {} outcomes of `train`, measured on {} of `dev`",
        train.rows.len(),
        dev.rows.len()
    );
    let rows: Vec<&Row<'_>> = dev.rows.iter().collect();
    let show = |name: &str, tiers: &[usize]| {
        let (kept, saved) = estimates(&dev, &rows, tiers, 3);
        let saved = saved.expect("prices of all tiers");
        let share = |tier: usize| 100.0 * tiers.iter().filter(|own| **own == tier).count() as f64 / tiers.len() as f64;
        println!(
            "{name:<26} quality kept {:6.2} % [{:.2}, {:.2}]  saved {:5.1} % [{:.1}, {:.1}]  mix {:.0}/{:.0}/{:.0}",
            100.0 * kept.value,
            100.0 * kept.low,
            100.0 * kept.high,
            100.0 * saved.value,
            100.0 * saved.low,
            100.0 * saved.high,
            share(0),
            share(1),
            share(2),
        );
    };
    show("always nano", &vec![0; rows.len()]);
    show("always reasoning", &vec![2; rows.len()]);
    for quality in [0.98, 0.99, 1.0] {
        for learn in [0.4, 0.5, 0.6] {
            let start = std::time::Instant::now();
            let options = Options { quality, learn, ..Options::default() };
            let done = calibrate(&train, &ladder, &options).expect("enough outcomes");
            let took = start.elapsed();
            let names = ["nano", "standard", "reasoning"];
            let predictor =
                Predictor::embedded().with_evidence(done.evidence.clone(), &names, 1).expect("own evidence");
            let predictions: Vec<_> = rows.iter().map(|row| predictor.predict(&row.outcome.features, 3, 1)).collect();
            let abstained = predictions.iter().filter(|own| own.abstain.is_some()).count();
            let threshold = predictor.proven_shortfall().unwrap_or(-1.0);
            let tiers = choices(&ladder, &rows, &predictions, threshold);
            show(&format!("proven {quality} learn {learn}"), &tiers);
            println!(
                "    threshold {threshold:.3}, abstained {abstained}, areas {:.4} (length {:.4}), {took:?}",
                done.areas.0, done.areas.1
            );
        }
    }
}

/// The same on random fifths of the rows, learned and proven on the others.
fn splits(outcomes: &[Outcome]) {
    let ladder = data::ladder(TUTORIAL, "standard");
    let table = Table::new(outcomes, &ladder, &[("o1-mini-2024-09-12".to_owned(), 1000.0)]);
    let (mut kept, mut saved) = (vec![], vec![]);
    for seed in 0..SPLITS {
        let order = split::shuffled(table.rows.len(), seed + 500);
        let (test, rest) = order.split_at(table.rows.len() / 5);
        let (teach, proof) = rest.split_at(rest.len() / 2);
        let learned = learn(&table, teach.to_vec(), seed);
        let done = prove(&table, &ladder, &Options::default(), &learned, proof.to_vec()).expect("own evidence");
        let names = ["nano", "standard", "reasoning"];
        let predictor = Predictor::embedded().with_evidence(done.evidence, &names, 1).expect("own evidence");
        let rows: Vec<&Row<'_>> = test.iter().map(|at| &table.rows[*at]).collect();
        let predictions: Vec<_> = rows.iter().map(|row| predictor.predict(&row.outcome.features, 3, 1)).collect();
        let tiers = choices(&ladder, &rows, &predictions, predictor.proven_shortfall().unwrap_or(-1.0));
        let (quality, spared) = estimates(&table, &rows, &tiers, 3);
        let spared = spared.expect("prices of all tiers");
        kept.push(100.0 * quality.value);
        saved.push(100.0 * spared.value);
    }
    let (kept, saved) = (mean(&kept), mean(&saved));
    println!(
        "\ntutorial, promise 0.99, mean of {SPLITS} random splits (spread): quality kept {:.1} % ({:.1}), saved {:.1} % ({:.1})",
        kept.0, kept.1, saved.0, saved.1
    );
}
