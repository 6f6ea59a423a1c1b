//! What another quality target would have done with the last days: a sample of the log, decided again for each of some
//! targets. Bounded work whatever the ledger holds, so that a page can ask for it.

use crate::backtest::answer_worth;
use serde_json::{Value, json};
use tierway::Setup;
use tierway_decide::backtest::{Backtest, Side};
use tierway_decide::replay::{Looked, Under};
use tierway_decide::{CallRecord, Choosing, Ladder, Reason, Session, TargetId};
use tierway_ledger::{Figures, Filter, LedgerError, Reader, Span, Step};
use tierway_report::side_json;

/// Requests that are looked at.
const MOST_CALLS: usize = 3_000;
/// They are read in pieces of neighbours: many small questions would take longer than the rows.
const PIECE: usize = 15;
/// Shortfalls to the best tier that are tried: 1 less the quality target.
const SHORTFALLS: [f32; 16] =
    [0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3];

/// Requests of a span, spread over it like its traffic.
pub(crate) struct Sample {
    calls: Vec<CallRecord>,
    totals: Figures,
}

/// Takes a sample: all requests where they are few, else pieces at equal distances, counted in requests.
pub(crate) fn sample(reader: &mut Reader, span: Span) -> Result<Sample, LedgerError> {
    let hours = reader.series(span, Step::Hour)?;
    let mut totals = Figures::default();
    hours.iter().flat_map(|hour| &hour.tiers).for_each(|tier| totals.merge(&tier.figures));
    if totals.calls <= MOST_CALLS as u64 {
        return Ok(Sample { calls: reader.list(&Filter::default(), span, None, MOST_CALLS)?.calls, totals });
    }
    let apart = totals.calls.div_ceil((MOST_CALLS / PIECE) as u64);
    let (mut pieces, mut before, mut next) = (Vec::new(), 0, apart / 2);
    for hour in &hours {
        let count: u64 = hour.tiers.iter().map(|tier| tier.figures.calls).sum();
        while next < before + count {
            // Within an hour requests are taken to come evenly.
            let into = i64::try_from((next - before) * 3_600_000 / count.max(1)).unwrap_or(0);
            pieces.push(Span { from_ms: hour.start_ms.max(span.from_ms), to_ms: hour.start_ms + into + 1 });
            next += apart;
        }
        before += count;
    }
    Ok(Sample { calls: reader.newest(&pieces, PIECE)?, totals })
}

/// The sample under each quality target, and under what is in force.
pub(crate) fn curve(sample: &Sample, setup: &Setup) -> Value {
    // What keys had stays theirs: the slider moves the target only.
    let key_pins = |_: &str| None;
    let under = Under { table: &setup.table, predictor: &setup.predictor, key_pins: &key_pins };
    let ladder = setup.table.ladder();
    let look = |call| Some((call, Looked::at(call, under, session(call, ladder)).ok()?));
    let looked: Vec<_> = sample.calls.iter().filter_map(look).collect();
    let replay = |choosing: &Choosing| {
        let mut sum = Backtest::new(answer_worth(&sample.totals), 0);
        for (call, looked) in &looked {
            match looked.decide(&setup.table, choosing, call) {
                Ok(outcome) => sum.add(call, looked.prediction(), &outcome, ladder),
                Err(why) => sum.keep(why),
            }
        }
        sum
    };
    let now = replay(&setup.choosing);
    let points = SHORTFALLS.iter().map(|shortfall| {
        let sum = replay(&Choosing { max_shortfall: *shortfall, ..setup.choosing.clone() });
        json!({"quality_target": target(*shortfall), "moved": sum.moved(), "would": side(&sum.after)})
    });
    let evidence = setup.predictor.evidence();
    let in_force = evidence.map_or_else(|| target(setup.choosing.max_shortfall), |evidence| evidence.promise.quality);
    json!({
        "requests": sample.totals.calls,
        "looked_at": sample.calls.len(),
        "replayed": now.replayed,
        "policy": setup.choosing.policy,
        "calibrated": evidence.is_some(),
        "in_force": {"quality_target": in_force, "would": side(&now.after)},
        "happened": side(&now.before),
        "points": points.collect::<Vec<_>>(),
    })
}

/// To a tenth of a percent: f32 has digits that nobody chose.
fn target(shortfall: f32) -> f64 {
    ((1.0 - f64::from(shortfall)) * 1e4).round() / 1e4
}

/// Costs as the mean of a request: of a sample sums say nothing.
fn side(side: &Side) -> Value {
    let calls = side.tiers.values().sum::<u64>().max(1) as f64;
    let mut value = side_json(side);
    value["paid_usd_per_1000"] = (side.paid.as_f64() / calls * 1e3).into();
    value["baseline_usd_per_1000"] = (side.baseline.as_f64() / calls * 1e3).into();
    value
}

/// A conversation that was held stays held: where it would be otherwise, a sample does not tell.
fn session(call: &CallRecord, ladder: &Ladder) -> Option<Session> {
    if call.reason != Reason::SessionHeld {
        return None;
    }
    let tier = ladder.find(&call.tier)?;
    let target: Option<TargetId> = ladder.targets_of(tier).map(|(id, _)| id).next();
    let warm_tokens = u32::try_from(call.usage.cached_input_tokens).unwrap_or(u32::MAX);
    Some(Session { target: target?, warm_tokens, bound: false })
}
