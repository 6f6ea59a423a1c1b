//! Room at one provider account: requests and tokens a minute and requests at once, so that we stay below its limits.
//!
//! In: limits, tokens, the time. Out: a [`Place`], which counts as a request at once until it is dropped, or how long to wait.
//! Several processes that use one account each keep to their part of its limits. Lock-free, but for who waits for a place.

use crate::rate::{Rate, TooFast};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// What an account allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomLimits {
    /// Requests a minute.
    pub rpm: Option<u32>,
    /// Tokens a minute, in and out.
    pub tpm: Option<u32>,
    /// Requests at once.
    pub max_concurrent: Option<u32>,
}

/// What all requests together have taken of one account.
#[derive(Debug)]
pub struct Room {
    requests: Rate,
    tokens: Rate,
    active: AtomicU32,
    /// Processes that share it.
    parts: AtomicU32,
    /// Waits for a place to become free.
    waits: Mutex<Option<Waker>>,
}

/// There is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Milliseconds until there is; none: when a request at once has ended.
    pub wait_ms: Option<u64>,
}

impl Default for Room {
    fn default() -> Self {
        let (requests, tokens, active, parts) = Default::default();
        let room = Self { requests, tokens, active, parts, waits: Mutex::default() };
        room.shared_by(1);
        room
    }
}

impl Room {
    /// So many processes share the account: each keeps to its part.
    pub fn shared_by(&self, parts: u32) {
        self.parts.store(parts.max(1), Ordering::Relaxed);
    }

    /// Takes a place for a request of so many tokens.
    ///
    /// # Errors
    /// [`Full`]: nothing was taken.
    pub fn enter(self: &Arc<Self>, limits: RoomLimits, tokens: u64, now_ms: u64) -> Result<Place, Full> {
        let part = |limit: u32| (limit / self.parts.load(Ordering::Relaxed)).max(1);
        let most = limits.max_concurrent.map_or(u32::MAX, part);
        let one_more = |count: u32| (count < most).then_some(count + 1);
        if self.active.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_err() {
            return Err(Full { wait_ms: None });
        }
        // Dropped where the minute has no room, it frees what it took.
        let mut place = Place { room: self.clone(), rpm: None, tpm: None };
        let full = |fast: TooFast| Full { wait_ms: Some(fast.wait_ms.unwrap_or(60_000)) };
        if let Some(rpm) = limits.rpm.map(part) {
            self.requests.take(rpm, 1, now_ms).map_err(full)?;
            place.rpm = Some(rpm);
        }
        if let Some(tpm) = limits.tpm.map(part) {
            // What is more than a minute's worth is let in alone: whether it is too much is the provider's to say.
            let tokens = tokens.min(tpm.into());
            if let Err(fast) = self.tokens.take(tpm, tokens, now_ms) {
                place.unused();
                return Err(full(fast));
            }
            place.tpm = Some((tpm, tokens));
        }
        Ok(place)
    }

    /// Requests at once.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }

    /// Is woken when the next place becomes free; only the last one who asked for that is.
    pub fn wake_when_free(&self, waker: Waker) {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
    }
}

/// A request at an account.
#[derive(Debug)]
pub struct Place {
    room: Arc<Room>,
    /// The limit of requests a minute under which it was taken.
    rpm: Option<u32>,
    /// The limit of tokens a minute, and how many were taken.
    tpm: Option<(u32, u64)>,
}

impl Place {
    /// It is one of this account.
    #[must_use]
    pub fn is_of(&self, room: &Arc<Room>) -> bool {
        Arc::ptr_eq(&self.room, room)
    }

    /// No call was made: what it took of the minute is there for others.
    pub fn unused(self) {
        if let Some(rpm) = self.rpm {
            self.room.requests.correct(rpm, 1, 0);
        }
        if let Some((tpm, tokens)) = self.tpm {
            self.room.tokens.correct(tpm, tokens, 0);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.active.fetch_sub(1, Ordering::AcqRel);
        let waits = self.room.waits.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waits {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(rpm: u32, tpm: u32, max_concurrent: u32) -> RoomLimits {
        let some = |limit: u32| Some(limit).filter(|limit| *limit > 0);
        RoomLimits { rpm: some(rpm), tpm: some(tpm), max_concurrent: some(max_concurrent) }
    }

    /// Requests of 100 tokens at once: how many enter, and what the next one is told.
    #[track_caller]
    fn check(limits: RoomLimits, parts: u32, enter: usize, told: Option<u64>) {
        let room = Arc::new(Room::default());
        room.shared_by(parts);
        let places: Vec<_> =
            (0..enter).map(|at| room.enter(limits, 100, 0).unwrap_or_else(|_| panic!("{at}"))).collect();
        assert_eq!(room.enter(limits, 100, 0).err(), Some(Full { wait_ms: told }));
        assert_eq!(room.active() as usize, enter, "who is refused takes nothing");
        drop(places);
        assert_eq!(room.active(), 0);
    }

    #[test]
    fn each_limit_holds_and_is_shared() {
        check(limits(0, 0, 3), 1, 3, None);
        check(limits(6, 0, 0), 1, 6, Some(10_000));
        check(limits(0, 600, 0), 1, 6, Some(10_000));
        check(limits(60, 600, 9), 1, 6, Some(10_000));
        check(limits(0, 0, 9), 3, 3, None);
        check(limits(6, 0, 0), 3, 2, Some(30_000));
        check(limits(0, 0, 2), 3, 1, None);
    }

    #[test]
    fn a_refusal_for_tokens_takes_no_request() {
        let room = Arc::new(Room::default());
        let limits = limits(2, 100, 0);
        let _first = room.enter(limits, 100, 0).unwrap();
        assert!(room.enter(limits, 100, 0).is_err());
        assert!(room.enter(limits, 100, 60_000).is_ok(), "the second request of the minute");
    }

    #[test]
    fn a_place_for_a_call_that_was_not_made_takes_nothing_of_the_minute() {
        let room = Arc::new(Room::default());
        let limits = limits(2, 200, 0);
        for _ in 0..5 {
            room.enter(limits, 100, 0).unwrap().unused();
        }
        let places: Vec<_> = (0..3).map_while(|_| room.enter(limits, 100, 0).ok()).collect();
        assert_eq!(places.len(), 2);
    }

    #[test]
    fn who_waits_is_woken_by_who_leaves() {
        struct Flag(std::sync::atomic::AtomicBool);
        impl std::task::Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let (room, flag) = (Arc::new(Room::default()), Arc::new(Flag(false.into())));
        let place = room.enter(limits(0, 0, 1), 1, 0).unwrap();
        room.wake_when_free(flag.clone().into());
        assert!(!flag.0.load(Ordering::Relaxed));
        drop(place);
        assert!(flag.0.load(Ordering::Relaxed));
    }
}
