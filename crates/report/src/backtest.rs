//! A policy against what happened, for people and programs: tier mix, cost, expected quality, what would move.

use crate::figures::{Amounts, many, percent, period, thousands};
use crate::text::wrapped;
use serde_json::{Value, json};
use tierway_decide::backtest::{Backtest, Moved, Side};
use tierway_decide::replay::Kept;
use tierway_decide::{Ladder, Usd};

/// Groups of moves that are shown; the rest is counted.
const MOST_MOVES: usize = 12;

/// A replay with what it was about.
pub struct BacktestReport<'a> {
    /// First millisecond, Unix time.
    pub from_ms: i64,
    /// First millisecond after it.
    pub to_ms: i64,
    /// The file of the new config.
    pub policy: String,
    /// Its ladder.
    pub ladder: &'a Ladder,
    /// The sums.
    pub backtest: &'a Backtest,
    /// What the reader has to know.
    pub notes: Vec<String>,
}

/// Renders for a terminal of `width` columns; fewer than 60 are taken for 60.
#[must_use]
pub fn backtest_text(report: &BacktestReport<'_>, width: usize) -> String {
    let (sum, width) = (report.backtest, width.clamp(60, 110));
    let mut out = format!("tierway backtest of {}\n", report.policy);
    out.push_str(&format!("{}\n\n", period(report.from_ms, report.to_ms)));
    wrapped(&mut out, "", &read(sum), width);
    out.push_str(&format!("\n{:<26}{:>14}{:>14}{:>14}\n", "", "before", "after", "change"));
    sides(&mut out, report);
    moves(&mut out, sum);
    requests(&mut out, sum);
    for note in notes(report) {
        out.push('\n');
        wrapped(&mut out, "", &note, width);
    }
    out
}

fn read(sum: &Backtest) -> String {
    let kept = sum.kept.iter().map(|(why, count)| format!("{} {}", thousands(*count), kept_words(*why)));
    let kept: Vec<_> = kept.collect();
    let left = if kept.is_empty() { String::new() } else { format!("; left as they were: {}", kept.join(", ")) };
    let moved = format!("{} would move", thousands(sum.moved()));
    format!("{} read, {} decided again, {moved}{left}", many(sum.read, "request"), thousands(sum.replayed))
}

const fn kept_words(why: Kept) -> &'static str {
    match why {
        Kept::NotAnswered => "without a whole answer",
        Kept::Own => "of the router's own (shadows, judges)",
        Kept::NamedModel => "for a model that the client named",
        Kept::NoFeatures => "without features of this version",
        Kept::TierGone => "that ask for a tier which is gone",
        Kept::NothingFits => "that nothing on the new ladder could serve",
    }
}

/// What was paid and would be paid, and the bill on the baseline.
fn amounts(sum: &Backtest) -> Amounts {
    let sides = [&sum.before, &sum.after].map(|side| side.paid.max(side.baseline));
    Amounts::up_to(sides[0].max(sides[1]))
}

fn sides(out: &mut String, report: &BacktestReport<'_>) {
    let (sum, amounts) = (report.backtest, amounts(report.backtest));
    let (before, after) = (&sum.before, &sum.after);
    let mut line = |name: &str, of: &dyn Fn(&Side) -> String, change: String| {
        out.push_str(&format!("{name:<26}{:>14}{:>14}{change:>14}\n", of(before), of(after)));
    };
    line("paid", &|side| amounts.show(side.paid), growth(before.paid, after.paid));
    line("baseline", &|side| amounts.show(side.baseline), growth(before.baseline, after.baseline));
    let share = |side: &Side| side.saved_share().map_or_else(|| "unknown".into(), percent);
    let saved = before.saved_share().zip(after.saved_share()).map(|(before, after)| points(after - before));
    line("saved", &share, saved.unwrap_or_default());
    line("too low (quality risk)", &|side| percent(side.risk()), points(after.risk() - before.risk()));
    line("too high (waste)", &|side| percent(side.waste()), points(after.waste() - before.waste()));
    for tier in tiers(report) {
        let count = |side: &Side| side.tiers.get(&tier).copied().unwrap_or(0);
        let shown = |side: &Side| {
            let count = count(side);
            let share = if sum.replayed == 0 { 0.0 } else { count as f64 / sum.replayed as f64 };
            format!("{} {:>6}", thousands(count), percent(share))
        };
        let change = i128::from(count(after)) - i128::from(count(before));
        line(&format!("to {tier}"), &shown, format!("{change:+}"));
    }
}

/// Tiers of the new ladder in its order, then those that are gone.
fn tiers(report: &BacktestReport<'_>) -> Vec<String> {
    let mut names: Vec<String> = report.ladder.tiers().iter().map(|tier| tier.name.to_string()).collect();
    let gone = report.backtest.before.tiers.keys().filter(|name| report.ladder.find(name).is_none());
    names.extend(gone.cloned());
    names
}

fn growth(before: Usd, after: Usd) -> String {
    if before <= Usd::ZERO {
        return String::new();
    }
    format!("{:+.1} %", (after.as_f64() / before.as_f64() - 1.0) * 100.0)
}

fn points(change: f64) -> String {
    format!("{:+.1} points", change * 100.0)
}

