//! One state of a file: what the questions need of it.

use super::cells::select_cells;
use super::words;
use crate::ask::{EachCell, EachRow, Hour, Order, View, kept_after};
use crate::value::{self, Value};
use crate::words::Spelling;
use crate::{LedgerError, row};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, Transaction};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

pub(crate) struct SqliteView<'a> {
    transaction: Transaction<'a>,
    path: &'a Path,
}

/// A row of the file.
pub(crate) struct Fields<'a> {
    row: &'a Row<'a>,
    path: &'a Path,
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(row: &'a Row<'a>, path: &'a Path) -> Self {
        Self { row, path }
    }
}

impl value::Fields for Fields<'_> {
    fn get(&self, at: usize) -> Result<Value<'_>, LedgerError> {
        let value = self.row.get_ref(at).map_err(|cause| LedgerError::from_sqlite(self.path, cause))?;
        Ok(match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(text) => std::str::from_utf8(text).map_or(Value::Blob(text), Value::Text),
            ValueRef::Blob(bytes) => Value::Blob(bytes),
        })
    }
}

impl<'a> SqliteView<'a> {
    pub(crate) const fn new(transaction: Transaction<'a>, path: &'a Path) -> Self {
        Self { transaction, path }
    }

    fn error(&self, cause: rusqlite::Error) -> LedgerError {
        LedgerError::from_sqlite(self.path, cause)
    }
}

impl View for SqliteView<'_> {
    fn spelling(&mut self) -> Result<Arc<Spelling>, LedgerError> {
        words::spelling(&self.transaction).map(Arc::new).map_err(|cause| self.error(cause))
    }

    fn first_kept_hour(&mut self) -> Result<i64, LedgerError> {
        let sql = "SELECT max(hour) FROM hours WHERE expired = 1";
        let last = self.transaction.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let last = last.map_err(|cause| self.error(cause))?;
        Ok(kept_after(last))
    }

    fn cells(&mut self, condition: &str, each: &mut EachCell<'_>) -> Result<(), LedgerError> {
        let sqlite = |cause| LedgerError::from_sqlite(self.path, cause);
        let mut cells = self.transaction.prepare(&select_cells(condition)).map_err(sqlite)?;
        let mut cells = cells.query([]).map_err(sqlite)?;
        while let Some(row) = cells.next().map_err(sqlite)? {
            each(&Fields::new(row, self.path))?;
        }
        Ok(())
    }

    fn last_start(&mut self, condition: &str) -> Result<Option<i64>, LedgerError> {
        let sql = format!("SELECT start FROM cells WHERE {condition} ORDER BY start DESC LIMIT 1");
        let last = self.transaction.query_row(&sql, [], |row| row.get(0)).optional();
        last.map_err(|cause| self.error(cause))
    }

    fn rows(&mut self, ids: Range<i64>, order: Order, each: &mut EachRow<'_>) -> Result<(), LedgerError> {
        let sqlite = |cause| LedgerError::from_sqlite(self.path, cause);
        let sql = format!("SELECT {} FROM calls WHERE id >= ?1 AND id < ?2 ORDER BY {}", row::COLUMNS, order.sql());
        let mut select = self.transaction.prepare_cached(&sql).map_err(sqlite)?;
        let mut rows = select.query([ids.start, ids.end]).map_err(sqlite)?;
        while let Some(row) = rows.next().map_err(sqlite)? {
            if each(&Fields::new(row, self.path))?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn rows_of(&mut self, ids: &[i64], each: &mut EachCell<'_>) -> Result<(), LedgerError> {
        ids.iter().try_for_each(|id| {
            self.rows(*id..*id + 1, Order::OldestFirst, &mut |fields| each(fields).map(|()| ControlFlow::Continue(())))
        })
    }

    fn newest_of(&mut self, ranges: &[Range<i64>], most: usize, each: &mut EachCell<'_>) -> Result<(), LedgerError> {
        for ids in ranges {
            let mut left = most;
            self.rows(ids.clone(), Order::NewestFirst, &mut |fields| {
                each(fields)?;
                left = left.saturating_sub(1);
                Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
        }
        Ok(())
    }

    fn next_id(&mut self, from: i64) -> Result<Option<i64>, LedgerError> {
        let next = || {
            let mut after =
                self.transaction.prepare_cached("SELECT id FROM calls WHERE id >= ?1 ORDER BY id LIMIT 1")?;
            after.query_row([from], |row| row.get(0)).optional()
        };
        next().map_err(|cause| self.error(cause))
    }

    fn hours(&mut self, hours: Range<i64>) -> Result<BTreeMap<i64, Hour>, LedgerError> {
        let known = || {
            let sql = "SELECT hour, calls, digest, expired FROM hours WHERE hour >= ?1 AND hour < ?2";
            let mut known = self.transaction.prepare_cached(sql)?;
            let hour =
                |row: &Row| Ok((row.get(0)?, Hour { calls: row.get(1)?, digest: row.get(2)?, expired: row.get(3)? }));
            known.query_map([hours.start, hours.end], hour)?.collect::<rusqlite::Result<_>>()
        };
        known().map_err(|cause| self.error(cause))
    }
}
