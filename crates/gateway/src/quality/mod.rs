//! Finds out how good the answers were, in the background.
//!
//! A [`Sampler`] sits on the way of requests and takes a few of the answered ones; a [`Service`] on a thread of its own has
//! them answered a second time, has both answers compared, writes down what was found, and holds the cells that fell below
//! the target. A request never waits for any of it: what does not fit into the queue is dropped and counted. Refuses to
//! touch text whose use nobody allowed, and to spend more than the day's budget.

mod answers;
mod budget;
mod cells;
mod checks;
mod equals;
mod look;
mod notifier;
mod rubric;
mod sampler;
mod service;
mod shared;
mod task;

pub(crate) use answers::request_text;
pub(crate) use shared::{Order, Shared};

use crate::metrics::Metrics;
use arc_swap::ArcSwap;
use sampler::Sampler;
use service::Service;
use std::io;
use std::sync::Arc;
use tierway::{Router, Witness};
use tierway_config::Config;
use tierway_decide::quality::{CellKey, Design, Hold, Rules};
use tierway_decide::{Ladder, TaskType};
use tierway_ledger::{Leadership, Location};

/// The key under which the router's own calls are recorded; no client's key can have that name.
pub(crate) const OWN_KEY: &str = "(tierway)";

/// Looking, as the gateway starts, reloads and stops it.
pub(crate) struct Looking {
    shared: Arc<Shared>,
    router: Arc<ArcSwap<Router>>,
    service: Service,
}

impl Looking {
    /// Starts to look. `router`: through which our own calls go; it has no witness.
    pub(crate) fn start(
        config: &Config,
        router: Router,
        metrics: Arc<Metrics>,
        location: Location,
        leadership: Leadership,
    ) -> io::Result<Self> {
        let (shared, orders) = Shared::new(Arc::new(config.clone()), metrics.clone());
        // Until the service has looked at its budget; what comes by then waits in the queue.
        shared.set_design(Design::new(config.quality.sample.unwrap_or(0.0)));
        let router = Arc::new(ArcSwap::from_pointee(router));
        let service = Service::start(shared.clone(), orders, router.clone(), metrics, location, leadership)?;
        Ok(Self { shared, router, service })
    }

    /// Who sits on the way of requests.
    pub(crate) fn witness(&self) -> Arc<dyn Witness> {
        Arc::new(Sampler(self.shared.clone()))
    }

    /// Where orders go.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Takes a new config.
    pub(crate) fn reload(&self, config: &Config, router: Router) {
        self.shared.config.store(Arc::new(config.clone()));
        self.router.store(Arc::new(router));
        self.shared.reloaded.notify_one();
    }

    /// Stops looking; what is not done is gone on with by the next run.
    pub(crate) fn stop(self) {
        self.service.stop();
    }
}

/// Cells of a ladder: each kind of work in each tier below the baseline.
pub(crate) fn cells_of(ladder: &Ladder) -> Vec<CellKey> {
    let below = ladder.ids().filter(|tier| *tier < ladder.baseline());
    let of = |tier| {
        let name = &ladder.tier(tier).name;
        TaskType::ALL.into_iter().map(move |task_type| CellKey { task_type, tier: name.to_string() })
    };
    below.flat_map(of).collect()
}

/// What is asked of each cell: half of the chance of a false alarm is the cells', half is that of all together.
pub(crate) fn cell_rules(config: &Config) -> Rules {
    config.quality.rules.among(2 * cells_of(config.table.ladder()).len())
}

/// Whether cells are held at all.
pub(crate) fn holds(config: &Config) -> bool {
    config.quality.rules.hold != Hold::Never
}
