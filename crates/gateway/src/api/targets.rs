//! How the targets are now, as this worker and all others know them.

use crate::app::App;
use serde_json::{Value, json};
use tierway_decide::breaker::Health;

pub(super) fn all(app: &App) -> Value {
    let live = app.live.load();
    let (setup, now) = (live.router.setup(), live.router.now_ms());
    let ladder = setup.table.ladder();
    let targets = ladder.ids().flat_map(|tier| ladder.targets_of(tier)).map(|(id, target)| {
        let (state, tier) = (setup.state(id), ladder.tier(id.tier));
        let health = state.health(now);
        let back_in_ms = match health {
            Health::Ill { until_ms } | Health::Cooling { until_ms } => Some(until_ms.saturating_sub(now)),
            Health::Well | Health::Probing => None,
        };
        let latency_ms = state.latency_ms(now);
        json!({
            "tier": tier.name,
            "provider": target.provider,
            "model": target.model,
            "weight": target.weight,
            "health": health.name(),
            "callable": health.callable(),
            "back_in_ms": back_in_ms,
            "in_flight": state.in_flight(),
            "first_byte_ms": (latency_ms >= 1.0).then(|| latency_ms.round()),
        })
    });
    let targets: Vec<_> = targets.collect();
    let tiers: Vec<_> = ladder.tiers().iter().map(|tier| &tier.name).collect();
    json!({
        "tiers": tiers,
        "baseline": ladder.tier(ladder.baseline()).name,
        "policy": setup.choosing.policy,
        "calibrated": setup.predictor.evidence().is_some(),
        "targets": targets,
        "records": app.store.as_ref().map(|store| {
            let counters = store.counters();
            json!({"written": counters.written, "dropped": counters.dropped, "queued": counters.queue_depth})
        }),
    })
}
