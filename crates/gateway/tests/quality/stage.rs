//! A gateway whose provider also judges, and what a test asks of it.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tierway_config::Config;
use tierway_decide::CallRecord;
use tierway_gateway::Gateway;
use tierway_ledger::{Filter, Reader, Span};
use tierway_testkit::Upstream;
use tokio::task::block_in_place;

/// Everything that is predicted goes to the small tier.
pub(crate) const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
[providers.fake]
kind = "openai_compatible"
base_url = "URL/v1"
[[tiers]]
name = "small"
price = { input = 0.15, output = 0.60 }
targets = [{ provider = "fake", model = "small-model" }]
[[tiers]]
name = "large"
price = { input = 5, output = 15 }
targets = [{ provider = "fake", model = "large-model" }]
[routing]
baseline = "large"
policy = "tiers"
complexity = { simple = "small", medium = "small", complex = "small", reasoning = "small" }
[quality]
sample = 1.0
dollars_a_day = 100
judge = "large"
judge_error_percent = 0
target = 0.9
"#;

/// A gateway with what belongs to it.
pub(crate) struct Stage {
    pub(crate) gateway: Option<Gateway>,
    pub(crate) config: Config,
    client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) upstream: Arc<Upstream>,
    _folder: tempfile::TempDir,
}

/// Keys of clients and operators; without keys in the config anything goes.
pub(crate) const KEYS: [&str; 2] = ["app-key", "boss-key"];

impl Stage {
    pub(crate) async fn new(more: &str) -> Self {
        Self::before(Arc::new(Upstream::start().await.unwrap()), more)
    }

    /// With its records in a file of its own, unless the config says otherwise.
    pub(crate) fn before(upstream: Arc<Upstream>, more: &str) -> Self {
        Self::of(upstream, &format!("{CONFIG}{more}"))
    }

    /// With this config in place of the usual one.
    pub(crate) fn of(upstream: Arc<Upstream>, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = config.replace("URL", &upstream.url());
        let mut config = tierway_config::parse(&text, "test", &|_| None).unwrap();
        config.ledger.path = folder.path().join("ledger.db");
        let gateway = Some(block_in_place(|| Gateway::start(&config, 1)).unwrap());
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { gateway, config, client, upstream, _folder: folder }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value, String) {
        let (head, body) = self.send(method, path, body).await;
        let id = head.headers.get("x-tierway-request-id").map(|id| id.to_str().unwrap().to_owned());
        (head.status, serde_json::from_slice(&body).unwrap_or(Value::Null), id.unwrap_or_default())
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> (http::response::Parts, Bytes) {
        let address = self.gateway.as_ref().unwrap().address();
        let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        let key = KEYS[usize::from(path.starts_with("/api") || path == "/metrics")];
        let request = request.header("authorization", format!("Bearer {key}"));
        let request = request.body(Full::from(body.to_string())).unwrap();
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    }

    /// The page of metrics, once it has this line.
    pub(crate) async fn metrics_with(&self, line: &str) -> String {
        let started = Instant::now();
        loop {
            let (_, page) = self.send(Method::GET, "/metrics", &Value::Null).await;
            let page = String::from_utf8(page.to_vec()).unwrap();
            if page.lines().any(|there| there == line) {
                return page;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{page}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks a question; gives the id.
    pub(crate) async fn chat(&self, prompt: &str) -> String {
        let body = json!({"model": "auto", "messages": [{"role": "user", "content": prompt}]});
        let (status, body, id) = self.ask(Method::POST, "/v1/chat/completions", &body).await;
        assert_eq!(status, 200, "{body}");
        id
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body, _) = self.ask(Method::GET, path, &Value::Null).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// What was found, once so many samples are done.
    pub(crate) async fn quality(&self, done: u64) -> Value {
        let started = Instant::now();
        loop {
            let body = self.get("/api/v1/quality").await;
            let count = |name: &str| body["samples"][name].as_u64().unwrap();
            if count("judged") + count("given_up") >= done && count("waiting") == 0 {
                return body;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{body}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// All records, the oldest first.
    pub(crate) fn records(&self) -> Vec<CallRecord> {
        self.gateway.as_ref().unwrap().flush().unwrap();
        let location = tierway_gateway::location(&self.config).unwrap();
        let read = || Reader::open(location).unwrap().list(&Filter::default(), Span::ALL, None, 1_000);
        let mut calls = block_in_place(read).unwrap().calls;
        calls.reverse();
        calls
    }

    pub(crate) fn stop(&mut self) {
        block_in_place(|| self.gateway.take().unwrap().stop()).unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.gateway = Some(block_in_place(|| Gateway::start(&self.config, 1)).unwrap());
    }

    pub(crate) fn reload(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        block_in_place(|| self.gateway.as_ref().unwrap().reload(&self.config)).unwrap();
    }

    /// Where cells stand, once that is so.
    pub(crate) async fn states(&self, wanted: impl Fn(&[(String, String)]) -> bool) -> Vec<(String, String)> {
        let started = Instant::now();
        loop {
            let found = self.get("/api/v1/quality").await;
            let text = |state: &Value, name: &str| state[name].as_str().unwrap().to_owned();
            let states = found["states"].as_array().unwrap().iter();
            let states: Vec<_> = states.map(|one| (text(one, "task_type"), text(one, "state"))).collect();
            if wanted(&states) {
                return states;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{found}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Changes of cells (author and new state, the newest first) and how many alarms there are.
    pub(crate) async fn told(&self) -> (Vec<(String, String)>, usize) {
        let history = self.get("/api/v1/quality/history").await;
        let text = |change: &Value, name: &str| change[name].as_str().unwrap().to_owned();
        let changes = history["changes"].as_array().unwrap().iter();
        let alarms = self.get("/api/v1/quality").await["alarms"].as_array().unwrap().len();
        (changes.map(|change| (text(change, "author"), text(change, "to"))).collect(), alarms)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            block_in_place(|| gateway.stop()).unwrap();
        }
    }
}
