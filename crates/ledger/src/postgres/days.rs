//! Days that are over, folded: the cells of a day, of all writers, packed into one row for each cube.
//!
//! What is folded is a copy. It carries how many rows, with which digest, it counts, and is read only while `hours` says the
//! same in the reader's own state of the database. So nobody has to be told of a late row, a row that an older process wrote
//! or one that was copied here: the day is read from its cells again until the next pass folds it anew.

use super::link::Link;
use super::locks;
use super::view::Fields;
use crate::ask::EachCell;
use crate::cells::{COLUMNS, Cube, Grain, HOURS_PER_DAY, Piece, Place, merge_figures};
use crate::value::{self, Unfit};
use crate::{Figures, LedgerError, packed};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

pub(super) const CUBES: [Cube; 3] = [Cube::Tiers, Cube::Routes, Cube::Callers];

/// Which rows a day has, as `hours` says it. $1 and $2: the first hour, and the first one after.
const COUNTED: &str = "SELECT hour / 24 AS day, sum(calls) AS calls, sum(digest) AS digest \
                       FROM hours WHERE hour >= $1 AND hour < $2 GROUP BY 1";

/// Folds the newest day before one (since 1970, UTC) that has changed since it was folded, or never was. Gives that day, before
/// which the next may be; none when there is none, or another process is at it.
pub(super) fn fold(link: &Link, before: i64, limit: Duration) -> Result<Option<i64>, LedgerError> {
    let client = link.client();
    let Some((day, rows)) = link.run(limit, begin(client, before))? else { return Ok(None) };
    let cubes = pack(&rows, link.place())?;
    link.run(limit, async {
        match end(client, day, cubes).await {
            // Another process has folded it since our transaction began.
            Err(error) if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) => {
                client.batch_execute("ROLLBACK").await
            }
            done => done,
        }
    })?;
    Ok(Some(day))
}

/// Begins a transaction with the day to fold and all its cells; none when there is nothing to do.
async fn begin(client: &Client, before: i64) -> Result<Option<(i64, Vec<Row>)>, Error> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    let day =
        if locks::take_for_transaction(client, locks::FOLDING).await? { next(client, before).await? } else { None };
    let Some(day) = day else { return client.batch_execute("ROLLBACK").await.map(|()| None) };
    let cells = CUBES.map(|cube| {
        let piece = Piece { cube, grain: Grain::Days, from: day, to: day + 1, only: None };
        format!("SELECT {COLUMNS} FROM cells WHERE {}", piece.condition())
    });
    let rows = client.query_typed(&cells.join(" UNION ALL "), &[]).await?;
    Ok(Some((day, rows)))
}

async fn next(client: &Client, before: i64) -> Result<Option<i64>, Error> {
    let sql = format!(
        "SELECT day::bigint FROM ({COUNTED}) AS counted LEFT JOIN days USING (day) GROUP BY day \
         HAVING count(*) FILTER (WHERE counted.calls = days.calls AND counted.digest = days.digest) < {} \
         ORDER BY day DESC LIMIT 1",
        CUBES.len()
    );
    let before = before.saturating_mul(HOURS_PER_DAY);
    let found = client.query_typed_opt(&sql, &[(&0_i64, Type::INT8), (&before, Type::INT8)]).await?;
    Ok(found.map(|row| row.get(0)))
}

/// The cells of each cube, those of all writers added up.
fn pack(rows: &[Row], place: &str) -> Result<BTreeMap<i64, Vec<u8>>, LedgerError> {
    let mut cells: BTreeMap<Place, Figures> = BTreeMap::new();
    for row in rows {
        let fields = Fields::new(row, place);
        merge_figures(&fields, cells.entry(Place::read(&fields)?).or_default())?;
    }
    let mut cubes: BTreeMap<i64, Vec<u8>> = CUBES.iter().map(|cube| (cube.code(), packed::empty())).collect();
    for (place, figures) in &cells {
        packed::put(cubes.entry(place.cube).or_insert_with(packed::empty), place, figures);
    }
    Ok(cubes)
}

/// Writes what was folded, with what it counts, and ends the transaction.
async fn end(client: &Client, day: i64, cubes: BTreeMap<i64, Vec<u8>>) -> Result<(), Error> {
    let (cubes, cells): (Vec<i64>, Vec<Vec<u8>>) = cubes.into_iter().unzip();
    let sql = format!(
        "INSERT INTO days (cube, day, calls, digest, cells) \
         SELECT cube, day, calls, digest, cells FROM ({COUNTED}) AS counted, unnest($3, $4) AS new (cube, cells) \
         ON CONFLICT (cube, day) DO UPDATE SET calls = excluded.calls, digest = excluded.digest, cells = excluded.cells"
    );
    let [first, past] = [day, day + 1].map(|day| day * HOURS_PER_DAY);
    let parameters = [
        (&first as _, Type::INT8),
        (&past as _, Type::INT8),
        (&cubes as _, Type::INT8_ARRAY),
        (&cells as _, Type::BYTEA_ARRAY),
    ];
    client.query_typed(&sql, &parameters).await?;
    client.batch_execute("COMMIT").await
}

/// Folded days of some cubes ($3) that still count what `hours` says, with $1 and $2 as in [`COUNTED`]: cube, day, cells.
pub(super) fn valid() -> String {
    // Each by its key, whatever the planner thinks of it.
    format!(
        "SELECT cube::bigint, day::bigint, cells FROM ({COUNTED}) AS counted CROSS JOIN LATERAL \
         (SELECT cube, cells FROM days WHERE cube = ANY($3) AND days.day = counted.day \
          AND days.calls = counted.calls AND days.digest = counted.digest) AS folded"
    )
}

/// The days and cubes of pieces that may be read from folded days. None where that is not the same days of each.
pub(super) fn foldable(pieces: &[Piece]) -> Option<(Range<i64>, Vec<Cube>)> {
    let whole: Vec<&Piece> = pieces.iter().filter(|piece| piece.grain == Grain::Days && piece.only.is_none()).collect();
    let first = whole.first()?;
    let same = whole.iter().all(|piece| (piece.from, piece.to) == (first.from, first.to));
    same.then(|| (first.from..first.to, whole.iter().map(|piece| piece.cube).collect()))
}

/// Which days, by cube, were shown from what was folded.
#[derive(Default)]
pub(super) struct Folded(BTreeMap<i64, BTreeSet<i64>>);

impl Folded {
    /// Shows the cells of one row of [`valid`].
    pub(super) fn show(&mut self, row: &dyn value::Fields, each: &mut EachCell<'_>) -> Result<(), LedgerError> {
        let bad = |unfit: Unfit| LedgerError::BadSum { cause: unfit.at(0) };
        let (cube, day) = (row.get(0)?.integer().map_err(bad)?, row.get(1)?.integer().map_err(bad)?);
        packed::each(row.get(2)?.blob().map_err(bad)?, [cube, Grain::Days.code(), day], each)?;
        self.0.entry(cube).or_default().insert(day);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left of a piece of what was [`foldable`], or of another: runs of days that were not shown.
    pub(super) fn left(&self, piece: Piece) -> Vec<Piece> {
        let shown = self.0.get(&piece.cube.code()).filter(|_| piece.grain == Grain::Days && piece.only.is_none());
        let Some(shown) = shown else { return vec![piece] };
        let (mut left, mut from) = (Vec::new(), piece.from);
        for day in shown.range(piece.from..piece.to).copied().chain([piece.to]) {
            if from < day {
                left.push(Piece { from, to: day, ..piece });
            }
            from = day + 1;
        }
        left
    }
}
