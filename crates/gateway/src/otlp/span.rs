//! One record as spans: the request as it came, and below it each upstream call.
//!
//! Ids are made of the request's own, so that a trace is found by `x-tierway-request-id` and made again the same.

use super::{attribute, nanos_of, number};
use crate::metrics::outcome;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tierway_decide::{Attempt, AttemptEnd, CallRecord, CallStatus, Chance, RequestId, Usd};

const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const OK: u8 = 1;
const ERROR: u8 = 2;

/// Decides which requests are traced: 32 bits that tell nothing of the time.
pub(super) fn coin(id: RequestId) -> u64 {
    Chance::new(id.as_i64().cast_unsigned()).bits() >> 32
}

/// All spans of a record.
pub(super) fn of(record: &CallRecord, providers: &BTreeMap<String, &'static str>) -> Vec<Value> {
    let mut spans = vec![request(record)];
    let attempts = (1u64..).zip(&record.attempts);
    spans.extend(attempts.map(|(number, attempt)| upstream(record, number, attempt, providers)));
    spans
}

fn trace_id(id: RequestId) -> String {
    let raw = id.as_i64().cast_unsigned();
    format!("{:016x}{raw:016x}", Chance::new(!raw).bits() | 1)
}

/// 0 is the request itself.
fn span_id(id: RequestId, number: u64) -> String {
    let seed = id.as_i64().cast_unsigned().rotate_left(17).wrapping_add(number);
    format!("{:016x}", Chance::new(seed).bits() | 1)
}

/// The operation, as the conventions name it.
pub(super) fn operation(record: &CallRecord) -> &'static str {
    if record.format.contains("embedding") { "embeddings" } else { "chat" }
}

fn request(record: &CallRecord) -> Value {
    let good = matches!(record.status, CallStatus::Answered | CallStatus::Cancelled);
    let mut attributes = vec![
        attribute("gen_ai.operation.name", operation(record)),
        attribute("gen_ai.request.model", &record.requested_model),
        attribute("tierway.request_id", &record.id.to_string()),
        attribute("tierway.tier", &record.tier),
        attribute("tierway.served_tier", &record.served_tier),
        attribute("tierway.reason", &record.reason.summary()),
        attribute("tierway.complexity", record.prediction.complexity.name()),
        attribute("tierway.task_type", record.prediction.task_type.name()),
        attribute("tierway.key", &record.key),
        attribute("tierway.team", &record.team),
        number("tierway.decide_us", record.decide_us.into()),
        number("http.response.status_code", record.http_status.into()),
    ];
    attributes.retain(|one| one["value"]["stringValue"] != "");
    for (name, amount) in [("tierway.cost_usd", record.paid_in_all()), ("tierway.baseline_usd", record.baseline)] {
        attributes.extend(amount.map(|amount| dollars(name, amount)));
    }
    attributes.extend(answer(record));
    if !good {
        attributes.push(attribute("error.type", &record.http_status.to_string()));
    }
    json!({
        "traceId": trace_id(record.id), "spanId": span_id(record.id, 0),
        "name": format!("{} {}", operation(record), record.requested_model), "kind": SERVER,
        "startTimeUnixNano": nanos_of(record.id.unix_ms()),
        "endTimeUnixNano": nanos_of(record.id.unix_ms() + i64::from(record.total_ms)),
        "attributes": attributes, "status": {"code": if good { OK } else { ERROR }},
    })
}

/// What came of it, on both kinds of spans.
fn answer(record: &CallRecord) -> Vec<Value> {
    if record.served_model.is_empty() {
        return Vec::new();
    }
    let mut attributes = vec![attribute("gen_ai.response.model", &record.served_model)];
    if !record.finish.is_empty() {
        let reasons = json!({"arrayValue": {"values": [{"stringValue": record.finish}]}});
        attributes.push(json!({"key": "gen_ai.response.finish_reasons", "value": reasons}));
    }
    attributes
}

fn upstream(
    record: &CallRecord,
    number_of: u64,
    attempt: &Attempt,
    providers: &BTreeMap<String, &'static str>,
) -> Value {
    let provider = providers.get(attempt.provider.as_str()).copied().unwrap_or(&attempt.provider);
    let usage = &attempt.usage;
    let mut attributes = vec![
        attribute("gen_ai.operation.name", operation(record)),
        attribute("gen_ai.provider.name", provider),
        attribute("gen_ai.request.model", &attempt.model),
    ];
    if !usage.is_empty() {
        attributes.extend([
            number("gen_ai.usage.input_tokens", usage.input_tokens),
            number("gen_ai.usage.output_tokens", usage.output_tokens),
            number("gen_ai.usage.cache_read.input_tokens", usage.cached_input_tokens),
            number("gen_ai.usage.cache_write.input_tokens", usage.cache_write_5m_tokens + usage.cache_write_1h_tokens),
            number("gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens),
        ]);
    }
    attributes.extend(attempt.paid.map(|paid| dollars("tierway.cost_usd", paid)));
    let good = attempt.end == AttemptEnd::Ok;
    if good {
        attributes.extend(answer(record));
    } else {
        attributes.push(attribute("error.type", &outcome(&attempt.end)));
    }
    let began = record.id.unix_ms() + i64::from(attempt.started_ms);
    json!({
        "traceId": trace_id(record.id), "spanId": span_id(record.id, number_of), "parentSpanId": span_id(record.id, 0),
        "name": format!("{} {}", operation(record), attempt.model), "kind": CLIENT,
        "startTimeUnixNano": nanos_of(began),
        "endTimeUnixNano": nanos_of(began + i64::from(attempt.took_ms)),
        "attributes": attributes, "status": {"code": if good { OK } else { ERROR }},
    })
}

fn dollars(key: &str, amount: Usd) -> Value {
    json!({"key": key, "value": {"doubleValue": amount.as_f64()}})
}
