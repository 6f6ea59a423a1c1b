//! The report for a terminal, however narrow.

use crate::figures::{dollars, milliseconds, minute, percent, thousands};
use crate::report::{Group, Line, Report};
use crate::wording::{facts, heading, name, note};

/// Below this many columns a table would wrap: each line becomes a small block instead.
const NARROW: usize = 66;
/// Lines of a group that are shown; the rest is counted.
const MOST_LINES: usize = 8;
const NAMES: usize = 15;

/// Renders for a terminal of `width` columns.
#[must_use]
pub fn text(report: &Report, width: usize) -> String {
    let width = width.clamp(20, 110);
    let mut out = String::from("tierway report\n");
    wrapped(&mut out, "", &format!("{} to {} UTC", minute(report.from_ms), minute(report.to_ms)), width);
    out.push('\n');
    table(&mut out, "Tier", &report.tiers, width);
    total_line(&mut out, report, width);
    out.push('\n');
    for fact in facts(report) {
        let head = format!("{:<NAMES$}  {:>12}  ", fact.name, fact.value);
        wrapped(&mut out, &head, &fact.more, width);
    }
    for group in report.groups.iter().filter(|group| tells_something(group)) {
        out.push('\n');
        let shown = &group.lines[..group.lines.len().min(MOST_LINES)];
        table(&mut out, heading(group.by), shown, width);
        if let Some(more) = group.lines.len().checked_sub(MOST_LINES).filter(|more| *more > 0) {
            out.push_str(&format!("… and {more} more\n"));
        }
    }
    for words in report.notes.iter().map(note) {
        out.push('\n');
        wrapped(&mut out, "", &words, width);
    }
    out
}

/// One line that says "everything has no team" is no news.
fn tells_something(group: &Group) -> bool {
    group.lines.iter().any(|line| !line.name.is_empty())
}

fn cells(line: &Line) -> [String; 7] {
    [
        name(&line.name).to_owned(),
        thousands(line.calls),
        percent(line.share),
        dollars(line.paid),
        line.saved_share.map_or_else(|| "–".into(), percent),
        milliseconds(line.mean_ms),
        milliseconds(line.p95_ms),
    ]
}

const HEADS: [&str; 6] = ["Calls", "Share", "Cost", "Saved", "Mean", "p95"];

fn table(out: &mut String, head: &str, lines: &[Line], width: usize) {
    if width < NARROW {
        out.push_str(&format!("By {}\n", head.to_lowercase()));
        lines.iter().for_each(|line| block(out, line, width));
        return;
    }
    let rows: Vec<_> = lines.iter().map(cells).collect();
    let widths = widths(&rows, width);
    row(out, &widths, &std::array::from_fn(|at| if at == 0 { head } else { HEADS[at - 1] }.to_owned()));
    out.push_str(&"─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
    out.push('\n');
    rows.iter().for_each(|cells| row(out, &widths, cells));
}

/// Figures have fixed widths, so that all tables of a report stand under each other; names take what is left.
fn widths(rows: &[[String; 7]], width: usize) -> [usize; 7] {
    let mut widths = [0, 10, 7, 11, 8, 8, 8];
    for (at, own) in widths.iter_mut().enumerate().skip(1) {
        *own = rows.iter().map(|cells| cells[at].chars().count()).max().unwrap_or(0).max(*own);
    }
    let figures: usize = widths.iter().sum::<usize>() + 2 * 6;
    widths[0] = width.saturating_sub(figures).clamp(NAMES - 3, 34);
    widths
}

fn row(out: &mut String, widths: &[usize; 7], cells: &[String; 7]) {
    let mut line = format!("{:<1$}", shortened(&cells[0], widths[0]), widths[0]);
    for (cell, width) in cells.iter().zip(widths).skip(1) {
        line.push_str(&format!("  {cell:>width$}"));
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Keeps the end too: models of one family differ there.
fn shortened(text: &str, width: usize) -> String {
    let letters: Vec<char> = text.chars().map(|letter| if letter.is_control() { '�' } else { letter }).collect();
    if letters.len() <= width {
        return letters.into_iter().collect();
    }
    let (head, tail) = (width / 2, width - width / 2 - 1);
    letters[..head].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect()
}

fn block(out: &mut String, line: &Line, width: usize) {
    let [name, calls, share, cost, saved, mean, p95] = cells(line);
    out.push_str(&shortened(&name, width));
    out.push('\n');
    wrapped(out, "  ", &format!("{calls} calls, {share}; cost {cost}, saved {saved}; mean {mean}, p95 {p95}"), width);
}

fn total_line(out: &mut String, report: &Report, width: usize) {
    let (totals, money) = (&report.totals, &report.totals.money);
    let all = Line {
        name: "all".into(),
        calls: totals.calls,
        share: if totals.calls == 0 { 0.0 } else { 1.0 },
        paid: money.paid_in_all,
        saved_share: money.saved_share,
        mean_ms: totals.mean_ms,
        p95_ms: totals.p95_ms,
        ..Line::default()
    };
    if width < NARROW {
        block(out, &all, width);
    } else {
        let rows: Vec<_> = report.tiers.iter().map(cells).collect();
        row(out, &widths(&rows, width), &cells(&all));
    }
}

/// `head`, then words, broken at spaces and hanging under the first word (or indented by two where that is too narrow).
fn wrapped(out: &mut String, head: &str, words: &str, width: usize) {
    let head_width = head.chars().count();
    let (mut line, hanging) = if head_width * 2 > width {
        out.push_str(head.trim_end());
        out.push('\n');
        ("  ".to_owned(), 2)
    } else {
        (head.to_owned(), head_width)
    };
    let mut used = line.chars().count();
    let mut fresh = true;
    for word in words.split(' ') {
        let length = word.chars().count();
        if !fresh && used + 1 + length > width {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(hanging);
            used = hanging;
            fresh = true;
        }
        if !fresh {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
        fresh = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}
