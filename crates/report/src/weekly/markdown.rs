//! The week as Markdown; also what a terminal shows.

use super::Weekly;
use super::story::{headlines, left_out, period, tables};

/// Renders Markdown. Names that clients chose cannot break out of their cells.
#[must_use]
pub fn weekly_markdown(weekly: &Weekly) -> String {
    let mut out = format!("# tierway, the week\n\n{}\n", period(weekly));
    for line in headlines(weekly) {
        out.push_str(&format!("\n**{}: {}**\n{}.\n", line.name, escaped(&line.value), escaped(&line.more)));
    }
    for words in weekly.report.notes.iter().map(crate::wording::note) {
        out.push_str(&format!("\n> {}\n", escaped(&words)));
    }
    if !weekly.misroutes.is_empty() {
        out.push_str("\n## What to do\n");
        for (number, one) in (1usize..).zip(&weekly.misroutes) {
            let ids: Vec<_> = one.examples.iter().map(|id| format!("`tierway explain {id}`")).collect();
            out.push_str(&format!("\n{number}. **{}.** {}\n", escaped(&one.sentence()), one.advice.words));
            out.push_str(&format!("\n   ```toml\n   {}\n   ```\n", one.advice.config.replace('\n', "\n   ")));
            out.push_str(&format!("\n   Try it first: `{}`. Look: {}.\n", one.advice.command, ids.join(", ")));
        }
    }
    out.push_str("\n## Left out or failed\n\n");
    left_out(weekly).iter().for_each(|line| out.push_str(&format!("- {}\n", escaped(line))));
    for table in tables(weekly) {
        out.push_str(&format!(
            "\n## {}\n\n| | {} |\n| --- | ---: | ---: | ---: | ---: |\n",
            table.title,
            table.heads.join(" | ")
        ));
        for row in &table.rows {
            let cells: Vec<_> = row.iter().map(|cell| escaped(cell)).collect();
            out.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    out
}

/// Text of clients stays text: no table cell, heading, link or tag begins in it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '<' | '>' | '[' | ']' | '*' | '_' | '#' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
