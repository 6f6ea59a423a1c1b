//! Writes groups of records into PostgreSQL: rows by COPY, sums beside them, in one transaction.
//!
//! Any number of processes write at the same time. Each has a number of its own for as long as it is connected, and cells
//! of its own, so what it has in memory of them is what the store says, and none waits for another's transaction.

use super::link::Link;
use super::url::PostgresUrl;
use super::view::PostgresView;
use super::{cells, copy, days, locks, partitions, schema};
use crate::ask::View;
use crate::cells::{Dimensions, HOURS_PER_DAY, Known, Sums, hour_of};
use crate::folding::Step;
use crate::row::words_of;
use crate::words::{MOST_INVENTED, MOST_WORDS, Words};
use crate::{Durability, LedgerError};
use bytes::Bytes;
use futures_util::{SinkExt, pin_mut};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;
use tierway_decide::{CallRecord, RequestId};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Statement};

/// How long one step of a group may take; then PostgreSQL counts as away, and the group is tried again.
pub(super) const LIMIT: Duration = Duration::from_secs(15);
/// Writers at a time: far beyond what one PostgreSQL takes.
const MOST_WRITERS: i16 = 1_024;
/// Hours that are kept in memory.
const MOST_HOURS: usize = 8_192;

/// Only small statements by key: no plan that was made for a small table may read all of a large one. And whoever is
/// frozen in the middle of a group does not hold up the others for ever.
const SETTINGS: &str = "SET enable_seqscan = off; SET statement_timeout = '15s'; \
                        SET idle_in_transaction_session_timeout = '60s'";

/// The database that groups are written into.
pub(crate) struct Store {
    pub(super) url: PostgresUrl,
    pub(super) durability: Durability,
    /// None after an error; opened anew by the next group.
    pub(super) open: Option<Open>,
    /// The last group may have been committed although nobody told us.
    unsure: bool,
}

pub(super) struct Open {
    pub(super) link: Link,
    /// Whose cells are ours.
    writer: i16,
    copy: Statement,
    replace_cells: Statement,
    pub(super) words: Words,
    known: Known,
    /// Calls and digest of hours, as the store has them of this writer.
    hours: HashMap<i64, (i64, i64)>,
    /// Days that have a partition.
    days: HashSet<i64>,
}

/// Records, ready to be sent.
struct Packed {
    rows: Bytes,
    sums: Sums,
    /// In their order.
    checksums: Vec<i64>,
}

impl Store {
    pub(crate) fn open(url: &PostgresUrl, durability: Durability) -> Result<Self, LedgerError> {
        let open = Open::new(url, durability)?;
        Ok(Self { url: url.clone(), durability, open: Some(open), unsure: false })
    }

    /// Writes a group in one transaction: all of it, or on an error nothing. Gives the places of records that were
    /// refused, each by itself, because their id is taken.
    pub(crate) fn write(&mut self, group: &[Box<CallRecord>]) -> Result<Vec<usize>, LedgerError> {
        // After an error all that was in memory is forgotten, too.
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::new(&self.url, self.durability)?,
        };
        let written = open.write(group, self.unsure);
        self.unsure = written.is_err();
        if written.is_ok() {
            self.open = Some(open);
        }
        written
    }

    /// The newest row; none in an empty ledger, or one that is away.
    pub(crate) fn newest(&mut self) -> Result<Option<RequestId>, LedgerError> {
        self.step(|open| {
            let newest = open.link.client().query_typed_one("SELECT max(id) FROM calls", &[]);
            Ok(open.link.run(LIMIT, newest)?.get::<_, Option<i64>>(0).map(RequestId::from_i64))
        })
    }

    /// Takes a step towards forgetting what came before a day (since 1970, UTC): rows and sums by the hour; sums by
    /// the day stay. True when there is more to do.
    pub(crate) fn forget_before(&mut self, day: i64) -> Result<bool, LedgerError> {
        self.step(|open| {
            open.days.retain(|kept| *kept >= day);
            open.link.run(LIMIT, partitions::forget(open.link.client(), day))
        })
    }

    /// The days before one that are not folded as they are, the newest last.
    pub(crate) fn unfolded_before(&mut self, day: i64) -> Result<Vec<i64>, LedgerError> {
        self.step(|open| open.link.run(LIMIT, days::unfolded(open.link.client(), day)))
    }

    /// Folds one of them.
    pub(crate) fn fold(&mut self, day: i64) -> Result<Step, LedgerError> {
        self.step(|open| days::fold(&open.link, day, LIMIT).map(Some)).map(|step| step.unwrap_or(Step::Elsewhere))
    }

    /// A step of work beside the groups; nothing when there is no connection.
    fn step<T: Default>(&mut self, step: impl FnOnce(&mut Open) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let Some(open) = &mut self.open else { return Ok(T::default()) };
        let done = step(open);
        if done.is_err() {
            self.open = None;
        }
        done
    }
}

