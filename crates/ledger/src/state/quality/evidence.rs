//! Evidence that calibration wrote, each version whole. The newest is in force: going back to an older one is a new version
//! with its content, so that what was in force when, and why, stays written down.

use super::EvidenceVersion;
use crate::state::sql::{Columns, all, number, one};
use crate::value::Value::{Integer, Text};
use crate::{LedgerError, State};

/// What [`version`] reads.
const VERSION: &str = "version, at_ms, author, why, outcomes,
    CASE WHEN version = (SELECT max(version) FROM evidence_versions) THEN 1 ELSE 0 END";

/// Every method fails with what the database says.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
impl State {
    /// Keeps evidence as a new version, which is in force from now on; gives its number. `version` and `in_force` of what
    /// is given do not count.
    pub fn keep_evidence(&mut self, version: &EvidenceVersion, evidence: &str) -> Result<i64, LedgerError> {
        let sql = "INSERT INTO evidence_versions (at_ms, author, why, outcomes, in_force, evidence)
            VALUES (?1, ?2, ?3, ?4, 1, ?5) RETURNING version";
        let values = [
            Integer(version.at_ms),
            Text(&version.author),
            Text(&version.why),
            number(version.outcomes),
            Text(evidence),
        ];
        Ok(one(self.statements(), sql, &values, |row| row.integer(0))?.unwrap_or_default())
    }

    /// All versions, the newest first.
    pub fn evidence_versions(&mut self) -> Result<Vec<EvidenceVersion>, LedgerError> {
        all(self.statements(), &format!("SELECT {VERSION} FROM evidence_versions ORDER BY version DESC"), &[], version)
    }

    /// The version in force, if any was kept yet.
    pub fn newest_evidence(&mut self) -> Result<Option<EvidenceVersion>, LedgerError> {
        let sql = format!("SELECT {VERSION} FROM evidence_versions ORDER BY version DESC LIMIT 1");
        one(self.statements(), &sql, &[], version)
    }

    /// The evidence of a version.
    pub fn evidence(&mut self, version: i64) -> Result<Option<String>, LedgerError> {
        let sql = "SELECT evidence FROM evidence_versions WHERE version = ?1";
        one(self.statements(), sql, &[Integer(version)], |row| row.text(0))
    }
}

fn version(row: &Columns<'_>) -> Result<EvidenceVersion, LedgerError> {
    Ok(EvidenceVersion {
        version: row.integer(0)?,
        at_ms: row.integer(1)?,
        author: row.text(2)?,
        why: row.text(3)?,
        outcomes: row.count(4)?,
        in_force: row.flag(5)?,
    })
}
