//! Sums of calls by hour and day, kept up by the writer in the transaction of the rows.
//!
//! A group is summed up in memory first, so that a thousand rows touch a cell once. The writer is alone with its cells, so
//! what it has in memory is what the store says; after a failed transaction it forgets and reads again.

use crate::codes::{Code, ReasonKind};
use crate::value::Fields;
use crate::words::Words;
use crate::{Figures, LedgerError};
use foldhash::fast::RandomState;
use std::collections::HashMap;
pub(crate) use tierway_decide::HOUR_MS;
use tierway_decide::savings::Savings;
use tierway_decide::{CallRecord, Usd};

/// Cells that are kept in memory between groups, about 1 kB each.
const MOST_CELLS: usize = 8_192;
const ALL: i64 = -1;
pub(crate) const HOURS_PER_DAY: i64 = 24;

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

    /// Its dimensions that are words.
    pub(crate) const fn words(self) -> [i64; 5] {
        [self.tier, self.provider, self.model, self.team, self.key]
    }

    /// The same with other words.
    pub(crate) fn with_words(self, word: impl Fn(i64) -> i64) -> Self {
        let [tier, provider, model, team, key] = self.words().map(word);
        Self { tier, provider, model, team, key, ..self }
    }

    /// The cell of the day that holds this hour.
    const fn day(self) -> Self {
        Self { grain: Grain::Days.code(), start: self.start.div_euclid(HOURS_PER_DAY), ..self }
    }

    pub(crate) const fn columns(self) -> [i64; DIMENSIONS] {
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

    /// The dimensions at the beginning of a row of [`COLUMNS`].
    pub(crate) fn read(row: &dyn Fields) -> Result<Self, LedgerError> {
        let mut columns = [0; DIMENSIONS];
        row.integers(0, &mut columns)?;
        let [cube, grain, start, tier, provider, model, task_type, complexity, reason, team, key] = columns;
        Ok(Self { cube, grain, start, tier, provider, model, task_type, complexity, reason, team, key })
    }
}

/// The hour in which a request came, since 1970.
pub(crate) const fn hour_of(call: &CallRecord) -> i64 {
    call.id.unix_ms().div_euclid(HOUR_MS)
}

/// The words that a call is summed by, as numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dimensions {
    /// That of the answer, or the decided one where none answered.
    pub(crate) tier: i64,
    pub(crate) provider: i64,
    pub(crate) model: i64,
    pub(crate) team: i64,
    pub(crate) key: i64,
}

impl Dimensions {
    /// Of a call that is written, once its words are numbered.
    pub(crate) fn of(call: &CallRecord, words: &Words) -> Self {
        Self {
            tier: words.number(if call.served_tier.is_empty() { &call.tier } else { &call.served_tier }),
            provider: words.number(&call.provider),
            model: words.number(&call.served_model),
            team: words.number(&call.team),
            key: words.number(&call.key),
        }
    }
}

/// What some calls add: those of a group, or of an hour that is audited.
#[derive(Default)]
pub(crate) struct Sums {
    /// Two of them are looked up for each call.
    cells: HashMap<Place, Figures, RandomState>,
    /// Calls and digest by hour.
    hours: HashMap<i64, (i64, i64)>,
}

impl Sums {
    /// Counts a call in.
    pub(crate) fn add(&mut self, call: &CallRecord, checksum: i64, by: Dimensions) {
        let (hour, Dimensions { tier, provider, model, team, key }) = (hour_of(call), by);
        let route = Place {
            provider,
            model,
            task_type: call.prediction.task_type.code(),
            complexity: call.prediction.complexity.code(),
            reason: ReasonKind::of(&call.reason).code(),
            ..Place::new(Cube::Routes, hour, tier)
        };
        let caller = Place { team, key, ..Place::new(Cube::Callers, hour, tier) };
        self.cells.entry(route).or_default().add(call);
        self.cells.entry(caller).or_default().add(call);
        let (calls, digest) = self.hours.entry(hour).or_default();
        *calls += 1;
        *digest = digest.wrapping_add(checksum);
    }

