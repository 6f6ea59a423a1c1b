//! Keys of clients: what each may do, and the digests of its secrets.
//!
//! A key itself never comes here. A name is given once: a revoked key stays in the list, so that old records keep their
//! meaning and nobody inherits another's budget.

use super::{Source, State};
use crate::LedgerError;
use serde::{Deserialize, Serialize};
use tierway_decide::budget::Budget;

/// What a key may do, by the names of the config. A field that this build does not know makes the key unreadable: it may
/// be a bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyPolicy {
    /// Its team in reports; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub team: String,
    /// `client`, `read` or `admin`; empty means `client`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// Exactly this tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// This tier or a dearer one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// This tier or a cheaper one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<String>,
    /// What its requests may name as `model`; empty: anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Dollars in a period: `50/month`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// The dearest tier once most of the budget is spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_down_to: Option<String>,
    /// Requests a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u32>,
    /// Tokens a minute, in and out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u32>,
    /// Requests in progress at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
}

/// One digest that opens a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySecret {
    /// SHA-256 of the key as the client sends it.
    pub digest: [u8; 32],
    /// When it was made, Unix milliseconds.
    pub created_ms: i64,
    /// From when on it opens nothing, Unix milliseconds; set by a rotation.
    pub expires_ms: Option<i64>,
}

/// A key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Its name, which records carry.
    pub name: String,
    /// What it may do; none when a newer tierway wrote it and this one cannot read it.
    pub policy: Option<KeyPolicy>,
    /// When it was made, Unix milliseconds.
    pub created_ms: i64,
    /// From when on it opens nothing, Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// When it was revoked, Unix milliseconds.
    pub revoked_ms: Option<i64>,
    /// What opens it, the oldest first.
    pub secrets: Vec<KeySecret>,
}

impl StoredKey {
    /// A new key as it is stored.
    pub(crate) fn new(key: &NewKey<'_>, now_ms: i64) -> Self {
        Self {
            name: key.name.to_owned(),
            policy: Some(key.policy.clone()),
            created_ms: now_ms,
            expires_ms: key.expires_ms,
            revoked_ms: None,
            secrets: vec![KeySecret { digest: key.digest, created_ms: now_ms, expires_ms: None }],
        }
    }

    /// Its policy as it is stored: JSON.
    pub(crate) fn policy_json(&self) -> String {
        // Serialising a struct of texts and numbers cannot fail.
        serde_json::to_string(&self.policy).unwrap_or_default()
    }
}

/// Gives keys their secrets, each with the name of its key; those of keys that are not there open nothing.
pub(crate) fn with_secrets(mut keys: Vec<StoredKey>, secrets: Vec<(String, KeySecret)>) -> Vec<StoredKey> {
    for (name, secret) in secrets {
        if let Some(key) = keys.iter_mut().find(|key| key.name == name) {
            key.secrets.push(secret);
        }
    }
    keys
}

/// A key that is to be made.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it may do.
    pub policy: &'a KeyPolicy,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// From when on it opens nothing, Unix milliseconds.
    pub expires_ms: Option<i64>,
}

impl State {
    /// A number that rises with every change of the keys.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn keys_revision(&mut self) -> Result<i64, LedgerError> {
        match &mut self.source {
            Source::Sqlite(store) => store.keys_revision(),
            Source::Postgres(store) => store.keys_revision(),
        }
    }

    /// All keys by name, revoked and expired ones too, with the revision that they are of.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn keys(&mut self) -> Result<(i64, Vec<StoredKey>), LedgerError> {
        match &mut self.source {
            Source::Sqlite(store) => store.keys(),
            Source::Postgres(store) => store.keys(),
        }
    }

    /// Makes a key. False when the name was given before, to a key that was revoked since, too.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn add_key(&mut self, key: &NewKey<'_>, now_ms: i64) -> Result<bool, LedgerError> {
        match &mut self.source {
            Source::Sqlite(store) => store.add_key(key, now_ms),
            Source::Postgres(store) => store.add_key(key, now_ms),
        }
    }

    /// Puts keys of another ledger, with all that is known of them; those whose name was given here stay as they are. All of
    /// them or, on an error, none. Gives how many were put.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn put_keys(&mut self, keys: &[StoredKey]) -> Result<usize, LedgerError> {
        match &mut self.source {
            Source::Sqlite(store) => store.put_keys(keys),
            Source::Postgres(store) => store.put_keys(keys),
        }
    }

    /// Revokes a key for good. False when there is no such key, or it was revoked before.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn revoke_key(&mut self, name: &str, now_ms: i64) -> Result<bool, LedgerError> {
        match &mut self.source {
            Source::Sqlite(store) => store.revoke_key(name, now_ms),
            Source::Postgres(store) => store.revoke_key(name, now_ms),
        }
    }

    /// Gives a key another secret; those before it open until `until_ms`, or less where that was so already. False when
    /// there is no such key, or it was revoked.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn rotate_key(
        &mut self,
        name: &str,
        digest: [u8; 32],
        until_ms: i64,
        now_ms: i64,
    ) -> Result<bool, LedgerError> {
        match &mut self.source {
            Source::Sqlite(store) => store.rotate_key(name, digest, until_ms, now_ms),
            Source::Postgres(store) => store.rotate_key(name, digest, until_ms, now_ms),
        }
    }
}
