//! `[routing]`, `[users.NAME]`, `[[keys]]`: how a tier is chosen, and who may have which.

use crate::problem::shown;
use crate::reader::Section;
use crate::tier::TierNames;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tierway_decide::{AskModel, Classifier, Complexity, ComplexityMap, Ladder, Pins, Policy, SessionPolicy, TierId};

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
    /// Its requests in work at once; none: as many as the server takes.
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

/// What `[routing]` says besides the baseline.
pub(crate) struct Routing {
    pub(crate) policy: Policy,
    pub(crate) quality_target: f64,
    pub(crate) complexity: [Option<TierId>; 4],
    pub(crate) classifier: Classifier,
    pub(crate) session: SessionPolicy,
    pub(crate) escalate_on_broken: bool,
    pub(crate) evidence: Option<PathBuf>,
}

impl Routing {
    pub(crate) fn read(section: &Section<'_, '_>, tiers: &TierNames, base: &Path) -> Self {
        let complexity = section.table("complexity");
        Self {
            policy: if section.string("policy") == "tiers" { Policy::Tiers } else { Policy::Target },
            quality_target: section.share("quality_target"),
            complexity: Complexity::ALL.map(|step| tiers.tier(&complexity, step.name())),
            classifier: classifier(section, tiers),
            session: SessionPolicy {
                hold: section.flag("session_hold"),
                idle_minutes: section.int32("session_idle_minutes"),
            },
            escalate_on_broken: section.flag("escalate_on_broken"),
            evidence: section.text("evidence").map(|path| base.join(path.text)),
        }
    }

    /// The map, with the ladder's own where nothing is said.
    pub(crate) fn complexity_map(&self, ladder: &Ladder) -> ComplexityMap {
        let default = ComplexityMap::for_ladder(ladder);
        let [simple, medium, complex, reasoning] = Complexity::ALL.map(|step| default.tier(step));
        let [own_simple, own_medium, own_complex, own_reasoning] = self.complexity;
        ComplexityMap::new([
            own_simple.unwrap_or(simple),
            own_medium.unwrap_or(medium),
            own_complex.unwrap_or(complex),
            own_reasoning.unwrap_or(reasoning),
        ])
    }
}

fn classifier(section: &Section<'_, '_>, tiers: &TierNames) -> Classifier {
    let kind = section.string("classifier");
    let tier = tiers.tier(section, "classifier_tier").unwrap_or(TierId(0));
    let ask = AskModel {
        tier,
        timeout_ms: section.int32("classifier_timeout_ms"),
        max_output_tokens: section.int32("classifier_max_output_tokens"),
        max_cost: section.amount("classifier_max_cost_usd"),
    };
    match kind.as_str() {
        "model" => Classifier::Model(ask),
        "hybrid" => Classifier::Hybrid(ask),
        _ => Classifier::Local,
    }
}

pub(crate) fn users(root: &Section<'_, '_>, tiers: &TierNames, baseline: Option<TierId>) -> BTreeMap<String, Pins> {
    let users = root.named("users");
    users.iter().map(|(name, section)| (name.text.clone(), pins(section, tiers, baseline))).collect()
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
        if keys.iter().any(|earlier| !name.is_empty() && earlier.name == name) {
            section.problem("name", format!("two keys are named {}; give each its own name", shown(&name)));
        }
        let max_concurrent = section.opt_int32("max_concurrent");
        keys.push(ClientKey { name, sha256: sha256.unwrap_or_default(), team, pins, scope, max_concurrent });
    }
    keys
}

/// Never quotes what stands there: it may be the key itself.
fn hash(section: &Section<'_, '_>) -> Option<[u8; 32]> {
    let text = section.text("hash")?.text;
    let hash = text.strip_prefix("sha256:").and_then(from_hex);
    if hash.is_none() {
        let message = "is not `sha256:` and 64 hexadecimal digits; `tierway keys add` prints the whole section";
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
