//! The report as comma-separated values: one table, one line for everything that was counted.

use crate::report::{GroupBy, Line, Report};

/// Columns: `group`, `name`, then figures. Money is in US dollars to the last digit, times in milliseconds, shares from
/// 0 to 1; what is unknown is empty.
#[must_use]
pub fn csv(report: &Report) -> String {
    let mut out = String::from(
        "group,name,calls,share,failed,unpriced,paid_usd,saved_usd,saved_share,mean_ms,p95_ms,baseline_usd,\
         classifier_usd,always_cheapest_saved_usd\r\n",
    );
    let (totals, money) = (&report.totals, &report.totals.money);
    let all = Line {
        name: "all".into(),
        calls: totals.calls,
        share: 1.0,
        failed: totals.failed,
        paid: money.paid_in_all,
        saved: money.saved,
        saved_share: money.saved_share,
        unpriced: money.unpriced_calls,
        mean_ms: totals.mean_ms,
        p95_ms: totals.p95_ms,
    };
    let rest = [money.baseline, money.classifier, money.always_cheapest_saved].map(|usd| usd.to_string());
    line(&mut out, "total", &all, &rest.join(","));
    report.tiers.iter().for_each(|tier| line(&mut out, "tier", tier, ",,"));
    for group in &report.groups {
        group.lines.iter().for_each(|member| line(&mut out, name(group.by), member, ",,"));
    }
    for day in &report.days {
        let member = Line {
            name: day.date.clone(),
            calls: day.calls,
            share: if totals.calls == 0 { 0.0 } else { crate::wording::ratio(day.calls, totals.calls) },
            paid: day.paid,
            saved: day.saved,
            ..Line::default()
        };
        line(&mut out, "day", &member, ",,");
    }
    out
}

fn line(out: &mut String, group: &str, line: &Line, rest: &str) {
    let optional = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
    let cells = [
        group.to_owned(),
        field(&line.name),
        line.calls.to_string(),
        format!("{:.6}", line.share),
        line.failed.to_string(),
        line.unpriced.to_string(),
        line.paid.to_string(),
        line.saved.to_string(),
        optional(line.saved_share),
        optional(line.mean_ms),
        optional(line.p95_ms),
        rest.to_owned(),
    ];
    out.push_str(&cells.join(","));
    out.push_str("\r\n");
}

const fn name(by: GroupBy) -> &'static str {
    match by {
        GroupBy::Model => "model",
        GroupBy::TaskType => "task_type",
        GroupBy::Complexity => "complexity",
        GroupBy::Reason => "reason",
        GroupBy::Team => "team",
        GroupBy::Key => "key",
    }
}

/// A text as one CSV field (RFC 4180). Clients choose some of these texts, and spreadsheets run what looks like a
/// formula: such a text gets an apostrophe in front.
#[must_use]
pub fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let quoted = formula || text.contains(['"', ',', '\n', '\r']);
    if !quoted {
        return text.to_owned();
    }
    format!("\"{}{}\"", if formula { "'" } else { "" }, text.replace('"', "\"\""))
}
