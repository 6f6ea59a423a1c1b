//! Cells with their history, and alarms.

use super::{AlarmRow, CellChange};
use crate::codes::Code;
use crate::state::sql::{Columns, all, number, one, optional};
use crate::value::Value::{Integer, Real, Text};
use crate::{LedgerError, State};
use tierway_decide::quality::{CellKey, CellState, Interval};

/// What [`cell_change`] reads.
const CHANGE: &str = "version, at_ms, task_type, tier, was, state, author, why, verdicts, quality, low, high";

/// Every method fails with what the database says.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
impl State {
    /// Changes a cell; gives the version.
    pub fn change_cell(&mut self, change: &CellChange) -> Result<i64, LedgerError> {
        let sql =
            "INSERT INTO cell_changes (at_ms, task_type, tier, was, state, author, why, verdicts, quality, low, high)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING version";
        let values = [
            Integer(change.at_ms),
            Integer(change.cell.task_type.code()),
            Text(&change.cell.tier),
            Text(change.from.name()),
            Text(change.to.name()),
            Text(&change.author),
            Text(&change.why),
            number(change.verdicts),
            Real(change.quality.value),
            Real(change.quality.low),
            Real(change.quality.high),
        ];
        Ok(one(self.statements(), sql, &values, |row| row.integer(0))?.unwrap_or_default())
    }

    /// The number of the last change; 0 before there was one.
    pub fn cells_version(&mut self) -> Result<i64, LedgerError> {
        let sql = "SELECT coalesce(max(version), 0) FROM cell_changes";
        Ok(one(self.statements(), sql, &[], |row| row.integer(0))?.unwrap_or_default())
    }

    /// The last change of every cell that was ever changed.
    pub fn cells(&mut self) -> Result<Vec<CellChange>, LedgerError> {
        let sql = format!(
            "SELECT {CHANGE} FROM cell_changes
            WHERE version IN (SELECT max(version) FROM cell_changes GROUP BY task_type, tier) ORDER BY task_type, tier"
        );
        all(self.statements(), &sql, &[], cell_change)
    }

    /// Of every cell that was ever changed the last change, and the last after which other traffic is looked at than before
    /// (any but from open to proven); the newest first.
    pub fn cells_since(&mut self) -> Result<Vec<CellChange>, LedgerError> {
        let sql = format!(
            "SELECT {CHANGE} FROM cell_changes
            WHERE version IN (SELECT max(version) FROM cell_changes GROUP BY task_type, tier)
            OR version IN (SELECT max(version) FROM cell_changes WHERE NOT (was = ?1 AND state = ?2)
            GROUP BY task_type, tier) ORDER BY version DESC"
        );
        let values = [Text(CellState::Open.name()), Text(CellState::Proven.name())];
        all(self.statements(), &sql, &values, cell_change)
    }

    /// The change of that number.
    pub fn cell_changed(&mut self, version: i64) -> Result<Option<CellChange>, LedgerError> {
        let sql = format!("SELECT {CHANGE} FROM cell_changes WHERE version = ?1");
        one(self.statements(), &sql, &[Integer(version)], cell_change)
    }

    /// So many changes, the newest first.
    pub fn cell_history(&mut self, limit: usize) -> Result<Vec<CellChange>, LedgerError> {
        let sql = format!("SELECT {CHANGE} FROM cell_changes ORDER BY version DESC LIMIT ?1");
        all(self.statements(), &sql, &[number(limit as u64)], cell_change)
    }

    /// Keeps an alarm; gives its number.
    pub fn raise_alarm(&mut self, alarm: &AlarmRow) -> Result<i64, LedgerError> {
        let sql =
            "INSERT INTO alarms (at_ms, task_type, tier, words, delivered) VALUES (?1, ?2, ?3, ?4, 0) RETURNING id";
        let task_type = optional(alarm.task_type, |task| Integer(task.code()));
        let values = [Integer(alarm.at_ms), task_type, Text(&alarm.tier), Text(&alarm.words)];
        Ok(one(self.statements(), sql, &values, |row| row.integer(0))?.unwrap_or_default())
    }

    /// Notes that an alarm went to the webhook.
    pub fn alarm_delivered(&mut self, id: i64) -> Result<(), LedgerError> {
        self.statements().change("UPDATE alarms SET delivered = 1 WHERE id = ?1", &[Integer(id)]).map(|_| ())
    }

    /// Alarms since a moment, the newest first.
    pub fn alarms(&mut self, from_ms: i64, limit: usize) -> Result<Vec<AlarmRow>, LedgerError> {
        let sql = "SELECT id, at_ms, task_type, tier, words, delivered FROM alarms WHERE at_ms >= ?1 ORDER BY id DESC LIMIT ?2";
        all(self.statements(), sql, &[Integer(from_ms), number(limit as u64)], |row| {
            Ok(AlarmRow {
                id: row.integer(0)?,
                at_ms: row.integer(1)?,
                task_type: row.opt_coded(2)?,
                tier: row.text(3)?,
                words: row.text(4)?,
                delivered: row.integer(5)? == 1,
            })
        })
    }
}

fn cell_change(row: &Columns<'_>) -> Result<CellChange, LedgerError> {
    Ok(CellChange {
        version: row.integer(0)?,
        at_ms: row.integer(1)?,
        cell: CellKey { task_type: row.coded(2)?, tier: row.text(3)? },
        from: row.named(4, CellState::find)?,
        to: row.named(5, CellState::find)?,
        author: row.text(6)?,
        why: row.text(7)?,
        verdicts: row.count(8)?,
        quality: Interval { value: row.double(9)?, low: row.double(10)?, high: row.double(11)? },
    })
}
