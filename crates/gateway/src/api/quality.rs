//! How good the answers were: the sums, the cells, and people's words about single pairs.

use super::{body, refused, store};
use crate::app::App;
use crate::keys::Scope;
use crate::quality::{Order, request_text};
use crate::quality_report::report;
use http::Request;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};
use tierway::{Refusal, now_ms};
use tierway_decide::quality::{CellKey, CellState, Preference};
use tierway_decide::{RequestId, TaskType};
use tierway_ledger::quality::{CellChange, Pair};
use tierway_ledger::{LedgerError, State};

/// Changes and alarms that are shown.
const SHOWN: usize = 100;

pub(super) async fn quality(app: &App, mut query: super::query::Query) -> Result<Value, Refusal> {
    let span = query.span(now_ms())?;
    query.end()?;
    let live = app.live.load_full();
    let rules = live.rules;
    let on = live.quality.as_ref().is_some_and(|shared| shared.config.load().quality.sample.is_some());
    let report = ask(app, move |state| report(state, span, &rules)).await?;
    let mut value = serde_json::to_value(report).map_err(|error| refused(500, "internal", error.to_string()))?;
    value["on"] = on.into();
    Ok(value)
}

/// Changes of cells, the newest first.
pub(super) async fn history(app: &App) -> Result<Value, Refusal> {
    let changes = ask(app, |state| state.cell_history(SHOWN)).await?;
    Ok(json!({"changes": changes.iter().map(change).collect::<Vec<_>>()}))
}

fn change(change: &CellChange) -> Value {
    json!({
        "version": change.version, "at_ms": change.at_ms, "task_type": change.cell.task_type, "tier": change.cell.tier,
        "from": change.from, "to": change.to, "author": change.author, "why": change.why,
        "verdicts": change.verdicts, "quality": change.quality,
    })
}

/// What a person wants of a cell.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    task_type: TaskType,
    tier: String,
    state: CellState,
    #[serde(default)]
    why: String,
}

/// Holds or releases a cell by hand.
pub(super) async fn change_cell(app: &App, request: Request<Incoming>) -> Result<Value, Refusal> {
    let author = app.admit(request.headers(), Scope::Admin)?.key.to_string();
    let wish: Wish = body(app, request).await?;
    let cell = CellKey { task_type: wish.task_type, tier: wish.tier };
    order(app, cell, wish.state, author, wish.why).await
}

/// Takes one change back: the cell stands again where it stood before it.
pub(super) async fn rollback(app: &App, request: Request<Incoming>, version: &str) -> Result<Value, Refusal> {
    let author = app.admit(request.headers(), Scope::Admin)?.key.to_string();
    let wanted: i64 =
        version.parse().map_err(|_| refused(400, "bad_version", "versions of cells are whole numbers"))?;
    let change = ask(app, move |state| state.cell_changed(wanted)).await?;
    let change = change.ok_or_else(|| refused(404, "no_such_version", format!("there is no change {wanted}")))?;
    order(app, change.cell, change.from, author, format!("rollback of change {wanted}")).await
}

async fn order(app: &App, cell: CellKey, to: CellState, author: String, why: String) -> Result<Value, Refusal> {
    let live = app.live.load_full();
    let shared = live.quality.as_ref();
    let shared =
        shared.ok_or_else(|| refused(409, "quality_off", "quality is not looked at; set `sample` in [quality]"))?;
    let config = shared.config.load_full();
    if !crate::quality::cells_of(config.table.ladder()).contains(&cell) {
        let message = format!("there is no cell of `{}` below the baseline tier", cell.tier);
        return Err(refused(404, "no_such_cell", message));
    }
    let author = if author.is_empty() { "operator".to_owned() } else { author };
    let accepted = shared.order(Order::Change { cell: cell.clone(), to, author, why });
    if !accepted {
        return Err(refused(503, "busy", "too many samples wait; try again in a second"));
    }
    Ok(json!({"task_type": cell.task_type, "tier": cell.tier, "state": to, "accepted": true}))
}

/// The pairs that a person should look at next.
pub(super) async fn next(app: &App) -> Result<Value, Refusal> {
    let ids = ask(app, |state| state.unlabelled(SHOWN)).await?;
    let next: Vec<_> = ids.iter().map(ToString::to_string).collect();
    Ok(json!({"waiting": next.len(), "next": next.first(), "ids": next}))
}

/// One pair, blind: which answer is the cheap tier's, and what the judge said, is told only after a person spoke.
pub(super) async fn pair(app: &App, id: &str) -> Result<Value, Refusal> {
    let id = request_id(id)?;
    let found = ask(app, move |state| state.pair(id)).await?;
    let pair = found.ok_or_else(|| refused(404, "no_pair", "this request was not looked at, or has no verdict yet"))?;
    Ok(shown(&pair))
}

fn shown(pair: &Pair) -> Value {
    let cheap_left = cheap_left(pair.id);
    let texts = pair.texts.as_ref().map(|[request, cheap, baseline]| {
        let (left, right) = if cheap_left { (cheap, baseline) } else { (baseline, cheap) };
        json!({"request": request_text(&pair.format, request), "left": left, "right": right})
    });
    let told = pair.person.map(|person| {
        json!({
            "person": person, "judge": pair.comparison.word(), "judge_model": pair.judge, "why": pair.why,
            "disagreed": pair.comparison.disagrees(), "cheap": if cheap_left { "left" } else { "right" },
            "cheap_model": pair.models[0], "baseline_model": pair.models[1],
        })
    });
    json!({
        "request_id": pair.id.to_string(), "kind": pair.kind, "task_type": pair.cell.task_type, "tier": pair.cell.tier,
        "texts": texts, "told": told,
    })
}

/// Where the cheap answer stands: a coin, so that nobody learns to tell.
fn cheap_left(id: RequestId) -> bool {
    tierway_decide::quality::Comparison::cheap_first(id.as_i64().cast_unsigned().rotate_left(17))
}

/// A person's word.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    better: Side,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    Left,
    Right,
    Tie,
}

pub(super) async fn label(app: &App, request: Request<Incoming>, id: &str) -> Result<Value, Refusal> {
    let reviewer = app.admit(request.headers(), Scope::Admin)?.key.to_string();
    let id = request_id(id)?;
    let word: Word = body(app, request).await?;
    let left = match word.better {
        Side::Left => Some(true),
        Side::Right => Some(false),
        Side::Tie => None,
    };
    let word = Preference::from_place(left, cheap_left(id));
    let now = now_ms();
    let labelled = ask(app, move |state| {
        let Some(_) = state.pair(id)? else { return Ok(None) };
        state.label(id, &reviewer, word, now)?;
        state.pair(id)
    });
    let pair =
        labelled.await?.ok_or_else(|| refused(404, "no_pair", "there is no verdict on this request to speak about"))?;
    Ok(shown(&pair))
}

fn request_id(text: &str) -> Result<RequestId, Refusal> {
    text.parse().map_err(|error| refused(400, "bad_request_id", format!("{error}")))
}

/// Asks the state off the event loop.
pub(super) async fn ask<T: Send + 'static>(
    app: &App,
    question: impl FnOnce(&mut State) -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, Refusal> {
    let store = store(app)?;
    store.states.ask(question).await.map_err(|error| {
        tracing::error!(%error, "a question about quality failed");
        refused(500, "ledger_unreadable", "the ledger cannot be read; the router's log says why")
    })
}
