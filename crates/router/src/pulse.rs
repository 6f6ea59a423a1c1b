//! Notices silence in a stream without reading the clock for each chunk.
//!
//! A timer beats a few times per allowed silence; a chunk only sets a flag. Silence is noticed at most one beat late.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Beats per allowed silence.
const BEATS: u32 = 4;
/// The slowest beat: a cut-off is noticed within this time.
const SLOWEST: Duration = Duration::from_secs(1);

/// The pulse of one stream.
pub(crate) struct Pulse {
    beat: Duration,
    timer: Pin<Box<Sleep>>,
    heard: bool,
    silent_beats: u32,
    allowed_beats: u32,
    beats_left: u32,
}

/// What a beat found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// All is well.
    Alive,
    /// Silent for too long.
    Silent,
    /// The whole time is over.
    Over,
}

impl Pulse {
    pub(crate) fn new(silence: Duration, total: Duration) -> Self {
        let beat = (silence / BEATS).clamp(Duration::from_millis(5), SLOWEST);
        let beats =
            |time: Duration| u32::try_from(time.as_millis().div_ceil(beat.as_millis().max(1))).unwrap_or(u32::MAX);
        Self {
            beat,
            timer: Box::pin(tokio::time::sleep(beat)),
            heard: true,
            silent_beats: 0,
            allowed_beats: beats(silence),
            beats_left: beats(total),
        }
    }

    /// A chunk came.
    pub(crate) const fn hear(&mut self) {
        self.heard = true;
    }

    /// Ready at each beat; registers the next one.
    pub(crate) fn poll_beat(&mut self, cx: &mut Context<'_>) -> Poll<Beat> {
        if self.timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.timer.as_mut().reset(Instant::now() + self.beat);
        // Registers the waker for the next beat; it cannot be over yet.
        let _ = self.timer.as_mut().poll(cx);
        self.silent_beats = if std::mem::take(&mut self.heard) { 0 } else { self.silent_beats + 1 };
        self.beats_left = self.beats_left.saturating_sub(1);
        Poll::Ready(if self.beats_left == 0 {
            Beat::Over
        } else if self.silent_beats >= self.allowed_beats {
            Beat::Silent
        } else {
            Beat::Alive
        })
    }
}
