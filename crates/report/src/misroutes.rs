//! Requests that went where they should not have gone, as far as their records tell, and what to do about them.
//!
//! In: call records of a period. Out: groups of alike ones by what they cost too much, each with an [`Advice`]. Refuses to
//! judge answers: whether a cheap answer was too weak is for verdicts to say, not for this.

use crate::figures::{dollars, percent, thousands};
use std::collections::BTreeMap;
use tierway_decide::{
    AttemptEnd, CallRecord, CallStatus, Policy, Reason, RejectWhy, RequestId, TaskType, TierId, Usd, savings,
};

/// Requests that are named for each group, the dearest.
const EXAMPLES: usize = 3;
/// Groups that are kept; a config with more rules than this loses the small ones of its last rules.
const MOST_GROUPS: usize = 4_096;
/// The cheapest tier would have done as well: its chance falls short of the baseline's by no more than this.
const AS_GOOD: f32 = 0.02;

/// What is wrong with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// They cost more than the baseline would have.
    Dearer,
    /// A cheap answer was verifiably broken, so that two were paid for.
    Broken,
    /// The cheapest tier was expected to do as well, but a dearer one answered.
    TooHigh,
    /// The predictor abstained, so that the baseline answered.
    Doubted,
}

impl Fault {
    /// As half a sentence about requests.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Dearer => "cost more than on the baseline tier",
            Self::Broken => "had a broken first answer, so that two were paid for",
            Self::TooHigh => "went to a dearer tier although the cheapest was expected to do as well",
            Self::Doubted => "went to the baseline tier because the predictor had too little to go by",
        }
    }
}

/// Requests that went wrong alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Misroute {
    /// What is wrong.
    pub fault: Fault,
    /// The kind of work.
    pub task_type: TaskType,
    /// The tier that was decided.
    pub tier: String,
    /// What decided: `predicted`, `rule:NAME`; `floor` where one raised what they say.
    pub reason: String,
    /// How many.
    pub calls: u64,
    /// What they cost too much.
    pub lost: Usd,
    /// The dearest of them.
    pub examples: Vec<RequestId>,
    /// What to do.
    pub advice: Advice,
}

/// What to do about a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Advice {
    /// In words.
    pub words: String,
    /// What to write into the config; may be empty. Of an entry that is there already it is the line to change, under a
    /// comment that says where: pasted as an entry of its own it would be another one.
    pub config: String,
    /// What to run.
    pub command: String,
}

/// What is in force, as far as advice hangs on it.
#[derive(Clone, Debug, PartialEq)]
pub struct InForce {
    /// Name of the baseline tier; empty when unknown.
    pub baseline: String,
    /// The policy.
    pub policy: Policy,
    /// Share of the best tier's quality to keep.
    pub quality_target: f64,
    /// Thresholds come from evidence, not from the quality target alone.
    pub calibrated: bool,
}

type Key = (Fault, TaskType, String, String);

/// Finds them, one record after the other.
#[derive(Clone, Debug, Default)]
pub struct Misroutes {
    groups: BTreeMap<Key, Group>,
}

#[derive(Clone, Debug, Default)]
struct Group {
    calls: u64,
    lost: Usd,
    examples: Vec<(Usd, RequestId)>,
}

impl Misroutes {
    /// Looks at one record.
    pub fn look(&mut self, call: &CallRecord) {
        if call.status != CallStatus::Answered || !savings::is_routed(&call.reason) || savings::is_own(&call.reason) {
            return;
        }
        let Some((fault, lost)) = fault(call) else { return };
        let reason = if is_raised(call) { FLOOR.to_owned() } else { call.reason.summary().into_owned() };
        let key = (fault, call.prediction.task_type, call.tier.to_string(), reason);
        if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&key) {
            return;
        }
        let group = self.groups.entry(key).or_default();
        group.calls += 1;
        group.lost += lost;
        group.examples.push((lost, call.id));
        group.examples.sort_by(|a, b| b.cmp(a));
        group.examples.truncate(EXAMPLES);
    }

    /// The groups that cost most, at most so many.
    #[must_use]
    pub fn worst(self, most: usize, in_force: &InForce) -> Vec<Misroute> {
        let mut groups: Vec<_> = self.groups.into_iter().filter(|(_, group)| group.lost > Usd::ZERO).collect();
        groups.sort_by(|a, b| b.1.lost.cmp(&a.1.lost).then_with(|| a.0.cmp(&b.0)));
        groups.truncate(most);
        let misroute = |((fault, task_type, tier, reason), group): (Key, Group)| {
            let advice = advice(fault, &tier, &reason, in_force);
            let examples = group.examples.into_iter().map(|(_, id)| id).collect();
            Misroute { fault, task_type, tier, reason, calls: group.calls, lost: group.lost, examples, advice }
        };
        groups.into_iter().map(misroute).collect()
    }
}

/// What decided about requests that a floor raised.
const FLOOR: &str = "floor";

/// It would have gone to a cheaper tier, but for the floor of its caller or its own.
fn is_raised(call: &CallRecord) -> bool {
    call.rejected.iter().any(|passed| passed.why == RejectWhy::BelowFloor)
}

