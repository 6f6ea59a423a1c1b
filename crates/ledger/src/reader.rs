//! Questions to a ledger: reports, lists, one request. Reads beside the writer, in this or another process.

use crate::engine::Location;
use crate::{LedgerError, sqlite};
use tierway_decide::{CallRecord, RequestId};

/// A record as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCall {
    /// The record.
    pub call: CallRecord,
    /// Its row says exactly what was written; otherwise it was changed since, or the disk lost bits.
    pub intact: bool,
}

/// A view of a ledger that cannot change it. One question at a time: open one for each thread that asks.
pub struct Reader {
    source: Source,
}

/// Which database is asked.
enum Source {
    Sqlite(sqlite::SqliteReader),
}

impl Reader {
    /// Opens a ledger for reading.
    ///
    /// # Errors
    /// [`LedgerError::Missing`] when there is none, and everything that keeps it from being read.
    pub fn open(location: impl Into<Location>) -> Result<Self, LedgerError> {
        let source = match location.into() {
            Location::Sqlite(path) => Source::Sqlite(sqlite::SqliteReader::open(&path)?),
        };
        Ok(Self { source })
    }

    /// One request; none when it is not (or no longer) there.
    ///
    /// # Errors
    /// [`LedgerError::BadRow`] when its row cannot be read, or what the database says.
    pub fn call(&mut self, id: RequestId) -> Result<Option<StoredCall>, LedgerError> {
        match &mut self.source {
            Source::Sqlite(reader) => reader.call(id),
        }
    }
}
