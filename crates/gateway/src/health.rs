//! `/healthz`: the process is alive. `/readyz`: it can serve.

use crate::app::{App, json};
use http::StatusCode;
use serde_json::json;
use tierway::Reply;

pub(crate) fn alive() -> Reply {
    json(StatusCode::OK, &b"{\"status\":\"ok\"}"[..])
}

/// Ready: the store takes records, and some tier has a target that may be called. A tier without one is named; others answer
/// in its place, which a balancer that took all replicas out would prevent.
pub(crate) fn ready(app: &App) -> Reply {
    let live = app.live.load();
    let setup = live.router.setup();
    let ladder = setup.table.ladder();
    let now = live.router.now_ms();
    let down: Vec<_> = ladder
        .ids()
        .filter(|tier| !ladder.targets_of(*tier).any(|(id, _)| setup.state(id).health(now).callable()))
        .map(|tier| ladder.tier(tier).name.as_str())
        .collect();
    let store = app.store.as_ref().and_then(crate::store::Store::failing);
    let ready = down.len() < ladder.tiers().len() && store.is_none();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({"ready": ready, "tiers_without_a_healthy_target": down, "store_problem": store});
    json(status, body.to_string())
}
