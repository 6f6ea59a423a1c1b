//! One request, from its bytes to its reply, in a straight line.

use crate::attempt::{Served, StartedStream, Whole};
use crate::call::{Call, Purpose};
use crate::calling::PreparedCall;
use crate::continuation::Continuation;
use crate::deciding::{Decided, Looked};
use crate::full_accounts::{AccountSlot, FullAccounts, Refused};
use crate::headers;
use crate::log::{FOREIGN, Log};
use crate::meter::Broken;
use crate::prepare::Asked;
use crate::refusal::Refusal;
use crate::relay::Relay;
use crate::reply::{Reply, ReplyBody};
use crate::router::Router;
use crate::seam::Held;
use crate::setup::{Timeouts, Upstream};
use crate::tallies::Judging;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tierway_decide::balance::{InFlight, TargetState, Weighed, order};
use tierway_decide::breaker::Health;
use tierway_decide::dispatch::{Candidate, Dispatch, DispatchLimits, FailureKind, Step, plan};
use tierway_decide::room::Place;
use tierway_decide::{AskModel, CallStatus, Reason, Target, TargetId, Usd};
use tierway_wire::splice::Fields;
use tierway_wire::{Estimate, Format, ServiceTier, Usage};

impl Router {
    /// Serves one request. Every request gets a reply and a record, whatever happens.
    pub async fn chat(&self, call: Call) -> Reply {
        let mut log = self.log(&call);
        let answered = self.answer(&call, &mut log).await;
        Self::conclude(answered, call.format, &mut log).await
    }

    /// What a provider is waited for, unless the grace time after a stop is over before. Pinned by the caller: a future that is
    /// handed over by value has room twice in the future of the request, and is moved.
    async fn in_time<T>(&self, waiting: Pin<&mut impl Future<Output = Result<T, Refusal>>>) -> Result<T, Refusal> {
        tokio::select! {
            biased;
            done = waiting => done,
            () = self.ground.cut_off.said() => Err(Refusal::shutting_down()),
        }
    }

    /// The reply, and the end of the record where there is no answer.
    pub(crate) async fn conclude(answered: Result<Reply, Refusal>, client: Format, log: &mut Log) -> Reply {
        match answered {
            Ok(reply) => reply,
            Err(mut refusal) => {
                refusal.error.request_id = Some(log.id().to_string());
                let mut reply = refusal.reply(client);
                log.head(&mut reply.headers);
                log.calls_end();
                let held = log.finish(refusal.status, refusal.error.status);
                recorded(held, &mut reply.headers).await;
                reply
            }
        }
    }

    async fn answer(&self, call: &Call, log: &mut Log) -> Result<Reply, Refusal> {
        let (outline, fields) = tierway_wire::outline(call.format, &call.body)?;
        log.asked(&outline, ServiceTier::asked(call.format, &fields));
        if call.format == Format::AnthropicMessages && fields.get("thread").is_some_and(|thread| thread != "null") {
            return Err(Refusal::no_threads());
        }
        let looked = self.look(call, &outline)?;
        if let Some((_, told)) = &looked.standing.cap {
            log.stepped_down(told);
        }
        let mut decided = self.choose(&looked, None)?;
        if let Some(reason) = call.purpose.reason() {
            decided.decision.reason = reason;
        }
        log.decided(&mut decided);
        let ladder = self.ground.setup.table.ladder();
        let last_model = decided.session.map(|session| ladder.target(session.target).model.as_str());
        // A second turn within the cache's life has shown that the conversation goes on: a quarter of the prompt more now, nine
        // tenths less at each turn that follows, so that it pays where more than 28 % of such conversations have a third.
        let warm = decided.session.is_some_and(|session| session.warm_tokens > 0);
        let goes_on = warm && self.ground.setup.table.session().cache_marks;
        let asked = Asked::new(call, &outline, &fields, decided.input_tokens)
            .after(last_model, goes_on)
            .with_own_effort(looked.is_unbound() && decided.decision.reason == Reason::RequestedModel);
        // A dry run calls nobody.
        let may_ask = !call.dry_run && call.purpose == Purpose::Client && !looked.standing.exhausted;
        if let Some(how) = self.opinion_wanted(&looked).filter(|_| may_ask) {
            decided = self.in_time(Box::pin(self.advised(how, &looked, decided, &asked, log)).as_mut()).await?;
        }
        if let Some(field) = kept_by_provider(call.format, &fields).filter(|_| !self.passes_responses(&decided)) {
            return Err(Refusal::kept_elsewhere(field));
        }
        if call.dry_run {
            let setup = &self.ground.setup;
            let first = decided.decision.targets.first().map(|id| setup.target(*id, decided.foreign.as_ref()));
            let mut reply = headers::dry_run(&decided.decision, first, setup.table.ladder(), log);
            recorded(log.finish(CallStatus::Answered, 200), &mut reply.headers).await;
            return Ok(reply);
        }
        log.listen(call);
        if !log.holds() {
            self.reserve(&asked, &decided, Usd::ZERO, log).await?;
        }
        self.dispatch(&asked, &decided, log).await
    }

