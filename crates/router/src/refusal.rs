//! Requests that get no answer, and what the client is told: in the shape of its API, whose fault it is and what to do.

use crate::headers::HeaderWriter;
use crate::reply::Reply;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tierway_decide::dispatch::{Blame, ErrorReply, FailureKind};
use tierway_decide::{CallStatus, Ladder, NothingFits, RejectWhy, Rejected, TierId};
use tierway_wire::{ApiError, DecodeError, Format};

/// The SDKs retry twice by default; after our own attempts that only multiplies the load.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// OpenAI's word for an account without money; its clients do not try again.
const INSUFFICIENT_QUOTA: &str = "insufficient_quota";

/// Another process may be there already: asking again is what helps.
const SHUTTING_DOWN: &str = "shutting_down";

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What the client is told.
    pub error: Box<ApiError>,
    /// How long it should wait.
    pub retry_after_ms: Option<u64>,
    /// How the record ends.
    pub status: CallStatus,
}

impl Refusal {
    /// Refused before any provider was called: the caller has to change something.
    #[must_use]
    pub fn caller(error: ApiError) -> Self {
        Self { error: Box::new(error), retry_after_ms: None, status: CallStatus::Refused }
    }

    /// The caller's money is spent.
    #[must_use]
    pub fn over_budget(message: impl Into<String>, resets_in_ms: Option<u64>) -> Self {
        let error = ApiError::new(429, message.into()).with_code(INSUFFICIENT_QUOTA);
        Self { retry_after_ms: resets_in_ms, ..Self::caller(error) }
    }

    /// Those targets that the budget pays for cannot be called now, and there is not enough for the others.
    pub(crate) fn short() -> Self {
        let message = "the models that this budget pays for do not answer at the moment, and it does not pay for dearer ones; try again later";
        Self::over_budget(message, None).with_code("budget_too_small_for_fallback")
    }

    /// All accounts that could serve the request are at their limits, and so are the lines before them.
    pub(crate) fn full(wait_ms: Option<u64>) -> Self {
        let message = "the provider accounts that could serve this are at their limits, and no place became free in time; try again in a moment";
        Self::over_rate(message, Some(wait_ms.unwrap_or(0).max(1_000)))
    }

    /// The router stops before there is an answer.
    pub(crate) fn shutting_down() -> Self {
        let error = ApiError::new(503, "The router is shutting down before there is an answer; try again.".to_owned());
        Self { status: CallStatus::Failed, ..Self::caller(error.with_code(SHUTTING_DOWN)) }
    }

    /// With another code.
    #[must_use]
    pub fn with_code(mut self, code: &str) -> Self {
        self.error.code = Some(code.to_owned());
        self
    }

    /// The caller is over a limit of speed.
    #[must_use]
    pub fn over_rate(message: impl Into<String>, wait_ms: Option<u64>) -> Self {
        let error = ApiError::new(429, message.into()).with_code("rate_limit_exceeded");
        Self { retry_after_ms: wait_ms, ..Self::caller(error) }
    }

    pub(crate) fn unknown_model(name: &str, ladder: &Ladder) -> Self {
        let tiers: Vec<_> = ladder.tiers().iter().map(|tier| tier.name.as_str()).collect();
        let mut models = Vec::new();
        for target in ladder.tiers().iter().flat_map(|tier| &tier.targets) {
            if !models.contains(&target.model.as_str()) {
                models.push(&target.model);
            }
        }
        let name: String = name.chars().take(80).collect();
        let message = format!(
            "no model `{name}`; ask for `auto`, a tier ({}) or a model ({})",
            tiers.join(", "),
            models.join(", ")
        );
        Self::caller(ApiError::new(404, message).with_code("model_not_found").with_param("model"))
    }

    pub(crate) fn nothing_fits(ladder: &Ladder, nothing: &NothingFits) -> Self {
        let why: Vec<_> = nothing.rejected.iter().filter_map(|rejected| misfit(ladder, rejected)).collect();
        let too_long = nothing.rejected.iter().find(|rejected| matches!(rejected.why, RejectWhy::TooLong { .. }));
        let code = too_long.map_or("no_fitting_model", |rejected| misfit_code(&rejected.why));
        let who = match nothing.tier {
            TierId(0) => "no configured model".to_owned(),
            tier => format!("no model from tier `{}` up, which this request needs,", ladder.tier(tier).name),
        };
        let message = format!("{who} can serve this request: not {}", why.join("; not "));
        Self::caller(ApiError::new(400, message).with_code(code))
    }

    /// The provider would keep the conversation: nobody else could go on with it, nor see what it is about.
    pub(crate) fn no_threads() -> Self {
        let message = "tierway keeps no conversations (`thread`); send all of `messages` with each request";
        Self::caller(ApiError::new(400, message).with_code("thread_unsupported_request").with_param("thread"))
    }

    /// The request goes on with a conversation that some provider keeps: nobody else knows it.
    pub(crate) fn kept_elsewhere(field: &'static str) -> Self {
        let message = format!(
            "tierway keeps no conversations (`{field}`): send all of `input` with each request, or name the model (`provider/model`) that keeps this one"
        );
        Self::caller(ApiError::new(400, message).with_code("unsupported_parameter").with_param(field))
    }

    /// The model that was asked for by name cannot serve the request.
    pub(crate) fn misfit(model: &str, why: &RejectWhy) -> Self {
        let message = format!("this request is not for {}; ask for `auto` or another model", unfit(model, why));
        Self::caller(ApiError::new(400, message).with_code(misfit_code(why)))
    }

