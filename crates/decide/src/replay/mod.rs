//! A recorded request decided again under another table: what would have been.
//!
//! In: [`CallRecord`]s with their packed features, a [`Policy`](Under) to decide by. Out: an [`Outcome`] for each request that
//! can be decided again, or [why not](Kept). A record holds no text, so rules are known by their names: a request that a
//! rule decided follows the rule of that name, and a rule that is new catches nobody. It refuses to guess quietly: whatever
//! could not be repeated is counted by whoever asks.

mod conversations;

pub use conversations::Conversations;

use crate::savings;
use crate::{
    Ask, CallRecord, CallStatus, Caller, Choosing, Classifier, Counter, Features, Pins, Prediction, Predictor, Reason,
    RejectWhy, RouteTable, RuleHit, Session, Target, TargetId, TierId, Usd, day_of, decide,
};
use serde::Serialize;
use tierway_wire::{Needs, Usage};

/// What requests are decided by.
#[derive(Clone, Copy)]
pub struct Under<'a> {
    /// Ladder, rules, policy, pins of users.
    pub table: &'a RouteTable,
    /// Says how hard a request is.
    pub predictor: &'a Predictor,
    /// What the key of this name may have; none for a key that is not known.
    pub key_pins: &'a dyn Fn(&str) -> Option<Pins>,
}

/// Why a request stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// It got no whole answer: what another tier would have done is not known.
    NotAnswered,
    /// The router's own call: a shadow, a judge.
    Own,
    /// The client named its model: no policy has a say.
    NamedModel,
    /// Its features were not kept, or by another version.
    NoFeatures,
    /// The tier that it names, or is pinned to, is not on the ladder any more.
    TierGone,
    /// Nothing on the ladder could serve it.
    NothingFits,
}

/// One request, ready to be decided under any [`Choosing`].
#[derive(Clone, Debug)]
pub struct Looked {
    prediction: Prediction,
    needs: Needs,
    input_tokens: u32,
    wanted_output: u32,
    pins: Pins,
    caller: Caller,
    rule: Option<(TierId, bool)>,
    opinion: Option<TierId>,
    session: Option<Session>,
    day: i32,
}

/// Where a request would go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The tier.
    pub tier: TierId,
    /// Its target with the most traffic among those that fit.
    pub target: TargetId,
    /// Whether tier or model differ from what happened.
    pub moved: bool,
    /// What it would cost: as recorded where it stays, else the same tokens at the target's price; none without a price.
    pub paid: Option<Usd>,
}

impl Looked {
    /// Looks at a recorded request that was answered. `session`: where its conversation would be, see [`Conversations`].
    ///
    /// # Errors
    /// When it stays as it was.
    pub fn at(call: &CallRecord, under: Under<'_>, session: Option<Session>) -> Result<Self, Kept> {
        if call.status != CallStatus::Answered {
            return Err(Kept::NotAnswered);
        }
        Self::decision(call, under, session)
    }

    /// The same, whatever became of the request.
    ///
    /// # Errors
    /// When it cannot be decided again.
    pub fn decision(call: &CallRecord, under: Under<'_>, session: Option<Session>) -> Result<Self, Kept> {
        if savings::is_own(&call.reason) {
            return Err(Kept::Own);
        }
        if !savings::is_routed(&call.reason) {
            return Err(Kept::NamedModel);
        }
        let features = Features::unpack(&call.features).map_err(|_| Kept::NoFeatures)?;
        let ladder = under.table.ladder();
        let prediction = under.predictor.predict(&features, ladder.tiers().len(), usize::from(ladder.baseline().0));
        let (pins, rule) = (pins(call, under)?, rule(call, under.table));
        let key = (under.key_pins)(&call.key).unwrap_or_default();
        let caller = Caller {
            key: call.key.clone(),
            team: call.team.clone(),
            pins: under.table.user_pins(&call.user).map_or(key, |user| key.and(user)),
            ..Caller::default()
        };
        let asks = !matches!(under.table.classifier(), Classifier::Local);
        Ok(Self {
            prediction,
            needs: needs(&features, call),
            input_tokens: input_tokens(&features, &call.usage),
            wanted_output: size(&features, Counter::MaxOutput),
            pins,
            caller,
            rule,
            opinion: (asks && call.reason == Reason::ModelAsked).then(|| ladder.find(first_tier(call))).flatten(),
            session: session.filter(|_| under.table.session().hold && continues(&features)),
            day: day_of(call.id.unix_ms()),
        })
    }

    /// The prediction under the new predictor.
    #[must_use]
    pub const fn prediction(&self) -> &Prediction {
        &self.prediction
    }

