//! The week as the ledger knows it: sums of this week and the one before, and one look at every row of this one.

use crate::reporting;
use crate::saved::shadows;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use tierway_config::Config;
use tierway_decide::quality::{CellState, Rules};
use tierway_decide::{AttemptEnd, CallRecord, DEFAULT_QUALITY_TARGET, Policy, WEEK_MS};
use tierway_ledger::{LedgerError, Reader, Span, State};
use tierway_report::{Failures, InForce, Misroutes, QualityKept, Weekly, attempt_words};

/// Groups of misroutes that are shown: as many as somebody will act on.
const MOST_MISROUTES: usize = 5;
/// Kinds of failures that are shown.
const MOST_FAILURES: usize = 5;
/// Kinds of failures that are told apart while counting.
const MOST_KINDS: usize = 1_024;
const WEEK: u32 = 7;

/// The seven days before `now_ms`. What the answers were worth comes from `state`, where there is one. Reads every row of them: seconds for millions; not for the way of a request.
///
/// # Errors
/// What the database says.
pub fn weekly(
    reader: &mut Reader,
    mut state: Option<&mut State>,
    now_ms: i64,
    config: Option<&Config>,
) -> Result<Weekly, LedgerError> {
    let span = Span::last_days(WEEK, now_ms);
    let ladder = config.map(|config| config.table.ladder());
    let shadows = state.as_mut().map(|state| shadows(state, span)).transpose()?.unwrap_or_default();
    let report = reporting::report(reader, &shadows, span, ladder)?;
    let before = reader.summary(Span { from_ms: span.from_ms - WEEK_MS, to_ms: span.from_ms })?.totals;
    let (mut misroutes, mut failures) = (Misroutes::default(), Failed::default());
    reader.each(span, |stored| {
        if let Ok(stored) = stored {
            misroutes.look(&stored.call);
            failures.look(&stored.call);
        }
        ControlFlow::Continue(())
    })?;
    let rules = config.map_or_else(Rules::default, |config| config.quality.rules);
    let quality = state.map(|state| kept(state, span, &rules)).transpose()?.flatten();
    Ok(Weekly {
        before: (before.calls > 0).then(|| reporting::totals(&before)),
        quality,
        misroutes: misroutes.worst(MOST_MISROUTES, &in_force(config)),
        failures: failures.most_frequent(),
        store: String::new(),
        report,
    })
}

/// What the comparisons of the week say; none without any.
fn kept(state: &mut State, span: Span, rules: &Rules) -> Result<Option<QualityKept>, LedgerError> {
    let told = crate::quality_report(state, span, rules)?;
    let overall = &told.quality.overall;
    let held = told.states.iter().filter(|one| one.state == CellState::Held);
    Ok(overall.quality.map(|share| QualityKept {
        value: share.value,
        low: share.low,
        high: share.high,
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
        baseline: table.ladder().tier(table.ladder().baseline()).name.to_string(),
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
