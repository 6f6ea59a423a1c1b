//! The ledger's sums as a report: what the command line prints and the API gives.

use crate::saved;
use tierway_decide::savings::SAME_TOKENS;
use tierway_decide::{Ladder, Usd};
use tierway_ledger::quality::Shadowed;
use tierway_ledger::{Figures, LedgerError, Line, OWN, Point, Reader, ReasonKind, Span, Step, Summary};
use tierway_report::{Baseline, Day, Group, GroupBy, Money, Note, Report, Totals};

/// The report of a period. `shadows` tell how sure its savings are ([`saved::shadows`]). Without a ladder tiers come with the
/// most calls first, the baseline has no name, and nothing is said of that.
///
/// # Errors
/// What the database says.
pub fn report(
    reader: &mut Reader,
    shadows: &[Shadowed],
    span: Span,
    ladder: Option<&Ladder>,
) -> Result<Report, LedgerError> {
    let (summary, series) = (reader.summary(span)?, reader.series(span, Step::Day)?);
    let mut report = of(&summary, &series, ladder);
    if let Some(ladder) = ladder {
        saved::tell(&mut report, reader, shadows, ladder)?;
    }
    Ok(report)
}

fn of(summary: &Summary, series: &[Point], ladder: Option<&Ladder>) -> Report {
    let own = summary.reasons.iter().filter(|line| is_own(&line.name));
    // Shares are of what clients asked.
    let calls = summary.totals.calls - own.map(|line| line.figures.calls).sum::<u64>();
    let line = |line: &Line| report_line(line, calls);
    let group = |by: GroupBy, lines: &[Line]| Group { by, lines: lines.iter().map(line).collect() };
    let mut tiers: Vec<_> = summary.tiers.iter().map(line).collect();
    if let Some(ladder) = ladder {
        // Tiers of the past that the ladder does not have any more come last.
        tiers.sort_by_key(|tier| ladder.find(&tier.name).map_or(u8::MAX, |id| id.0));
    }
    let tier_name = |name: Option<&str>| name.unwrap_or_default().to_owned();
    Report {
        from_ms: summary.span.from_ms,
        to_ms: summary.span.to_ms,
        totals: totals(&summary.totals),
        baseline: Baseline {
            tier: tier_name(ladder.map(|ladder| ladder.tier(ladder.baseline()).name.as_str())),
            method: SAME_TOKENS.into(),
        },
        saved_between: None,
        cheapest_tier: tier_name(ladder.and_then(|ladder| ladder.tiers().first()).map(|tier| tier.name.as_str())),
        tiers,
        groups: vec![
            group(GroupBy::TaskType, &summary.task_types),
            group(GroupBy::Complexity, &summary.complexities),
            group(GroupBy::Reason, &summary.reasons),
            group(GroupBy::Model, &summary.models),
            group(GroupBy::Team, &summary.teams),
            group(GroupBy::Key, &summary.keys),
        ],
        days: series.iter().map(day).collect(),
        notes: notes(summary),
    }
}

fn notes(summary: &Summary) -> Vec<Note> {
    if summary.totals.calls == 0 {
        return vec![Note::Empty];
    }
    let predicted = summary.reasons.iter().find(|line| line.name == ReasonKind::Predicted.name());
    let unproven = predicted.map_or(0, |line| line.figures.calls.saturating_sub(line.figures.calibrated));
    let own = summary.reasons.iter().filter(|line| is_own(&line.name));
    let (calls, paid) = own.fold((0, Usd::ZERO), |(calls, paid), line| {
        (calls + line.figures.calls, paid + line.figures.savings.paid_in_all())
    });
    let unproven = (unproven > 0).then_some(Note::NotCalibrated { calls: unproven });
    unproven.into_iter().chain((calls > 0).then_some(Note::OwnCalls { calls, paid })).collect()
}

fn is_own(reason: &str) -> bool {
    ReasonKind::ALL.iter().any(|kind| kind.is_own() && kind.name() == reason)
}

#[expect(clippy::cast_precision_loss, reason = "shares and means")]
fn report_line(line: &Line, calls: u64) -> tierway_report::Line {
    let figures = &line.figures;
    tierway_report::Line {
        name: line.name.clone(),
        calls: figures.calls,
        share: if calls == 0 || line.name == OWN { 0.0 } else { figures.calls as f64 / calls as f64 },
        failed: figures.failed,
        paid: figures.savings.paid_in_all(),
        saved: figures.savings.saved(),
        saved_share: figures.savings.saved_share(),
        unpriced: figures.savings.unpriced_calls,
        mean_ms: figures.mean_ms(),
        p95_ms: figures.total.quantile(0.95),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a mean")]
pub(crate) fn totals(figures: &Figures) -> Totals {
    Totals {
        calls: figures.calls,
        answered: figures.answered,
        failed: figures.failed,
        cancelled: figures.cancelled,
        refused: figures.refused,
        abstained: figures.abstained,
        moved: figures.moved,
        estimated: figures.estimated,
        attempts: figures.attempts,
        input_tokens: figures.input_tokens,
        cached_input_tokens: figures.cached_input_tokens,
        output_tokens: figures.output_tokens,
        reasoning_tokens: figures.reasoning_tokens,
        mean_ms: figures.mean_ms(),
        p95_ms: figures.total.quantile(0.95),
        first_byte_p95_ms: figures.first_byte.quantile(0.95),
        decide_mean_us: (figures.calls > 0).then(|| figures.decide_us as f64 / figures.calls as f64),
        money: Money::from(&figures.savings),
    }
}

fn day(point: &Point) -> Day {
    let date = jiff::Timestamp::from_millisecond(point.start_ms).map(|day| day.strftime("%Y-%m-%d").to_string());
    let sum = |of: fn(&Figures) -> Usd| point.tiers.iter().map(|tier| of(&tier.figures)).sum();
    Day {
        start_ms: point.start_ms,
        date: date.unwrap_or_default(),
        calls: point.tiers.iter().map(|tier| tier.figures.calls).sum(),
        paid: sum(|figures| figures.savings.paid_in_all()),
        saved: sum(|figures| figures.savings.saved()),
        saved_between: None,
    }
}
