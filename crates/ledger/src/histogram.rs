//! Latencies as counts of logarithmic buckets: small, exact to add up, quantiles within 6 %.
//!
//! Up to 15 ms every millisecond has its bucket; above, every doubling has eight. An average of averages or a
//! percentile of percentiles would be wrong; the counts of any hours, tiers and models can be added.

use crate::varint::{Garbled, Input, put};
use serde::{Deserialize, Serialize};

/// Values below this have a bucket each.
const EXACT: u32 = 16;
/// Eight buckets for each doubling.
const STEPS_LOG2: u32 = 3;
/// Buckets up to `u32::MAX`.
const BUCKETS: usize = (EXACT + (32 - 4) * 8) as usize;

/// Stands between packed histograms that were put one after the other, as a database can: in place of a number of
/// skipped buckets, which is always smaller.
pub(crate) const NEXT: [u8; 2] = [(BUCKETS & 0x7f) as u8 | 0x80, (BUCKETS >> 7) as u8];

/// How often each latency came. The unit is the caller's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram {
    /// Counts by bucket; ends with the last one that is not 0.
    counts: Vec<u64>,
}

fn bucket_of(value: u32) -> usize {
    if value < EXACT {
        return value as usize;
    }
    let log2 = value.ilog2();
    let step = (value >> (log2 - STEPS_LOG2)) & ((1 << STEPS_LOG2) - 1);
    (EXACT + (log2 - 4) * (1 << STEPS_LOG2) + step) as usize
}

/// First value of a bucket, and of the next one.
fn bounds_of(bucket: usize) -> (u64, u64) {
    let first = |bucket: u64| {
        let exact = u64::from(EXACT);
        if bucket < exact {
            return bucket;
        }
        let (doubling, step) = ((bucket - exact) >> STEPS_LOG2, (bucket - exact) & 7);
        (8 + step) << (doubling + 1)
    };
    (first(bucket as u64), first(bucket as u64 + 1))
}

impl Histogram {
    /// Counts one value.
    pub fn add(&mut self, value: u32) {
        self.add_times(bucket_of(value), 1);
    }

    fn add_times(&mut self, bucket: usize, times: u64) {
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += times;
    }

    /// Counts all values of another one.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The value that `share` (0..=1) of all values do not exceed, within 6 %. None when nothing was counted.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a quantile of counts; 2^53 calls are far away")]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = share * self.count() as f64;
        let mut before = 0u64;
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            if (before + count) as f64 >= wanted {
                let (first, next) = bounds_of(bucket);
                // A bucket of one value is exact; in a wider one values are taken to lie evenly.
                let inside = ((wanted - before as f64) / *count as f64).clamp(0.0, 1.0);
                return Some(first as f64 + inside * (next - first - 1) as f64);
            }
            before += count;
        }
        None
    }

    /// Pairs of (buckets skipped, count), for a blob.
    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        let mut skipped = 0;
        for count in &self.counts {
            if *count == 0 {
                skipped += 1;
                continue;
            }
            put(out, skipped);
            put(out, *count);
            skipped = 0;
        }
    }

    /// Counts all values of a packed one, or of several with [`NEXT`] between them.
    pub(crate) fn merge_packed(&mut self, blob: &[u8]) -> Result<(), Garbled> {
        each_packed(blob, |bucket, times| self.add_times(bucket, times))
    }

    /// Whether [`Self::merge_packed`] would take all of it.
    pub(crate) fn check_packed(blob: &[u8]) -> Result<(), Garbled> {
        each_packed(blob, |_, _| {})
    }
}

/// The buckets of packed histograms that have a count, with that.
fn each_packed(blob: &[u8], mut each: impl FnMut(usize, u64)) -> Result<(), Garbled> {
    let mut input = Input::new(blob);
    let mut bucket = 0usize;
    while input.finish().is_err() {
        let skipped: usize = input.small()?;
        if skipped == BUCKETS {
            bucket = 0;
            continue;
        }
        bucket = bucket.checked_add(skipped).filter(|bucket| *bucket < BUCKETS).ok_or_else(|| input.garbled())?;
        each(bucket, input.number()?);
        bucket += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_follow_each_other_without_gap_and_are_narrow() {
        let (mut bucket, mut value) = (0, 0u64);
        while value <= u64::from(u32::MAX) {
            let (first, next) = bounds_of(bucket);
            assert_eq!(first, value, "bucket {bucket}");
            assert_eq!(bucket_of(u32::try_from(first).unwrap()), bucket);
            assert_eq!(bucket_of(u32::try_from(next - 1).unwrap()), bucket);
            assert!(next - first == 1 || (next - first) * 8 <= first, "bucket {bucket} is {first}..{next}");
            (bucket, value) = (bucket + 1, next);
        }
        assert_eq!(bucket, BUCKETS);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_six_percent(mut values in prop::collection::vec(0u32..2_000_000, 1..300), share in 0.0..=1.0f64) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.add(*value));
            values.sort_unstable();
            let rank = ((share * values.len() as f64).ceil() as usize).max(1) - 1;
            let (got, exact) = (histogram.quantile(share).unwrap(), f64::from(values[rank]));
            // Inside a bucket an eighth wide anything may be, so half of it around its middle; allow its whole width.
            prop_assert!((got - exact).abs() <= 0.125 * exact + 1.0, "{got} for {exact}");
        }

        #[test]
        fn packing_and_merging_lose_nothing(left in prop::collection::vec(any::<u32>(), 0..50), right in prop::collection::vec(any::<u32>(), 0..50)) {
            let of = |values: &[u32]| { let mut h = Histogram::default(); values.iter().for_each(|value| h.add(*value)); h };
            let mut packed = Vec::new();
            of(&right).pack(&mut packed);
            let mut merged = of(&left);
            merged.merge_packed(&packed).unwrap();
            prop_assert_eq!(&merged, &of(&[left.clone(), right.clone()].concat()));
            // One after the other, and an empty one among them.
            let mut joined = Vec::new();
            for histogram in [&of(&left), &Histogram::default(), &of(&right)] {
                if !joined.is_empty() || histogram.count() == 0 {
                    joined.extend(NEXT);
                }
                histogram.pack(&mut joined);
            }
            let mut all = Histogram::default();
            all.merge_packed(&joined).unwrap();
            prop_assert_eq!(all, merged);
        }

        #[test]
        fn garbage_is_refused_not_trusted(blob in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Histogram::default().merge_packed(&blob);
        }
    }
}