impl Open {
    pub(super) fn new(url: &PostgresUrl, durability: Durability) -> Result<Self, LedgerError> {
        let link = Link::connect(url)?;
        schema::upgrade(&link)?;
        let client = link.client();
        link.run(LIMIT, client.batch_execute(SETTINGS))?;
        if durability == Durability::Strict {
            link.run(LIMIT, client.batch_execute("SET synchronous_commit = on"))?;
        }
        let Some(writer) = link.run(LIMIT, claim(client))? else {
            let cause = format!("has {MOST_WRITERS} writers already");
            return Err(LedgerError::Unsuitable { place: link.place().to_owned(), cause });
        };
        let copy = link.run(LIMIT, client.prepare(&copy::statement()))?;
        let replace_cells = link.run(LIMIT, cells::prepare(client, writer))?;
        let words = PostgresView::new(&link).spelling()?.words();
        let (known, hours, days) = Default::default();
        Ok(Self { link, writer, copy, replace_cells, words, known, hours, days })
    }

    fn write(&mut self, group: &[Box<CallRecord>], unsure: bool) -> Result<Vec<usize>, LedgerError> {
        self.number_words(group)?;
        self.make_partitions(group)?;
        let mut ids = HashSet::with_capacity(group.len());
        let (mut left, mut refused): (Vec<usize>, Vec<usize>) =
            (0..group.len()).partition(|place| ids.insert(group[*place].id));
        while !left.is_empty() {
            let packed = self.pack(group, &left);
            if self.copy_rows(&packed)? {
                self.add_sums(packed.sums)?;
                break;
            }
            // That an id is taken is rare, so it is asked which only then.
            let taken = self.taken(group, &left)?;
            let before = left.len();
            let mut checksums = packed.checksums.iter();
            left.retain(|place| {
                let checksum = checksums.next();
                let Some(there) = taken.get(&group[*place].id.as_i64()) else { return true };
                // What a group has written that we believed to have failed is our own.
                if !(unsure && Some(there) == checksum) {
                    refused.push(*place);
                }
                false
            });
            if left.len() == before {
                let cause = "an id was taken, and then it was not; tried again".into();
                return Err(LedgerError::Postgres { place: self.link.place().to_owned(), cause });
            }
        }
        refused.sort_unstable();
        if self.hours.len() > MOST_HOURS {
            self.hours.clear();
        }
        self.known.committed();
        Ok(refused)
    }

    /// Gives numbers to texts that have none yet, while there are some left. In a transaction of its own, so that nobody
    /// waits for a whole group of somebody else.
    fn number_words(&mut self, group: &[Box<CallRecord>]) -> Result<(), LedgerError> {
        // What clients invented comes last.
        for most in [MOST_WORDS, MOST_INVENTED] {
            let all = group.iter().flat_map(|call| words_of(call)).filter(|word| word.most == most);
            let new = all.map(|word| word.text).filter(|text| self.words.get(text).is_none()).collect();
            self.number_texts(&new, most)?;
        }
        Ok(())
    }

    /// The same for texts of which some may have one, while fewer than `most` have.
    pub(super) fn number_texts(&mut self, new: &BTreeSet<&str>, most: usize) -> Result<(), LedgerError> {
        if new.is_empty() || self.words.count() >= most {
            return Ok(());
        }
        let new: Vec<&str> = new.iter().copied().collect();
        let insert = format!(
            "INSERT INTO words (text) SELECT text FROM unnest($1) AS new (text) \
             WHERE NOT EXISTS (SELECT FROM words WHERE words.text = new.text) ORDER BY text \
             LIMIT greatest(0, {most} - (SELECT count(*) FROM words)) ON CONFLICT DO NOTHING"
        );
        let client = self.link.client();
        let found = self.link.run(LIMIT, async {
            client.query_typed(&insert, &[(&new, Type::TEXT_ARRAY)]).await?;
            client.query_typed("SELECT id, text FROM words WHERE text = ANY($1)", &[(&new, Type::TEXT_ARRAY)]).await
        })?;
        for row in &found {
            self.words.add(row.get(1), row.get::<_, i32>(0).into());
        }
        self.words.committed();
        if found.len() < new.len() {
            // The table is full: with all of it known, nobody asks again.
            self.words = PostgresView::new(&self.link).spelling()?.words();
        }
        Ok(())
    }

