//! The report as one HTML page: no script, no request to anybody, readable in a mail, in light and dark.
//!
//! Mail programs drop SVG and much of CSS, so shares are drawn as coloured table cells; the small picture of days is
//! SVG and may be missing without loss: every figure is also there as text.

use crate::figures::{Amounts, cost, many, milliseconds, percent, period, thousands};
use crate::report::{Day, Group, Line, Report};
use crate::wording::{facts, heading, interval, member, name, note, tells_something};
use tierway_decide::Usd;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#dde3ea;--paper:#fff;--bar:#2f6fde;--loss:#c4442f;--note:#fff6df}\
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b6;--line:#2c3644;--paper:#12171e;--bar:#6ea0ff;--loss:#ff8a73;--note:#332b14}}\
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}\
main{max-width:860px;margin:0 auto;padding:24px 16px 48px}h1{font-size:22px;margin:0}h2{font-size:16px;margin:32px 0 8px}\
p.soft,td.soft{color:var(--soft)}.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}\
th,td{padding:6px 10px 6px 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}\
th{font-weight:600;color:var(--soft);font-size:13px}th:first-child,td:first-child{text-align:left}\
td.words{text-align:left;white-space:normal;color:var(--soft)}td.big{font-size:18px;font-weight:600}\
tr.all td{font-weight:600}.note{background:var(--note);padding:10px 14px;margin:16px 0;border-radius:6px}\
.bar{background:var(--bar);height:10px;border-radius:3px;padding:0;border:0}.track{width:120px}.track table{width:120px}.track td{padding:0;border:0}\
svg{width:100%;height:auto;display:block}rect{fill:var(--bar)}rect.loss{fill:var(--loss)}line{stroke:var(--ink);stroke-width:1.5}text{fill:var(--soft);font-size:11px}";

/// Renders one page.
#[must_use]
pub fn html(report: &Report) -> String {
    let period = period(report.from_ms, report.to_ms);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>tierway report, {period}</title>\
         <style>{STYLE}</style></head>\n<body><main>\n<h1>tierway report</h1>\n<p class=\"soft\">{period}</p>\n"
    );
    let amounts = Amounts::of(report);
    for words in report.notes.iter().map(|one| note(one, amounts)) {
        out.push_str(&format!("<p class=\"note\">{}</p>\n", prose(&words)));
    }
    facts_table(&mut out, report);
    days(&mut out, &report.days, amounts);
    tiers(&mut out, report, amounts);
    for group in report.groups.iter().filter(|group| tells_something(group)) {
        group_table(&mut out, group, amounts);
    }
    out.push_str("</main></body></html>\n");
    out
}

fn facts_table(out: &mut String, report: &Report) {
    out.push_str("<table>\n");
    for fact in facts(report) {
        out.push_str(&format!(
            "<tr><td>{}</td><td class=\"big\">{}</td><td class=\"words\">{}</td></tr>\n",
            fact.name,
            escaped(&fact.value),
            prose(&fact.more)
        ));
    }
    out.push_str("</table>\n");
}

const HEADS: &str =
    "<th>Calls</th><th colspan=\"2\">Share</th><th>Cost</th><th>Saved</th><th>Mean</th><th>p95</th><th>Failed</th>";

fn tiers(out: &mut String, report: &Report, amounts: Amounts) {
    let (totals, money) = (&report.totals, &report.totals.money);
    begin_table(out, "Tiers", "Tier");
    report.tiers.iter().for_each(|line| row(out, name(&line.name), line, amounts, ""));
    let all = Line {
        name: "all".into(),
        calls: totals.calls,
        share: if totals.calls == 0 { 0.0 } else { 1.0 },
        failed: totals.failed,
        paid: money.paid_in_all,
        saved: money.saved,
        saved_share: money.saved_share,
        mean_ms: totals.mean_ms,
        p95_ms: totals.p95_ms,
        ..Line::default()
    };
    row(out, &all.name, &all, amounts, " class=\"all\"");
    out.push_str("</table></div>\n");
}

fn group_table(out: &mut String, group: &Group, amounts: Amounts) {
    begin_table(out, heading(group.by), heading(group.by));
    group.lines.iter().for_each(|line| row(out, member(group.by, line), line, amounts, ""));
    out.push_str("</table></div>\n");
}

