//! A question to a database that is asked again and again while serving, aside, so that nothing waits for the answer.

use tokio::task::{JoinHandle, spawn_blocking};

/// Looks, of which there is about one a second, between two questions.
const LOOKS_BETWEEN: u32 = 2;

/// An open store of kind `S`, asked for an `A`.
pub(crate) struct Poll<S, A, E> {
    /// None while it is asked, and after it could not be.
    store: Option<S>,
    looks: u32,
    asking: Option<JoinHandle<Result<(S, A), E>>>,
}

impl<S: Send + 'static, A: Send + 'static, E: Send + 'static> Poll<S, A, E> {
    pub(crate) const fn new(store: Option<S>) -> Self {
        Self { store, looks: 0, asking: None }
    }

    /// What a question brought, once for each. `ask` gets the open store, or none when it has to open one.
    pub(crate) async fn look(
        &mut self,
        ask: impl FnOnce(Option<S>) -> Result<(S, A), E> + Send + 'static,
    ) -> Option<Result<A, E>> {
        let mut answer = None;
        if let Some(asking) = self.asking.take_if(|asking| asking.is_finished()) {
            answer = asking.await.ok().map(|said| {
                said.map(|(store, answer)| {
                    self.store = Some(store);
                    answer
                })
            });
        }
        self.looks += 1;
        if self.asking.is_none() && self.looks >= LOOKS_BETWEEN {
            let store = self.store.take();
            self.asking = Some(spawn_blocking(move || ask(store)));
            self.looks = 0;
        }
        answer
    }
}
