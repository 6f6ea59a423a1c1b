//! How many tokens a conversation has (`POST /v1/messages/count_tokens`): counted by the provider that would answer it
//! where that can count, else estimated. Not a call: nothing is generated, charged or recorded.

use crate::call::Call;
use crate::prepare::forwarded;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::router::Router;
use crate::seam::{Operation, WireBody, WireRequest};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};
use std::time::Duration;
use tierway_decide::Target;
use tierway_wire::splice::{Edit, Fields};
use tierway_wire::{Format, Vocabulary, anthropic, tokens};

/// Says how the number came about: `counted` or `estimated`.
const TOKENS: HeaderName = HeaderName::from_static("x-tierway-tokens");
/// Who asks for a count is about to ask for an answer: a provider that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: usize = 64 * 1024;

impl Router {
    /// Counts the tokens of one Messages request.
    pub async fn count_tokens(&self, call: Call) -> Reply {
        match self.counted(&call).await {
            Ok((tokens, how)) => {
                let mut headers = HeaderMap::with_capacity(2);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert(TOKENS, HeaderValue::from_static(how));
                let body = json!({ "input_tokens": tokens }).to_string();
                Reply { status: http::StatusCode::OK, headers, body: Bytes::from(body).into() }
            }
            Err(refusal) => refusal.reply(call.format),
        }
    }

    async fn counted(&self, call: &Call) -> Result<(u64, &'static str), Refusal> {
        let (outline, fields) = anthropic::outline_to_count(&call.body)?;
        let decided = self.decide(call, &outline)?;
        let ladder = self.ground.setup.table.ladder();
        let foreign = decided.foreign.as_deref();
        let target = foreign.or_else(|| decided.decision.targets.first().map(|id| ladder.target(*id)));
        let asked = match target.filter(|target| target.format == Format::AnthropicMessages) {
            Some(target) => self.ask_for_count(call, &fields, target).await,
            None => None,
        };
        // In the tokens of the model that would answer.
        let vocabulary = target.map_or(Vocabulary::default(), |target| target.limits.vocabulary);
        let estimated = || (u64::from(vocabulary.tokens(tokens::estimate_outline(&outline))), "estimated");
        Ok(asked.map_or_else(estimated, |tokens| (tokens, "counted")))
    }

    /// None when the provider does not tell: then an estimate has to do.
    async fn ask_for_count(&self, call: &Call, fields: &Fields<'_>, target: &Target) -> Option<u64> {
        let provider = &self.ground.upstreams.get(target.provider.as_str())?.provider;
        let request = WireRequest {
            operation: Operation::CountTokens,
            format: target.format,
            model: target.model.to_string(),
            stream: false,
            headers: forwarded(&call.headers),
            body: fields.apply(&[Edit::Set("model", json!(target.model).to_string().into())]).into(),
        };
        let count = async { read(provider.send(request).await.ok()?).await };
        tokio::time::timeout(PATIENCE, count).await.ok()?
    }
}

async fn read(answer: crate::seam::WireAnswer) -> Option<u64> {
    if !answer.status.is_success() {
        return None;
    }
    let body: WireBody = answer.body;
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.ok()?.to_bytes();
    serde_json::from_slice::<Value>(&body).ok()?.get("input_tokens")?.as_u64()
}
