//! What would be decided about a request, without calling anybody or recording anything.

use super::refused;
use crate::app::App;
use crate::body::read_body;
use crate::explain::{Names, because, chances, needed, passed_over};
use crate::keys::Scope;
use http::Request;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tierway::{AUTO, Decided, Refusal, Setup};
use tierway_decide::{Features, TierId};
use tierway_report::reason_words;
use tierway_wire::{Format, openai_chat};

/// A prompt, or the parts of a Chat Completions request that decide.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    prompt: Option<String>,
    system: Option<String>,
    model: Option<String>,
    messages: Option<Box<RawValue>>,
    tools: Option<Box<RawValue>>,
    response_format: Option<Box<RawValue>>,
}

pub(super) async fn decide(app: &App, request: Request<Incoming>) -> Result<Value, Refusal> {
    let caller = app.admit(request.headers(), Scope::Client)?;
    let live = app.live.load_full();
    let (head, body) = request.into_parts();
    let body = read_body(body, &head.headers, &app.bounds).await?;
    let body = chat(&body)?;
    let setup = live.router.setup();
    let call = crate::pins::call(Format::OpenaiChat, body.clone().into(), head.headers, caller, setup.table.ladder())?;
    let (outline, _) =
        openai_chat::outline(body.as_bytes()).map_err(|error| refused(400, "bad_request", error.to_string()))?;
    let decided = live.router.decide(&call, &outline)?;
    Ok(told(&decided, &Features::of(&outline), setup))
}

/// The wish as a Chat Completions request.
fn chat(body: &[u8]) -> Result<String, Refusal> {
    let wish: Wish = serde_json::from_slice(body)
        .map_err(|error| refused(400, "bad_request", format!("not understood: {error}")))?;
    let messages = match (&wish.prompt, &wish.messages) {
        (Some(prompt), None) => {
            let mut turns: Vec<_> = wish.system.iter().map(|text| json!({"role": "system", "content": text})).collect();
            turns.push(json!({"role": "user", "content": prompt}));
            Value::from(turns).to_string()
        }
        (None, Some(messages)) => messages.get().to_owned(),
        _ => return Err(refused(400, "bad_request", "give either `prompt` or `messages`")),
    };
    let mut chat = format!("{{\"model\":{},\"messages\":{messages}", json!(wish.model.as_deref().unwrap_or(AUTO)));
    for (name, value) in [("tools", &wish.tools), ("response_format", &wish.response_format)] {
        if let Some(value) = value {
            chat += &format!(",\"{name}\":{}", value.get());
        }
    }
    Ok(chat + "}")
}

fn told(decided: &Decided, features: &Features, setup: &Setup) -> Value {
    let (decision, ladder) = (&decided.decision, setup.table.ladder());
    let prediction = &decision.prediction;
    let parts: Vec<_> = setup.predictor.explain(features).iter().map(|part| (part.feature, part.weight)).collect();
    let targets = decision.targets.iter().filter_map(|id| {
        let target = ladder.tiers().get(usize::from(id.tier.0))?.targets.get(usize::from(id.index))?;
        Some(json!({"tier": ladder.tier(id.tier).name, "target": format!("{}/{}", target.provider, target.model)}))
    });
    // A model that the client named may serve no tier.
    let name = |tier: TierId| ladder.tiers().get(usize::from(tier.0)).map(|tier| &tier.name);
    json!({
        "tier": name(decision.tier),
        "targets": targets.collect::<Vec<_>>(),
        "reason": {"summary": decision.reason.summary(), "words": reason_words(&decision.reason, &decision.rejected)},
        "raised_from": decision.raised_from.and_then(name),
        "complexity": prediction.complexity,
        "task_type": prediction.task_type,
        "score_strong": prediction.score_strong,
        "abstained": prediction.abstain,
        "calibrated": prediction.calibrated,
        "chances": chances(Names::of(ladder), &prediction.p_ok),
        "needed": needed(setup, &decision.rejected, &prediction.p_ok, &decision.reason),
        "because": because(&parts),
        "rejected": passed_over(Names::of(ladder), &decision.rejected),
        "input_tokens_estimated": decided.input_tokens.tokens,
        "decide_us": decided.decide_us,
    })
}
