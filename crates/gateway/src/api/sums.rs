//! Questions about many requests.

use super::query::Query;
use super::{ask, refused};
use crate::app::App;
use crate::reporting;
use crate::saved::{Sure, by_start, shadows};
use serde_json::{Value, json};
use tierway::{Refusal, now_ms};
use tierway_decide::savings::Savings;
use tierway_decide::{CallRecord, Usd, savings};
use tierway_ledger::{Point, Span};
use tierway_report::{Money, SavedBetween};

pub(super) async fn report(app: &App, mut query: Query) -> Result<Value, Refusal> {
    let span = query.span(now_ms())?;
    query.end()?;
    let live = app.live.load_full();
    let shadows = super::quality::ask(app, move |state| shadows(state, span)).await?;
    let report =
        ask(app, move |reader| reporting::report(reader, &shadows, span, Some(live.router.setup().table.ladder())));
    let report = report.await?;
    serde_json::to_value(report).map_err(|error| refused(500, "internal", error.to_string()))
}

pub(super) async fn series(app: &App, mut query: Query) -> Result<Value, Refusal> {
    let (span, step) = (query.span(now_ms())?, query.step()?);
    query.end()?;
    let live = app.live.load_full();
    let shadows = super::quality::ask(app, move |state| shadows(state, span)).await?;
    let points = ask(app, move |reader| {
        let sure = Sure::of(reader, &shadows, live.router.setup().table.ladder())?;
        let bills = if sure.is_some() { reader.bills(span, step)? } else { Vec::new() };
        let bills = by_start(&bills);
        let between = |start_ms| Some(sure.as_ref()?.between([*bills.get(&start_ms)?]));
        Ok(reader.series(span, step)?.iter().map(|at| point(at, between(at.start_ms))).collect::<Vec<_>>())
    })
    .await?;
    Ok(json!({"from_ms": span.from_ms, "to_ms": span.to_ms, "step": step, "points": points}))
}

fn point(point: &Point, saved_between: Option<SavedBetween>) -> Value {
    let mut sum = Savings::default();
    point.tiers.iter().for_each(|tier| sum.merge(&tier.figures.savings));
    let tier = |line: &tierway_ledger::Line| {
        let paid = line.figures.savings.paid_in_all().as_f64();
        json!({"name": line.name, "calls": line.figures.calls, "failed": line.figures.failed, "paid_usd": paid})
    };
    json!({
        "start_ms": point.start_ms,
        "calls": point.tiers.iter().map(|tier| tier.figures.calls).sum::<u64>(),
        "money": Money::from(&sum),
        "saved_between": saved_between,
        "tiers": point.tiers.iter().map(tier).collect::<Vec<_>>(),
    })
}

/// What other quality targets would have done.
pub(super) async fn backtest(app: &App, mut query: Query) -> Result<Value, Refusal> {
    let span = query.span(now_ms())?;
    query.end()?;
    let live = app.live.load_full();
    ask(app, move |reader| {
        let sample = crate::curve::sample(reader, span)?;
        let mut answer = crate::curve::curve(&sample, live.router.setup());
        answer["from_ms"] = span.from_ms.into();
        answer["to_ms"] = span.to_ms.into();
        Ok(answer)
    })
    .await
}

/// Where requests of each kind went.
pub(super) async fn routes(app: &App, mut query: Query) -> Result<Value, Refusal> {
    let span = query.span(now_ms())?;
    query.end()?;
    let summary = ask(app, move |reader| reader.summary(span)).await?;
    let route = |route: &tierway_ledger::Route| {
        json!({
            "task_type": route.task_type, "complexity": route.complexity, "tier": route.tier,
            "calls": route.calls, "paid_usd": route.paid.as_f64(),
        })
    };
    let routes: Vec<_> = summary.routes.iter().map(route).collect();
    Ok(json!({"from_ms": summary.span.from_ms, "to_ms": summary.span.to_ms, "routes": routes}))
}

pub(super) async fn requests(app: &App, mut query: Query) -> Result<Value, Refusal> {
    let (limit, before) = query.page()?;
    let filter = query.filter()?;
    let page = ask(app, move |reader| reader.list(&filter, Span::ALL, before, limit)).await?;
    let requests: Vec<_> = page.calls.iter().map(row).collect();
    Ok(json!({"requests": requests, "next": page.next.map(|id| id.to_string())}))
}

fn row(call: &CallRecord) -> Value {
    let dollars = |amount: Option<Usd>| amount.map(Usd::as_f64);
    json!({
        "request_id": call.id.to_string(),
        "time_ms": call.id.unix_ms(),
        "requested_model": call.requested_model,
        "tier": call.tier,
        "served_tier": call.served_tier,
        "provider": call.provider,
        "model": call.served_model,
        "reason": call.reason.summary(),
        "task_type": call.prediction.task_type,
        "complexity": call.prediction.complexity,
        "status": call.status,
        "http_status": call.http_status,
        "stream": call.stream,
        "attempts": call.attempts.len(),
        "key": call.key,
        "team": call.team,
        "input_tokens": call.usage.input_tokens,
        "output_tokens": call.usage.output_tokens,
        "paid_usd": dollars(call.paid_in_all()),
        "saved_usd": dollars(savings::saved(call)),
        "first_byte_ms": call.first_byte_ms,
        "total_ms": call.total_ms,
    })
}
