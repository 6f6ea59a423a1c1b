//! `POST /v1/feedback`: what a caller says of an answer it got.
//!
//! Only of requests of its own key: what another caller got is nobody's business, so an id that is not the caller's reads
//! like one that does not exist.

use crate::api::{refused, store};
use crate::app::{App, json};
use crate::body::read_body;
use crate::keys::Scope;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use tierway::{Refusal, Reply, now_ms};
use tierway_decide::RequestId;
use tierway_ledger::LedgerError;
use tierway_ledger::quality::Feedback;
use tierway_wire::Format;

/// Longest comment that is taken, in bytes.
const MAX_COMMENT: usize = 2_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    request_id: String,
    #[serde(default)]
    thumb: Option<Thumb>,
    #[serde(default)]
    score: Option<f64>,
    #[serde(default)]
    comment: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Thumb {
    Up,
    Down,
}

pub(crate) async fn serve(app: &App, request: Request<Incoming>) -> Reply {
    match take(app, request).await {
        Ok(id) => json(StatusCode::OK, json!({"request_id": id.to_string(), "recorded": true}).to_string()),
        Err(refusal) => refusal.reply(Format::OpenaiChat),
    }
}

async fn take(app: &App, request: Request<Incoming>) -> Result<RequestId, Refusal> {
    if request.method() != Method::POST {
        return Err(refused(405, "method_not_allowed", "/v1/feedback is asked with POST"));
    }
    let caller = app.admit(request.headers(), Scope::Client)?;
    let (head, body) = request.into_parts();
    let body = read_body(body, &head.headers, &app.bounds).await?;
    let said: Said = serde_json::from_slice(&body).map_err(|error| {
        let takes = "{\"request_id\": \"..\", \"thumb\": \"up\" or \"down\" (or \"score\": 0..1), \"comment\": \"..\"}";
        refused(400, "invalid_feedback", format!("{error}; feedback is {takes}"))
    })?;
    let score = match (said.thumb, said.score) {
        (Some(Thumb::Up), None) => 1.0,
        (Some(Thumb::Down), None) => 0.0,
        (None, Some(score)) if (0.0..=1.0).contains(&score) => score,
        (None, Some(score)) => {
            return Err(refused(400, "invalid_score", format!("the score is {score}; it runs from 0 to 1")));
        }
        _ => return Err(refused(400, "invalid_feedback", "give either `thumb` or `score`")),
    };
    if said.comment.len() > MAX_COMMENT {
        let message = format!("the comment has {} bytes, at most {MAX_COMMENT} are kept", said.comment.len());
        return Err(refused(400, "comment_too_long", message));
    }
    let id: RequestId = said.request_id.parse().map_err(|error| refused(400, "bad_request_id", format!("{error}")))?;
    let store = store(app)?;
    let unknown = || refused(404, "no_record", "no request of this key has that id");
    let found = store.record(id).await.map_err(|error| match error {
        LedgerError::Missing { .. } => unknown(),
        error => {
            tracing::error!(%error, "the record that feedback is about cannot be read");
            refused(503, "not_recorded", "the ledger cannot be read at the moment; try again")
        }
    })?;
    let record = found.filter(|stored| stored.call.key == caller.key).ok_or_else(unknown)?;
    let feedback = Feedback { id, key: record.call.key.to_string(), at_ms: now_ms(), score, comment: said.comment };
    store.states.ask(move |state| state.keep_feedback(&feedback)).await.map_err(|error| {
        tracing::error!(%error, "feedback cannot be written");
        refused(503, "not_recorded", "the feedback could not be written; try again")
    })?;
    Ok(id)
}
