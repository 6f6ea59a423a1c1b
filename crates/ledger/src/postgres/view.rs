//! One state of the database: what the questions need of it.

use super::days::{self, Folded};
use super::link::Link;
use super::questions;
use crate::LedgerError;
use crate::ask::{EachCell, EachRow, Hour, Looked, Order, Search, View, kept_after};
use crate::cells::{Apart, COLUMNS, Cube, HOURS_PER_DAY, Piece};
use crate::histogram::NEXT;
use crate::row::{self, column};
use crate::value::{self, Unfit, Value};
use crate::words::Spelling;
use futures_util::future::join3;
use futures_util::{TryStreamExt, pin_mut};
use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};

/// How long one statement of a question may take; an export or audit has many.
const LIMIT: Duration = Duration::from_secs(60);
/// Rows of an export that are fetched at a time.
const AT_ONCE: i64 = 4_096;
/// Rows that a search looks at first; then eight times as many.
const FIRST_LOOK: usize = 1_024;
/// Rows, or ranges of them, that one statement is asked for.
const MOST_WANTED: usize = 4_096;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const WORDS: &str = "SELECT id, text FROM words";
const LAST_EXPIRED: &str = "SELECT max(hour) FROM hours WHERE expired";

pub(super) struct PostgresView<'a> {
    link: &'a Link,
    begun: Option<Begun>,
}

/// What came with the beginning of a transaction.
pub(super) struct Begun {
    spelling: Arc<Spelling>,
    first_kept_hour: i64,
}

