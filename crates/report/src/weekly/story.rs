//! The sentences of the week, the same in every form.

use super::Weekly;
use crate::figures::{Amounts, cost, many, percent, thousands};
use crate::misroutes::{Advice, Misroute};
use crate::report::{Day, GroupBy, Line, Money, Totals};
use crate::wording::{
    Fact, baseline_tier, cheapest_tier, interval, member, name, saved_amount, saved_name, tells_something,
};
use tierway_decide::Usd;

/// Lines of a table that are shown; the rest is summed up.
const MOST_LINES: usize = 8;

pub(super) fn period(weekly: &Weekly) -> String {
    crate::figures::period(weekly.report.from_ms, weekly.report.to_ms)
}

/// Saved, quality, the cheapest line, the bill: in this order.
pub(super) fn headlines(weekly: &Weekly) -> Vec<Fact> {
    let amounts = Amounts::of(&weekly.report);
    let money = &amounts.agreeing(&weekly.report.totals.money);
    vec![saved(weekly, money, amounts), quality(weekly), cheapest(weekly, money, amounts), paid(weekly, money, amounts)]
}

/// What the reader has to know.
pub(super) fn notes(weekly: &Weekly) -> impl Iterator<Item = String> {
    let amounts = Amounts::of(&weekly.report);
    weekly.report.notes.iter().map(move |one| crate::wording::note(one, amounts))
}

fn saved(weekly: &Weekly, money: &Money, amounts: Amounts) -> Fact {
    let share = money.saved_share.map_or_else(String::new, |share| format!(" ({})", percent(share.abs())));
    let sure = match &weekly.report.saved_between {
        Some(between) => format!(
            "between {} and {} with {} confidence, by {} answers of the baseline tier to the same requests",
            amounts.show(between.low),
            amounts.show(between.high),
            percent(between.confidence),
            thousands(between.shadows)
        ),
        None => format!("no interval yet: {}", weekly.report.baseline.method),
    };
    let losses = if money.lost > Usd::ZERO {
        format!(". {} were lost on {} and are counted in", amounts.show(money.lost), many(money.lost_calls, "request"))
    } else {
        String::new()
    };
    Fact {
        name: saved_name(money),
        value: format!("{}{share}", amounts.show(saved_amount(money))),
        more: format!("against {} on {}; {sure}{losses}", amounts.show(money.baseline), baseline_tier(&weekly.report)),
    }
}

fn quality(weekly: &Weekly) -> Fact {
    let (value, more) = match &weekly.quality {
        None => (
            "not measured".to_owned(),
            "nobody has compared these answers with the baseline's; `[quality]` in the config samples some".into(),
        ),
        Some(quality) => (
            percent(quality.value),
            format!(
                "of the cheaper answers were at least as good as the baseline's: {} to {}, by {} comparisons; wanted {}{}",
                percent(quality.low),
                percent(quality.high),
                thousands(quality.verdicts),
                percent(quality.target),
                held(&quality.held)
            ),
        ),
    };
    Fact { name: "Quality kept", value, more }
}

fn held(held: &[String]) -> String {
    if held.is_empty() { String::new() } else { format!(". Held at the baseline for now: {}", held.join(", ")) }
}

fn cheapest(weekly: &Weekly, money: &Money, amounts: Amounts) -> Fact {
    let tier = cheapest_tier(&weekly.report);
    let more = format!("would have been saved by sending everything to {tier}, whatever its answers are worth");
    let value = match money.always_cheapest_share {
        Some(share) => format!("{} ({})", amounts.show(money.always_cheapest_saved), percent(share)),
        None => "unknown".into(),
    };
    Fact { name: "Always cheapest", value, more }
}

fn paid(weekly: &Weekly, money: &Money, amounts: Amounts) -> Fact {
    let totals = &weekly.report.totals;
    let mut more = format!("for {}", many(totals.calls, "request"));
    if money.classifier > Usd::ZERO {
        more.push_str(&format!("; {} of it to decide", amounts.show(money.classifier)));
    }
    Fact { name: "Paid in all", value: amounts.show(money.paid_in_all), more: format!("{more}. {}", trend(weekly)) }
}

/// Against the week before.
fn trend(weekly: &Weekly) -> String {
    let now = &weekly.report.totals;
    let Some(before) = weekly.before.as_ref().filter(|before| before.calls > 0) else {
        return "Nothing was recorded in the week before".into();
    };
    let requests = growth(now.calls as f64, before.calls as f64);
    let paid = growth(now.money.paid_in_all.as_f64(), before.money.paid_in_all.as_f64());
    let share = |totals: &Totals| totals.money.saved_share.map_or_else(|| "unknown".into(), percent);
    format!("Week before: {requests} requests, {paid} paid; {} saved then, {} now", share(before), share(now))
}

fn growth(now: f64, before: f64) -> String {
    if before <= 0.0 {
        return "no".into();
    }
    let change = (now / before - 1.0) * 100.0;
    if change.abs() < 0.05 { "as many".into() } else { format!("{change:+.1} %") }
}

