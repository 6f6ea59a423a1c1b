//! What is summed up over calls: of an hour, a tier, a team, or everything.

use crate::Histogram;
use serde::{Deserialize, Serialize};
use tierway_decide::savings::Savings;
use tierway_decide::{CallRecord, CallStatus};

/// Sums over calls. Adding in any order, or sums to sums, gives the same figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// All calls.
    pub calls: u64,
    /// A whole answer went out.
    pub answered: u64,
    /// The client got an error.
    pub failed: u64,
    /// The client went away.
    pub cancelled: u64,
    /// Refused before any provider was called.
    pub refused: u64,
    /// Upstream calls.
    pub attempts: u64,
    /// Answered by another tier than the decided one (fallback, escalation).
    pub moved: u64,
    /// The predictor abstained, whatever decided in the end.
    pub abstained: u64,
    /// Usage is our estimate.
    pub estimated: u64,
    /// Decided by thresholds that were proven on the operator's own outcomes.
    pub calibrated: u64,
    /// Tokens in, cached and cache-written ones included.
    pub input_tokens: u64,
    /// Part of them read from a provider's cache.
    pub cached_input_tokens: u64,
    /// Part of them written to a provider's cache.
    pub cache_write_tokens: u64,
    /// Tokens out, reasoning included.
    pub output_tokens: u64,
    /// Part of them that is reasoning.
    pub reasoning_tokens: u64,
    /// Microseconds spent deciding.
    pub decide_us: u64,
    /// Milliseconds of all answered calls until their last byte.
    pub total_ms: u64,
    /// Milliseconds to the first content byte of all answered calls that had one.
    pub first_byte_ms: u64,
    /// Money.
    pub savings: Savings,
    /// Milliseconds until the last byte, of answered calls.
    pub total: Histogram,
    /// Milliseconds to the first content byte, of answered calls that had one.
    pub first_byte: Histogram,
}

impl Figures {
    /// Counts one call in.
    pub fn add(&mut self, call: &CallRecord) {
        self.calls += 1;
        match call.status {
            CallStatus::Answered => self.answered += 1,
            CallStatus::Failed => self.failed += 1,
            CallStatus::Cancelled => self.cancelled += 1,
            CallStatus::Refused => self.refused += 1,
        }
        self.attempts += call.attempts.len() as u64;
        self.moved += u64::from(!call.served_tier.is_empty() && call.served_tier != call.tier);
        self.abstained += u64::from(call.prediction.abstain.is_some());
        self.estimated += u64::from(call.usage_estimated);
        self.calibrated += u64::from(call.prediction.calibrated);
        self.input_tokens += call.usage.input_tokens;
        self.cached_input_tokens += call.usage.cached_input_tokens;
        self.cache_write_tokens += call.usage.cache_write_5m_tokens + call.usage.cache_write_1h_tokens;
        self.output_tokens += call.usage.output_tokens;
        self.reasoning_tokens += call.usage.reasoning_tokens;
        self.decide_us += u64::from(call.decide_us);
        self.savings.add(call);
        if call.status != CallStatus::Answered {
            return;
        }
        self.total_ms += u64::from(call.total_ms);
        self.total.add(call.total_ms);
        if let Some(first_byte_ms) = call.first_byte_ms {
            self.first_byte_ms += u64::from(first_byte_ms);
            self.first_byte.add(first_byte_ms);
        }
    }

    /// Counts the calls of another sum in.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts_mut().into_iter().zip(other.counts()) {
            *mine += theirs;
        }
        self.savings.merge(&other.savings);
        self.total.merge(&other.total);
        self.first_byte.merge(&other.first_byte);
    }

    /// Mean milliseconds until the last byte of answered calls; none without any.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    pub fn mean_ms(&self) -> Option<f64> {
        (self.answered > 0).then(|| self.total_ms as f64 / self.answered as f64)
    }

    /// All plain counts, in the order in which the store keeps them.
    pub(crate) const fn counts(&self) -> [u64; 18] {
        [
            self.calls,
            self.answered,
            self.failed,
            self.cancelled,
            self.refused,
            self.attempts,
            self.moved,
            self.abstained,
            self.estimated,
            self.calibrated,
            self.input_tokens,
            self.cached_input_tokens,
            self.cache_write_tokens,
            self.output_tokens,
            self.reasoning_tokens,
            self.decide_us,
            self.total_ms,
            self.first_byte_ms,
        ]
    }

    /// The same, to be set.
    pub(crate) const fn counts_mut(&mut self) -> [&mut u64; 18] {
        [
            &mut self.calls,
            &mut self.answered,
            &mut self.failed,
            &mut self.cancelled,
            &mut self.refused,
            &mut self.attempts,
            &mut self.moved,
            &mut self.abstained,
            &mut self.estimated,
            &mut self.calibrated,
            &mut self.input_tokens,
            &mut self.cached_input_tokens,
            &mut self.cache_write_tokens,
            &mut self.output_tokens,
            &mut self.reasoning_tokens,
            &mut self.decide_us,
            &mut self.total_ms,
            &mut self.first_byte_ms,
        ]
    }
}
