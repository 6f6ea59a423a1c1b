//! Keeps requests away from a target that is ill, and finds out quickly when it is well again.
//!
//! Closed: everything goes through. Open: nothing does, for one probe interval. Half-open: one request per probe interval
//! is let through as a probe; its success closes the breaker for all, its failure opens it again. The interval does not
//! grow, so a target that comes back is used again within one of them; a probe that fails costs its request a fallback.
//! Apart from illness, a target that said when to come back (`Retry-After`) cools down until then.
//!
//! Shared by all requests without a lock. Times are milliseconds of one monotonic clock.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// When a breaker opens, and how often it looks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// Opens after this many failures in a row.
    pub failures_in_a_row: u32,
    /// Opens when this share (in thousandths) of the calls of one window failed ...
    pub failed_mille: u32,
    /// ... and the window saw at least this many calls.
    pub min_calls: u32,
    /// Length of a window.
    pub window_ms: u64,
    /// Time between probes of an open breaker.
    pub probe_interval_ms: u64,
}

impl Default for BreakerRules {
    /// Five failures in a row, or half of at least twenty calls in ten seconds; a probe every five seconds.
    fn default() -> Self {
        Self { failures_in_a_row: 5, failed_mille: 500, min_calls: 20, window_ms: 10_000, probe_interval_ms: 5_000 }
    }
}

/// Whether a target may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Yes,
    /// It may: this call is the probe of an open breaker.
    Probe,
    /// Not before that time.
    No {
        /// When to ask again.
        until_ms: u64,
    },
}

/// How a target is, for people and for choosing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Closed.
    Well,
    /// Waiting for a probe: the next call finds out.
    Probing,
    /// Ill: no calls.
    Ill {
        /// When the next probe may go.
        until_ms: u64,
    },
    /// It asked to be left alone.
    Cooling {
        /// Until then.
        until_ms: u64,
    },
}

impl Health {
    /// The name in metrics and pages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Probing => "probing",
            Self::Ill { .. } => "ill",
            Self::Cooling { .. } => "cooling",
        }
    }

    /// A call now would be let through.
    #[must_use]
    pub const fn callable(self) -> bool {
        matches!(self, Self::Well | Self::Probing)
    }
}

/// The breaker of one target.
#[derive(Debug, Default)]
pub struct Breaker {
    rules: BreakerRules,
    in_a_row: AtomicU32,
    /// When the next probe may go; 0 while closed.
    probe_at_ms: AtomicU64,
    cool_until_ms: AtomicU64,
    /// Number of the window (32 bits), its calls (16), its failures (16).
    window: AtomicU64,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub const fn new(rules: BreakerRules) -> Self {
        Self {
            rules,
            in_a_row: AtomicU32::new(0),
            probe_at_ms: AtomicU64::new(0),
            cool_until_ms: AtomicU64::new(0),
            window: AtomicU64::new(0),
        }
    }

    /// How the target is; changes nothing.
    #[must_use]
    pub fn health(&self, now_ms: u64) -> Health {
        let probe_at_ms = self.probe_at_ms.load(Relaxed);
        let cool_until_ms = self.cool_until_ms.load(Relaxed);
        if probe_at_ms > now_ms {
            Health::Ill { until_ms: probe_at_ms.max(cool_until_ms) }
        } else if cool_until_ms > now_ms {
            Health::Cooling { until_ms: cool_until_ms }
        } else if probe_at_ms > 0 {
            Health::Probing
        } else {
            Health::Well
        }
    }

    /// Asks to call the target now. A yes to an open breaker is the one probe of this interval.
    #[must_use]
    pub fn admit(&self, now_ms: u64) -> Admission {
        match self.health(now_ms) {
            Health::Well => Admission::Yes,
            Health::Ill { until_ms } | Health::Cooling { until_ms } => Admission::No { until_ms },
            Health::Probing => {
                let next_ms = now_ms + self.rules.probe_interval_ms.max(1);
                let due = |at: u64| (at > 0 && at <= now_ms).then_some(next_ms);
                match self.probe_at_ms.fetch_update(Relaxed, Relaxed, due) {
                    Ok(_) => Admission::Probe,
                    Err(0) => Admission::Yes,
                    Err(until_ms) => Admission::No { until_ms },
                }
            }
        }
    }

    /// A call began to answer: the target is well, however long the answer will take.
    pub fn on_success(&self, now_ms: u64) {
        self.in_a_row.store(0, Relaxed);
        self.probe_at_ms.store(0, Relaxed);
        self.count(now_ms, 0);
    }

    /// A call failed in a way that [counts against the target](crate::dispatch::FailureKind::counts_against_target).
    /// True when this opened the breaker.
    pub fn on_failure(&self, now_ms: u64) -> bool {
        let in_a_row = self.in_a_row.fetch_add(1, Relaxed).saturating_add(1);
        let (calls, failures) = self.count(now_ms, 1);
        let was_open = self.probe_at_ms.load(Relaxed) > 0;
        let many = calls >= self.rules.min_calls && failures * 1_000 >= calls * self.rules.failed_mille;
        // Calls that began before it opened may fail long after: they put no probe off.
        let opens = !was_open && (in_a_row >= self.rules.failures_in_a_row || many);
        if opens {
            self.probe_at_ms.store(now_ms + self.rules.probe_interval_ms.max(1), Relaxed);
        }
        opens
    }

