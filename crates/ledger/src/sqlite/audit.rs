//! Reads every row, sums it up anew, and compares: hour by hour, so that it needs no memory for the rest.

use super::cells::{FIGURES_AT, Place, Sums, read_figures, select_cells};
use super::row;
use super::words::{Spelling, Words};
use crate::audit::{Audit, Problem};
use crate::codes::{Code, ReasonKind};
use crate::queries::Span;
use crate::{Figures, LedgerError, StoredCall};
use rusqlite::{OptionalExtension, Transaction};
use std::collections::HashMap;
use std::path::Path;
use tierway_decide::{CallRecord, Complexity, RequestId, TaskType, savings};

const HOUR_MS: i64 = 3_600_000;

/// Audits whole hours; `each` sees every row that can be read.
pub(crate) fn audit(
    view: &Transaction,
    span: Span,
    path: &Path,
    each: &mut dyn FnMut(&CallRecord),
) -> Result<Audit, LedgerError> {
    let sqlite = |cause| LedgerError::from_sqlite(path, cause);
    let books =
        Books { view, spelling: Spelling::load(view).map_err(sqlite)?, words: Words::load(view).map_err(sqlite)? };
    let mut audit = Audit::default();
    let mut day = Day::default();
    for hour in books.hours(span).map_err(sqlite)? {
        if day.number != hour.div_euclid(24) {
            day.close(&books, span, &mut audit).map_err(sqlite)?;
            day = Day { number: hour.div_euclid(24), ..Day::default() };
        }
        if books.is_expired(hour).map_err(sqlite)? {
            audit.expired_hours += 1;
            day.expired = true;
            continue;
        }
        let found = books.read_hour(hour, path, &mut audit, each)?;
        books.compare_hour(hour, found, &mut day, &mut audit).map_err(sqlite)?;
    }
    day.close(&books, span, &mut audit).map_err(sqlite)?;
    Ok(audit)
}

/// What the rows of an hour say.
#[derive(Default)]
struct Found {
    rows: i64,
    digest: i64,
    sums: Sums,
}

/// A day in the making.
#[derive(Default)]
struct Day {
    number: i64,
    cells: HashMap<Place, Figures>,
    /// Some of its rows are gone.
    expired: bool,
}

impl Day {
    /// Compares the sums of a day whose hours were all audited.
    fn close(&mut self, books: &Books, span: Span, audit: &mut Audit) -> rusqlite::Result<()> {
        let (from, to) = span.hours();
        if self.expired || self.cells.is_empty() || self.number * 24 < from || self.number * 24 + 24 > to {
            return Ok(());
        }
        let recorded = books.cells(1, self.number)?;
        books.compare_cells(&recorded, &self.cells, audit);
        Ok(())
    }
}

struct Books<'a> {
    view: &'a Transaction<'a>,
    spelling: Spelling,
    words: Words,
}

