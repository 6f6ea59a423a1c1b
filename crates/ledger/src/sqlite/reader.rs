//! Questions to a ledger, beside its writer.

use super::store::identity;
use super::view::SqliteView;
use super::{READ, connect, schema};
use crate::LedgerError;
use rusqlite::{Connection, TransactionBehavior};
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
        if !path.exists() {
            return Err(LedgerError::Missing { place: path.display().to_string() });
        }
        let sqlite = |cause| LedgerError::from_sqlite(path, cause);
        let identity = identity(path);
        let db = connect(path, READ, BUSY_TIMEOUT).map_err(sqlite)?;
        db.pragma_update(None, "cache_size", CACHE_KIB).map_err(sqlite)?;
        match schema::version(&db, path)? {
            schema::NEWEST => Ok(Self { path: path.into(), identity, db }),
            0 => Err(LedgerError::Missing { place: path.display().to_string() }),
            found => Err(LedgerError::OlderSchema { place: path.display().to_string(), found, known: schema::NEWEST }),
        }
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
