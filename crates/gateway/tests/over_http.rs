//! What clients and scrapers get at the HTTP door, in front of a provider that answers.
#![allow(missing_docs, clippy::unwrap_used, reason = "all of it is tests")]

use bytes::Bytes;
use expect_test::{Expect, expect};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::io::{Read, Write};
use std::net::TcpListener;
use tierway_gateway::Gateway;
use tierway_testkit::Upstream;

struct Door {
    gateway: Option<Gateway>,
    _upstream: Upstream,
    _folder: tempfile::TempDir,
}

impl Door {
    /// The cheap tier has no price.
    async fn open() -> Self {
        Self::open_with("").await
    }

    /// With more providers.
    async fn open_with(providers: &str) -> Self {
        let upstream = Upstream::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[ledger]\npath = \"{}\"\n\
             {providers}[providers.fake]\nkind = \"openai_compatible\"\nbase_url = \"{}/v1\"\n\
             [[tiers]]\nname = \"nano\"\ntargets = [\"fake/unheard-of\"]\n\
             [[tiers]]\nname = \"standard\"\ntargets = [\"fake/s\"]\nprice = {{ input = 5, output = 15 }}\n",
            folder.path().join("l.db").display(),
            upstream.url(),
        );
        let config = tierway_config::parse(&text, "door.toml", &|_| None).unwrap();
        Self { gateway: Some(Gateway::start(&config, 1).unwrap()), _upstream: upstream, _folder: folder }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let address = self.gateway.as_ref().unwrap().address();
        let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let (head, body) =
            client.request(request.body(Full::from(body.to_owned())).unwrap()).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    }

    /// A chat for a model; its status and the error's message.
    async fn chat(&self, model: &str, headers: &[(&str, &str)], want: Expect) {
        let body = serde_json::json!({"model": model, "messages": [{"role": "user", "content": "Hello"}]}).to_string();
        let (status, body) = self.ask(Method::POST, "/v1/chat/completions", headers, &body).await;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        want.assert_eq(&format!("{status} {}", body["error"]["message"].as_str().unwrap_or("answered")));
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.gateway.take().unwrap().stop().unwrap();
    }
}

#[tokio::test]
async fn bounds_that_leave_no_tier_are_refused_not_guessed() {
    let door = Door::open().await;
    let pins = |floor, ceiling| [("X-Tierway-Min-Tier", floor), ("x-tierway-max-tier", ceiling)];
    door.chat("auto", &pins("nano", "standard"), expect!["200 answered"]).await;
    door.chat("auto", &pins("nano", "nano"), expect!["200 answered"]).await;
    let want = expect!["400 x-tierway-min-tier `standard` is above x-tierway-max-tier `nano`; send one of them"];
    door.chat("auto", &pins("standard", "nano"), want).await;
    let capped = [("x-tierway-max-tier", "nano")];
    door.chat("unheard-of", &capped, expect!["200 answered"]).await;
    let want = expect!["400 x-tierway-max-tier allows tiers up to `nano`; `s` serves standard; ask for `auto`"];
    door.chat("s", &capped, want).await;
}

