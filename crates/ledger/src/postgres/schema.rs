//! Versions of the schema: one file each, applied in order, all in one transaction.
//!
//! Replicas are replaced one by one, so a newer schema only adds (tables, columns with defaults, indexes): the previous
//! release goes on reading and writing beside it. Each step says which schema a process must know at least to do so.

use super::link::Link;
use super::locks;
use crate::LedgerError;
use std::time::Duration;
use tokio_postgres::types::Type;

/// What turns version n into n + 1, from the empty database on, and the oldest schema whose processes may go on beside
/// it. Released entries are never changed.
const STEPS: [(&str, i32); 5] = [
    (include_str!("schema_v1.sql"), 1),
    (include_str!("schema_v2.sql"), 1),
    (include_str!("schema_v3.sql"), 1),
    (include_str!("schema_v4.sql"), 1),
    (include_str!("schema_v5.sql"), 1),
];

/// The newest version, which this build writes.
pub(super) const NEWEST: i32 = STEPS.len() as i32;

/// The version that brought configs of replicas.
pub(super) const CONFIGS: i32 = 4;

/// How long an upgrade may take; it waits for others that upgrade.
const LIMIT: Duration = Duration::from_secs(120);

const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS tierway_schema (
    version integer NOT NULL,           -- steps that were applied
    oldest_beside integer NOT NULL      -- processes that know this version may still read and write
)";

/// Version of the database; 0 when it holds no ledger.
///
/// # Errors
/// [`LedgerError::NewerSchema`] when it is too new for this build.
pub(super) fn version(link: &Link) -> Result<i32, LedgerError> {
    let client = link.client();
    let found = link.run(LIMIT, async {
        let table = client.query_typed_one("SELECT to_regclass('tierway_schema') IS NOT NULL", &[]).await?;
        if !table.get::<_, bool>(0) {
            return Ok(None);
        }
        client.query_typed_opt("SELECT version, oldest_beside FROM tierway_schema", &[]).await
    })?;
    let Some((version, oldest_beside)) = found.map(|row| (row.get::<_, i32>(0), row.get::<_, i32>(1))) else {
        return Ok(0);
    };
    if oldest_beside > NEWEST {
        let (found, known) = (i64::from(version), i64::from(NEWEST));
        return Err(LedgerError::NewerSchema { place: link.place().to_owned(), found, known });
    }
    Ok(version)
}

/// Refuses a database that somebody who only asks cannot read: without a ledger, or older than the version that has what is
/// asked for.
pub(super) fn readable(link: &Link, needed: i32) -> Result<(), LedgerError> {
    let place = || link.place().to_owned();
    match version(link)? {
        0 => Err(LedgerError::Missing { place: place() }),
        found if found < needed => {
            Err(LedgerError::OlderSchema { place: place(), found: found.into(), known: needed.into() })
        }
        _ => Ok(()),
    }
}

/// Brings the database to the newest version; one process does, others wait and find it done.
pub(super) fn upgrade(link: &Link) -> Result<(), LedgerError> {
    let before = version(link)?;
    if before >= NEWEST {
        return Ok(());
    }
    let client = link.client();
    let applied = link.run(LIMIT, async {
        locks::begin(client, locks::SCHEMA).await?;
        client.batch_execute(VERSIONS).await?;
        let found = client.query_typed_opt("SELECT version FROM tierway_schema", &[]).await?;
        let from = found.map_or(0, |row| row.get::<_, i32>(0));
        for (number, (step, oldest_beside)) in (1..).zip(STEPS).skip_while(|(number, _)| *number <= from) {
            client.batch_execute(step).await?;
            let note = if number == 1 {
                "INSERT INTO tierway_schema (version, oldest_beside) VALUES ($1, $2)"
            } else {
                "UPDATE tierway_schema SET version = $1, oldest_beside = $2"
            };
            client.query_typed(note, &[(&number, Type::INT4), (&oldest_beside, Type::INT4)]).await?;
        }
        client.batch_execute("COMMIT").await?;
        Ok(from)
    })?;
    if applied > 0 && applied < NEWEST {
        tracing::info!(place = link.place(), from = applied, to = NEWEST, "ledger schema upgraded");
    }
    Ok(())
}
