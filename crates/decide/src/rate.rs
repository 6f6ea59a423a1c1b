//! So many requests or tokens a minute.
//!
//! The generic cell rate algorithm (ITU-T I.371) as one atomic number: the time at which everything that was let in will
//! have flowed out at the even rate. A minute's worth may come at once, then it goes on evenly; nothing is counted twice
//! at the turn of a minute, and how long to wait is known exactly.
//!
//! Pure: times are milliseconds of one monotonic clock.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

const MINUTE_NS: i64 = 60_000_000_000;

/// The state of one limit; the limit itself is an argument, so that it may change while it is in use.
#[derive(Debug, Default)]
pub struct Rate {
    /// Nanoseconds of the monotonic clock.
    empty_at_ns: AtomicI64,
}

/// How a limit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What may still come at once.
    pub remaining: u64,
    /// Milliseconds until a whole minute's worth may.
    pub reset_ms: u64,
}

/// Too much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFast {
    /// Milliseconds until it may come; none when it is more than a minute's worth and never may.
    pub wait_ms: Option<u64>,
}

impl Rate {
    /// Lets `count` of at most `per_minute` in.
    ///
    /// # Errors
    /// [`TooFast`].
    pub fn take(&self, per_minute: u32, count: u64, now_ms: u64) -> Result<(), TooFast> {
        let (now, each) = (nanos(now_ms), MINUTE_NS / i64::from(per_minute.max(1)));
        if count > u64::from(per_minute) {
            return Err(TooFast { wait_ms: None });
        }
        let cost = each.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
        let fill = |empty_at: i64| {
            let after = empty_at.max(now).saturating_add(cost);
            (after - now <= MINUTE_NS).then_some(after)
        };
        self.empty_at_ns.fetch_update(Relaxed, Relaxed, fill).map(|_| ()).map_err(|empty_at| {
            let over = empty_at.max(now).saturating_add(cost) - now - MINUTE_NS;
            TooFast { wait_ms: Some(over.unsigned_abs().div_ceil(1_000_000)) }
        })
    }

    /// What was taken turned out to be more or less.
    pub fn correct(&self, per_minute: u32, taken: u64, used: u64) {
        let each = MINUTE_NS / i64::from(per_minute.max(1));
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let more = signed(used).saturating_sub(signed(taken)).saturating_mul(each);
        // An hour of debt is enough: one request that was estimated badly must not close a key for days.
        self.empty_at_ns.fetch_add(more.min(60 * MINUTE_NS), Relaxed);
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self, per_minute: u32, now_ms: u64) -> Standing {
        let (now, each) = (nanos(now_ms), MINUTE_NS / i64::from(per_minute.max(1)));
        let full = (self.empty_at_ns.load(Relaxed) - now).max(0);
        Standing {
            remaining: ((MINUTE_NS - full).max(0) / each).unsigned_abs().min(u64::from(per_minute)),
            reset_ms: full.unsigned_abs().div_ceil(1_000_000),
        }
    }
}

fn nanos(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX / 1_000_000).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_at_once_and_then_evenly() {
        let rate = Rate::default();
        for _ in 0..60 {
            assert_eq!(rate.take(60, 1, 1_000), Ok(()));
        }
        assert_eq!(rate.take(60, 1, 1_000), Err(TooFast { wait_ms: Some(1_000) }));
        assert_eq!(rate.take(60, 3, 1_500), Err(TooFast { wait_ms: Some(2_500) }));
        assert_eq!(rate.take(60, 1, 2_000), Ok(()));
        assert_eq!(rate.take(60, 1, 2_000), Err(TooFast { wait_ms: Some(1_000) }));
        // No more than a minute's worth, however long nothing came.
        assert_eq!(rate.take(60, 60, 1_000_000), Ok(()));
        assert!(rate.take(60, 1, 1_000_000).is_err());
    }

    #[test]
    fn what_never_fits_is_told_so() {
        assert_eq!(Rate::default().take(100, 101, 0), Err(TooFast { wait_ms: None }));
    }

    #[test]
    fn an_estimate_is_put_right() {
        let rate = Rate::default();
        rate.take(1_000, 900, 0).unwrap();
        assert_eq!(rate.standing(1_000, 0), Standing { remaining: 100, reset_ms: 54_000 });
        rate.correct(1_000, 900, 200);
        assert_eq!(rate.standing(1_000, 0), Standing { remaining: 800, reset_ms: 12_000 });
        rate.correct(1_000, 0, 2_000);
        assert_eq!(rate.take(1_000, 1, 0), Err(TooFast { wait_ms: Some(72_060) }));
    }
}
