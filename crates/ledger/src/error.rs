//! What can go wrong with the store, and what to do about it.

use crate::varint::Garbled;
use std::path::PathBuf;
use tierway_decide::RequestId;

/// The store cannot be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process writes to it.
    #[error(
        "{} is in use by process {holder}; two tierways cannot record into one file: stop the other one, or set another path",
        path.display()
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// Its process id, as far as known.
        holder: String,
    },
    /// Written by a newer tierway.
    #[error(
        "{} has schema version {found}, this tierway knows versions up to {known}; run the newer tierway, or set another path",
        path.display()
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest known version.
        known: i64,
    },
    /// Written by an older tierway, and nobody has upgraded it yet.
    #[error(
        "{} has schema version {found}, reading it needs version {known}; start `tierway serve` on it once",
        path.display()
    )]
    OlderSchema {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version that this build reads.
        known: i64,
    },
    /// Some other database.
    #[error("{} is a SQLite database, but not a tierway ledger; set another path", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
    },
    /// Nothing there to read.
    #[error("there is no ledger at {}; `tierway serve` or `tierway demo` writes one", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The directory or the lock file cannot be made.
    #[error("cannot create {}: {cause}", path.display())]
    Create {
        /// What was to be made.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// No space left.
    #[error("no space left for {}; free some: recording goes on by itself", path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// Not allowed to write.
    #[error("{} cannot be written: {cause}; mend its permissions: recording goes on by itself", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        cause: String,
    },
    /// Another program holds a lock on it.
    #[error("{} is locked by another program for too long; recording goes on when it lets go", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// Its bytes are not what they should be.
    #[error(
        "{} is damaged ({cause}); move it away: a new one is begun at once, and `sqlite3 FILE .recover` saves what is readable",
        path.display()
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        cause: String,
    },
    /// One row cannot be read.
    #[error("the row of request {id} is {cause}; `tierway audit` names all such rows")]
    BadRow {
        /// Its id.
        id: RequestId,
        /// What is wrong.
        cause: Garbled,
    },
    /// Anything else from SQLite.
    #[error("{}: {cause}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What it said.
        cause: rusqlite::Error,
    },
    /// The writer's thread cannot be started.
    #[error("cannot start the ledger's thread: {0}")]
    Thread(std::io::Error),
    /// Accepted, but not written in time.
    #[error("{rows} accepted records are not written yet; the ledger says: {last_error}")]
    NotWritten {
        /// How many.
        rows: u64,
        /// The last error of the writer, or that there was none.
        last_error: String,
    },
}

impl LedgerError {
    /// Sorts an error of SQLite by what may be done about it.
    pub(crate) fn from_sqlite(path: &std::path::Path, cause: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let path = path.to_path_buf();
        match cause.sqlite_error_code() {
            Some(Code::DiskFull) => Self::Full { path },
            Some(Code::ReadOnly | Code::PermissionDenied | Code::CannotOpen) => {
                Self::ReadOnly { path, cause: cause.to_string() }
            }
            Some(Code::DatabaseBusy | Code::DatabaseLocked | Code::FileLockingProtocolFailed) => Self::Locked { path },
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => Self::Corrupt { path, cause: cause.to_string() },
            _ => Self::Sqlite { path, cause },
        }
    }

    /// The open database is still good for another try; otherwise it has to be opened anew.
    pub(crate) const fn keeps_connection(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Locked { .. })
    }
}
