//! What a caller may still spend: asked before a call, told when it has ended. A seam: the gateway keeps the accounts.
//!
//! Requests without an account cost nothing here. With one, the worst case of the decided tier is reserved before anybody
//! is called, more of it before a dearer target is asked, and what the request really cost takes its place when its
//! record is closed.

use crate::deciding::Decided;
use crate::log::Log;
use crate::prepare::Asked;
use crate::refusal::Refusal;
use crate::router::Router;
use crate::seam::BoxFuture;
use http::HeaderMap;
use std::fmt::Debug;
use std::sync::Arc;
use tierway_decide::pricing::Most;
use tierway_decide::{RejectWhy, Rejected, Target, TargetId, TierId, Usd};

/// Output of a model that nobody knows the most of, tokens.
const UNKNOWN_MOST_OUTPUT: u32 = 32_768;

/// Tokens of an answer without a stated bound, as far as speed is concerned; put right when it has ended.
const USUAL_OUTPUT: u64 = 1_000;

/// The money and speed that a caller has left.
pub trait Account: Debug + Send + Sync {
    /// How it stands before a decision. `user`: the end user as the application names it; may be empty.
    fn standing(&self, user: &str) -> Standing;

    /// Takes what a request may cost.
    fn reserve<'a>(&'a self, user: &'a str, need: Need) -> BoxFuture<'a, Result<Box<dyn Hold>, Denied>>;
}

/// What is reserved for one request. Dropping it gives all of it back.
pub trait Hold: Send {
    /// Takes so much more; false when there is not that much.
    fn extend(&mut self, more: Usd) -> BoxFuture<'_, bool>;

    /// Tells the client how its limits stand.
    fn head(&self, headers: &mut HeaderMap);

    /// The request has ended: it cost this, and had so many tokens.
    fn settle(self: Box<Self>, paid: Usd, tokens: u64);
}

/// How an account stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Nothing is left: no model may be asked for its opinion either.
    pub exhausted: bool,
    /// The dearest tier that it still pays for, and why in words.
    pub cap: Option<(TierId, String)>,
}

/// What a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// At worst; none when the request names a model on no tier whose price nobody knows.
    pub money: Option<Usd>,
    /// Input as estimated, and the output that is asked for.
    pub tokens: u64,
}

/// An account does not allow a request.
#[derive(Clone, Debug)]
pub struct Denied {
    /// What the client is told.
    pub refusal: Refusal,
    /// What its record says.
    pub why: RejectWhy,
}

impl Router {
    /// Reserves what the request may cost on the tier that was decided, and `asking` beside it.
    pub(crate) async fn reserve(
        &self,
        asked: &Asked<'_>,
        decided: &Decided,
        asking: Usd,
        log: &mut Log,
    ) -> Result<(), Refusal> {
        let Some(account) = &asked.call.account else { return Ok(()) };
        let tier = decided.decision.tier;
        let worst = self.worst_of_tier(asked, decided, log);
        // A model of the ladder without a price is the operator's choice, and counts as free here as everywhere.
        let worst = worst.or(decided.foreign.is_none().then_some(Usd::ZERO)).map(|worst| worst + asking);
        let need = Need { money: worst, tokens: asked.tokens() };
        match account.reserve(log.user(), need).await {
            Ok(hold) => {
                log.hold(hold, worst.unwrap_or(Usd::ZERO));
                Ok(())
            }
            Err(denied) => {
                log.note(|record| record.rejected.push(Rejected { tier, target: None, why: denied.why }));
                Err(denied.refusal)
            }
        }
    }

    /// Whether what is reserved also pays for a call to this target, after what was spent on calls before it.
    pub(crate) async fn affords(
        &self,
        id: TargetId,
        foreign: Option<&Arc<Target>>,
        asked: &Asked<'_>,
        log: &mut Log,
    ) -> bool {
        if !log.holds() {
            return true;
        }
        let worst = self.worst(self.ground.setup.target(id, foreign), asked, log).unwrap_or(Usd::ZERO);
        log.affords(worst).await
    }

    /// Whether it pays for the tier that was decided.
    pub(crate) async fn affords_tier(&self, asked: &Asked<'_>, decided: &Decided, log: &mut Log) -> bool {
        let worst = self.worst_of_tier(asked, decided, log).unwrap_or(Usd::ZERO);
        log.affords(worst).await
    }

    fn worst_of_tier(&self, asked: &Asked<'_>, decided: &Decided, log: &Log) -> Option<Usd> {
        let tier = decided.decision.tier;
        let targets = decided.decision.targets.iter().filter(|id| id.tier == tier);
        let target = |id: &TargetId| self.ground.setup.target(*id, decided.foreign.as_ref());
        targets.filter_map(|id| self.worst(target(id), asked, log)).max()
    }

    /// The most that a call to this target can cost; none when its price is unknown.
    fn worst(&self, target: &Target, asked: &Asked<'_>, log: &Log) -> Option<Usd> {
        let known = target.limits.max_output.or(target.limits.context_window);
        let stated = asked.outline.max_output_tokens.or(self.ground.setup.assumed_output);
        let output = stated.unwrap_or(known.unwrap_or(UNKNOWN_MOST_OUTPUT)).min(known.unwrap_or(u32::MAX));
        let output = if asked.has_output() { u64::from(output) * answers(asked) } else { 0 };
        let most = Most {
            input_tokens: asked.input_tokens_of(target).into(),
            output_tokens: output,
            kept_an_hour: asked.marks_an_hour(),
            sound: asked.outline.needs().audio,
        };
        target.prices.as_ref()?.worst(log.unix_ms(), log.asked_service_tier(), &most)
    }
}

impl Asked<'_> {
    /// Whether a part of it may be marked for a cache of an hour (`"ttl": "1h"`), which costs more than one of minutes.
    fn marks_an_hour(&self) -> bool {
        memchr::memmem::find(&self.call.body, b"\"1h\"").is_some()
    }

    /// Tokens as far as speed is concerned: input as estimated, and the output that is asked for.
    pub(crate) fn tokens(&self) -> u64 {
        let wanted = self.outline.max_output_tokens.map_or(USUAL_OUTPUT, u64::from);
        u64::from(self.input_tokens.tokens) + wanted * answers(self)
    }
}

fn answers(asked: &Asked<'_>) -> u64 {
    u64::from(asked.outline.answers.max(1))
}
