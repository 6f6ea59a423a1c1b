//! What `tierway calibrate` prints: what was proven, what it would have meant, and what stands beside it.

use crate::calibrate::{Calibrated, estimates, items};
use crate::metrics::Curve;
use crate::misrouted::Misrouted;
use crate::table::{Row, Table};
use std::fmt::Write;
use tierway_decide::evidence::{Estimate, Judge};
use tierway_decide::quality::{Interval, LEAST_CHECKS};
use tierway_decide::stats::{best_provable_budget, bootstrap, labels_needed};
use tierway_decide::{Ladder, Predictor, TaskType};

/// The whole text.
#[must_use]
pub fn calibrated(table: &Table<'_>, ladder: &Ladder, done: &Calibrated) -> String {
    let mut out = String::new();
    let rows: Vec<&Row<'_>> = done.proof.iter().map(|(at, _)| &table.rows[*at]).collect();
    let tiers: Vec<usize> = done.proof.iter().map(|(_, tier)| *tier).collect();
    promise(&mut out, table, done, &rows);
    beside(&mut out, table, ladder, done, &rows, &tiers);
    errors(&mut out, table, &rows, &tiers);
    by_task(&mut out, table, &rows, &tiers);
    out
}

fn promise(out: &mut String, table: &Table<'_>, done: &Calibrated, rows: &[&Row<'_>]) {
    let promise = &done.evidence.promise;
    let (quality, sure) = (100.0 * promise.quality, 100.0 * promise.confidence);
    let _ = writeln!(
        out,
        "{} outcomes ({} left out, {} repeated): {} to learn from, {} to prove on",
        table.rows.len(),
        table.left_out,
        table.repeated,
        done.evidence.trained_on,
        done.evidence.proven_on
    );
    if table.thinned > 0 {
        let _ = writeln!(
            out,
            "{} outcomes were dropped so that every request had the same chance of being judged (`sampled`)",
            table.thinned
        );
    }
    let heads = if done.beats_length { "beat" } else { "do not beat prompt length, which is used alone;" };
    let _ = writeln!(
        out,
        "on held-back outcomes the learned heads {heads} {}({:.2} points of quality above a random mix; prompt length {:.2})",
        if done.beats_length { "prompt length " } else { "" },
        100.0 * done.areas.0,
        100.0 * done.areas.1
    );
    for words in table.unknown_costs_words() {
        let _ = writeln!(out, "{words}");
    }
    judge(out, table, promise.judge.as_ref());
    match promise.max_shortfall {
        Some(most) => {
            let _ = writeln!(
                out,
                "PROVEN: at least {quality} % of the baseline's quality is kept, at {sure} % confidence; a shortfall of up to {most:.3} is accepted"
            );
        }
        None => {
            let budget = 1.0 - promise.quality;
            let best = best_provable_budget(rows.len() as u64, 0.5, promise.confidence);
            let _ =
                writeln!(out, "NOT PROVEN: {quality} % at {sure} % confidence. Everything stays on the baseline tier.");
            let _ = writeln!(
                out,
                "  with {} outcomes to prove on the best provable budget is about {:.1} % (`--quality {:.2}`) if half of it is really lost; a budget of {:.1} % needs about {} of them",
                rows.len(),
                100.0 * best,
                (100.0 * (1.0 - best)).floor() / 100.0,
                100.0 * budget,
                labels_needed(budget, 0.5, promise.confidence, 0.8)
            );
        }
    }
    out.push_str(
        "  it bounds the scores in these files, on traffic like theirs; rules, pins and warm sessions come on top\n\n",
    );
}

/// What is known of the errors of a judge that gave scores, and what is done about them.
fn judge(out: &mut String, table: &Table<'_>, judge: Option<&Judge>) {
    let judged = table.rows.iter().filter(|row| row.outcome.by_judge).count();
    if judged == 0 {
        return;
    }
    let Some(Judge { rates, quality_kept_as_judged: said }) = judge else {
        let _ = writeln!(
            out,
            "{judged} of them have the scores of a judge, and people checked {} of its verdicts: with fewer than {LEAST_CHECKS} no correction is made, and what is proven is the judge's opinion",
            table.checks
        );
        return;
    };
    let share =
        |Interval { value, low, high }| format!("{:.1} % [{:.1}, {:.1}]", 100.0 * value, 100.0 * low, 100.0 * high);
    let _ = writeln!(
        out,
        "{judged} of them have the scores of a judge. By {} checks of people it finds {} of the losses, and takes {} of other pairs for losses, {} for wins of the cheap answer that are none (together as sure as half of the promise's doubt). This is taken out of what is proven and of \"quality kept\", which by the judge's own word would be {}",
        rates.checks,
        share(rates.found_losses),
        share(rates.false_losses),
        share(rates.false_wins),
        share(Interval { value: said.value, low: said.low, high: said.high }),
    );
    if !rates.tells_losses() {
        let _ = writeln!(
            out,
            "  it is not settled that it tells losses from others at all, so that nothing can be proven by it: check more pairs (above all such that look like losses), or take another judge"
        );
    }
}

