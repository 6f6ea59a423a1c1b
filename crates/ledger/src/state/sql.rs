//! One statement at a time with its values: all that the state of quality asks of a database, so that it is written once.
//!
//! Statements are SQL that SQLite and PostgreSQL both understand, with their values as `?1`, `?2`; a row is read as
//! [`Fields`]. What needs more than one statement to be right does not belong here.

use crate::LedgerError;
use crate::codes::Code;
use crate::value::{Fields, Unfit, Value};

/// Is shown a row.
pub(crate) type EachRow<'a> = dyn FnMut(&dyn Fields) -> Result<(), LedgerError> + 'a;

/// A database that runs statements, each in a transaction of its own.
pub(crate) trait Statements {
    /// Changes the store; gives how many rows it changed.
    fn change(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, LedgerError>;

    /// Shows the rows of a question, or of a change that returns some.
    fn ask(&mut self, sql: &str, values: &[Value<'_>], each: &mut EachRow<'_>) -> Result<(), LedgerError>;

    /// Has a numbered table go on after its highest number, where rows were put in with theirs.
    fn number_on(&mut self, table: &str, column: &str) -> Result<(), LedgerError>;

    /// The text of a call's tier, in the database's own way of numbering words.
    fn served_tier(&self) -> &'static str;
}

/// All rows of a question.
pub(super) fn all<T>(
    db: &mut dyn Statements,
    sql: &str,
    values: &[Value<'_>],
    read: impl Fn(&Columns<'_>) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    let mut rows = Vec::new();
    db.ask(sql, values, &mut |fields| {
        rows.push(read(&Columns(fields))?);
        Ok(())
    })?;
    Ok(rows)
}

/// The first row of a question, if there is one.
pub(super) fn one<T>(
    db: &mut dyn Statements,
    sql: &str,
    values: &[Value<'_>],
    read: impl Fn(&Columns<'_>) -> Result<T, LedgerError>,
) -> Result<Option<T>, LedgerError> {
    Ok(all(db, sql, values, read)?.into_iter().next())
}

/// A row, read by column.
pub(super) struct Columns<'a>(&'a dyn Fields);

impl<'a> Columns<'a> {
    fn read<T>(&self, at: usize, read: impl FnOnce(Value<'a>) -> Result<T, Unfit>) -> Result<T, LedgerError> {
        read(self.0.get(at)?).map_err(|unfit| LedgerError::BadState { cause: unfit.at(at) })
    }

    pub(super) fn integer(&self, at: usize) -> Result<i64, LedgerError> {
        self.read(at, Value::integer)
    }

    pub(super) fn count(&self, at: usize) -> Result<u64, LedgerError> {
        self.read(at, Value::number)
    }

    pub(super) fn flag(&self, at: usize) -> Result<bool, LedgerError> {
        Ok(self.integer(at)? != 0)
    }

    pub(super) fn double(&self, at: usize) -> Result<f64, LedgerError> {
        self.read(at, Value::double)
    }

    pub(super) fn text(&self, at: usize) -> Result<String, LedgerError> {
        self.read(at, Value::text).map(str::to_owned)
    }

    pub(super) fn opt_integer(&self, at: usize) -> Result<Option<i64>, LedgerError> {
        self.read(at, |value| value.optional(Value::integer))
    }

    pub(super) fn opt_count(&self, at: usize) -> Result<Option<u64>, LedgerError> {
        self.read(at, |value| value.optional(Value::number))
    }

    pub(super) fn opt_text(&self, at: usize) -> Result<Option<String>, LedgerError> {
        Ok(self.read(at, |value| value.optional(Value::text))?.map(str::to_owned))
    }

    /// A member of a closed set by its number.
    pub(super) fn coded<T: Code>(&self, at: usize) -> Result<T, LedgerError> {
        self.read(at, |value| T::from_code(value.integer()?).ok_or(Unfit))
    }

    pub(super) fn opt_coded<T: Code>(&self, at: usize) -> Result<Option<T>, LedgerError> {
        self.read(at, |value| value.optional(|value| T::from_code(value.integer()?).ok_or(Unfit)))
    }

    /// A member of a closed set by its name.
    pub(super) fn named<T>(&self, at: usize, find: fn(&str) -> Option<T>) -> Result<T, LedgerError> {
        self.read(at, |value| find(value.text()?).ok_or(Unfit))
    }
}

pub(super) fn number(number: u64) -> Value<'static> {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn optional<'a, T>(value: Option<T>, as_value: impl FnOnce(T) -> Value<'a>) -> Value<'a> {
    value.map_or(Value::Null, as_value)
}
