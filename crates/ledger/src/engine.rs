//! Which database holds the records. SQLite is the one there is; a second one is a second variant here, in
//! [`Location`] and in the reader, and nothing above notices.

use crate::{Durability, LedgerError, sqlite};
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
    pub(crate) fn open(location: &Location, durability: Durability) -> Result<Self, LedgerError> {
        match location {
            Location::Sqlite(path) => sqlite::Store::open(path, durability).map(Self::Sqlite),
        }
    }

    /// Writes a group in one transaction: all of it, or on an error nothing. Gives the places of records that were
    /// refused by themselves.
    pub(crate) fn write(&mut self, group: &[CallRecord]) -> Result<Vec<usize>, LedgerError> {
        match self {
            Self::Sqlite(store) => store.write(group),
        }
    }

    /// Bounds what a power cut may take.
    pub(crate) fn checkpoint(&self) -> Result<(), LedgerError> {
        match self {
            Self::Sqlite(store) => store.checkpoint(),
        }
    }

    pub(crate) fn close(self) -> Result<(), LedgerError> {
        match self {
            Self::Sqlite(store) => store.close(),
        }
    }
}
