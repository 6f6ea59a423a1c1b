//! Outcomes against a ladder: what each tier scored and would have cost on each request.

use crate::Outcome;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use tierway_decide::quality::{JudgeRates, Rates};
use tierway_decide::{Ladder, MAX_TIERS, Reasoning, Target, TierId};
use tierway_wire::Usage;

/// What a tier did on one request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Graded {
    /// Score, 0..1.
    pub score: f64,
    /// Dollars.
    pub cost: f64,
    /// Output tokens, hidden ones included.
    pub output: f64,
}

/// One request with a grade for every tier of the ladder.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The outcome.
    pub outcome: &'a Outcome,
    /// By tier; where a tier has no answer the baseline's stands in.
    pub tiers: [Graded; MAX_TIERS],
    /// Which tiers have an answer of their own.
    pub own: [bool; MAX_TIERS],
}

impl Row<'_> {
    /// What a tier's answer is worth: its score; without the errors of a judge that gave it, where their rates are known, and
    /// then times [`Rates::scale`] for all rows and tiers.
    pub(crate) fn worth(&self, tier: usize, baseline: usize, rates: Option<Rates>) -> f64 {
        let score = self.tiers[tier].score;
        match rates {
            None => score,
            Some(rates) if !self.outcome.by_judge => rates.scale() * score,
            Some(rates) if tier == baseline || !self.own[tier] => rates.baseline(),
            Some(rates) => rates.cheap(1.0 - score, 1.0 - self.tiers[baseline].score),
        }
    }
}

/// Rows that can be used, and how many cannot.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    /// The rows.
    pub rows: Vec<Row<'a>>,
    /// Outcomes without an answer of the cheapest or the baseline tier.
    pub left_out: usize,
    /// Outcomes that were there before: same id, source and size. They are counted once, or they would prove twice.
    pub repeated: usize,
    /// Outcomes that were dropped so that all had the same chance of being judged: those that were sampled more often.
    pub thinned: usize,
    /// Output token counts that were filled in with the model's mean.
    pub filled: usize,
    /// Number of tiers.
    pub tiers: usize,
    /// Index of the baseline.
    pub baseline: usize,
    /// Tiers and models whose costs are not known, and why; they are never free, and neither is what is saved by them known.
    pub unknown_costs: BTreeSet<(usize, String, Unknown)>,
    /// How often a judge errs that gave scores; none where nobody knows: its scores are then taken as they are.
    pub judge: Option<JudgeRates>,
    /// How many of the judge's verdicts people checked, enough or not.
    pub checks: u64,
}

/// Why it is not known what answers of a model cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// It has no price.
    Price,
    /// It reasons, and of some answers it is neither recorded nor assumed how much.
    Reasoning,
}

/// Output tokens where a model reported none at all; as in the reference metrics.
const DEFAULT_OUTPUT: f64 = 300.0;

