//! The ledger's thread: gathers records into groups, commits each group, and never gives up while there is hope.
//!
//! A group that cannot be written is kept and tried again; meanwhile the queue fills up, and what does not fit is dropped
//! and counted at the door. Every outage is said once when it begins, every half minute while it lasts, and when it ends.

use crate::engine::{Engine, Location};
use crate::folding::Folding;
use crate::ledger::{Entry, Options, Shared};
use crate::ticket::{NotRecorded, Promise};
use crate::{Durability, LedgerError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tierway_decide::{CallRecord, RequestId};

/// The most records in one transaction: bounds memory, and how long a ticket or a reader's checkpoint waits.
const MOST_IN_GROUP: usize = 8_192;
/// Between two steps of a chore: new rows go first.
const CHORE_PAUSE: Duration = Duration::from_millis(50);
const DAY: Duration = Duration::from_secs(86_400);
/// Every so many records the writer is woken, however long the group has gathered: a commit for a few hundred rows costs
/// next to nothing for each, and the memory of what is written soon after it was made is still in the processor's cache.
pub(crate) const GOOD_GROUP: usize = 256;
/// While a group is smaller than this and fewer records wait, whoever answers clients goes first: after each row the thread offers
/// its core. Without that a request that comes to a busy core waits for a whole group, milliseconds. More of them show that the
/// thread gets too few turns, or that a disk stood still: they are written in one go, while they are still in the processor's cache.
pub(crate) const BEHIND: usize = 512;
/// A group goes second for so long. Each offer on a busy core may take as long as the others' turns, some milliseconds.
const POLITE_FOR: Duration = Duration::from_millis(50);
/// How often an outage that lasts is said again.
const REMIND_EVERY: Duration = Duration::from_secs(30);

pub(crate) fn start(
    shared: Arc<Shared>,
    location: Location,
    engine: Result<Engine, LedgerError>,
    options: Options,
) -> std::io::Result<JoinHandle<Result<(), LedgerError>>> {
    let mut writer = Writer {
        shared,
        location,
        engine: None,
        folding: Folding::new(Instant::now() + options.forget_every),
        options,
        calls: Vec::new(),
        promises: Vec::new(),
        outage: None,
        drops: Drops::default(),
        unsynced_since: None,
        forgetting: Forgetting::new(),
    };
    match engine {
        Ok(engine) => writer.take(engine),
        Err(error) => writer.say_failure(&error),
    }
    std::thread::Builder::new().name("ledger".into()).spawn(move || writer.run())
}

struct Writer {
    shared: Arc<Shared>,
    location: Location,
    engine: Option<Engine>,
    options: Options,
    /// The group that is being written; kept over failures.
    #[expect(clippy::vec_box, reason = "records stay in the boxes in which they were made")]
    calls: Vec<Box<CallRecord>>,
    /// Who waits for which record of the group, by its place.
    promises: Vec<(usize, Promise)>,
    outage: Option<Outage>,
    drops: Drops,
    /// Since when something is committed that no checkpoint has synced.
    unsynced_since: Option<Instant>,
    forgetting: Forgetting,
    folding: Folding,
}

/// The day by the clock, since 1970 UTC. What a wrong one leads to is mended by the next pass.
fn today() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs() / DAY.as_secs()).unwrap_or(i64::MAX)
}

/// A clock that is ahead of the newest row by more than this is not believed before it has gone on for a day.
const AHEAD_AT_MOST: Duration = Duration::from_secs(2 * DAY.as_secs());

/// When to forget, and up to when; without trusting a clock that jumps, or that a start finds far ahead of the newest row.
struct Forgetting {
    due: Instant,
    began: Instant,
    began_wall: SystemTime,
    /// The store was looked at, before anything of this process was in it.
    begun: bool,
}

impl Forgetting {
    fn new() -> Self {
        Self { due: Instant::now(), began: Instant::now(), began_wall: SystemTime::now(), begun: false }
    }

    /// Compares the clock with what others wrote by it. Either nothing was recorded for days, and a day more does no harm, or
    /// the clock is wrong: that is set right within the day, which then counts as a jump.
    fn begin(&mut self, newest: Option<RequestId>) {
        let newest_ms = newest.map_or(u64::MAX, |newest| u64::try_from(newest.unix_ms()).unwrap_or_default());
        let newest = UNIX_EPOCH.checked_add(Duration::from_millis(newest_ms));
        let ahead = newest.and_then(|newest| self.began_wall.duration_since(newest).ok()).unwrap_or_default();
        if ahead > AHEAD_AT_MOST {
            self.due = self.began + DAY;
            let days = ahead.as_secs() / DAY.as_secs();
            tracing::info!(
                days,
                "the newest record is that old by the clock; should it be wrong: no old records are deleted for a day"
            );
        }
        self.begun = true;
    }

