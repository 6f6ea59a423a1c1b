//! Looks after an HTTP/2 connection: it is left when an answer on it is not read, and when it asks for nothing.
//!
//! On HTTP/1 a client that reads nothing stops the socket, and one that asks nothing is under the timeout of the next head
//! (`patience`). On HTTP/2 a client stops a stream by giving it no window: nothing is written, nothing is asked of the
//! body, and only who looks from outside sees that it stands still.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What is known of one connection.
#[derive(Default)]
pub(crate) struct HealthWatch {
    /// HTTP/1 needs no one to look after it.
    dismissed: AtomicBool,
    answers: Mutex<Vec<Watched>>,
}

/// An answer and when it last moved.
struct Watched {
    pulse: Weak<Pulse>,
    beats: u32,
    since: Instant,
}

/// The movement of one answer; there from the request on.
#[derive(Default)]
pub(crate) struct Pulse {
    /// A piece was handed over and the next not asked for.
    handed: AtomicBool,
    beats: AtomicU32,
}

/// What to do about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// An answer was not read for too long.
    Stuck,
    /// There was no request for too long.
    Idle,
}

impl HealthWatch {
    /// A request began.
    pub(crate) fn enter(&self) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse::default());
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() == answers.capacity() {
            answers.retain(Watched::is_there);
        }
        answers.push(Watched { pulse: Arc::downgrade(&pulse), beats: 0, since: Instant::now() });
        pulse
    }

    pub(crate) fn dismiss(&self) {
        self.dismissed.store(true, Ordering::Relaxed);
    }

    /// Returns when there is something to do about the connection.
    pub(crate) async fn keep(&self, idle_after: Duration, stuck_after: Duration) -> Verdict {
        let mut busy = Instant::now();
        loop {
            tokio::time::sleep(idle_after.min(stuck_after) / 2).await;
            if self.dismissed.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            let now = Instant::now();
            match self.look(now) {
                Some(stood) if stood >= stuck_after => return Verdict::Stuck,
                Some(_) => busy = now,
                None if now - busy >= idle_after => return Verdict::Idle,
                None => {}
            }
        }
    }

    /// How long the most stuck of the answers has stood still; none where there is no request.
    fn look(&self, now: Instant) -> Option<Duration> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(Watched::is_there);
        answers.iter_mut().map(|watched| watched.stood(now)).max()
    }
}

impl Watched {
    fn is_there(&self) -> bool {
        self.pulse.strong_count() > 0
    }

    fn stood(&mut self, now: Instant) -> Duration {
        let Some(pulse) = self.pulse.upgrade() else { return Duration::ZERO };
        let beats = pulse.beats.load(Ordering::Relaxed);
        if beats != self.beats || !pulse.handed.load(Ordering::Relaxed) {
            (self.beats, self.since) = (beats, now);
        }
        now - self.since
    }
}

/// The body of an answer that is looked after, or that need not be.
pub(crate) struct Attended<B> {
    pub(crate) body: B,
    pub(crate) pulse: Option<Arc<Pulse>>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Attended<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(pulse) = &self.pulse {
            pulse.beats.fetch_add(1, Ordering::Relaxed);
            pulse.handed.store(polled.is_ready(), Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
