//! What the client is told beside the answer.

use crate::log::{Log, Money};
use crate::reply::{Reply, set};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tierway_decide::{CallRecord, Decision, Ladder};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-tierway-request-id");
const TIER: HeaderName = HeaderName::from_static("x-tierway-tier");
const MODEL: HeaderName = HeaderName::from_static("x-tierway-model");
const REASON: HeaderName = HeaderName::from_static("x-tierway-reason");
const COMPLEXITY: HeaderName = HeaderName::from_static("x-tierway-complexity");
const TASK_TYPE: HeaderName = HeaderName::from_static("x-tierway-task-type");
const COST: HeaderName = HeaderName::from_static("x-tierway-cost-usd");
const BASELINE: HeaderName = HeaderName::from_static("x-tierway-baseline-usd");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-tierway-attempts");
const RECORD: HeaderName = HeaderName::from_static("x-tierway-record");
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

/// What was decided and who served, as far as the record knows it.
pub(crate) fn decision(headers: &mut HeaderMap, record: &CallRecord) {
    let id = record.id.to_string();
    // The names under which the official SDKs show the id.
    set(headers, HeaderName::from_static("x-request-id"), &id);
    set(headers, HeaderName::from_static("request-id"), &id);
    set(headers, REQUEST_ID, &id);
    if record.tier.is_empty() && record.attempts.is_empty() {
        return;
    }
    let served = if record.served_tier.is_empty() { &record.tier } else { &record.served_tier };
    if !served.is_empty() {
        set(headers, TIER, served);
    }
    if !record.served_model.is_empty() {
        set(headers, MODEL, format_args!("{}/{}", record.provider, record.served_model));
    }
    set(headers, REASON, record.reason.summary());
    headers.insert(COMPLEXITY, HeaderValue::from_static(record.prediction.complexity.name()));
    headers.insert(TASK_TYPE, HeaderValue::from_static(record.prediction.task_type.name()));
    // A stream's running attempt is not in the record yet.
    set(headers, ATTEMPTS, record.attempts.len() + usize::from(record.first_byte_ms.is_some()));
    if !record.adapted.is_empty() {
        set(headers, ADAPTED, record.adapted.join("; "));
    }
}

/// What it cost, and what the baseline would have cost; left out where unknown.
pub(crate) fn money(headers: &mut HeaderMap, money: Money) {
    if let Some(paid) = money.paid {
        set(headers, COST, paid);
    }
    if let Some(baseline) = money.baseline {
        set(headers, BASELINE, baseline);
    }
}

/// The reply to a request that only wants to know where it would go.
pub(crate) fn dry_run(decision: &Decision, ladder: &Ladder, log: &mut Log) -> Reply {
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
    Reply { status: StatusCode::OK, headers, body: Bytes::from(body.to_string()).into() }
}

/// The answer goes out although its record is not on disk, and the config promised to wait.
pub(crate) fn unrecorded(headers: &mut HeaderMap) {
    headers.insert(RECORD, HeaderValue::from_static("pending"));
}
