//! Questions to a ledger, beside its writer.

use super::words::Spelling;
use super::{audit, list, row, schema, sums};
use crate::{Audit, Filter, LedgerError, Page, Point, Span, Step, StoredCall, Summary};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tierway_decide::{CallRecord, RequestId};

/// How long a question waits for the writer; in a write-ahead log only recovery after a crash makes it wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Negative: KiB. Holds the sums of weeks.
const CACHE_KIB: i64 = -16_384;

pub(crate) struct SqliteReader {
    path: PathBuf,
    db: Connection,
}

impl SqliteReader {
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        if !path.exists() {
            return Err(LedgerError::Missing { path: path.into() });
        }
        let sqlite = |cause| LedgerError::from_sqlite(path, cause);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(sqlite)?;
        db.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
        db.pragma_update(None, "cache_size", CACHE_KIB).map_err(sqlite)?;
        match schema::version(&db, path)? {
            schema::NEWEST => Ok(Self { path: path.into(), db }),
            0 => Err(LedgerError::Missing { path: path.into() }),
            found => Err(LedgerError::OlderSchema { path: path.into(), found, known: schema::NEWEST }),
        }
    }

    pub(crate) fn call(&mut self, id: RequestId) -> Result<Option<StoredCall>, LedgerError> {
        self.ask(|view, path| {
            let sqlite = |cause| LedgerError::from_sqlite(path, cause);
            let spelling = Spelling::load(view).map_err(sqlite)?;
            let sql = format!("SELECT {} FROM calls WHERE id = ?1", row::COLUMNS);
            let mut select = view.prepare_cached(&sql).map_err(sqlite)?;
            let found = select.query_row([id.as_i64()], |row| Ok(row::read(row, &spelling, path))).optional();
            found.map_err(sqlite)?.transpose()
        })
    }

    pub(crate) fn summary(&mut self, span: Span) -> Result<Summary, LedgerError> {
        self.ask(|view, path| sums::summary(view, span).map_err(|cause| LedgerError::from_sqlite(path, cause)))
    }

    pub(crate) fn series(&mut self, span: Span, step: Step) -> Result<Vec<Point>, LedgerError> {
        self.ask(|view, path| sums::series(view, span, step).map_err(|cause| LedgerError::from_sqlite(path, cause)))
    }

    pub(crate) fn list(
        &mut self,
        filter: &Filter,
        span: Span,
        before: Option<RequestId>,
        limit: usize,
    ) -> Result<Page, LedgerError> {
        self.ask(|view, path| list::page(view, filter, span, before, limit, path))
    }

    pub(crate) fn each(
        &mut self,
        span: Span,
        each: &mut dyn FnMut(Result<StoredCall, LedgerError>) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        self.ask(|view, path| {
            let sqlite = |cause| LedgerError::from_sqlite(path, cause);
            let spelling = Spelling::load(view).map_err(sqlite)?;
            let sql = format!("SELECT {} FROM calls WHERE id >= ?1 AND id < ?2 ORDER BY id", row::COLUMNS);
            let mut select = view.prepare(&sql).map_err(sqlite)?;
            let ends = [span.from_ms, span.to_ms].map(|ms| RequestId::first_at(ms).as_i64());
            let mut rows = select.query(ends).map_err(sqlite)?;
            while let Some(row) = rows.next().map_err(sqlite)? {
                if each(row::read(row, &spelling, path)).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    pub(crate) fn audit(&mut self, span: Span, each: &mut dyn FnMut(&CallRecord)) -> Result<Audit, LedgerError> {
        self.ask(|view, path| audit::audit(view, span, path, each))
    }

    /// Every question sees one state of the ledger, whatever the writer does meanwhile.
    fn ask<T>(
        &mut self,
        question: impl FnOnce(&Transaction, &Path) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let view = self.db.transaction_with_behavior(TransactionBehavior::Deferred);
        let view = view.map_err(|cause| LedgerError::from_sqlite(&self.path, cause))?;
        question(&view, &self.path)
    }
}
