//! A few open views of the ledger, for questions that must not stand on the event loop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tierway_ledger::{LedgerError, Location, Reader, State};
use tokio::sync::Semaphore;

/// What can be opened on a ledger, kept and asked.
pub(crate) trait View: Sized + Send + 'static {
    /// Questions at a time; more wait.
    const AT_ONCE: usize;

    fn open(location: Location) -> Result<Self, LedgerError>;

    /// Whether it still shows what is at the ledger's place.
    fn is_current(&self) -> bool;
}

impl View for Reader {
    /// A page asks three at once, and each may take a core for some milliseconds.
    const AT_ONCE: usize = 4;

    fn open(location: Location) -> Result<Self, LedgerError> {
        Self::open(location)
    }

    fn is_current(&self) -> bool {
        self.is_current()
    }
}

impl View for State {
    /// They are few and short.
    const AT_ONCE: usize = 1;

    fn open(location: Location) -> Result<Self, LedgerError> {
        Self::open(location)
    }

    fn is_current(&self) -> bool {
        self.is_current()
    }
}

/// Opened when first needed, then kept: opening reads the schema, and a warm page cache answers faster.
pub(crate) struct Views<V> {
    location: Location,
    idle: Mutex<Vec<V>>,
    places: Arc<Semaphore>,
}

impl<V: View> Views<V> {
    pub(crate) fn new(location: Location) -> Self {
        Self { location, idle: Mutex::new(Vec::new()), places: Arc::new(Semaphore::new(V::AT_ONCE)) }
    }

    /// Asks on a thread of its own. A view whose question failed is not used again.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&mut V) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        // The semaphore is never closed; without a place the question is asked anyway.
        let place = self.places.clone().acquire_owned().await;
        let views = self.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let kept = views.idle().pop().filter(View::is_current);
            let mut view = kept.map_or_else(|| V::open(views.location.clone()), Ok)?;
            let answer = question(&mut view)?;
            views.idle().push(view);
            // Held until here even when nobody waits for the answer any more.
            drop(place);
            Ok(answer)
        });
        match asked.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(answer) => answer,
            Err(Ok(bug)) => std::panic::resume_unwind(bug),
            // The runtime is going down, and who asked with it.
            Err(Err(_)) => std::future::pending().await,
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<V>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
