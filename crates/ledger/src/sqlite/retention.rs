//! Forgets old rows in small steps, and gives their space back.
//!
//! Ids are ordered by time, so what is old lies together: rows are deleted from the front, pages become free, and
//! SQLite's incremental vacuum moves the last pages of the file into them. Whole days go, so that sums by the day stay
//! exact; sums by the hour go with their rows, except those by tier, of which there are few.

use crate::cells::{Cube, Grain, HOUR_MS};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use tierway_decide::RequestId;

/// Rows of one step: some 20 ms.
const ROWS: i64 = 8_192;
/// Hours whose sums go in one step.
const HOURS: i64 = 6;
/// Pages that one step moves.
const PAGES: i64 = 2_048;
/// Free pages that are left for the rows to come: 4 MB.
const SPARE_PAGES: i64 = 1_024;

/// One step. True when there is more to do.
pub(super) fn step(db: &mut Connection, before_day: i64) -> rusqlite::Result<bool> {
    let before_hour = before_day * 24;
    let more = delete(db, before_hour)?;
    let free: i64 = db.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    let surplus = free - SPARE_PAGES;
    if surplus <= 0 {
        return Ok(more);
    }
    db.pragma(None, "incremental_vacuum", surplus.min(PAGES), |_| Ok(()))?;
    Ok(more || surplus > PAGES)
}

fn delete(db: &mut Connection, before_hour: i64) -> rusqlite::Result<bool> {
    let end = RequestId::first_at(before_hour * HOUR_MS).as_i64();
    let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    step.prepare_cached("UPDATE hours SET expired = 1 WHERE hour < ?1 AND expired = 0")?.execute([before_hour])?;
    let first_left = step
        .prepare_cached("SELECT id FROM calls WHERE id < ?1 ORDER BY id LIMIT 1 OFFSET ?2")?
        .query_row([end, ROWS], |row| row.get::<_, i64>(0))
        .optional()?;
    step.prepare_cached("DELETE FROM calls WHERE id < ?1")?.execute([first_left.unwrap_or(end)])?;
    let mut more = first_left.is_some();
    for cube in [Cube::Routes, Cube::Callers] {
        let cube = (cube.code(), Grain::Hours.code());
        let oldest = step
            .prepare_cached("SELECT start FROM cells WHERE cube = ?1 AND grain = ?2 ORDER BY start LIMIT 1")?
            .query_row(cube, |row| row.get::<_, i64>(0))
            .optional()?;
        let Some(oldest) = oldest.filter(|oldest| *oldest < before_hour) else { continue };
        let until = (oldest + HOURS).min(before_hour);
        step.prepare_cached("DELETE FROM cells WHERE cube = ?1 AND grain = ?2 AND start < ?3")?
            .execute((cube.0, cube.1, until))?;
        more |= until < before_hour;
    }
    step.commit()?;
    Ok(more)
}