fn line(out: &mut String, name: &str, kept: Estimate, saved: Option<Estimate>) {
    let per_cent =
        |own: Estimate| format!("{:6.2} % [{:.2}, {:.2}]", 100.0 * own.value, 100.0 * own.low, 100.0 * own.high);
    let _ = writeln!(out, "{name:<28} {:>28} {:>28}", per_cent(kept), saved.map_or("unknown".into(), per_cent));
}

fn beside(out: &mut String, table: &Table<'_>, ladder: &Ladder, done: &Calibrated, rows: &[&Row<'_>], tiers: &[usize]) {
    let _ =
        writeln!(out, "{:<28} {:>28} {:>28}", "on the outcomes of the proof", "quality kept [95 %]", "saved [95 %]");
    let (kept, saved) = estimates(table, rows, tiers, 1);
    line(out, "tierway", kept, saved);
    for (id, tier) in ladder.ids().zip(ladder.tiers()) {
        let name = format!("always {}", tier.name);
        let at = usize::from(id.0);
        // The baseline's answer stands in for one that is missing, and would be told as this tier's.
        let own = rows.iter().filter(|row| row.own[at]).count();
        if own < rows.len() {
            let _ = writeln!(out, "{name:<28} {:>28}", format!("{own} of {} answered", rows.len()));
            continue;
        }
        let (kept, saved) = estimates(table, rows, &vec![at; rows.len()], 1);
        line(out, &name, kept, saved);
    }
    let oracle: Vec<usize> = rows.iter().map(|row| oracle(table, row)).collect();
    let (best, spared) = estimates(table, rows, &oracle, 1);
    line(out, "oracle (best, then cheapest)", best, spared);
    let base: f64 = rows.iter().map(|row| row.tiers[table.baseline].cost).sum();
    let quality: f64 = rows.iter().map(|row| row.tiers[table.baseline].score).sum();
    let spent = saved.map(|saved| (1.0 - saved.value) * base / rows.len().max(1) as f64);
    let length: Vec<f64> = rows.iter().map(|row| row.outcome.length as f64).collect();
    let at_cost = |need: &[f64], spent: f64| {
        let curve = Curve::of(&items(table, rows, need));
        let at = curve.cost.iter().position(|cost| *cost >= spent).unwrap_or(curve.cost.len().saturating_sub(1));
        100.0 * curve.quality.get(at).copied().unwrap_or(0.0) * rows.len() as f64 / quality
    };
    let cheapest: f64 = rows.iter().map(|row| row.tiers[0].cost).sum::<f64>() / rows.len().max(1) as f64;
    let comparable = quality > 0.0 && table.baseline > 0 && table.costs_known(&[0]);
    if let Some(spent) = spent.filter(|spent| comparable && *spent >= cheapest) {
        let share = (spent - cheapest) / (base / rows.len().max(1) as f64 - cheapest).max(1e-12);
        let low: f64 = rows.iter().map(|row| row.tiers[0].score).sum();
        let mixed = 100.0 * (low + share.min(1.0) * (quality - low)) / quality;
        let _ = writeln!(out, "{:<28} {mixed:>17.2} %", "random mix at equal cost");
        let _ = writeln!(out, "{:<28} {:>17.2} %", "prompt length at equal cost", at_cost(&length, spent));
    }
    let gap = |drawn: &[usize]| {
        let sum: f64 = drawn.iter().map(|at| rows[*at].tiers[table.baseline].score - rows[*at].tiers[0].score).sum();
        Some(100.0 * sum / drawn.len().max(1) as f64)
    };
    if let Some((low, high)) = bootstrap(rows.len(), 500, 0.95, 1, gap)
        && low <= 0.0
        && table.baseline > 0
    {
        let _ = writeln!(
            out,
            "the gap between {} and {} is within its noise ({low:.1} to {high:.1} points): the cheapest tier is as good here",
            ladder.tiers()[0].name,
            ladder.tiers()[table.baseline].name
        );
    }
    let cheap = tiers.iter().filter(|tier| **tier < table.baseline).count();
    let _ = writeln!(
        out,
        "sent below the baseline: {:.1} %, above it: {:.1} %\n",
        100.0 * cheap as f64 / tiers.len().max(1) as f64,
        100.0 * tiers.iter().filter(|tier| **tier > table.baseline).count() as f64 / tiers.len().max(1) as f64
    );
    let _ = done;
}

