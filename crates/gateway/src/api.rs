//! `/api/v1`: records and reports as JSON; what the dashboard and programs read.

use crate::app::{App, json};
use crate::keys::Scope;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use tierway::{Refusal, Reply};
use tierway_decide::RequestId;
use tierway_ledger::Reader;
use tierway_wire::{ApiError, Format};

pub(crate) async fn route(app: &App, request: Request<Incoming>) -> Reply {
    match answer(app, &request).await {
        Ok(reply) => reply,
        Err(error) => Refusal::caller(error).reply(Format::OpenaiChat),
    }
}

async fn answer(app: &App, request: &Request<Incoming>) -> Result<Reply, ApiError> {
    app.admit(request.headers(), Scope::Read).map_err(|refusal| *refusal.error)?;
    let path = request.uri().path().strip_prefix("/api/v1/").unwrap_or_default();
    match path.split('/').collect::<Vec<_>>()[..] {
        ["requests", id] => one_request(app, id).await,
        _ => Err(ApiError::new(404, "there is /api/v1/requests/ID").with_code("unknown_url")),
    }
}

async fn one_request(app: &App, id: &str) -> Result<Reply, ApiError> {
    let id: RequestId = id.parse().map_err(|error| ApiError::new(400, format!("{error}")))?;
    let found = ask(app, move |reader| reader.call(id)).await?;
    let stored = found.ok_or_else(|| ApiError::new(404, "no record of this request (yet, or any more)"))?;
    let body = serde_json::to_vec(&stored.call).map_err(|error| ApiError::new(500, error.to_string()))?;
    Ok(json(StatusCode::OK, body))
}

/// Asks the store off the event loop.
async fn ask<T: Send + 'static>(
    app: &App,
    question: impl FnOnce(&mut Reader) -> Result<T, tierway_ledger::LedgerError> + Send + 'static,
) -> Result<T, ApiError> {
    let store = app.store.as_ref().ok_or_else(|| ApiError::new(404, "this router keeps no records"))?;
    let location = store.location.clone();
    let asked =
        tokio::task::spawn_blocking(move || Reader::open(location).and_then(|mut reader| question(&mut reader)));
    let answer = asked.await.map_err(|error| ApiError::new(500, error.to_string()))?;
    answer.map_err(|error| ApiError::new(500, error.to_string()))
}