impl Begun {
    /// Begins a transaction that holds one state, and asks what most questions begin with in the same round trip.
    pub(super) fn begin(link: &Link, limit: Duration) -> Result<Self, LedgerError> {
        let client = link.client();
        let (words, last_expired) = link.run(limit, async {
            let begin = client.batch_execute(BEGIN);
            let (words, last) = (client.query_typed(WORDS, &[]), client.query_typed_one(LAST_EXPIRED, &[]));
            let (begun, words, last) = join3(begin, words, last).await;
            begun?;
            Ok((words?, last?))
        })?;
        Ok(Self { spelling: Arc::new(spelling(&words)), first_kept_hour: kept(&last_expired) })
    }
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
        Self { link, begun: None }
    }

    /// The same where what most questions begin with is known already.
    pub(super) const fn of(link: &'a Link, begun: Begun) -> Self {
        Self { link, begun: Some(begun) }
    }

    /// Shows the rows of a statement as they come.
    fn each(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
        each: &mut EachCell<'_>,
    ) -> Result<(), LedgerError> {
        let (client, place) = (self.link.client(), self.link.place());
        // The driver's errors end the stream; ours are kept aside.
        let mut unreadable = Ok(());
        self.link.run(LIMIT, async {
            let rows =
                client.query_typed_raw(sql, parameters.iter().map(|(value, kind)| (*value, kind.clone()))).await?;
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

    /// Shows the cells of folded days, each day whole; tells which.
    fn folded(&self, days: Range<i64>, cubes: &[Cube], each: &mut EachCell<'_>) -> Result<Folded, LedgerError> {
        let [first, past] = [days.start, days.end].map(|day| day.saturating_mul(HOURS_PER_DAY));
        let cubes: Vec<i64> = cubes.iter().map(|cube| cube.code()).collect();
        let parameters = [(&first as _, Type::INT8), (&past as _, Type::INT8), (&cubes as _, Type::INT8_ARRAY)];
        let mut folded = Folded::default();
        self.each(&days::valid(), &parameters, &mut |row| folded.show(row, each))?;
        Ok(folded)
    }

    /// Rows with ids in a range: those that a statement gives at once.
    fn some_rows(&self, ids: &Range<i64>, order: &str) -> Result<Vec<Row>, LedgerError> {
        let sql =
            format!("SELECT {}, spelled FROM calls WHERE id >= $1 AND id < $2 ORDER BY {order} LIMIT $3", row::COLUMNS);
        let parameters = [(&ids.start as _, Type::INT8), (&ids.end as _, Type::INT8), (&AT_ONCE as _, Type::INT8)];
        self.link.run(LIMIT, self.link.client().query_typed(&sql, &parameters))
    }

    /// The first id, and the number, of the newest rows of a range.
    fn newest(&self, ids: &Range<i64>, most: i64) -> Result<(i64, usize), LedgerError> {
        let parameters = [(&ids.start as _, Type::INT8), (&ids.end as _, Type::INT8), (&most as _, Type::INT8)];
        let found = self.link.run(LIMIT, self.link.client().query_typed_one(questions::NEWEST, &parameters))?;
        let count: i64 = found.get(1);
        let first = found.get::<_, Option<i64>>(0).filter(|_| count == most);
        Ok((first.unwrap_or(ids.start), usize::try_from(count).unwrap_or(usize::MAX)))
    }
}

fn spelling(rows: &[Row]) -> Spelling {
    Spelling::of(rows.iter().map(|row| (i64::from(row.get::<_, i32>(0)), row.get(1))))
}

fn kept(last_expired: &Row) -> i64 {
    kept_after(last_expired.get::<_, Option<i32>>(0).map(i64::from))
}

impl View for PostgresView<'_> {
    fn spelling(&mut self) -> Result<Arc<Spelling>, LedgerError> {
        if let Some(begun) = &self.begun {
            return Ok(begun.spelling.clone());
        }
        let words = self.link.run(LIMIT, self.link.client().query_typed(WORDS, &[]))?;
        Ok(Arc::new(spelling(&words)))
    }

    fn first_kept_hour(&mut self) -> Result<i64, LedgerError> {
        if let Some(begun) = &self.begun {
            return Ok(begun.first_kept_hour);
        }
        let last = self.link.run(LIMIT, self.link.client().query_typed_one(LAST_EXPIRED, &[]))?;
        Ok(kept(&last))
    }

    fn cells(&mut self, condition: &str, each: &mut EachCell<'_>) -> Result<(), LedgerError> {
        self.each(&format!("SELECT {COLUMNS} FROM cells WHERE {condition}"), &[], each)
    }

    fn sums(&mut self, pieces: &[Piece], apart: Apart, each: &mut EachCell<'_>) -> Result<(), LedgerError> {
        let folded = match days::foldable(pieces) {
            Some((days, cubes)) => self.folded(days, &cubes, each)?,
            None => Folded::default(),
        };
        let left: Vec<_> = pieces.iter().flat_map(|piece| folded.left(*piece)).collect();
        if left.is_empty() {
            return Ok(());
        }
        self.each(&questions::sums(&left, apart), &[(&&NEXT[..], Type::BYTEA)], each)
    }

    fn copied(&mut self, day: i64, each: &mut EachCell<'_>) -> Result<bool, LedgerError> {
        self.folded(day..day + 1, &days::CUBES, each).map(|folded| !folded.is_empty())
    }

    fn last_start(&mut self, condition: &str) -> Result<Option<i64>, LedgerError> {
        let sql = format!("SELECT start FROM cells WHERE {condition} ORDER BY start DESC LIMIT 1");
        let last = self.link.run(LIMIT, self.link.client().query_typed_opt(&sql, &[]))?;
        Ok(last.map(|row| i64::from(row.get::<_, i32>(0))))
    }

    fn rows(&mut self, mut ids: Range<i64>, order: Order, each: &mut EachRow<'_>) -> Result<(), LedgerError> {
        loop {
            let rows = self.some_rows(&ids, order.sql())?;
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
            if i64::try_from(rows.len()).is_ok_and(|found| found < AT_ONCE) {
                return Ok(());
            }
        }
    }

    fn rows_of(&mut self, ids: &[i64], each: &mut EachCell<'_>) -> Result<(), LedgerError> {
        let sql = questions::rows_of();
        ids.chunks(MOST_WANTED).try_for_each(|ids| self.each(&sql, &[(&ids, Type::INT8_ARRAY)], each))
    }

    fn newest_of(&mut self, ranges: &[Range<i64>], most: usize, each: &mut EachCell<'_>) -> Result<(), LedgerError> {
        let (sql, most) = (questions::newest_of(), i64::try_from(most).unwrap_or(i64::MAX));
        for ranges in ranges.chunks(MOST_WANTED) {
            let (first, past): (Vec<i64>, Vec<i64>) = ranges.iter().map(|ids| (ids.start, ids.end)).unzip();
            let parameters =
                [(&first as _, Type::INT8_ARRAY), (&past as _, Type::INT8_ARRAY), (&most as _, Type::INT8)];
            self.each(&sql, &parameters, each)?;
        }
        Ok(())
    }

    fn search(
        &mut self,
        mut ids: Range<i64>,
        search: &Search,
        (most, limit): (usize, usize),
        each: &mut EachCell<'_>,
    ) -> Result<Looked, LedgerError> {
        let (sql, texts) = questions::matching(search);
        let matches_all = search.tests.is_empty() && search.tier.is_none();
        let (mut found, mut looked, mut step) = (0, 0, FIRST_LOOK);
        loop {
            let many = i64::try_from(step.min(most - looked)).unwrap_or(i64::MAX);
            // Where all match nobody has to know where the newest so many begin.
            let (from, count) = if matches_all { (ids.start, 0) } else { self.newest(&ids, many)? };
            let left = i64::try_from((limit - found).min(most - looked)).unwrap_or(i64::MAX);
            let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> =
                vec![(&from, Type::INT8), (&ids.end, Type::INT8), (&left, Type::INT8)];
            parameters.extend(texts.iter().map(|text| (text as _, Type::TEXT)));
            let (mut last, before) = (from, found);
            self.each(&sql, &parameters, &mut |fields| {
                found += 1;
                last = fields.get(column::ID)?.integer().unwrap_or(last);
                each(fields)
            })?;
            looked += if matches_all { found - before } else { count };
            // Cut off by either bound: nobody has looked below the last of them.
            if found >= limit || matches_all && looked >= most {
                return Ok(Looked { from: last, rows: looked });
            }
            if from == ids.start || looked >= most {
                return Ok(Looked { from, rows: looked });
            }
            (ids.end, step) = (from, step * 8);
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
