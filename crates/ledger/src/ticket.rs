//! A promise that a record will be on disk, for callers that hold back the end of an answer until it is.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Why a record is not on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// The queue was full: the record is dropped, and counted.
    #[error("the ledger's queue was full")]
    QueueFull,
    /// The ledger was closed: the record is dropped, and counted.
    #[error("the ledger was closed")]
    Closed,
    /// The group could not be written. It is kept and tried again, but nobody should wait for it.
    #[error("the ledger could not be written yet")]
    Failing,
    /// Another record has this id: the record is dropped, and counted as a write error.
    #[error("another record has the same id")]
    SameId,
    /// Not within the time that the caller would wait.
    #[error("the ledger did not answer in time")]
    Waiting,
}

/// Resolves when the group commit that holds the record is done, or will not be.
/// A future, needing no particular runtime; [`Ticket::wait`] for threads.
#[derive(Debug)]
pub struct Ticket(Arc<State>);

/// The writer's end. Dropped without an outcome it resolves as failing, so that nobody waits for ever.
#[derive(Debug)]
pub(crate) struct Promise(Arc<State>);

#[derive(Debug, Default)]
struct State {
    slot: Mutex<Slot>,
    resolved: Condvar,
}

#[derive(Debug, Default)]
struct Slot {
    outcome: Option<Result<(), NotRecorded>>,
    waker: Option<Waker>,
}

impl State {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn pair() -> (Promise, Ticket) {
    let state = Arc::new(State::default());
    (Promise(Arc::clone(&state)), Ticket(state))
}

impl Promise {
    /// The first outcome counts.
    pub(crate) fn resolve(&self, outcome: Result<(), NotRecorded>) {
        let mut slot = self.0.slot();
        if slot.outcome.is_some() {
            return;
        }
        slot.outcome = Some(outcome);
        let waker = slot.waker.take();
        drop(slot);
        self.0.resolved.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.resolve(Err(NotRecorded::Failing));
    }
}

impl Ticket {
    /// Blocks until the record is on disk or will not be, at most for `limit`.
    ///
    /// # Errors
    /// See [`NotRecorded`].
    pub fn wait(&self, limit: Duration) -> Result<(), NotRecorded> {
        let pending = |slot: &mut Slot| slot.outcome.is_none();
        let waited = self.0.resolved.wait_timeout_while(self.0.slot(), limit, pending);
        waited.unwrap_or_else(PoisonError::into_inner).0.outcome.unwrap_or(Err(NotRecorded::Waiting))
    }
}

impl Future for Ticket {
    type Output = Result<(), NotRecorded>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.slot();
        if let Some(outcome) = slot.outcome {
            return Poll::Ready(outcome);
        }
        slot.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