    /// The day by the clock, since 1970 UTC. None when the clock has jumped by more than a day since the start: nobody
    /// should lose a year of records to a wrong clock. A restart takes the clock for right again.
    fn today(&self) -> Option<i64> {
        let now = SystemTime::now();
        let expected = self.began_wall + self.began.elapsed();
        let jump = now.duration_since(expected).unwrap_or_else(|earlier| earlier.duration());
        if jump > DAY {
            tracing::error!("the clock jumped by more than a day; no records are deleted until tierway is restarted");
            return None;
        }
        let since_1970 = now.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since_1970.as_secs() / DAY.as_secs()).ok()
    }
}

struct Outage {
    since: Instant,
    said: Instant,
}

/// What was turned away at the door and said so.
#[derive(Default)]
struct Drops {
    told: u64,
    said: Option<Instant>,
}

impl Drops {
    /// How many more there are than was told before; none while there are no more, or it was said a short while ago.
    fn more(&mut self, dropped: u64, now: Instant) -> Option<u64> {
        let more = dropped - self.told;
        let is_due = self.said.is_none_or(|said| now.duration_since(said) >= REMIND_EVERY);
        if more == 0 || !is_due {
            return None;
        }
        *self = Self { told: dropped, said: Some(now) };
        Some(more)
    }
}

/// How long, and for which groups, the thread goes second.
struct Manners<'a> {
    shared: &'a Shared,
    group: usize,
    /// None when an answer waits for a record of the group: it would be held up in favour of others.
    until: Option<Instant>,
}

impl<'a> Manners<'a> {
    fn new(shared: &'a Shared, group: usize, is_waited_for: bool) -> Self {
        Self { shared, group, until: (!is_waited_for).then(|| Instant::now() + POLITE_FOR) }
    }

    /// Offers the core after a row.
    fn give_way(&self) {
        if self.gives_way(self.shared.queue.len(), Instant::now()) {
            std::thread::yield_now();
        }
    }

    fn gives_way(&self, waiting: usize, now: Instant) -> bool {
        self.group.max(waiting) < self.shared.behind && self.until.is_some_and(|until| now < until)
    }
}

impl Writer {
    fn run(mut self) -> Result<(), LedgerError> {
        loop {
            // Read before the queue is emptied: whatever was accepted before closing is in it.
            let closing = self.shared.closing.load(Ordering::SeqCst);
            self.fill_group();
            if !self.calls.is_empty() {
                self.write_group();
            }
            self.say_drops();
            self.checkpoint_if_due();
            self.forget_if_due();
            if !closing {
                self.fold_if_due();
            }
            let left = !self.calls.is_empty() || !self.shared.queue.is_empty();
            if closing && (!left || self.outage.is_some()) {
                return self.close();
            }
            self.pause(left, closing);
        }
    }

    fn fill_group(&mut self) {
        self.shared.urgent.store(false, Ordering::SeqCst);
        while self.calls.len() < MOST_IN_GROUP {
            let Some(entry) = self.shared.queue.pop() else { break };
            let Entry { call, promise } = entry;
            if let Some(promise) = promise {
                self.promises.push((self.calls.len(), promise));
            }
            self.calls.push(call);
        }
    }

    fn write_group(&mut self) {
        match self.try_write() {
            Ok(refused) => {
                // Before anyone who waits is told: who asks then finds nothing wrong.
                self.say_recovery();
                self.settle(&refused);
                self.unsynced_since.get_or_insert_with(Instant::now);
            }
            Err(error) => {
                self.shared.counts.failed_groups.fetch_add(1, Ordering::Relaxed);
                for (_, promise) in self.promises.drain(..) {
                    promise.resolve(Err(NotRecorded::Failing));
                }
                self.say_failure(&error);
            }
        }
        self.shared.wake_waiting();
    }

