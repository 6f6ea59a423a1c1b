//! What was found about quality in a period: what the command line prints and the API gives.

use serde::Serialize;
use tierway_decide::TaskType;
use tierway_decide::quality::{CellState, Interval, Quality, Rules};
use tierway_ledger::quality::{AlarmRow, FeedbackSum, SampleCounts};
use tierway_ledger::{LedgerError, Span, State};

/// Alarms that are shown.
const SHOWN: usize = 100;

/// A period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QualityReport {
    /// Its begin, Unix milliseconds.
    pub from_ms: i64,
    /// Its end.
    pub to_ms: i64,
    /// What is asked of each cell.
    pub target: f64,
    /// The chance that an interval holds.
    pub confidence: f64,
    /// Share of single verdicts taken to be wrong; taken out of all figures.
    pub judge_error: f64,
    /// What became of the samples.
    pub samples: SampleCounts,
    /// What the verdicts say.
    pub quality: Quality,
    /// Where each cell stands that ever changed.
    pub states: Vec<Standing>,
    /// Alarms, the newest first.
    pub alarms: Vec<AlarmRow>,
    /// What callers said, by the tier that answered.
    pub feedback: Vec<FeedbackSum>,
}

/// Where a cell stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// The kind of work.
    pub task_type: TaskType,
    /// The tier.
    pub tier: String,
    /// Where it stands.
    pub state: CellState,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    /// Why.
    pub why: String,
    /// The change that brought it there.
    pub version: i64,
    /// Quality as it showed then.
    pub quality: Interval,
}

/// Reads it from the store.
///
/// # Errors
/// What the database says.
pub fn report(state: &mut State, span: Span, rules: &Rules) -> Result<QualityReport, LedgerError> {
    let (from, to) = (span.from_ms, span.to_ms);
    let states = state.cells()?.into_iter().map(|change| Standing {
        task_type: change.cell.task_type,
        tier: change.cell.tier,
        state: change.to,
        since_ms: change.at_ms,
        why: change.why,
        version: change.version,
        quality: change.quality,
    });
    Ok(QualityReport {
        from_ms: from,
        to_ms: to,
        target: rules.target,
        confidence: rules.confidence,
        judge_error: rules.judge_error,
        samples: state.sample_counts(from, to)?,
        quality: Quality::of(&state.verdicts(from, to)?, rules),
        states: states.collect(),
        alarms: state.alarms(from, SHOWN)?,
        feedback: state.feedback(from, to)?,
    })
}
