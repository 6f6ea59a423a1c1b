//! The questions, whichever database answers them. What a database has to offer for that is its [`View`].

mod audit;
mod list;
mod search;
mod spend;
mod sums;

pub(crate) use audit::audit;
pub(crate) use list::page;
pub(crate) use search::{Search, Test};
pub(crate) use spend::spent;
pub(crate) use sums::{bills, series, summary};

use crate::cells::{Apart, HOUR_MS, HOURS_PER_DAY, Piece};
use crate::queries::Span;
use crate::row::{self, column};
use crate::value::Fields;
use crate::words::Spelling;
use crate::{LedgerError, StoredCall};
use std::collections::{BTreeMap, HashMap};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use tierway_decide::{CallRecord, RequestId};

/// Is shown a cell.
pub(crate) type EachCell<'a> = dyn FnMut(&dyn Fields) -> Result<(), LedgerError> + 'a;
/// Is shown a row, and says whether it wants more.
pub(crate) type EachRow<'a> = dyn FnMut(&dyn Fields) -> Result<ControlFlow<()>, LedgerError> + 'a;

/// One state of a store, however much is written meanwhile. Knows SQL, and nothing of what is asked.
pub(crate) trait View {
    /// All texts that are numbered.
    fn spelling(&mut self) -> Result<Arc<Spelling>, LedgerError>;

    /// The first hour whose rows and sums by the hour are kept: the first of a day. `i64::MIN` when all are.
    fn first_kept_hour(&mut self) -> Result<i64, LedgerError>;

