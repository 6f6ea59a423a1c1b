//! Measures an order of requests on judged outcomes: the tables of `tierway eval`.
//!
//! Definitions and sources: `docs/routing-quality.md`. The figures equal those of the reference script to 0.002.

use crate::calibrate::items;
use crate::metrics::{Curve, Item};
use crate::order::{dear, out_of_fold};
use crate::split;
use crate::table::{Row, Table};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use tierway_decide::Predictor;
use tierway_decide::stats::bootstrap;

/// Who orders the requests.
#[derive(Debug)]
pub enum By<'a> {
    /// A predictor as it is.
    Predictor(&'a Predictor),
    /// Heads that learned from the other folds.
    Folds(usize),
    /// Heads that learned from all other sources.
    Source,
}

/// A figure with its 95 % interval.
pub type Figure = Option<(f64, f64, f64)>;

/// Figures of one source, or of all.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The source, or `all`.
    pub name: String,
    /// Requests.
    pub requests: usize,
    /// Mean score of the cheapest tier and of the baseline.
    pub quality: (f64, f64),
    /// Mean dollars per thousand requests of both, where known.
    pub dollars_per_thousand: Option<(f64, f64)>,
    /// Area under the recovered gap; random 0.5.
    pub apgr: Figure,
    /// The same when ordered by prompt length.
    pub apgr_length: Figure,
    /// Per cent of dear calls for half and for four fifths of the gap.
    pub cpt50: Figure,
    /// See `cpt50`.
    pub cpt80: Figure,
    /// Mean quality over the range of costs, and that of a mere mix of both tiers.
    pub aiq: Option<(f64, f64)>,
    /// Largest saving that keeps 99 % and 100 % of the baseline's quality; the threshold is picked here: optimistic.
    pub saving_at: (Option<f64>, Option<f64>),
    /// The gap between the tiers is within its noise.
    pub gap_in_noise: bool,
}

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Who ordered, in words.
    pub by: String,
    /// Outcomes without an answer of both tiers.
    pub left_out: usize,
    /// Token counts that were filled in.
    pub filled: usize,
    /// All requests first, then each source.
    pub measured: Vec<Measured>,
    /// What is not known of costs, in words; where there is something, no figure of costs is given.
    pub unknown_costs: Vec<String>,
    /// Cost (dollars per thousand) and quality along the curve of all requests.
    pub curve: Vec<(f64, f64)>,
    /// The same by prompt length.
    pub curve_length: Vec<(f64, f64)>,
}

/// Measures. `rounds` of the bootstrap for each interval.
#[must_use]
pub fn evaluate(table: &Table<'_>, by: &By<'_>, rounds: usize) -> Report {
    let rows: Vec<&Row<'_>> = table.rows.iter().collect();
    let need = needs(table, &rows, by);
    let length: Vec<f64> = rows.iter().map(|row| row.outcome.length as f64).collect();
    let (items_own, items_length) = (items(table, &rows, &need), items(table, &rows, &length));
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        groups.entry(row.outcome.source.as_str()).or_default().push(at);
    }
    let all: Vec<usize> = (0..rows.len()).collect();
    let measure = |name: &str, at: &[usize]| measure(name, at, &items_own, &items_length, rounds);
    let mut measured = vec![measure("all", &all)];
    if groups.len() > 1 {
        measured.extend(groups.iter().map(|(name, at)| measure(name, at)));
    }
    let known = table.costs_known(&[0, dear(table)]);
    if !known {
        for own in &mut measured {
            (own.dollars_per_thousand, own.aiq, own.saving_at) = (None, None, (None, None));
        }
    }
    let points = |items: &[Item]| -> Vec<(f64, f64)> {
        if !known {
            return Vec::new();
        }
        let curve = Curve::of(items);
        curve.cost.iter().map(|cost| 1000.0 * cost).zip(curve.quality.iter().copied()).collect()
    };
    Report {
        by: match by {
            By::Predictor(predictor) => match predictor.evidence() {
                Some(evidence) => format!(
                    "evidence that learned from {} outcomes: where those are among these, the figures are too good",
                    evidence.trained_on.max(evidence.ordered_on)
                ),
                None => "the built-in prior, not calibrated".to_owned(),
            },
            By::Folds(folds) => format!("heads learned from the other folds, of {folds}"),
            By::Source => "heads learned from all other sources".to_owned(),
        },
        left_out: table.left_out,
        filled: table.filled,
        unknown_costs: if known { Vec::new() } else { table.unknown_costs_words() },
        measured,
        curve: points(&items_own),
        curve_length: points(&items_length),
    }
}