    /// Writes with an engine from now on.
    fn take(&mut self, mut engine: Engine) {
        if !self.forgetting.begun && self.options.keep_days.is_some() {
            match engine.newest() {
                Ok(newest) => self.forgetting.begin(newest),
                Err(error) => tracing::warn!(%error, "it cannot be seen how old the newest record is"),
            }
        }
        self.engine = Some(engine);
    }

    fn try_write(&mut self) -> Result<Vec<usize>, LedgerError> {
        if self.engine.is_none() {
            let engine = Engine::open(&self.location, &self.options)?;
            self.take(engine);
        }
        let manners = Manners::new(&self.shared, self.calls.len(), !self.promises.is_empty());
        let engine = self.engine.as_mut();
        engine.map_or_else(|| Ok(Vec::new()), |engine| engine.write(&self.calls, || manners.give_way()))
    }

    /// The group is committed, but for the records at the `refused` places.
    fn settle(&mut self, refused: &[usize]) {
        for id in refused.iter().filter_map(|place| self.calls.get(*place)).map(|call| call.id) {
            tracing::error!(request = %id, "not recorded: another record has this id");
        }
        let counts = &self.shared.counts;
        counts.write_errors.fetch_add(refused.len() as u64, Ordering::SeqCst);
        counts.written.fetch_add((self.calls.len() - refused.len()) as u64, Ordering::SeqCst);
        // Counted first: who waited may look at the counters at once.
        for (place, promise) in self.promises.drain(..) {
            promise.resolve(if refused.contains(&place) { Err(NotRecorded::SameId) } else { Ok(()) });
        }
        // To free what other threads made takes as long as to write it.
        let manners = Manners::new(&self.shared, self.calls.len(), false);
        for call in self.calls.drain(..) {
            drop(call);
            manners.give_way();
        }
    }

    /// A relaxed commit is safe from a killed process at once; from a power cut only when it is synced.
    fn checkpoint_if_due(&mut self) {
        let due = self.unsynced_since.is_some_and(|since| since.elapsed() >= self.options.checkpoint_every);
        if !due || self.outage.is_some() {
            return;
        }
        self.unsynced_since = None;
        if let Some(Err(error)) = self.engine.as_mut().map(Engine::checkpoint) {
            // The next group will meet the same trouble and say it; what is committed stays readable.
            tracing::warn!(%error, "ledger checkpoint failed");
        }
    }

    /// Deletes old rows, some at a time, so that new ones never wait long.
    fn forget_if_due(&mut self) {
        let Some(days) = self.options.keep_days else { return };
        if self.outage.is_some() || Instant::now() < self.forgetting.due {
            return;
        }
        let mut more = false;
        if let (Some(engine), Some(today)) = (&mut self.engine, self.forgetting.today()) {
            more = engine.forget_before(today - i64::from(days)).unwrap_or_else(|error| {
                tracing::warn!(%error, "old records could not be deleted; tried again later");
                false
            });
        }
        let pause = if more { CHORE_PAUSE } else { self.options.forget_every };
        self.forgetting.due = Instant::now() + pause;
    }

    /// Puts the sums of days that are over together.
    fn fold_if_due(&mut self) {
        if self.outage.is_some() || Instant::now() < self.folding.due() {
            return;
        }
        if let Some(engine) = &mut self.engine {
            self.folding.step(engine, today(), (CHORE_PAUSE, self.options.forget_every));
        }
    }

    /// When something is to be done even if no record comes.
    fn next_chore(&self) -> Option<Instant> {
        let checkpoint = self.unsynced_since.map(|since| since + self.options.checkpoint_every);
        let forgetting = self.options.keep_days.map(|_| self.forgetting.due);
        [checkpoint, forgetting, Some(self.folding.due())].into_iter().flatten().min()
    }

    /// Waits until there is a group worth writing.
    fn pause(&self, left: bool, closing: bool) {
        if closing {
            return;
        }
        if self.outage.is_some() {
            self.sit_out();
            return;
        }
        if !left {
            self.sleep_until_woken();
        }
        if self.options.durability == Durability::Relaxed {
            self.gather();
        }
    }

    /// Waits before the store is tried again, however many records come meanwhile: each try writes the whole group, or connects.
    fn sit_out(&self) {
        let begun = Instant::now();
        while !self.shared.closing.load(Ordering::SeqCst) {
            let left = self.options.retry_every.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::park_timeout(left);
        }
    }