/// Whether the cheapest tier was passed over for what no threshold can change: it lacks something, or the request does not fit.
fn is_unfit(call: &CallRecord) -> bool {
    let by_chance =
        |why: &RejectWhy| matches!(why, RejectWhy::NotGoodEnough { .. } | RejectWhy::Dearer | RejectWhy::Outscored(_));
    call.rejected.iter().any(|passed| passed.tier == TierId(0) && !by_chance(&passed.why))
}

/// What is wrong with a request, and what that cost.
fn fault(call: &CallRecord) -> Option<(Fault, Usd)> {
    let paid = call.paid? + call.classifier_paid;
    let last = call.attempts.len().saturating_sub(1);
    let thrown_away = call.attempts[..last].iter().filter(|attempt| attempt.end == AttemptEnd::Ok);
    let broken: Usd = thrown_away.filter_map(|attempt| attempt.paid).sum();
    if broken > Usd::ZERO {
        return Some((Fault::Broken, broken));
    }
    let lost = paid - savings::baseline_of(call)?;
    if lost > Usd::ZERO {
        return Some((Fault::Dearer, lost));
    }
    let saved = paid - call.cheapest?;
    if call.reason == Reason::Abstained && !is_raised(call) && saved > Usd::ZERO {
        return Some((Fault::Doubted, saved));
    }
    let free = matches!(call.reason, Reason::Predicted | Reason::SessionHeld) && !is_raised(call) && !is_unfit(call);
    let best = call.prediction.p_ok.iter().copied().fold(0.0, f32::max);
    let as_good = best > 0.0 && call.prediction.p_ok[0] >= best - AS_GOOD;
    (free && as_good && saved > Usd::ZERO).then_some((Fault::TooHigh, saved))
}

fn advice(fault: Fault, tier: &str, reason: &str, now: &InForce) -> Advice {
    let baseline = if now.baseline.is_empty() { "the baseline tier" } else { &now.baseline };
    let kind = reason.split_once(':').map_or(reason, |(kind, _)| kind);
    let (words, config) = match (fault, kind) {
        (Fault::Broken, _) => (
            format!("The first model of `{tier}` does not keep to the form that is asked for. Say so, and it is not asked for it."),
            format!("# in [[tiers]], the entry with name = \"{tier}\":\ncapabilities = {{ json_schema = false }}"),
        ),
        (_, "rule" | "locked_rule") => {
            let rule = reason.split_once(':').map_or("", |(_, rule)| rule);
            (
                format!("The rule `{rule}` sends them to `{tier}`. If `{baseline}` is good enough for what it matches, let it say so."),
                format!("# in [[rules]], the entry with name = \"{rule}\", instead of its tier:\ntier = \"{baseline}\""),
            )
        }
        (_, "requested_tier" | "caller_tier") => (
            format!("Their callers ask for `{tier}`. A ceiling on the key bounds what they can ask for."),
            format!("# in [[keys]], the entries of these callers:\nceiling = \"{baseline}\""),
        ),
        (_, FLOOR) => (
            format!("A floor of their callers, or one that they name themselves, holds them at `{tier}`. Where `{baseline}` is good enough, let it say so."),
            format!("[[keys]]  # of these callers\nfloor = \"{baseline}\""),
        ),
        (_, "abstained") => (
            "The predictor abstained: they gave it too little to go by, or nothing like what it has seen. Let a model be asked in such cases."
                .into(),
            "[routing]\nclassifier = \"hybrid\"".into(),
        ),
        (_, "session_held") => (
            "Their conversations stayed where their prompt cache was warm. That pays for long ones; if these are short, let them move."
                .into(),
            "[routing]\nsession_hold = false".into(),
        ),
        _ => by_policy(tier, now),
    };
    let command = match kind {
        // What a model would have said is in no record: only asking one tells.
        "abstained" if fault != Fault::Broken => "tierway ask PROMPT --config new.toml",
        _ => "tierway backtest --since 7d --policy new.toml",
    };
    Advice { words, config, command: command.into() }
}

/// A hundredth less of quality: the smallest step that moves much.
const STEP: f64 = 0.01;

fn by_policy(tier: &str, now: &InForce) -> (String, String) {
    if now.policy == Policy::Tiers {
        return (
            format!(
                "The table of complexities sends them to `{tier}`. The policy \"target\" weighs cost against the chance that an answer will do."
            ),
            "[routing]\npolicy = \"target\"".into(),
        );
    }
    let words = if now.calibrated {
        let kept = percent(now.quality_target);
        format!("Thresholds were proven for the quality kept now, {kept}. A lower target sends fewer up.")
    } else {
        "Thresholds are the built-in ones. Evidence of your own outcomes moves them to where your traffic is; until then the quality target does."
            .into()
    };
    (words, format!("[routing]\nquality_target = {:.2}", (now.quality_target - STEP).max(STEP)))
}

impl Misroute {
    /// The group in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        // What the cheapest tier's answers would have been worth is not known.
        let most = if matches!(self.fault, Fault::TooHigh | Fault::Doubted) { "up to " } else { "" };
        format!(
            "{} {} {} on {} ({}) {}: {most}{} too much",
            thousands(self.calls),
            self.task_type.name(),
            if self.calls == 1 { "request" } else { "requests" },
            self.tier,
            self.reason,
            self.fault.words(),
            dollars(self.lost)
        )
    }
}
