//! What does not go together although each section is good by itself: keys against teams, tiers, models and prices.

use crate::callers::{Bounds, ClientKey};
use crate::problem::{did_you_mean, nearest, shown};
use crate::quality::QualityConfig;
use crate::reader::Section;
use crate::tier::TierNames;
use std::collections::BTreeMap;
use tierway_decide::Tier;

/// What was read, to be held against each other.
pub(crate) struct Parts<'p> {
    pub(crate) tiers: &'p [Tier],
    pub(crate) names: &'p TierNames,
    pub(crate) keys: &'p [ClientKey],
    pub(crate) teams: &'p BTreeMap<String, Bounds>,
    pub(crate) quality: &'p QualityConfig,
}

impl Parts<'_> {
    pub(crate) fn check(&self, root: &Section<'_, '_>) {
        let sections = root.only_tables("keys");
        for (at, (section, key)) in sections.iter().zip(self.keys).enumerate() {
            self.check_hash(section, &self.keys[..at], key);
            self.check_team(section, key);
            self.check_models(section, &root.names_under("providers"));
        }
        self.check_budgets(root);
        self.check_sampling(root);
    }

    /// Of two keys with one secret only the first would ever be found.
    fn check_hash(&self, section: &Section<'_, '_>, earlier: &[ClientKey], key: &ClientKey) {
        let unread = [0; 32];
        let twin = earlier.iter().find(|other| other.sha256 == key.sha256 && key.sha256 != unread);
        if let Some(twin) = twin {
            let message = format!("is that of key {}, too; each key has a secret of its own", shown(&twin.name));
            section.problem("hash", format!("`hash` in {} {message}", section.title));
        }
    }

    fn check_team(&self, section: &Section<'_, '_>, key: &ClientKey) {
        let Some(team) = self.teams.get(&key.team) else {
            let meant = nearest(&key.team, self.teams.keys().map(String::as_str)).filter(|_| !key.team.is_empty());
            if let Some(meant) = meant {
                let message = format!("team {} has no section; did you mean `{meant}`?", shown(&key.team));
                section.reader.warn(section.at("team"), message);
            }
            return;
        };
        let both = key.pins.and(team.pins);
        if let Some((floor, ceiling)) = both.floor.zip(both.ceiling).filter(|(floor, ceiling)| floor > ceiling) {
            let name =
                |tier: tierway_decide::TierId| self.names.0.get(usize::from(tier.0)).cloned().unwrap_or_default();
            let (floor, ceiling, team) = (name(floor), name(ceiling), &key.team);
            let message =
                format!("together have the floor `{floor}` above the ceiling `{ceiling}`; no tier would be left");
            section.problem("team", format!("{} and its team `{team}` {message}", section.title));
        }
    }

    /// What a key allows has to be something that a request can name.
    fn check_models(&self, section: &Section<'_, '_>, providers: &[String]) {
        let targets = || self.tiers.iter().flat_map(|tier| &tier.targets);
        // A tier that has problems of its own is missing here: then nothing is said of models.
        if self.tiers.len() != self.names.0.len() {
            return;
        }
        for model in section.texts("models") {
            let provider = model.text.split_once('/').map(|(provider, _)| provider);
            let known = model.text == "auto"
                || self.names.id(&model.text).is_some()
                || provider.is_some_and(|name| providers.iter().any(|known| known == name))
                || targets().any(|target| target.model == model.text);
            if known {
                continue;
            }
            let names = self.names.0.iter().map(String::as_str).chain(targets().map(|target| target.model.as_str()));
            let hint = did_you_mean(&model.text, names.chain(["auto"]));
            let takes =
                "it takes `auto`, a tier, a model of a tier, or `provider/model` of a provider that is configured";
            section.reader.problem(model.at, format!("no request can name {}; {hint}{takes}", shown(&model.text)));
        }
    }

    /// A budget counts money, and a call without a price costs nothing that could be counted.
    fn check_budgets(&self, root: &Section<'_, '_>) {
        let targets = self.tiers.iter().flat_map(|tier| &tier.targets).filter(|target| target.prices.is_none());
        let unpriced: Vec<_> = targets.map(|target| format!("{}/{}", target.provider, target.model)).collect();
        if unpriced.is_empty() {
            return;
        }
        let named = ["teams", "users"].into_iter().flat_map(|kind| root.named(kind)).map(|(_, section)| section);
        let limited = root.only_tables("keys").into_iter().chain(named).find(|section| section.has("budget"));
        if let Some(section) = limited {
            let message = format!(
                "a budget cannot bound what has no price: calls to {} count as nothing; give these a `price`",
                unpriced.join(", ")
            );
            section.reader.warn(section.at("budget"), message);
        }
    }

    fn check_sampling(&self, root: &Section<'_, '_>) {
        let quality = self.quality;
        let says_yes = |said: &BTreeMap<String, bool>| said.values().any(|yes| *yes);
        let allowed = quality.allow_without_key && self.keys.is_empty()
            || !quality.allow_keys.is_empty()
            || !quality.allow_teams.is_empty()
            || says_yes(&quality.keys)
            || says_yes(&quality.rules_allow);
        if quality.sample.is_some() && !allowed {
            let message = "`sample` in [quality] finds nothing: nobody allows the use of texts; set `allow_keys`, \
                           `allow_teams`, `allow_sampling` of a key or a rule, or, without any keys, `allow_without_key`";
            root.reader.warn(root.table("quality").at("sample"), message);
        }
    }
}
