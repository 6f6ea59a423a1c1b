//! What the fake upstream saw.

use bytes::Bytes;
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// How a call ended, from the upstream's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ended {
    /// Still under way.
    Open,
    /// The whole reply went out.
    Sent {
        /// Milliseconds since the upstream started.
        at_ms: u64,
    },
    /// The upstream broke it off on purpose.
    Broken {
        /// Milliseconds since the upstream started.
        at_ms: u64,
    },
    /// The client closed the connection first.
    ClientGone {
        /// Milliseconds since the upstream started.
        at_ms: u64,
    },
}

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// When it came, milliseconds since the upstream started.
    pub at_ms: u64,
    /// Method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query, without `key`.
    pub query: String,
    /// Headers in the order they came. Values that hold keys are replaced by `***`.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    #[serde(serialize_with = "as_text")]
    pub body: Bytes,
    /// The model it named.
    pub model: String,
    /// Which call to this model it was, from 0.
    pub call: usize,
    /// The API's own refusal of the request, if it was one that no fault brought about.
    pub refused: Option<String>,
    /// The first content went out, milliseconds since the upstream started.
    pub first_content_ms: Option<u64>,
    /// How it ended.
    pub ended: Ended,
}

fn as_text<S: serde::Serializer>(body: &Bytes, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&String::from_utf8_lossy(body))
}

impl Seen {
    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// All requests so far, shared with the connections.
#[derive(Debug)]
pub(crate) struct Record {
    started: Instant,
    seen: Mutex<Vec<Seen>>,
    changed: Notify,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), seen: Mutex::new(Vec::new()), changed: Notify::new() }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    pub(crate) fn of(&self, model: &str) -> Vec<Seen> {
        self.lock().iter().filter(|seen| seen.model == model).cloned().collect()
    }

    pub(crate) fn clear(&self) {
        // Entries under way keep their places: they are emptied when they end.
        self.lock().retain(|seen| seen.ended == Ended::Open);
    }

    /// Adds a request; the watch writes its end.
    pub(crate) fn add(self: &Arc<Self>, seen: Seen) -> Watch {
        let id = (seen.at_ms, seen.model.clone(), seen.call);
        self.lock().push(seen);
        self.changed.notify_waiters();
        Watch { record: Arc::clone(self), id, over: false }
    }

    /// Waits until the requests so far are as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let seen = self.all();
            if wanted(&seen) {
                return seen;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down how one call ends; dropped before that, the client is gone.
#[derive(Debug)]
pub(crate) struct Watch {
    record: Arc<Record>,
    id: (u64, String, usize),
    over: bool,
}

impl Watch {
    /// For replies that are not written down.
    pub(crate) fn nobody() -> Self {
        Self { record: Arc::new(Record::new()), id: Default::default(), over: true }
    }

    pub(crate) fn content(&self) {
        let now = self.record.now_ms();
        self.change(|seen| {
            seen.first_content_ms.get_or_insert(now);
        });
    }

    pub(crate) fn refused(&self, why: &str) {
        self.change(|seen| seen.refused = Some(why.to_owned()));
    }

    pub(crate) fn sent(&mut self) {
        self.end(Ended::Sent { at_ms: self.record.now_ms() });
    }

    pub(crate) fn broken(&mut self) {
        self.end(Ended::Broken { at_ms: self.record.now_ms() });
    }

    fn end(&mut self, how: Ended) {
        if !self.over {
            self.over = true;
            self.change(|seen| seen.ended = how);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        let (at_ms, model, call) = &self.id;
        if let Some(seen) = self
            .record
            .lock()
            .iter_mut()
            .rev()
            .find(|seen| seen.at_ms == *at_ms && seen.call == *call && seen.model == *model)
        {
            change(seen);
        }
        self.record.changed.notify_waiters();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end(Ended::ClientGone { at_ms: self.record.now_ms() });
    }
}