    /// The decision with a model's opinion, if that is affordable; else the one without. Nobody is asked for callers who
    /// may not ask us: what the request may cost is reserved before.
    async fn advised(
        &self,
        how: &AskModel,
        looked: &Looked<'_>,
        decided: Decided,
        asked: &Asked<'_>,
        log: &mut Log,
    ) -> Result<Decided, Refusal> {
        let asking = self.price_of_asking(how, asked.outline);
        self.reserve(asked, &decided, asking.unwrap_or(Usd::ZERO), log).await?;
        if how.max_cost.zip(asking).is_some_and(|(most, asking)| asking > most) {
            return Ok(decided);
        }
        let Some(opinion) = self.opinion(how, asked.outline, log).await else { return Ok(decided) };
        // The wait for the opinion is not time that it took to decide.
        let mut advised = Decided { decide_us: decided.decide_us, ..self.choose(looked, Some(opinion))? };
        if !self.affords_tier(asked, &advised, log).await {
            return Ok(decided);
        }
        log.decided(&mut advised);
        Ok(advised)
    }

    /// The client itself named a model that speaks Responses: what its provider keeps, it can go on with.
    fn passes_responses(&self, decided: &Decided) -> bool {
        let format = |id: &TargetId| self.ground.setup.target(*id, decided.foreign.as_ref()).format;
        let named = decided.decision.reason == Reason::RequestedModel;
        named && decided.decision.targets.iter().all(|id| format(id) == Format::OpenaiResponses)
    }

    /// Has a decided request answered.
    pub(crate) async fn dispatch(&self, asked: &Asked<'_>, decided: &Decided, log: &mut Log) -> Result<Reply, Refusal> {
        let got = {
            let calls = pin!(self.calls(asked, decided, log));
            self.in_time(calls).await?
        };
        match got {
            Response::Whole(whole) => Ok(whole_reply(*whole, log).await),
            Response::Stream { begun, to, deadline_ms, continuation } => {
                Ok(stream_reply(*begun, *to, (decided.input_tokens, deadline_ms), continuation, log))
            }
        }
    }