    /// All that could be tried was tried. `named`: the client itself named a model that the router knows nothing of, so
    /// that a provider without it is the client's business.
    pub(crate) fn upstream(kind: FailureKind, said: Option<&ErrorReply>, named: bool) -> Self {
        let status = if named && kind == FailureKind::ModelNotFound { 404 } else { kind.client_status() };
        // What it says about our key, account or rate is not the caller's to read.
        let about_us = matches!(kind, FailureKind::RateLimited { .. }) || kind.blame() == Blame::Operator;
        let said = said.filter(|_| !about_us || (named && kind == FailureKind::ModelNotFound));
        let mut error = ApiError::new(status, message(kind, said));
        error.code = Some(client_code(kind, said).to_owned());
        error.param = said.and_then(|said| said.param.clone());
        Self { error: Box::new(error), retry_after_ms: kind.retry_after_ms(), status: CallStatus::Failed }
    }

    /// The reply, without our own headers.
    #[must_use]
    pub fn reply(&self, format: Format) -> Reply {
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let code = self.error.code.as_deref();
        let failed = self.status == CallStatus::Failed && code != Some(SHUTTING_DOWN);
        if failed || code == Some(INSUFFICIENT_QUOTA) {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if let Some(pause) = self.retry_after_ms {
            let mut pen = HeaderWriter::new(&mut headers);
            pen.set(RETRY_AFTER, pause.div_ceil(1000));
            pen.set(HeaderName::from_static("retry-after-ms"), pause);
        }
        let status = StatusCode::from_u16(self.error.status).unwrap_or(StatusCode::BAD_GATEWAY);
        Reply { status, headers, body: Bytes::from(tierway_wire::encode_error(format, &self.error)).into() }
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::caller(error.into())
    }
}

/// The provider's own words about a request go to the caller who asked, and nowhere else.
fn message(kind: FailureKind, said: Option<&ErrorReply>) -> String {
    match said.map(|said| said.message.as_str()).filter(|message| !message.is_empty()) {
        // Nobody was asked: these are our own words.
        Some(words) if kind == FailureKind::Unrepresentable => format!("{} The last one tried: {words}", told(kind)),
        Some(words) => format!("{} The provider said: {words}", told(kind)),
        None => told(kind).to_owned(),
    }
}

const fn told(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Connect => "The provider cannot be reached.",
        FailureKind::Tls => {
            "The provider cannot be reached over TLS; the operator has to look at its address and certificate."
        }
        FailureKind::FirstByteTimeout | FailureKind::Deadline => "The provider did not answer in time.",
        FailureKind::Stalled => "The provider fell silent in the middle of its answer.",
        FailureKind::Cut | FailureKind::MissingEnd => {
            "The provider's answer was cut off; what came is not the whole answer."
        }
        FailureKind::Garbled => "The provider sent something that is not its own format.",
        FailureKind::InBand => "The provider reported an error in the middle of its answer.",
        FailureKind::RateLimited { .. } => "The provider is limiting our rate; wait and try again.",
        FailureKind::QuotaExhausted => "The provider account is out of credit; the operator has to top it up.",
        FailureKind::Overloaded { .. } => "The provider is overloaded; try again later.",
        FailureKind::ServerError { .. } => "The provider failed.",
        FailureKind::Unauthorized => "The provider refused the router's key; the operator has to set a valid one.",
        FailureKind::BadRequest { .. } => "The provider refused the request.",
        FailureKind::BodyTooLarge => "The request is larger than the provider takes.",
        FailureKind::ContextTooLong => "The prompt is longer than any configured model accepts.",
        FailureKind::ContentFilter => "The provider declined the content.",
        FailureKind::ModelNotFound => "The provider does not serve this model.",
        FailureKind::Unfit => "No model gave an answer of the requested form.",
        FailureKind::Unrepresentable => "No configured model can take this request without losing its meaning.",
        FailureKind::CoolingDown { .. } => {
            "All providers of this tier are cooling down after failures; try again later."
        }
    }
}

/// The code in OpenAI's vocabulary where it has a word, for programs branch on it; else in the provider's own.
fn client_code(kind: FailureKind, said: Option<&ErrorReply>) -> &str {
    match kind {
        FailureKind::ContextTooLong => "context_length_exceeded",
        FailureKind::QuotaExhausted => INSUFFICIENT_QUOTA,
        FailureKind::ModelNotFound => "model_not_found",
        FailureKind::RateLimited { .. } => "rate_limit_exceeded",
        _ => said.map(ErrorReply::word).filter(|word| !word.is_empty()).unwrap_or(kind.name()),
    }
}

const fn misfit_code(why: &RejectWhy) -> &'static str {
    match why {
        RejectWhy::TooLong { .. } => "context_length_exceeded",
        _ => "no_fitting_model",
    }
}

fn misfit(ladder: &Ladder, rejected: &Rejected) -> Option<String> {
    let target = ladder.target(rejected.target?);
    let name = format!("{}/{}", ladder.tier(rejected.tier).name, target.model);
    Some(unfit(&name, &rejected.why)).filter(|words| !words.is_empty())
}

/// Why a model cannot serve a request; empty where it could.
fn unfit(name: &str, why: &RejectWhy) -> String {
    match why {
        RejectWhy::Lacks { capability } => format!("{name}, which lacks {capability}"),
        RejectWhy::TooLong { tokens, window } => {
            format!("{name}, which holds {window} tokens where about {tokens} are needed")
        }
        RejectWhy::BoundToModel => format!("{name}, which may not continue another model's reasoning"),
        _ => String::new(),
    }
}
