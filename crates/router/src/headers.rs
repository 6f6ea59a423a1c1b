//! What the client is told beside the answer.

use crate::log::{Log, Money};
use crate::reply::Reply;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use std::fmt::{Display, Write};
use tierway_decide::{CallRecord, Decision, Ladder, Target};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-tierway-request-id");
const TIER: HeaderName = HeaderName::from_static("x-tierway-tier");
const MODEL: HeaderName = HeaderName::from_static("x-tierway-model");
const REASON: HeaderName = HeaderName::from_static("x-tierway-reason");
const COMPLEXITY: HeaderName = HeaderName::from_static("x-tierway-complexity");
const TASK_TYPE: HeaderName = HeaderName::from_static("x-tierway-task-type");
/// Whether the thresholds behind the decision were proven on the operator's own outcomes.
const CALIBRATED: HeaderName = HeaderName::from_static("x-tierway-calibrated");
const COST: HeaderName = HeaderName::from_static("x-tierway-cost-usd");
const BASELINE: HeaderName = HeaderName::from_static("x-tierway-baseline-usd");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-tierway-attempts");
const RECORD: HeaderName = HeaderName::from_static("x-tierway-record");
const BUDGET: HeaderName = HeaderName::from_static("x-tierway-budget");
const ADAPTED: HeaderName = HeaderName::from_static("x-tierway-adapted");

/// Headers of a provider that mean something to a client: its limits and its own request id.
const PASSED_ON: [&str; 3] = ["x-ratelimit-", "anthropic-ratelimit-", "openai-processing-ms"];

/// The provider's headers that are passed on, and its request id under a name of its own.
pub(crate) fn passed_on(provider: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(24);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in provider {
        if PASSED_ON.iter().any(|prefix| name.as_str().starts_with(prefix)) {
            headers.append(name.clone(), value.clone());
        }
    }
    if let Some(id) = provider.get("x-request-id").or_else(|| provider.get("request-id")) {
        headers.insert(HeaderName::from_static("x-tierway-provider-request-id"), id.clone());
    }
    headers
}

/// Writes header values into one buffer, of which each is a part.
pub(crate) struct HeaderWriter<'h> {
    headers: &'h mut HeaderMap,
    buffer: BytesMut,
}

impl<'h> HeaderWriter<'h> {
    pub(crate) fn new(headers: &'h mut HeaderMap) -> Self {
        Self { headers, buffer: BytesMut::with_capacity(256) }
    }

    /// A header value of this text; none when no header can carry it.
    fn write(&mut self, value: impl Display) -> Option<HeaderValue> {
        // Writing to memory cannot fail.
        let _ = write!(self.buffer, "{value}");
        HeaderValue::from_maybe_shared(self.buffer.split().freeze()).ok()
    }

    /// Sets a header from text that may not be fit for one: what cannot be carried is left out, a client never gets a
    /// broken header.
    pub(crate) fn set(&mut self, name: HeaderName, value: impl Display) {
        if let Some(value) = self.write(value) {
            self.headers.insert(name, value);
        }
    }
}

/// What was decided and who served, as far as the record knows it.
/// `is_running`: a call whose attempt is not in the record yet.
pub(crate) fn decision(headers: &mut HeaderMap, record: &CallRecord, is_running: bool) {
    let mut pen = HeaderWriter::new(headers);
    if let Some(id) = pen.write(record.id) {
        // The names under which the official SDKs show the id.
        pen.headers.insert(HeaderName::from_static("x-request-id"), id.clone());
        pen.headers.insert(HeaderName::from_static("request-id"), id.clone());
        pen.headers.insert(REQUEST_ID, id);
    }
    // A stream of a model that the request named has neither a tier nor, yet, an attempt.
    if record.tier.is_empty() && record.attempts.is_empty() && record.served_model.is_empty() {
        return;
    }
    let served = if record.served_tier.is_empty() { &record.tier } else { &record.served_tier };
    if !served.is_empty() {
        pen.set(TIER, served);
    }
    if !record.served_model.is_empty() {
        pen.set(MODEL, format_args!("{}/{}", record.provider, record.served_model));
    }
    pen.set(REASON, record.reason.summary());
    pen.headers.insert(COMPLEXITY, HeaderValue::from_static(record.prediction.complexity.name()));
    pen.headers.insert(TASK_TYPE, HeaderValue::from_static(record.prediction.task_type.name()));
    let calibrated = if record.prediction.calibrated { "true" } else { "false" };
    pen.headers.insert(CALIBRATED, HeaderValue::from_static(calibrated));
    pen.set(ATTEMPTS, record.attempts.len() + usize::from(is_running));
    if !record.adapted.is_empty() {
        pen.set(ADAPTED, record.adapted.join("; "));
    }
}

/// The caller's budget bounds the tier.
pub(crate) fn stepped_down(headers: &mut HeaderMap, told: &str) {
    HeaderWriter::new(headers).set(BUDGET, told);
}

/// What it cost, and what the baseline would have cost; left out where unknown.
pub(crate) fn money(headers: &mut HeaderMap, money: Money) {
    let mut pen = HeaderWriter::new(headers);
    if let Some(paid) = money.paid {
        pen.set(COST, paid);
    }
    if let Some(baseline) = money.baseline {
        pen.set(BASELINE, baseline);
    }
}

/// The reply to a request that only wants to know where it would go: to `first`, while that is well.
pub(crate) fn dry_run(decision: &Decision, first: Option<&Target>, ladder: &Ladder, log: &mut Log) -> Reply {
    let tier = |id: tierway_decide::TierId| ladder.tiers().get(usize::from(id.0)).map(|tier| tier.name.as_str());
    let targets: Vec<_> = decision
        .targets
        .iter()
        .filter(|id| tier(id.tier).is_some())
        .map(|id| {
            let target = ladder.target(*id);
            json!({"tier": tier(id.tier), "provider": target.provider, "model": target.model})
        })
        .collect();
    let prediction = &decision.prediction;
    let body = json!({
        "object": "tierway.decision",
        "tier": tier(decision.tier),
        "reason": decision.reason.summary(),
        "complexity": prediction.complexity.name(),
        "task_type": prediction.task_type.name(),
        "score_strong": prediction.score_strong,
        "p_ok": prediction.p_ok[..ladder.tiers().len()],
        "abstained": prediction.abstain.is_some(),
        "calibrated": prediction.calibrated,
        "targets": targets,
    });
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    log.head(&mut headers);
    if let Some(target) = first {
        HeaderWriter::new(&mut headers).set(MODEL, format_args!("{}/{}", target.provider, target.model));
    }
    Reply { status: StatusCode::OK, headers, body: Bytes::from(body.to_string()).into() }
}

/// The answer goes out although its record is not on disk, and the config promised to wait.
pub(crate) fn unrecorded(headers: &mut HeaderMap) {
    headers.insert(RECORD, HeaderValue::from_static("pending"));
}
