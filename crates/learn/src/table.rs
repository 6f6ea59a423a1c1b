//! Outcomes against a ladder: what each tier scored and would have cost on each request.

use crate::Outcome;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use tierway_decide::{Ladder, MAX_TIERS, TierId};
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
    /// By tier; a tier without an answer stands in for the baseline, as it would be served.
    pub tiers: [Graded; MAX_TIERS],
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
        let mut table = Self { rows: Vec::new(), left_out: 0, repeated: 0, thinned: 0, filled: 0, tiers, baseline };
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
                    rows.push(Row { outcome, tiers: graded.map(|grade| grade.unwrap_or(base)) });
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
        let output = visible + answer.reasoning_tokens.or(assumed).unwrap_or(0.0);
        let input = answer.prompt_tokens.unwrap_or(outcome.length as f64 / 4.0);
        let usage =
            Usage { input_tokens: input.round() as u64, output_tokens: output.round() as u64, ..Usage::default() };
        let price = target.prices.as_ref().and_then(|prices| prices.0.last());
        let cost = price.map_or(0.0, |price| price.cost(&usage).as_f64());
        Some(Graded { score: f64::from(answer.score), cost, output })
    }
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
    for (at, (model, count)) in have.iter().take(NAMED).enumerate() {
        let _ = write!(out, "{}{model} ({count})", if at > 0 { ", " } else { "" });
    }
    match have.len() {
        0 => out.push_str("no answer with a score"),
        many if many > NAMED => {
            let _ = write!(out, " and {} more", many - NAMED);
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
