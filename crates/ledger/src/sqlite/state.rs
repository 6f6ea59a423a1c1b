//! The state of a SQLite ledger: a second connection beside the writer of records, for rare and exact changes.

mod statements;

use super::reader::connect_to_read;
use super::{WRITE, connect, lock::WriterLock, refuse_folder, schema, store};
use crate::LedgerError;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a change waits for a group of records to be committed; groups take milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct StateStore {
    pub(super) path: PathBuf,
    identity: Option<(u64, u64)>,
    pub(super) db: Connection,
}

impl StateStore {
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|cause| LedgerError::Create { path: parent.into(), cause })?;
        }
        refuse_folder(path)?;
        let sqlite = |cause| LedgerError::from_sqlite(path, cause);
        let mut db = connect(path, WRITE, BUSY_TIMEOUT).map_err(sqlite)?;
        let found = schema::version(&db, path)?;
        if found != schema::NEWEST {
            upgrade(&mut db, path, found)?;
        }
        // What is said here was promised to somebody: a key that was revoked, money that was spent.
        db.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
        Ok(Self { path: path.into(), identity: store::identity(path), db })
    }

    /// Opens it for questions alone, as one may be that nobody here can change: nothing is made or upgraded.
    pub(crate) fn open_to_read(path: &Path) -> Result<Self, LedgerError> {
        let (identity, db) = connect_to_read(path, BUSY_TIMEOUT)?;
        Ok(Self { path: path.into(), identity, db })
    }

    /// Whether the file that was opened is still the one at its path.
    pub(crate) fn is_current(&self) -> bool {
        self.identity == store::identity(&self.path)
    }

    pub(super) fn failed(&self, cause: rusqlite::Error) -> LedgerError {
        LedgerError::from_sqlite(&self.path, cause)
    }
}

/// Only whoever may write records may change the schema.
fn upgrade(db: &mut Connection, path: &Path, found: i64) -> Result<(), LedgerError> {
    let _lock = match WriterLock::take(path) {
        Ok(lock) => lock,
        Err(LedgerError::InUse { .. }) if found > 0 => {
            return Err(LedgerError::OlderSchema { place: path.display().to_string(), found, known: schema::NEWEST });
        }
        // Its file was moved away, and ours is an empty one.
        Err(LedgerError::InUse { path, holder }) => return Err(LedgerError::NotBegun { path, holder }),
        Err(error) => return Err(error),
    };
    store::prepare(db).map_err(|cause| LedgerError::from_sqlite(path, cause))?;
    schema::upgrade(db, path)
}
