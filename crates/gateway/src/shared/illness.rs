//! Which targets are ill or cooling down, so that not every replica has to find it out by failing requests.
//!
//! Each says once a second until when it leaves which target alone; the others leave it alone as long. Nobody waits for it,
//! and when it is over each tries for itself.

use redis::Value;
use tierway::Setup;
use tierway_decide::breaker::Health;

/// Nobody is believed for longer.
const AT_MOST_MS: i64 = 3_600_000;

/// Times of this machine.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) monotonic_ms: u64,
    pub(super) unix_ms: i64,
}

/// Targets that are left alone here, and until when (Unix milliseconds).
pub(super) fn ill(setup: &Setup, now: Now) -> Vec<(String, i64)> {
    let ladder = setup.table.ladder();
    let all = ladder.ids().flat_map(|tier| ladder.targets_of(tier));
    let ill = all.filter_map(|(id, target)| match setup.state(id).health(now.monotonic_ms) {
        Health::Ill { until_ms } | Health::Cooling { until_ms } => {
            let left = i64::try_from(until_ms.saturating_sub(now.monotonic_ms)).unwrap_or(AT_MOST_MS);
            Some((name(&target.provider, &target.model), now.unix_ms + left.min(AT_MOST_MS)))
        }
        Health::Well | Health::Probing => None,
    });
    ill.collect()
}

/// Leaves alone what others leave alone; gives the names of what is long over.
pub(super) fn learn(setup: &Setup, told: &Value, now: Now) -> Vec<String> {
    let Some(pairs) = told.as_map_iter() else { return Vec::new() };
    let mut over = Vec::new();
    let ladder = setup.table.ladder();
    for (name, until) in pairs {
        let (Value::BulkString(name), Some(until)) = (name, super::ask::number(until)) else { continue };
        let name = String::from_utf8_lossy(name);
        let left = until - now.unix_ms;
        if left <= 0 {
            over.push(name.into_owned());
            continue;
        }
        let until_ms = now.monotonic_ms.saturating_add(left.min(AT_MOST_MS).unsigned_abs());
        for (id, target) in ladder.ids().flat_map(|tier| ladder.targets_of(tier)) {
            if self::name(&target.provider, &target.model) == name {
                setup.state(id).cool_until(until_ms);
            }
        }
    }
    over
}

fn name(provider: &str, model: &str) -> String {
    format!("{provider}/{model}")
}
