//! Sums of calls by hour and day, kept up by the writer in the transaction of the rows.
//!
//! A group is summed up in memory first, so that a thousand rows touch a cell once. The writer is alone, so what it
//! has in memory is what the file says; after a failed transaction it forgets and reads again.

use super::words::Words;
use crate::codes::{Code, ReasonKind};
use crate::{Figures, Histogram};
use rusqlite::{CachedStatement, OptionalExtension, Row, Transaction};
use std::collections::HashMap;
use tierway_decide::savings::Savings;
use tierway_decide::{CallRecord, Usd};

/// Cells that are kept in memory between groups, about 1 kB each.
const MOST_CELLS: usize = 8_192;
const ALL: i64 = -1;
const HOUR_MS: i64 = 3_600_000;
const HOURS_PER_DAY: i64 = 24;

/// What calls are summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cube {
    Tiers,
    Routes,
    Callers,
}

impl Cube {
    pub(crate) const fn code(self) -> i64 {
        match self {
            Self::Tiers => 0,
            Self::Routes => 1,
            Self::Callers => 2,
        }
    }
}

/// Width of a cell in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grain {
    Hours,
    Days,
}

impl Grain {
    pub(crate) const fn code(self) -> i64 {
        match self {
            Self::Hours => 0,
            Self::Days => 1,
        }
    }
}

/// Which cell. Dimensions that its cube does not have are [`ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) cube: i64,
    pub(crate) grain: i64,
    pub(crate) start: i64,
    pub(crate) tier: i64,
    pub(crate) provider: i64,
    pub(crate) model: i64,
    pub(crate) task_type: i64,
    pub(crate) complexity: i64,
    pub(crate) reason: i64,
    pub(crate) team: i64,
    pub(crate) key: i64,
}

impl Place {
    const fn new(cube: Cube, hour: i64, tier: i64) -> Self {
        Self {
            cube: cube.code(),
            grain: Grain::Hours.code(),
            start: hour,
            tier,
            provider: ALL,
            model: ALL,
            task_type: ALL,
            complexity: ALL,
            reason: ALL,
            team: ALL,
            key: ALL,
        }
    }

    /// The same dimensions at any time.
    pub(crate) const fn timeless(self) -> Self {
        Self { grain: ALL, start: ALL, ..self }
    }

    /// The cell of the day that holds this hour.
    const fn day(self) -> Self {
        Self { grain: Grain::Days.code(), start: self.start.div_euclid(HOURS_PER_DAY), ..self }
    }

    const fn columns(self) -> [i64; 11] {
        [
            self.cube,
            self.grain,
            self.start,
            self.tier,
            self.provider,
            self.model,
            self.task_type,
            self.complexity,
            self.reason,
            self.team,
            self.key,
        ]
    }

    pub(crate) fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            cube: row.get(0)?,
            grain: row.get(1)?,
            start: row.get(2)?,
            tier: row.get(3)?,
            provider: row.get(4)?,
            model: row.get(5)?,
            task_type: row.get(6)?,
            complexity: row.get(7)?,
            reason: row.get(8)?,
            team: row.get(9)?,
            key: row.get(10)?,
        })
    }
}

/// The hour in which a request came, since 1970.
const fn hour_of(call: &CallRecord) -> i64 {
    call.id.unix_ms().div_euclid(HOUR_MS)
}

/// What some calls add: those of a group, or of an hour that is audited.
#[derive(Default)]
pub(crate) struct Sums {
    cells: HashMap<Place, Figures>,
    /// Calls and digest by hour.
    hours: HashMap<i64, (i64, i64)>,
}

impl Sums {
    /// Counts a call in whose words are known.
    pub(crate) fn add(&mut self, call: &CallRecord, checksum: i64, words: &Words) {
        let hour = hour_of(call);
        let tier = words.number(if call.served_tier.is_empty() { &call.tier } else { &call.served_tier });
        let route = Place {
            provider: words.number(&call.provider),
            model: words.number(&call.served_model),
            task_type: call.prediction.task_type.code(),
            complexity: call.prediction.complexity.code(),
            reason: ReasonKind::of(&call.reason).code(),
            ..Place::new(Cube::Routes, hour, tier)
        };
        let caller = Place {
            team: words.number(&call.team),
            key: words.number(&call.key),
            ..Place::new(Cube::Callers, hour, tier)
        };
        self.cells.entry(route).or_default().add(call);
        self.cells.entry(caller).or_default().add(call);
        let (calls, digest) = self.hours.entry(hour).or_default();
        *calls += 1;
        *digest = digest.wrapping_add(checksum);
    }

