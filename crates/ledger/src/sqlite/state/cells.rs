//! Cells and their history, alarms, versions of evidence.

use super::StateStore;
use super::quality::{coded, signed};
use crate::LedgerError;
use crate::codes::Code;
use crate::state::quality::{AlarmRow, CellChange, EvidenceVersion};
use rusqlite::{Row, params};
use tierway_decide::TaskType;
use tierway_decide::quality::{CellKey, CellState, Interval};

impl StateStore {
    pub(crate) fn change_cell(&mut self, change: &CellChange) -> Result<i64, LedgerError> {
        self.write(|db| {
            db.prepare_cached(
                "INSERT INTO cell_changes (at_ms, task_type, tier, was, state, author, why, verdicts, quality, low, high)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                change.at_ms,
                change.cell.task_type.code(),
                change.cell.tier,
                change.from.name(),
                change.to.name(),
                change.author,
                change.why,
                signed(change.verdicts),
                change.quality.value,
                change.quality.low,
                change.quality.high,
            ])
        })?;
        Ok(self.db.last_insert_rowid())
    }

    pub(crate) fn cells_version(&mut self) -> Result<i64, LedgerError> {
        self.one("SELECT max(version) FROM cell_changes", [], |row| row.get::<_, Option<i64>>(0))
            .map(|version| version.flatten().unwrap_or_default())
    }

    pub(crate) fn cells(&mut self) -> Result<Vec<CellChange>, LedgerError> {
        self.all(
            "SELECT * FROM cell_changes WHERE version IN (SELECT max(version) FROM cell_changes GROUP BY task_type, tier)
            ORDER BY task_type, tier",
            [],
            cell_change,
        )
    }

    pub(crate) fn cell_history(&mut self, limit: usize) -> Result<Vec<CellChange>, LedgerError> {
        let limit = signed(limit as u64);
        self.all("SELECT * FROM cell_changes ORDER BY version DESC LIMIT ?1", [limit], cell_change)
    }

    pub(crate) fn raise_alarm(&mut self, alarm: &AlarmRow) -> Result<i64, LedgerError> {
        self.write(|db| {
            db.prepare_cached(
                "INSERT INTO alarms (at_ms, task_type, tier, words, delivered) VALUES (?1, ?2, ?3, ?4, 0)",
            )?
            .execute(params![alarm.at_ms, alarm.task_type.map(Code::code), alarm.tier, alarm.words])
        })?;
        Ok(self.db.last_insert_rowid())
    }

    pub(crate) fn alarm_delivered(&mut self, id: i64) -> Result<(), LedgerError> {
        self.write(|db| db.prepare_cached("UPDATE alarms SET delivered = 1 WHERE id = ?1")?.execute([id]))
    }

    pub(crate) fn alarms(&mut self, from: i64, limit: usize) -> Result<Vec<AlarmRow>, LedgerError> {
        self.all(
            "SELECT id, at_ms, task_type, tier, words, delivered FROM alarms WHERE at_ms >= ?1 ORDER BY id DESC LIMIT ?2",
            [from, signed(limit as u64)],
            |row| {
                Ok(AlarmRow {
                    id: row.get(0)?,
                    at_ms: row.get(1)?,
                    task_type: row.get::<_, Option<i64>>(2)?.and_then(TaskType::from_code),
                    tier: row.get(3)?,
                    words: row.get(4)?,
                    delivered: row.get(5)?,
                })
            },
        )
    }

    pub(crate) fn keep_evidence(&mut self, version: &EvidenceVersion, evidence: &str) -> Result<i64, LedgerError> {
        let path = self.path.clone();
        let keep = |db: &mut rusqlite::Connection| {
            let change = db.transaction()?;
            change.execute("UPDATE evidence_versions SET in_force = 0", [])?;
            change.execute(
                "INSERT INTO evidence_versions (at_ms, author, why, outcomes, in_force, evidence) VALUES (?, ?, ?, ?, 1, ?)",
                params![version.at_ms, version.author, version.why, signed(version.outcomes), evidence],
            )?;
            let number = change.last_insert_rowid();
            change.commit()?;
            Ok(number)
        };
        keep(&mut self.db).map_err(|cause| LedgerError::from_sqlite(&path, cause))
    }

    pub(crate) fn evidence_versions(&mut self) -> Result<Vec<EvidenceVersion>, LedgerError> {
        self.all(
            "SELECT version, at_ms, author, why, outcomes, in_force FROM evidence_versions ORDER BY version DESC",
            [],
            |row| {
                Ok(EvidenceVersion {
                    version: row.get(0)?,
                    at_ms: row.get(1)?,
                    author: row.get(2)?,
                    why: row.get(3)?,
                    outcomes: row.get::<_, i64>(4)?.cast_unsigned(),
                    in_force: row.get(5)?,
                })
            },
        )
    }

    pub(crate) fn evidence(&mut self, version: i64) -> Result<Option<String>, LedgerError> {
        self.one("SELECT evidence FROM evidence_versions WHERE version = ?1", [version], |row| row.get(0))
    }
}

fn cell_change(row: &Row<'_>) -> rusqlite::Result<CellChange> {
    let state = |name: &str| -> rusqlite::Result<CellState> {
        let text: String = row.get(name)?;
        CellState::find(&text).ok_or_else(|| rusqlite::Error::InvalidColumnName(text))
    };
    Ok(CellChange {
        version: row.get("version")?,
        at_ms: row.get("at_ms")?,
        cell: CellKey { task_type: coded(row, 2)?, tier: row.get("tier")? },
        from: state("was")?,
        to: state("state")?,
        author: row.get("author")?,
        why: row.get("why")?,
        verdicts: row.get::<_, i64>("verdicts")?.cast_unsigned(),
        quality: Interval { value: row.get("quality")?, low: row.get("low")?, high: row.get("high")? },
    })
}
