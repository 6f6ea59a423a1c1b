//! Sums in the tables: those of one writer, read when first needed and replaced by each group.

use super::view::Fields;
use crate::cells::{COLUMNS, DIMENSIONS, Known, NUMBERS, Place, merge_figures, numbers};
use crate::{Figures, LedgerError};
use std::collections::HashMap;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Statement};

/// One array for each column.
const ARRAYS: usize = DIMENSIONS + NUMBERS + 2;

/// Sums of a group, ready to be sent: absolute, not what is added.
pub(super) struct Sent {
    integers: Vec<Vec<i64>>,
    histograms: [Vec<Vec<u8>>; 2],
}

impl Sent {
    /// Adds a group's sums to what the store is known to have.
    pub(super) fn new(known: &mut Known, added: &HashMap<Place, Figures>) -> Self {
        let mut integers = vec![Vec::new(); DIMENSIONS + NUMBERS];
        let mut histograms = [Vec::new(), Vec::new()];
        for (place, added) in added {
            let figures = known.add(*place, added);
            for (column, number) in integers.iter_mut().zip(place.columns().into_iter().chain(numbers(figures))) {
                column.push(number);
            }
            for (column, histogram) in histograms.iter_mut().zip([&figures.total, &figures.first_byte]) {
                let mut packed = Vec::new();
                histogram.pack(&mut packed);
                column.push(packed);
            }
        }
        Self { integers, histograms }
    }

    pub(super) async fn write(&self, client: &Client, replace: &Statement) -> Result<(), Error> {
        let integers = self.integers.iter().map(|column| column as &(dyn ToSql + Sync));
        let histograms = self.histograms.iter().map(|column| column as &(dyn ToSql + Sync));
        let parameters: Vec<_> = integers.chain(histograms).collect();
        client.execute(replace, &parameters).await.map(|_| ())
    }
}

/// The statement that replaces cells of a writer.
pub(super) async fn prepare(client: &Client, writer: i16) -> Result<Statement, Error> {
    let mut types = vec![Type::INT8_ARRAY; DIMENSIONS + NUMBERS];
    types.extend([Type::BYTEA_ARRAY, Type::BYTEA_ARRAY]);
    client.prepare_typed(&replace(writer), &types).await
}

fn replace(writer: i16) -> String {
    let arrays: Vec<_> = (1..=ARRAYS).map(|number| format!("${number}")).collect();
    let figures: Vec<_> =
        COLUMNS.split(", ").skip(DIMENSIONS).map(|name| format!("{name} = excluded.{name}")).collect();
    let dimensions: Vec<_> = COLUMNS.split(", ").take(DIMENSIONS).collect();
    format!(
        "INSERT INTO cells ({COLUMNS}, writer) SELECT *, {writer} FROM unnest({}) \
         ON CONFLICT ({}, writer) DO UPDATE SET {}",
        arrays.join(", "),
        dimensions.join(", "),
        figures.join(", ")
    )
}

/// Hours with their calls and digests, for one writer: absolute, not what is added.
#[derive(Default)]
pub(super) struct SentHours {
    hours: Vec<i64>,
    calls: Vec<i64>,
    digests: Vec<i64>,
}

impl SentHours {
    pub(super) fn add(&mut self, hour: i64, calls: i64, digest: i64) {
        self.hours.push(hour);
        self.calls.push(calls);
        self.digests.push(digest);
    }

    /// `expired`: their rows are gone. Hours that are there are replaced, or left as they are.
    pub(super) async fn write(&self, client: &Client, writer: i16, expired: bool, replaces: bool) -> Result<(), Error> {
        let known = if replaces { "UPDATE SET calls = excluded.calls, digest = excluded.digest" } else { "NOTHING" };
        let sql = format!(
            "INSERT INTO hours (hour, calls, digest, writer, expired) \
             SELECT *, $4, $5 FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) \
             ON CONFLICT (hour, writer) DO {known}"
        );
        let integers = |column| (column as _, Type::INT8_ARRAY);
        let [hours, calls, digests] = [&self.hours, &self.calls, &self.digests].map(integers);
        let parameters = [hours, calls, digests, (&writer as _, Type::INT2), (&expired as _, Type::BOOL)];
        client.query_typed(&sql, &parameters).await.map(|_| ())
    }
}

/// Reads what the store has at some places.
pub(super) async fn load(client: &Client, writer: i16, places: &[Place]) -> Result<Vec<Row>, Error> {
    let mut columns = vec![Vec::new(); DIMENSIONS];
    for place in places {
        columns.iter_mut().zip(place.columns()).for_each(|(column, value)| column.push(value));
    }
    let names: Vec<_> = COLUMNS.split(", ").take(DIMENSIONS).collect();
    let arrays: Vec<_> = (1..=DIMENSIONS).map(|number| format!("${number}::bigint[]")).collect();
    let same: Vec<_> = names.iter().map(|name| format!("cells.{name} = wanted.{name}")).collect();
    // One look into the index for each, whatever the planner thinks of it.
    let sql = format!(
        "SELECT found.* FROM unnest({}) AS wanted ({}) CROSS JOIN LATERAL \
         (SELECT {COLUMNS} FROM cells WHERE {} AND writer = {writer} LIMIT 1) AS found",
        arrays.join(", "),
        names.join(", "),
        same.join(" AND ")
    );
    let parameters: Vec<_> = columns.iter().map(|column| (column as &(dyn ToSql + Sync), Type::INT8_ARRAY)).collect();
    client.query_typed(&sql, &parameters).await
}

/// Knows what was read; a place that has nothing yet has nothing.
pub(super) fn learn(known: &mut Known, places: Vec<Place>, rows: &[Row], place: &str) -> Result<(), LedgerError> {
    for place in places {
        known.learn(place, Figures::default());
    }
    for row in rows {
        let fields = Fields::new(row, place);
        let mut figures = Figures::default();
        merge_figures(&fields, &mut figures)?;
        known.learn(Place::read(&fields)?, figures);
    }
    Ok(())
}
