//! The door for records: a bounded queue that never makes anyone wait, and the counters that say what became of them.

use crate::engine::{Engine, Location};
use crate::ticket::{self, NotRecorded, Promise, Ticket};
use crate::{LedgerError, bounds, writer};
use crossbeam_queue::ArrayQueue;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};
use tierway_decide::CallRecord;

/// How long the writer gets to close the store once all is written or given up: a last checkpoint of 64 MB on a slow disk.
const CLOSE_AT_MOST: Duration = Duration::from_secs(10);

/// What may be lost when the machine fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Records are committed every [`Options::group_every`]: killing the process loses at most that much. A power cut
    /// may take what came since the last checkpoint, [`Options::checkpoint_every`] at most. The file is never damaged.
    #[default]
    Relaxed,
    /// Every group is synced to disk before its tickets resolve.
    Strict,
}

/// How a ledger records.
#[derive(Clone, Debug)]
pub struct Options {
    /// What may be lost when the machine fails.
    pub durability: Durability,
    /// The most records that wait to be written (2 to 3 kB each); more are dropped and counted.
    pub queue: usize,
    /// How long a group gathers before it is written (relaxed only; strict writes at once what is there).
    pub group_every: Duration,
    /// How often the write-ahead log goes into the database when there was something to write.
    pub checkpoint_every: Duration,
    /// How soon a group that could not be written is tried again.
    pub retry_every: Duration,
    /// Days that rows (and sums by the hour) are kept; sums by the day are kept for ever. None: everything is kept.
    pub keep_days: Option<u32>,
    /// How often it is looked for rows that are older, and for days that are over and whose sums can be put together.
    pub forget_every: Duration,
    /// The most bytes that the database may have; then it counts as full. None: as many as the disk gives.
    pub max_bytes: Option<u64>,
    /// How long [`Ledger::close`] tries to write what was accepted.
    pub close_within: Duration,
    /// Begin even when the store cannot be opened or is in use, and go on trying: serving goes first, and during a
    /// rolling restart the old process still has the file. Otherwise that is an error of [`Ledger::open`].
    pub begin_without_store: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Relaxed,
            queue: 65_536, // three seconds at 20,000 a second: longer than a slow disk's sync
            group_every: Duration::from_millis(200),
            checkpoint_every: Duration::from_secs(5),
            retry_every: Duration::from_millis(500),
            keep_days: None,
            forget_every: Duration::from_secs(600),
            max_bytes: None,
            close_within: Duration::from_secs(10),
            begin_without_store: false,
        }
    }
}

/// What became of all records so far. `accepted` = `written` + `write_errors` + what waits in `queue_depth`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Taken into the queue.
    pub accepted: u64,
    /// Committed.
    pub written: u64,
    /// Turned away: the queue was full, or the ledger closed.
    pub dropped: u64,
    /// Accepted, but never written: refused by the store for themselves, or given up at the end.
    pub write_errors: u64,
    /// Groups that could not be written at a first or later try. Their records are kept and tried again.
    pub failed_groups: u64,
    /// Accepted and not yet committed.
    pub queue_depth: u64,
}

/// Keeps call records. Cheap to offer to from any thread; dropping it closes it.
#[derive(Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<Result<(), LedgerError>>>>,
    /// To wake the writer without a lock.
    thread: Thread,
    durability: Durability,
    close_within: Duration,
}

/// A record on its way: in the box in which it was made, so that nobody copies it.
pub(crate) struct Entry {
    pub(crate) call: Box<CallRecord>,
    pub(crate) promise: Option<Promise>,
}

/// What the door and the writer both see.
pub(crate) struct Shared {
    pub(crate) queue: ArrayQueue<Entry>,
    /// Every so many records the writer is woken.
    pub(crate) good_group: u64,
    /// So many that wait show that it gets too few turns.
    pub(crate) behind: usize,
    /// The writer sleeps until somebody wakes it.
    pub(crate) idle: AtomicBool,
    /// Somebody waits: do not gather any longer.
    pub(crate) urgent: AtomicBool,
    pub(crate) closing: AtomicBool,
    pub(crate) counts: Counts,
    /// The last error of a group, until one is written again.
    pub(crate) failing: Mutex<Option<String>>,
    settled: Condvar,
    settling: Mutex<()>,
}