    /// All cells that they belong to, tiers and days included.
    pub(crate) fn into_cells(self) -> HashMap<Place, Figures> {
        let mut cells: HashMap<Place, Figures> = HashMap::with_capacity(self.cells.len() * 3);
        for (place, figures) in self.cells {
            if place.cube == Cube::Routes.code() {
                let tier = Place::new(Cube::Tiers, place.start, place.tier);
                cells.entry(tier.day()).or_default().merge(&figures);
                cells.entry(tier).or_default().merge(&figures);
            }
            cells.entry(place.day()).or_default().merge(&figures);
            cells.insert(place, figures);
        }
        cells
    }
}

/// The cells that the writer has in memory.
#[derive(Default)]
pub(crate) struct Cells {
    known: HashMap<Place, Figures>,
}

impl Cells {
    /// Adds a group's sums to the file.
    pub(crate) fn write(&mut self, transaction: &Transaction, sums: Sums) -> rusqlite::Result<()> {
        let mut digest_of = transaction.prepare_cached("SELECT digest FROM hours WHERE hour = ?1")?;
        let mut add_to_hour = transaction.prepare_cached(ADD_TO_HOUR)?;
        for (hour, (calls, digest)) in &sums.hours {
            // Wraps in Rust: SQLite's sums turn into floats where they overflow.
            let before = digest_of.query_row([hour], |row| row.get::<_, i64>(0)).optional()?.unwrap_or(0);
            add_to_hour.execute((hour, calls, before.wrapping_add(*digest)))?;
        }
        let mut select = transaction.prepare_cached(&select_cells(ONE_CELL))?;
        let mut replace = transaction.prepare_cached(&replace_cell())?;
        let (mut total, mut first_byte) = (Vec::new(), Vec::new());
        for (place, added) in sums.into_cells() {
            let figures = match self.known.entry(place) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(unknown) => {
                    let stored = select.query_row(place.columns(), |row| read_figures(row, FIGURES_AT)).optional()?;
                    unknown.insert(stored.unwrap_or_default())
                }
            };
            figures.merge(&added);
            bind_cell(&mut replace, place, figures, &mut total, &mut first_byte)?;
            replace.raw_execute()?;
        }
        Ok(())
    }

    pub(crate) fn committed(&mut self) {
        if self.known.len() > MOST_CELLS {
            self.known.clear();
        }
    }

    pub(crate) fn rolled_back(&mut self) {
        self.known.clear();
    }
}

const ADD_TO_HOUR: &str = "INSERT INTO hours (hour, calls, digest, expired) VALUES (?1, ?2, ?3, 0)
    ON CONFLICT (hour) DO UPDATE SET calls = calls + excluded.calls, digest = excluded.digest";

const ONE_CELL: &str = "cube = ? AND grain = ? AND start = ? AND tier = ? AND provider = ? AND model = ? \
AND task_type = ? AND complexity = ? AND reason = ? AND team = ? AND key = ?";

/// Dimensions first, then figures, in the order of [`Place::columns`], [`Figures::counts`] and [`savings_columns`].
const COLUMNS: &str = "cube, grain, start, tier, provider, model, task_type, complexity, reason, team, key, \
calls, answered, failed, cancelled, refused, attempts, moved, abstained, estimated, calibrated, \
input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, decide_us, total_ms, \
first_byte_ms, priced_calls, unpriced_calls, passed_calls, lost_calls, cheapest_calls, \
paid, classifier, baseline, gained, lost, cheapest, cheapest_baseline, paid_elsewhere, \
total_histogram, first_byte_histogram";

/// Where the figures begin in [`COLUMNS`].
pub(crate) const FIGURES_AT: usize = 11;

/// Selects whole cells.
pub(crate) fn select_cells(condition: &str) -> String {
    format!("SELECT {COLUMNS} FROM cells WHERE {condition}")
}

fn replace_cell() -> String {
    let marks = vec!["?"; COLUMNS.split(',').count()].join(",");
    format!("INSERT OR REPLACE INTO cells ({COLUMNS}) VALUES ({marks})")
}

fn bind_cell(
    replace: &mut CachedStatement,
    place: Place,
    figures: &Figures,
    total: &mut Vec<u8>,
    first_byte: &mut Vec<u8>,
) -> rusqlite::Result<()> {
    let counts = figures.counts().map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let (calls, money) = savings_columns(&figures.savings);
    let calls = calls.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let numbers = place.columns().into_iter().chain(counts).chain(calls).chain(money.map(Usd::picos));
    let mut last = 0;
    for number in numbers {
        last += 1;
        replace.raw_bind_parameter(last, number)?;
    }
    total.clear();
    figures.total.pack(total);
    first_byte.clear();
    figures.first_byte.pack(first_byte);
    replace.raw_bind_parameter(last + 1, &*total)?;
    replace.raw_bind_parameter(last + 2, &*first_byte)
}