/// Something to do, and all that it mends.
pub(super) struct Point<'a> {
    pub(super) misroutes: Vec<&'a Misroute>,
    pub(super) advice: &'a Advice,
    /// What to run first.
    pub(super) command: String,
    /// The commands that show examples.
    pub(super) look: Vec<String>,
}

/// One point for each mend, the one that mends the dearest first.
pub(super) fn points(weekly: &Weekly) -> Vec<Point<'_>> {
    let mut points: Vec<Point<'_>> = Vec::new();
    for one in &weekly.misroutes {
        let look = one.examples.iter().map(|id| format!("tierway explain {id}{}", weekly.store));
        match points.iter_mut().find(|point| *point.advice == one.advice) {
            Some(point) => {
                point.misroutes.push(one);
                point.look.extend(look.take(1));
            }
            None => points.push(Point {
                misroutes: vec![one],
                advice: &one.advice,
                command: format!("{}{}", one.advice.command, weekly.store),
                look: look.collect(),
            }),
        }
    }
    points
}

/// What was left out of the money, or went wrong.
pub(super) fn left_out(weekly: &Weekly) -> Vec<String> {
    let (totals, money) = (&weekly.report.totals, &weekly.report.totals.money);
    let mut said = Vec::new();
    if money.unpriced_calls > 0 {
        let models = lines(weekly, GroupBy::Model).iter().filter(|line| line.unpriced > 0);
        let models: Vec<_> = models.map(|line| member(GroupBy::Model, line)).take(3).collect();
        said.push(format!(
            "{} without a known price: left out of the savings ({}); `tierway prices` mends it",
            many(money.unpriced_calls, "request"),
            models.join(", ")
        ));
    }
    if money.passed_calls > 0 {
        said.push(format!("{} that named their model: not routed, left out", many(money.passed_calls, "request")));
    }
    said.push(match totals.failed {
        0 => "No request failed".into(),
        failed => format!("{} of {} failed", thousands(failed), many(totals.calls, "request")),
    });
    if totals.refused > 0 {
        said.push(format!("{} refused before any provider was called", many(totals.refused, "request")));
    }
    said.extend(weekly.failures.iter().map(|one| format!("{}: {} × {}", one.target, thousands(one.calls), one.how)));
    said
}

/// A table: its heading, the heads of its columns after the first, its rows.
pub(super) struct Table {
    pub(super) title: &'static str,
    pub(super) heads: [&'static str; 4],
    pub(super) rows: Vec<[String; 5]>,
}

const HEADS: [&str; 4] = ["Requests", "Paid", "Saved", "Saved, share"];

pub(super) fn tables(weekly: &Weekly) -> Vec<Table> {
    let groups = [("By team", GroupBy::Team), ("By task", GroupBy::TaskType)];
    let amounts = Amounts::of(&weekly.report);
    let table = |title, lines: &[Line]| Table { title, heads: HEADS, rows: rows(lines, amounts) };
    let mut tables = vec![days(weekly, amounts), table("By tier", &weekly.report.tiers)];
    tables.extend(groups.map(|(title, by)| table(title, lines(weekly, by))));
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// Day by day, with what that is worth.
fn days(weekly: &Weekly, amounts: Amounts) -> Table {
    let row = |day: &Day| {
        let between = day.saved_between.as_ref().map(|between| interval(between, amounts));
        let between = between.unwrap_or_else(|| "not measured".into());
        [day.date.clone(), thousands(day.calls), amounts.show(day.paid), amounts.show(day.saved), between]
    };
    let rows = weekly.report.days.iter().map(row).collect();
    Table { title: "By day", heads: ["Requests", "Paid", "Saved", "Between (95 %)"], rows }
}

fn lines(weekly: &Weekly, by: GroupBy) -> &[Line] {
    let group = weekly.report.groups.iter().find(|group| group.by == by);
    group.filter(|group| tells_something(group)).map_or(&[], |group| &group.lines)
}

fn rows(lines: &[Line], amounts: Amounts) -> Vec<[String; 5]> {
    let row = |line: &Line| {
        let share = line.saved_share.map_or_else(|| "–".into(), percent);
        [name(&line.name).to_owned(), thousands(line.calls), cost(line, amounts), amounts.show(line.saved), share]
    };
    let (lines, rest) = lines.split_at(crate::shown(lines.len(), MOST_LINES).0);
    let mut rows: Vec<_> = lines.iter().map(row).collect();
    if !rest.is_empty() {
        let sum = |of: fn(&Line) -> Usd| rest.iter().map(of).sum::<Usd>();
        rows.push([
            format!("{} more", rest.len()),
            thousands(rest.iter().map(|line| line.calls).sum()),
            amounts.show(sum(|line| line.paid)),
            amounts.show(sum(|line| line.saved)),
            String::new(),
        ]);
    }
    rows
}