impl Books<'_> {
    /// Hours that have rows, or should have.
    fn hours(&self, span: Span) -> rusqlite::Result<Vec<i64>> {
        let (from, to) = span.hours();
        let mut known = self.view.prepare("SELECT hour FROM hours WHERE hour >= ?1 AND hour < ?2")?;
        let mut hours = known.query_map([from, to], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        // Rows in hours that nobody knows of: hop from one such hour to the next.
        let mut after = self.view.prepare("SELECT id FROM calls WHERE id >= ?1 ORDER BY id LIMIT 1")?;
        let mut at = from;
        let mut unknown = Vec::new();
        while at < to {
            let next: Option<i64> = after.query_row([first_of(at)], |row| row.get(0)).optional()?;
            let Some(next) = next.map(|id| RequestId::from_i64(id).unix_ms().div_euclid(HOUR_MS)) else { break };
            if next < to && hours.binary_search(&next).is_err() {
                unknown.push(next);
            }
            at = next + 1;
        }
        hours.extend(unknown);
        hours.sort_unstable();
        Ok(hours)
    }

    fn read_hour(
        &self,
        hour: i64,
        path: &Path,
        audit: &mut Audit,
        each: &mut dyn FnMut(&CallRecord),
    ) -> Result<Found, LedgerError> {
        let sqlite = |cause| LedgerError::from_sqlite(path, cause);
        let sql = format!("SELECT {} FROM calls WHERE id >= ?1 AND id < ?2 ORDER BY id", row::COLUMNS);
        let mut select = self.view.prepare_cached(&sql).map_err(sqlite)?;
        let mut rows = select.query([first_of(hour), first_of(hour + 1)]).map_err(sqlite)?;
        let mut found = Found::default();
        while let Some(row) = rows.next().map_err(sqlite)? {
            found.rows += 1;
            audit.rows += 1;
            match row::read(row, &self.spelling, path) {
                Ok(StoredCall { call, intact }) => {
                    let checksum: i64 = row.get(row::CHECKSUM).map_err(sqlite)?;
                    found.digest = found.digest.wrapping_add(checksum);
                    found.sums.add(&call, checksum, &self.words);
                    check_call(&call, intact, audit);
                    each(&call);
                }
                Err(LedgerError::BadRow { id, cause }) => {
                    audit.found(Problem::RowUnreadable { id, why: cause.to_string() });
                }
                Err(other) => return Err(other),
            }
        }
        Ok(found)
    }

    /// Its rows are gone, or going, by the rule of retention.
    fn is_expired(&self, hour: i64) -> rusqlite::Result<bool> {
        let mut select = self.view.prepare_cached("SELECT expired FROM hours WHERE hour = ?1")?;
        Ok(select.query_row([hour], |row| row.get(0)).optional()?.unwrap_or(false))
    }

    fn compare_hour(&self, hour: i64, found: Found, day: &mut Day, audit: &mut Audit) -> rusqlite::Result<()> {
        let mut select = self.view.prepare_cached("SELECT calls, digest FROM hours WHERE hour = ?1")?;
        let known = select.query_row([hour], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let (written, digest): (i64, i64) = known.unwrap_or_default();
        audit.hours += 1;
        audit.digest = audit.digest.wrapping_add(found.digest);
        if (written, digest) != (found.rows, found.digest) {
            audit.found(Problem::HourDiffers { start_ms: hour * HOUR_MS, written, found: found.rows });
        }
        let recorded = self.cells(0, hour)?;
        let cells = found.sums.into_cells();
        let (hours, days): (HashMap<_, _>, HashMap<_, _>) = cells.into_iter().partition(|(place, _)| place.grain == 0);
        self.compare_cells(&recorded, &hours, audit);
        for (place, figures) in days {
            day.cells.entry(place).or_default().merge(&figures);
        }
        // The cube of tiers holds every call once.
        let total = |cells: &HashMap<Place, Figures>, into: &mut Figures| {
            cells.iter().filter(|(place, _)| place.cube == 0).for_each(|(_, figures)| into.merge(figures));
        };
        total(&hours, &mut audit.recomputed);
        total(&recorded, &mut audit.recorded);
        Ok(())
    }

    fn cells(&self, grain: i64, start: i64) -> rusqlite::Result<HashMap<Place, Figures>> {
        let mut all = HashMap::new();
        for cube in 0..3 {
            let sql = select_cells("cube = ?1 AND grain = ?2 AND start = ?3");
            let mut select = self.view.prepare_cached(&sql)?;
            let mut rows = select.query([cube, grain, start])?;
            while let Some(row) = rows.next()? {
                all.insert(Place::read(row)?, read_figures(row, FIGURES_AT)?);
            }
        }
        Ok(all)
    }

    fn compare_cells(
        &self,
        recorded: &HashMap<Place, Figures>,
        recomputed: &HashMap<Place, Figures>,
        audit: &mut Audit,
    ) {
        let mut places: Vec<_> = recorded.keys().chain(recomputed.keys()).copied().collect();
        places.sort_unstable();
        places.dedup();
        let nothing = Figures::default();
        for place in places {
            let (recorded, figures) =
                (recorded.get(&place).unwrap_or(&nothing), recomputed.get(&place).unwrap_or(&nothing));
            if recorded != figures {
                audit.found(Problem::SumDiffers {
                    start_ms: place.start * HOUR_MS * if place.grain == 0 { 1 } else { 24 },
                    whole_day: place.grain != 0,
                    of: self.words_for(place),
                    recorded_calls: recorded.calls,
                    calls: figures.calls,
                    recorded_paid: recorded.savings.paid_in_all(),
                    paid: figures.savings.paid_in_all(),
                });
            }
        }
    }

    fn words_for(&self, place: Place) -> String {
        let tier = self.spelling.number(place.tier);
        match place.cube {
            1 => format!(
                "tier `{tier}`, {}/{}, {}, {}, {}",
                self.spelling.number(place.provider),
                self.spelling.number(place.model),
                TaskType::from_code(place.task_type).map_or("?", TaskType::name),
                Complexity::from_code(place.complexity).map_or("?", Complexity::name),
                ReasonKind::from_code(place.reason).map_or("?", ReasonKind::name),
            ),
            2 => format!(
                "tier `{tier}`, team `{}`, key `{}`",
                self.spelling.number(place.team),
                self.spelling.number(place.key)
            ),
            _ => format!("tier `{tier}`"),
        }
    }
}

fn check_call(call: &CallRecord, intact: bool, audit: &mut Audit) {
    if !intact {
        audit.found(Problem::RowChanged { id: call.id });
    }
    let attempts = savings::paid(&call.attempts);
    if call.paid != attempts {
        audit.found(Problem::PaidDiffers { id: call.id, stated: call.paid, attempts });
    }
}

const fn first_of(hour: i64) -> i64 {
    RequestId::first_at(hour * HOUR_MS).as_i64()
}