const fn savings_columns(savings: &Savings) -> ([u64; 5], [Usd; 8]) {
    (
        [
            savings.priced_calls,
            savings.unpriced_calls,
            savings.passed_calls,
            savings.lost_calls,
            savings.cheapest_calls,
        ],
        [
            savings.paid,
            savings.classifier,
            savings.baseline,
            savings.gained,
            savings.lost,
            savings.cheapest,
            savings.cheapest_baseline,
            savings.paid_elsewhere,
        ],
    )
}

/// Reads the figures of a row that begin at column `first`.
pub(crate) fn read_figures(row: &Row, first: usize) -> rusqlite::Result<Figures> {
    let mut figures = Figures::default();
    merge_figures(row, first, &mut figures)?;
    Ok(figures)
}

/// Adds the figures of a row to others, without unpacking its histograms apart: reports do this ten thousand times.
pub(crate) fn merge_figures(row: &Row, first: usize, into: &mut Figures) -> rusqlite::Result<()> {
    let mut figures = Figures::default();
    let mut column = first;
    let mut next = || {
        column += 1;
        row.get::<_, i64>(column - 1)
    };
    for count in figures.counts_mut() {
        *count = next()?.cast_unsigned();
    }
    let savings = &mut figures.savings;
    for calls in [
        &mut savings.priced_calls,
        &mut savings.unpriced_calls,
        &mut savings.passed_calls,
        &mut savings.lost_calls,
        &mut savings.cheapest_calls,
    ] {
        *calls = next()?.cast_unsigned();
    }
    for money in [
        &mut savings.paid,
        &mut savings.classifier,
        &mut savings.baseline,
        &mut savings.gained,
        &mut savings.lost,
        &mut savings.cheapest,
        &mut savings.cheapest_baseline,
        &mut savings.paid_elsewhere,
    ] {
        *money = Usd::from_picos(next()?);
    }
    into.merge(&figures);
    merge_histogram(row, column, &mut into.total)?;
    merge_histogram(row, column + 1, &mut into.first_byte)
}

fn merge_histogram(row: &Row, column: usize, into: &mut Histogram) -> rusqlite::Result<()> {
    let blob = row.get_ref(column)?.as_blob()?;
    into.merge_packed(blob).map_err(|cause| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(cause))
    })
}

/// The first hour whose rows and sums by the hour are kept: the first of a day.
pub(crate) fn first_kept_hour(view: &Transaction) -> rusqlite::Result<i64> {
    let last = view.query_row("SELECT max(hour) FROM hours WHERE expired = 1", [], |row| row.get::<_, Option<i64>>(0));
    Ok(last?.map_or(i64::MIN, |last| (last.div_euclid(HOURS_PER_DAY) + 1) * HOURS_PER_DAY))
}

/// Hours of a span, widened to whole days where only sums by the day are kept.
pub(crate) fn answerable(view: &Transaction, (from, to): (i64, i64)) -> rusqlite::Result<(i64, i64)> {
    let kept = first_kept_hour(view)?;
    let day_of = |hour: i64| hour.div_euclid(HOURS_PER_DAY) * HOURS_PER_DAY;
    let from = if from < kept { day_of(from) } else { from };
    let to = if to < kept { day_of(to + HOURS_PER_DAY - 1) } else { to };
    Ok((from, to))
}

/// Condition on one cube for a span of hours: whole days from day cells, the rest from hour cells.
/// Parameters are numbers, so they are written out.
pub(crate) fn span(cube: Cube, from_hour: i64, to_hour: i64) -> Vec<String> {
    let cube = cube.code();
    let piece = |grain: Grain, from: i64, to: i64| {
        (from < to).then(|| format!("cube = {cube} AND grain = {} AND start >= {from} AND start < {to}", grain.code()))
    };
    let first_day = from_hour.div_euclid(HOURS_PER_DAY) + i64::from(from_hour.rem_euclid(HOURS_PER_DAY) != 0);
    let last_day = to_hour.div_euclid(HOURS_PER_DAY);
    let pieces = if first_day < last_day {
        [
            piece(Grain::Hours, from_hour, first_day * HOURS_PER_DAY),
            piece(Grain::Days, first_day, last_day),
            piece(Grain::Hours, last_day * HOURS_PER_DAY, to_hour),
        ]
    } else {
        [piece(Grain::Hours, from_hour, to_hour), None, None]
    };
    pieces.into_iter().flatten().collect()
}