    /// Performs what [`Dispatch`] says; chooses nothing.
    async fn calls<'a>(
        &'a self,
        asked: &Asked<'_>,
        decided: &'a Decided,
        log: &mut Log,
    ) -> Result<Response<'a>, Refusal> {
        let clock = &*self.ground.clock;
        let mut dispatch = self.plan(decided, asked.outline.stream, log);
        let mut tried = Tried { last: None, unfit: None, short: false, full: FullAccounts::new(asked) };
        let mut step = dispatch.next(clock.monotonic_ms());
        loop {
            step = match step {
                Step::Call { target, again } => {
                    let id = dispatch.plan()[target].id;
                    if !self.affords(id, decided.foreign.as_ref(), asked, log).await {
                        tried.short = true;
                        step = dispatch.on_refused(clock.monotonic_ms(), None);
                        continue;
                    }
                    let who = (id, decided.foreign.as_ref(), again);
                    let (to, opened) = match self.admitted(who, tried.full.seat(), asked, dispatch.deadline_ms(), log) {
                        Ok(admitted) => admitted,
                        Err(NotCalled::Held(refused)) => {
                            tried.full.saw(target, refused);
                            step = dispatch.on_refused(clock.monotonic_ms(), refused.ready_at_ms);
                            continue;
                        }
                        Err(NotCalled::Unrepresentable(broken)) => {
                            step = dispatch.on_failure(clock.monotonic_ms(), broken.kind, false);
                            tried.last = Some(broken);
                            continue;
                        }
                    };
                    let (to, served) = match dispatch.late_after_ms(clock.monotonic_ms()).filter(|_| !log.holds()) {
                        None => {
                            let served = self.call(asked, &to, opened, log).await;
                            (to, served)
                        }
                        // Boxed, as it has room for two calls.
                        Some(ms) => Box::pin(self.hedged(asked, (target, to, opened), ms, &mut dispatch, log)).await,
                    };
                    let deadline_ms = dispatch.deadline_ms();
                    let got = match served {
                        Ok(Served::Whole(whole)) => Ok(Response::Whole(whole)),
                        Ok(Served::Stream(begun)) => {
                            let held = self.held(begun, &to, asked, deadline_ms, log).await;
                            let to = Box::new(to);
                            held.map(|begun| Response::Stream { begun, to, deadline_ms, continuation: None })
                        }
                        Err(broken) => Err(broken),
                    };
                    match got {
                        Ok(mut got) if got.is_unfit() => {
                            log.served_by_nobody();
                            if let Response::Stream { to, .. } = &mut got {
                                // All of it is there: others may have its place, this request among them.
                                to.in_flight.leave_account();
                            }
                            tried.unfit = Some((id, got));
                            dispatch.on_failure(clock.monotonic_ms(), FailureKind::Unfit, false)
                        }
                        Ok(mut got) => {
                            if let Response::Stream { continuation, .. } = &mut got {
                                *continuation = Continuation::new(self, dispatch, asked, decided.foreign.as_ref());
                            }
                            return Ok(got);
                        }
                        Err(broken) => {
                            let kind = broken.kind;
                            tried.last = Some(broken);
                            dispatch.on_failure(clock.monotonic_ms(), kind, false)
                        }
                    }
                }
                // Nobody waits for a better answer than the one that is here.
                Step::Wait { .. } if tried.unfit.is_some() => {
                    return tried.given_up(FailureKind::Unfit, decided.foreign.is_some(), log);
                }
                Step::Wait { .. } if tried.full.is_any() => tried.full.wait(self, asked, decided, &mut dispatch).await,
                Step::Wait { until_ms } => {
                    clock.sleep(Duration::from_millis(until_ms.saturating_sub(clock.monotonic_ms()))).await;
                    dispatch.next(clock.monotonic_ms())
                }
                // Nothing went to the client yet; said for a dispatch that thinks otherwise.
                Step::Continue { .. } | Step::Hedge { .. } => {
                    dispatch.on_failure(clock.monotonic_ms(), FailureKind::Cut, true)
                }
                Step::GiveUp { failure } => return tried.given_up(failure, decided.foreign.is_some(), log),
            };
        }
    }

    /// The targets of a decision in the order of health, load and weight, with the bounds of this request.
    fn plan(&self, decided: &Decided, stream: bool, log: &mut Log) -> Dispatch {
        let setup = &*self.ground.setup;
        let now = self.ground.clock.monotonic_ms();
        let seed = log.id().as_i64().cast_unsigned();
        let limits = DispatchLimits { deadline_ms: now.saturating_add(setup.limits.deadline_ms), ..setup.limits };
        if let Some(target) = &decided.foreign {
            let window = target.limits.context_window;
            let prefill = target.parameters.prefill;
            let only = Candidate { id: FOREIGN, provider: 0, model: 0, window, prefill, late_after_ms: None };
            return Dispatch::new(vec![only], limits, seed);
        }
        let judging = Judging::by(setup.balance, &setup.tallies, decided.decision.prediction.task_type, seed);
        let mut ordered = Vec::with_capacity(decided.decision.targets.len());
        for tier in decided.decision.targets.chunk_by(|a, b| a.tier == b.tier) {
            if let [only] = tier {
                ordered.push(*only);
                continue;
            }
            let from = ordered.len();
            let weighed: Vec<_> = tier.iter().map(|id| self.weighed(*id, decided, judging)).collect();
            ordered.extend(order(setup.balance, &weighed, now, seed).into_iter().map(|at| tier[at]));
            // A conversation stays with the target whose cache is warm, as long as that is well.
            let warm = decided.session.map(|session| session.target);
            let warm =
                ordered[from..].iter().position(|id| Some(*id) == warm && setup.state(*id).health(now).callable());
            match (warm, judging) {
                (Some(at), _) => ordered[from..=from + at].rotate_right(1),
                (None, Some(judging)) if from == 0 => {
                    log.note(|record| record.rejected.extend(judging.outscored(&ordered)));
                }
                (None, _) => {}
            }
        }
        let mut candidates = plan(setup.table.ladder(), &ordered);
        if let Some(hedging) = setup.hedging {
            for candidate in &mut candidates {
                candidate.late_after_ms = hedging.late_after_ms(setup.state(candidate.id).first_bytes(stream));
            }
        }
        Dispatch::new(candidates, limits, seed)
    }

    fn weighed(&self, id: TargetId, decided: &Decided, judging: Option<Judging<'_>>) -> Weighed<'_> {
        let target = self.ground.setup.table.ladder().target(id);
        let usage = Usage {
            input_tokens: target.limits.vocabulary.tokens(decided.input_tokens).into(),
            output_tokens: decided.decision.prediction.output_on(id.tier),
            ..Usage::default()
        };
        let now = self.ground.clock.unix_ms();
        let price = target.prices.as_ref().and_then(|prices| prices.cost(now, &usage));
        let score = judging.map_or(0, |judging| judging.standing(id).score_ppm);
        Weighed { weight: target.weight, price, score, state: self.ground.setup.state(id) }
    }

    /// Everything that a call to this target needs, if its breaker, its retry budget and the account of its provider let
    /// it through. `again`: this request called it before.
    pub(crate) fn admitted<'a>(
        &'a self,
        (id, foreign, again): (TargetId, Option<&'a Arc<Target>>, bool),
        seat: AccountSlot,
        asked: &Asked<'_>,
        deadline_ms: u64,
        log: &Log,
    ) -> Result<(Admitted<'a>, PreparedCall<'a>), NotCalled> {
        let ground = &*self.ground;
        let now = ground.clock.monotonic_ms();
        let target = ground.setup.target(id, foreign);
        let state = foreign.map_or_else(|| ground.setup.state(id).clone(), |target| ground.setup.state_of(target, now));
        let held = |ready_at_ms| NotCalled::Held(Refused { ready_at_ms, is_full: false });
        let upstream = ground.upstreams.get(target.provider.as_str()).ok_or(held(None))?;
        if let Health::Ill { until_ms } | Health::Cooling { until_ms } = state.health(now) {
            return Err(held(Some(until_ms)));
        }
        // Written first: a request that cannot be written is no probe and no retry.
        let opened = self.opened(asked, (target, upstream), deadline_ms, log).map_err(NotCalled::Unrepresentable)?;
        let place = match ground.setup.accounts().get(target.provider.as_str()) {
            None => None,
            Some(account) => Some(seat.at(account, now).map_err(NotCalled::Held)?),
        };
        if let Err(until_ms) = state.admit(now, again) {
            place.into_iter().for_each(Place::unused);
            return Err(held(until_ms));
        }
        let in_flight = state.depart().with(place);
        Ok((Admitted { id, target, upstream, state, in_flight }, opened))
    }
}

