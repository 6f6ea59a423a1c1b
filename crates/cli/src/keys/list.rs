//! `tierway keys list`: all keys in one table, or as JSON; nothing that opens one.

use super::named_in_config;
use crate::exit::{Done, Failed, say};
use crate::store::{StoreArg, now_ms};
use serde_json::Value;
use std::io::{self, Write};
use tierway_config::{ClientKey, KeyScope};
use tierway_decide::{Ladder, TierId};
use tierway_gateway::key_json;
use tierway_ledger::{KeyPolicy, KeySecret, LedgerError, State, StoredKey};

#[derive(clap::Args)]
pub(super) struct List {
    /// How to print
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
    #[command(flatten)]
    place: StoreArg,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Form {
    Text,
    Json,
}

pub(super) fn run(wish: &List) -> Done {
    let (location, config) = wish.place.locate()?;
    let stored = match State::open_to_read(location).and_then(|mut state| state.keys()) {
        Ok((_, stored)) => stored,
        // Those of the config need none.
        Err(error @ LedgerError::Missing { .. }) if config.as_ref().is_some_and(|config| !config.keys.is_empty()) => {
            say(format_args!("tierway: only keys of the config: {error}"));
            Vec::new()
        }
        Err(error) => return Err(Failed::told(error)),
    };
    let ladder = config.as_ref().map(|config| config.table.ladder());
    let mut keys = Vec::new();
    if let (Some(config), Some(ladder)) = (&config, ladder) {
        keys.extend(config.keys.iter().map(|key| of_config(key, ladder)));
    }
    keys.extend(stored.iter().map(|key| {
        let mut listed = key_json(key, ladder, now_ms());
        if named_in_config(config.as_ref(), &key.name) {
            listed["state"] = "shadowed".into();
        }
        listed
    }));
    let mut out = io::stdout().lock();
    match wish.format {
        Form::Json => writeln!(out, "{}", Value::Array(keys))?,
        Form::Text => text(&mut out, &keys)?,
    }
    Ok(())
}

/// A key of the config in the shape of one in the ledger.
fn of_config(key: &ClientKey, ladder: &Ladder) -> Value {
    let tier = |tier: Option<TierId>| tier.map(|tier| ladder.tier(tier).name.to_string());
    let scope = match key.scope {
        KeyScope::Client => "",
        KeyScope::Read => "read",
        KeyScope::Admin => "admin",
    };
    let policy = KeyPolicy {
        team: key.team.clone(),
        scope: scope.into(),
        tier: tier(key.pins.exact),
        floor: tier(key.pins.floor),
        ceiling: tier(key.pins.ceiling),
        models: key.models.clone(),
        budget: key.allowance.budget,
        step_down_to: tier(key.allowance.step_down_to),
        rpm: key.allowance.rpm,
        tpm: key.allowance.tpm,
        max_concurrent: key.allowance.max_concurrent,
    };
    let secret = KeySecret { digest: key.sha256, created_ms: 0, expires_ms: None };
    let stored = StoredKey {
        name: key.name.clone(),
        policy: Some(policy),
        created_ms: 0,
        expires_ms: key.expires_ms,
        revoked_ms: None,
        secrets: vec![secret],
    };
    let mut listed = key_json(&stored, Some(ladder), now_ms());
    listed["source"] = "config".into();
    // Nobody wrote down when.
    listed["created"] = Value::Null;
    listed["secrets"] = Value::Array(Vec::new());
    listed
}

const COLUMNS: [&str; 8] = ["name", "state", "source", "team", "scope", "tiers", "bounds", "expires"];

fn text(out: &mut impl Write, keys: &[Value]) -> io::Result<()> {
    if keys.is_empty() {
        say("no keys: everybody who reaches the address may ask; `tierway keys add NAME` makes one");
        return Ok(());
    }
    crate::columns::print(out, COLUMNS, keys.iter().map(row), COLUMNS.len())
}

fn row(key: &Value) -> [String; 8] {
    let word = |value: &Value| value.as_str().filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
    let policy = &key["policy"];
    let scope = policy["scope"].as_str().unwrap_or("client").to_owned();
    let expires = key["expires"].as_str().map_or("never", |time| time.split('T').next().unwrap_or(time)).to_owned();
    [
        word(&key["name"]),
        word(&key["state"]),
        word(&key["source"]),
        word(&policy["team"]),
        scope,
        tiers(policy),
        bounds(policy),
        expires,
    ]
}

/// `=nano`, `standard..`, `nano..standard`.
fn tiers(policy: &Value) -> String {
    if let Some(tier) = policy["tier"].as_str() {
        return format!("={tier}");
    }
    let (floor, ceiling) = (policy["floor"].as_str(), policy["ceiling"].as_str());
    match (floor, ceiling) {
        (None, None) => "all".into(),
        _ => format!("{}..{}", floor.unwrap_or_default(), ceiling.unwrap_or_default()),
    }
}

fn bounds(policy: &Value) -> String {
    let mut bounds = Vec::new();
    if let Some(models) = policy["models"].as_array() {
        let names: Vec<_> = models.iter().filter_map(Value::as_str).collect();
        bounds.push(format!("only {}", names.join("|")));
    }
    if let Some(budget) = policy["budget"].as_str() {
        bounds.push(budget.to_owned());
    }
    if let Some(tier) = policy["step_down_to"].as_str() {
        bounds.push(format!("then {tier}"));
    }
    for (field, unit) in [("rpm", "rpm"), ("tpm", "tpm"), ("max_concurrent", "at once")] {
        if let Some(most) = policy[field].as_u64() {
            bounds.push(format!("{most} {unit}"));
        }
    }
    if bounds.is_empty() { "-".into() } else { bounds.join(", ") }
}
