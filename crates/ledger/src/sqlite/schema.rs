//! Versions of the schema: one file each, applied in order, each in one transaction.

use crate::LedgerError;
use rusqlite::Connection;
use std::path::Path;

/// Marks a SQLite file as ours ("tier" in ASCII).
const APPLICATION_ID: i64 = 0x7469_6572;

/// What turns version n into n + 1, from the empty file on. Released entries are never changed.
const STEPS: [&str; 2] = [include_str!("schema_v1.sql"), include_str!("schema_v2.sql")];

/// The newest version, which this build writes.
#[expect(clippy::cast_possible_wrap, reason = "a handful of versions")]
pub(crate) const NEWEST: i64 = STEPS.len() as i64;

/// Version of an open database; 0 when it is empty.
pub(crate) fn version(db: &Connection, path: &Path) -> Result<i64, LedgerError> {
    let sqlite = |cause| LedgerError::from_sqlite(path, cause);
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(sqlite);
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    if application == APPLICATION_ID {
        return if version <= NEWEST {
            Ok(version)
        } else {
            Err(LedgerError::NewerSchema { place: path.display().to_string(), found: version, known: NEWEST })
        };
    }
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(sqlite)?;
    if tables == 0 { Ok(0) } else { Err(LedgerError::NotALedger { path: path.into() }) }
}

/// Brings the database to the newest version.
pub(crate) fn upgrade(db: &mut Connection, path: &Path) -> Result<(), LedgerError> {
    upgrade_by(db, path, &STEPS)
}

fn upgrade_by(db: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), LedgerError> {
    let from = version(db, path)?;
    for (before, step) in (0i64..).zip(steps).skip_while(|(before, _)| *before < from) {
        let apply = |db: &mut Connection| {
            let transaction = db.transaction()?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", before + 1)?;
            transaction.commit()
        };
        apply(db).map_err(|cause| LedgerError::from_sqlite(path, cause))?;
        if before > 0 {
            tracing::info!(path = %path.display(), from = before, to = before + 1, "ledger schema upgraded");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upgraded(db: &mut Connection, steps: &[&str]) -> Result<i64, LedgerError> {
        upgrade_by(db, Path::new("test.db"), steps)?;
        version(db, Path::new("test.db"))
    }

    #[test]
    fn each_step_is_applied_once_and_a_step_that_fails_leaves_nothing_behind() {
        let mut db = Connection::open_in_memory().unwrap();
        let first = STEPS[0];
        assert_eq!(upgraded(&mut db, &[first]).unwrap(), 1);
        db.execute("INSERT INTO words (id, text) VALUES (7, 'kept')", []).unwrap();
        assert_eq!(upgraded(&mut db, &[first]).unwrap(), 1);

        let broken = "CREATE TABLE half (a); CREATE TABLE half (a);";
        assert!(upgraded(&mut db, &[first, broken]).is_err());
        assert_eq!(version(&db, Path::new("test.db")).unwrap(), 1);
        assert!(db.prepare("SELECT * FROM half").is_err());

        // Refused as newer only by what does not know it.
        let unknown = "ALTER TABLE words ADD COLUMN used INTEGER;";
        let all: Vec<&str> = STEPS.into_iter().chain([unknown]).collect();
        upgrade_by(&mut db, Path::new("test.db"), &all).unwrap();
        let kept: (String, Option<i64>) = db
            .query_row("SELECT text, used FROM words WHERE id = 7", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(kept, ("kept".into(), None));
        let newer = NEWEST + 1;
        let found = version(&db, Path::new("test.db"));
        assert!(matches!(found, Err(LedgerError::NewerSchema { found, .. }) if found == newer));
    }
}