/// An answer, and what its reply needs.
enum Response<'a> {
    Whole(Box<Whole>),
    Stream {
        begun: Box<StartedStream>,
        to: Box<Admitted<'a>>,
        deadline_ms: u64,
        continuation: Option<Box<Continuation>>,
    },
}

/// What came of the targets that were asked so far.
struct Tried<'a> {
    /// The last failure.
    last: Option<Broken>,
    /// An answer that does not do, for want of a better one.
    unfit: Option<(TargetId, Response<'a>)>,
    /// There was not the money for some.
    short: bool,
    full: FullAccounts,
}

impl<'a> Tried<'a> {
    /// Nobody is left to be asked. `named`: the client named the model.
    fn given_up(self, failure: FailureKind, named: bool, log: &mut Log) -> Result<Response<'a>, Refusal> {
        if let Some((id, got)) = self.unfit {
            log.served_by(id);
            return Ok(got);
        }
        let Some(last) = &self.last else {
            return Err(match (self.short, self.full.was_any()) {
                (true, _) => Refusal::short(),
                (false, true) => Refusal::full(failure.retry_after_ms()),
                (false, false) => Refusal::upstream(failure, None, named),
            });
        };
        let said = last.reply.as_deref().filter(|_| last.kind == failure);
        Err(Refusal::upstream(failure, said, named))
    }
}

