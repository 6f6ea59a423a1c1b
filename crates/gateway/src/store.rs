//! Where finished records go: metrics at once, the ledger in groups.

use crate::metrics::Metrics;
use crate::otlp::Telemetry;
use crate::views::Views;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tierway::{Held, Sink};
use tierway_decide::{CallRecord, RequestId};
use tierway_ledger::{Counters, Durability, Ledger, LedgerError, Location, NotRecorded, Reader, State, StoredCall};

/// With `durability = "strict"` an answer waits so long for its record, then it goes out: a disk that hangs must not stop
/// all traffic. Twenty times what a slow disk takes to sync.
const HOLD_AT_MOST: Duration = Duration::from_secs(2);

/// After these pauses a record is written that will be: groups are closed much sooner.
const WRITTEN_WITHIN_MS: [u64; 4] = [20, 80, 200, 400];

/// The ledger and where it can be read.
#[derive(Clone)]
pub(crate) struct Store {
    ledger: Arc<Ledger>,
    pub(crate) readers: Arc<Views<Reader>>,
    pub(crate) states: Arc<Views<State>>,
}

impl Store {
    /// A store over an open ledger.
    #[must_use]
    pub(crate) fn new(ledger: Arc<Ledger>, location: Location) -> Self {
        let states = Arc::new(Views::new(location.clone()));
        Self { ledger, readers: Arc::new(Views::new(location)), states }
    }

    /// The record of a request, which is written in groups: a client that asks for it right after its answer is made to wait.
    pub(crate) async fn record(&self, id: RequestId) -> Result<Option<StoredCall>, LedgerError> {
        for pause_ms in WRITTEN_WITHIN_MS {
            let found = self.readers.ask(move |reader| reader.call(id)).await;
            if !matches!(found, Ok(None) | Err(LedgerError::Missing { .. })) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
        self.readers.ask(move |reader| reader.call(id)).await
    }

    pub(crate) fn counters(&self) -> Counters {
        self.ledger.counters()
    }

    pub(crate) fn failing(&self) -> Option<String> {
        self.ledger.failing()
    }
}

/// The sink of a gateway.
pub(crate) struct Recorder {
    metrics: Arc<Metrics>,
    store: Option<Store>,
    telemetry: Option<Telemetry>,
}

impl Recorder {
    /// Counts in `metrics` and keeps in `store`, if there is one.
    #[must_use]
    pub(crate) const fn new(metrics: Arc<Metrics>, store: Option<Store>) -> Self {
        Self { metrics, store, telemetry: None }
    }

    /// Sends to a collector, too.
    pub(crate) fn with_telemetry(mut self, telemetry: Option<Telemetry>) -> Self {
        self.telemetry = telemetry;
        self
    }

    fn count(&self, record: &CallRecord) {
        self.metrics.record(record);
        if let Some(telemetry) = &self.telemetry {
            telemetry.offer(record);
        }
    }
}

impl Sink for Recorder {
    fn offer(&self, record: Box<CallRecord>) {
        self.count(&record);
        if let Some(store) = &self.store {
            // A full queue is counted by the ledger, shown in /metrics and said in the log.
            let _ = store.ledger.offer(record);
        }
    }

    fn offer_before_end(&self, record: Box<CallRecord>) -> Option<Held> {
        let store = self.store.as_ref().filter(|store| store.ledger.durability() == Durability::Strict);
        let Some(store) = store else {
            self.offer(record);
            return None;
        };
        self.count(&record);
        let (request, metrics) = (record.id, self.metrics.clone());
        let ticket = store.ledger.offer_with_ticket(record);
        Some(Box::pin(async move {
            let outcome = recorded(ticket).await;
            if let Err(why) = outcome {
                metrics.unconfirmed();
                tracing::error!(%request, %why, "an answer goes out before its record is on disk");
            }
            outcome.is_ok()
        }))
    }
}

/// Waits until the record is on disk, for so long as an answer may.
async fn recorded(ticket: impl Future<Output = Result<(), NotRecorded>>) -> Result<(), NotRecorded> {
    tokio::time::timeout(HOLD_AT_MOST, ticket).await.unwrap_or(Err(NotRecorded::Waiting))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    /// A disk that hangs says nothing at all: no error, no end.
    #[test]
    fn an_answer_does_not_wait_for_a_disk_that_hangs() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let began = std::time::Instant::now();
        let outcome = runtime.block_on(recorded(std::future::pending()));
        assert_eq!(outcome, Err(NotRecorded::Waiting));
        assert!(began.elapsed() < HOLD_AT_MOST * 4, "{:?}", began.elapsed());
        assert_eq!(
            runtime.block_on(recorded(std::future::ready(Err(NotRecorded::Failing)))),
            Err(NotRecorded::Failing)
        );
    }
}
