//! Copies a SQLite ledger into a PostgreSQL: rows, sums of days whose rows are gone, keys, and what was found about quality.
//!
//! Can be stopped and started again at any time, also while replicas write into the PostgreSQL: a row that is there already
//! is recognised by its checksum. It refuses to copy what is not as it was written, and changes nothing in the source.

use crate::ask::Hour;
use crate::cells::{HOUR_MS, HOURS_PER_DAY, Place, merge_figures};
use crate::engine::Location;
use crate::postgres::{StateStore, Store};
use crate::row::{self, Scratch};
use crate::state::quality;
use crate::{Durability, Figures, LedgerError, Reader, Span, State, bounds};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use tierway_decide::{CallRecord, RequestId};

/// Rows of one transaction.
const BATCH: usize = 4_096;

/// What was copied, and what it was held against.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// Rows of the source that the target has now, each with the checksum that it had.
    pub rows: u64,
    /// Those of them that were there before: from an earlier run.
    pub rows_before: u64,
    /// Rows that the source's books say it has.
    pub rows_wanted: u64,
    /// Sum of the checksums that the target has of them.
    pub digest: i64,
    /// The same, as the source's books say.
    pub digest_wanted: i64,
    /// Rows that were not copied, because they are not as they were written.
    pub rows_changed: Vec<RequestId>,
    /// Hours without rows, whose sums were copied.
    pub forgotten_hours: u64,
    /// Keys that the target did not have.
    pub keys: u64,
    /// Rows about quality that the target did not have: samples with their verdicts, words of people, changes of cells, alarms,
    /// evidence.
    pub quality: u64,
    /// Keys that this build cannot read.
    pub keys_unreadable: Vec<String>,
}

impl Migrated {
    /// Everything is there, as the source's books say.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        (self.rows, self.digest) == (self.rows_wanted, self.digest_wanted)
            && self.rows_changed.is_empty()
            && self.keys_unreadable.is_empty()
    }
}

/// Copies all of `from`, a SQLite ledger, to a PostgreSQL. `progress` is told rows done and wanted. The target's own audit
/// tells whether its sums are those of its rows.
///
/// # Errors
/// What either store says; what was copied until then stays, and the next run goes on from there.
pub fn migrate(from: &Location, to: &Location, progress: &mut dyn FnMut(u64, u64)) -> Result<Migrated, LedgerError> {
    let Location::Postgres(url) = to else {
        let cause = "is no PostgreSQL; copies go from a file into one".into();
        return Err(LedgerError::Unsuitable { place: to.to_string(), cause });
    };
    let mut source = Reader::open(from.clone())?;
    let mut done = Migrated::default();
    let (mut state, mut target) = (State::open(from.clone())?, StateStore::open(url.clone())?);
    copy_keys(&mut state, &mut target, &mut done)?;
    done.quality = quality::copy(&mut state, &mut target)?;
    let mut copy = Copy { target: Store::open(url, Durability::Strict)?, scratch: Scratch::default(), done };
    let hours = source.ask(|view| view.hours(0..i64::from(i32::MAX)))?;
    copy.forgotten(&mut source, &hours)?;
    let kept = hours.iter().filter(|(_, hour)| !hour.expired);
    for (_, hour) in kept.clone() {
        copy.done.rows_wanted += hour.calls.cast_unsigned();
        copy.done.digest_wanted = copy.done.digest_wanted.wrapping_add(hour.digest);
    }
    let Some(first) = kept.map(|(hour, _)| *hour).next() else { return Ok(copy.done) };
    let span = Span { from_ms: first * HOUR_MS, ..Span::ALL };
    let (mut batch, mut failed) = (Vec::with_capacity(BATCH), Ok(()));
    source.each(span, |stored| {
        match stored {
            Ok(stored) if stored.intact => batch.push(Box::new(stored.call)),
            Ok(stored) => copy.done.rows_changed.push(stored.call.id),
            Err(LedgerError::BadRow { id, .. }) => copy.done.rows_changed.push(id),
            Err(error) => failed = Err(error),
        }
        if batch.len() == BATCH && failed.is_ok() {
            failed = copy.rows(&mut batch);
            progress(copy.done.rows, copy.done.rows_wanted);
        }
        if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    failed?;
    copy.rows(&mut batch)?;
    progress(copy.done.rows, copy.done.rows_wanted);
    Ok(copy.done)
}

struct Copy {
    target: Store,
    scratch: Scratch,
    done: Migrated,
}

impl Copy {
    /// Writes what is not there yet, and then looks whether all of it is.
    #[expect(clippy::vec_box, reason = "what a store writes")]
    fn rows(&mut self, batch: &mut Vec<Box<CallRecord>>) -> Result<(), LedgerError> {
        let mut wanted = HashMap::with_capacity(batch.len());
        for call in batch.iter_mut() {
            bounds::cut(call);
            wanted.insert(call.id.as_i64(), row::checksum_of(call, &mut self.scratch));
        }
        let ids: Vec<i64> = wanted.keys().copied().collect();
        let there = self.target.taken(&ids)?;
        batch.retain(|call| !there.contains_key(&call.id.as_i64()));
        self.done.rows_before += there.len() as u64;
        if !batch.is_empty() {
            self.target.write(batch)?;
            batch.clear();
        }
        for (id, checksum) in self.target.taken(&ids)? {
            if wanted.get(&id) == Some(&checksum) {
                self.done.rows += 1;
                self.done.digest = self.done.digest.wrapping_add(checksum);
            } else {
                self.done.rows_changed.push(RequestId::from_i64(id));
            }
        }
        Ok(())
    }

    /// Sums of days whose rows are gone by the rule of retention: as they are, there is nothing to sum them up from.
    fn forgotten(&mut self, source: &mut Reader, hours: &BTreeMap<i64, Hour>) -> Result<(), LedgerError> {
        let gone: Vec<(i64, Hour)> =
            hours.iter().filter(|(_, hour)| hour.expired).map(|(hour, known)| (*hour, *known)).collect();
        let Some((last, _)) = gone.last() else { return Ok(()) };
        let end = (last.div_euclid(HOURS_PER_DAY) + 1) * HOURS_PER_DAY;
        let mut cells: Vec<(Place, Figures)> = Vec::new();
        let spelling = source.ask(|view| {
            for condition in [
                format!("grain = 1 AND start < {}", end / HOURS_PER_DAY),
                format!("cube = 0 AND grain = 0 AND start < {end}"),
            ] {
                view.cells(&condition, &mut |fields| {
                    let mut figures = Figures::default();
                    merge_figures(fields, &mut figures)?;
                    cells.push((Place::read(fields)?, figures));
                    Ok(())
                })?;
            }
            view.spelling()
        })?;
        self.done.forgotten_hours = gone.len() as u64;
        self.target.put_forgotten(&cells, &gone, &spelling)
    }
}

fn copy_keys(from: &mut State, to: &mut StateStore, done: &mut Migrated) -> Result<(), LedgerError> {
    let (readable, unreadable): (Vec<_>, Vec<_>) = from.keys()?.1.into_iter().partition(|key| key.policy.is_some());
    done.keys_unreadable.extend(unreadable.into_iter().map(|key| key.name));
    done.keys += to.put_keys(&readable)? as u64;
    Ok(())
}
