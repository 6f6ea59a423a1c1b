//! The week as the ledger knows it: sums of this week and the one before, and one look at every row of this one.

use crate::reporting;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use tierway_config::Config;
use tierway_decide::baseline_ratio::{BaselineRatio, Pair};
use tierway_decide::quality::CellState;
use tierway_decide::{AttemptEnd, CallRecord, CallStatus, DEFAULT_QUALITY_TARGET, Policy, TaskType, Usd, savings};
use tierway_ledger::{LedgerError, Reader, Span, State, Step};
use tierway_report::{Failures, InForce, Misroutes, QualityKept, SavedBetween, Weekly, attempt_words};
use tierway_wire::Usage;

/// Groups of misroutes that are shown: as many as somebody will act on.
const MOST_MISROUTES: usize = 5;
/// Kinds of failures that are shown.
const MOST_FAILURES: usize = 5;
/// Kinds of failures that are told apart while counting.
const MOST_KINDS: usize = 1_024;
const WEEK: u32 = 7;
const WEEK_MS: i64 = 7 * 86_400_000;

/// Shadows that the interval of savings rests on, at most: each costs a look at a row.
const MOST_PAIRS: usize = 20_000;
/// 95 % of a normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The seven days before `now_ms`. What the answers were worth comes from `state`, where there is one. Reads every row of them: seconds for millions; not for the way of a request.
///
/// # Errors
/// What the database says.
pub fn weekly(
    reader: &mut Reader,
    state: Option<&mut State>,
    now_ms: i64,
    config: Option<&Config>,
) -> Result<Weekly, LedgerError> {
    let span = Span::last_days(WEEK, now_ms);
    let ladder = config.map(|config| config.table.ladder());
    let (summary, series) = (reader.summary(span)?, reader.series(span, Step::Day)?);
    let report = reporting::report(&summary, &series, ladder);
    let before = reader.summary(Span { from_ms: span.from_ms - WEEK_MS, to_ms: span.from_ms })?.totals;
    let (mut misroutes, mut failures) = (Misroutes::default(), Failed::default());
    let mut bills = Bills::default();
    reader.each(span, |stored| {
        if let Ok(stored) = stored {
            misroutes.look(&stored.call);
            failures.look(&stored.call);
            bills.look(&stored.call, &report.baseline.tier);
        }
        ControlFlow::Continue(())
    })?;
    let (mut saved, mut quality) = (None, None);
    if let (Some(state), Some(config)) = (state, config) {
        let pairs = pairs(reader, state, span, config)?;
        saved = bills.between(&pairs, summary.totals.savings.paid + summary.totals.savings.classifier);
        quality = kept(state, span, config)?;
    }
    Ok(Weekly {
        before: (before.calls > 0).then(|| reporting::totals(&before)),
        saved,
        quality,
        misroutes: misroutes.worst(MOST_MISROUTES, &in_force(config)),
        failures: failures.most_frequent(),
        report,
    })
}

/// Baseline costs of the week by the method of same tokens: of requests that went elsewhere, by kind of work, and of those
/// that the baseline tier really answered.
#[derive(Default)]
struct Bills {
    elsewhere: BTreeMap<TaskType, Usd>,
    certain: Usd,
}

impl Bills {
    fn look(&mut self, call: &CallRecord, baseline: &str) {
        let Some(amount) = savings::baseline_of(call).filter(|_| savings::saved(call).is_some()) else { return };
        if call.status == CallStatus::Answered && call.served_tier != baseline {
            *self.elsewhere.entry(call.prediction.task_type).or_default() += amount;
        } else {
            self.certain += amount;
        }
    }