#[tokio::test]
async fn metrics_set_no_baseline_against_a_cost_that_is_not_known() {
    let door = Door::open().await;
    for model in ["nano", "fake/s", "standard"] {
        door.chat(model, &[], expect!["200 answered"]).await;
    }
    let (_, page) = door.ask(Method::GET, "/metrics", &[], "").await;
    let sum = |series: &str| -> f64 {
        let lines = page.lines().filter(|line| line.starts_with(series));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    assert_eq!(sum("tierway_unpriced_requests_total"), 1.0, "{page}");
    // Two calls cost the same on the standard tier: one was routed there, the other named its model.
    assert!(sum("tierway_baseline_usd_total") > 0.0, "{page}");
    assert_eq!(sum("tierway_baseline_usd_total") * 2.0, sum("tierway_cost_usd_total"), "{page}");
}

/// Each API of clients, and the rest of a request.
const CALLS: [(&str, &str); 3] = [
    ("/v1/chat/completions", r#""messages":[{"role":"user","content":"hi"}]"#),
    ("/v1/messages", r#""max_tokens":9,"messages":[{"role":"user","content":"hi"}]"#),
    ("/v1/responses", r#""input":"hi""#),
];

/// A provider that has this to say, whatever it is asked.
fn parrot(head: String, body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Enough of the request for what these tests send.
            let _ = stream.read(&mut [0; 65_536]);
            let _ =
                write!(stream, "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        }
    });
    format!("http://{address}/v1")
}

#[tokio::test]
async fn a_key_that_a_provider_quotes_stops_here() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "sk-quite-secret").unwrap();
    let error = r#"{"error":{"message":"no field foo for sk-quite-secret","code":"sk-quite-secret","param":"sk-quite-secret"}}"#;
    let begun = r#"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hi"}}]}"#;
    let (json, sse) = ("content-type: application/json", "content-type: text/event-stream");
    for (head, body) in [
        (format!("400 Bad Request\r\n{json}"), error.to_owned()),
        (format!("500 Oh\r\n{json}"), error.to_owned()),
        (format!("200 OK\r\n{sse}"), format!("data: {error}\n\n")),
        (format!("200 OK\r\n{sse}"), format!("{begun}\n\ndata: {error}\n\n")),
    ] {
        let stream = head.contains("event-stream");
        let door = Door::open_with(&format!(
            "[providers.loud]\nkind = \"openai_compatible\"\nbase_url = \"{}\"\nkey_file = \"{}\"\n[dispatch]\nmax_attempts = 1\n",
            parrot(head, body),
            key.display()
        ))
        .await;
        for (path, rest) in CALLS {
            let request = format!(r#"{{"model":"loud/m","stream":{stream},{rest}}}"#);
            let (_, body) = door.ask(Method::POST, path, &[], &request).await;
            assert!(body.contains("[credential]") && !body.contains("sk-quite"), "{path}: {body}");
        }
    }
}

#[tokio::test]
async fn how_a_model_failed_is_no_finish() {
    let chat = r#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"error"}],"usage":{"prompt_tokens":1,"completion_tokens":0}}"#;
    let begun = r#"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hi"}}]}"#;
    let ended = r#"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#;
    let responses = r#"{"id":"r","status":"failed","output":[],"error":{"code":"server_error","message":"m"}}"#;
    let gemini = r#"{"candidates":[{"content":{"parts":[]},"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#;
    for (format, body, stream, word) in [
        ("openai_chat", chat.to_owned(), false, "error"),
        ("openai_chat", format!("{begun}\n\n{ended}\n\ndata: [DONE]\n\n"), true, "no answer (error)"),
        ("openai_responses", responses.to_owned(), false, "server_error"),
        ("gemini", gemini.to_owned(), false, "MALFORMED_FUNCTION_CALL"),
        ("gemini", format!("data: {gemini}\n\n"), true, "MALFORMED_FUNCTION_CALL"),
    ] {
        let kind = if stream { "text/event-stream" } else { "application/json" };
        let url = parrot(format!("200 OK\r\ncontent-type: {kind}"), body);
        let door = Door::open_with(&format!(
            "[providers.loud]\nkind = \"openai_compatible\"\nformat = \"{format}\"\nbase_url = \"{url}\"\n[dispatch]\nmax_attempts = 1\n"
        ))
        .await;
        for (path, rest) in CALLS {
            let request = format!(r#"{{"model":"loud/m","stream":{stream},{rest}}}"#);
            let (status, body) = door.ask(Method::POST, path, &[], &request).await;
            let told = body.contains(word) && body.contains("error");
            assert!(told && (status == 502 || (stream && body.contains("Hi"))), "{format} {path}: {status} {body}");
        }
    }
}