fn moves(out: &mut String, sum: &Backtest) {
    let mut moves: Vec<_> = sum.moves.iter().collect();
    if moves.is_empty() {
        return;
    }
    moves.sort_by_key(|((from, to, task), moves)| (std::cmp::Reverse(moves.calls), from, to, *task));
    out.push_str(&format!("\n{:<34}{:<15}{:>9}{:>12}{:>12}\n", "What would move", "task", "calls", "cost", "good"));
    let (fit, more) = crate::shown(moves.len(), MOST_MOVES);
    for ((from, to, task), moves) in &moves[..fit] {
        let way = if from == to { format!("{from}, another model") } else { format!("{from} → {to}") };
        let cost = signed(moves.dearer, amounts(sum));
        let better = format!("{:+.1}", moves.better);
        out.push_str(&format!("{way:<34}{:<15}{:>9}{cost:>12}{better:>12}\n", task.name(), thousands(moves.calls)));
    }
    if more > 0 {
        out.push_str(&format!("… and {more} more\n"));
    }
}

fn signed(amount: Usd, amounts: Amounts) -> String {
    let shown = amounts.show(amount);
    if amount > Usd::ZERO && !shown.starts_with('<') { format!("+{shown}") } else { shown }
}

fn requests(out: &mut String, sum: &Backtest) {
    let moved = sum.weightiest();
    if moved.is_empty() {
        return;
    }
    out.push_str("\nThe requests for which it matters most (`tierway explain ID`)\n");
    for one in moved {
        let (was, would) = one.chances;
        let chance = format!("{} → {}", percent(was.into()), percent(would.into()));
        let both = [one.paid.0, one.paid.1];
        let amounts = Amounts::up_to(both.into_iter().flatten().max().unwrap_or_default());
        let cost = |paid: Option<Usd>| paid.map_or_else(|| "?".into(), |paid| amounts.show(paid));
        // Where the tier stays the same it is the model that changes.
        let way = if one.from == one.to {
            format!("{} → {}", one.from_model, one.to_model)
        } else {
            format!("{} → {}", one.from, one.to)
        };
        let (task, paid) = (one.task_type.name(), format!("{} → {}", cost(one.paid.0), cost(one.paid.1)));
        out.push_str(&format!("{}  {way:<24}{task:<15}will do {chance:<18}{paid}\n", one.id));
    }
}

/// What was said, and what holds for every replay.
fn notes(report: &BacktestReport<'_>) -> Vec<String> {
    let sum = report.backtest;
    let mut notes = vec![
        "What moves is priced at the same tokens on the other tier's main target; the other model's answer may be \
         longer or shorter. \"Too low\" is the expected share of answers that fall short of the baseline's, \"too high\" \
         of answers that the cheapest tier would have given as well: both by the new config's predictor, on both sides."
            .to_owned(),
    ];
    if sum.unpriced > 0 {
        notes.push(format!("{} requests have no known price on one side: left out of money.", thousands(sum.unpriced)));
    }
    if sum.calibrated < sum.replayed {
        notes.push(
            "Not calibrated: the chances are those of the built-in prior, not proven on your own outcomes; read them \
             as an order, not as rates."
                .into(),
        );
    }
    notes.extend(report.notes.iter().cloned());
    notes
}

/// The same as one JSON value. Money is in US dollars, shares are from 0 to 1.
#[must_use]
pub fn backtest_json(report: &BacktestReport<'_>) -> Value {
    let sum = report.backtest;
    let moves = sum.moves.iter().map(|((from, to, task), moves)| {
        json!({
            "from": from, "to": to, "task_type": task, "calls": moves.calls,
            "dearer_usd": moves.dearer.as_f64(), "better": moves.better,
        })
    });
    json!({
        "from_ms": report.from_ms,
        "to_ms": report.to_ms,
        "policy": report.policy,
        "read": sum.read,
        "replayed": sum.replayed,
        "kept": sum.kept,
        "unpriced": sum.unpriced,
        "calibrated": sum.calibrated,
        "moved": sum.moved(),
        "before": side_json(&sum.before),
        "after": side_json(&sum.after),
        "moves": moves.collect::<Vec<_>>(),
        "requests": sum.weightiest().iter().map(request_json).collect::<Vec<_>>(),
        "notes": notes(report),
    })
}

/// One side of a replay.
#[must_use]
pub fn side_json(side: &Side) -> Value {
    json!({
        "tiers": side.tiers, "paid_usd": side.paid.as_f64(), "baseline_usd": side.baseline.as_f64(),
        "saved_share": side.saved_share(), "risk": side.risk(), "waste": side.waste(),
    })
}

fn request_json(one: &Moved) -> Value {
    let dollars = |paid: Option<Usd>| paid.map(Usd::as_f64);
    json!({
        "request_id": one.id.to_string(), "from": one.from, "to": one.to, "from_model": one.from_model,
        "to_model": one.to_model, "task_type": one.task_type, "complexity": one.complexity,
        "p_ok_before": one.chances.0, "p_ok_after": one.chances.1,
        "paid_usd": dollars(one.paid.0), "would_pay_usd": dollars(one.paid.1), "weight": one.weight,
    })
}