    /// The target asked to be left alone until then.
    pub fn cool_until(&self, until_ms: u64) {
        self.cool_until_ms.fetch_max(until_ms, Relaxed);
    }

    /// Counts a call in the window of `now_ms`; gives the window's calls and failures.
    fn count(&self, now_ms: u64, failed: u64) -> (u32, u32) {
        let number = (now_ms / self.rules.window_ms.max(1)) & 0xffff_ffff;
        let add = |window: u64| {
            let (calls, failures) = if window >> 32 == number { parts(window) } else { (0, 0) };
            // Full: halve both, which keeps the share.
            let (calls, failures) = if calls == 0xffff { (calls / 2, failures / 2) } else { (calls, failures) };
            Some(number << 32 | (u64::from(calls) + 1) << 16 | (u64::from(failures) + failed))
        };
        let before = self.window.fetch_update(Relaxed, Relaxed, add).unwrap_or_default();
        parts(add(before).unwrap_or_default())
    }
}

const fn parts(window: u64) -> (u32, u32) {
    ((window >> 16 & 0xffff) as u32, (window & 0xffff) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: BreakerRules = BreakerRules {
        failures_in_a_row: 3,
        failed_mille: 500,
        min_calls: 10,
        window_ms: 1_000,
        probe_interval_ms: 100,
    };

    #[test]
    fn failures_in_a_row_open_it_and_one_probe_closes_it() {
        let breaker = Breaker::new(RULES);
        assert!(!breaker.on_failure(0) && !breaker.on_failure(1));
        assert_eq!(breaker.admit(2), Admission::Yes);
        assert!(breaker.on_failure(2), "the third opens it");
        assert_eq!(breaker.admit(101), Admission::No { until_ms: 102 });
        assert_eq!(breaker.admit(102), Admission::Probe);
        assert_eq!(breaker.admit(103), Admission::No { until_ms: 202 }, "one probe at a time");
        assert!(!breaker.on_failure(110), "it was open already");
        assert_eq!(breaker.admit(201), Admission::No { until_ms: 202 });
        assert!(!breaker.on_failure(201), "of a call that began before");
        assert_eq!(breaker.admit(202), Admission::Probe, "the next one, an interval after the last");
        breaker.on_success(215);
        assert_eq!(breaker.admit(215), Admission::Yes);
        assert!(!breaker.on_failure(216), "counts from the start again");
    }

    #[test]
    fn a_lost_probe_is_followed_by_another() {
        let breaker = Breaker::new(RULES);
        (0..3).for_each(|now| {
            breaker.on_failure(now);
        });
        assert_eq!(breaker.admit(500), Admission::Probe);
        assert_eq!(breaker.admit(600), Admission::Probe);
    }

    #[test]
    fn half_of_the_calls_failing_opens_it() {
        let breaker = Breaker::new(RULES);
        let opened = (0..10).position(|call| {
            if call % 2 == 0 {
                breaker.on_success(call);
                return false;
            }
            breaker.on_failure(call)
        });
        assert_eq!(opened, Some(9));
        let slow = Breaker::new(RULES);
        let opened = (0..100).any(|call| {
            if call % 2 == 0 {
                slow.on_success(call * 300);
                return false;
            }
            slow.on_failure(call * 300)
        });
        assert!(!opened, "three calls a window are too few to judge");
    }

    #[test]
    fn cooling_is_not_illness() {
        let breaker = Breaker::new(RULES);
        breaker.cool_until(1_000);
        breaker.cool_until(400);
        assert_eq!(breaker.health(999), Health::Cooling { until_ms: 1_000 });
        assert_eq!(breaker.admit(1_000), Admission::Yes);
    }

    proptest! {
        /// Whatever happened before: once the target is well, traffic is back within one probe interval.
        #[test]
        fn a_target_that_comes_back_is_used_within_one_interval(
            history in proptest::collection::vec((0u64..80, any::<bool>()), 0..60),
            gap in 1u64..50,
        ) {
            let breaker = Breaker::new(RULES);
            let mut now = 0;
            for (pause, well) in history {
                now += pause;
                match breaker.admit(now) {
                    Admission::No { .. } => {}
                    _ if well => breaker.on_success(now),
                    _ => { breaker.on_failure(now); }
                }
            }
            let well_from = now;
            while now < well_from + RULES.probe_interval_ms + gap {
                now += gap;
                match breaker.admit(now) {
                    Admission::Yes | Admission::Probe => { breaker.on_success(now); }
                    Admission::No { until_ms } => prop_assert!(until_ms <= well_from + RULES.probe_interval_ms),
                }
            }
            prop_assert_eq!(breaker.admit(now), Admission::Yes);
        }

        /// A target that stays down sees no more than one call per probe interval.
        #[test]
        fn a_dead_target_is_left_in_peace(gap in 1u64..50) {
            let breaker = Breaker::new(RULES);
            let (mut now, mut calls) = (0, 0);
            while now < 5_000 {
                now += gap;
                if !matches!(breaker.admit(now), Admission::No { .. }) {
                    calls += 1;
                    breaker.on_failure(now);
                }
            }
            prop_assert!(calls <= 3 + 5_000 / RULES.probe_interval_ms);
        }
    }
}
