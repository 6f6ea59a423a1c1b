//! How long a target took until its first byte, as a distribution that forgets.
//!
//! Shared by all requests without a lock; a lost race costs one stale figure. Times fall into four classes an octave, so a
//! percentile is up to a fifth too high, never too low. Half of what is known is forgotten each time a thousand is full.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Classes of time: from a millisecond to half an hour.
const CLASSES: usize = 84;
/// Classes that double.
const PER_OCTAVE: u32 = 4;
/// Calls after which half of them are forgotten.
const MEMORY: u32 = 1_000;
/// Fewer calls say nothing of the slowest twentieth.
const ENOUGH: u32 = 20;

/// Times to the first byte of one target.
#[derive(Debug)]
pub struct FirstBytes {
    classes: [AtomicU32; CLASSES],
    count: AtomicU32,
}

impl Default for FirstBytes {
    fn default() -> Self {
        Self::new()
    }
}

impl FirstBytes {
    /// Nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self { classes: [const { AtomicU32::new(0) }; CLASSES], count: AtomicU32::new(0) }
    }

    /// It took so long; or, of a call that was given up because another was faster, at least so long. Those have to be
    /// counted too: a percentile of winners only would sink with every hedge.
    pub fn saw(&self, ms: u64) {
        self.classes[class(ms)].fetch_add(1, Relaxed);
        if self.count.fetch_add(1, Relaxed) >= MEMORY {
            self.forget_half();
        }
    }

    /// Nineteen of twenty calls took no longer, milliseconds; none while too little is known.
    #[must_use]
    pub fn percentile_95_ms(&self) -> Option<u64> {
        let counts: [u64; CLASSES] = std::array::from_fn(|at| u64::from(self.classes[at].load(Relaxed)));
        let all: u64 = counts.iter().sum();
        let wanted = (all * 19).div_ceil(20);
        let mut below = 0;
        let at = counts.iter().position(|count| {
            below += count;
            below >= wanted
        })?;
        (all >= u64::from(ENOUGH)).then(|| end_of(at))
    }

    fn forget_half(&self) {
        let mut left = 0;
        for class in &self.classes {
            let half = |count: u32| Some(count / 2);
            left += class.fetch_update(Relaxed, Relaxed, half).unwrap_or_default() / 2;
        }
        self.count.store(left, Relaxed);
    }
}

/// The class of a time.
fn class(ms: u64) -> usize {
    let octaves = (ms.max(1) as f64).log2() * f64::from(PER_OCTAVE);
    (octaves.ceil() as usize).min(CLASSES - 1)
}

/// The longest time of a class, milliseconds.
fn end_of(class: usize) -> u64 {
    (class as f64 / f64::from(PER_OCTAVE)).exp2().ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(times: impl IntoIterator<Item = u64>, want: Option<std::ops::RangeInclusive<u64>>) {
        let seen = FirstBytes::new();
        times.into_iter().for_each(|ms| seen.saw(ms));
        let got = seen.percentile_95_ms();
        match want {
            None => assert_eq!(got, None),
            Some(range) => assert!(got.is_some_and(|ms| range.contains(&ms)), "{got:?} is not in {range:?}"),
        }
    }

    #[test]
    fn the_slowest_twentieth_is_above_it() {
        check([], None);
        check([100; 19], None);
        check([100; 20], Some(100..=120));
        check((1..=1_000).rev(), Some(950..=1_140));
        check([0; 40], Some(1..=1));
        check([u64::MAX; 40], Some(1_000_000..=2_000_000));
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        check([[5_000; 1_000], [10; 1_000]].concat().into_iter().chain([10; 6_000]), Some(10..=13));
    }

    #[test]
    fn no_time_lies_above_the_end_of_its_class() {
        for ms in (1..2_000).chain([10_000, 99_999, 1_000_000]) {
            assert!(end_of(class(ms)) >= ms && (class(ms) == 0 || end_of(class(ms) - 1) < ms + 1), "{ms}");
        }
    }
}
