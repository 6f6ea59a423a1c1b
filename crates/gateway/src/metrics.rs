//! `/metrics` for Prometheus: counters of what went through, gauges of how things are. Labels are bounded: tiers, providers,
//! models of the ladder, statuses, names of who has a budget. Never text, ids or keys.

use crate::app::{App, with_type};
use crate::body::Active;
use crate::exposition;
use http::{HeaderMap, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tierway::Reply;
use tierway_decide::quality::{CellSummary, Interval};
use tierway_decide::{AttemptEnd, CallRecord, CallStatus, Usd, savings};

/// Label names and values of one series.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Labels<const N: usize>([(&'static str, String); N]);

impl<const N: usize> EncodeLabelSet for Labels<N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        self.0.as_slice().encode(encoder)
    }
}

fn labels<const N: usize>(labels: [(&'static str, &str); N]) -> Labels<N> {
    Labels(labels.map(|(name, value)| (name, value.to_owned())))
}

type Dollars = Counter<f64, AtomicU64>;

/// Tier that served, tier that was decided, provider, model, API, status, reason: what the series of a request depend on.
type Route<'a> = [&'a str; 7];

/// The series of one route.
#[derive(Clone)]
struct RouteSeries {
    requests: Counter,
    decisions: Counter,
    tokens: [Counter; 4],
    paid: Dollars,
    total: Histogram,
    first_byte: Histogram,
}

/// Series that were looked up before, by the texts that they depend on: one look-up for a request in place of ten, and no
/// label is copied.
struct Known<T>(RwLock<HashMap<String, Arc<T>>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

/// Routes and outcomes that are told apart: tiers, APIs and ends multiply. Beyond this, models count together.
const MOST_KNOWN: usize = 4_096;
/// Clients may name any model of a provider: beyond this many series, those that serve no tier count together.
pub(crate) const MOST_FOREIGN: usize = 128;
/// Stands for the models that are not told apart.
const OTHER: &str = "(other)";

impl<T> Known<T> {
    /// `model_at`: which of the texts is the model; `most`: series before its model is not told apart.
    fn find<'t, const N: usize>(
        &self,
        texts: &[&'t str; N],
        model_at: usize,
        most: usize,
        look_up: impl FnOnce(&[&'t str; N]) -> T,
    ) -> Arc<T> {
        let known = |key: &str| self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        let mut key = key(texts);
        if let Some(found) = known(&key) {
            return found;
        }
        let mut texts = *texts;
        if self.0.read().unwrap_or_else(PoisonError::into_inner).len() >= most {
            texts[model_at] = OTHER;
            key = self::key(&texts);
        }
        known(&key).unwrap_or_else(|| {
            let found = Arc::new(look_up(&texts));
            self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
            found
        })
    }
}

fn key<const N: usize>(texts: &[&str; N]) -> String {
    let mut key = String::with_capacity(128);
    for text in texts {
        key.push_str(text);
        key.push('\0');
    }
    key
}

/// All series of this process, shared by its workers.
pub(crate) struct Metrics {
    registry: Registry,
    routes: Known<RouteSeries>,
    outcomes: Known<Counter>,
    requests: Family<Labels<4>, Counter>,
    decisions: Family<Labels<2>, Counter>,
    tokens: Family<Labels<3>, Counter>,
    paid: Family<Labels<3>, Dollars>,
    baseline: Dollars,
    unpriced: Counter,
    upstream: Family<Labels<3>, Counter>,
    refused: Family<Labels<1>, Counter>,
    unconfirmed: Counter,
    total: Family<Labels<1>, Histogram>,
    first_byte: Family<Labels<1>, Histogram>,
    decide: Histogram,
    active: Gauge,
    /// Requests in progress, by worker.
    workers: RwLock<Vec<Active>>,
    /// Held while a page is made.
    page: Mutex<()>,
    targets: Family<Labels<3>, Gauge>,
    ledger: Family<Labels<1>, Gauge>,
    samples: Family<Labels<1>, Counter>,
    quality_paid: Dollars,
    quality_alarms: Counter,
    held_cells: Gauge,
    quality_share: Family<Labels<1>, Gauge<f64, AtomicU64>>,
    quality_verdicts: Gauge,
    budgets: Family<Labels<3>, Gauge<f64, AtomicU64>>,
    over_budget: Family<Labels<2>, Counter>,
    budget_alarms: Family<Labels<3>, Counter>,
    shared_up: Gauge,
    reloads: Family<Labels<1>, Counter>,
    shared_replicas: Gauge,
    accounts: Family<Labels<2>, Gauge>,
}

/// 10 ms doubling to 82 s, as the GenAI semantic conventions advise.
pub(crate) const SECONDS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("tierway"),
            routes: Known::default(),
            outcomes: Known::default(),
            requests: Family::default(),
            decisions: Family::default(),
            tokens: Family::default(),
            paid: Family::default(),
            baseline: Dollars::default(),
            unpriced: Counter::default(),
            upstream: Family::default(),
            refused: Family::default(),
            unconfirmed: Counter::default(),
            total: Family::new_with_constructor(seconds),
            first_byte: Family::new_with_constructor(seconds),
            decide: Histogram::new(exponential_buckets(0.000_002, 2.0, 14)),
            active: Gauge::default(),
            workers: RwLock::default(),
            page: Mutex::default(),
            targets: Family::default(),
            ledger: Family::default(),
            samples: Family::default(),
            quality_paid: Dollars::default(),
            quality_alarms: Counter::default(),
            held_cells: Gauge::default(),
            quality_share: Family::default(),
            quality_verdicts: Gauge::default(),
            budgets: Family::default(),
            over_budget: Family::default(),
            budget_alarms: Family::default(),
            shared_up: Gauge::default(),
            reloads: Family::default(),
            shared_replicas: Gauge::default(),
            accounts: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// Of a process that shares limits and budgets with others: an alert on `shared_up` is for nobody else.
    pub(crate) fn sharing() -> Self {
        let mut metrics = Self::default();
        let up = "1 while limits and budgets are shared with all replicas, 0 while this one goes on alone";
        metrics.registry.register("shared_up", up, metrics.shared_up.clone());
        let replicas = "Replicas, as they were last counted";
        metrics.registry.register("shared_replicas", replicas, metrics.shared_replicas.clone());
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Finished requests by tier, model, API and status", self.requests.clone());
        registry.register("decisions", "Decisions by tier and reason", self.decisions.clone());
        registry.register("tokens", "Tokens as providers reported them", self.tokens.clone());
        registry.register("cost_usd", "Paid, all attempts and the classifier included", self.paid.clone());
        let baseline = "What the baseline tier would have cost for the calls that were routed and whose price is known";
        registry.register("baseline_usd", baseline, self.baseline.clone());
        registry.register("unpriced_requests", "Requests whose cost is unknown", self.unpriced.clone());
        registry.register("upstream_requests", "Upstream calls by provider, model and outcome", self.upstream.clone());
        registry.register("refused", "Requests refused at the door, by HTTP status", self.refused.clone());
        let unconfirmed = "Answers that went out before their record was on disk, though durability is strict";
        registry.register("unconfirmed_records", unconfirmed, self.unconfirmed.clone());
        let unit = || Unit::Seconds;
        registry.register_with_unit("request_duration", "From request to last byte", unit(), self.total.clone());
        registry.register_with_unit("time_to_first_token", "Streams only", unit(), self.first_byte.clone());
        registry.register_with_unit("decide", "Time it took to decide", unit(), self.decide.clone());
        registry.register("active_requests", "Requests in progress", self.active.clone());
        registry.register("target_healthy", "1 when the target may be called", self.targets.clone());
        registry.register("ledger_records", "Records by what became of them", self.ledger.clone());
        registry.register(
            "quality_samples",
            "Answers that were looked at, by what became of them",
            self.samples.clone(),
        );
        registry.register("quality_cost_usd", "Paid for looking: shadows and judges", self.quality_paid.clone());
        registry.register("quality_alarms", "Times that quality fell below its target", self.quality_alarms.clone());
        let held = "Kinds of work that go to the baseline because their quality fell below the target";
        registry.register("quality_held_cells", held, self.held_cells.clone());
        let share = "Share of the cheaper tiers' answers of the last 30 days that were at least as good as the baseline's, and \
                     between what it lies; absent while none was compared";
        registry.register("quality_share", share, self.quality_share.clone());
        registry.register("quality_verdicts", "Comparisons behind it", self.quality_verdicts.clone());
        let budgets = "Dollars of each budget's window: limit, spent, reserved by requests in progress";
        registry.register("budget_usd", budgets, self.budgets.clone());
        let over = "Requests refused because a budget did not allow their worst case";
        registry.register("over_budget", over, self.over_budget.clone());
        registry.register("budget_alarms", "Budgets that reached a mark, per cent", self.budget_alarms.clone());
        registry.register("config_reloads", "Configs read while serving, by what came of it", self.reloads.clone());
        let accounts = "Requests at provider accounts that have limits: active, waiting for room";
        registry.register("provider_requests", accounts, self.accounts.clone());
    }

    /// Counts the requests of one more worker.
    pub(crate) fn watch(&self, active: Active) {
        self.workers.write().unwrap_or_else(PoisonError::into_inner).push(active);
    }

    /// Counts a request that was refused before the router saw it.
    pub(crate) fn refused(&self, status: u16) {
        self.refused.get_or_create(&Labels([("status", status.to_string())])).inc();
    }

    /// Counts what became of an answer that was to be looked at.
    pub(crate) fn sample(&self, outcome: &'static str) {
        self.samples.get_or_create_owned(&labels([("outcome", outcome)])).inc();
    }

    /// Counts what looking cost.
    pub(crate) fn quality_cost(&self, paid: Usd) {
        self.quality_paid.inc_by(paid.as_f64().max(0.0));
    }

    /// Counts an alarm.
    pub(crate) fn quality_alarm(&self) {
        self.quality_alarms.inc();
    }

    /// How many cells are held now.
    pub(crate) fn held_cells(&self, count: u32) {
        self.held_cells.set(i64::from(count));
    }

    /// What clients got from cheaper tiers, as far as it was compared.
    pub(crate) fn quality_kept(&self, kept: &CellSummary) {
        self.quality_verdicts.set(i64::try_from(kept.verdicts).unwrap_or(i64::MAX));
        let Some(Interval { value, low, high }) = kept.quality else {
            self.quality_share.clear();
            return;
        };
        for (figure, share) in [("value", value), ("low", low), ("high", high)] {
            self.quality_share.get_or_create_owned(&labels([("figure", figure)])).set(share);
        }
    }

    /// Counts a request that a budget did not allow.
    pub(crate) fn over_budget(&self, kind: &'static str, name: &str) {
        self.over_budget.get_or_create(&labels([("kind", kind), ("name", name)])).inc();
    }

    /// Counts a budget that reached a mark.
    pub(crate) fn budget_alarm(&self, kind: &'static str, name: &str, percent: f64) {
        let labels = labels([("kind", kind), ("name", name), ("percent", &percent.to_string())]);
        self.budget_alarms.get_or_create(&labels).inc();
    }

    /// Whether limits and budgets are shared, and with how many replicas.
    pub(crate) fn shared(&self, up: bool, replicas: u32) {
        self.shared_up.set(i64::from(up));
        self.shared_replicas.set(i64::from(replicas));
    }

    /// Counts a config that was read while serving.
    pub(crate) fn reloaded(&self, good: bool) {
        let result = if good { "ok" } else { "failed" };
        self.reloads.get_or_create_owned(&labels([("result", result)])).inc();
    }

    /// Counts an answer that did not wait for its record any longer.
    pub(crate) fn unconfirmed(&self) {
        self.unconfirmed.inc();
    }

    /// Counts a finished request.
    pub(crate) fn record(&self, call: &CallRecord) {
        let tier = if call.served_tier.is_empty() { &call.tier } else { &call.served_tier };
        let (status, reason) = (status(call.status), call.reason.summary());
        let texts = [tier, &call.tier, &call.provider, &call.served_model, &*call.format, status, &*reason];
        let most = if call.tier.is_empty() { MOST_FOREIGN } else { MOST_KNOWN };
        let route = self.routes.find(&texts, 3, most, |texts| self.route(texts));
        route.requests.inc();
        route.decisions.inc();
        let usage = &call.usage;
        let tokens = [usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens];
        for (counter, count) in route.tokens.iter().zip(tokens) {
            counter.inc_by(count);
        }
        match call.paid_in_all() {
            Some(paid) => _ = route.paid.inc_by(paid.as_f64().max(0.0)),
            None => _ = self.unpriced.inc(),
        }
        // Beside costs that are not known, or of calls that were not routed, it would read as saved.
        if let Some(baseline) = call.baseline.filter(|_| savings::saved(call).is_some()) {
            self.baseline.inc_by(baseline.as_f64().max(0.0));
        }
        for attempt in &call.attempts {
            let outcome = outcome(&attempt.end);
            let texts = [&*attempt.provider, &attempt.model, &outcome];
            let series = self.outcomes.find(&texts, 1, most, |[provider, model, outcome]| {
                let told = labels([("provider", provider), ("model", model), ("outcome", outcome)]);
                self.upstream.get_or_create_owned(&told)
            });
            series.inc();
        }
        route.total.observe(f64::from(call.total_ms) / 1e3);
        if let Some(first_byte_ms) = call.first_byte_ms {
            route.first_byte.observe(f64::from(first_byte_ms) / 1e3);
        }
        self.decide.observe(f64::from(call.decide_us) / 1e6);
    }

    /// The series that a request of this route adds to.
    fn route(&self, [tier, decided, provider, model, api, status, reason]: &Route<'_>) -> RouteSeries {
        let requests = [("tier", *tier), ("model", *model), ("api", *api), ("status", *status)];
        let tokens =
            |kind| self.tokens.get_or_create_owned(&labels([("tier", tier), ("model", model), ("type", kind)]));
        RouteSeries {
            requests: self.requests.get_or_create_owned(&labels(requests)),
            decisions: self.decisions.get_or_create_owned(&labels([("tier", *decided), ("reason", *reason)])),
            tokens: ["input", "cached_input", "output", "reasoning"].map(tokens),
            paid: self.paid.get_or_create_owned(&labels([("tier", tier), ("provider", provider), ("model", model)])),
            total: self.total.get_or_create_owned(&labels([("tier", *tier)])),
            first_byte: self.first_byte.get_or_create_owned(&labels([("tier", *tier)])),
        }
    }

    /// The page, with gauges as of now, in the form that these headers ask for.
    pub(crate) fn reply(&self, app: &App, headers: &HeaderMap) -> Reply {
        // What a reload removed is shown no more; two pages at once must not see each other's beginnings.
        let _one = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        self.targets.clear();
        self.budgets.clear();
        self.accounts.clear();
        let workers = self.workers.read().unwrap_or_else(PoisonError::into_inner);
        let active: usize = workers.iter().map(Active::count).sum();
        drop(workers);
        // Without the one that asks for this page.
        self.active.set(i64::try_from(active.saturating_sub(1)).unwrap_or(i64::MAX));
        let live = app.live.load();
        let (setup, now) = (live.router.setup(), live.router.now_ms());
        let ladder = setup.table.ladder();
        for (id, target) in ladder.ids().flat_map(|tier| ladder.targets_of(tier)) {
            let labels = [
                ("tier", ladder.tier(id.tier).name.to_string()),
                ("provider", target.provider.to_string()),
                ("model", target.model.to_string()),
            ];
            self.targets.get_or_create(&Labels(labels)).set(i64::from(setup.state(id).health(now).callable()));
        }
        for (provider, account) in setup.accounts() {
            for (state, count) in [("active", account.active()), ("waiting", account.waiting())] {
                let labels = labels([("provider", provider), ("state", state)]);
                self.accounts.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        for holder in &live.keys.holders {
            let Some((budget, spent, reserved)) = holder.figures() else { continue };
            for (what, amount) in [("limit", budget.limit), ("spent", spent), ("reserved", reserved)] {
                let labels = labels([("kind", holder.kind()), ("name", holder.plain_name()), ("what", what)]);
                self.budgets.get_or_create(&labels).set(amount.as_f64());
            }
        }
        if let Some(store) = &app.store {
            let counters = store.counters();
            for (what, count) in [
                ("accepted", counters.accepted),
                ("written", counters.written),
                ("dropped", counters.dropped),
                ("write_errors", counters.write_errors),
                ("queued", counters.queue_depth),
            ] {
                let gauge = self.ledger.get_or_create(&Labels([("state", what.into())]));
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        let mut page = String::with_capacity(16 * 1024);
        // Writing to a string cannot fail.
        let _ = encode(&mut page, &self.registry);
        let (content_type, page) = exposition::negotiated(page, headers);
        with_type(StatusCode::OK, content_type, page)
    }
}

fn status(status: CallStatus) -> &'static str {
    match status {
        CallStatus::Answered => "answered",
        CallStatus::Failed => "failed",
        CallStatus::Cancelled => "cancelled",
        CallStatus::Refused => "refused",
    }
}

pub(crate) fn outcome(end: &AttemptEnd) -> std::borrow::Cow<'static, str> {
    match end {
        AttemptEnd::Ok => "ok".into(),
        // Answered, and not as was asked.
        AttemptEnd::Http { status: 200, .. } => "unfit".into(),
        AttemptEnd::Http { status, .. } => status.to_string().into(),
        AttemptEnd::Connect => "connect".into(),
        AttemptEnd::FirstByteTimeout => "first_byte_timeout".into(),
        AttemptEnd::Stalled => "stalled".into(),
        AttemptEnd::Cut => "cut".into(),
        AttemptEnd::Garbled => "garbled".into(),
        AttemptEnd::InBand { .. } => "in_band".into(),
        AttemptEnd::Cancelled => "cancelled".into(),
        AttemptEnd::Outrun => "outrun".into(),
        AttemptEnd::Deadline => "deadline".into(),
    }
}
