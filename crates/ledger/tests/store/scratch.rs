//! An empty store for one test, of either kind, and what tests do to it behind the ledger's back.

use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;
use tierway_ledger::{Location, Reader};
use tierway_testkit::postgres::Postgres;

/// One server for all tests of this process, each with a database of its own.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());

pub(crate) enum Scratch {
    Sqlite { _folder: TempDir, path: PathBuf },
    Postgres { url: String },
}

impl Scratch {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/ledger.db");
        Self::Sqlite { _folder: folder, path }
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres { url: SERVER.database().unwrap() }
    }

    /// An empty one of the same kind.
    pub(crate) fn another(&self) -> Self {
        match self {
            Self::Sqlite { .. } => Self::sqlite(),
            Self::Postgres { .. } => Self::postgres(),
        }
    }

    /// One of its own with the same content; nobody may be writing.
    pub(crate) fn copy(&self) -> Self {
        match self {
            Self::Sqlite { path, .. } => {
                let copy = Self::sqlite();
                let to = copy.file().unwrap();
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::copy(path, to).unwrap();
                copy
            }
            Self::Postgres { url } => Self::Postgres { url: SERVER.copy(url).unwrap() },
        }
    }

    pub(crate) fn address(&self) -> &str {
        match self {
            Self::Sqlite { path, .. } => path.to_str().unwrap(),
            Self::Postgres { url } => url,
        }
    }

    pub(crate) fn location(&self) -> Location {
        Location::from(self.address())
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(self.location()).unwrap()
    }

    /// The file, of a store that is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite { path, .. } => Some(path),
            Self::Postgres { .. } => None,
        }
    }

    /// The words of this store's SQL.
    pub(crate) fn pick<'a>(&self, sqlite: &'a str, postgres: &'a str) -> &'a str {
        match self {
            Self::Sqlite { .. } => sqlite,
            Self::Postgres { .. } => postgres,
        }
    }

    /// Runs SQL.
    #[track_caller]
    pub(crate) fn batch(&self, sql: &str) {
        match self {
            Self::Sqlite { path, .. } => Connection::open(path).unwrap().execute_batch(sql).unwrap(),
            Self::Postgres { url } => _ = SERVER.sql(url, sql).unwrap(),
        }
    }

    /// The number that SQL asks for.
    #[track_caller]
    pub(crate) fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Sqlite { path, .. } => Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap(),
            Self::Postgres { url } => SERVER.sql(url, sql).unwrap().parse().unwrap(),
        }
    }

    /// What the rows take on disk.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Sqlite { path, .. } => std::fs::metadata(path).unwrap().len(),
            Self::Postgres { .. } => {
                let sql = "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('calls') WHERE isleaf";
                u64::try_from(self.number(sql)).unwrap()
            }
        }
    }
}

/// Tests that take a store, once on each kind.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use crate::scratch::Scratch;

            #[test]
            fn on_sqlite() {
                super::$name(&Scratch::sqlite());
            }

            #[test]
            fn on_postgres() {
                super::$name(&Scratch::postgres());
            }
        }
    )*};
}
pub(crate) use on_both;
