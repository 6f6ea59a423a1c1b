//! `[quality]`: which answers are looked at afterwards, by whom, and what follows from it.

use crate::problem::{did_you_mean, shown};
use crate::provider::{KeySource, named};
use crate::reader::Section;
use crate::tier::TierNames;
use std::collections::BTreeMap;
use std::path::Path;
use tierway_decide::Usd;
use tierway_decide::quality::{Hold, Rules};

/// `[quality]`
#[derive(Clone, Debug, PartialEq)]
pub struct QualityConfig {
    /// The least chance that an answered request is looked at; none: nothing is.
    pub sample: Option<f64>,
    /// Most that a day's looking may cost.
    pub dollars_a_day: Usd,
    /// The model that judges: a tier, or `provider/model`; none: the top tier.
    pub judge: Option<String>,
    /// What is asked of each cell, and what follows when it falls.
    pub rules: Rules,
    /// Looks at once.
    pub max_concurrent: u32,
    /// Days that texts of samples are kept; 0: only while they are looked at.
    pub text_days: u32,
    /// Callers without a key allow their text to be used.
    pub allow_without_key: bool,
    /// Keys and teams whose text may be used, by name; those of the ledger have no section of their own to say so.
    pub allow_keys: Vec<String>,
    /// The same for teams.
    pub allow_teams: Vec<String>,
    /// What keys of the config say about the use of their text, by name.
    pub keys: BTreeMap<String, bool>,
    /// What rules say about it, by name.
    pub rules_allow: BTreeMap<String, bool>,
    /// Where alarms are posted.
    pub webhook: KeySource,
    /// Hours between calibrations from the log; none: only by hand.
    pub recalibrate_hours: Option<u32>,
}

impl QualityConfig {
    /// Whether the text of a request may be used: any `false` forbids it, else any `true` allows it.
    #[must_use]
    pub fn allows(&self, key: &str, team: &str, rule: Option<&str>) -> bool {
        let of_rule = rule.and_then(|rule| self.rules_allow.get(rule)).copied();
        if key.is_empty() {
            // There is only one general word, which a rule may make more exact.
            return of_rule.unwrap_or(self.allow_without_key);
        }
        let listed = |list: &[String], name: &str| list.iter().any(|known| known == name).then_some(true);
        let said =
            [self.keys.get(key).copied(), of_rule, listed(&self.allow_keys, key), listed(&self.allow_teams, team)];
        said.contains(&Some(true)) && !said.contains(&Some(false))
    }
}

pub(crate) fn read(root: &Section<'_, '_>, tiers: &TierNames, base: &Path) -> QualityConfig {
    let section = root.table("quality");
    let routing_target = root.table("routing").share("quality_target");
    let hold = match section.string("hold").as_str() {
        "unproven" => Hold::Unproven,
        "never" => Hold::Never,
        _ => Hold::Disproved,
    };
    let rules = Rules {
        target: if section.has("target") { section.share("target") } else { routing_target },
        confidence: section.share("confidence"),
        judge_error: f64::from(section.int32("judge_error_percent")) / 100.0,
        false_alarms: section.share("false_alarms"),
        season: u64::from(section.int32("season")),
        hold,
    };
    for (name, value) in [("target", rules.target), ("confidence", rules.confidence)] {
        if section.is_present() && value > 0.9999 {
            let message = "nothing can be proven to be without any exception; take less than 1, such as 0.95";
            section.problem(name, format!("`{name}` in [quality] is {value}; {message}"));
        }
    }
    let judge = section.text("judge").filter(|_| section.has("judge"));
    if let Some(judge) = &judge {
        known_judge(&section, &judge.text, tiers, &root.names_under("providers"));
    }
    let recalibrate_hours = section.opt_int32("recalibrate_hours");
    if recalibrate_hours.is_some() {
        can_recalibrate(&section, root);
    }
    QualityConfig {
        sample: section.has("sample").then(|| section.share("sample")),
        dollars_a_day: section.amount("dollars_a_day").unwrap_or(Usd::ZERO),
        judge: judge.map(|judge| judge.text),
        rules,
        max_concurrent: section.int32("max_concurrent"),
        text_days: section.int32("text_days"),
        allow_without_key: section.flag("allow_without_key"),
        allow_keys: section.texts("allow_keys").into_iter().map(|name| name.text).collect(),
        allow_teams: section.texts("allow_teams").into_iter().map(|name| name.text).collect(),
        keys: allowing(root, "keys"),
        rules_allow: allowing(root, "rules"),
        webhook: named(&section, "webhook", base),
        recalibrate_hours,
    }
}

