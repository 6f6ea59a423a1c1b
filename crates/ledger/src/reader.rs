//! Questions to a ledger: reports, lists, one request. Reads beside the writer, in this or another process.

use crate::ask::{self, View};
use crate::engine::Location;
use crate::{Audit, Bill, Filter, LedgerError, Page, Payer, Point, Span, Step, Summary, postgres, sqlite};
use std::ops::ControlFlow;
use tierway_decide::{CallRecord, RequestId, Usd};

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
    Postgres(postgres::PostgresReader),
}

impl Reader {
    /// Opens a ledger for reading.
    ///
    /// # Errors
    /// [`LedgerError::Missing`] when there is none, and everything that keeps it from being read.
    pub fn open(location: impl Into<Location>) -> Result<Self, LedgerError> {
        let source = match location.into() {
            Location::Sqlite(path) => Source::Sqlite(sqlite::SqliteReader::open(&path)?),
            Location::Postgres(url) => Source::Postgres(postgres::PostgresReader::open(url)?),
        };
        Ok(Self { source })
    }

    /// Whether this is still what is at the ledger's place: a file can be moved or replaced, such as by a backup.
    #[must_use]
    pub fn is_current(&self) -> bool {
        match &self.source {
            Source::Sqlite(reader) => reader.is_current(),
            Source::Postgres(_) => true,
        }
    }

    /// One request; none when it is not (or no longer) there.
    ///
    /// # Errors
    /// [`LedgerError::BadRow`] when its row cannot be read, or what the database says.
    pub fn call(&mut self, id: RequestId) -> Result<Option<StoredCall>, LedgerError> {
        self.ask(|view| ask::call(view, id))
    }

    /// Those of some requests, each named once, that are there, in the same order.
    ///
    /// # Errors
    /// [`LedgerError::BadRow`] when a row cannot be read, or what the database says.
    pub fn calls(&mut self, ids: &[RequestId]) -> Result<Vec<StoredCall>, LedgerError> {
        self.ask(|view| ask::calls(view, ids))
    }

    /// Sums of a span (widened to whole hours) by everything that reports show.
    ///
    /// # Errors
    /// What the database says.
    pub fn summary(&mut self, span: Span) -> Result<Summary, LedgerError> {
        self.ask(|view| ask::summary(view, span))
    }

    /// Sums by hour or day and tier, the oldest first; hours and days without a call are left out.
    ///
    /// # Errors
    /// What the database says.
    pub fn series(&mut self, span: Span, step: Step) -> Result<Vec<Point>, LedgerError> {
        self.ask(|view| ask::series(view, span, step))
    }

    /// What the baseline would have cost by hour or day, the oldest first; hours and days without a call are left out.
    ///
    /// # Errors
    /// What the database says.
    pub fn bills(&mut self, span: Span, step: Step) -> Result<Vec<Bill>, LedgerError> {
        self.ask(|view| ask::bills(view, span, step))
    }

    /// What somebody spent on requests that came at that time or later; calls of unknown price count as nothing.
    ///
    /// # Errors
    /// What the database says.
    pub fn spent(&mut self, payer: &Payer, from_ms: i64) -> Result<Usd, LedgerError> {
        self.ask(|view| ask::spent(view, payer, from_ms))
    }

    /// Requests of a span that match, the newest first, from `before` on; at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError::BadRow`] when one cannot be read, or what the database says.
    pub fn list(
        &mut self,
        filter: &Filter,
        span: Span,
        before: Option<RequestId>,
        limit: usize,
    ) -> Result<Page, LedgerError> {
        self.ask(|view| ask::page(view, filter, span, before, limit))
    }

    /// The newest requests of each of some spans, at most so many of each; all of them together the oldest first.
    ///
    /// # Errors
    /// [`LedgerError::BadRow`] when one cannot be read, or what the database says.
    pub fn newest(&mut self, spans: &[Span], most: usize) -> Result<Vec<CallRecord>, LedgerError> {
        self.ask(|view| ask::newest(view, spans, most))
    }

    /// Shows every request of a span, the oldest first, until `each` breaks off. A row that cannot be read is shown as
    /// its error. For exports and replays: it reads every row, and holds the ledger's state of its beginning.
    ///
    /// # Errors
    /// What the database says.
    pub fn each(
        &mut self,
        span: Span,
        mut each: impl FnMut(Result<StoredCall, LedgerError>) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        self.ask(|view| ask::each(view, span, &mut each))
    }

    /// Sums every row of a span (widened to whole hours) up anew and compares with the sums that reports show. `each`
    /// sees every row that can be read.
    ///
    /// # Errors
    /// What the database says; what is wrong with rows and sums is in the answer.
    pub fn audit(&mut self, span: Span, mut each: impl FnMut(&CallRecord)) -> Result<Audit, LedgerError> {
        self.ask(|view| ask::audit(view, span, &mut each))
    }

    /// Every question sees one state of the ledger, whatever is written meanwhile.
    pub(crate) fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut dyn View) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        match &mut self.source {
            Source::Sqlite(reader) => question(&mut reader.view()?),
            Source::Postgres(reader) => reader.ask(question),
        }
    }
}
