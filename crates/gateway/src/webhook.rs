//! A message to a chat: one POST to an address that is a secret, as Slack's incoming webhooks and their likes take it.

use bytes::Bytes;
use serde_json::Value;
use std::time::Duration;
use tierway_config::KeySource;
use tierway_providers::Poster;

/// A chat that takes longer than this takes nothing.
const POST_TIMEOUT: Duration = Duration::from_secs(20);

/// Posts a message to the webhook whose address is found there.
///
/// # Errors
/// In words, when nobody says where it is or the message was not taken.
pub async fn post_webhook(address: &KeySource, message: &Value) -> Result<(), String> {
    let address = address.resolve(&tierway_config::environment).map_err(|error| error.to_string())?;
    let address = address.ok_or("no webhook is configured")?;
    let poster = Poster::new(address.expose(), [], POST_TIMEOUT).map_err(|error| format!("the webhook: {error}"))?;
    let body = Bytes::from(message.to_string());
    poster.post("application/json", body).await.map_err(|error| format!("the webhook: {error}"))
}
