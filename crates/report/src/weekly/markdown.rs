//! The week as Markdown; also what a terminal shows.

use super::Weekly;
use super::story::{headlines, left_out, notes, period, points, tables};

/// Renders Markdown. Names that clients chose cannot break out of their cells.
#[must_use]
pub fn weekly_markdown(weekly: &Weekly) -> String {
    let mut out = format!("# tierway, the week\n\n{}\n", period(weekly));
    for line in headlines(weekly) {
        out.push_str(&format!("\n**{}: {}**\n{}.\n", line.name, escaped(&line.value), escaped(&line.more)));
    }
    for words in notes(weekly) {
        out.push_str(&format!("\n> {}\n", escaped(&words)));
    }
    if !weekly.misroutes.is_empty() {
        out.push_str("\n## What to do\n");
        for (number, point) in (1usize..).zip(points(weekly)) {
            let (advice, code) = (point.advice, |command: &String| format!("`{command}`"));
            let wrong: Vec<_> =
                point.misroutes.iter().map(|one| format!("**{}.**", escaped(&one.sentence()))).collect();
            let look: Vec<_> = point.look.iter().map(code).collect();
            out.push_str(&format!("\n{number}. {} {}\n", wrong.join("\n   "), advice.words));
            out.push_str(&format!("\n   ```toml\n   {}\n   ```\n", advice.config.replace('\n', "\n   ")));
            out.push_str(&format!("\n   Try it first: {}. Look: {}.\n", code(&point.command), look.join(", ")));
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

/// Text of clients stays text: no table cell, heading, link or tag begins in it. What is code stays as it is, because there
/// nothing else begins, and an escape would be shown; code is what a reader of Markdown takes for it: from some backticks to the
/// next as many.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('`') {
        let ticks = rest[at..].bytes().take_while(|byte| *byte == b'`').count();
        let (before, after) = (&rest[..at], &rest[at + ticks..]);
        put_escaped(&mut out, before);
        let Some(end) = closing(after, ticks) else {
            out.extend(std::iter::repeat_n("\\`", ticks));
            rest = after;
            continue;
        };
        let code = &rest[at..at + ticks + end + ticks];
        // In a table a bar ends the cell even there.
        out.extend(code.chars().map(|letter| if letter.is_control() || letter == '|' { ' ' } else { letter }));
        rest = &rest[code.len() + at..];
    }
    put_escaped(&mut out, rest);
    out
}

/// Where the next run of exactly so many backticks begins.
fn closing(text: &str, ticks: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text[at..].find('`') {
        let run = text[at + found..].bytes().take_while(|byte| *byte == b'`').count();
        if run == ticks {
            return Some(at + found);
        }
        at += found + run;
    }
    None
}

fn put_escaped(out: &mut String, text: &str) {
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
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn text_stays_text_and_code_stays_code() {
        for (text, want) in [
            ("a_b | <i>", "a\\_b \\| \\<i\\>"),
            ("`text_days` in [quality]", "`text_days` in \\[quality\\]"),
            ("one ` <b>alone</b>", "one \\` \\<b\\>alone\\</b\\>"),
            ("a`b_c; `d_e` f_g", "a`b_c; `d\\_e\\` f\\_g"),
            ("``a`b_c`` d_e", "``a`b_c`` d\\_e"),
            ("`a|b\nc`", "`a b c`"),
            ("``", "\\`\\`"),
        ] {
            assert_eq!(escaped(text), want, "{text}");
        }
    }
}
