//! The call record in the making. Whatever happens to a request, its record is offered exactly once: by
//! [`Log::finish`], or by dropping it, which is what a client that goes away does to everything on its stack.

use crate::account::Hold;
use crate::call::{Call, Purpose};
use crate::cut_off::CutOff;
use crate::deciding::Decided;
use crate::headers;
use crate::journal;
use crate::seam::Held;
use crate::sessions::SessionKey;
use crate::setup::Ground;
use crate::tariff::{Tariff, counterfactual, of_whole, price_of};
use crate::witness::Listening;
use http::HeaderMap;
use std::fmt::Write;
use std::sync::Arc;
use tierway_decide::savings;
use tierway_decide::{
    Attempt, AttemptEnd, CallRecord, CallStatus, Complexity, MAX_TIERS, Name, Prediction, Reason, RequestId, Target,
    TargetId, TaskType, TierId, ToSmolStr, Usd,
};
use tierway_wire::{Context, Format, Outline, ServiceTier, Usage};

/// Stands for the target of a request that names a model on no tier.
pub(crate) const FOREIGN: TargetId = TargetId { tier: TierId(u8::MAX), index: 0 };

/// The record of one request, open until it is finished or dropped.
pub(crate) struct Log {
    record: Option<Box<CallRecord>>,
    ground: Arc<Ground>,
    started_ms: u64,
    running: Option<Running>,
    /// A call beside it, while two are under way.
    beside: Option<Running>,
    /// What was charged for some attempt is an estimate.
    guessed: bool,
    carried_tokens: u64,
    /// A model that is on no tier, when the request names one.
    foreign: Option<Arc<Target>>,
    session: Option<SessionKey>,
    served: Option<TargetId>,
    /// There was a choice of tier, so that there is something to compare with.
    routed: bool,
    /// The answer, where somebody wants to see it.
    listening: Option<Box<Listening>>,
    /// What is reserved for the request, and how much money of it.
    hold: Option<(Box<dyn Hold>, Usd)>,
    /// The dearest tier that the caller's account still pays for, in words.
    stepped_down: Option<String>,
}

/// The upstream call in progress.
struct Running {
    target: TargetId,
    started_ms: u32,
    /// What it will be charged for if it ends now, by our estimate.
    spent: Usage,
}

impl Running {
    /// The provider has read the prompt, and said nothing yet.
    fn new(target: TargetId, started_ms: u32, input_tokens: u32) -> Self {
        let spent = Usage { input_tokens: input_tokens.into(), ..Usage::default() };
        Self { target, started_ms, spent }
    }
}

impl Log {
    pub(crate) fn open(ground: Arc<Ground>, id: RequestId, format: Format) -> Self {
        let started_ms = ground.clock.monotonic_ms();
        Self {
            record: Some(Box::new(blank(id, format))),
            ground,
            started_ms,
            running: None,
            beside: None,
            guessed: false,
            carried_tokens: 0,
            foreign: None,
            session: None,
            served: None,
            routed: true,
            listening: None,
            hold: None,
            stepped_down: None,
        }
    }

    /// The log as a value of its own; the one left behind is empty and offers nothing.
    pub(crate) fn hand_over(&mut self) -> Self {
        Self {
            record: self.record.take(),
            ground: self.ground.clone(),
            started_ms: self.started_ms,
            running: self.running.take(),
            beside: self.beside.take(),
            guessed: self.guessed,
            carried_tokens: self.carried_tokens,
            foreign: self.foreign.clone(),
            session: self.session,
            served: self.served,
            routed: self.routed,
            listening: self.listening.take(),
            hold: self.hold.take(),
            stepped_down: self.stepped_down.clone(),
        }
    }

    /// Said when streams have to say their last words.
    pub(crate) fn cut_off(&self) -> &CutOff {
        &self.ground.cut_off
    }

    /// Changes the record, which is there unless it was handed over.
    pub(crate) fn note(&mut self, change: impl FnOnce(&mut CallRecord)) {
        if let Some(record) = &mut self.record {
            change(record);
        }
    }

