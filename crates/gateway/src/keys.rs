//! Who may come in.
//!
//! Keys are kept as SHA-256 digests and looked up by digest, so neither memory nor time of the comparison tells a key.
//! Those of the config and those of the ledger are one table here; [`desk`] puts it together and swaps it.

mod book;
pub(crate) mod desk;
mod open;
mod secret;
mod stored;

pub use book::{KeyError, add_key, key_json, parse_until, revoke_key, rotate_key};
pub use secret::{Digest, new_secret};
pub use stored::{check_policy, key_pins};

use crate::accounts::Holder;
use crate::api::refused;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::collections::HashMap;
use std::sync::Arc;
use tierway::{Account, Refusal, now_ms};
use tierway_config::Allowance;
use tierway_decide::{Caller, Pins};

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Ask models.
    Client,
    /// Read reports and records too.
    Read,
    /// Everything.
    Admin,
}

/// One key.
#[derive(Clone, Debug)]
pub(crate) struct KeyEntry {
    /// What opens it, and from when on (Unix milliseconds) it does not any more. Two while it is rotated.
    pub(crate) secrets: Vec<(Digest, Option<i64>)>,
    /// What it may do.
    pub(crate) scope: Scope,
    /// Who it is, for routing and records.
    pub(crate) caller: Caller,
    /// What it may spend.
    pub(crate) allowance: Allowance,
    /// Why it opens nothing at all.
    pub(crate) bar: Option<Bar>,
}

/// Why a key that is known opens nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bar {
    /// Somebody revoked it.
    Revoked {
        /// When, Unix milliseconds.
        at_ms: i64,
    },
    /// What it may do cannot be told under this config.
    Unusable {
        /// Why not, for the operator's log.
        why: String,
    },
}

/// All keys. Without any, everybody may come in: the default listens on loopback only.
#[derive(Default)]
pub(crate) struct Keys {
    by_digest: HashMap<Digest, Opens>,
    anonymous: Arc<Caller>,
    unread: bool,
    of_config: Vec<String>,
    /// What callers are paid from, by the name of the key; of those that have bounds.
    accounts: HashMap<String, Arc<dyn Account>>,
    /// For keys without bounds of their own, where users have some.
    account_of_others: Option<Arc<dyn Account>>,
    pub(crate) holders: Vec<Arc<Holder>>,
}

/// What a digest opens.
struct Opens {
    key: Arc<Opened>,
    until_ms: Option<i64>,
}

struct Opened {
    scope: Scope,
    caller: Arc<Caller>,
    bar: Option<Bar>,
}

impl Keys {
    /// Keys by their digests.
    #[must_use]
    pub(crate) fn new(entries: impl IntoIterator<Item = KeyEntry>) -> Self {
        let mut keys = Self::default();
        for entry in entries {
            if let Some(Bar::Unusable { why }) = &entry.bar {
                tracing::error!(
                    key = entry.caller.key.as_str(),
                    why,
                    "a key of the ledger opens nothing under this config"
                );
            }
            let key = Arc::new(Opened { scope: entry.scope, caller: Arc::new(entry.caller), bar: entry.bar });
            for (digest, until_ms) in entry.secrets {
                keys.by_digest.entry(digest).or_insert(Opens { key: key.clone(), until_ms });
            }
        }
        keys
    }

    /// What a caller's requests are paid from; none: no bounds.
    pub(crate) fn account(&self, caller: &Caller) -> Option<Arc<dyn Account>> {
        if self.accounts.is_empty() {
            return self.account_of_others.clone();
        }
        self.accounts.get(caller.key.as_str()).or(self.account_of_others.as_ref()).cloned()
    }

    pub(crate) fn paid_by(mut self, paying: desk::Paying) -> Self {
        self.accounts = paying.keys;
        self.account_of_others = paying.others;
        self.holders = paying.holders;
        self
    }

    /// What the caller of a key's name may have; none for a name that no key has.
    pub(crate) fn pins(&self, name: &str) -> Option<Pins> {
        let named = |opens: &&Opens| opens.key.caller.key == name;
        let found = self.by_digest.values().find(named)?;
        // What it may do cannot be told.
        let unusable = matches!(found.key.bar, Some(Bar::Unusable { .. }));
        (!unusable).then_some(found.key.caller.pins)
    }

    /// Says which of them the config holds.
    pub(crate) fn with_names_of_config(mut self, names: Vec<String>) -> Self {
        self.of_config = names;
        self
    }

    /// Names of the keys in the config.
    pub(crate) fn of_config(&self) -> &[String] {
        &self.of_config
    }

    /// Not all keys are known: who is not among them has to wait.
    pub(crate) const fn unread(mut self) -> Self {
        self.unread = true;
        self
    }

    /// Nobody needs a key.
    #[must_use]
    pub(crate) fn is_open(&self) -> bool {
        self.by_digest.is_empty() && !self.unread
    }

