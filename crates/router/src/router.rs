//! The router as a value: made once per config and worker, shared by all its requests.

use crate::call::Call;
use crate::cut_off::CutOff;
use crate::log::Log;
use crate::seam::{Clock, Sink, SystemClock};
use crate::setup::{Ground, IdSource, Setup, Upstream};
use crate::witness::Witness;
use std::collections::BTreeMap;
use std::sync::Arc;
use tierway_decide::Target;

/// Decides, calls, relays, records.
#[derive(Clone)]
pub struct Router {
    pub(crate) ground: Arc<Ground>,
}

/// Puts a [`Router`] together.
pub struct RouterBuilder {
    setup: Arc<Setup>,
    upstreams: BTreeMap<String, Upstream>,
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
    ids: Arc<IdSource>,
    cut_off: Arc<CutOff>,
    foreign: Option<Arc<ForeignTarget>>,
    witness: Option<Arc<dyn Witness>>,
}

/// Describes a model that serves no tier, by provider and name: its API, price and limits.
pub type ForeignTarget = dyn Fn(&str, &str) -> Option<Target> + Send + Sync;

/// Keeps no records.
struct NoSink;

impl Sink for NoSink {
    fn offer(&self, _: Box<tierway_decide::CallRecord>) {}
}

impl RouterBuilder {
    /// Adds a provider under the name that the ladder's targets use.
    #[must_use]
    pub fn upstream(mut self, name: impl Into<String>, upstream: Upstream) -> Self {
        self.upstreams.insert(name.into(), upstream);
        self
    }

    /// Who keeps the records; nobody, if not said.
    #[must_use]
    pub fn sink(mut self, sink: Arc<dyn Sink>) -> Self {
        self.sink = sink;
        self
    }

    /// Another clock than the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// A source of ids that is shared with other routers on the same ledger.
    #[must_use]
    pub fn ids(mut self, ids: Arc<IdSource>) -> Self {
        self.ids = ids;
        self
    }

    /// What makes everything under way say its last words.
    #[must_use]
    pub fn cut_off(mut self, cut_off: Arc<CutOff>) -> Self {
        self.cut_off = cut_off;
        self
    }

    /// Serves models of known providers that are on no tier.
    #[must_use]
    pub fn foreign(mut self, foreign: Arc<ForeignTarget>) -> Self {
        self.foreign = Some(foreign);
        self
    }

    /// Somebody who looks at how good the answers were.
    #[must_use]
    pub fn witness(mut self, witness: Arc<dyn Witness>) -> Self {
        self.witness = Some(witness);
        self
    }

    /// The router.
    #[must_use]
    pub fn build(self) -> Router {
        let Self { setup, upstreams, sink, clock, ids, cut_off, foreign, witness } = self;
        Router { ground: Arc::new(Ground { setup, upstreams, sink, clock, ids, cut_off, foreign, witness }) }
    }
}

impl Router {
    /// Starts to build a router.
    #[must_use]
    pub fn builder(setup: Arc<Setup>) -> RouterBuilder {
        RouterBuilder {
            setup,
            upstreams: BTreeMap::new(),
            sink: Arc::new(NoSink),
            clock: Arc::new(SystemClock::default()),
            ids: Arc::new(IdSource::new(0)),
            cut_off: Arc::default(),
            foreign: None,
            witness: None,
        }
    }

    /// What decides, and what is known of the targets.
    #[must_use]
    pub fn setup(&self) -> &Arc<Setup> {
        &self.ground.setup
    }

    /// Milliseconds of this router's clock, as breakers count them.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.ground.clock.monotonic_ms()
    }

    pub(crate) fn log(&self, call: &Call) -> Log {
        let id = self.ground.ids.next(self.ground.clock.unix_ms());
        let mut log = Log::open(self.ground.clone(), id, call.format);
        log.note(|record| {
            record.key.clone_from(&call.caller.key);
            record.team.clone_from(&call.caller.team);
            record.user = call.user.as_deref().unwrap_or_default().into();
            record.session = call.session.as_deref().unwrap_or_default().into();
        });
        log
    }
}