    fn make_partitions(&mut self, group: &[Box<CallRecord>]) -> Result<(), LedgerError> {
        let days: BTreeSet<i64> = group.iter().map(|call| hour_of(call).div_euclid(HOURS_PER_DAY)).collect();
        for day in days {
            // Tomorrow's as well: at midnight nobody waits.
            for day in [day, day + 1] {
                if self.days.insert(day) {
                    self.link.run(LIMIT, partitions::ensure(self.link.client(), day))?;
                }
            }
        }
        Ok(())
    }

    fn pack(&self, group: &[Box<CallRecord>], places: &[usize]) -> Packed {
        let (mut rows, mut sums) = (copy::Rows::new(places.len()), Sums::default());
        let mut checksums = Vec::with_capacity(places.len());
        for call in places.iter().map(|place| &group[*place]) {
            let checksum = rows.add(call, &self.words);
            sums.add(call, checksum, Dimensions::of(call, &self.words));
            checksums.push(checksum);
        }
        Packed { rows: rows.finish(), sums, checksums }
    }

    /// Begins a transaction with the rows. False when an id is taken: then there is none.
    fn copy_rows(&self, packed: &Packed) -> Result<bool, LedgerError> {
        let client = self.link.client();
        self.link.run(LIMIT, async {
            client.batch_execute("BEGIN").await?;
            let sink = client.copy_in(&self.copy).await?;
            pin_mut!(sink);
            let copied = match sink.send(packed.rows.clone()).await {
                Ok(()) => sink.finish().await.map(|_| ()),
                Err(error) => Err(error),
            };
            match copied {
                Ok(()) => Ok(true),
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                    client.batch_execute("ROLLBACK").await.map(|()| false)
                }
                Err(error) => Err(error),
            }
        })
    }

    /// Adds what the rows add up to, and ends their transaction.
    fn add_sums(&mut self, sums: Sums) -> Result<(), LedgerError> {
        let (client, writer) = (self.link.client(), self.writer);
        let hours: Vec<(i64, (i64, i64))> = sums.hours().iter().map(|(hour, added)| (*hour, *added)).collect();
        let added = sums.into_cells();
        let missing = self.known.missing(added.keys());
        let new_hours: Vec<i64> =
            hours.iter().map(|(hour, _)| *hour).filter(|hour| !self.hours.contains_key(hour)).collect();
        if !missing.is_empty() {
            let rows = self.link.run(LIMIT, cells::load(client, writer, &missing))?;
            cells::learn(&mut self.known, missing, &rows, self.link.place())?;
        }
        if !new_hours.is_empty() {
            let sql = "SELECT hour, calls, digest FROM hours WHERE hour = ANY($1) AND writer = $2";
            let parameters = [(&new_hours as _, Type::INT8_ARRAY), (&writer as _, Type::INT2)];
            for row in self.link.run(LIMIT, client.query_typed(sql, &parameters))? {
                self.hours.insert(row.get::<_, i32>(0).into(), (row.get(1), row.get(2)));
            }
        }
        let mut sent_hours = cells::SentHours::default();
        for (hour, (calls, digest)) in hours {
            let known = self.hours.entry(hour).or_default();
            *known = (known.0 + calls, known.1.wrapping_add(digest));
            sent_hours.add(hour, known.0, known.1);
        }
        let sent = cells::Sent::new(&mut self.known, &added);
        self.link.run(LIMIT, async {
            sent_hours.write(client, writer, false, true).await?;
            sent.write(client, &self.replace_cells).await?;
            client.batch_execute("COMMIT").await
        })
    }

    /// Ids that are there already, with the checksums of their rows.
    fn taken(&self, group: &[Box<CallRecord>], places: &[usize]) -> Result<HashMap<i64, i64>, LedgerError> {
        self.checksums(&places.iter().map(|place| group[*place].id.as_i64()).collect::<Vec<_>>())
    }

    /// The checksums of those of some ids that are there.
    pub(super) fn checksums(&self, ids: &[i64]) -> Result<HashMap<i64, i64>, LedgerError> {
        let sql = "SELECT id, checksum FROM calls WHERE id = ANY($1)";
        let taken = self.link.run(LIMIT, self.link.client().query_typed(sql, &[(&ids, Type::INT8_ARRAY)]))?;
        Ok(taken.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

/// The first number that no other writer has; ours until the connection ends.
async fn claim(client: &Client) -> Result<Option<i16>, Error> {
    for number in 0..MOST_WRITERS {
        if locks::take_for_session(client, locks::WRITERS + i32::from(number)).await? {
            return Ok(Some(number));
        }
    }
    Ok(None)
}
