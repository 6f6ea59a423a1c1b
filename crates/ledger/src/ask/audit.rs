//! Reads every row, sums it up anew, and compares: hour by hour, so that it needs no memory for the rest.

use super::{Hour, Order, View, first_of};
use crate::audit::{Audit, Problem};
use crate::cells::{HOUR_MS, HOURS_PER_DAY, Place, Sums, merge_figures};
use crate::codes::{Code, ReasonKind};
use crate::queries::Span;
use crate::words::Spelling;
use crate::{Figures, LedgerError, StoredCall, row};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use tierway_decide::{CallRecord, Complexity, RequestId, TaskType, savings};

/// Audits whole hours; `each` sees every row that can be read.
pub(crate) fn audit(view: &mut dyn View, span: Span, each: &mut dyn FnMut(&CallRecord)) -> Result<Audit, LedgerError> {
    let spelling = view.spelling()?;
    let mut books = Books { view, spelling };
    let mut audit = Audit::default();
    let mut day = Day::default();
    for (hour, known) in books.hours(span)? {
        if day.number != hour.div_euclid(HOURS_PER_DAY) {
            day.close(&mut books, span, &mut audit)?;
            day = Day { number: hour.div_euclid(HOURS_PER_DAY), ..Day::default() };
        }
        if known.expired {
            audit.expired_hours += 1;
            day.expired = true;
            continue;
        }
        let found = books.read_hour(hour, &mut audit, each)?;
        books.compare_hour(hour, known, found, &mut day, &mut audit)?;
    }
    day.close(&mut books, span, &mut audit)?;
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
    fn close(&mut self, books: &mut Books, span: Span, audit: &mut Audit) -> Result<(), LedgerError> {
        let (from, to) = span.hours();
        if self.expired || self.cells.is_empty() || !self.is_within(from, to) {
            return Ok(());
        }
        let recorded = books.cells(1, self.number)?;
        books.compare_cells(&recorded, &self.cells, audit);
        // What reports read in place of those, too.
        let mut copied: HashMap<Place, Figures> = HashMap::new();
        let in_use = books
            .view
            .copied(self.number, &mut |row| merge_figures(row, copied.entry(Place::read(row)?).or_default()))?;
        if in_use {
            books.compare_cells(&copied, &self.cells, audit);
        }
        Ok(())
    }

    const fn is_within(&self, from: i64, to: i64) -> bool {
        self.number * HOURS_PER_DAY >= from && (self.number + 1) * HOURS_PER_DAY <= to
    }
}

struct Books<'a> {
    view: &'a mut dyn View,
    spelling: Arc<Spelling>,
}

impl Books<'_> {
    /// Hours that have rows, or should have.
    fn hours(&mut self, span: Span) -> Result<BTreeMap<i64, Hour>, LedgerError> {
        let (from, to) = span.hours();
        let mut hours = self.view.hours(from..to)?;
        // Rows in hours that nobody knows of: hop from one hour that has rows to the next.
        let mut at = from;
        while at < to {
            let next = self.view.next_id(first_of(at))?;
            let Some(next) = next.map(|id| RequestId::from_i64(id).unix_ms().div_euclid(HOUR_MS)) else { break };
            if next < to {
                hours.entry(next).or_default();
            }
            at = next + 1;
        }
        Ok(hours)
    }

    fn read_hour(
        &mut self,
        hour: i64,
        audit: &mut Audit,
        each: &mut dyn FnMut(&CallRecord),
    ) -> Result<Found, LedgerError> {
        let mut found = Found::default();
        let spelling = &self.spelling;
        self.view.rows(first_of(hour)..first_of(hour + 1), Order::OldestFirst, &mut |fields| {
            found.rows += 1;
            audit.rows += 1;
            match row::read(fields, spelling) {
                Ok(StoredCall { call, intact }) => {
                    let (_, checksum) = row::identity(fields)?;
                    found.digest = found.digest.wrapping_add(checksum);
                    found.sums.add(&call, checksum, row::summed_by(fields, &call)?);
                    check_call(&call, intact, audit);
                    each(&call);
                }
                Err(LedgerError::BadRow { id, cause }) => {
                    audit.found(Problem::RowUnreadable { id, why: cause.to_string() });
                }
                Err(other) => return Err(other),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    fn compare_hour(
        &mut self,
        hour: i64,
        known: Hour,
        found: Found,
        day: &mut Day,
        audit: &mut Audit,
    ) -> Result<(), LedgerError> {
        let Hour { calls: written, digest, .. } = known;
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

    fn cells(&mut self, grain: i64, start: i64) -> Result<HashMap<Place, Figures>, LedgerError> {
        let mut all: HashMap<Place, Figures> = HashMap::new();
        for cube in 0..3 {
            self.view.cells(&format!("cube = {cube} AND grain = {grain} AND start = {start}"), &mut |row| {
                merge_figures(row, all.entry(Place::read(row)?).or_default())
            })?;
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
                    start_ms: place.start * HOUR_MS * if place.grain == 0 { 1 } else { HOURS_PER_DAY },
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