/// A schedule without anything to learn from, or without anybody who reads what was learned, is a mistake.
fn can_recalibrate(section: &Section<'_, '_>, root: &Section<'_, '_>) {
    let missing = if root.table("routing").string("evidence") != "ledger" {
        "what is learned is kept in the ledger: set `evidence = \"ledger\"` in [routing]"
    } else if !section.has("sample") {
        "there is nothing to learn from: set `sample`"
    } else if section.int32("text_days") == 0 {
        "it learns from texts: set `text_days` to 1 or more"
    } else {
        return;
    };
    section.problem("recalibrate_hours", format!("`recalibrate_hours` in [quality] has no use: {missing}"));
}

/// What each of a list of sections says about the use of text, where it says anything.
fn allowing(root: &Section<'_, '_>, list: &str) -> BTreeMap<String, bool> {
    let sections = root.only_tables(list).into_iter();
    sections.filter_map(|section| Some((section.string("name"), section.opt_flag("allow_sampling")?))).collect()
}

fn known_judge(section: &Section<'_, '_>, judge: &str, tiers: &TierNames, providers: &[String]) {
    let provider = judge.split_once('/').map(|(provider, _)| provider);
    if tiers.id(judge).is_some() || provider.is_some_and(|name| providers.iter().any(|known| known == name)) {
        return;
    }
    let known = &tiers.0;
    let hint = did_you_mean(judge, known.iter().map(String::as_str));
    let tiers = known.join(", ");
    let message = format!("{hint}it takes a tier ({tiers}), or `provider/model` of a provider that is configured");
    section.problem("judge", format!("`judge` in [quality] is {}; {message}", shown(judge)));
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(key: &str, team: &str, rule: Option<&str>, without_key: bool, want: bool) {
        let text = format!(
            "[providers.o]\nkind = \"openai\"\n[[tiers]]\nname = \"standard\"\nprovider = \"o\"\nmodel = \"gpt-4.1\"\n\
             [quality]\nsample = 0.1\nallow_without_key = {without_key}\nallow_keys = [\"listed\", \"no\"]\nallow_teams = [\"web\"]\n\
             [[keys]]\nname = \"yes\"\nhash = \"sha256:{0}\"\nallow_sampling = true\n\
             [[keys]]\nname = \"no\"\nhash = \"sha256:{0}\"\nallow_sampling = false\n\
             [[keys]]\nname = \"silent\"\nhash = \"sha256:{0}\"\n\
             [[rules]]\nname = \"health\"\npattern = 'a'\ntier = \"standard\"\nallow_sampling = false\n\
             [[rules]]\nname = \"public\"\npattern = 'b'\ntier = \"standard\"\nallow_sampling = true\n",
            "0".repeat(64)
        );
        let config = crate::parse(&text, "tierway.toml", &|_| None).unwrap();
        assert_eq!(config.quality.allows(key, team, rule), want, "{key:?} {rule:?}");
    }

    #[test]
    fn text_is_used_only_where_somebody_allows_and_nobody_forbids_it() {
        check("yes", "", None, false, true);
        check("yes", "", Some("health"), false, false);
        check("no", "", Some("public"), false, false);
        check("silent", "", None, true, false);
        check("silent", "", Some("public"), false, true);
        check("silent", "", Some("unknown"), false, false);
        check("listed", "", None, false, true);
        check("silent", "web", None, false, true);
        check("no", "web", None, false, false);
        check("", "", None, false, false);
        check("", "", None, true, true);
        check("", "", Some("health"), true, false);
        check("", "", Some("public"), false, true);
    }
}