    /// Calls and digest of each hour.
    pub(crate) const fn hours(&self) -> &HashMap<i64, (i64, i64)> {
        &self.hours
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
pub(crate) struct Known {
    cells: HashMap<Place, Figures>,
}

impl Known {
    /// Those of some places that have to be read from the store first.
    pub(crate) fn missing<'a>(&self, places: impl IntoIterator<Item = &'a Place>) -> Vec<Place> {
        places.into_iter().filter(|place| !self.cells.contains_key(place)).copied().collect()
    }

    /// What the store has at a place.
    pub(crate) fn learn(&mut self, place: Place, figures: Figures) {
        self.cells.insert(place, figures);
    }

    /// Adds to a cell; gives what the store has to say from now on.
    pub(crate) fn add(&mut self, place: Place, added: &Figures) -> &Figures {
        let figures = self.cells.entry(place).or_default();
        figures.merge(added);
        figures
    }

    pub(crate) fn committed(&mut self) {
        if self.cells.len() > MOST_CELLS {
            self.cells.clear();
        }
    }

    pub(crate) fn rolled_back(&mut self) {
        self.cells.clear();
    }
}

/// How many dimensions a cell has.
pub(crate) const DIMENSIONS: usize = 11;
/// How many numbers: [`Figures::counts`] and those of [`savings_columns`].
pub(crate) const NUMBERS: usize = 31;

/// Dimensions first, then figures, in the order of [`Place::columns`], [`numbers`], and the two histograms.
pub(crate) const COLUMNS: &str = "cube, grain, start, tier, provider, model, task_type, complexity, reason, team, key, \
calls, answered, failed, cancelled, refused, attempts, moved, abstained, estimated, calibrated, \
input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, decide_us, total_ms, \
first_byte_ms, priced_calls, unpriced_calls, passed_calls, lost_calls, cheapest_calls, \
paid, classifier, baseline, gained, lost, cheapest, cheapest_baseline, paid_elsewhere, \
total_histogram, first_byte_histogram";

/// All plain numbers of a cell in the order of their columns.
pub(crate) fn numbers(figures: &Figures) -> [i64; NUMBERS] {
    let (calls, money) = savings_columns(&figures.savings);
    let counts = figures.counts().into_iter().chain(calls).map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let mut numbers = [0; NUMBERS];
    numbers.iter_mut().zip(counts.chain(money.map(Usd::picos))).for_each(|(number, value)| *number = value);
    numbers
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

/// By which dimensions sums are told apart. A database may sum over all others, which then read as [`ALL`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Apart {
    pub(crate) dimensions: &'static [&'static str],
    /// Whether histograms are wanted; without, they are empty or not, as is easier.
    pub(crate) histograms: bool,
}

impl Apart {
    /// Everything but the time.
    pub(crate) const TIMELESS: Self = Self {
        dimensions: &["cube", "tier", "provider", "model", "task_type", "complexity", "reason", "team", "key"],
        histograms: true,
    };
    /// The money of tiers and kinds of work by time.
    pub(crate) const BILLS: Self =
        Self { dimensions: &["cube", "grain", "start", "tier", "task_type"], histograms: false };
    /// Money alone.
    pub(crate) const MONEY: Self = Self { dimensions: &["cube"], histograms: false };
}

/// The first of the numbers that are money; those before are counts.
pub(crate) const FIRST_MONEY: usize = DIMENSIONS + NUMBERS - 8;

/// Adds the figures of a row of [`COLUMNS`] to others, without unpacking its histograms apart: reports do this ten
/// thousand times.
pub(crate) fn merge_figures(row: &dyn Fields, into: &mut Figures) -> Result<(), LedgerError> {
    into.merge(&numbers_of(row)?);
    let column = DIMENSIONS + NUMBERS;
    for (histogram, at) in [(&mut into.total, column), (&mut into.first_byte, column + 1)] {
        let packed = row.get(at)?.blob().map_err(|unfit| LedgerError::BadSum { cause: unfit.at(at) })?;
        histogram.merge_packed(packed).map_err(|cause| LedgerError::BadSum { cause })?;
    }
    Ok(())
}

/// The money of a row of [`COLUMNS`].
pub(crate) fn savings_of(row: &dyn Fields) -> Result<Savings, LedgerError> {
    Ok(numbers_of(row)?.savings)
}

/// All figures of a row but its histograms.
fn numbers_of(row: &dyn Fields) -> Result<Figures, LedgerError> {
    let mut numbers = [0; NUMBERS];
    row.integers(DIMENSIONS, &mut numbers)?;
    let mut numbers = numbers.into_iter();
    let mut next = || numbers.next().unwrap_or_default();
    let mut figures = Figures::default();
    for count in figures.counts_mut() {
        *count = next().cast_unsigned();
    }
    let savings = &mut figures.savings;
    for calls in [
        &mut savings.priced_calls,
        &mut savings.unpriced_calls,
        &mut savings.passed_calls,
        &mut savings.lost_calls,
        &mut savings.cheapest_calls,
    ] {
        *calls = next().cast_unsigned();
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
        *money = Usd::from_picos(next());
    }
    Ok(figures)
}

/// Cells of one cube and grain whose start is in a range; all of them, or only those with a number in a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) cube: Cube,
    pub(crate) grain: Grain,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) only: Option<(&'static str, i64)>,
}

impl Piece {
    /// As a condition in SQL; numbers only.
    pub(crate) fn condition(self) -> String {
        let Self { cube, grain, from, to, only } = self;
        let only = only.map_or_else(String::new, |(dimension, number)| format!(" AND {dimension} = {number}"));
        format!("cube = {} AND grain = {} AND start >= {from} AND start < {to}{only}", cube.code(), grain.code())
    }
}

/// The pieces of one cube that make up a span of hours: whole days from day cells, the rest from hour cells.
pub(crate) fn pieces(cube: Cube, (from_hour, to_hour): (i64, i64)) -> impl Iterator<Item = Piece> {
    let piece = |grain: Grain, from: i64, to: i64| (from < to).then_some(Piece { cube, grain, from, to, only: None });
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
    pieces.into_iter().flatten()
}
