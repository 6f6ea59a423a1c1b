//! The report for a terminal, however narrow.

use crate::figures::{Amounts, cost, milliseconds, percent, period, thousands};
use crate::report::{Line, Report};
use crate::wording::{facts, heading, member, name, note, tells_something};

/// Narrower terminals are taken for this.
const LEAST_WIDTH: usize = 32;
/// Lines of a group that are shown; the rest is counted.
const MOST_LINES: usize = 8;
/// Room for the names of facts.
const NAMES: usize = 16;
/// Room for the names of lines in a table, at least and at most.
const LEAST_NAME: usize = 12;
const MOST_NAME: usize = 34;

/// Renders for a terminal of `width` columns; fewer than 32 are taken for 32.
#[must_use]
pub fn text(report: &Report, width: usize) -> String {
    let width = width.clamp(LEAST_WIDTH, 110);
    let mut out = String::from("tierway report\n");
    wrapped(&mut out, "", &period(report.from_ms, report.to_ms), width);
    out.push('\n');
    let shown: Vec<_> = report.groups.iter().filter(|group| tells_something(group)).collect();
    let tiers: Vec<_> = report.tiers.iter().cloned().chain([total(report)]).collect();
    let amounts = Amounts::of(report);
    let layout = Layout::of(tiers.iter().chain(shown.iter().flat_map(|group| &group.lines)), amounts, width);
    table(&mut out, "Tier", &tiers, amounts, layout);
    out.push('\n');
    for fact in facts(report) {
        let head = format!("{:<NAMES$}  {:>12}  ", fact.name, fact.value);
        wrapped(&mut out, &head, &fact.more, width);
    }
    for group in shown {
        out.push('\n');
        let (fit, more) = crate::shown(group.lines.len(), MOST_LINES);
        let named = |line: &Line| Line { name: member(group.by, line).to_owned(), ..line.clone() };
        table(&mut out, heading(group.by), &group.lines[..fit].iter().map(named).collect::<Vec<_>>(), amounts, layout);
        if more > 0 {
            out.push_str(&format!("… and {more} more\n"));
        }
    }
    for words in report.notes.iter().map(|one| note(one, amounts)) {
        out.push('\n');
        wrapped(&mut out, "", &words, width);
    }
    out
}

fn cells(line: &Line, amounts: Amounts) -> [String; 7] {
    [
        name(&line.name).to_owned(),
        thousands(line.calls),
        percent(line.share),
        cost(line, amounts),
        line.saved_share.map_or_else(|| "–".into(), percent),
        milliseconds(line.mean_ms),
        milliseconds(line.p95_ms),
    ]
}

const HEADS: [&str; 6] = ["Calls", "Share", "Cost", "Saved", "Mean", "p95"];

/// One for all tables of a report, so that figures stand under each other.
#[derive(Clone, Copy)]
enum Layout {
    /// Columns of these widths.
    Columns([usize; 7]),
    /// A table would wrap in so few columns: each line becomes a small block.
    Blocks(usize),
}

impl Layout {
    fn of<'a>(lines: impl Iterator<Item = &'a Line>, amounts: Amounts, width: usize) -> Self {
        let mut widths = [0, 9, 6, 10, 7, 7, 7];
        for cells in lines.map(|line| cells(line, amounts)) {
            for (own, cell) in widths.iter_mut().zip(&cells).skip(1) {
                *own = cell.chars().count().max(*own);
            }
        }
        // Names take what is left.
        let figures: usize = widths.iter().sum::<usize>() + 2 * 6;
        match width.checked_sub(figures) {
            Some(left) if left >= LEAST_NAME => {
                widths[0] = left.min(MOST_NAME);
                Self::Columns(widths)
            }
            _ => Self::Blocks(width),
        }
    }
}

fn table(out: &mut String, head: &str, lines: &[Line], amounts: Amounts, layout: Layout) {
    match layout {
        Layout::Blocks(width) => {
            out.push_str(&format!("By {}\n", head.to_lowercase()));
            lines.iter().for_each(|line| block(out, &cells(line, amounts), width));
        }
        Layout::Columns(widths) => {
            row(out, &widths, &std::array::from_fn(|at| if at == 0 { head } else { HEADS[at - 1] }.to_owned()));
            out.push_str(&"─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
            out.push('\n');
            lines.iter().for_each(|line| row(out, &widths, &cells(line, amounts)));
        }
    }
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

fn block(out: &mut String, cells: &[String; 7], width: usize) {
    let [name, calls, share, cost, saved, mean, p95] = cells;
    out.push_str(&shortened(name, width));
    out.push('\n');
    wrapped(
        out,
        "  ",
        &format!(
            "{calls} {}, {share}; cost {cost}, saved {saved}; mean {mean}, p95 {p95}",
            if calls == "1" { "call" } else { "calls" }
        ),
        width,
    );
}

fn total(report: &Report) -> Line {
    let (totals, money) = (&report.totals, &report.totals.money);
    Line {
        name: "all".into(),
        calls: totals.calls,
        share: if totals.calls == 0 { 0.0 } else { 1.0 },
        paid: money.paid_in_all,
        saved_share: money.saved_share,
        mean_ms: totals.mean_ms,
        p95_ms: totals.p95_ms,
        ..Line::default()
    }
}

/// `head`, then words, broken at spaces and hanging under the first word (or indented by two where that is too narrow).
pub fn wrapped(out: &mut String, head: &str, words: &str, width: usize) {
    let width = width.max(LEAST_WIDTH);
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
