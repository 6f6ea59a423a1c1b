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
    /// Nothing there to keep anything in, and whoever records there makes it.
    #[error(
        "{} is empty as yet: process {holder} records there and begins it with its next records; try again then",
        path.display()
    )]
    NotBegun {
        /// The database.
        path: PathBuf,
        /// The process that records there, as far as known.
        holder: String,
    },
    /// Written by a newer tierway.
    #[error(
        "{place} has schema version {found}, this tierway knows versions up to {known}; run the newer tierway, or set another path"
    )]
    NewerSchema {
        /// The database.
        place: String,
        /// Its version.
        found: i64,
        /// The newest known version.
        known: i64,
    },
    /// Written by an older tierway, and nobody has upgraded it yet.
    #[error("{place} has schema version {found}, reading it needs version {known}; start `tierway serve` on it once")]
    OlderSchema {
        /// The database.
        place: String,
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
    /// A folder where a file is wanted.
    #[error("{} is a folder; name a file in it, such as {}", path.display(), path.join("tierway.db").display())]
    Folder {
        /// What was named.
        path: PathBuf,
    },
    /// Nothing there to read.
    #[error(
        "there is no ledger at {place}; `tierway serve` writes one, and `tierway demo --ledger FILE` one to look at"
    )]
    Missing {
        /// The file or database.
        place: String,
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
    #[error("no space left for {}; free some", path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// Not allowed to write, or not even to open.
    #[error("{} cannot be opened or written: {cause}; mend its permissions", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        cause: String,
    },
    /// Another program holds a lock on it.
    #[error("{} is locked by another program for too long; wait until it lets go, or stop it", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// Something else than a database, or one whose very beginning is damaged.
    #[error(
        "{} is no SQLite database: name another file; if it was a ledger and is damaged, move it away, and a new one is begun",
        path.display()
    )]
    NoDatabase {
        /// The file.
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
    /// One sum cannot be read.
    #[error(
        "a sum in the store is {cause}; somebody wrote into it: compare with `tierway audit`, restore it from a backup"
    )]
    BadSum {
        /// What is wrong.
        cause: Garbled,
    },
    /// A row of what was found about quality cannot be read.
    #[error(
        "a row about quality is {cause}; a newer tierway wrote it, or somebody wrote into the store: run the newer one, or restore it from a backup"
    )]
    BadState {
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
    /// The address of a PostgreSQL cannot be used. Never shows it: it may hold a password.
    #[error(
        "the ledger's URL cannot be used: {cause}; write postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters in the password as %XX"
    )]
    BadUrl {
        /// What is wrong with it.
        cause: String,
    },
    /// PostgreSQL does not answer.
    #[error("{place} cannot be reached: {cause}; see that it runs and that this machine may reach it")]
    Unreachable {
        /// The database, without user and password.
        place: String,
        /// What happened.
        cause: String,
    },
    /// PostgreSQL answers, but does not let us in.
    #[error("{place} refuses: {cause}; mend user, password, database or privileges")]
    Refused {
        /// The database, without user and password.
        place: String,
        /// What it said.
        cause: String,
    },
    /// PostgreSQL is of a kind that cannot hold a ledger.
    #[error("{place} {cause}")]
    Unsuitable {
        /// The database, without user and password.
        place: String,
        /// What is wrong, and what would be right.
        cause: String,
    },
    /// Anything else from PostgreSQL.
    #[error("{place}: {cause}")]
    Postgres {
        /// The database, without user and password.
        place: String,
        /// What it said, with its SQLSTATE.
        cause: String,
    },
    /// The writer's thread cannot be started.
    #[error("cannot start the ledger's thread: {0}")]
    Thread(std::io::Error),
    /// Accepted, but not written in time.
    #[error("accepted records that are not written yet: {rows}; the ledger says: {last_error}")]
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
            Some(Code::NotADatabase) => Self::NoDatabase { path },
            Some(Code::DatabaseCorrupt) => Self::Corrupt { path, cause: cause.to_string() },
            _ => Self::Sqlite { path, cause },
        }
    }

    /// Sorts an error of PostgreSQL by what may be done about it. Details are left out: they quote rows.
    pub(crate) fn from_postgres(place: &str, cause: &tokio_postgres::Error) -> Self {
        let place = place.to_owned();
        let Some(said) = cause.as_db_error() else {
            // What the system said says more; other causes may quote the address.
            let system = std::error::Error::source(cause).and_then(|source| source.downcast_ref::<std::io::Error>());
            let cause = system.map_or_else(|| cause.to_string(), |system| format!("{cause} ({system})"));
            return Self::Unreachable { place, cause };
        };
        let code = said.code().code();
        let cause = format!("{} (SQLSTATE {code})", said.message());
        match code {
            // Going down, coming up, out of connections.
            "57P01" | "57P02" | "57P03" | "53300" => Self::Unreachable { place, cause },
            // No such database, not the privilege, nothing may be changed (as on a standby); class 28: who are you?
            "3D000" | "42501" | "25006" => Self::Refused { place, cause },
            _ if code.starts_with("28") => Self::Refused { place, cause },
            _ => Self::Postgres { place, cause },
        }
    }

    /// The open database is still good for another try; otherwise it has to be opened anew.
    pub(crate) const fn keeps_connection(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Locked { .. })
    }
}
