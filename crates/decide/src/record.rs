//! The durable row of one finished request.

use crate::{Name, Prediction, Reason, Rejected, Usd};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tierway_wire::{ServiceTier, Usage};

/// Time-ordered id of a request: 41 bits of milliseconds since [`RequestId::EPOCH_MS`], 10 bits of the process, 12 bits of
/// a counter. Ids sort by time, so the ledger needs no index on time. Printed as 13 letters of Crockford's base 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(i64);

impl RequestId {
    /// 2025-01-01T00:00:00Z in Unix milliseconds.
    pub const EPOCH_MS: i64 = 1_735_689_600_000;

    /// Puts an id together; parts that are too large are cut to their bits.
    #[must_use]
    pub const fn new(unix_ms: i64, process: u16, counter: u16) -> Self {
        let ms = (unix_ms - Self::EPOCH_MS) & ((1 << 41) - 1);
        Self(ms << 22 | ((process & 0x3ff) as i64) << 12 | (counter & 0xfff) as i64)
    }

    /// The smallest id of a millisecond: `id >= first_at(t)` means "at or after t".
    #[must_use]
    pub const fn first_at(unix_ms: i64) -> Self {
        Self::new(if unix_ms < Self::EPOCH_MS { Self::EPOCH_MS } else { unix_ms }, 0, 0)
    }

    /// When the request came, Unix milliseconds.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        (self.0 >> 22) + Self::EPOCH_MS
    }

    /// As stored.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// From the store.
    #[must_use]
    pub const fn from_i64(raw: i64) -> Self {
        Self(raw & i64::MAX)
    }
}

const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters: [u8; 13] = std::array::from_fn(|at| BASE32[(self.0 >> ((12 - at) * 5) & 31) as usize]);
        f.write_str(std::str::from_utf8(&letters).unwrap_or_default())
    }
}

/// Not a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request id has 13 letters and digits, as in `x-tierway-request-id`")]
pub struct BadRequestId;

impl FromStr for RequestId {
    type Err = BadRequestId;

    fn from_str(text: &str) -> Result<Self, BadRequestId> {
        if text.len() != 13 {
            return Err(BadRequestId);
        }
        let mut raw = 0i64;
        for byte in text.bytes() {
            let digit = BASE32.iter().position(|letter| *letter == byte.to_ascii_lowercase()).ok_or(BadRequestId)?;
            raw = raw << 5 | i64::try_from(digit).map_err(|_| BadRequestId)?;
        }
        if raw < 0 { Err(BadRequestId) } else { Ok(Self(raw)) }
    }
}

/// How a request ended, from the client's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// A whole answer went out.
    Answered,
    /// The client got an error, before or after the first byte.
    Failed,
    /// The client went away.
    Cancelled,
    /// Refused before any provider was called.
    Refused,
}

/// How one upstream call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AttemptEnd {
    /// It gave the answer.
    Ok,
    /// HTTP error of the provider.
    Http {
        /// Its status.
        status: u16,
        /// Its error code or type, where given. Never its message: that may quote the prompt.
        code: String,
    },
    /// No connection.
    Connect,
    /// No first byte in time.
    FirstByteTimeout,
    /// A silence inside the stream.
    Stalled,
    /// The stream ended without its end mark, or the connection broke.
    Cut,
    /// Something that is not the API's format.
    Garbled,
    /// An error inside a stream that began with 200.
    InBand {
        /// Its code or type.
        code: String,
    },
    /// Given up because the client went away.
    Cancelled,
    /// Lost a hedge to its sibling; charged by our estimate of what it had read by then.
    Outrun,
    /// No time left.
    Deadline,
}

/// One upstream call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Tier name at the time.
    pub tier: Name,
    /// Provider name.
    pub provider: Name,
    /// Model asked.
    pub model: Name,
    /// Milliseconds after the request came.
    pub started_ms: u32,
    /// Milliseconds it took.
    pub took_ms: u32,
    /// How it ended.
    pub end: AttemptEnd,
    /// What the provider reported (zero for a failure that reported nothing).
    pub usage: Usage,
    /// What it cost; none when the price is unknown.
    pub paid: Option<Usd>,
}

/// Everything that is kept of one request. No prompt text, no key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Its id; holds the time it came (UTC).
    pub id: RequestId,
    /// The caller's key name; empty without authentication.
    pub key: Name,
    /// The team of the key.
    pub team: Name,
    /// The end user that the application named.
    pub user: Name,
    /// The conversation, as the client named it or as derived.
    pub session: Name,
    /// The API that the client spoke ([`tierway_wire::Format::name`]).
    pub format: Name,
    /// The client wanted a stream.
    pub stream: bool,
    /// The model as the client named it.
    pub requested_model: Name,
    /// Tier name that was decided; empty when refused before.
    pub tier: Name,
    /// Tier that answered in the end (fallbacks and escalations may raise it).
    pub served_tier: Name,
    /// Provider that answered.
    pub provider: Name,
    /// Model that answered.
    pub served_model: Name,
    /// Why.
    pub reason: Reason,
    /// Constraints raised the tier from this one.
    pub raised_from: Name,
    /// Everyone passed over.
    pub rejected: Vec<Rejected>,
    /// The predictor's view.
    pub prediction: Prediction,
    /// Features as [`crate::Features`] packs them, to decide again; empty when not kept.
    pub features: Vec<u8>,
    /// Fingerprint of config and model that decided.
    pub table_version: u64,
    /// Parameters that were adapted or left out for the target.
    pub adapted: Vec<String>,
    /// All upstream calls, in order.
    pub attempts: Vec<Attempt>,
    /// Tokens of the answer that was served.
    pub usage: Usage,
    /// The service tier that the client asked for; standard when it left that open.
    pub asked_service_tier: ServiceTier,
    /// The usage is our estimate (cancelled, or the provider reported none), or that of an attempt which is paid for is.
    pub usage_estimated: bool,
    /// Paid for all attempts; none when a price is unknown.
    pub paid: Option<Usd>,
    /// Paid to decide (the model-asked classifier).
    pub classifier_paid: Usd,
    /// What the baseline tier would have cost ([`crate::savings`]); none when unknown.
    pub baseline: Option<Usd>,
    /// What the cheapest tier would have cost, by the same method; none when unknown.
    pub cheapest: Option<Usd>,
    /// HTTP status that the client saw.
    pub http_status: u16,
    /// How it ended.
    pub status: CallStatus,
    /// Finish reason in OpenAI's words; empty when none came.
    pub finish: Name,
    /// Milliseconds to the first content byte that went to the client.
    pub first_byte_ms: Option<u32>,
    /// Milliseconds until the last byte.
    pub total_ms: u32,
    /// Microseconds it took to decide.
    pub decide_us: u32,
}

impl CallRecord {
    /// All that was paid for the request: its attempts, and the question to a classifier. None where a price is unknown.
    #[must_use]
    pub fn paid_in_all(&self) -> Option<Usd> {
        self.paid.map(|paid| paid + self.classifier_paid)
    }

    /// The tokens of the answer under the service tier that the client asked for, else the one that was used: what other
    /// tiers would have cost is priced so. A target that knows no such tier does not make the others dearer.
    #[must_use]
    pub const fn usage_as_asked(&self) -> Usage {
        self.usage.under(self.asked_service_tier.or(self.usage.service_tier))
    }
}
