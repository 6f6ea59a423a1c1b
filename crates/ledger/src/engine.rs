//! Which database holds the records: a SQLite file on one machine, a PostgreSQL for many. Nothing above notices.

use crate::{LedgerError, Options, PostgresUrl, folding, postgres, sqlite};
use std::path::{Path, PathBuf};
use tierway_decide::{CallRecord, RequestId};

/// Where records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database; any number of processes record into it.
    Postgres(PostgresUrl),
}

/// Without user and password.
impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::Sqlite(path.into())
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        Self::Sqlite(path.clone())
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::Sqlite(path)
    }
}

/// A URL of PostgreSQL, or the path of a file.
impl From<&str> for Location {
    fn from(text: &str) -> Self {
        PostgresUrl::recognize(text).map_or_else(|| Self::Sqlite(text.into()), Self::Postgres)
    }
}

/// A database that groups of records are written into.
pub(crate) enum Engine {
    Sqlite(sqlite::Store),
    Postgres(postgres::Store),
}

impl Engine {
    pub(crate) fn open(location: &Location, options: &Options) -> Result<Self, LedgerError> {
        let settings = sqlite::Settings { durability: options.durability, max_bytes: options.max_bytes };
        match location {
            Location::Sqlite(path) => sqlite::Store::open(path, settings).map(Self::Sqlite),
            Location::Postgres(url) => postgres::Store::open(url, options.durability).map(Self::Postgres),
        }
    }

    /// Writes a group in one transaction: all of it, or on an error nothing. Gives the places of records that were
    /// refused by themselves. `give_way` is called between rows wherever writing them keeps a core busy.
    pub(crate) fn write(&mut self, group: &[Box<CallRecord>], give_way: impl Fn()) -> Result<Vec<usize>, LedgerError> {
        match self {
            Self::Sqlite(store) => store.write(group, give_way),
            Self::Postgres(store) => store.write(group),
        }
    }

    /// Bounds what a power cut may take, and notices when somebody moved the store.
    pub(crate) fn checkpoint(&mut self) -> Result<(), LedgerError> {
        match self {
            Self::Sqlite(store) => {
                let moved = store.checkpoint();
                store.follow_path();
                moved
            }
            // A commit that PostgreSQL has confirmed is on its disk.
            Self::Postgres(_) => Ok(()),
        }
    }

    /// The newest row, if there is any.
    pub(crate) fn newest(&mut self) -> Result<Option<RequestId>, LedgerError> {
        match self {
            Self::Sqlite(store) => store.newest(),
            Self::Postgres(store) => store.newest(),
        }
    }

    /// Takes a step towards forgetting what came before a day (since 1970, UTC). True when there is more to do.
    pub(crate) fn forget_before(&mut self, day: i64) -> Result<bool, LedgerError> {
        match self {
            Self::Sqlite(store) => store.forget_before(day),
            Self::Postgres(store) => store.forget_before(day),
        }
    }

    /// The days before one (since 1970, UTC) whose sums are to be put together, the newest last.
    pub(crate) fn unfolded_before(&mut self, day: i64) -> Result<Vec<i64>, LedgerError> {
        match self {
            // In a file of this machine they are near enough.
            Self::Sqlite(_) => Ok(Vec::new()),
            Self::Postgres(store) => store.unfolded_before(day),
        }
    }

    /// Puts the sums of one of them together.
    pub(crate) fn fold(&mut self, day: i64) -> Result<folding::Step, LedgerError> {
        match self {
            Self::Sqlite(_) => Ok(folding::Step::Done),
            Self::Postgres(store) => store.fold(day),
        }
    }

    pub(crate) fn close(self) -> Result<(), LedgerError> {
        match self {
            Self::Sqlite(store) => store.close(),
            // Everything is committed; the server notices that the connection ends.
            Self::Postgres(_) => Ok(()),
        }
    }
}
