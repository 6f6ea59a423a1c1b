//! Decide only: which tier would answer a request, and why. Calls nobody.
//!
//! `cargo run -p tierway --example decide -- "Prove that there are infinitely many primes"`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use tierway::decide::{Capabilities, Ladder, Limits, ParameterRules, Predictor, RouteTable, Target, Tier};
use tierway::wire::{Format, openai_chat};
use tierway::{AUTO, Call, Router, Setup};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tiers = vec![tier("nano", "small-model"), tier("standard", "large-model"), tier("reasoning", "thinking-model")];
    let table = RouteTable::new(Ladder::new(tiers, "standard")?);
    let router = Router::builder(Arc::new(Setup::new(table, Predictor::embedded().clone()))).build();

    let prompt = std::env::args().nth(1).unwrap_or_else(|| "What is the capital of Peru?".to_owned());
    let body = serde_json::json!({"model": AUTO, "messages": [{"role": "user", "content": prompt}]}).to_string();
    let (outline, _) = openai_chat::outline(body.as_bytes())?;
    let call = Call::new(Format::OpenaiChat, body.clone());
    let decided = router.decide(&call, &outline).map_err(|refusal| refusal.error.message.clone())?;

    let decision = &decided.decision;
    let tier = &router.setup().table.ladder().tier(decision.tier).name;
    println!("{tier}: {}, {}", decision.reason.summary(), decision.prediction.task_type.name());
    Ok(())
}

fn tier(name: &str, model: &str) -> Tier {
    let target = Target {
        provider: "example".into(),
        model: model.into(),
        format: Format::OpenaiChat,
        effort: None,
        weight: 1,
        prices: None,
        limits: Limits::default(),
        capabilities: Capabilities::default(),
        parameters: ParameterRules::default(),
        shutdown: None,
    };
    Tier { name: name.into(), targets: vec![target], strengths: String::new(), weaknesses: String::new() }
}
