//! Questions to a ledger, beside its writer.

use super::row;
use super::schema;
use super::words::Spelling;
use crate::{LedgerError, StoredCall};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tierway_decide::RequestId;

/// How long a question waits for the writer; in a write-ahead log only recovery after a crash makes it wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct SqliteReader {
    path: PathBuf,
    db: Connection,
}

impl SqliteReader {
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        if !path.exists() {
            return Err(LedgerError::Missing { path: path.into() });
        }
        let sqlite = |cause| LedgerError::from_sqlite(path, cause);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(sqlite)?;
        db.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
        match schema::version(&db, path)? {
            schema::NEWEST => Ok(Self { path: path.into(), db }),
            0 => Err(LedgerError::Missing { path: path.into() }),
            found => Err(LedgerError::OlderSchema { path: path.into(), found, known: schema::NEWEST }),
        }
    }

    pub(crate) fn call(&mut self, id: RequestId) -> Result<Option<StoredCall>, LedgerError> {
        let path = self.path.clone();
        let sqlite = |cause| LedgerError::from_sqlite(&path, cause);
        // One transaction: the words of the row are those that were there with it.
        let view = self.db.transaction_with_behavior(TransactionBehavior::Deferred).map_err(sqlite)?;
        let spelling = Spelling::load(&view).map_err(sqlite)?;
        let sql = format!("SELECT {} FROM calls WHERE id = ?1", row::COLUMNS);
        let mut select = view.prepare_cached(&sql).map_err(sqlite)?;
        let found = select.query_row([id.as_i64()], |row| Ok(row::read(row, &spelling, &path))).optional();
        found.map_err(sqlite)?.transpose()
    }
}