    /// The caller of these headers: `Authorization: Bearer KEY`, or `x-api-key: KEY` as Anthropic's older clients send it.
    ///
    /// # Errors
    /// No key, an unknown one, one that is over, or one that may not do this.
    pub(crate) fn admit(&self, headers: &HeaderMap, scope: Scope) -> Result<Arc<Caller>, Refusal> {
        if self.is_open() {
            if open::is_foreign(headers) {
                let message = "while this router has no keys it answers no pages of other sites, and no requests to a public name; `tierway keys add` makes a key";
                return Err(refused(403, "foreign_origin", message));
            }
            return Ok(self.anonymous.clone());
        }
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer_token);
        let key = bearer.or_else(|| headers.get("x-api-key")?.to_str().ok());
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            let message =
                "no key: send `Authorization: Bearer KEY` (or `x-api-key: KEY`); `tierway keys add` makes one";
            return Err(refused(401, "missing_api_key", message));
        };
        let Some(opens) = self.by_digest.get(&Digest::of(key)) else { return Err(self.unknown()) };
        match &opens.key.bar {
            Some(Bar::Revoked { at_ms }) => {
                let message = format!("this key was revoked on {}; ask its operator for another", day(*at_ms));
                return Err(refused(401, "revoked_api_key", message));
            }
            Some(Bar::Unusable { .. }) => {
                let message = "this key names what the router's config does not have; its operator finds it in the log";
                return Err(refused(403, "unusable_api_key", message));
            }
            None => {}
        }
        if let Some(until_ms) = opens.until_ms.filter(|until_ms| now_ms() >= *until_ms) {
            let message = format!(
                "this key expired on {}; ask its operator for another (`tierway keys rotate` or `add`)",
                day(until_ms)
            );
            return Err(refused(401, "expired_api_key", message));
        }
        if opens.key.scope < scope {
            let message = "this key may not do that; use one with a wider scope";
            return Err(refused(403, "insufficient_scope", message));
        }
        Ok(opens.key.caller.clone())
    }

    fn unknown(&self) -> Refusal {
        if self.unread {
            let message = "the router cannot read its keys at the moment; try again in a few seconds";
            return refused(503, "keys_unreadable", message);
        }
        refused(401, "invalid_api_key", "unknown key: it is no key of this router; check that all of it was copied")
    }
}

/// `YYYY-MM-DD`, UTC.
fn day(unix_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or_default();
    at.to_string().chars().take(10).collect()
}

fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, scope: Scope, name: &str) -> KeyEntry {
        KeyEntry {
            secrets: vec![(Digest::of(key), None)],
            scope,
            caller: Caller { key: name.into(), ..Caller::default() },
            allowance: Allowance::default(),
            bar: None,
        }
    }

    #[track_caller]
    fn check(header: Option<(&'static str, &'static str)>, scope: Scope, want: Result<&str, u16>) {
        let revoked = KeyEntry { bar: Some(Bar::Revoked { at_ms: 0 }), ..entry("k3", Scope::Admin, "gone") };
        let rotated = KeyEntry {
            secrets: vec![(Digest::of("k4"), Some(1)), (Digest::of("k5"), Some(i64::MAX))],
            ..entry("", Scope::Client, "turned")
        };
        let unusable = KeyEntry { bar: Some(Bar::Unusable { why: String::new() }), ..entry("k6", Scope::Admin, "odd") };
        let two = [entry("k1", Scope::Client, "app"), entry("k2", Scope::Admin, "ops")];
        let keys = Keys::new(two.into_iter().chain([revoked, rotated, unusable]));
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().unwrap());
        }
        let got = keys.admit(&headers, scope);
        assert_eq!(got.as_ref().map(|caller| caller.key.as_str()).map_err(|refusal| refusal.error.status), want);
    }

    #[test]
    fn keys_open_what_they_are_for() {
        check(Some(("authorization", "Bearer k1")), Scope::Client, Ok("app"));
        check(Some(("authorization", "bearer  k1")), Scope::Client, Ok("app"));
        check(Some(("x-api-key", "k2")), Scope::Read, Ok("ops"));
        check(Some(("authorization", "Bearer k1")), Scope::Read, Err(403));
        check(Some(("authorization", "Bearer nope")), Scope::Client, Err(401));
        check(Some(("authorization", "Basic k1")), Scope::Client, Err(401));
        check(None, Scope::Client, Err(401));
        check(Some(("x-api-key", "k3")), Scope::Client, Err(401));
        check(Some(("x-api-key", "k4")), Scope::Client, Err(401));
        check(Some(("x-api-key", "k5")), Scope::Client, Ok("turned"));
        check(Some(("x-api-key", "k6")), Scope::Client, Err(403));
    }

    #[test]
    fn what_is_not_known_opens_nothing() {
        let keys = || Keys::new([entry("k1", Scope::Client, "app")]);
        let ask = |keys: &Keys, key: &'static str| {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("x-api-key"),
                http::HeaderValue::from_static(key),
            )]);
            keys.admit(&headers, Scope::Client).map_or_else(|refusal| refusal.error.status, |_| 200)
        };
        assert_eq!([ask(&keys(), "k1"), ask(&keys(), "k2")], [200, 401]);
        assert_eq!([ask(&keys().unread(), "k1"), ask(&keys().unread(), "k2")], [200, 503]);
        assert_eq!([ask(&Keys::default(), "k2"), ask(&Keys::default().unread(), "k2")], [200, 503]);
    }
}
