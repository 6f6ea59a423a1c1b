//! One request: its record, and every step of its decision.

use super::{refused, store, unreadable};
use crate::app::App;
use crate::explain::{Again, Names, because, chances, passed_over};
use serde_json::{Value, json};
use tierway::{Refusal, Setup};
use tierway_decide::{Attempt, CallRecord, Pins, RequestId, Usd, savings};
use tierway_report::{attempt_words, decided_words, was_decided};

pub(super) async fn request(app: &App, id: &str) -> Result<Value, Refusal> {
    let id: RequestId = id.parse().map_err(|error| refused(400, "bad_request_id", format!("{error}")))?;
    let found = store(app)?.record(id).await.map_err(unreadable)?;
    let stored = found.ok_or_else(|| refused(404, "no_record", "no record of this request (yet, or any more)"))?;
    let live = app.live.load_full();
    let explained = explained(&stored.call, live.router.setup(), &|name| live.keys.pins(name));
    Ok(json!({
        "request_id": id.to_string(),
        "time_ms": id.unix_ms(),
        "intact": stored.intact,
        "explain": explained,
        "record": stored.call,
    }))
}

fn explained(call: &CallRecord, setup: &Setup, key_pins: &dyn Fn(&str) -> Option<Pins>) -> Value {
    // Features of another version of the predictor cannot be read; the rest still can.
    let again = Again::of(call, setup, key_pins).unwrap_or_default();
    let names = Names::for_record(Some(setup.table.ladder()), again.same_table, call);
    let dollars = |amount: Option<Usd>| amount.map(Usd::as_f64);
    let attempt = |attempt: &Attempt| {
        json!({
            "target": format!("{}/{}", attempt.provider, attempt.model), "tier": attempt.tier,
            "started_ms": attempt.started_ms, "took_ms": attempt.took_ms,
            "end": attempt.end, "words": attempt_words(&attempt.end), "paid_usd": dollars(attempt.paid),
        })
    };
    json!({
        "decided": was_decided(call),
        "reason": {"summary": call.reason.summary(), "words": decided_words(call)},
        "chances": chances(names, &call.prediction.p_ok),
        "needed": again.needed,
        "because": because(&again.because),
        "rejected": passed_over(names, &call.rejected),
        "attempts": call.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "money": {
            "paid_usd": dollars(call.paid_in_all()), "classifier_usd": call.classifier_paid.as_f64(),
            "baseline_usd": dollars(call.baseline), "cheapest_usd": dollars(call.cheapest),
            "saved_usd": dollars(savings::saved(call)), "counted": savings::is_routed(&call.reason),
            "method": savings::SAME_TOKENS,
        },
        "again": again.json(),
    })
}
