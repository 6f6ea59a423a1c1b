//! From a request to its decision: look at it once, then choose.

use crate::account::Standing;
use crate::call::{Call, Purpose};
use crate::log::FOREIGN;
use crate::refusal::Refusal;
use crate::requested::{Requested, resolve};
use crate::router::Router;
use crate::sessions::SessionKey;
use std::borrow::Cow;
use std::sync::Arc;
use tierway_decide::{
    Ask, Caller, Choosing, Complexity, Decision, Features, Ladder, Pins, Prediction, Reason, RejectWhy, Rejected,
    RuleHit, Session, Target, TargetId, TierId, certain_misfit, day_of, decide,
};
use tierway_wire::{ApiError, Estimate, Outline, Role};

/// What a request looks like to whoever decides.
pub(crate) struct Looked<'a> {
    call: &'a Call,
    pub(crate) outline: &'a Outline<'a>,
    requested: Requested<'a>,
    features: Features,
    pub(crate) prediction: Prediction,
    caller: Cow<'a, Caller>,
    pub(crate) rule: Option<RuleHit<'a>>,
    pub(crate) input_tokens: Estimate,
    pub(crate) standing: Standing,
    session_key: SessionKey,
    session: Option<Session>,
    began_us: u64,
}

/// A decision with everything that it was made of.
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// What the predictor saw, packed for the record.
    pub features: Vec<u8>,
    /// Estimated input tokens.
    pub input_tokens: Estimate,
    /// Microseconds that it took, without the wait for a model's opinion.
    pub decide_us: u64,
    pub(crate) foreign: Option<Arc<Target>>,
    pub(crate) session_key: SessionKey,
    pub(crate) session: Option<Session>,
}

impl Router {
    /// Decides without calling anybody: a classifier that would ask a model is left out.
    ///
    /// # Errors
    /// When the model is unknown, the caller may not have it, or nothing fits.
    pub fn decide(&self, call: &Call, outline: &Outline<'_>) -> Result<Decided, Refusal> {
        self.choose(&self.look(call, outline)?, None)
    }

    /// Looks at a request: name, features, rules, caller, conversation.
    pub(crate) fn look<'a>(&'a self, call: &'a Call, outline: &'a Outline<'a>) -> Result<Looked<'a>, Refusal> {
        let began_us = self.ground.clock.monotonic_us();
        let setup = &*self.ground.setup;
        let ladder = setup.table.ladder();
        let name = outline.requested_model.as_ref();
        may_name(&call.caller, name)?;
        let requested = resolve(name, ladder, |provider| self.ground.upstreams.contains_key(provider))
            .ok_or_else(|| Refusal::unknown_model(name, ladder))?;
        let features = Features::of(outline);
        let baseline = usize::from(ladder.baseline().0);
        let prediction = setup.predictor.predict(&features, ladder.tiers().len(), baseline);
        let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
        // A shadow follows the request that it is a shadow of; rules have had their say about that one.
        let rule = || setup.table.rules().first_match(outline, &header);
        let rule = (call.purpose == Purpose::Client).then(rule).flatten().map(|hit| RuleHit {
            name: &hit.rule.name,
            why: &hit.rule.reason,
            tier: hit.rule.tier,
            locked: hit.rule.locked,
        });
        let user = call.user.as_deref().or(outline.user.as_deref()).unwrap_or_default();
        let session_key = SessionKey::of(&call.caller.key, call.session.as_deref(), outline);
        let standing = call.account.as_ref().map(|account| account.standing(user)).unwrap_or_default();
        let caller = with_user(&call.caller, setup.table.user_pins(user));
        Ok(Looked {
            call,
            outline,
            requested,
            features,
            prediction,
            caller: stepped_down(caller, &standing),
            rule,
            input_tokens: tierway_wire::tokens::estimate_outline(outline),
            standing,
            session_key,
            session: self.session(session_key, outline),
            began_us,
        })
    }

    /// Chooses, with a model's opinion where one was asked.
    pub(crate) fn choose(&self, looked: &Looked<'_>, opinion: Option<Complexity>) -> Result<Decided, Refusal> {
        let setup = &*self.ground.setup;
        let ladder = setup.table.ladder();
        let mut foreign = None;
        let ask = self.ask(looked, opinion);
        let named = looked.named_model();
        let mut decision = match named {
            Requested::Target(id) => {
                within_ceiling(Some(id.tier), &ladder.target(id).model, looked, ladder)?;
                fits(ladder.target(id), &ask)?;
                decision_for(id, id.tier, looked.prediction)
            }
            Requested::Foreign { provider, model } => {
                within_ceiling(None, model, looked, ladder)?;
                let target = self.foreign(provider, model)?;
                fits(&target, &ask)?;
                foreign = Some(Arc::new(target));
                decision_for(FOREIGN, FOREIGN.tier, looked.prediction)
            }
            Requested::Auto | Requested::Tier(_) => {
                let choosing = Choosing { held: setup.held.now(), ..setup.choosing.clone() };
                decide(ladder, &choosing, &ask).map_err(|nothing| Refusal::nothing_fits(ladder, &nothing))?
            }
        };
        if let (Some((cap, _)), false) = (&looked.standing.cap, looked.rule.is_some_and(|rule| rule.locked)) {
            let above = ladder.ids().filter(|tier| tier > cap && *tier > decision.tier);
            decision.rejected.extend(above.map(|tier| Rejected { tier, target: None, why: RejectWhy::SteppedDown }));
        }
        Ok(Decided {
            decision,
            features: looked.features.pack(),
            input_tokens: looked.input_tokens,
            decide_us: self.ground.clock.monotonic_us().saturating_sub(looked.began_us),
            foreign,
            session_key: looked.session_key,
            session: looked.session,
        })
    }