impl Response<'_> {
    fn is_unfit(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_unfit,
            Self::Stream { begun, .. } => begun.is_unfit,
        }
    }
}

/// Why a target is not called after all.
pub(crate) enum NotCalled {
    /// Its breaker, its cooldown or its provider's account holds it for a time, or there is no retry left for it.
    Held(Refused),
    /// The request cannot be said in its API.
    Unrepresentable(Broken),
}

/// The field that refers to a conversation which a provider keeps.
fn kept_by_provider(client: Format, fields: &Fields<'_>) -> Option<&'static str> {
    let given = |name: &&str| fields.get(name).is_some_and(|value| value != "null");
    ["previous_response_id", "conversation"].into_iter().find(given).filter(|_| client == Format::OpenaiResponses)
}

/// A target that may be called now.
pub(crate) struct Admitted<'a> {
    pub(crate) id: TargetId,
    pub(crate) target: &'a Target,
    pub(crate) upstream: &'a Upstream,
    pub(crate) state: Arc<TargetState>,
    pub(crate) in_flight: InFlight,
}

impl Admitted<'_> {
    /// A call to it failed.
    pub(crate) fn failed(&self, now_ms: u64, kind: FailureKind) {
        if self.state.on_failure(now_ms, kind) {
            tracing::warn!(
                provider = self.target.provider.as_str(),
                model = self.target.model.as_str(),
                "breaker opened"
            );
        }
    }

    /// The provider's limits, within the request's own.
    pub(crate) fn timeouts(&self, now_ms: u64, deadline_ms: u64) -> Timeouts {
        let left = Duration::from_millis(deadline_ms.saturating_sub(now_ms));
        Timeouts { total: self.upstream.timeouts.total.min(left), ..self.upstream.timeouts }
    }
}

/// Waits until the record is on disk, where the sink promises that; the client is told when it is not.
async fn recorded(held: Option<Held>, headers: &mut HeaderMap) {
    if let Some(held) = held
        && !held.await
    {
        headers::unrecorded(headers);
    }
}

async fn whole_reply(whole: Whole, log: &mut Log) -> Reply {
    log.hear(&whole.body);
    let money = log.settle(&whole.usage, whole.estimated);
    let (cost, details) = money.as_json();
    let known = whole.usage_json.as_deref().and_then(|usage| std::str::from_utf8(usage).ok());
    let usage = known.or_else(|| tierway_wire::usage_in(&whole.body));
    let priced = usage.and_then(|usage| tierway_wire::with_cost(&whole.body, usage, &cost, &details));
    let mut headers = headers::passed_on(&whole.headers);
    log.head(&mut headers);
    headers::money(&mut headers, money);
    log.note(|record| record.finish = whole.finish.into());
    recorded(log.finish(CallStatus::Answered, 200), &mut headers).await;
    Reply { status: StatusCode::OK, headers, body: priced.map_or(whole.body, Bytes::from).into() }
}

fn stream_reply(
    begun: StartedStream,
    to: Admitted<'_>,
    (input_tokens, deadline_ms): (Estimate, u64),
    continuation: Option<Box<Continuation>>,
    log: &mut Log,
) -> Reply {
    let mut headers = headers::passed_on(&begun.headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    log.note_first_byte();
    log.head(&mut headers);
    let timeouts = to.timeouts(log.monotonic_ms(), deadline_ms);
    let input_tokens = to.target.limits.vocabulary.tokens(input_tokens);
    let relay = Relay::new(begun, log.hand_over(), to.in_flight, timeouts, input_tokens, continuation);
    Reply { status: StatusCode::OK, headers, body: ReplyBody::Stream(Box::new(relay)) }
}
