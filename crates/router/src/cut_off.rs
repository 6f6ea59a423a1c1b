//! The end of the grace time after a stop: whatever is still under way ends with a clear error, now.

use tokio::sync::watch;

/// Said once, to all requests at once.
#[derive(Debug)]
pub struct CutOff(watch::Sender<bool>);

impl Default for CutOff {
    fn default() -> Self {
        Self(watch::channel(false).0)
    }
}

impl CutOff {
    /// Whoever is not done says its last words.
    pub fn say(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was said.
    pub(crate) fn is_said(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves once it is said.
    pub(crate) async fn said(&self) {
        // The sender is `self`: the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|said| *said).await;
    }
}