    pub(crate) fn ask<'l>(&self, looked: &'l Looked<'_>, opinion: Option<Complexity>) -> Ask<'l> {
        let exact = match looked.requested {
            Requested::Tier(tier) => Some(tier),
            _ => looked.call.pins.exact,
        };
        Ask {
            caller: &looked.caller,
            pins: Pins { exact, ..looked.call.pins },
            rule: looked.rule,
            prediction: looked.prediction,
            opinion,
            needs: looked.outline.needs(),
            input_tokens: looked.input_tokens,
            wanted_output: looked.outline.max_output_tokens.unwrap_or(0),
            session: looked.session,
            day: day_of(self.ground.clock.unix_ms()),
        }
    }

    /// Where the conversation is; one that begins is nowhere yet.
    fn session(&self, key: SessionKey, outline: &Outline<'_>) -> Option<Session> {
        let policy = self.ground.setup.table.session();
        if !policy.hold || !outline.turns.iter().any(|turn| turn.role == Role::Assistant) {
            return None;
        }
        let idle_ms = u64::from(policy.idle_minutes) * 60_000;
        self.ground.setup.sessions.find(key, self.now_ms(), idle_ms, outline.bound_to_model)
    }

    fn foreign(&self, provider: &str, model: &str) -> Result<Target, Refusal> {
        let found = self.ground.foreign.as_ref().and_then(|foreign| foreign(provider, model));
        found.ok_or_else(|| Refusal::unknown_model(&format!("{provider}/{model}"), self.ground.setup.table.ladder()))
    }
}

impl<'a> Looked<'a> {
    /// What the request names, unless a locked rule leaves it no say.
    fn named_model(&self) -> Requested<'a> {
        if self.rule.is_some_and(|rule| rule.locked) { Requested::Auto } else { self.requested }
    }

    /// Neither who asks nor the request itself is held to a tier or below one.
    pub(crate) fn is_unbound(&self) -> bool {
        [self.caller.pins, self.call.pins].iter().all(|pins| pins.exact.is_none() && pins.ceiling.is_none())
    }

    /// Nothing else has decided yet: a prediction is what will.
    pub(crate) fn is_open(&self, ask: &Ask<'_>) -> bool {
        let free = matches!(self.requested, Requested::Auto) && self.rule.is_none();
        free && ask.pins.exact.is_none() && ask.caller.pins.exact.is_none()
    }
}

/// Key and user together.
fn with_user(caller: &Caller, user: Option<Pins>) -> Cow<'_, Caller> {
    let Some(user) = user else { return Cow::Borrowed(caller) };
    Cow::Owned(Caller { pins: caller.pins.and(user), ..caller.clone() })
}

/// A budget that is nearly spent lowers the ceiling and whatever tier the caller is pinned to; a floor stays, as it is a
/// promise to somebody.
fn stepped_down<'a>(caller: Cow<'a, Caller>, standing: &Standing) -> Cow<'a, Caller> {
    let Some((cap, _)) = standing.cap else { return caller };
    let pins = caller.pins;
    let cap = pins.floor.map_or(cap, |floor| floor.max(cap));
    let pins = Pins {
        exact: pins.exact.map(|tier| tier.min(cap)),
        ceiling: Some(pins.ceiling.map_or(cap, |ceiling| ceiling.min(cap))),
        ..pins
    };
    Cow::Owned(Caller { pins, ..caller.into_owned() })
}

/// A key may be for some models only.
pub(crate) fn may_name(caller: &Caller, model: &str) -> Result<(), Refusal> {
    if caller.may_name(model) {
        return Ok(());
    }
    let model: String = model.chars().take(80).collect();
    let message = format!("this key is not for `{model}`; ask for one of: {}", caller.models.join(", "));
    Err(Refusal::caller(ApiError::new(403, message).with_code("model_not_allowed").with_param("model")))
}

/// A model that is asked for by name is on a tier that caller and request allow. One on no tier (none) is for those without
/// a ceiling: nobody can say that it lies under one.
fn within_ceiling(tier: Option<TierId>, model: &str, looked: &Looked<'_>, ladder: &Ladder) -> Result<(), Refusal> {
    let (of_caller, of_request) = (looked.caller.pins, looked.call.pins.ceiling);
    let ceilings = [
        (403, "this caller may use", of_caller.exact.or(of_caller.ceiling)),
        (400, "x-tierway-max-tier allows", of_request),
    ];
    let serves = tier.map_or("no tier", |tier| &ladder.tier(tier).name);
    for (status, who, ceiling) in ceilings {
        if let Some(ceiling) = ceiling.filter(|ceiling| tier.is_none_or(|tier| tier > *ceiling)) {
            let most = &ladder.tier(ceiling).name;
            let message = format!("{who} tiers up to `{most}`; `{model}` serves {serves}; ask for `auto`");
            return Err(Refusal::caller(
                ApiError::new(status, message).with_code("tier_not_allowed").with_param("model"),
            ));
        }
    }
    Ok(())
}

/// A model that is asked for by name can do what the request needs.
fn fits(target: &Target, ask: &Ask<'_>) -> Result<(), Refusal> {
    certain_misfit(target, ask).map_or(Ok(()), |why| Err(Refusal::misfit(&target.model, &why)))
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