fn oracle(table: &Table<'_>, row: &Row<'_>) -> usize {
    let order = |a: &usize, b: &usize| {
        let (a, b) = (&row.tiers[*a], &row.tiers[*b]);
        b.score.total_cmp(&a.score).then(a.cost.total_cmp(&b.cost))
    };
    (0..table.tiers).min_by(order).unwrap_or(table.baseline)
}

fn errors(out: &mut String, table: &Table<'_>, rows: &[&Row<'_>], tiers: &[usize]) {
    let own = Misrouted::count(table, rows, tiers);
    let share = |count: u64| 100.0 * count as f64 / own.rows.max(1) as f64;
    let _ = writeln!(
        out,
        "too low {:.1} % (at most {:.1} % at 95 %, whichever threshold was chosen), too high {:.1} %",
        share(own.too_low),
        100.0 * own.too_low_at_most(),
        share(own.too_high)
    );
    let _ = writeln!(
        out,
        "of {} requests on which the cheapest tier falls short, {:.1} % went below the baseline (at most {:.1} %)\n",
        own.needed,
        100.0 * own.missed_share(),
        100.0 * own.missed_at_most()
    );
}

fn by_task(out: &mut String, table: &Table<'_>, rows: &[&Row<'_>], tiers: &[usize]) {
    let prior = Predictor::embedded();
    let _ = writeln!(
        out,
        "{:<16} {:>6} {:>14} {:>10} {:>14}",
        "kind of work", "n", "quality kept", "saved", "below baseline"
    );
    let task = |row: &&Row<'_>| prior.predict(&row.outcome.features, table.tiers, table.baseline).task_type;
    let tasks: Vec<TaskType> = rows.iter().map(task).collect();
    let mut doubts: Vec<(f64, TaskType)> = Vec::new();
    for kind in TaskType::ALL {
        let own: Vec<usize> = (0..rows.len()).filter(|at| tasks[*at] == kind).collect();
        if own.is_empty() {
            continue;
        }
        doubts.push((doubt(table, rows, &own), kind));
        let sum = |of: &dyn Fn(usize) -> f64| own.iter().map(|at| of(*at)).sum::<f64>();
        let per_cent = |share: Option<f64>| share.map_or("unknown".into(), |share| format!("{:.1} %", 100.0 * share));
        // Of nothing no share can be kept or saved.
        let share = |own: f64, of: f64| (of > 0.0).then(|| own / of);
        let kept = share(sum(&|at| rows[at].tiers[tiers[at]].score), sum(&|at| rows[at].tiers[table.baseline].score));
        let cost = share(sum(&|at| rows[at].tiers[tiers[at]].cost), sum(&|at| rows[at].tiers[table.baseline].cost));
        let known = table.costs_known(&own.iter().map(|at| tiers[*at]).collect::<Vec<_>>());
        let below = sum(&|at| f64::from(u8::from(tiers[at] < table.baseline))) / own.len() as f64;
        let _ = writeln!(
            out,
            "{:<16} {:>6} {:>14} {:>10} {:>14}",
            kind.name(),
            own.len(),
            per_cent(kept),
            per_cent(cost.filter(|_| known).map(|cost| 1.0 - cost)),
            per_cent(Some(below))
        );
    }
    label_next(out, doubts);
}

/// What a kind of work adds to the doubt about the cheapest tier: how many requests, times how much its score differs from
/// the baseline's from one to the next. More labels of it pay in this proportion (Neyman, 1934).
fn doubt(table: &Table<'_>, rows: &[&Row<'_>], own: &[usize]) -> f64 {
    let gain = |at: &usize| rows[*at].tiers[table.baseline].score - rows[*at].tiers[0].score;
    let n = own.len().max(1) as f64;
    let mean = own.iter().map(gain).sum::<f64>() / n;
    // one request more of either kind, so that a kind of which two alike were seen is not held for certain
    let square = own.iter().map(|at| (gain(at) - mean).powi(2)).sum::<f64>() + 0.5;
    n * (square / (n + 2.0)).sqrt()
}

fn label_next(out: &mut String, mut doubts: Vec<(f64, TaskType)>) {
    doubts.sort_by(|a, b| b.0.total_cmp(&a.0));
    let whole: f64 = doubts.iter().map(|(doubt, _)| doubt).sum();
    let part = |(doubt, kind): &(f64, TaskType)| format!("{} ({:.0} %)", kind.name(), 100.0 * doubt / whole.max(1e-9));
    let named: Vec<String> = doubts.iter().take(3).map(part).collect();
    let _ = writeln!(out, "label next, in proportion to what is in doubt: {}", named.join(", "));
}
