//! A few open views of the ledger, for questions that must not stand on the event loop.

use std::sync::{Arc, Mutex, PoisonError};
use tierway_ledger::{LedgerError, Location, Reader};
use tokio::sync::Semaphore;

/// Questions at a time; more wait. A page asks three at once, and each may take a core for some milliseconds.
const AT_ONCE: usize = 4;

/// Opened when first needed, then kept: opening reads the schema, and a warm page cache answers faster.
pub(crate) struct Readers {
    location: Location,
    idle: Mutex<Vec<Reader>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(location: Location) -> Self {
        Self { location, idle: Mutex::new(Vec::new()), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Asks on a thread of its own. A reader whose question failed is not used again.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&mut Reader) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        // The semaphore is never closed; without a place the question is asked anyway.
        let place = self.places.clone().acquire_owned().await;
        let readers = self.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let mut reader = readers.idle().pop().map_or_else(|| Reader::open(readers.location.clone()), Ok)?;
            let answer = question(&mut reader)?;
            readers.idle().push(reader);
            // Held until here even when nobody waits for the answer any more.
            drop(place);
            Ok(answer)
        });
        asked.await.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
