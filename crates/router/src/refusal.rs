//! Requests that get no answer, and what the client is told: in the shape of its API, whose fault it is and what to do.

use crate::reply::{Reply, set};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tierway_decide::dispatch::{ErrorReply, FailureKind};
use tierway_decide::{CallStatus, Ladder, NothingFits, RejectWhy, Rejected};
use tierway_wire::{ApiError, DecodeError, Format};

/// The SDKs retry twice by default; after our own attempts that only multiplies the load.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

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

    pub(crate) fn unknown_model(name: &str, ladder: &Ladder) -> Self {
        let tiers: Vec<_> = ladder.tiers().iter().map(|tier| tier.name.as_str()).collect();
        let mut models: Vec<_> =
            ladder.tiers().iter().flat_map(|tier| &tier.targets).map(|t| t.model.as_str()).collect();
        models.dedup();
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
        let too_long = nothing.rejected.iter().any(|rejected| matches!(rejected.why, RejectWhy::TooLong { .. }));
        let code = if too_long { "context_length_exceeded" } else { "no_fitting_model" };
        let message = format!("no configured model can serve this request: {}", why.join("; "));
        Self::caller(ApiError::new(400, message).with_code(code))
    }

    /// All that could be tried was tried.
    pub(crate) fn upstream(kind: FailureKind, said: Option<&ErrorReply>) -> Self {
        let mut error = ApiError::new(kind.client_status(), message(kind, said));
        error.code = Some(said.map(ErrorReply::word).filter(|word| !word.is_empty()).unwrap_or(kind.name()).to_owned());
        error.param = said.and_then(|said| said.param.clone());
        Self { error: Box::new(error), retry_after_ms: kind.retry_after_ms(), status: CallStatus::Failed }
    }

    /// The reply, without our own headers.
    #[must_use]
    pub fn reply(&self, format: Format) -> Reply {
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == CallStatus::Failed {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if let Some(pause) = self.retry_after_ms {
            set(&mut headers, RETRY_AFTER, pause.div_ceil(1000));
            set(&mut headers, HeaderName::from_static("retry-after-ms"), pause);
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

/// The provider's own words go to the caller who asked, and nowhere else.
fn message(kind: FailureKind, said: Option<&ErrorReply>) -> String {
    match said.map(|said| said.message.as_str()).filter(|message| !message.is_empty()) {
        Some(words) => format!("{} The provider said: {words}", told(kind)),
        None => told(kind).to_owned(),
    }
}

const fn told(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Connect | FailureKind::Tls => "The provider cannot be reached.",
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
        FailureKind::Unsayable => "No configured model can take this request without losing its meaning.",
        FailureKind::CoolingDown { .. } => {
            "All providers of this tier are cooling down after failures; try again later."
        }
        FailureKind::ClientGone => "The client went away.",
    }
}

fn misfit(ladder: &Ladder, rejected: &Rejected) -> Option<String> {
    let target = ladder.target(rejected.target?);
    let (tier, model) = (&ladder.tier(rejected.tier).name, &target.model);
    Some(match &rejected.why {
        RejectWhy::Lacks { capability } => format!("{tier}/{model} lacks {capability}"),
        RejectWhy::TooLong { tokens, window } => {
            format!("{tier}/{model} holds {window} tokens, about {tokens} are needed")
        }
        RejectWhy::BoundToModel => format!("{tier}/{model} may not continue another model's reasoning"),
        _ => return None,
    })
}