impl<'a> Table<'a> {
    /// Matches models to tiers by name (with and without the provider). `hidden` are reasoning tokens to assume for a model
    /// that did not record its own.
    #[must_use]
    pub fn new(outcomes: &'a [Outcome], ladder: &Ladder, hidden: &[(String, f64)]) -> Self {
        let means = means(outcomes);
        let tiers = ladder.tiers().len();
        let baseline = usize::from(ladder.baseline().0);
        let mut table = Self {
            rows: Vec::new(),
            left_out: 0,
            repeated: 0,
            thinned: 0,
            filled: 0,
            tiers,
            baseline,
            unknown_costs: BTreeSet::new(),
            judge: None,
            checks: 0,
        };
        let mut known = HashSet::new();
        let mut rows: Vec<Row<'a>> = Vec::new();
        for outcome in outcomes {
            if !known.insert((&outcome.id, &outcome.source, outcome.body_bytes)) {
                table.repeated += 1;
                continue;
            }
            let mut graded = [None; MAX_TIERS];
            for (tier, grade) in ladder.ids().zip(graded.iter_mut()) {
                *grade = table.grade(outcome, ladder, tier, hidden, &means);
            }
            match (graded[0], graded[baseline]) {
                (Some(_), Some(base)) => {
                    let own = graded.map(|grade| grade.is_some());
                    rows.push(Row { outcome, tiers: graded.map(|grade| grade.unwrap_or(base)), own });
                }
                _ => table.left_out += 1,
            }
        }
        // of those that can be used, so that one rare row which cannot does not thin out all others
        let least = rows.iter().map(|row| row.outcome.sampled).fold(1.0, f64::min);
        let (even, often): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|row| crate::split::share(&format!("thin {}", row.outcome.id)) <= least / row.outcome.sampled);
        table.rows = even;
        table.thinned = often.len();
        table
    }

    fn grade(
        &mut self,
        outcome: &Outcome,
        ladder: &Ladder,
        tier: TierId,
        hidden: &[(String, f64)],
        means: &HashMap<(&str, &str), f64>,
    ) -> Option<Graded> {
        let (model, target) = ladder.targets_of(tier).find_map(|(_, target)| {
            let named = |exactly: bool| {
                let mut names = outcome.answers.keys();
                names.find(|name| is_model(name, &target.provider, &target.model, exactly))
            };
            named(true).or_else(|| named(false)).map(|model| (model, target))
        })?;
        let answer = outcome.answers.get(model)?;
        let visible = answer.output_tokens.unwrap_or_else(|| {
            self.filled += 1;
            means.get(&(outcome.source.as_str(), model.as_str())).copied().unwrap_or(DEFAULT_OUTPUT)
        });
        let assumed =
            hidden.iter().find(|(name, _)| is_model(model, &target.provider, name, false)).map(|(_, tokens)| *tokens);
        if answer.reasoning_tokens.or(assumed).is_none() && reasons(target) {
            self.unknown_costs.insert((usize::from(tier.0), model.clone(), Unknown::Reasoning));
        }
        let output = visible + answer.reasoning_tokens.or(assumed).unwrap_or(0.0);
        let input = answer.prompt_tokens.unwrap_or(outcome.length as f64 / 4.0);
        let usage =
            Usage { input_tokens: input.round() as u64, output_tokens: output.round() as u64, ..Usage::default() };
        let price = target.prices.as_ref().and_then(|prices| prices.0.last());
        if price.is_none() {
            self.unknown_costs.insert((usize::from(tier.0), model.clone(), Unknown::Price));
        }
        let cost = price.map_or(0.0, |price| price.cost(&usage).as_f64());
        Some(Graded { score: f64::from(answer.score), cost, output })
    }

    /// Corners of what is known of the judge's errors: what holds at all of them holds whatever they are. One without any where
    /// scores are taken as they are.
    pub(crate) fn corners(&self) -> Vec<Option<Rates>> {
        self.judge.map_or(vec![None], |judge| judge.corners().into_iter().map(Some).collect())
    }

    /// Whether it is known what these tiers and the baseline would have cost.
    #[must_use]
    pub fn costs_known(&self, tiers: &[usize]) -> bool {
        !self.unknown_costs.iter().any(|(tier, ..)| *tier == self.baseline || tiers.contains(tier))
    }

    /// What is not known of costs, and what to do about it, a sentence for each model.
    #[must_use]
    pub fn unknown_costs_words(&self) -> Vec<String> {
        let words = |(_, model, why): &(usize, String, Unknown)| match why {
            Unknown::Price => format!(
                "what {model} would have cost is unknown: no price of it is known; write `price = {{ input = .., output = .. }}` in its tier"
            ),
            Unknown::Reasoning => format!(
                "what {model} would have cost is unknown: it reasons, and not every answer has `reasoning_tokens`; give `--assume-reasoning-tokens {model}=TOKENS` (0 where `output_tokens` holds them)"
            ),
        };
        self.unknown_costs.iter().map(words).collect()
    }
}

/// Whether a target's answers have tokens that nobody sees, as it is asked.
fn reasons(target: &Target) -> bool {
    let asked = target.effort.as_deref().is_some_and(|effort| effort != "none");
    match target.parameters.reasoning {
        Reasoning::None => false,
        Reasoning::OffByDefault => asked,
        Reasoning::OnByDefault => target.effort.is_none() || asked,
        Reasoning::Always => true,
    }
}