fn needs(table: &Table<'_>, rows: &[&Row<'_>], by: &By<'_>) -> Vec<f64> {
    match by {
        By::Predictor(predictor) => {
            let score = |row: &&Row<'_>| {
                f64::from(predictor.predict(&row.outcome.features, table.tiers, table.baseline).score_strong)
            };
            rows.iter().map(score).collect()
        }
        By::Folds(folds) => {
            let fold_of: Vec<usize> =
                rows.iter().map(|row| (split::hash(&row.outcome.id) >> 17) as usize % folds).collect();
            out_of_fold(table, rows, &fold_of, *folds, 1)
        }
        By::Source => {
            let mut names: Vec<&str> = rows.iter().map(|row| row.outcome.source.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let of = |row: &&Row<'_>| names.binary_search(&row.outcome.source.as_str()).unwrap_or(0);
            let fold_of: Vec<usize> = rows.iter().map(of).collect();
            out_of_fold(table, rows, &fold_of, names.len(), 1)
        }
    }
}

fn measure(name: &str, at: &[usize], own: &[Item], length: &[Item], rounds: usize) -> Measured {
    let pick = |items: &[Item], drawn: &[usize]| -> Vec<Item> { drawn.iter().map(|i| items[at[*i]]).collect() };
    let all: Vec<usize> = (0..at.len()).collect();
    let figure = |items: &[Item], of: &dyn Fn(&Curve) -> Option<f64>| -> Figure {
        let value = of(&Curve::of(&pick(items, &all)))?;
        let (low, high) = bootstrap(at.len(), rounds, 0.95, 1, |drawn| of(&Curve::of(&pick(items, drawn))))?;
        Some((value, low, high))
    };
    let curve = Curve::of(&pick(own, &all));
    let ends = |values: &[f64]| (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(0.0));
    let (cheap, dear) = ends(&curve.cost);
    let gap = |drawn: &[usize]| {
        let sum: f64 = drawn.iter().map(|i| own[at[*i]].dear.0 - own[at[*i]].cheap.0).sum();
        Some(sum / drawn.len().max(1) as f64)
    };
    let gap_interval = bootstrap(at.len(), rounds, 0.95, 1, gap);
    Measured {
        name: name.to_owned(),
        requests: at.len(),
        quality: ends(&curve.quality),
        dollars_per_thousand: Some((1000.0 * cheap, 1000.0 * dear)),
        apgr: figure(own, &Curve::apgr),
        apgr_length: figure(length, &Curve::apgr),
        cpt50: figure(own, &|curve| curve.cpt(0.5)),
        cpt80: figure(own, &|curve| curve.cpt(0.8)),
        aiq: curve.aiq(),
        saving_at: (curve.saving_at(0.99), curve.saving_at(1.0)),
        gap_in_noise: gap_interval.is_some_and(|(low, _)| low <= 0.0),
    }
}

/// The report as text.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = format!("ordered by {}\n", report.by);
    if report.left_out > 0 {
        let _ = writeln!(
            out,
            "{} outcomes name no model of the cheapest or the baseline tier and were left out",
            report.left_out
        );
    }
    let _ = writeln!(
        out,
        "\n{:<22} {:>6} {:>13} {:>22} {:>8} {:>7} {:>7} {:>15} {:>13}",
        "source", "n", "quality %", "APGR [95 %]", "length", "CPT50", "CPT80", "AIQ (mix)", "saved at 99 %"
    );
    for own in &report.measured {
        let triple =
            |figure: Figure| figure.map_or("n/a".into(), |(v, low, high)| format!("{v:.3} [{low:.2}, {high:.2}]"));
        let single = |figure: Figure, digits: usize| figure.map_or("n/a".into(), |(v, ..)| format!("{v:.digits$}"));
        let aiq = own.aiq.map_or("n/a".into(), |(a, mix)| format!("{a:.4} ({mix:.4})"));
        let saved = own.saving_at.0.map_or("n/a".into(), |saved| format!("{:.1} %", 100.0 * saved));
        let _ = writeln!(
            out,
            "{:<22} {:>6} {:>5.1} → {:>5.1} {:>22} {:>8} {:>7} {:>7} {:>15} {:>13}",
            own.name,
            own.requests,
            100.0 * own.quality.0,
            100.0 * own.quality.1,
            triple(own.apgr),
            single(own.apgr_length, 3),
            single(own.cpt50, 1),
            single(own.cpt80, 1),
            aiq,
            saved,
        );
    }
    for own in report.measured.iter().filter(|own| own.gap_in_noise) {
        let _ = writeln!(
            out,
            "{}: the gap between the tiers is within its noise; the cheapest tier is as good here",
            own.name
        );
    }
    for words in &report.unknown_costs {
        let _ = writeln!(out, "{words}");
    }
    out.push_str("saved at 99 %: the threshold was picked on these very outcomes; `calibrate` proves one on others\n");
    out
}
