//! Tables for a terminal: columns as wide as what is in them.

use std::io::{self, Write};

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
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column < left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
