//! `/api/v1/keys`: the keys of the ledger, for whoever holds an admin key.
//!
//! Without any key at all nobody may make one here: whoever reaches the address could then lock out everybody else. The
//! first key is made on the machine, with `tierway keys add`.

use super::query::decoded;
use super::{body, refused};
use crate::accounts::Holder;
use crate::app::App;
use crate::keys::{KeyError, Scope, add_key, key_json, parse_until, revoke_key, rotate_key};
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tierway::{Refusal, now_ms};
use tierway_decide::TierId;
use tierway_ledger::{KeyPolicy, State};

/// How long the old secret of a rotated key goes on, where nothing is said.
const OVERLAP: &str = "24h";

/// A key that is to be made.
#[derive(Deserialize)]
struct Wish {
    name: String,
    expires: Option<String>,
    #[serde(flatten)]
    policy: serde_json::Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    overlap: Option<String>,
}

pub(super) async fn answer(app: &App, parts: &[&str], request: Request<Incoming>) -> Result<Value, Refusal> {
    app.admit(request.headers(), Scope::Admin)?;
    let name = match parts {
        [] => String::new(),
        [name, ..] => decoded(name).ok_or_else(|| bad("the name in the address is not percent-encoded UTF-8"))?,
    };
    match (request.method(), parts) {
        (&Method::GET, []) => list(app).await,
        (&Method::POST, []) => add(app, request).await,
        (&Method::POST, [_, "rotate"]) => rotate(app, name, request).await,
        (&Method::DELETE, [_]) => {
            changes(app, request.headers())?;
            let gone = json!({"name": &name, "revoked": true});
            change(app, move |state| revoke_key(state, &name, now_ms())).await?;
            Ok(gone)
        }
        _ => {
            let known = "GET and POST /api/v1/keys, POST /api/v1/keys/NAME/rotate, DELETE /api/v1/keys/NAME";
            Err(refused(405, "method_not_allowed", format!("keys are asked with {known}")))
        }
    }
}

async fn list(app: &App) -> Result<Value, Refusal> {
    let (_, stored) = change(app, |state| Ok(state.keys()?)).await?;
    let live = app.live.load();
    let ladder = live.router.setup().table.ladder();
    let keys: Vec<_> = stored.iter().map(|key| key_json(key, Some(ladder), now_ms())).collect();
    let budgets: Vec<_> = live.keys.holders.iter().filter_map(|holder| budget(holder)).collect();
    Ok(json!({"keys": keys, "of_config": live.keys.of_config(), "budgets": budgets}))
}

/// How the budget of a key, team or user stands in this process.
fn budget(holder: &Holder) -> Option<Value> {
    let ((budget, spent, reserved), window) = (holder.figures()?, holder.window()?);
    let down = holder.step_down();
    let state = if holder.is_exhausted() {
        "exhausted"
    } else if down.is_some() {
        "stepped_down"
    } else {
        "open"
    };
    let tier = |tier: TierId| holder.terms.tiers.get(usize::from(tier.0));
    Some(json!({
        "kind": holder.kind(), "name": holder.plain_name(), "limit_usd": budget.limit.as_f64(),
        "period": budget.period.name(), "spent_usd": spent.as_f64(), "reserved_usd": reserved.as_f64(),
        "window": {"from_ms": window.start_ms, "to_ms": window.end_ms},
        "state": state, "step_down_at": holder.terms.step_down_at, "step_down_to": holder.allowance.step_down_to.and_then(tier),
    }))
}

async fn add(app: &App, request: Request<Incoming>) -> Result<Value, Refusal> {
    changes(app, request.headers())?;
    let wish: Wish = body(app, request).await?;
    let policy: KeyPolicy =
        serde_json::from_value(Value::Object(wish.policy)).map_err(|error| bad(format!("not understood: {error}")))?;
    let expires_ms = wish.expires.as_deref().map(|text| parse_until(text, now_ms())).transpose().map_err(bad)?;
    let live = app.live.load_full();
    if live.keys.of_config().contains(&wish.name) {
        return Err(refused(409, "name_taken", "the config has a key of this name, which would win; choose another"));
    }
    let name = wish.name.clone();
    let secret = change(app, move |state| {
        let ladder = live.router.setup().table.ladder();
        add_key(state, &name, &policy, expires_ms, Some(ladder), now_ms())
    });
    let secret = secret.await?;
    Ok(json!({"name": wish.name, "key": *secret, "note": "shown once; only its digest is kept"}))
}

async fn rotate(app: &App, name: String, request: Request<Incoming>) -> Result<Value, Refusal> {
    changes(app, request.headers())?;
    let rotation: Rotation = body(app, request).await?;
    let until_ms = parse_until(rotation.overlap.as_deref().unwrap_or(OVERLAP), now_ms()).map_err(bad)?;
    let told = json!({"name": &name, "old_until_ms": until_ms, "note": "shown once; only its digest is kept"});
    let secret = change(app, move |state| rotate_key(state, &name, until_ms, now_ms())).await?;
    let mut told = told;
    told["key"] = Value::from(secret.as_str());
    Ok(told)
}

/// A page of somebody else's cannot do this: browsers ask first before they send JSON elsewhere.
fn changes(app: &App, headers: &http::HeaderMap) -> Result<(), Refusal> {
    if app.live.load().keys.is_open() {
        let message =
            "this router has no keys yet; make the first one on its machine: `tierway keys add NAME --scope admin`";
        return Err(refused(403, "no_keys_yet", message));
    }
    let json = headers.get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"application/json"));
    if json { Ok(()) } else { Err(refused(415, "not_json", "send JSON with `content-type: application/json`")) }
}

/// Asks or changes the keys off the event loop.
async fn change<T: Send + 'static>(
    app: &App,
    change: impl FnOnce(&mut State) -> Result<T, KeyError> + Send + 'static,
) -> Result<T, Refusal> {
    let desk = app.desk.as_ref().map(Arc::clone);
    let desk = desk.ok_or_else(|| refused(404, "no_keys", "this router keeps no keys"))?;
    let asked = tokio::task::spawn_blocking(move || desk.with(change)).await;
    let answer = asked.map_err(|_| refused(500, "keys_unreadable", "the router's log says why"))?;
    answer.map_err(|error| match error {
        KeyError::Taken(_) => refused(409, "name_taken", error.to_string()),
        KeyError::NoSuchKey(_) => refused(404, "no_such_key", error.to_string()),
        KeyError::Policy(_) => bad(error.to_string()),
        KeyError::Ledger(_) | KeyError::Random(_) => {
            // It may name files of this machine: that is for the log.
            tracing::error!(%error, "a change of keys failed");
            refused(503, "keys_unreadable", "keys cannot be changed at the moment; the router's log says why")
        }
    })
}

fn bad(message: impl Into<String>) -> Refusal {
    refused(400, "bad_parameter", message)
}
