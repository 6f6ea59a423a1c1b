//! A provider and a sink of your own: anything that answers can serve a tier, anything can keep the records.
//!
//! `cargo run -p tierway --example own_provider`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use std::sync::Arc;
use tierway::decide::{CallRecord, Capabilities, Ladder, Limits, ParameterRules, Predictor, RouteTable, Target, Tier};
use tierway::wire::Format;
use tierway::{
    AUTO, BoxFuture, BrokenBody, Call, Provider, ReplyBody, Router, SendError, Setup, Sink, Timeouts, Upstream,
    WireAnswer, WireRequest,
};

/// Answers everything with its own name.
struct Parrot;

impl Provider for Parrot {
    fn send(&self, request: WireRequest) -> BoxFuture<'_, Result<WireAnswer, SendError>> {
        let message = serde_json::json!({"role": "assistant", "content": format!("{} speaking", request.model)});
        let body = serde_json::json!({
            "id": "parrot-1", "object": "chat.completion", "created": 0, "model": request.model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
        });
        let body = Full::new(Bytes::from(body.to_string())).map_err(|never| BrokenBody(Box::new(never)));
        let answer = WireAnswer { status: http::StatusCode::OK, headers: http::HeaderMap::new(), body: Box::pin(body) };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

/// Prints records instead of storing them.
struct Printer;

impl Sink for Printer {
    fn offer(&self, record: Box<CallRecord>) {
        println!("recorded: {} answered on {} ({})", record.served_model, record.served_tier, record.reason.summary());
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = Target {
        provider: "parrot".into(),
        model: "parrot-small".into(),
        format: Format::OpenaiChat,
        effort: None,
        weight: 1,
        prices: None,
        limits: Limits::default(),
        capabilities: Capabilities::default(),
        parameters: ParameterRules::default(),
        shutdown: None,
    };
    let tier =
        Tier { name: "standard".into(), targets: vec![target], strengths: String::new(), weaknesses: String::new() };
    let table = RouteTable::new(Ladder::new(vec![tier], "standard")?);
    let setup = Arc::new(Setup::new(table, Predictor::embedded().clone()));
    let upstream = Upstream { provider: Arc::new(Parrot), timeouts: Timeouts::default() };
    let router = Router::builder(setup).upstream("parrot", upstream).sink(Arc::new(Printer)).build();

    let body = serde_json::json!({"model": AUTO, "messages": [{"role": "user", "content": "Hello"}]}).to_string();
    let reply = router.chat(Call::new(Format::OpenaiChat, body)).await;
    if let ReplyBody::Whole(Some(bytes)) = reply.body {
        println!("{}", String::from_utf8_lossy(&bytes));
    }
    Ok(())
}
