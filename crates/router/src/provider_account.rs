//! Provider accounts with limits of their own: who is let in, and who waits for it.
//!
//! A request that finds an account full asks another one first. Where there is none it stands in line: callers take turns,
//! one of those who wait stands at the counter and takes the next place, and nobody overtakes. The line is bounded, and so
//! is the wait.

use crate::seam::Clock;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tierway_decide::line::Line;
use tierway_decide::room::{Full, Place, Room, RoomLimits};
use tokio::sync::oneshot;

/// One account.
#[derive(Clone, Debug)]
pub struct ProviderAccount {
    limits: RoomLimits,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    room: Arc<Room>,
    counter: Mutex<Counter>,
}

#[derive(Debug, Default)]
struct Counter {
    taken: bool,
    line: Line<oneshot::Sender<Turn>>,
}

/// The right to take the next place. Passed on when it is dropped.
#[derive(Debug)]
struct Turn(Arc<State>);

impl ProviderAccount {
    /// An account in which nothing goes on yet.
    #[must_use]
    pub fn new(limits: RoomLimits) -> Self {
        Self { limits, state: Arc::default() }
    }

    /// Goes on counting where an earlier setup stood.
    pub(crate) fn after(&mut self, earlier: &Self) {
        self.state = earlier.state.clone();
    }

    /// So many processes share it.
    pub(crate) fn shared_by(&self, parts: u32) {
        self.state.room.shared_by(parts);
    }

    /// Whether a place is one of this account.
    pub(crate) fn is_of(&self, place: &Place) -> bool {
        place.is_of(&self.state.room)
    }

    /// Requests that are there.
    #[must_use]
    pub fn active(&self) -> usize {
        self.state.room.active() as usize
    }

    /// How many wait for it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let counter = self.state.counter();
        counter.line.len() + usize::from(counter.taken)
    }

    /// A place at once, unless others wait for one.
    pub(crate) fn enter(&self, tokens: u64, now_ms: u64) -> Result<Place, Full> {
        let counter = self.state.counter();
        if counter.taken {
            return Err(Full { wait_ms: None });
        }
        self.state.room.enter(self.limits, tokens, now_ms)
    }

    /// A place when it is this caller's turn; none when the line is full, or when there is none in time.
    pub(crate) async fn wait(
        &self,
        caller: &str,
        tokens: u64,
        most: usize,
        within: Duration,
        clock: &dyn Clock,
    ) -> Option<Place> {
        let mut over = pin!(clock.sleep(within));
        let waited = async {
            let turn = self.turn(caller, most)?.await.ok()?;
            let place = self.at_the_counter(tokens, clock).await;
            drop(turn);
            Some(place)
        };
        tokio::select! {
            biased;
            place = waited => place,
            () = &mut over => None,
        }
    }

    /// Where the turn will come; none when too many wait.
    fn turn(&self, caller: &str, most: usize) -> Option<oneshot::Receiver<Turn>> {
        let (mine, turn) = oneshot::channel();
        let mut counter = self.state.counter();
        if !counter.taken {
            counter.taken = true;
            drop(counter);
            let _ = mine.send(Turn(self.state.clone()));
            return Some(turn);
        }
        if counter.line.len() >= most {
            counter.line.tidy(|waits| !waits.is_closed());
        }
        counter.line.join(caller, mine, most).ok()?;
        Some(turn)
    }

    /// Takes the next place, whenever that is.
    async fn at_the_counter(&self, tokens: u64, clock: &dyn Clock) -> Place {
        let room = &self.state.room;
        loop {
            let mut full = Full { wait_ms: None };
            let place = poll_fn(|cx| {
                room.wake_when_free(cx.waker().clone());
                // After that: who leaves in between wakes us.
                match room.enter(self.limits, tokens, clock.monotonic_ms()) {
                    Ok(place) => Poll::Ready(Some(place)),
                    Err(Full { wait_ms: None }) => Poll::Pending,
                    Err(until) => {
                        full = until;
                        Poll::Ready(None)
                    }
                }
            })
            .await;
            match place {
                Some(place) => return place,
                None => clock.sleep(Duration::from_millis(full.wait_ms.unwrap_or(1))).await,
            }
        }
    }
}

impl State {
    fn counter(&self) -> MutexGuard<'_, Counter> {
        self.counter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut counter = self.0.counter();
        loop {
            let Some(next) = counter.line.take_turn() else {
                counter.taken = false;
                return;
            };
            // Who is not there any more gives it back, which is not to pass it on once more from here.
            if next.is_closed() {
                continue;
            }
            drop(counter);
            let _ = next.send(Turn(self.0.clone()));
            return;
        }
    }
}