    /// Decides.
    ///
    /// # Errors
    /// [`Kept::NothingFits`].
    pub fn decide(&self, table: &RouteTable, choosing: &Choosing, call: &CallRecord) -> Result<Outcome, Kept> {
        let ladder = table.ladder();
        // A model's opinion is known by the tier that it led to.
        let rule = self.rule.or(self.opinion.map(|tier| (tier, false)));
        let ask = Ask {
            caller: &self.caller,
            pins: self.pins,
            rule: rule.map(|(tier, locked)| RuleHit { name: "", why: "", tier, locked }),
            prediction: self.prediction,
            opinion: None,
            needs: self.needs,
            input_tokens: self.input_tokens.into(),
            wanted_output: self.wanted_output,
            session: self.session,
            day: self.day,
        };
        let decision = decide(ladder, choosing, &ask).map_err(|_| Kept::NothingFits)?;
        let of_tier = || decision.targets.iter().filter(|id| id.tier == decision.tier);
        let heaviest = of_tier().rev().max_by_key(|id| ladder.target(**id).weight).copied();
        let target = heaviest.ok_or(Kept::NothingFits)?;
        let same_model = |id: &TargetId| is(ladder.target(*id), &call.provider, &call.served_model);
        let fell_back = call.served_tier != call.tier;
        let stays = ladder.tier(decision.tier).name == call.tier && (fell_back || of_tier().any(same_model));
        let paid = if stays {
            call.paid_in_all()
        } else {
            savings::cost_on(ladder.target(target), &call.usage_as_asked(), call.id.unix_ms())
        };
        Ok(Outcome { tier: decision.tier, target, moved: !stays, paid })
    }
}

fn is(target: &Target, provider: &str, model: &str) -> bool {
    target.provider == provider && target.model == model
}

/// The tier that was decided before constraints raised it.
fn first_tier(call: &CallRecord) -> &str {
    if call.raised_from.is_empty() { &call.tier } else { &call.raised_from }
}

/// What the request itself asked for, as far as its record tells.
fn pins(call: &CallRecord, under: Under<'_>) -> Result<Pins, Kept> {
    let tier = under.table.ladder().find(first_tier(call));
    let exact = match call.reason {
        Reason::RequestedTier => Some(tier.ok_or(Kept::TierGone)?),
        // A key that the new config does not know keeps its tier; one that it knows brings its own pins.
        Reason::CallerTier if (under.key_pins)(&call.key).is_none() => Some(tier.ok_or(Kept::TierGone)?),
        _ => None,
    };
    let held = |by: &RejectWhy| call.rejected.iter().any(|rejected| rejected.why == *by);
    let floor = tier.filter(|_| held(&RejectWhy::BelowFloor));
    let ceiling = tier.filter(|_| held(&RejectWhy::AboveCeiling));
    Ok(Pins { exact, floor, ceiling })
}

/// The rule that decided, if there still is one of its name.
fn rule(call: &CallRecord, table: &RouteTable) -> Option<(TierId, bool)> {
    let (Reason::Rule { rule: name, .. } | Reason::LockedRule { rule: name, .. }) = &call.reason else { return None };
    table.rules().rules().iter().find(|rule| rule.name == *name).map(|rule| (rule.tier, rule.locked))
}

fn needs(features: &Features, call: &CallRecord) -> Needs {
    let some = |counter| features.counter(counter) > 0;
    let audio = call.usage.audio_input_tokens + call.usage.audio_output_tokens > 0;
    Needs {
        vision: some(Counter::Images),
        tools: some(Counter::Tools),
        json_schema: some(Counter::JsonSchema),
        audio,
        files: some(Counter::Files) && !audio,
        streaming: call.stream,
    }
}

/// A size as its counter tells it, within 6 %.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter holds up to eight million")]
fn size(features: &Features, counter: Counter) -> u32 {
    (features.value(counter).exp2() - 1.0).round() as u32
}

/// As reported; where nothing was, four bytes for a token.
fn input_tokens(features: &Features, usage: &Usage) -> u32 {
    if usage.input_tokens > 0 {
        return u32::try_from(usage.input_tokens).unwrap_or(u32::MAX);
    }
    let parts = [Counter::SystemSize, Counter::AskSize, Counter::HistorySize, Counter::ToolsSize];
    parts.iter().map(|part| size(features, *part)).fold(0, u32::saturating_add) / 4
}

/// The history holds an answer.
fn continues(features: &Features) -> bool {
    features.counter(Counter::HistorySize) > 0 || features.counter(Counter::ToolCalls) > 0
}

#[cfg(test)]
mod tests;
