//! `[[keys]]`, `[teams.NAME]`, `[users.NAME]`: who may ask, and who may have what.

use crate::day;
use crate::problem::shown;
use crate::reader::Section;
use crate::tier::TierNames;
use std::collections::BTreeMap;
use tierway_decide::budget::Budget;
use tierway_decide::{DAY_MS, Pins, TierId};

/// A client's key, hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKey {
    /// Its name in records.
    pub name: String,
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
    /// Its team; may be empty.
    pub team: String,
    /// What it may have.
    pub pins: Pins,
    /// What it opens.
    pub scope: KeyScope,
    /// What its requests may name as `model`; empty: anything.
    pub models: Vec<String>,
    /// From when on it opens nothing, Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// What it may spend.
    pub allowance: Allowance,
}

/// What a key, team or user may spend: money, speed, and room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Money in a period.
    pub budget: Option<Budget>,
    /// The dearest tier once most of it is spent; none: all tiers to the end.
    pub step_down_to: Option<TierId>,
    /// Requests a minute.
    pub rpm: Option<u32>,
    /// Tokens a minute, in and out.
    pub tpm: Option<u32>,
    /// Requests in work at once; none: as many as the server takes.
    pub max_concurrent: Option<u32>,
}

/// What a key opens; each includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyScope {
    /// Models.
    #[default]
    Client,
    /// Reports and records.
    Read,
    /// Everything.
    Admin,
}

/// What holds for a user, or for all keys of a team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// What its requests may have, beside the pins of their key.
    pub pins: Pins,
    /// What they may spend together.
    pub allowance: Allowance,
}

/// `[users.NAME]` or `[teams.NAME]`.
pub(crate) fn bounds(
    root: &Section<'_, '_>,
    kind: &str,
    tiers: &TierNames,
    baseline: Option<TierId>,
) -> BTreeMap<String, Bounds> {
    let bounds = |section: &Section<'_, '_>| {
        let pins = pins(section, tiers, baseline);
        Bounds { pins, allowance: allowance(section, tiers, pins) }
    };
    root.named(kind).iter().map(|(name, section)| (name.text.clone(), bounds(section))).collect()
}

fn allowance(section: &Section<'_, '_>, tiers: &TierNames, pins: Pins) -> Allowance {
    let budget = section.text("budget").and_then(|text| {
        let budget = text.text.parse::<Budget>();
        budget.map_err(|error| section.problem("budget", format!("`budget` in {}: {error}", section.title))).ok()
    });
    let step_down_to = tiers.tier(section, "step_down_to");
    if section.has("step_down_to") && !section.has("budget") {
        section.problem("step_down_to", format!("{} steps down from no budget; give it one", section.title));
    }
    if step_down_to.zip(pins.floor).is_some_and(|(to, floor)| to < floor) {
        section.problem("step_down_to", format!("{} steps down below its own floor", section.title));
    }
    if step_down_to.zip(pins.ceiling).is_some_and(|(to, ceiling)| to > ceiling) {
        section.problem("step_down_to", format!("{} steps down to above its own ceiling", section.title));
    }
    Allowance {
        budget,
        step_down_to,
        rpm: section.opt_int32("rpm"),
        tpm: section.opt_int32("tpm"),
        max_concurrent: section.opt_int32("max_concurrent"),
    }
}

fn pins(section: &Section<'_, '_>, tiers: &TierNames, baseline: Option<TierId>) -> Pins {
    let always_baseline = section.flag("always_baseline");
    if always_baseline && section.has("tier") {
        let message = format!("{} has `tier` and also `always_baseline`; keep one of both", section.title);
        section.problem("always_baseline", message);
    }
    let mut exact = tiers.tier(section, "tier");
    if always_baseline {
        exact = baseline;
    }
    let (floor, ceiling) = (tiers.tier(section, "floor"), tiers.tier(section, "ceiling"));
    let outside = |tier| floor.is_some_and(|floor| tier < floor) || ceiling.is_some_and(|ceiling| tier > ceiling);
    if exact.is_some_and(outside) {
        let field = if always_baseline { "always_baseline" } else { "tier" };
        let message =
            format!("`{field}` of {} is a tier outside of its floor and ceiling; keep one of both", section.title);
        section.problem(field, message);
    }
    if floor.zip(ceiling).is_some_and(|(floor, ceiling)| floor > ceiling) {
        section.problem("floor", format!("the floor of {} is above its ceiling; no tier would be left", section.title));
    }
    Pins { exact, floor, ceiling }
}

pub(crate) fn keys(root: &Section<'_, '_>, tiers: &TierNames, baseline: Option<TierId>) -> Vec<ClientKey> {
    let mut keys: Vec<ClientKey> = Vec::new();
    for section in root.only_tables("keys") {
        section.require("name");
        section.require("hash");
        let (name, sha256) = (section.string("name"), hash(&section));
        let (team, pins) = (section.string("team"), pins(&section, tiers, baseline));
        let scope = match section.string("scope").as_str() {
            "read" => KeyScope::Read,
            "admin" => KeyScope::Admin,
            _ => KeyScope::Client,
        };
        if section.has("name") && (name.is_empty() || name.starts_with('(')) {
            let message = "a name is not empty and does not begin with `(`, as tierway's own do";
            section.problem("name", format!("a key cannot be named {}; {message}", shown(&name)));
        }
        if keys.iter().any(|earlier| !name.is_empty() && earlier.name == name) {
            section.problem("name", format!("two keys are named {}; give each its own name", shown(&name)));
        }
        keys.push(ClientKey {
            name,
            sha256: sha256.unwrap_or_default(),
            team,
            pins,
            scope,
            models: section.texts("models").into_iter().map(|name| name.text).collect(),
            expires_ms: expires(&section),
            allowance: allowance(&section, tiers, pins),
        });
    }
    keys
}

/// The first moment of a day, UTC.
fn expires(section: &Section<'_, '_>) -> Option<i64> {
    let text = section.text("expires")?.text;
    let day = day::parse(&text);
    if day.is_none() {
        let message =
            format!("`expires` in {} is {}; it takes a day such as \"2027-01-31\"", section.title, shown(&text));
        section.problem("expires", message);
    }
    day.map(|day| i64::from(day) * DAY_MS)
}

/// Never quotes what stands there: it may be the key itself.
fn hash(section: &Section<'_, '_>) -> Option<[u8; 32]> {
    let text = section.text("hash")?.text;
    let hash = text.strip_prefix("sha256:").and_then(from_hex);
    if hash.is_none() {
        let message =
            "is not `sha256:` and 64 hexadecimal digits; `tierway keys add --for-config` prints the whole section";
        section.problem("hash", format!("`hash` in {} {message}", section.title));
    }
    hash
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}
