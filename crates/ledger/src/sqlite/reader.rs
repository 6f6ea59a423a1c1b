//! Questions to a ledger, beside its writer.

use super::store::identity;
use super::view::SqliteView;
use super::{READ, connect, connect_immutable, refuse_folder, schema};
use crate::LedgerError;
use rusqlite::{Connection, TransactionBehavior};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a question waits for the writer; in a write-ahead log only recovery after a crash makes it wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Negative: KiB. Holds the sums of weeks.
const CACHE_KIB: i64 = -16_384;

pub(crate) struct SqliteReader {
    path: PathBuf,
    identity: Option<(u64, u64)>,
    db: Connection,
}

impl SqliteReader {
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let (identity, db) = connect_to_read(path, BUSY_TIMEOUT)?;
        db.pragma_update(None, "cache_size", CACHE_KIB).map_err(|cause| LedgerError::from_sqlite(path, cause))?;
        Ok(Self { path: path.into(), identity, db })
    }

    /// Whether the file that was opened is still the one at its path.
    pub(crate) fn is_current(&self) -> bool {
        self.identity == identity(&self.path)
    }

    /// Every question sees one state of the ledger, whatever the writer does meanwhile.
    pub(crate) fn view(&mut self) -> Result<SqliteView<'_>, LedgerError> {
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Deferred);
        let transaction = transaction.map_err(|cause| LedgerError::from_sqlite(&self.path, cause))?;
        Ok(SqliteView::new(transaction, &self.path))
    }
}

/// Connects to a store of this version, and changes nothing; with what tells its file from another one.
pub(super) fn connect_to_read(
    path: &Path,
    patience: Duration,
) -> Result<(Option<(u64, u64)>, Connection), LedgerError> {
    // One that cannot be looked for may be there; below what is no folder nothing is.
    if path.try_exists().map_or_else(|error| error.kind() == ErrorKind::NotADirectory, |there| !there) {
        return Err(LedgerError::Missing { place: path.display().to_string() });
    }
    refuse_folder(path)?;
    let sqlite = |cause| LedgerError::from_sqlite(path, cause);
    let identity = identity(path);
    let opened = connect(path, READ, patience).map_err(sqlite).and_then(|db| Ok((schema::version(&db, path)?, db)));
    let (version, db) = match opened {
        // SQLite wants to keep an index of the log beside the file; where nothing can be made, nobody writes either.
        Err(LedgerError::ReadOnly { .. }) if !has_log(path) => {
            let db = connect_immutable(path, patience).map_err(sqlite)?;
            (schema::version(&db, path)?, db)
        }
        opened => opened?,
    };
    match version {
        schema::NEWEST => Ok((identity, db)),
        0 => Err(LedgerError::Missing { place: path.display().to_string() }),
        found => Err(LedgerError::OlderSchema { place: path.display().to_string(), found, known: schema::NEWEST }),
    }
}

/// Records that are only in the log beside the file, so that the file alone is not all.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}
