//! From a key in the ledger to a key in force: its words are looked up in the config.
//!
//! What cannot be understood bars the key: one that lost its ceiling with a renamed tier would be wider than it was meant.

use super::{Bar, Digest, KeyEntry, Scope};
use std::collections::BTreeMap;
use tierway_config::{Allowance, Config};
use tierway_decide::{Caller, Ladder, Pins, TierId};
use tierway_ledger::{KeyPolicy, StoredKey};

/// Longest name of a key or team.
const MAX_NAME: usize = 100;

/// The names of scopes, as commands, config and API write them.
const SCOPES: [(&str, Scope); 3] = [("client", Scope::Client), ("read", Scope::Read), ("admin", Scope::Admin)];

/// What a policy means under a ladder.
pub(crate) struct Understood {
    pub(crate) scope: Scope,
    pub(crate) pins: Pins,
    pub(crate) allowance: Allowance,
}

/// Checks what a key is to be allowed.
///
/// # Errors
/// What is wrong with it, and what there is instead.
pub fn check_policy(name: &str, policy: &KeyPolicy, ladder: &Ladder) -> Result<(), String> {
    check_names(name, policy)?;
    check_models(&policy.models, ladder)?;
    understand(policy, ladder).map(|_| ())
}

/// Checks what a key is called, whatever the ladder.
pub(super) fn check_names(name: &str, policy: &KeyPolicy) -> Result<(), String> {
    for (what, text) in [("the name", name), ("the team", &policy.team)] {
        if text.len() > MAX_NAME || text.chars().any(char::is_control) {
            return Err(format!("{what} has to be one line of at most {MAX_NAME} letters"));
        }
    }
    if name.trim() != name || name.is_empty() {
        return Err("a key needs a name, without spaces around it".into());
    }
    if name.starts_with('(') {
        return Err("a name does not begin with `(`, as tierway's own do".into());
    }
    Ok(())
}

/// What a key allows has to be something that a request can name. Of `provider/model` only the shape is known here.
fn check_models(models: &[String], ladder: &Ladder) -> Result<(), String> {
    let served = |name: &str| ladder.tiers().iter().flat_map(|tier| &tier.targets).any(|target| target.model == name);
    let known = |name: &String| name == "auto" || name.contains('/') || ladder.find(name).is_some() || served(name);
    let Some(unknown) = models.iter().find(|name| !known(name)) else { return Ok(()) };
    Err(format!("no request can name `{unknown}`: it takes `auto`, a tier, a model of a tier, or `provider/model`"))
}

pub(crate) fn understand(policy: &KeyPolicy, ladder: &Ladder) -> Result<Understood, String> {
    let scope = if policy.scope.is_empty() { "client" } else { &policy.scope };
    let scope = SCOPES.iter().find(|(name, _)| *name == scope).map(|(_, scope)| *scope);
    let scope =
        scope.ok_or_else(|| format!("there is no scope `{}`; there are client, read and admin", policy.scope))?;
    let tier = |name: &Option<String>| -> Result<Option<TierId>, String> {
        let Some(name) = name else { return Ok(None) };
        ladder.find(name).map(Some).ok_or_else(|| {
            let known: Vec<_> = ladder.tiers().iter().map(|tier| tier.name.as_str()).collect();
            format!("there is no tier `{name}`; there are {}", known.join(", "))
        })
    };
    let pins = Pins { exact: tier(&policy.tier)?, floor: tier(&policy.floor)?, ceiling: tier(&policy.ceiling)? };
    if pins.floor.zip(pins.ceiling).is_some_and(|(floor, ceiling)| floor > ceiling) {
        return Err("its floor is above its ceiling; no tier would be left".into());
    }
    let step_down_to = tier(&policy.step_down_to)?;
    if step_down_to.is_some() && policy.budget.is_none() {
        return Err("it steps down from no budget; give it one".into());
    }
    if step_down_to.zip(pins.floor).is_some_and(|(to, floor)| to < floor) {
        return Err("it steps down below its own floor".into());
    }
    let (budget, max_concurrent) = (policy.budget, policy.max_concurrent);
    let allowance = Allowance { budget, step_down_to, rpm: policy.rpm, tpm: policy.tpm, max_concurrent };
    Ok(Understood { scope, pins, allowance })
}

/// What keys may have under a config, by name, their teams' pins included: those of the config, and those of the ledger that
/// are understood. Of a name that both have it is the config's, as while serving.
#[must_use]
pub fn key_pins(config: &Config, stored: &[StoredKey]) -> BTreeMap<String, Pins> {
    let of_team = |team: &str| config.teams.get(team).map(|team| team.pins).unwrap_or_default();
    let of_ledger = stored.iter().filter_map(|key| {
        let policy = key.policy.as_ref()?;
        let pins = understand(policy, config.table.ladder()).ok()?.pins;
        Some((key.name.clone(), pins.and(of_team(&policy.team))))
    });
    let of_config = config.keys.iter().map(|key| (key.name.clone(), key.pins.and(of_team(&key.team))));
    of_ledger.chain(of_config).collect()
}

/// A key as it is in force under this ladder.
pub(super) fn entry(stored: &StoredKey, ladder: &Ladder) -> KeyEntry {
    let policy = stored.policy.clone().unwrap_or_default();
    let understood = match &stored.policy {
        None => Err("a newer tierway wrote it".to_owned()),
        Some(policy) => understand(policy, ladder),
    };
    let bar = match (stored.revoked_ms, &understood) {
        (Some(at_ms), _) => Some(Bar::Revoked { at_ms }),
        (None, Err(why)) => Some(Bar::Unusable { why: why.clone() }),
        (None, Ok(_)) => None,
    };
    // What is barred opens nothing: its bounds do not matter.
    let barred = |_| Understood { scope: Scope::Client, pins: Pins::default(), allowance: Allowance::default() };
    let Understood { scope, pins, allowance } = understood.unwrap_or_else(barred);
    let secrets = stored.secrets.iter().map(|secret| {
        let until = [secret.expires_ms, stored.expires_ms].into_iter().flatten().min();
        (Digest(secret.digest), until)
    });
    KeyEntry {
        secrets: secrets.collect(),
        scope,
        caller: Caller { key: stored.name.as_str().into(), team: policy.team.into(), pins, models: policy.models },
        allowance,
        bar,
    }
}
