//! Alarms of budgets on their way to the webhook of the config.
//!
//! Every replica logs and counts what it sees; the one that leads posts it, so that a chat hears of it once. Bounded: more
//! alarms than fit are logged only. Lost when the process ends before they were taken.

use crate::webhook::post_webhook;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tierway_config::KeySource;

/// Alarms that may wait.
const MOST: usize = 1_000;
/// A webhook gets so many chances, so far apart.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(10);

/// What waits to be posted, in words.
#[derive(Default)]
pub(crate) struct Alarms {
    waiting: Mutex<VecDeque<String>>,
    posting: Mutex<Option<JoinHandle<()>>>,
}

impl Alarms {
    /// A budget has reached a mark.
    pub(super) fn sound(&self, words: String) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() < MOST {
            waiting.push_back(words);
        }
    }

    /// Posts what waits, on a thread of its own, unless one is at it. `leads`: otherwise another replica does.
    pub(crate) fn carry(&self, webhook: &KeySource, leads: bool) {
        let mut posting = lock(&self.posting);
        if posting.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let waiting: Vec<_> = lock(&self.waiting).drain(..).collect();
        if waiting.is_empty() || !leads || *webhook == KeySource::None {
            return;
        }
        let webhook = webhook.clone();
        let post = move || {
            let text = waiting.join("\n");
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(post(&webhook, &text)),
                Err(error) => tracing::error!(%error, "alarms of budgets cannot be posted"),
            }
        };
        match std::thread::Builder::new().name("alarms".into()).spawn(post) {
            Ok(thread) => *posting = Some(thread),
            Err(error) => tracing::error!(%error, "alarms of budgets cannot be posted"),
        }
    }
}

async fn post(webhook: &KeySource, text: &str) {
    for tries_left in (0..TRIES).rev() {
        match post_webhook(webhook, &json!({ "text": text })).await {
            Ok(()) => return,
            Err(why) => tracing::warn!(why, tries_left, "alarms of budgets could not be posted"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