    pub(crate) fn asked(&mut self, outline: &Outline<'_>, service_tier: ServiceTier) {
        self.note(|record| {
            record.asked_service_tier = service_tier;
            record.stream = outline.stream;
            record.requested_model = outline.requested_model.as_ref().into();
            if let Some(user) = outline.user.as_ref().filter(|_| record.user.is_empty()) {
                record.user = user.as_ref().into();
            }
        });
    }

    /// Notes a decision. What only the record wants of it goes over.
    pub(crate) fn decided(&mut self, decided: &mut Decided) {
        self.foreign.clone_from(&decided.foreign);
        self.session = Some(decided.session_key);
        let decision = &mut decided.decision;
        let ground = self.ground.clone();
        let tiers = ground.setup.table.ladder().tiers();
        let name = |tier: TierId| tiers.get(usize::from(tier.0)).map(|tier| tier.name.clone()).unwrap_or_default();
        self.note(|record| {
            record.tier = name(decision.tier);
            record.raised_from = decision.raised_from.map(name).unwrap_or_default();
            record.reason = decision.reason.clone();
            record.rejected = std::mem::take(&mut decision.rejected);
            record.prediction = decision.prediction;
            record.table_version = ground.setup.table.version();
            if record.session.is_empty() {
                record.session = decided.session_key.to_smolstr();
            }
            record.features = std::mem::take(&mut decided.features);
            record.decide_us = u32::try_from(decided.decide_us).unwrap_or(u32::MAX);
        });
    }

    /// Keeps the answer of a decided request, if somebody wants to see it.
    pub(crate) fn listen(&mut self, call: &Call) {
        let Some(witness) = self.ground.witness.as_ref().filter(|_| call.purpose == Purpose::Client) else { return };
        let wanted = self.record.as_ref().and_then(|record| witness.wants(record));
        self.listening = wanted.map(|wanted| Box::new(Listening::new(wanted, call)));
    }