fn begin_table(out: &mut String, title: &str, head: &str) {
    out.push_str(&format!("<h2>{title}</h2>\n<div class=\"wide\"><table>\n<tr><th>{head}</th>{HEADS}</tr>\n"));
}

fn row(out: &mut String, name: &str, line: &Line, amounts: Amounts, class: &str) {
    out.push_str(&format!(
        "<tr{class}><td>{}</td><td>{}</td><td class=\"track\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
         <td>{}</td><td>{}</td></tr>\n",
        escaped(name),
        thousands(line.calls),
        bar(line.share),
        percent(line.share),
        cost(line, amounts),
        line.saved_share.map_or_else(|| "–".into(), percent),
        milliseconds(line.mean_ms),
        milliseconds(line.p95_ms),
        thousands(line.failed),
    ));
}

/// A bar that every mail program draws.
fn bar(share: f64) -> String {
    let width = (share.clamp(0.0, 1.0) * 120.0).round();
    format!(
        "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\"><tr><td class=\"bar\" bgcolor=\"#2f6fde\" \
         width=\"{width}\"></td><td></td></tr></table>"
    )
}

/// Saved by day, losses below the line; a thin line says between what it lies.
fn days(out: &mut String, days: &[Day], amounts: Amounts) {
    if days.len() < 2 {
        return;
    }
    let ends = |day: &Day| day.saved_between.map_or([day.saved; 2], |between| [between.low, between.high]);
    let reach = days.iter().flat_map(|day| [day.saved].into_iter().chain(ends(day))).map(Usd::as_f64);
    let most = reach.clone().map(f64::abs).fold(f64::MIN_POSITIVE, f64::max);
    let deepest = reach.map(|saved| -saved).fold(0.0, f64::max);
    let (up, down) = (90.0, (90.0 * deepest / most).round());
    #[expect(clippy::cast_precision_loss, reason = "a position in a picture")]
    let place = |at: usize| at as f64 * 800.0 / days.len() as f64;
    out.push_str(&format!(
        "<h2>Saved by day</h2>\n<svg viewBox=\"0 0 800 {:.0}\" role=\"img\" aria-label=\"Saved by day, from {} to {}\">\n",
        up + down + 20.0,
        days[0].date,
        days[days.len() - 1].date
    ));
    for (at, day) in days.iter().enumerate() {
        let saved = day.saved.as_f64();
        let height = (saved.abs() / most * 90.0).max(1.0);
        let (top, class) = if saved < 0.0 { (up, " class=\"loss\"") } else { (up - height, "") };
        let between =
            day.saved_between.as_ref().map_or_else(String::new, |sure| format!(" ({})", interval(sure, amounts)));
        out.push_str(&format!(
            "<rect{class} x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{}: {} saved{between}, {} \
             paid, {}</title></rect>\n",
            place(at) + 1.0,
            (place(1) - 2.0).max(1.0),
            day.date,
            amounts.show(day.saved),
            amounts.show(day.paid),
            many(day.calls, "call")
        ));
        if day.saved_between.is_some() {
            let [low, high] = ends(day).map(|end| up - end.as_f64() / most * 90.0);
            let middle = place(at) + place(1) / 2.0;
            out.push_str(&format!("<line x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{high:.1}\" y2=\"{low:.1}\"/>\n"));
        }
    }
    out.push_str(&format!(
        "<text x=\"0\" y=\"{y:.0}\">{}</text><text x=\"800\" y=\"{y:.0}\" text-anchor=\"end\">{}</text>\n</svg>\n",
        days[0].date,
        days[days.len() - 1].date,
        y = up + down + 15.0
    ));
}

/// Escaped, and what stands between backticks as code.
pub(crate) fn prose(text: &str) -> String {
    let parts: Vec<_> = text.split('`').map(escaped).collect();
    if parts.len() % 2 == 0 {
        return escaped(text);
    }
    let part = |(at, part): (usize, &String)| if at % 2 == 0 { part.clone() } else { format!("<code>{part}</code>") };
    parts.iter().enumerate().map(part).collect()
}

/// Names come from clients; none of them may become markup.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // A line end is no markup, and advice has several lines.
            letter if letter.is_control() && letter != '\n' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}
