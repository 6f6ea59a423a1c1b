//! The read API through its own door: every described path is served, keys hold, what is wrong is said.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tierway_gateway::Gateway;

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
[providers.p]
kind = "openai_compatible"
base_url = "http://127.0.0.1:9/v1"
[[tiers]]
name = "small"
targets = [{ provider = "p", model = "s" }]
price = { input = 1.0, output = 2.0 }
[[tiers]]
name = "large"
targets = [{ provider = "p", model = "l" }]
price = { input = 5.0, output = 9.0 }
[routing]
baseline = "large"
"#;

/// SHA-256 of `reader` and of `app`.
const KEYS: &str = r#"
[[keys]]
name = "reader"
scope = "read"
hash = "sha256:3d0941964aa3ebdcb00ccef58b1bb399f9f898465e9886d5aec7f31090a0fb30"
[[keys]]
name = "app"
hash = "sha256:a172cedcae47474b615c54d510a5d84a8dea3032e958587430b413538be3f333"
"#;

struct Stage {
    gateway: Option<Gateway>,
    client: Client<HttpConnector, Full<Bytes>>,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = tierway_config::parse(&format!("{CONFIG}{more}"), "test", &|_| None).unwrap();
        config.ledger.path = folder.path().join("ledger.db");
        let gateway = Gateway::start(&config, 1).unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { gateway: Some(gateway), client, _folder: folder }
    }

    async fn ask(&self, method: Method, path: &str, key: Option<&str>, body: &str) -> (StatusCode, Value) {
        let address = self.gateway.as_ref().unwrap().address();
        let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Full::from(body.to_owned())).unwrap();
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, None, "").await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.gateway.take().unwrap().stop().unwrap();
    }
}

#[tokio::test]
async fn every_described_path_is_routed_as_described() {
    let stage = Stage::new("");
    let (status, described) = stage.get("/openapi.json").await;
    assert_eq!(status, 200);
    let mut seen = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let (status, body) = stage.ask(method, &path.replace("{id}", "0000000000001"), None, "{}").await;
            assert_ne!(body["error"]["code"], "unknown_url", "{path}");
            assert_ne!(status, 405, "{path}");
            seen += 1;
        }
    }
    assert_eq!(seen, 25);
    let (status, body) = stage.get("/api/v1/nothing").await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (404, &Value::from("unknown_url")));
}

#[tokio::test]
async fn described_filters_are_those_that_are_taken() {
    let stage = Stage::new("");
    let (_, described) = stage.get("/openapi.json").await;
    for parameter in described["paths"]["/api/v1/requests"]["get"]["parameters"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        let value = match &parameter["schema"] {
            schema if schema["enum"].is_array() => schema["enum"][0].as_str().unwrap(),
            schema if schema["type"] == "integer" => "7",
            schema if schema["type"] == "boolean" => "true",
            _ if name == "before" => "0000000000001",
            _ if name == "task_type" => "coding",
            _ if name == "reason" => "predicted",
            _ => "x",
        };
        let (status, body) = stage.get(&format!("/api/v1/requests?{name}={value}")).await;
        assert_eq!(status, 200, "{name}: {body}");
    }
    for wrong in ["requests?teir=x", "requests?limit=0", "report?days=x", "series?step=week", "series?stp=day"] {
        let (status, body) = stage.get(&format!("/api/v1/{wrong}")).await;
        assert_eq!((status.as_u16(), &body["error"]["code"]), (400, &Value::from("bad_parameter")), "{wrong}");
    }
}

#[tokio::test]
async fn a_decision_is_told_without_a_call_or_a_record() {
    let stage = Stage::new("");
    let ask = |body: &'static str| stage.ask(Method::POST, "/api/v1/route", None, body);
    let (status, told) = ask(r#"{"prompt":"What is the capital of Peru?"}"#).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!((&told["tier"], &told["reason"]["summary"]), (&"small".into(), &"predicted".into()));
    let (_, forced) = ask(r#"{"messages":[{"role":"user","content":"hello"}],"model":"large"}"#).await;
    assert_eq!((&forced["tier"], &forced["reason"]["summary"]), (&"large".into(), &"requested_tier".into()));
    let (_, on_no_tier) = ask(r#"{"prompt":"hello","model":"p/unknown"}"#).await;
    assert_eq!((&on_no_tier["tier"], &on_no_tier["targets"]), (&Value::Null, &Value::Array(Vec::new())));
    for wrong in ["", "{}", r#"{"prompt":"a","messages":[]}"#, r#"{"promt":"a"}"#] {
        assert_eq!(ask(wrong).await.0, 400, "{wrong}");
    }
    assert_eq!(ask(r#"{"prompt":"a","model":"nobody"}"#).await.0, 404);
    stage.gateway.as_ref().unwrap().flush().unwrap();
    let (_, list) = stage.get("/api/v1/requests").await;
    assert_eq!(list["requests"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn records_want_a_key_that_reads() {
    let stage = Stage::new(KEYS);
    for (path, open) in [("/dashboard", true), ("/openapi.json", true), ("/api/v1/report", false), ("/metrics", false)]
    {
        let (status, _) = stage.get(path).await;
        assert_eq!(status == 200, open, "{path} without a key");
    }
    for (key, report, route) in [("reader", 200, 200), ("app", 403, 200), ("nobody", 401, 401)] {
        let (status, _) = stage.ask(Method::GET, "/api/v1/report", Some(key), "").await;
        assert_eq!(status.as_u16(), report, "report with {key}");
        let (status, _) = stage.ask(Method::POST, "/api/v1/route", Some(key), r#"{"prompt":"hello"}"#).await;
        assert_eq!(status.as_u16(), route, "route with {key}");
    }
}
