//! Tables and facts for a terminal: columns as wide as what is in them, lines no wider than the terminal.

use crate::report::fold;
use std::io::{self, Write};
use tierway_report::wrapped;

/// Prints a fact: its head, then words that hang beside it.
pub(crate) fn fact(out: &mut impl Write, head: &str, words: &str) -> io::Result<()> {
    let mut line = String::new();
    wrapped(&mut line, head, words, fold());
    out.write_all(line.as_bytes())
}

/// Each row as a small block, for a terminal that is too narrow for the table: its first cells, then the others with their heads.
fn blocks<const N: usize>(out: &mut impl Write, rows: &[[String; N]], first: usize) -> io::Result<()> {
    let Some((heads, rows)) = rows.split_first() else { return Ok(()) };
    for row in rows {
        let others = heads.iter().zip(row).skip(first).filter(|(_, cell)| !cell.is_empty());
        let others: Vec<_> = others.map(|(head, cell)| format!("{head} {cell}")).collect();
        writeln!(out, "{}", row[..first].join(" "))?;
        fact(out, "  ", &others.join(", "))?;
    }
    Ok(())
}

/// Prints rows below their heads. The first `left` columns hold words and stand left, the others figures and stand right.
pub(crate) fn print<const N: usize>(
    out: &mut impl Write,
    heads: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    left: usize,
) -> io::Result<()> {
    let rows: Vec<_> = std::iter::once(heads.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    if widths.iter().sum::<usize>() + 2 * (N - 1) > fold() {
        return blocks(out, &rows, if left < N { left } else { 1 });
    }
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column < left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
