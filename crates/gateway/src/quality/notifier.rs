//! Carries alarms to the webhook of the config, one at a time, until each was taken.

use crate::webhook::post_webhook;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tierway_config::{Config, KeySource};
use tierway_decide::{DAY_MS, TaskType};
use tierway_ledger::quality::AlarmRow;

/// Pause after a webhook that did not take an alarm.
const PAUSE_MS: i64 = 60_000;
/// Older alarms are not carried any more.
pub(super) const STALE_MS: i64 = DAY_MS;

/// Whether an alarm was taken, by its number.
pub(super) type Carried = (i64, Result<(), String>);

/// Knows when the next try is due.
#[derive(Default)]
pub(super) struct Notifier {
    not_before_ms: i64,
}

impl Notifier {
    /// The config has a webhook, and nothing speaks against trying now.
    pub(super) fn may_carry(&self, config: &Config, now_ms: i64) -> bool {
        now_ms >= self.not_before_ms && config.quality.webhook != KeySource::None
    }

    /// Carries this alarm to the webhook of the config.
    pub(super) fn carry(config: &Config, alarm: &AlarmRow) -> BoxFuture<'static, Carried> {
        let (id, message, webhook) = (alarm.id, words(alarm), config.quality.webhook.clone());
        Box::pin(async move { (id, post_webhook(&webhook, &message).await) })
    }

    /// Waits a while after a failure.
    pub(super) fn failed(&mut self, why: &str, now_ms: i64) {
        tracing::warn!(why, "an alarm could not be posted; tried again in a minute");
        self.not_before_ms = now_ms + PAUSE_MS;
    }
}

/// What is posted: the form that Slack and its likes take.
fn words(alarm: &AlarmRow) -> Value {
    let task = alarm.task_type.map_or("all kinds of work", TaskType::name);
    let tier = if alarm.tier.is_empty() { String::new() } else { format!(" on tier `{}`", alarm.tier) };
    json!({"text": format!("tierway: quality of {task}{tier}: {}", alarm.words)})
}
