//! Which database holds the records. SQLite is the one there is; a second one is a second variant here, in
//! [`Location`] and in the reader, and nothing above notices.

use crate::{LedgerError, Options, sqlite};
use std::path::{Path, PathBuf};
use tierway_decide::CallRecord;

/// Where records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    Sqlite(PathBuf),
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

impl From<&str> for Location {
    fn from(path: &str) -> Self {
        Self::Sqlite(path.into())
    }
}

/// A database that groups of records are written into.
pub(crate) enum Engine {
    Sqlite(sqlite::Store),
}

impl Engine {
    pub(crate) fn open(location: &Location, options: &Options) -> Result<Self, LedgerError> {
        let settings = sqlite::Settings { durability: options.durability, max_bytes: options.max_bytes };
        match location {
            Location::Sqlite(path) => sqlite::Store::open(path, settings).map(Self::Sqlite),
        }
    }

    /// Writes a group in one transaction: all of it, or on an error nothing. Gives the places of records that were
    /// refused by themselves.
    pub(crate) fn write(&mut self, group: &[CallRecord]) -> Result<Vec<usize>, LedgerError> {
        match self {
            Self::Sqlite(store) => store.write(group),
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
        }
    }

    /// Takes a step towards forgetting what came before a day (since 1970, UTC). True when there is more to do.
    pub(crate) fn forget_before(&mut self, day: i64) -> Result<bool, LedgerError> {
        match self {
            Self::Sqlite(store) => store.forget_before(day),
        }
    }

    pub(crate) fn close(self) -> Result<(), LedgerError> {
        match self {
            Self::Sqlite(store) => store.close(),
        }
    }
}
