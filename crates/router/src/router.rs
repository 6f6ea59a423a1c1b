//! The router as a value: made once per config and worker, shared by all its requests.

use crate::call::Call;
use crate::log::{FOREIGN, Log};
use crate::refusal::Refusal;
use crate::requested::{Requested, resolve};
use crate::seam::{Clock, Sink, SystemClock};
use crate::setup::{Ground, IdSource, Setup, Upstream};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tierway_decide::{
    Ask, Caller, Decision, Features, Pins, Prediction, Reason, RuleHit, Target, TargetId, TierId, decide,
};
use tierway_wire::{ApiError, Outline};

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
    cut_off: Arc<AtomicBool>,
    foreign: Option<Arc<ForeignTarget>>,
}

/// Describes a model that serves no tier, by provider and name: its API, price and limits.
pub type ForeignTarget = dyn Fn(&str, &str) -> Option<Target> + Send + Sync;

/// Keeps no records.
struct NoSink;

impl Sink for NoSink {
    fn offer(&self, _: tierway_decide::CallRecord) {}
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

    /// A flag that makes all streams say their last words.
    #[must_use]
    pub fn cut_off(mut self, cut_off: Arc<AtomicBool>) -> Self {
        self.cut_off = cut_off;
        self
    }

    /// Serves models of known providers that are on no tier.
    #[must_use]
    pub fn foreign(mut self, foreign: Arc<ForeignTarget>) -> Self {
        self.foreign = Some(foreign);
        self
    }

    /// The router.
    #[must_use]
    pub fn build(self) -> Router {
        let Self { setup, upstreams, sink, clock, ids, cut_off, foreign } = self;
        Router { ground: Arc::new(Ground { setup, upstreams, sink, clock, ids, cut_off, foreign }) }
    }
}

/// A decision with everything that it was made of.
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// What the predictor saw, packed for the record.
    pub features: Vec<u8>,
    /// Estimated input tokens.
    pub input_tokens: u32,
    /// Microseconds that it took.
    pub decide_us: u64,
    pub(crate) foreign: Option<Arc<Target>>,
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

    /// Decides without calling anybody.
    ///
    /// # Errors
    /// When the model is unknown, the caller may not have it, or nothing fits.
    pub fn decide(&self, call: &Call, outline: &Outline<'_>) -> Result<Decided, Refusal> {
        let began = self.ground.clock.monotonic_us();
        let setup = &*self.ground.setup;
        let ladder = setup.table.ladder();
        let name = outline.requested_model.as_ref();
        let requested = resolve(name, ladder, |provider| self.ground.upstreams.contains_key(provider))
            .ok_or_else(|| Refusal::unknown_model(name, ladder))?;
        let features = Features::of(outline);
        let baseline = usize::from(ladder.baseline().0);
        let prediction = setup.predictor.predict(&features, ladder.tiers().len(), baseline);
        let user = call.user.as_deref().or(outline.user.as_deref()).unwrap_or_default();
        let caller = with_user(&call.caller, setup.table.user_pins(user));
        let input_tokens = u32::try_from(outline.body_bytes / 4).unwrap_or(u32::MAX);
        let mut foreign = None;
        let decision = match requested {
            Requested::Target(id) => passed_through(id, prediction, &caller, ladder)?,
            Requested::Foreign { provider, model } => {
                foreign = Some(Arc::new(self.foreign(provider, model)?));
                decision_for(FOREIGN, ladder.baseline(), prediction)
            }
            Requested::Auto | Requested::Tier(_) => {
                let ask = self.ask(call, outline, &caller, requested, prediction, input_tokens);
                decide(ladder, &setup.choosing, &ask).map_err(|nothing| Refusal::nothing_fits(ladder, &nothing))?
            }
        };
        let decide_us = self.ground.clock.monotonic_us().saturating_sub(began);
        Ok(Decided { decision, features: features.pack(), input_tokens, decide_us, foreign })
    }

    fn ask<'a>(
        &'a self,
        call: &Call,
        outline: &Outline<'_>,
        caller: &'a Caller,
        requested: Requested<'_>,
        prediction: Prediction,
        input_tokens: u32,
    ) -> Ask<'a> {
        let table = &self.ground.setup.table;
        let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
        let rule = table.rules().first_match(outline, &header).map(|hit| RuleHit {
            name: &hit.rule.name,
            why: &hit.rule.reason,
            tier: hit.rule.tier,
            locked: hit.rule.locked,
        });
        let exact = match requested {
            Requested::Tier(tier) => Some(tier),
            _ => call.pins.exact,
        };
        Ask {
            caller,
            pins: Pins { exact, ..call.pins },
            rule,
            prediction,
            opinion: None,
            needs: outline.needs(),
            input_tokens,
            wanted_output: outline.max_output_tokens.unwrap_or(0),
            session: None,
            day: crate::log::day_of(self.ground.clock.unix_ms()),
        }
    }

    fn foreign(&self, provider: &str, model: &str) -> Result<Target, Refusal> {
        let found = self.ground.foreign.as_ref().and_then(|foreign| foreign(provider, model));
        found.ok_or_else(|| Refusal::unknown_model(&format!("{provider}/{model}"), self.ground.setup.table.ladder()))
    }

    pub(crate) fn log(&self, call: &Call) -> Log {
        let id = self.ground.ids.next(self.ground.clock.unix_ms());
        let mut log = Log::open(self.ground.clone(), id, call.format);
        log.note(|record| {
            record.key.clone_from(&call.caller.key);
            record.team.clone_from(&call.caller.team);
            record.user = call.user.clone().unwrap_or_default();
            record.session = call.session.clone().unwrap_or_default();
        });
        log
    }
}

/// Key and user together: the higher floor, the lower ceiling, the key's own tier before the user's.
fn with_user(caller: &Caller, user: Option<Pins>) -> Caller {
    let Some(user) = user else { return caller.clone() };
    let key = caller.pins;
    let pins = Pins {
        exact: key.exact.or(user.exact),
        floor: key.floor.max(user.floor),
        ceiling: [key.ceiling, user.ceiling].into_iter().flatten().min(),
    };
    Caller { pins, ..caller.clone() }
}

fn passed_through(
    id: TargetId,
    prediction: Prediction,
    caller: &Caller,
    ladder: &tierway_decide::Ladder,
) -> Result<Decision, Refusal> {
    match caller.pins.ceiling {
        Some(ceiling) if id.tier > ceiling => {
            let message = format!(
                "this key may use tiers up to `{}`; `{}` serves `{}`",
                ladder.tier(ceiling).name,
                ladder.target(id).model,
                ladder.tier(id.tier).name
            );
            Err(Refusal::caller(ApiError::new(403, message).with_code("tier_not_allowed").with_param("model")))
        }
        _ => Ok(decision_for(id, id.tier, prediction)),
    }
}

fn decision_for(id: TargetId, tier: TierId, prediction: Prediction) -> Decision {
    Decision {
        tier,
        targets: vec![id],
        reason: Reason::RequestedModel,
        raised_from: None,
        prediction,
        rejected: Vec::new(),
    }
}
