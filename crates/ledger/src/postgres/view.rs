//! One state of the database: what the questions need of it.

use super::link::Link;
use crate::LedgerError;
use crate::ask::{EachCell, EachRow, Hour, Order, View, kept_after};
use crate::cells::COLUMNS;
use crate::row::{self, column};
use crate::value::{self, Unfit, Value};
use crate::words::Spelling;
use futures_util::{TryStreamExt, pin_mut};
use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

/// How long one statement of a question may take; an export or audit has many.
const LIMIT: Duration = Duration::from_secs(60);
/// Rows that are fetched at a time: at first for a page of a list, then for an export.
const FIRST_ROWS: i64 = 64;
const MOST_ROWS: i64 = 4_096;

pub(super) struct PostgresView<'a> {
    link: &'a Link,
}

/// A row of the database.
pub(super) struct Fields<'a> {
    row: &'a Row,
    place: &'a str,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(row: &'a Row, place: &'a str) -> Self {
        Self { row, place }
    }
}

/// Where the texts of words without a number are, after [`row::COLUMNS`].
const SPELLED: usize = column::CHECKSUM + 1;

impl value::Fields for Fields<'_> {
    fn get(&self, at: usize) -> Result<Value<'_>, LedgerError> {
        let error = |cause| LedgerError::from_postgres(self.place, &cause);
        let Column(value) = self.row.try_get(at).map_err(error)?;
        match value {
            // Only rows of calls have words in these columns, and the texts to look them up in.
            Value::Integer(number)
                if number < 0
                    && (column::FIRST_WORD..=column::LAST_WORD).contains(&at)
                    && self.row.len() == SPELLED + 1 =>
            {
                let spelled: Option<Vec<&str>> = self.row.try_get(SPELLED).map_err(error)?;
                let place = usize::try_from(-(number + 1)).unwrap_or(usize::MAX);
                let text = spelled.and_then(|spelled| spelled.get(place).copied());
                Ok(text.map_or(Value::Null, Value::Text))
            }
            value => Ok(value),
        }
    }
}

/// Any column of ours.
struct Column<'a>(Value<'a>);

impl<'a> FromSql<'a> for Column<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match *kind {
            Type::INT2 => Value::Integer(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => Value::Integer(i32::from_sql(kind, raw)?.into()),
            Type::INT8 => Value::Integer(i64::from_sql(kind, raw)?),
            Type::FLOAT4 => Value::Real(f32::from_sql(kind, raw)?.into()),
            Type::FLOAT8 => Value::Real(f64::from_sql(kind, raw)?),
            Type::TEXT => Value::Text(<&str>::from_sql(kind, raw)?),
            _ => Value::Blob(raw),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl<'a> PostgresView<'a> {
    /// The transaction that holds the state is the caller's.
    pub(super) const fn new(link: &'a Link) -> Self {
        Self { link }
    }

    /// Rows with ids in a range: those that a statement gives at once.
    fn some_rows(&self, ids: &Range<i64>, order: &str, most: i64) -> Result<Vec<Row>, LedgerError> {
        let sql =
            format!("SELECT {}, spelled FROM calls WHERE id >= $1 AND id < $2 ORDER BY {order} LIMIT $3", row::COLUMNS);
        let parameters = [(&ids.start as _, Type::INT8), (&ids.end as _, Type::INT8), (&most as _, Type::INT8)];
        self.link.run(LIMIT, self.link.client().query_typed(&sql, &parameters))
    }
}

impl View for PostgresView<'_> {
    fn spelling(&mut self) -> Result<Spelling, LedgerError> {
        let texts = self.link.run(LIMIT, self.link.client().query_typed("SELECT id, text FROM words", &[]))?;
        Ok(Spelling::of(texts.iter().map(|row| (i64::from(row.get::<_, i32>(0)), row.get(1)))))
    }

    fn first_kept_hour(&mut self) -> Result<i64, LedgerError> {
        let sql = "SELECT max(hour) FROM hours WHERE expired";
        let last = self.link.run(LIMIT, self.link.client().query_typed_one(sql, &[]))?;
        let last: Option<i32> = last.get(0);
        Ok(kept_after(last.map(i64::from)))
    }

    fn cells(&mut self, condition: &str, each: &mut EachCell<'_>) -> Result<(), LedgerError> {
        let (client, place) = (self.link.client(), self.link.place());
        let sql = format!("SELECT {COLUMNS} FROM cells WHERE {condition}");
        // The driver's errors end the stream; ours are kept aside.
        let mut unreadable = Ok(());
        self.link.run(LIMIT, async {
            let rows = client.query_typed_raw(&sql, Vec::<(i64, Type)>::new()).await?;
            pin_mut!(rows);
            while let Some(row) = rows.try_next().await? {
                if unreadable.is_ok() {
                    unreadable = each(&Fields::new(&row, place));
                }
            }
            Ok(())
        })?;
        unreadable
    }

    fn last_start(&mut self, condition: &str) -> Result<Option<i64>, LedgerError> {
        let sql = format!("SELECT start FROM cells WHERE {condition} ORDER BY start DESC LIMIT 1");
        let last = self.link.run(LIMIT, self.link.client().query_typed_opt(&sql, &[]))?;
        Ok(last.map(|row| i64::from(row.get::<_, i32>(0))))
    }

    fn rows(&mut self, mut ids: Range<i64>, order: Order, each: &mut EachRow<'_>) -> Result<(), LedgerError> {
        let mut most = FIRST_ROWS;
        loop {
            let rows = self.some_rows(&ids, order.sql(), most)?;
            for row in &rows {
                let fields = Fields::new(row, self.link.place());
                if each(&fields)?.is_break() {
                    return Ok(());
                }
                let id = value::Fields::get(&fields, column::ID)?.integer();
                let id = id.map_err(|Unfit| LedgerError::BadSum { cause: Unfit.at(column::ID) })?;
                match order {
                    Order::OldestFirst => ids.start = id + 1,
                    Order::NewestFirst => ids.end = id,
                }
            }
            if i64::try_from(rows.len()).is_ok_and(|found| found < most) {
                return Ok(());
            }
            most = (most * 4).min(MOST_ROWS);
        }
    }

    fn next_id(&mut self, from: i64) -> Result<Option<i64>, LedgerError> {
        let sql = "SELECT id FROM calls WHERE id >= $1 ORDER BY id LIMIT 1";
        let next = self.link.run(LIMIT, self.link.client().query_typed_opt(sql, &[(&from, Type::INT8)]))?;
        Ok(next.map(|row| row.get(0)))
    }

    fn hours(&mut self, hours: Range<i64>) -> Result<BTreeMap<i64, Hour>, LedgerError> {
        let sql = "SELECT hour, calls, digest, expired FROM hours WHERE hour >= $1 AND hour < $2";
        let parameters = [(&hours.start as _, Type::INT8), (&hours.end as _, Type::INT8)];
        let rows = self.link.run(LIMIT, self.link.client().query_typed(sql, &parameters))?;
        let mut hours: BTreeMap<i64, Hour> = BTreeMap::new();
        for row in rows {
            let hour = hours.entry(row.get::<_, i32>(0).into()).or_default();
            hour.calls += row.get::<_, i64>(1);
            hour.digest = hour.digest.wrapping_add(row.get(2));
            hour.expired |= row.get::<_, bool>(3);
        }
        Ok(hours)
    }
}
