//! Sums in the file.

use super::view::Fields;
use crate::cells::{COLUMNS, DIMENSIONS, Known, NUMBERS, Sums, merge_figures, numbers};
use crate::{Figures, LedgerError};
use rusqlite::{OptionalExtension, Transaction};
use std::path::Path;

const ADD_TO_HOUR: &str = "INSERT INTO hours (hour, calls, digest, expired) VALUES (?1, ?2, ?3, 0)
    ON CONFLICT (hour) DO UPDATE SET calls = calls + excluded.calls, digest = excluded.digest";

const ONE_CELL: &str = "cube = ? AND grain = ? AND start = ? AND tier = ? AND provider = ? AND model = ? \
AND task_type = ? AND complexity = ? AND reason = ? AND team = ? AND key = ?";

/// Selects whole cells.
pub(crate) fn select_cells(condition: &str) -> String {
    format!("SELECT {COLUMNS} FROM cells WHERE {condition}")
}

fn replace_cell() -> String {
    let marks = vec!["?"; DIMENSIONS + NUMBERS + 2].join(",");
    format!("INSERT OR REPLACE INTO cells ({COLUMNS}) VALUES ({marks})")
}

/// Adds a group's sums to the file.
pub(crate) fn write(transaction: &Transaction, known: &mut Known, sums: Sums, path: &Path) -> Result<(), LedgerError> {
    let sqlite = |cause| LedgerError::from_sqlite(path, cause);
    add_to_hours(transaction, &sums).map_err(sqlite)?;
    let mut select = transaction.prepare_cached(&select_cells(ONE_CELL)).map_err(sqlite)?;
    let mut replace = transaction.prepare_cached(&replace_cell()).map_err(sqlite)?;
    let added = sums.into_cells();
    for place in known.missing(added.keys()) {
        let mut figures = Figures::default();
        let mut stored = select.query(place.columns()).map_err(sqlite)?;
        if let Some(row) = stored.next().map_err(sqlite)? {
            merge_figures(&Fields::new(row, path), &mut figures)?;
        }
        known.learn(place, figures);
    }
    let (mut total, mut first_byte) = (Vec::new(), Vec::new());
    for (place, added) in added {
        let figures = known.add(place, &added);
        total.clear();
        figures.total.pack(&mut total);
        first_byte.clear();
        figures.first_byte.pack(&mut first_byte);
        let mut bind = || {
            let mut last = 0;
            for number in place.columns().into_iter().chain(numbers(figures)) {
                last += 1;
                replace.raw_bind_parameter(last, number)?;
            }
            replace.raw_bind_parameter(last + 1, &*total)?;
            replace.raw_bind_parameter(last + 2, &*first_byte)?;
            replace.raw_execute()
        };
        bind().map_err(sqlite)?;
    }
    Ok(())
}

fn add_to_hours(transaction: &Transaction, sums: &Sums) -> rusqlite::Result<()> {
    let mut digest_of = transaction.prepare_cached("SELECT digest FROM hours WHERE hour = ?1")?;
    let mut add_to_hour = transaction.prepare_cached(ADD_TO_HOUR)?;
    for (hour, (calls, digest)) in sums.hours() {
        // Wraps in Rust: SQLite's sums turn into floats where they overflow.
        let before = digest_of.query_row([hour], |row| row.get::<_, i64>(0)).optional()?.unwrap_or(0);
        add_to_hour.execute((hour, calls, before.wrapping_add(*digest)))?;
    }
    Ok(())
}