    /// More of the answer goes to the client.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        if let Some(listening) = &mut self.listening {
            listening.hear(bytes);
        }
    }

    /// A request that is not routed: there is nothing to save, so the counterfactuals are what it costs.
    pub(crate) fn unrouted(&mut self, format: &'static str) {
        self.routed = false;
        self.note(|record| record.format = Name::new_static(format));
    }

    pub(crate) fn elapsed_ms(&self) -> u32 {
        u32::try_from(self.ground.clock.monotonic_ms().saturating_sub(self.started_ms)).unwrap_or(u32::MAX)
    }

    /// An upstream call begins, with a prompt of so many tokens by our estimate.
    pub(crate) fn attempt_begins(&mut self, target: TargetId, input_tokens: u32, adapted: Vec<String>) {
        self.running = Some(Running::new(target, self.elapsed_ms(), input_tokens));
        self.note(|record| record.adapted = adapted);
    }

    /// Another one begins beside it.
    pub(crate) fn attempt_begins_beside(&mut self, target: TargetId, input_tokens: u32) {
        self.beside = Some(Running::new(target, self.elapsed_ms(), input_tokens));
    }

    /// So much was used by the call in progress, should it end now.
    pub(crate) const fn spends(&mut self, usage: Usage) {
        if let Some(running) = &mut self.running {
            running.spent = usage;
        }
    }

    /// So much more was paid for a model's opinion. `guessed`: that is our estimate.
    pub(crate) fn opinion_cost(&mut self, more: Usd, guessed: bool) {
        self.guessed |= guessed;
        self.note(|record| record.classifier_paid += more);
    }

    /// The call to this target ended; one beside it goes on. `guessed`: the usage is our estimate.
    pub(crate) fn one_ends(&mut self, target: TargetId, end: AttemptEnd, usage: Usage, guessed: bool) {
        self.guessed |= guessed;
        let mut other = self.beside.take();
        if self.running.as_ref().is_some_and(|running| running.target != target) {
            std::mem::swap(&mut self.running, &mut other);
        }
        self.attempt_ends(end, usage);
        self.running = other;
    }

    /// The first content is about to leave.
    pub(crate) fn note_first_byte(&mut self) {
        let elapsed = self.elapsed_ms();
        self.note(|record| record.first_byte_ms = Some(elapsed));
    }

    pub(crate) fn id(&self) -> RequestId {
        self.record.as_ref().map_or(RequestId::from_i64(0), |record| record.id)
    }

    /// What translating the answer of this request needs to know.
    pub(crate) fn context(&self, usage_wanted: bool) -> Context {
        let created_s = u64::try_from(self.unix_ms() / 1000).unwrap_or(0);
        Context { request_id: self.id().to_string(), created_s, usage_wanted, ..Context::default() }
    }

    pub(crate) fn monotonic_ms(&self) -> u64 {
        self.ground.clock.monotonic_ms()
    }

    /// So many tokens of the answer came from targets that did not finish it, and stand in the prompt of the next one.
    pub(crate) const fn carry(&mut self, tokens: u64) {
        self.carried_tokens = tokens;
    }

    /// The usage of the whole answer, when the last target reports this for its part.
    pub(crate) const fn with_carried(&self, usage: &Usage) -> Usage {
        of_whole(usage, self.carried_tokens)
    }

    pub(crate) fn unix_ms(&self) -> i64 {
        self.ground.clock.unix_ms()
    }

    /// Sets the headers that tell the client what was decided, as far as it is known.
    pub(crate) fn head(&self, headers: &mut HeaderMap) {
        if let Some(record) = &self.record {
            headers::decision(headers, record, self.running.is_some());
        }
        if let Some((hold, _)) = &self.hold {
            hold.head(headers);
        }
        if let Some(told) = &self.stepped_down {
            headers::stepped_down(headers, told);
        }
    }

    /// The upstream call in progress ended. Usage is what the provider reported; nothing when it reported none.
    pub(crate) fn attempt_ends(&mut self, end: AttemptEnd, usage: Usage) {
        let Some(running) = self.running.take() else { return };
        let now = self.elapsed_ms();
        let target = self.target(running.target);
        let attempt = Attempt {
            tier: self.tier_name(running.target),
            provider: target.provider.clone(),
            model: target.model.clone(),
            started_ms: running.started_ms,
            took_ms: now.saturating_sub(running.started_ms),
            end,
            usage,
            paid: price_of(target, &usage, self.id().unix_ms()),
        };
        self.note(|record| {
            // Nearly always the only one; a vector that grows by itself begins with room for four, a kilobyte.
            record.attempts.reserve_exact(1);
            record.attempts.push(attempt);
        });
    }

    /// The calls in progress are given up. Providers charge for what they had read and said by then.
    pub(crate) fn calls_end(&mut self) {
        if let Some((beside, spent)) = self.beside.as_ref().map(|beside| (beside.target, beside.spent)) {
            self.one_ends(beside, AttemptEnd::Cancelled, spent, true);
        }
        if let Some(spent) = self.running.as_ref().map(|running| running.spent) {
            self.guessed = true;
            self.attempt_ends(AttemptEnd::Cancelled, spent);
        }
    }

    fn target(&self, id: TargetId) -> &Target {
        self.ground.setup.target(id, self.foreign.as_ref())
    }

    fn tier_name(&self, id: TargetId) -> Name {
        if id == FOREIGN { Name::default() } else { self.ground.setup.table.ladder().tier(id.tier).name.clone() }
    }

    /// The answer that goes to the client comes from this target.
    pub(crate) fn served_by(&mut self, id: TargetId) {
        self.served = Some(id);
        let target = self.target(id);
        let (tier, provider, model) = (self.tier_name(id), target.provider.clone(), target.model.clone());
        self.note(|record| {
            record.served_tier = tier;
            record.provider = provider;
            record.served_model = model;
        });
    }

    /// It broke before anything of it went to the client.
    pub(crate) fn served_by_nobody(&mut self) {
        self.served = None;
        self.note(|record| {
            record.served_tier = Name::default();
            record.provider = Name::default();
            record.served_model = Name::default();
        });
    }

    /// What the request will have cost if the call in progress ends with this usage.
    pub(crate) fn money_if(&self, usage: &Usage) -> Money {
        let target = self.running.as_ref().map(|running| self.target(running.target));
        target
            .and_then(|target| self.tariff(&self.ground, target))
            .map(|tariff| tariff.money(usage))
            .unwrap_or_default()
    }

    /// The prices of a call to this target, for while it is under way; none where nothing is recorded.
    pub(crate) fn tariff<'a>(&self, ground: &'a Ground, target: &'a Target) -> Option<Tariff<'a>> {
        let record = self.record.as_ref()?;
        let before = savings::paid(&record.attempts).map(|paid| paid + record.classifier_paid);
        let (carried_tokens, unix_ms) = (self.carried_tokens, record.id.unix_ms());
        let asked = record.asked_service_tier;
        Some(Tariff { ground, target, before, carried_tokens, unix_ms, asked })
    }

    /// The usage of the answer that was served, and with it the money.
    pub(crate) fn settle(&mut self, usage: &Usage, estimated: bool) -> Money {
        if let (Some(key), Some(target)) = (self.session, self.served.filter(|target| *target != FOREIGN)) {
            let tokens = usage.input_tokens + usage.output_tokens;
            let now = self.ground.clock.monotonic_ms();
            self.ground.setup.sessions.remember(key, target, tokens, now);
        }
        let asked = self.asked_service_tier();
        let (baseline, cheapest) = counterfactual(&self.ground, usage, asked, self.id().unix_ms());
        let mut money = Money::default();
        let (routed, guessed) = (self.routed, self.guessed);
        self.note(|record| {
            record.usage = *usage;
            record.usage_estimated = estimated || guessed;
            record.paid = savings::paid(&record.attempts);
            // Nobody would have made the router's own calls without a router: all of their cost is a loss.
            let own = savings::is_own(&record.reason).then_some(Some(Usd::ZERO));
            record.baseline = own.unwrap_or(if routed { baseline } else { record.paid });
            record.cheapest = own.unwrap_or(if routed { cheapest } else { record.paid });
            money = Money { paid: record.paid_in_all(), baseline: record.baseline, estimated };
        });
        money
    }

    /// The end user, as the application named it.
    pub(crate) fn user(&self) -> &str {
        self.record.as_ref().map_or("", |record| &record.user)
    }

    pub(crate) fn asked_service_tier(&self) -> ServiceTier {
        self.record.as_ref().map_or(ServiceTier::Standard, |record| record.asked_service_tier)
    }

    pub(crate) fn stepped_down(&mut self, told: &str) {
        self.stepped_down = Some(told.to_owned());
    }

    /// So much is reserved for the request, until its record is closed.
    pub(crate) fn hold(&mut self, hold: Box<dyn Hold>, amount: Usd) {
        self.hold = Some((hold, amount));
    }

    pub(crate) const fn holds(&self) -> bool {
        self.hold.is_some()
    }

    /// Whether what is reserved pays for another call of this worst case, or can be made to.
    pub(crate) async fn affords(&mut self, worst: Usd) -> bool {
        let attempts = self.record.iter().flat_map(|record| &record.attempts);
        let before: Usd = attempts.filter_map(|attempt| attempt.paid).sum();
        let asking = self.record.as_ref().map_or(Usd::ZERO, |record| record.classifier_paid);
        let Some((hold, amount)) = &mut self.hold else { return true };
        let more = before + asking + worst - *amount;
        if more <= Usd::ZERO {
            return true;
        }
        let extended = hold.extend(more).await;
        if extended {
            *amount += more;
        }
        extended
    }

    /// What was reserved goes back, but for what the request cost.
    fn settle_account(&mut self, record: &CallRecord) {
        let Some((hold, _)) = self.hold.take() else { return };
        let attempts: Usd = record.attempts.iter().filter_map(|attempt| attempt.paid).sum();
        let tokens = record.attempts.iter().map(|attempt| attempt.usage.input_tokens + attempt.usage.output_tokens);
        hold.settle(attempts + record.classifier_paid, tokens.sum());
    }

    /// Closes the record before the last bytes of the reply go out. They are held back for what is returned.
    pub(crate) fn finish(&mut self, status: CallStatus, http_status: u16) -> Option<Held> {
        let mut record = self.record.take()?;
        let total_ms = self.elapsed_ms();
        // Failed attempts may have been billed too, and a request that failed altogether was never settled.
        record.paid = savings::paid(&record.attempts);
        record.usage_estimated |= self.guessed;
        self.settle_account(&record);
        (record.status, record.http_status, record.total_ms) = (status, http_status, total_ms);
        if let (Some(listening), Some(witness)) = (self.listening.take(), &self.ground.witness)
            && status == CallStatus::Answered
            && let Some(seen) = listening.seen(&record)
        {
            witness.hear(seen);
        }
        journal::note(&record);
        self.ground.sink.offer_before_end(record)
    }
}

