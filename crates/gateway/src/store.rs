//! Where finished records go: metrics at once, the ledger in groups.

use crate::metrics::Metrics;
use std::sync::Arc;
use tierway::Sink;
use tierway_decide::CallRecord;
use tierway_ledger::{Counters, Ledger, Location};

/// The ledger and where it can be read.
#[derive(Clone)]
pub struct Store {
    ledger: Arc<Ledger>,
    pub(crate) location: Location,
}

impl Store {
    /// A store over an open ledger.
    #[must_use]
    pub const fn new(ledger: Arc<Ledger>, location: Location) -> Self {
        Self { ledger, location }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.ledger.counters()
    }

    pub(crate) fn failing(&self) -> Option<String> {
        self.ledger.failing()
    }
}

/// The sink of a gateway.
pub struct Recorder {
    metrics: Arc<Metrics>,
    store: Option<Store>,
}

impl Recorder {
    /// Counts in `metrics` and keeps in `store`, if there is one.
    #[must_use]
    pub const fn new(metrics: Arc<Metrics>, store: Option<Store>) -> Self {
        Self { metrics, store }
    }
}

impl Sink for Recorder {
    fn offer(&self, record: CallRecord) {
        self.metrics.record(&record);
        if let Some(store) = &self.store {
            // A full queue is counted by the ledger and shown in /metrics.
            let _ = store.ledger.offer(record);
        }
    }
}
