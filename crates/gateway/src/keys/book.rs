//! Keys in the ledger as people handle them: made, listed, rotated, revoked. The same for the command line and the API.

use super::secret::{Digest, new_secret};
use super::stored::{check_names, check_policy, understand};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use tierway_decide::{Ladder, span_ms};
use tierway_ledger::{KeyPolicy, LedgerError, NewKey, State, StoredKey};
use zeroize::Zeroizing;

/// Why a key was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The name was given before.
    #[error("there is or was a key `{0}`; a name is given once, so that records keep their meaning: choose another")]
    Taken(String),
    /// Nothing to change.
    #[error("the ledger has no key `{0}` that is not revoked; `tierway keys list` shows all")]
    NoSuchKey(String),
    /// What it is to be allowed cannot be.
    #[error("{0}")]
    Policy(String),
    /// The store.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The system gives no randomness.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Makes a key; what is returned is shown once and kept nowhere. `ladder`: that of the config, where there is one, to
/// refuse tiers that it does not have.
///
/// # Errors
/// See [`KeyError`].
pub fn add_key(
    state: &mut State,
    name: &str,
    policy: &KeyPolicy,
    expires_ms: Option<i64>,
    ladder: Option<&Ladder>,
    now_ms: i64,
) -> Result<Zeroizing<String>, KeyError> {
    let checked = match ladder {
        Some(ladder) => check_policy(name, policy, ladder),
        None => check_names(name, policy),
    };
    checked.map_err(KeyError::Policy)?;
    if expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
        return Err(KeyError::Policy("it would have expired already".into()));
    }
    let secret = new_secret().map_err(KeyError::Random)?;
    let key = NewKey { name, policy, digest: Digest::of(&secret).0, expires_ms };
    if state.add_key(&key, now_ms)? { Ok(secret) } else { Err(KeyError::Taken(name.to_owned())) }
}

/// Gives a key another secret; the one before opens until `until_ms`.
///
/// # Errors
/// See [`KeyError`].
pub fn rotate_key(state: &mut State, name: &str, until_ms: i64, now_ms: i64) -> Result<Zeroizing<String>, KeyError> {
    let secret = new_secret().map_err(KeyError::Random)?;
    let rotated = state.rotate_key(name, Digest::of(&secret).0, until_ms, now_ms)?;
    if rotated { Ok(secret) } else { Err(KeyError::NoSuchKey(name.to_owned())) }
}

/// Revokes a key for good.
///
/// # Errors
/// See [`KeyError`].
pub fn revoke_key(state: &mut State, name: &str, now_ms: i64) -> Result<(), KeyError> {
    if state.revoke_key(name, now_ms)? { Ok(()) } else { Err(KeyError::NoSuchKey(name.to_owned())) }
}

/// A time to come: `30d`, `12h`, a day (its first moment, UTC) or an RFC 3339 time. Unix milliseconds.
///
/// # Errors
/// What it takes instead.
pub fn parse_until(text: &str, now_ms: i64) -> Result<i64, String> {
    if let Ok(day) = text.parse::<Date>() {
        let start = day.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?;
        return Ok(start.timestamp().as_millisecond());
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let span = span_ms(text).ok_or_else(|| format!("`{text}` is no time to come; write `12h`, `30d`, `2027-01-31`"))?;
    // What no calendar has could not be shown.
    let until_ms = now_ms.checked_add(span).filter(|until_ms| Timestamp::from_millisecond(*until_ms).is_ok());
    until_ms.ok_or_else(|| format!("`{text}` is too long"))
}

/// How a key is now: `active`, `expired`, `revoked`, `unusable`.
#[must_use]
fn key_state(key: &StoredKey, ladder: Option<&Ladder>, now_ms: i64) -> &'static str {
    let over = |until: Option<i64>| until.is_some_and(|until| until <= now_ms);
    match &key.policy {
        _ if key.revoked_ms.is_some() => "revoked",
        _ if over(key.expires_ms) || key.secrets.iter().all(|secret| over(secret.expires_ms)) => "expired",
        Some(policy) if ladder.is_none_or(|ladder| understand(policy, ladder).is_ok()) => "active",
        _ => "unusable",
    }
}

/// A key as JSON: everything but what opens it.
#[must_use]
pub fn key_json(key: &StoredKey, ladder: Option<&Ladder>, now_ms: i64) -> Value {
    let time = |ms: Option<i64>| ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()).map(|at| at.to_string());
    let secret = |secret: &tierway_ledger::KeySecret| json!({"created": time(Some(secret.created_ms)), "expires": time(secret.expires_ms)});
    json!({
        "name": key.name,
        "source": "ledger",
        "state": key_state(key, ladder, now_ms),
        "policy": key.policy,
        "created": time(Some(key.created_ms)),
        "expires": time(key.expires_ms),
        "revoked": time(key.revoked_ms),
        "secrets": key.secrets.iter().map(secret).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_come() {
        let day = tierway_decide::DAY_MS;
        for (text, want) in [
            ("30d", Some(30 * day)),
            ("12h", Some(day / 2)),
            ("90m", Some(5_400_000)),
            ("2w", Some(14 * day)),
            ("1970-01-31", Some(30 * day)),
            ("1970-01-02T01:00:00+01:00", Some(day)),
            ("d", None),
            ("12", None),
            ("-1d", None),
            ("99999999999999999d", None),
            ("99999999999d", None),
            ("soon", None),
        ] {
            assert_eq!(parse_until(text, 0).ok(), want, "{text}");
        }
    }
}