impl Drop for Log {
    /// Dropped before its end: the client went away, and the upstream call with it.
    fn drop(&mut self) {
        if self.record.is_none() {
            return;
        }
        // Between two calls: what the client has by then.
        let noted = self.record.as_ref().map(|record| record.usage).unwrap_or_default();
        let usage = self.running.as_ref().map_or(noted, |running| running.spent);
        self.calls_end();
        self.settle(&self.with_carried(&usage), true);
        let total_ms = self.elapsed_ms();
        self.note(|record| {
            record.status = CallStatus::Cancelled;
            // What nginx writes for a client that closed its connection.
            record.http_status = 499;
            record.total_ms = total_ms;
        });
        if let Some(record) = self.record.take() {
            self.settle_account(&record);
            journal::note(&record);
            self.ground.sink.offer(record);
        }
    }
}

/// What is known of a request's money, the classifier's included; none where a price is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Money {
    pub(crate) paid: Option<Usd>,
    pub(crate) baseline: Option<Usd>,
    /// The usage behind it is our estimate: the provider told none.
    pub(crate) estimated: bool,
}

impl Money {
    /// Dollars as JSON numbers: the value of `usage.cost`, and the object for `usage.cost_details`. Unknown is null.
    pub(crate) fn as_json(&self) -> (String, String) {
        let saved = self.baseline.zip(self.paid).map(|(baseline, paid)| baseline - paid);
        let mut details = String::with_capacity(96);
        details.push_str("{\"baseline_cost\":");
        push_number(&mut details, self.baseline);
        details.push_str(",\"saved\":");
        push_number(&mut details, saved);
        details.push_str(if self.estimated { ",\"estimated\":true}" } else { "}" });
        let mut cost = String::with_capacity(24);
        push_number(&mut cost, self.paid);
        (cost, details)
    }
}

