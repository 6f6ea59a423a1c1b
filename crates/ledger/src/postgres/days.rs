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
use crate::folding::Step;
use crate::value::{self, Unfit};
use crate::varint::Garbled;
use crate::{Figures, LedgerError, packed};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

pub(super) const CUBES: [Cube; 3] = [Cube::Tiers, Cube::Routes, Cube::Callers];

/// Which rows a day has, as `hours` says it. $1 and $2: the first hour, and the first one after.
const COUNTED: &str = "SELECT hour / 24 AS day, sum(calls) AS calls, sum(digest) AS digest \
                       FROM hours WHERE hour >= $1 AND hour < $2 GROUP BY 1";

/// The days before one (since 1970, UTC) that have changed since they were folded, or never were; the newest last.
pub(super) async fn unfolded(client: &Client, before: i64) -> Result<Vec<i64>, Error> {
    unfolded_among(client, 0..before).await
}

async fn unfolded_among(client: &Client, days: Range<i64>) -> Result<Vec<i64>, Error> {
    let sql = format!(
        "SELECT day::bigint FROM ({COUNTED}) AS counted LEFT JOIN days USING (day) GROUP BY day \
         HAVING count(*) FILTER (WHERE counted.calls = days.calls AND counted.digest = days.digest) < {} ORDER BY day",
        CUBES.len()
    );
    let [first, past] = [days.start, days.end].map(|day| day.saturating_mul(HOURS_PER_DAY));
    let found = client.query_typed(&sql, &[(&first, Type::INT8), (&past, Type::INT8)]).await?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}

/// Folds a day, unless somebody has done it since it was asked for. An error is one of the connection: what is wrong with the
/// day alone is [`Step::Unfit`], and leaves the connection as it was.
pub(super) fn fold(link: &Link, day: i64, limit: Duration) -> Result<Step, LedgerError> {
    let client = link.client();
    if !link.run(limit, begin(client))? {
        return Ok(Step::Elsewhere);
    }
    match try_fold(link, day, limit) {
        Ok(()) => Ok(Step::Done),
        Err(error @ LedgerError::Unreachable { .. }) => Err(error),
        Err(error) => link.run(limit, client.batch_execute("ROLLBACK")).map(|()| Step::Unfit(error)),
    }
}

/// Begins a transaction of one who folds; false, and none, when that is another process.
async fn begin(client: &Client) -> Result<bool, Error> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    let ours = locks::take_for_transaction(client, locks::FOLDING).await?;
    if !ours {
        client.batch_execute("ROLLBACK").await?;
    }
    Ok(ours)
}

/// Folds a day in the transaction, and ends that.
fn try_fold(link: &Link, day: i64, limit: Duration) -> Result<(), LedgerError> {
    let client = link.client();
    let rows = link.run(limit, async {
        if unfolded_among(client, day..day + 1).await?.is_empty() {
            return client.batch_execute("ROLLBACK").await.map(|()| None);
        }
        client.query_typed(&cells_of(day), &[]).await.map(Some)
    })?;
    let Some(rows) = rows else { return Ok(()) };
    let cubes = pack(&rows, link.place())?;
    link.run(limit, async {
        match end(client, day, cubes).await {
            // Another process has folded it since our transaction began.
            Err(error) if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) => {
                client.batch_execute("ROLLBACK").await
            }
            done => done,
        }
    })
}

/// The statement for all cells of a day.
fn cells_of(day: i64) -> String {
    let cells = CUBES.map(|cube| {
        let piece = Piece { cube, grain: Grain::Days, from: day, to: day + 1, only: None };
        format!("SELECT {COLUMNS} FROM cells WHERE {}", piece.condition())
    });
    cells.join(" UNION ALL ")
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

/// Says that a folded day is not used, the first time.
fn say_unreadable(cube: i64, day: i64, cause: Garbled) {
    /// For all readers of this process: each report reads the same days. As many as there are days at most.
    static SAID: Mutex<BTreeSet<(i64, i64)>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert((cube, day)) {
        let mend = format!("DELETE FROM days WHERE day = {day}");
        tracing::warn!(%cause, mend, "a folded day cannot be read: its sums are read one by one; deleted, it is folded anew");
    }
}

/// Which days, by cube, were shown from what was folded.
#[derive(Default)]
pub(super) struct Folded(BTreeMap<i64, BTreeSet<i64>>);

impl Folded {
    /// Shows the cells of one row of [`valid`]. Those that cannot be read are left to be read one by one.
    pub(super) fn show(&mut self, row: &dyn value::Fields, each: &mut EachCell<'_>) -> Result<(), LedgerError> {
        let bad = |unfit: Unfit| LedgerError::BadSum { cause: unfit.at(0) };
        let (cube, day) = (row.get(0)?.integer().map_err(bad)?, row.get(1)?.integer().map_err(bad)?);
        let blob = row.get(2)?.blob().map_err(bad)?;
        // Before any is shown: what was shown cannot be taken back.
        if let Err(cause) = packed::check(blob) {
            say_unreadable(cube, day, cause);
            return Ok(());
        }
        packed::each(blob, [cube, Grain::Days.code(), day], each)?;
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
