//! What the samplers of all workers and the service know together.

use crate::metrics::Metrics;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tierway::Seen;
use tierway_config::Config;
use tierway_decide::quality::{CellKey, CellState, Design};
use tierway_decide::{MAX_TIERS, TaskType, TierId};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Answered requests that may wait to be looked at; each has half a megabyte at most.
const QUEUE: usize = 64;
/// Longer requests are not looked at.
const MAX_REQUEST_BYTES: usize = 256 * 1024;

/// What the service is told.
pub(crate) enum Order {
    /// Look at this.
    Look(Box<Seen>),
    /// A person changes a cell.
    Change {
        /// Which.
        cell: CellKey,
        /// To what.
        to: CellState,
        /// Who.
        author: String,
        /// Why.
        why: String,
    },
}

/// Counters and the queue.
pub(crate) struct Shared {
    /// The config in force.
    pub(crate) config: ArcSwap<Config>,
    orders: Sender<Order>,
    /// The least chance in force, as bits; 0 while nothing is looked at.
    base: AtomicU64,
    /// Verdicts of each cell, for telling rare ones.
    verdicts: [[AtomicU64; MAX_TIERS]; TaskType::ALL.len()],
    /// Told when the config changed: unlike an order it finds room always.
    pub(crate) reloaded: Notify,
    metrics: Arc<Metrics>,
}

impl Shared {
    pub(crate) fn new(config: Arc<Config>, metrics: Arc<Metrics>) -> (Arc<Self>, Receiver<Order>) {
        let (orders, ordered) = mpsc::channel(QUEUE);
        let shared = Self {
            config: ArcSwap::new(config),
            orders,
            base: AtomicU64::new(0),
            verdicts: Default::default(),
            reloaded: Notify::new(),
            metrics,
        };
        (Arc::new(shared), ordered)
    }

    /// The sampling design in force.
    pub(crate) fn design(&self) -> Design {
        Design::new(f64::from_bits(self.base.load(Ordering::Relaxed)))
    }

    pub(crate) fn set_design(&self, design: Design) {
        self.base.store(design.base().to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn verdicts(&self, task: TaskType, tier: TierId) -> &AtomicU64 {
        &self.verdicts[task as usize][usize::from(tier.0) % MAX_TIERS]
    }

    /// Offers an answered request; one that finds no room is dropped and counted.
    pub(crate) fn offer(&self, seen: Box<Seen>) {
        if seen.request.len() > MAX_REQUEST_BYTES {
            self.unfit();
        } else if self.orders.try_send(Order::Look(seen)).is_err() {
            self.metrics.sample("dropped");
        }
    }

    /// Counts a sample that tells nothing: too long, or answered by another tier than was meant.
    pub(crate) fn unfit(&self) {
        self.metrics.sample("unfit");
    }

    /// Gives an order of a person or of the gateway; false when the service has too many to do, or is gone.
    pub(crate) fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }
}
