//! The state beside the records, for questions that must not stand on the event loop.

use std::sync::{Arc, Mutex, PoisonError};
use tierway_ledger::{LedgerError, Location, State};

/// Opened when first needed, then kept. One question at a time: they are few and short.
pub(crate) struct States {
    location: Location,
    open: Mutex<Option<State>>,
}

impl States {
    pub(crate) fn new(location: Location) -> Self {
        Self { location, open: Mutex::new(None) }
    }

    /// Asks on a thread of its own. A state whose question failed is opened anew.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&mut State) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let states = self.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let mut open = states.open.lock().unwrap_or_else(PoisonError::into_inner);
            let mut state = open.take().map_or_else(|| State::open(states.location.clone()), Ok)?;
            let answer = question(&mut state)?;
            *open = Some(state);
            Ok(answer)
        });
        asked.await.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()))
    }
}
