//! `/v1/models`: `auto`, the tiers, the models. In the shape of the client that asks: Anthropic's send a version header.

use crate::app::{App, json};
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tierway::{AUTO, Refusal, Reply};
use tierway_decide::{Caller, Ladder};
use tierway_wire::{ApiError, Format};

/// Models have no birthday here; clients want a number.
const CREATED: u64 = 0;

pub(crate) fn list(app: &App, caller: &Caller, headers: &HeaderMap) -> Reply {
    let live = app.live.load();
    let names = names(live.router.setup().table.ladder(), caller);
    let anthropic = headers.contains_key("anthropic-version");
    let data: Vec<_> = names.iter().map(|(name, owner)| model(name, owner, anthropic)).collect();
    let body = if anthropic {
        let edge = |model: Option<&Value>| model.map(|model| model["id"].clone());
        json!({"data": data, "first_id": edge(data.first()), "last_id": edge(data.last()), "has_more": false})
    } else {
        json!({"object": "list", "data": data})
    };
    json(StatusCode::OK, body.to_string())
}

pub(crate) fn one(app: &App, caller: &Caller, name: &str, headers: &HeaderMap) -> Reply {
    let live = app.live.load();
    let names = names(live.router.setup().table.ladder(), caller);
    let anthropic = headers.contains_key("anthropic-version");
    // Clients write the slash in a name as `%2F`. What is no such code stays as it is.
    let name = percent_decode_str(name).decode_utf8_lossy();
    // `provider/model` is asked like the model.
    let is = |known: &str, owner: &str| {
        name == known || name.strip_prefix(owner).and_then(|rest| rest.strip_prefix('/')) == Some(known)
    };
    match names.iter().find(|(known, owner)| is(known, owner)) {
        Some((name, owner)) => json(StatusCode::OK, model(name, owner, anthropic).to_string()),
        None => {
            let message = "no such model; GET /v1/models lists what there is";
            let format = if anthropic { Format::AnthropicMessages } else { Format::OpenaiChat };
            Refusal::caller(ApiError::new(404, message).with_code("model_not_found")).reply(format)
        }
    }
}

/// What this caller may name.
fn names(ladder: &Ladder, caller: &Caller) -> Vec<(String, String)> {
    let mut names = vec![(AUTO.to_owned(), "tierway".to_owned())];
    names.extend(ladder.tiers().iter().map(|tier| (tier.name.to_string(), "tierway".to_owned())));
    for target in ladder.tiers().iter().flat_map(|tier| &tier.targets) {
        if !names.iter().any(|(known, _)| *known == target.model) {
            names.push((target.model.to_string(), target.provider.to_string()));
        }
    }
    names.retain(|(name, _)| caller.may_name(name));
    names
}

fn model(name: &str, owner: &str, anthropic: bool) -> Value {
    if anthropic {
        json!({"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"})
    } else {
        json!({"id": name, "object": "model", "created": CREATED, "owned_by": owner})
    }
}
