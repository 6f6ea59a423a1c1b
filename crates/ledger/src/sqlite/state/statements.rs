//! Statements of the state, as SQLite runs them.

use super::super::view::Fields;
use super::StateStore;
use crate::LedgerError;
use crate::state::sql::{EachRow, Statements};
use crate::value::Value;

impl Statements for StateStore {
    fn change(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, LedgerError> {
        let change = || self.db.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values));
        change().map(|rows| rows as u64).map_err(|cause| self.failed(cause))
    }

    fn ask(&mut self, sql: &str, values: &[Value<'_>], each: &mut EachRow<'_>) -> Result<(), LedgerError> {
        let failed = |cause| LedgerError::from_sqlite(&self.path, cause);
        let mut statement = self.db.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            each(&Fields::new(row, &self.path))?;
        }
        Ok(())
    }

    fn number_on(&mut self, _: &str, _: &str) -> Result<(), LedgerError> {
        // It does by itself.
        Ok(())
    }

    fn served_tier(&self) -> &'static str {
        "coalesce((SELECT text FROM words WHERE words.id = served_tier), served_tier)"
    }
}