/// Atomics behind [`Counters`].
#[derive(Debug, Default)]
pub(crate) struct Counts {
    accepted: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) written: AtomicU64,
    pub(crate) write_errors: AtomicU64,
    pub(crate) failed_groups: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the store, makes or upgrades it, and starts its thread.
    ///
    /// # Errors
    /// Everything in [`LedgerError`] that keeps it from being written, unless [`Options::begin_without_store`].
    pub fn open(location: impl Into<Location>, options: Options) -> Result<Self, LedgerError> {
        let location = location.into();
        let mut engine = Engine::open(&location, &options);
        if !options.begin_without_store {
            engine = Ok(engine?);
        }
        let shared = Arc::new(Shared::new(&options));
        let (durability, close_within) = (options.durability, options.close_within);
        let writer = writer::start(Arc::clone(&shared), location, engine, options).map_err(LedgerError::Thread)?;
        let thread = writer.thread().clone();
        Ok(Self { shared, writer: Mutex::new(Some(writer)), thread, durability, close_within })
    }

    /// Takes a record to be written soon. Never blocks, but offers the core where the writer gets too few turns; false when the record had
    /// to be dropped (and was counted).
    pub fn offer(&self, call: impl Into<Box<CallRecord>>) -> bool {
        self.enqueue(call.into(), None).is_ok()
    }

    /// Takes a record and gives a ticket that resolves when it is on disk. Does not block either.
    pub fn offer_with_ticket(&self, call: impl Into<Box<CallRecord>>) -> Ticket {
        let (promise, ticket) = ticket::pair();
        if let Err((entry, why)) = self.enqueue(call.into(), Some(promise))
            && let Some(promise) = entry.promise
        {
            promise.resolve(Err(why));
        }
        ticket
    }

    fn enqueue(&self, mut call: Box<CallRecord>, promise: Option<Promise>) -> Result<(), (Entry, NotRecorded)> {
        bounds::cut(&mut call);
        let entry = Entry { call, promise };
        if self.shared.closing.load(Ordering::Acquire) {
            self.shared.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return Err((entry, NotRecorded::Closed));
        }
        let waited_for = entry.promise.is_some();
        if let Err(entry) = self.shared.queue.push(entry) {
            self.shared.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return Err((entry, NotRecorded::QueueFull));
        }
        let accepted = self.shared.counts.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        if waited_for {
            self.hurry();
        } else if accepted.is_multiple_of(self.shared.good_group) {
            self.hurry();
            if self.shared.queue.len() >= self.shared.behind {
                // The thread was woken before and got no turn: on this core, most probably.
                std::thread::yield_now();
            }
        } else if self.shared.idle.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ok(())
    }

    fn hurry(&self) {
        self.shared.urgent.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }

    /// Waits until everything accepted before is committed, at most for `limit`.
    ///
    /// # Errors
    /// [`LedgerError::NotWritten`] with the writer's last error.
    pub fn flush(&self, limit: Duration) -> Result<(), LedgerError> {
        let target = self.shared.counts.accepted.load(Ordering::SeqCst);
        let deadline = Instant::now() + limit;
        let mut guard = self.shared.settling();
        loop {
            let left = target.saturating_sub(self.shared.counts.settled());
            if left == 0 {
                return Ok(());
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(LedgerError::NotWritten { rows: left, last_error: self.shared.last_error() });
            }
            self.hurry();
            // Woken after every group; the shorter nap covers a group that began before we hurried.
            let nap = (deadline - now).min(Duration::from_millis(50));
            guard = self.shared.settled.wait_timeout(guard, nap).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes no more records, writes all that were accepted, and closes the store. A second call does nothing.
    ///
    /// # Errors
    /// [`LedgerError::NotWritten`] when records had to be given up, or what closing the store said.
    pub fn close(&self) -> Result<(), LedgerError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writer) = writer else { return Ok(()) };
        let flushed = self.flush(self.close_within);
        self.shared.closing.store(true, Ordering::SeqCst);
        self.hurry();
        let failed = |why: &str| LedgerError::NotWritten { rows: self.counters().queue_depth, last_error: why.into() };
        match join_within(writer, CLOSE_AT_MOST) {
            Some(Ok(closed)) => flushed.and(closed),
            Some(Err(_)) => Err(failed("the writer's thread ended by a bug")),
            None => Err(failed("the disk does not answer")),
        }
    }

    /// What became of all records so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counts.read()
    }

    /// The last error, while groups cannot be written; none when all is well.
    #[must_use]
    pub fn failing(&self) -> Option<String> {
        self.shared.failing().clone()
    }

    /// What may be lost when the machine fails.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        self.durability
    }
}

/// Waits for a thread to end; none when it does not. A write into a disk that hangs cannot be called back, and a process
/// that is told to stop has to stop all the same: the file is as good as after a crash.
fn join_within<T>(thread: JoinHandle<T>, limit: Duration) -> Option<std::thread::Result<T>> {
    let deadline = Instant::now() + limit;
    while !thread.is_finished() {
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Some(thread.join())
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the ledger was not closed well");
        }
    }
}

impl Shared {
    pub(crate) fn new(options: &Options) -> Self {
        // A short queue has room for as many again while those are fetched.
        let half = (options.queue / 2).max(1);
        Self {
            queue: ArrayQueue::new(options.queue.max(1)),
            good_group: writer::GOOD_GROUP.min(half) as u64,
            behind: writer::BEHIND.min(half),
            idle: AtomicBool::new(false),
            urgent: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            counts: Counts::default(),
            failing: Mutex::new(None),
            settled: Condvar::new(),
            settling: Mutex::new(()),
        }
    }

    pub(crate) fn failing(&self) -> MutexGuard<'_, Option<String>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settling(&self) -> MutexGuard<'_, ()> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everyone who waits in a flush.
    pub(crate) fn wake_waiting(&self) {
        let _guard = self.settling();
        self.settled.notify_all();
    }

    fn last_error(&self) -> String {
        self.failing().clone().unwrap_or_else(|| "nothing, it is only slow".into())
    }
}

impl Counts {
    /// Records whose fate is known.
    fn settled(&self) -> u64 {
        self.written.load(Ordering::SeqCst) + self.write_errors.load(Ordering::SeqCst)
    }

    fn read(&self) -> Counters {
        let settled = self.settled();
        let accepted = self.accepted.load(Ordering::SeqCst);
        Counters {
            accepted,
            written: self.written.load(Ordering::SeqCst),
            dropped: self.dropped.load(Ordering::Relaxed),
            write_errors: self.write_errors.load(Ordering::SeqCst),
            failed_groups: self.failed_groups.load(Ordering::Relaxed),
            queue_depth: accepted.saturating_sub(settled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hangs_is_left_and_one_that_ends_is_not() {
        let done = std::thread::spawn(|| 7);
        assert!(matches!(join_within(done, Duration::from_secs(10)), Some(Ok(7))));
        let hangs = std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
        assert!(join_within(hangs, Duration::from_millis(30)).is_none());
    }
}
