//! How the fake upstream fails, and when.

use serde::{Deserialize, Serialize};

/// One way to fail. `after`: content events that go out whole before it happens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// It answers.
    #[default]
    None,
    /// 429, with `Retry-After` as given (seconds or HTTP date).
    RateLimit {
        /// The header's value.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// 429 because the account is empty.
    OutOfCredit,
    /// An HTTP error in the API's own shape.
    Status {
        /// Its status.
        status: u16,
    },
    /// The key is refused.
    Unauthorized,
    /// Context length exceeded.
    ContextTooLong,
    /// The content is declined before anything is generated (400).
    ContentFilter,
    /// The answer ends early with the API's content-filter reason.
    ContentFilterFinish {
        /// Content events before it.
        #[serde(default)]
        after: usize,
    },
    /// The model is not there.
    ModelNotFound,
    /// The connection is reset before a reply begins.
    ResetBeforeHeaders,
    /// The connection is closed before a reply begins.
    CloseBeforeHeaders,
    /// Nothing at all ever comes, not even headers.
    Silent,
    /// Headers come at once, and nothing else ever.
    SilentAfterHeaders,
    /// The first content comes late; headers come at once.
    SlowFirstToken {
        /// How late.
        ms: u64,
    },
    /// Headers come late.
    SlowHeaders {
        /// How late.
        ms: u64,
    },
    /// Each event comes late.
    SlowChunks {
        /// Between events.
        ms: u64,
    },
    /// The connection breaks inside the answer.
    Cut {
        /// Content events before it.
        #[serde(default)]
        after: usize,
    },
    /// The answer falls silent.
    Stall {
        /// Content events before it.
        #[serde(default)]
        after: usize,
    },
    /// A broken event in the middle; the rest follows.
    Malformed {
        /// Content events before it.
        #[serde(default)]
        after: usize,
    },
    /// All content, then a clean end without finish reason and end mark.
    MissingEnd,
    /// An error inside the stream, in the API's own shape, then the end.
    InBand {
        /// Content events before it.
        #[serde(default)]
        after: usize,
    },
    /// Bytes that are no HTTP.
    Garbage,
    /// 200 and a body that is no JSON and no stream.
    NotTheApi,
    /// 200 with whitespace of that size before the answer.
    Huge {
        /// How much.
        bytes: usize,
    },
    /// 302 to another place.
    Redirect {
        /// There.
        to: String,
    },
    /// A whole answer of no text at all.
    Empty,
    /// 200 and this body, to requests for a whole answer.
    Says {
        /// The body.
        body: String,
    },
}

/// When a model fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Its first calls, in order.
    pub first: Vec<Fault>,
    /// Every call after those.
    pub then: Fault,
    /// `first` starts over at its end.
    pub cycle: bool,
    /// Set: instead of by call, by time since the plan was set: so long `then`, so long well, and so on.
    pub flap: Option<Flap>,
}

/// A schedule of illness and health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flap {
    /// Ill for so long.
    pub down_ms: u64,
    /// Then well for so long.
    pub up_ms: u64,
}

impl Plan {
    /// Every call fails so.
    #[must_use]
    pub fn always(fault: Fault) -> Self {
        Self { then: fault, ..Self::default() }
    }

    /// The first call fails so, the others answer.
    #[must_use]
    pub fn once(fault: Fault) -> Self {
        Self::first([fault])
    }

    /// The first calls fail so, in order, the others answer.
    #[must_use]
    pub fn first(faults: impl Into<Vec<Fault>>) -> Self {
        Self { first: faults.into(), ..Self::default() }
    }

    /// The calls fail so, in order, over and over.
    #[must_use]
    pub fn cycle(faults: impl Into<Vec<Fault>>) -> Self {
        Self { first: faults.into(), cycle: true, ..Self::default() }
    }

    /// From now on ill and well in turns.
    #[must_use]
    pub fn flapping(fault: Fault, down_ms: u64, up_ms: u64) -> Self {
        Self { then: fault, flap: Some(Flap { down_ms, up_ms }), ..Self::default() }
    }

    /// The fault of the `call`th call (from 0), `age_ms` after the plan was set.
    #[must_use]
    pub fn at(&self, call: usize, age_ms: u64) -> Fault {
        if let Some(flap) = self.flap {
            let ill = age_ms % (flap.down_ms + flap.up_ms).max(1) < flap.down_ms;
            return if ill { self.then.clone() } else { Fault::None };
        }
        let place = if self.cycle && !self.first.is_empty() { call % self.first.len() } else { call };
        self.first.get(place).unwrap_or(&self.then).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_goes_by_call_or_by_time() {
        let (ill, well) = (Fault::Silent, Fault::None);
        assert_eq!(
            [0, 1, 9].map(|call| Plan::once(ill.clone()).at(call, 0)),
            [ill.clone(), well.clone(), well.clone()]
        );
        let cycle = Plan::cycle([well.clone(), ill.clone()]);
        assert_eq!([0, 1, 2, 3].map(|call| cycle.at(call, 0)), [well.clone(), ill.clone(), well.clone(), ill.clone()]);
        let flap = Plan::flapping(ill.clone(), 100, 50);
        assert_eq!(
            [0, 99, 100, 149, 150].map(|age| flap.at(0, age)),
            [ill.clone(), ill.clone(), well.clone(), well, ill]
        );
    }
}