    /// None while there are too few shadows.
    fn between(&self, pairs: &[Pair], paid: Usd) -> Option<SavedBetween> {
        let ratio = BaselineRatio::of(pairs)?;
        let elsewhere: Vec<_> = self.elsewhere.iter().map(|(task, amount)| (*task, *amount)).collect();
        let bill = ratio.bill(&elsewhere, self.certain, Z)?;
        let less = |dollars: f64| Usd::from_f64(dollars) - paid;
        Some(SavedBetween {
            value: less(bill.value),
            low: less(bill.low),
            high: less(bill.high),
            shadows: ratio.pairs() as u64,
            confidence: 0.95,
        })
    }
}

/// Requests of the week that the baseline tier answered, too: what its answer would have cost at its own length.
fn pairs(reader: &mut Reader, state: &mut State, span: Span, config: &Config) -> Result<Vec<Pair>, LedgerError> {
    let ladder = config.table.ladder();
    let mut found = Vec::new();
    for shadowed in state.shadowed(span.from_ms, span.to_ms, MOST_PAIRS)? {
        let Some(stored) = reader.call(shadowed.id)? else { continue };
        // Reasoning of the baseline is in its tokens; that of the one that served is not the baseline's.
        let usage = Usage { output_tokens: shadowed.baseline_tokens, reasoning_tokens: 0, ..stored.call.usage };
        let own = savings::counterfactual(ladder, ladder.baseline(), &usage, shadowed.id.unix_ms());
        if let (Some(same_tokens), Some(own)) = (stored.call.baseline, own) {
            // Each stands for as many as it was drawn from: chances change with the budget and the config.
            let weight = 1.0 / shadowed.chance;
            found.push(Pair { task_type: shadowed.task_type, same_tokens, found: own, weight });
        }
    }
    Ok(found)
}

/// What the comparisons of the week say; none without any.
fn kept(state: &mut State, span: Span, config: &Config) -> Result<Option<QualityKept>, LedgerError> {
    let told = crate::quality_report(state, span, &config.quality.rules)?;
    let overall = &told.quality.overall;
    let held = told.states.iter().filter(|one| one.state == CellState::Held);
    Ok((overall.verdicts > 0).then(|| QualityKept {
        value: overall.quality.value,
        low: overall.quality.low,
        high: overall.quality.high,
        verdicts: overall.verdicts,
        target: told.target,
        held: held.map(|one| format!("{} on {}", one.task_type.name(), one.tier)).collect(),
    }))
}

/// The baseline tier of a config that names none ("[routing] baseline").
const DEFAULT_BASELINE: &str = "standard";

fn in_force(config: Option<&Config>) -> InForce {
    let Some(config) = config else {
        // Advice for a config that says nothing is advice for the defaults.
        return InForce {
            baseline: DEFAULT_BASELINE.into(),
            policy: Policy::Target,
            quality_target: DEFAULT_QUALITY_TARGET,
            calibrated: false,
        };
    };
    let table = &config.table;
    InForce {
        baseline: table.ladder().tier(table.ladder().baseline()).name.clone(),
        policy: table.policy(),
        quality_target: table.quality_target(),
        calibrated: config.evidence.is_some(),
    }
}

/// Upstream calls that failed, by target and how.
#[derive(Default)]
struct Failed(BTreeMap<(String, String), u64>);

impl Failed {
    fn look(&mut self, call: &CallRecord) {
        let fine = |end: &AttemptEnd| matches!(end, AttemptEnd::Ok | AttemptEnd::Cancelled | AttemptEnd::Outrun);
        for attempt in call.attempts.iter().filter(|attempt| !fine(&attempt.end)) {
            let key = (format!("{}/{}", attempt.provider, attempt.model), attempt_words(&attempt.end));
            if self.0.len() < MOST_KINDS || self.0.contains_key(&key) {
                *self.0.entry(key).or_default() += 1;
            }
        }
    }

    fn most_frequent(self) -> Vec<Failures> {
        let one = |((target, how), calls)| Failures { target, how, calls };
        let mut failures: Vec<_> = self.0.into_iter().map(one).collect();
        failures.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| (&a.target, &a.how).cmp(&(&b.target, &b.how))));
        failures.truncate(MOST_FAILURES);
        failures
    }
}
