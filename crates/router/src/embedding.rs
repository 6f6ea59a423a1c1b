//! Vectors for texts. Never routed by difficulty: vectors of different models cannot be compared, so the caller names the
//! model. What is shared with chat: retries, records, costs, errors.

use crate::call::Call;
use crate::deciding::{Decided, may_name};
use crate::log::{FOREIGN, Log, no_prediction};
use crate::prepare::Asked;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::requested::{AUTO, Requested, resolve};
use crate::router::Router;
use crate::sessions::SessionKey;
use std::sync::Arc;
use tierway_decide::{Decision, Reason, Target, TierId, Usd};
use tierway_wire::{ApiError, Format, Outline, ServiceTier};

/// How records name this API.
const FORMAT: &str = "openai_embeddings";

impl Router {
    /// Serves one request for vectors (`call.format`: OpenAI Chat, whose errors this API shares).
    pub async fn embed(&self, call: Call) -> Reply {
        let mut log = self.log(&call);
        log.unrouted(FORMAT);
        let answered = self.embedded(&call, &mut log).await;
        Self::conclude(answered, call.format, &mut log).await
    }

    async fn embedded(&self, call: &Call, log: &mut Log) -> Result<Reply, Refusal> {
        if call.dry_run {
            let message = "there is nothing to decide about a request for vectors: its model is named";
            return Err(Refusal::caller(ApiError::new(400, message).with_param("x-tierway-dry-run")));
        }
        let (outline, fields) = tierway_wire::embeddings::outline(&call.body)?;
        log.asked(&outline, ServiceTier::Standard);
        may_name(&call.caller, &outline.requested_model)?;
        let target = self.embedding_target(&outline)?;
        let mut decided = named(target, call, &outline);
        log.decided(&mut decided);
        let asked = Asked::embedding(call, &outline, &fields, decided.input_tokens);
        self.reserve(&asked, &decided, Usd::ZERO, log).await?;
        self.dispatch(&asked, &decided, log).await
    }

    /// The model by its name: of a tier, of a provider, or of the first provider whose catalogue has it.
    fn embedding_target(&self, outline: &Outline<'_>) -> Result<Target, Refusal> {
        let ground = &*self.ground;
        let (ladder, name) = (ground.setup.table.ladder(), outline.requested_model.as_ref());
        let foreign = |provider: &str, model: &str| ground.foreign.as_ref().and_then(|find| find(provider, model));
        let found = match resolve(name, ladder, |provider| ground.upstreams.contains_key(provider)) {
            Some(Requested::Auto | Requested::Tier(_)) => return Err(unroutable(name)),
            Some(Requested::Target(id)) => Some(ladder.target(id).clone()),
            Some(Requested::Foreign { provider, model }) => foreign(provider, model),
            None => {
                let known = |provider: &String| foreign(provider, name).filter(|target| target.prices.is_some());
                ground.upstreams.keys().find_map(known)
            }
        };
        let target = found.ok_or_else(|| unknown(name))?;
        match target.format {
            Format::OpenaiChat | Format::OpenaiResponses => Ok(target),
            // They have an address that takes a request as it came.
            Format::Gemini | Format::OllamaChat => Ok(Target { format: Format::OpenaiChat, ..target }),
            Format::AnthropicMessages | Format::BedrockConverse => Err(other_api(&target)),
        }
    }
}

fn named(target: Target, call: &Call, outline: &Outline<'_>) -> Decided {
    let decision = Decision {
        // No tier at all.
        tier: TierId(u8::MAX),
        targets: vec![FOREIGN],
        reason: Reason::RequestedModel,
        raised_from: None,
        prediction: no_prediction(),
        rejected: Vec::new(),
    };
    Decided {
        decision,
        features: Vec::new(),
        input_tokens: u32::try_from(outline.body_bytes / 4).unwrap_or(u32::MAX).into(),
        decide_us: 0,
        foreign: Some(Arc::new(target)),
        session_key: SessionKey::of(&call.caller.key, call.session.as_deref(), outline),
        session: None,
    }
}

fn unroutable(name: &str) -> Refusal {
    let message = if name == AUTO {
        "vectors of different models cannot be compared, so embeddings are not routed; name a model".to_owned()
    } else {
        format!("`{name}` is a tier; vectors of different models cannot be compared, so name a model")
    };
    Refusal::caller(ApiError::new(400, message).with_code("model_not_routable").with_param("model"))
}

fn unknown(name: &str) -> Refusal {
    let name: String = name.chars().take(80).collect();
    let message = format!(
        "no configured provider is known to serve `{name}`; say which one: `PROVIDER/{name}`, by its name in the config"
    );
    Refusal::caller(ApiError::new(404, message).with_code("model_not_found").with_param("model"))
}

fn other_api(target: &Target) -> Refusal {
    let message = format!(
        "provider `{}` speaks {}, which tierway does not translate embeddings to; use an OpenAI-compatible one",
        target.provider,
        target.format.name()
    );
    Refusal::caller(ApiError::new(400, message).with_code("unsupported_provider").with_param("model"))
}
