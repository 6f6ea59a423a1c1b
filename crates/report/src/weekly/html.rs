//! The week as a page that mails well: tables for layout, styles on the elements, nothing to fetch, nothing to run.

use super::Weekly;
use super::story::{Table, headlines, left_out, notes, period, points, tables};
use crate::html::{escaped, prose};
use crate::wording::Fact;

const FONT: &str = "font-family:-apple-system,'Segoe UI',Helvetica,Arial,sans-serif";
const SOFT: &str = "color:#5b6675";
const CELL: &str = "padding:6px 12px 6px 0;border-bottom:1px solid #dde3ea;font-size:14px";
/// Tables for layout keep to the screen: what is too wide for it scrolls or breaks by itself.
const FRAME: &str = "table-layout:fixed;width:100%";
const CODE: &str = "overflow-wrap:anywhere;font-family:Consolas,Menlo,monospace;font-size:13px;background:#f2f5f8;padding:10px 12px;margin:6px 0;white-space:pre-wrap";

/// Renders one page of about 640 pixels. Mail programs strip style sheets and scripts: there are none.
#[must_use]
pub fn weekly_html(weekly: &Weekly) -> String {
    let period = period(weekly);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>tierway, the week to {}</title></head>\n\
         <body style=\"margin:0;background:#f4f6f8;color:#1c2430;{FONT}\">\n\
         <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"{FRAME}\"><tr><td align=\"center\" style=\"padding:24px 8px\">\n\
         <table role=\"presentation\" width=\"640\" cellpadding=\"0\" cellspacing=\"0\" style=\"{FRAME};max-width:640px;background:#ffffff\">\
         <tr><td style=\"padding:24px 5% 32px;overflow-wrap:anywhere\">\n<h1 style=\"font-size:22px;margin:0\">The week</h1>\n\
         <p style=\"margin:2px 0 18px;{SOFT};font-size:14px\">{period}</p>\n",
        crate::figures::minute(weekly.report.to_ms)
    );
    headlines(weekly).iter().for_each(|line| headline(&mut out, line));
    for words in notes(weekly) {
        out.push_str(&format!(
            "<p style=\"background:#fff6df;padding:10px 14px;margin:16px 0;font-size:14px\">{}</p>\n",
            prose(&words)
        ));
    }
    what_to_do(&mut out, weekly);
    heading(&mut out, "Left out or failed");
    out.push_str("<ul style=\"margin:0;padding-left:20px;font-size:14px;line-height:1.5\">\n");
    left_out(weekly).iter().for_each(|line| out.push_str(&format!("<li>{}</li>\n", prose(line))));
    out.push_str("</ul>\n");
    tables(weekly).iter().for_each(|figures| table(&mut out, figures));
    out.push_str("</td></tr></table>\n</td></tr></table>\n</body></html>\n");
    out
}

fn heading(out: &mut String, words: &str) {
    out.push_str(&format!("<h2 style=\"font-size:16px;margin:28px 0 8px\">{words}</h2>\n"));
}

fn headline(out: &mut String, line: &Fact) {
    out.push_str(&format!(
        "<p style=\"margin:0 0 14px;font-size:14px;line-height:1.45\"><span style=\"{SOFT}\">{}</span><br>\
         <span style=\"font-size:24px;font-weight:600\">{}</span><br>{}.</p>\n",
        line.name,
        escaped(&line.value),
        prose(&line.more)
    ));
}

fn what_to_do(out: &mut String, weekly: &Weekly) {
    if weekly.misroutes.is_empty() {
        return;
    }
    heading(out, "What to do");
    out.push_str("<ol style=\"margin:0;padding-left:20px;font-size:14px;line-height:1.45\">\n");
    for point in points(weekly) {
        let wrong: Vec<_> =
            point.misroutes.iter().map(|one| format!("<strong>{}.</strong>", escaped(&one.sentence()))).collect();
        let code = |command: &String| format!("<code>{}</code>", escaped(command));
        out.push_str(&format!(
            "<li style=\"margin-bottom:14px\">{} {}\n<pre style=\"{CODE}\">{}</pre>\
             <span style=\"{SOFT}\">Try it first: {}. Look: {}.</span></li>\n",
            wrong.join("<br>"),
            prose(&point.advice.words),
            escaped(&point.advice.config),
            code(&point.command),
            point.look.iter().map(code).collect::<Vec<_>>().join(", ")
        ));
    }
    out.push_str("</ol>\n");
}

fn table(out: &mut String, table: &Table) {
    heading(out, table.title);
    out.push_str("<div style=\"overflow-x:auto\"><table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"border-collapse:collapse;overflow-wrap:normal\">\n<tr>");
    out.push_str(&format!("<th align=\"left\" style=\"{CELL};{SOFT}\">&nbsp;</th>"));
    table
        .heads
        .iter()
        .for_each(|head| out.push_str(&format!("<th align=\"right\" style=\"{CELL};{SOFT}\">{head}</th>")));
    out.push_str("</tr>\n");
    for [name, figures @ ..] in &table.rows {
        out.push_str(&format!("<tr><td style=\"{CELL}\">{}</td>", escaped(name)));
        figures
            .iter()
            .for_each(|cell| out.push_str(&format!("<td align=\"right\" style=\"{CELL}\">{}</td>", escaped(cell))));
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}
