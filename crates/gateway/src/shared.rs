//! What several replicas share through Redis or Valkey: limits, the reservations of budgets, which targets are ill, where
//! conversations are.
//!
//! One connection for all workers, on a thread of its own ([`keeper`]). A request whose caller has bounds asks once; those
//! that come at the same time ask together. What is told afterwards (how much was settled) waits for nobody, and is told
//! as sums that only grow, so that nothing counts twice however often it is told. Without an answer in time a replica
//! goes on alone: with its part of every limit, and of what was left of every budget ([`tierway_decide::budget::Share`]).
//! When the database is back, and even when it has forgotten everything, every replica first tells what it knows.

mod ask;
mod books;
mod evicting;
mod illness;
mod keeper;
mod sessions;

pub(crate) use ask::{Answer, Ask, Part, Wanted, Why};
pub(crate) use books::{Book, Pace};
pub(crate) use evicting::check;
pub(crate) use keeper::Link;

use crate::metrics::Metrics;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tierway::Setup;
use tokio::sync::{mpsc, oneshot};

/// What the keeper is told.
enum Told {
    Ask(Ask, oneshot::Sender<Answer>),
    Changed(Vec<Changed>),
}

/// What stands otherwise than it was told last.
pub(crate) enum Changed {
    Book(Arc<Book>),
    Pace(Arc<Pace>),
}

impl Changed {
    /// None while that is on its way already.
    pub(crate) fn book(book: &Arc<Book>) -> Option<Self> {
        book.changed().then(|| Self::Book(book.clone()))
    }

    /// None while that is on its way already.
    pub(crate) fn pace(pace: &Arc<Pace>) -> Option<Self> {
        pace.changed().then(|| Self::Pace(pace.clone()))
    }
}

/// What all workers see of it.
pub(crate) struct Shared {
    prefix: String,
    /// This process: no other ever has the same name.
    me: String,
    up: AtomicBool,
    replicas: AtomicU32,
    /// Never more than one for each request in progress and each payer.
    told: mpsc::UnboundedSender<Told>,
    /// Whose targets may be ill.
    setup: ArcSwapOption<Setup>,
    metrics: Arc<Metrics>,
}

impl Shared {
    /// Whether the database can be asked.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Replicas that were there when they could last be counted, this one included.
    pub(crate) fn replicas(&self) -> u32 {
        self.replicas.load(Ordering::Relaxed).max(1)
    }

    /// Asks for everything that a request needs; none when nobody can be asked.
    pub(crate) async fn ask(&self, ask: Ask) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        self.told.send(Told::Ask(ask, reply)).ok()?;
        answer.await.ok()
    }

    /// Tells all that a request has changed, in one round trip.
    pub(crate) fn tell(&self, changed: Vec<Changed>) {
        if !changed.is_empty() {
            // Without a keeper the gateway is being stopped.
            let _ = self.told.send(Told::Changed(changed));
        }
    }

    /// The targets of this setup are watched from now on.
    pub(crate) fn watch(&self, setup: Arc<Setup>) {
        self.setup.store(Some(setup));
    }

    // One hash slot for everything: a script may only use names of one.
    fn name(&self, rest: &str) -> String {
        format!("{{{}}}:{rest}", self.prefix)
    }

    pub(crate) fn pace_name(&self, kind: &str, name: &str) -> String {
        self.name(&format!("pace:{kind}:{name}"))
    }

    pub(crate) fn purse_name(&self, kind: &str, name: &str, period: &str, start_ms: i64) -> String {
        self.name(&format!("purse:{kind}:{name}:{period}:{start_ms}"))
    }
}