fn push_number(out: &mut String, amount: Option<Usd>) {
    // Writing to memory cannot fail.
    let _ = match amount {
        Some(amount) => write!(out, "{amount}"),
        None => out.write_str("null"),
    };
}

pub(crate) fn blank(id: RequestId, format: Format) -> CallRecord {
    CallRecord {
        id,
        key: Name::default(),
        team: Name::default(),
        user: Name::default(),
        session: Name::default(),
        format: Name::new_static(format.name()),
        stream: false,
        requested_model: Name::default(),
        tier: Name::default(),
        served_tier: Name::default(),
        provider: Name::default(),
        served_model: Name::default(),
        reason: Reason::Default,
        raised_from: Name::default(),
        rejected: Vec::new(),
        prediction: no_prediction(),
        features: Vec::new(),
        table_version: 0,
        adapted: Vec::new(),
        attempts: Vec::new(),
        usage: Usage::default(),
        asked_service_tier: ServiceTier::Standard,
        usage_estimated: false,
        paid: Some(Usd::ZERO),
        classifier_paid: Usd::ZERO,
        baseline: Some(Usd::ZERO),
        cheapest: Some(Usd::ZERO),
        http_status: 0,
        status: CallStatus::Refused,
        finish: Name::default(),
        first_byte_ms: None,
        total_ms: 0,
        decide_us: 0,
    }
}

/// What stands in a record of a request that was refused before it was looked at.
pub(crate) const fn no_prediction() -> Prediction {
    Prediction {
        p_ok: [0.0; MAX_TIERS],
        score_strong: 0.0,
        complexity: Complexity::Medium,
        task_type: TaskType::Other,
        novelty: 0.0,
        abstain: None,
        output_tokens: [0.0; MAX_TIERS],
        calibrated: false,
    }
}
