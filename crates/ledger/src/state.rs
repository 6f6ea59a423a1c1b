//! What changes rarely and must be exact: keys and their limits, samples and verdicts of quality, evidence. Beside the
//! stream of records, not in it.
//!
//! Every method asks or changes the store at once, in one transaction, and may wait for its writer: call it from a thread
//! that may wait, never on the way of a request. Each kind of state has a file of its own below `state/`. It refuses to
//! hold call records; those go through [`crate::Ledger`].

mod keys;
pub mod quality;
pub(crate) mod sql;

pub(crate) use keys::with_secrets;
pub use keys::{KeyPolicy, KeySecret, NewKey, StoredKey};

use crate::engine::Location;
use crate::{LedgerError, postgres, sqlite};

/// An open door to the state of a store. One question at a time: open one for each thread that asks.
pub struct State {
    source: Source,
}

/// Which database holds it.
enum Source {
    Sqlite(sqlite::StateStore),
    Postgres(postgres::StateStore),
}

impl State {
    /// Opens the state of a store, which is made or upgraded when nobody else writes to it.
    ///
    /// # Errors
    /// [`LedgerError::OlderSchema`] while another process holds a store of an older version, and everything that keeps it
    /// from being opened.
    pub fn open(location: impl Into<Location>) -> Result<Self, LedgerError> {
        let source = match location.into() {
            Location::Sqlite(path) => Source::Sqlite(sqlite::StateStore::open(&path)?),
            Location::Postgres(url) => Source::Postgres(postgres::StateStore::open(url)?),
        };
        Ok(Self { source })
    }

    /// Opens the state of a store for questions alone: of a SQLite file or a PostgreSQL that may not be changed, too. Nothing
    /// is made.
    ///
    /// # Errors
    /// [`LedgerError::Missing`] when there is no store, [`LedgerError::OlderSchema`] before its upgrade, and everything that
    /// keeps it from being read. A change fails with [`LedgerError::ReadOnly`], or [`LedgerError::Refused`] by a PostgreSQL.
    pub fn open_to_read(location: impl Into<Location>) -> Result<Self, LedgerError> {
        let source = match location.into() {
            Location::Sqlite(path) => Source::Sqlite(sqlite::StateStore::open_to_read(&path)?),
            Location::Postgres(url) => Source::Postgres(postgres::StateStore::open_to_read(url)?),
        };
        Ok(Self { source })
    }

    /// Whether this is still what is at the ledger's place: a file can be moved or replaced, such as by a backup.
    #[must_use]
    pub fn is_current(&self) -> bool {
        match &self.source {
            Source::Sqlite(store) => store.is_current(),
            Source::Postgres(_) => true,
        }
    }

    /// Copies what another store found about quality: samples with their texts and verdicts, words of people, changes of cells,
    /// alarms, evidence. What is here already stays. Gives how many rows were new.
    ///
    /// # Errors
    /// What either store says; what was copied until then stays.
    pub fn take_quality(&mut self, from: &mut Self) -> Result<u64, LedgerError> {
        quality::copy(from, self.statements())
    }

    /// The database, for what is written once for all of them.
    fn statements(&mut self) -> &mut dyn sql::Statements {
        match &mut self.source {
            Source::Sqlite(store) => store,
            Source::Postgres(store) => store,
        }
    }
}