    fn sleep_until_woken(&self) {
        self.shared.idle.store(true, Ordering::SeqCst);
        while self.shared.queue.is_empty() && !self.hurried() {
            let Some(wake) = self.next_chore() else {
                std::thread::park();
                continue;
            };
            let left = wake.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::park_timeout(left);
        }
        self.shared.idle.store(false, Ordering::SeqCst);
    }

    /// Lets a group grow for a while: one commit for many records.
    fn gather(&self) {
        let begun = Instant::now();
        while !self.hurried() && self.shared.queue.len() < MOST_IN_GROUP {
            let left = self.options.group_every.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::park_timeout(left);
        }
    }

    fn hurried(&self) -> bool {
        self.shared.urgent.load(Ordering::SeqCst) || self.shared.closing.load(Ordering::SeqCst)
    }

    fn say_failure(&mut self, error: &LedgerError) {
        let now = Instant::now();
        *self.shared.failing() = Some(error.to_string());
        let outage = self.outage.get_or_insert_with(|| {
            tracing::error!(%error, "records are not being written; they wait in memory and are tried again, serving goes on");
            Outage { since: now, said: now }
        });
        if outage.said.elapsed() >= REMIND_EVERY {
            outage.said = now;
            let (waiting, seconds) = (self.shared.queue.len() + self.calls.len(), outage.since.elapsed().as_secs());
            tracing::error!(%error, waiting, seconds, "records still are not being written");
        }
    }

    /// The queue was full: records come faster than they are written, or could not be written for a while.
    fn say_drops(&mut self) {
        let dropped = self.shared.counts.dropped.load(Ordering::Relaxed);
        if let Some(more) = self.drops.more(dropped, Instant::now()) {
            tracing::error!(
                more,
                dropped,
                "records were lost to a full queue; where the store is well, a faster disk, another core or a longer `ledger.queue` keeps them"
            );
        }
    }

    fn say_recovery(&mut self) {
        if let Some(outage) = self.outage.take() {
            *self.shared.failing() = None;
            // As loud as its beginning: whoever was woken by that waits for this.
            tracing::warn!(seconds = outage.since.elapsed().as_secs(), "records are being written again");
        }
    }

    /// Only reached with an empty queue, or when it cannot be written.
    fn close(mut self) -> Result<(), LedgerError> {
        self.drops.said = None;
        self.say_drops();
        let mut lost = self.calls.len() as u64;
        while self.shared.queue.pop().is_some() {
            lost += 1;
        }
        self.shared.counts.write_errors.fetch_add(lost, Ordering::SeqCst);
        let closed = self.engine.take().map_or(Ok(()), Engine::close);
        if lost == 0 {
            return closed;
        }
        let last_error = self.shared.failing().clone().unwrap_or_default();
        tracing::error!(lost, last_error, "records were given up");
        Err(LedgerError::NotWritten { rows: lost, last_error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn who_waits_for_a_record_or_long_enough_is_not_held_up_in_favour_of_others() {
        let (shared, now) = (Shared::new(&Options::default()), Instant::now());
        let manners = |group, is_waited_for| Manners::new(&shared, group, is_waited_for);
        assert!(manners(1, false).gives_way(0, now));
        assert!(!manners(1, true).gives_way(0, now));
        assert!(!manners(BEHIND, false).gives_way(0, now));
        assert!(!manners(1, false).gives_way(BEHIND, now));
        assert!(!manners(1, false).gives_way(0, now + POLITE_FOR * 2));
    }

    #[test]
    fn a_short_queue_is_not_full_before_it_is_written() {
        for queue in [1, 16, 100, 1_000, 65_536] {
            let shared = Shared::new(&Options { queue, ..Options::default() });
            let (good_group, behind) = (shared.good_group as usize, shared.behind);
            assert!((1..=queue).contains(&good_group) && (good_group..=queue).contains(&behind), "{queue}");
        }
    }

    #[test]
    fn what_is_lost_is_said_at_once_and_then_now_and_then_in_all() {
        let (mut drops, began) = (Drops::default(), Instant::now());
        assert_eq!(drops.more(0, began), None);
        assert_eq!(drops.more(3, began), Some(3));
        assert_eq!(drops.more(50, began + REMIND_EVERY / 2), None);
        assert_eq!(drops.more(50, began + REMIND_EVERY), Some(47));
        assert_eq!(drops.more(50, began + REMIND_EVERY * 2), None);
        assert_eq!(drops.more(51, began + REMIND_EVERY * 2), Some(1));
    }
}
