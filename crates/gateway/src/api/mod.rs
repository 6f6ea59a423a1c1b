//! `/api/v1`: reports, records and decisions as JSON; what the dashboard and programs read.
//!
//! Nothing here changes anything but [`keys`] and people's words about [`quality`]. Questions to the store run off the
//! event loop, a few at a time.

mod keys;
mod one;
mod playground;
mod quality;
mod query;
mod sums;
mod targets;

use crate::app::{App, json};
use crate::body::read_body;
use crate::keys::Scope;
use crate::store::Store;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use query::Query;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tierway::{Refusal, Reply};
use tierway_ledger::{LedgerError, Reader};
use tierway_wire::{ApiError, Format};

/// What `/openapi.json` gives; kept by hand, and held against the routes by a test.
pub(crate) const OPENAPI: &str = include_str!("../../openapi.json");

pub(crate) async fn route(app: &App, request: Request<Incoming>) -> Reply {
    let answer = answer(app, request).await;
    match answer {
        Ok(value) => json(StatusCode::OK, value.to_string()),
        Err(refusal) => refusal.reply(Format::OpenaiChat),
    }
}

async fn answer(app: &App, request: Request<Incoming>) -> Result<Value, Refusal> {
    let path = request.uri().path().strip_prefix("/api/v1/").unwrap_or_default().to_owned();
    let parts: Vec<_> = path.split('/').collect();
    if parts == ["route"] {
        method(&request, &Method::POST)?;
        return playground::decide(app, request).await;
    }
    if let ["keys", rest @ ..] = &parts[..] {
        return keys::answer(app, rest, request).await;
    }
    if *request.method() == Method::POST {
        return change(app, request, &parts).await;
    }
    app.admit(request.headers(), Scope::Read)?;
    method(&request, &Method::GET)?;
    let query = Query::parse(request.uri().query().unwrap_or_default())?;
    let headers = request.headers().clone();
    match parts[..] {
        ["report"] => sums::report(app, query).await,
        ["series"] => sums::series(app, query).await,
        ["backtest"] => sums::backtest(app, query).await,
        ["routes"] => sums::routes(app, query).await,
        ["requests"] => sums::requests(app, query).await,
        ["requests", id] => one::request(app, id).await,
        ["targets"] => Ok(targets::all(app)),
        ["quality"] => quality::quality(app, query).await,
        ["quality", "history"] => quality::history(app).await,
        // Texts of callers: for those who may do everything.
        ["review", "next"] => {
            app.admit(&headers, Scope::Admin)?;
            quality::next(app).await
        }
        ["review", id] => {
            app.admit(&headers, Scope::Admin)?;
            quality::pair(app, id).await
        }
        _ => Err(unknown()),
    }
}

/// What people change; everything here is for admins only.
async fn change(app: &App, request: Request<Incoming>, parts: &[&str]) -> Result<Value, Refusal> {
    match *parts {
        ["quality", "cells"] => quality::change_cell(app, request).await,
        ["quality", "rollback", version] => quality::rollback(app, request, version).await,
        ["review", id] => quality::label(app, request, id).await,
        _ => {
            app.admit(request.headers(), Scope::Read)?;
            method(&request, &Method::GET)?;
            Err(unknown())
        }
    }
}

fn unknown() -> Refusal {
    refused(404, "unknown_url", "there is no such question; /openapi.json lists them")
}

fn method(request: &Request<Incoming>, wanted: &Method) -> Result<(), Refusal> {
    if request.method() == wanted || (*wanted == Method::GET && request.method() == Method::HEAD) {
        return Ok(());
    }
    let message = format!("{} is asked with {wanted}", request.uri().path());
    Err(refused(405, "method_not_allowed", message))
}

/// What a request says in its body; none at all counts as an empty object.
async fn body<T: DeserializeOwned>(app: &App, request: Request<Incoming>) -> Result<T, Refusal> {
    let (head, body) = request.into_parts();
    let body = read_body(body, &head.headers, &app.bounds).await?;
    let text = if body.is_empty() { &b"{}"[..] } else { &body };
    serde_json::from_slice(text)
        .map_err(|error| refused(400, "bad_body", format!("the body is not understood: {error}")))
}

/// Asks the store off the event loop.
async fn ask<T: Send + 'static>(
    app: &App,
    question: impl FnOnce(&mut Reader) -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, Refusal> {
    store(app)?.readers.ask(question).await.map_err(unreadable)
}

pub(crate) fn store(app: &App) -> Result<&Store, Refusal> {
    app.store.as_ref().ok_or_else(|| refused(404, "no_records", "this router keeps no records"))
}

fn unreadable(error: LedgerError) -> Refusal {
    match error {
        LedgerError::Missing { .. } => refused(503, "no_records_yet", "nothing was recorded yet"),
        // It may name files of this machine: that is for the log.
        error => {
            tracing::error!(%error, "a question to the ledger failed");
            refused(500, "ledger_unreadable", "the ledger cannot be read; the router's log says why")
        }
    }
}

pub(crate) fn refused(status: u16, code: &str, message: impl Into<String>) -> Refusal {
    Refusal::caller(ApiError::new(status, message).with_code(code))
}
