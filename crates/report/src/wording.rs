//! The sentences of a report, the same in every form for people.

use crate::figures::{Amounts, many, percent, thousands};
use crate::report::{Group, GroupBy, Line, Money, Note, Report, SavedBetween};
use tierway_decide::Usd;

/// A name and what is to be said under it.
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) more: String,
}

/// Money first, then what was left out or went wrong.
pub(crate) fn facts(report: &Report) -> Vec<Fact> {
    let (totals, amounts) = (&report.totals, Amounts::of(report));
    let money = &amounts.agreeing(&totals.money);
    let mut facts = vec![
        Fact { name: "Paid", value: amounts.show(money.paid), more: paid(money, amounts) },
        Fact {
            name: "Baseline",
            value: amounts.show(money.baseline),
            more: format!("everything on {}; {}", baseline_tier(report), report.baseline.method),
        },
        Fact { name: saved_name(money), value: amounts.show(saved_amount(money)), more: saved(report, money, amounts) },
        always_cheapest(report, money, amounts),
    ];
    if money.unpriced_calls > 0 {
        let value = thousands(money.unpriced_calls);
        let more = "calls without a known price, left out of the four lines above; `tierway prices` mends it";
        facts.push(Fact { name: "Unpriced", value, more: more.into() });
    }
    if money.passed_calls > 0 {
        let value = thousands(money.passed_calls);
        facts.push(Fact {
            name: "Not routed",
            value,
            more: "calls that named their model, left out of savings".into(),
        });
    }
    if money.paid_in_all != money.paid {
        let more = "known to be paid in all, with unpriced and not routed calls";
        facts.push(Fact { name: "In all", value: amounts.show(money.paid_in_all), more: more.into() });
    }
    let of_all = |count: u64| percent(if totals.calls == 0 { 0.0 } else { ratio(count, totals.calls) });
    facts.push(Fact { name: "Failed", value: thousands(totals.failed), more: failed(report, &of_all(totals.failed)) });
    facts.push(Fact {
        name: "Abstained",
        value: thousands(totals.abstained),
        more: format!("{} of calls gave the predictor too little to go by", of_all(totals.abstained)),
    });
    facts
}

/// Name of the baseline tier, as far as it is known.
pub(crate) fn baseline_tier(report: &Report) -> &str {
    if report.baseline.tier.is_empty() { "the baseline tier" } else { &report.baseline.tier }
}

/// Name of the cheapest tier, as far as it is known.
pub(crate) fn cheapest_tier(report: &Report) -> &str {
    if report.cheapest_tier.is_empty() { "the cheapest tier" } else { &report.cheapest_tier }
}

fn paid(money: &Money, amounts: Amounts) -> String {
    let calls = format!("for {}, failed attempts included", many(money.priced_calls, "priced call"));
    if money.classifier.picos() == 0 {
        return calls;
    }
    format!("{calls}; {} of it to decide", amounts.show(money.classifier))
}

pub(crate) const fn saved_name(money: &Money) -> &'static str {
    if money.saved.picos() < 0 { "Lost" } else { "Saved" }
}

pub(crate) fn saved_amount(money: &Money) -> Usd {
    if money.saved.picos() < 0 { -money.saved } else { money.saved }
}

/// `$1.20 to $1.50`.
pub(crate) fn interval(between: &SavedBetween, amounts: Amounts) -> String {
    format!("{} to {}", amounts.show(between.low), amounts.show(between.high))
}

fn saved(report: &Report, money: &Money, amounts: Amounts) -> String {
    let sure = report.saved_between.as_ref().map_or_else(String::new, |between| {
        format!(
            "; {} with {} confidence, by {} answers of {} to the same requests",
            interval(between, amounts),
            percent(between.confidence),
            thousands(between.shadows),
            baseline_tier(report)
        )
    });
    format!("{}{sure}", gained(money, amounts))
}

fn gained(money: &Money, amounts: Amounts) -> String {
    let share = money.saved_share.map_or_else(|| "no baseline yet".into(), |share| format!("{} of it", percent(share)));
    if money.lost_calls == 0 {
        return share;
    }
    let (lost, calls) = (amounts.show(money.lost), many(money.lost_calls, "call"));
    format!("{share}: {} gained, {lost} lost on {calls} that cost more", amounts.show(money.gained))
}

/// The line that keeps everyone honest.
fn always_cheapest(report: &Report, money: &Money, amounts: Amounts) -> Fact {
    let tier = cheapest_tier(report);
    if money.always_cheapest_share.is_none() && money.baseline > Usd::ZERO {
        let more = format!("would have been saved by sending everything to {tier}: it has no known price");
        return Fact { name: "Always cheapest", value: "unknown".into(), more };
    }
    let share = money.always_cheapest_share.map_or(String::new(), |share| format!(" ({})", percent(share)));
    let more = format!("would have been saved{share} by sending everything to {tier}, whatever its answers are worth");
    Fact { name: "Always cheapest", value: amounts.show(money.always_cheapest_saved), more }
}

fn failed(report: &Report, share: &str) -> String {
    let totals = &report.totals;
    let besides = [
        (totals.refused, "refused"),
        (totals.cancelled, "cancelled by the client"),
        (totals.moved, "answered by another tier than decided"),
    ];
    let besides = besides.iter().filter(|(count, _)| *count > 0);
    let besides: Vec<_> = besides.map(|(count, what)| format!("{} {what}", thousands(*count))).collect();
    let besides = if besides.is_empty() { String::new() } else { format!("; besides {}", besides.join(", ")) };
    format!("{share} of calls{besides}")
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// A note in words.
pub(crate) fn note(note: &Note, amounts: Amounts) -> String {
    match note {
        Note::Empty => "No calls in this period.".into(),
        Note::NotCalibrated { calls } => format!(
            "Not calibrated: {} went by built-in thresholds, which nothing proves on your traffic; `tierway calibrate` \
             proves thresholds on your own outcomes.",
            many(*calls, "call")
        ),
        Note::OwnCalls { calls, paid } => format!(
            "{} of these calls are the router's own (second answers to sampled requests, and their comparison); the \
             {} that they cost count against what was saved. `tierway quality` shows what they found.",
            thousands(*calls),
            amounts.show(*paid)
        ),
        Note::StandIn => "A built-in stand-in answered, no real model: the figures show how tierway works, not what \
                          it saves."
            .into(),
        Note::Shutdown { what } => format!("Model shutdown: {what}."),
        Note::Other { text } => text.clone(),
    }
}

/// One line that says "everything has no team" is no news.
pub(crate) fn tells_something(group: &Group) -> bool {
    group.lines.iter().any(|line| !line.name.is_empty())
}

/// Heading of a group.
pub(crate) const fn heading(by: GroupBy) -> &'static str {
    match by {
        GroupBy::Model => "Model",
        GroupBy::TaskType => "Task",
        GroupBy::Complexity => "Complexity",
        GroupBy::Reason => "Reason",
        GroupBy::Team => "Team",
        GroupBy::Key => "Key",
    }
}

/// A name, or what to show for an empty one.
pub(crate) fn name(name: &str) -> &str {
    if name.is_empty() { "(none)" } else { name }
}

/// The name of a line in a group.
pub(crate) fn member(by: GroupBy, line: &Line) -> &str {
    match by {
        // Whoever was asked: an attempt failed, or there was none.
        GroupBy::Model if line.name.is_empty() => "(not answered)",
        _ => name(&line.name),
    }
}
