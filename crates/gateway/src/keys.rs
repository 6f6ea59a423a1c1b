//! Who may come in.
//!
//! Keys are kept as SHA-256 digests and looked up by digest, so neither memory nor time of the comparison tells a key.

use crate::body::{Active, ActiveGuard};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use tierway::Refusal;
use tierway_decide::Caller;
use tierway_wire::ApiError;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Ask models.
    Client,
    /// Read reports and records too.
    Read,
    /// Everything.
    Admin,
}

/// One key.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// What it may do.
    pub scope: Scope,
    /// Who it is, for routing and records.
    pub caller: Caller,
    /// Its requests in progress at most.
    pub max_active: Option<usize>,
}

/// All keys. Without any, everybody may come in: the default listens on loopback only.
#[derive(Default)]
pub struct Keys {
    by_digest: HashMap<[u8; 32], (Scope, Arc<Caller>)>,
    anonymous: Arc<Caller>,
    /// Requests in progress of each key that has a limit, by its name.
    limited: HashMap<String, (usize, Active)>,
}

impl Keys {
    /// Keys by their digests.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = KeyEntry>) -> Self {
        let mut keys = Self::default();
        for entry in entries {
            if let Some(limit) = entry.max_active {
                keys.limited.insert(entry.caller.key.clone(), (limit, Active::default()));
            }
            keys.by_digest.insert(entry.digest, (entry.scope, Arc::new(entry.caller)));
        }
        keys
    }

    /// Counts one more request of this caller, where its key has a limit.
    ///
    /// # Errors
    /// When it has so many in progress already.
    pub(crate) fn enter(&self, caller: &Caller) -> Result<Option<ActiveGuard>, Refusal> {
        let Some((limit, active)) = self.limited.get(&caller.key) else { return Ok(None) };
        active.enter(*limit).map(Some).ok_or_else(|| {
            let message =
                format!("this key has {limit} requests in progress, its limit; wait until one of them is done");
            Refusal::caller(ApiError::new(429, message).with_code("too_many_requests_in_progress"))
        })
    }

    /// Nobody needs a key.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.by_digest.is_empty()
    }

    /// The caller of these headers: `Authorization: Bearer KEY`, or `x-api-key: KEY` as Anthropic's older clients send it.
    ///
    /// # Errors
    /// No key, an unknown one, or one that may not do this.
    pub fn admit(&self, headers: &HeaderMap, scope: Scope) -> Result<Arc<Caller>, Refusal> {
        if self.is_open() {
            return Ok(self.anonymous.clone());
        }
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer_token);
        let key = bearer.or_else(|| headers.get("x-api-key")?.to_str().ok());
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            let message =
                "no key: send `Authorization: Bearer KEY` (or `x-api-key: KEY`); `tierway keys add` makes one";
            return Err(Refusal::caller(ApiError::new(401, message).with_code("missing_api_key")));
        };
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        match self.by_digest.get(&digest) {
            None => {
                let message = "unknown key: it was revoked, or is no key of this router";
                Err(Refusal::caller(ApiError::new(401, message).with_code("invalid_api_key")))
            }
            Some((has, _)) if *has < scope => {
                let message = "this key may not do that; use one with a wider scope";
                Err(Refusal::caller(ApiError::new(403, message).with_code("insufficient_scope")))
            }
            Some((_, caller)) => Ok(caller.clone()),
        }
    }
}

fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: Option<(&'static str, &'static str)>, scope: Scope, want: Result<&str, u16>) {
        let entry = |key: &str, scope, name: &str| KeyEntry {
            digest: Sha256::digest(key).into(),
            scope,
            caller: Caller { key: name.into(), ..Caller::default() },
            max_active: (name == "app").then_some(2),
        };
        let keys = Keys::new([entry("k1", Scope::Client, "app"), entry("k2", Scope::Admin, "ops")]);
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
    }

    #[test]
    fn a_key_has_no_more_in_progress_than_it_may() {
        let caller = |key: &str| Caller { key: key.into(), ..Caller::default() };
        let entry = KeyEntry { digest: [0; 32], scope: Scope::Client, caller: caller("app"), max_active: Some(2) };
        let keys = Keys::new([entry]);
        let (one, two) = (keys.enter(&caller("app")).unwrap(), keys.enter(&caller("app")));
        assert!(two.is_ok());
        assert_eq!(keys.enter(&caller("app")).err().map(|refusal| refusal.error.status), Some(429));
        assert!(keys.enter(&caller("another")).is_ok());
        drop(one);
        assert!(keys.enter(&caller("app")).is_ok());
    }
}