    /// Shows cells, as rows of [`crate::cells::COLUMNS`], that meet a condition in SQL (numbers only). A place may come
    /// more than once: its figures are the sum.
    fn cells(&mut self, condition: &str, each: &mut EachCell<'_>) -> Result<(), LedgerError>;

    /// The same for cells of some pieces, none of them in two; a database that can may sum them up over all dimensions that
    /// are not to be told apart.
    fn sums(&mut self, pieces: &[Piece], _apart: Apart, each: &mut EachCell<'_>) -> Result<(), LedgerError> {
        pieces.iter().try_for_each(|piece| self.cells(&piece.condition(), each))
    }

    /// Shows the cells of a day (since 1970, UTC) as [`Self::sums`] reads them where the database keeps a copy for that. False
    /// when there is none in use.
    fn copied(&mut self, _day: i64, _each: &mut EachCell<'_>) -> Result<bool, LedgerError> {
        Ok(false)
    }

    /// The last start among the cells that meet a condition.
    fn last_start(&mut self, condition: &str) -> Result<Option<i64>, LedgerError>;

    /// Shows rows of [`crate::row::COLUMNS`] with ids in a range, in or against their order, until `each` breaks off.
    fn rows(&mut self, ids: Range<i64>, order: Order, each: &mut EachRow<'_>) -> Result<(), LedgerError>;

    /// Shows the rows with some ids that are there, in any order.
    fn rows_of(&mut self, ids: &[i64], each: &mut EachCell<'_>) -> Result<(), LedgerError>;

    /// Shows the newest rows of each of some ranges, at most so many of each, in any order.
    fn newest_of(&mut self, ranges: &[Range<i64>], most: usize, each: &mut EachCell<'_>) -> Result<(), LedgerError>;

    /// Shows the rows that match, at most `limit`, among the newest `most` of a range, the newest first.
    fn search(
        &mut self,
        ids: Range<i64>,
        search: &Search,
        (most, limit): (usize, usize),
        each: &mut EachCell<'_>,
    ) -> Result<Looked, LedgerError> {
        let (mut looked, mut found) = (Looked { from: ids.start, rows: 0 }, 0);
        self.rows(ids, Order::NewestFirst, &mut |fields| {
            looked.rows += 1;
            if search.matches(fields)? {
                each(fields)?;
                found += 1;
            }
            if found < limit && looked.rows < most {
                return Ok(ControlFlow::Continue(()));
            }
            looked.from = fields.get(column::ID)?.integer().unwrap_or(looked.from);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(looked)
    }

    /// The first id from one on.
    fn next_id(&mut self, from: i64) -> Result<Option<i64>, LedgerError>;

    /// What is known of the hours of a range.
    fn hours(&mut self, hours: Range<i64>) -> Result<BTreeMap<i64, Hour>, LedgerError>;
}

/// Which rows come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
}

impl Order {
    /// As SQL orders by it.
    pub(crate) const fn sql(self) -> &'static str {
        match self {
            Self::OldestFirst => "id",
            Self::NewestFirst => "id DESC",
        }
    }
}

/// The first kept hour, by the last one that expired: days go whole.
pub(crate) fn kept_after(last_expired: Option<i64>) -> i64 {
    last_expired.map_or(i64::MIN, |last| (last.div_euclid(HOURS_PER_DAY) + 1) * HOURS_PER_DAY)
}

/// What the rows of an hour have to add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hour {
    /// How many were written.
    pub(crate) calls: i64,
    /// Sum of their checksums, modulo 2^64.
    pub(crate) digest: i64,
    /// They are gone, or going, by the rule of retention.
    pub(crate) expired: bool,
}

/// How far a search went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Looked {
    /// Every row from this id on was looked at.
    pub(crate) from: i64,
    /// How many, or fewer where the search has all that it wanted.
    pub(crate) rows: usize,
}

/// Those of some requests that are there, in their order.
pub(crate) fn calls(view: &mut dyn View, ids: &[RequestId]) -> Result<Vec<StoredCall>, LedgerError> {
    let spelling = view.spelling()?;
    let wanted: Vec<i64> = ids.iter().map(|id| id.as_i64()).collect();
    let mut found = Vec::with_capacity(ids.len());
    view.rows_of(&wanted, &mut |fields| {
        found.push(row::read(fields, &spelling)?);
        Ok(())
    })?;
    let places: HashMap<RequestId, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    found.sort_by_key(|stored| places.get(&stored.call.id));
    Ok(found)
}

/// The newest requests of each of some spans, the oldest first.
pub(crate) fn newest(view: &mut dyn View, spans: &[Span], most: usize) -> Result<Vec<CallRecord>, LedgerError> {
    let spelling = view.spelling()?;
    let kept_ms = view.first_kept_hour()?.max(0) * HOUR_MS;
    let ids =
        |span: &Span| RequestId::first_at(span.from_ms.max(kept_ms)).as_i64()..RequestId::first_at(span.to_ms).as_i64();
    let ranges: Vec<_> = spans.iter().map(ids).filter(|ids| !ids.is_empty()).collect();
    let mut found = Vec::with_capacity(spans.len() * most);
    view.newest_of(&ranges, most, &mut |fields| {
        found.push(row::read(fields, &spelling)?.call);
        Ok(())
    })?;
    found.sort_by_key(|call| call.id);
    Ok(found)
}

/// One request.
pub(crate) fn call(view: &mut dyn View, id: RequestId) -> Result<Option<StoredCall>, LedgerError> {
    calls(view, &[id]).map(|mut found| found.pop())
}

/// Every request of a span, the oldest first.
pub(crate) fn each(
    view: &mut dyn View,
    span: Span,
    each: &mut dyn FnMut(Result<StoredCall, LedgerError>) -> ControlFlow<()>,
) -> Result<(), LedgerError> {
    let spelling = view.spelling()?;
    let [from, to] = [span.from_ms, span.to_ms].map(|ms| RequestId::first_at(ms).as_i64());
    view.rows(from..to, Order::OldestFirst, &mut |fields| Ok(each(row::read(fields, &spelling))))
}

/// Hours of a span, widened to whole days where only sums by the day are kept.
fn answerable(view: &mut dyn View, (from, to): (i64, i64)) -> Result<(i64, i64), LedgerError> {
    let kept = view.first_kept_hour()?;
    let day_of = |hour: i64| hour.div_euclid(HOURS_PER_DAY) * HOURS_PER_DAY;
    let from = if from < kept { day_of(from) } else { from };
    let to = if to < kept { day_of(to + HOURS_PER_DAY - 1) } else { to };
    Ok((from, to))
}

/// The hours from which the sums of a span are read: of a span until now those of all of today, because today's sums by the
/// day are then the same as those of its hours, and far fewer.
fn readable(view: &mut dyn View, (from, to): (i64, i64)) -> Result<(i64, i64), LedgerError> {
    let midnight = (to + HOURS_PER_DAY - 1).div_euclid(HOURS_PER_DAY) * HOURS_PER_DAY;
    if midnight == to || midnight - HOURS_PER_DAY < from || midnight >= spend::NEVER {
        return Ok((from, to));
    }
    let next = view.next_id(first_of(to))?;
    Ok((from, if next.is_none_or(|next| next >= first_of(midnight)) { midnight } else { to }))
}

/// The first id of an hour.
const fn first_of(hour: i64) -> i64 {
    RequestId::first_at(hour * HOUR_MS).as_i64()
}