/// Those of these names that are no model of the outcomes on the ladder.
#[must_use]
pub fn strangers<'n>(outcomes: &[Outcome], ladder: &Ladder, names: &'n [(String, f64)]) -> Vec<&'n str> {
    let models: BTreeSet<&String> = outcomes.iter().flat_map(|outcome| outcome.answers.keys()).collect();
    let targets: Vec<_> = ladder.ids().flat_map(|tier| ladder.targets_of(tier)).map(|(_, target)| target).collect();
    let known = |name: &str| {
        targets.iter().any(|target| {
            let is = |model: &str, of: &str| is_model(model, &target.provider, of, false);
            models.iter().any(|model| is(model, &target.model) && is(model, name))
        })
    };
    names.iter().map(|(name, _)| name.as_str()).filter(|name| !known(name)).collect()
}

/// Whether a tier has a target of this model.
#[must_use]
pub fn is_on(ladder: &Ladder, name: &str) -> bool {
    let mut targets = ladder.ids().flat_map(|tier| ladder.targets_of(tier));
    targets.any(|(_, target)| is_model(name, &target.provider, &target.model, false))
}

/// Models that are named when none of them can be matched.
const NAMED: usize = 6;

/// Which models the outcomes have and which the ladder wants, for somebody whose names do not meet.
#[must_use]
pub fn names(outcomes: &[Outcome], ladder: &Ladder) -> String {
    let mut have: BTreeMap<&str, usize> = BTreeMap::new();
    for model in outcomes.iter().flat_map(|outcome| outcome.answers.keys()) {
        *have.entry(model).or_default() += 1;
    }
    let mut have: Vec<_> = have.into_iter().collect();
    have.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut out = String::from("the outcomes have ");
    // One left over would take as much room as its name.
    let named = if have.len() == NAMED + 1 { have.len() } else { have.len().min(NAMED) };
    for (at, (model, count)) in have.iter().take(named).enumerate() {
        let _ = write!(out, "{}{model} ({count})", if at > 0 { ", " } else { "" });
    }
    match have.len() {
        0 => out.push_str("no answer with a score"),
        many if many > named => {
            let _ = write!(out, " and {} more", many - named);
        }
        _ => {}
    }
    out.push_str("; the ladder wants ");
    for (at, tier) in ladder.tiers().iter().enumerate() {
        let models: Vec<&str> = tier.targets.iter().map(|target| target.model.as_str()).collect();
        let _ = write!(out, "{}{} for {}", if at > 0 { ", " } else { "" }, models.join(" or "), tier.name);
    }
    out
}

/// A model's name in a file is that of a target, with or without its provider in front; unless it has to be so `exactly`,
/// a dated snapshot (`gpt-4o-2024-05-13`) counts as the model that it is one of.
fn is_model(name: &str, provider: &str, model: &str, exactly: bool) -> bool {
    let bare = name.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
    let Some(rest) = bare.strip_prefix(model) else { return false };
    let dated = || {
        rest.strip_prefix('-').is_some_and(|date| date.len() >= 4 && date.bytes().take(4).all(|b| b.is_ascii_digit()))
    };
    rest.is_empty() || !exactly && dated()
}

/// Mean output tokens by source and model, where reported.
fn means(outcomes: &[Outcome]) -> HashMap<(&str, &str), f64> {
    let mut sums: HashMap<(&str, &str), (f64, f64)> = HashMap::new();
    for outcome in outcomes {
        for (model, answer) in &outcome.answers {
            if let Some(tokens) = answer.output_tokens {
                let sum = sums.entry((outcome.source.as_str(), model.as_str())).or_default();
                *sum = (sum.0 + tokens, sum.1 + 1.0);
            }
        }
    }
    sums.into_iter().map(|(key, (sum, count))| (key, sum / count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_counts_as_its_model_and_a_sibling_does_not() {
        for (name, exactly, loosely) in [
            ("gpt-4o", true, true),
            ("openai/gpt-4o", true, true),
            ("gpt-4o-2024-05-13", false, true),
            ("gpt-4o-2024-05-13-FC", false, true),
            ("gpt-4o-mini", false, false),
            ("gpt-4o-mini-2024-07-18", false, false),
            ("other/gpt-4o", false, false),
        ] {
            assert_eq!(is_model(name, "openai", "gpt-4o", true), exactly, "{name}");
            assert_eq!(is_model(name, "openai", "gpt-4o", false), loosely, "{name}");
        }
    }
}
