//! A gateway with one provider for each API, and a client that speaks all three APIs of clients.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tierway_gateway::Gateway;
use tierway_testkit::Upstream;
use tierway_wire::Format;

/// Providers by their names in the config, one for each API that is spoken to them.
pub(crate) const PROVIDERS: [&str; 5] = ["chat", "resp", "anthropic", "gemini", "ollama"];

/// The APIs of clients, each with the provider that speaks the same one.
pub(crate) const CLIENTS: [(Format, &str); 3] =
    [(Format::OpenaiChat, "chat"), (Format::OpenaiResponses, "resp"), (Format::AnthropicMessages, "anthropic")];

pub(crate) struct Door {
    gateway: Option<Gateway>,
    pub(crate) upstream: Upstream,
    client: Client<HttpConnector, Full<Bytes>>,
    _folder: tempfile::TempDir,
}

/// What a client got.
pub(crate) struct Got {
    pub(crate) status: u16,
    /// `x-tierway-adapted`, empty without.
    pub(crate) adapted: String,
    /// `x-tierway-cost-usd`, empty without.
    pub(crate) cost: String,
    pub(crate) body: Bytes,
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::open_with("").await
    }

    /// With more in its `[routing]`.
    pub(crate) async fn open_with(routing: &str) -> Self {
        let upstream = Upstream::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let url = upstream.url();
        let key = folder.path().join("key");
        std::fs::write(&key, "k").unwrap();
        let key = key.display();
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:0"
max_body_mb = 12
[ledger]
path = "{}"
[providers.chat]
kind = "openai_compatible"
base_url = "{url}/v1"
[providers.resp]
kind = "openai_compatible"
format = "openai_responses"
base_url = "{url}/v1"
[providers.anthropic]
kind = "anthropic"
base_url = "{url}/v1"
[providers.gemini]
kind = "gemini"
format = "gemini"
base_url = "{url}/v1beta"
key_file = "{key}"
[providers.ollama]
kind = "ollama"
format = "ollama_chat"
base_url = "{url}"
[[tiers]]
name = "standard"
targets = [{{ provider = "chat", model = "middle", context_window = 4000000, price = {{ input = 5, output = 15 }} }}]
[[tiers]]
name = "claude"
targets = [{{ provider = "anthropic", model = "claude-sonnet-5", price = {{ input = 2, cached_input = 0.2, cache_write = 2.5, output = 10 }} }}]
[[tiers]]
name = "responses"
targets = [{{ provider = "resp", model = "other", price = {{ input = 1, output = 4 }} }}]
[routing]
baseline = "standard"
{routing}
[dispatch]
max_retries = 0
breaker_failures = 1000
"#,
            folder.path().join("l.db").display()
        );
        let config =
            tierway_config::parse(&text, "bars.toml", &|name| name.ends_with("_API_KEY").then(|| "k".to_owned()))
                .unwrap();
        let gateway = Some(Gateway::start(&config, 2).unwrap());
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { gateway, upstream, client, _folder: folder }
    }

    /// Through the gateway; the body names `provider/model`.
    pub(crate) async fn ask(&self, format: Format, body: Vec<u8>) -> Got {
        let address = self.gateway.as_ref().unwrap().address().to_string();
        self.post(&format!("http://{address}"), format, body).await
    }

    /// Past the gateway; the body names the model alone.
    pub(crate) async fn ask_provider(&self, format: Format, body: Vec<u8>) -> Got {
        self.post(&self.upstream.url(), format, body).await
    }

    async fn post(&self, base: &str, format: Format, body: Vec<u8>) -> Got {
        let path = match format {
            Format::OpenaiChat => "/v1/chat/completions",
            Format::OpenaiResponses => "/v1/responses",
            _ => "/v1/messages",
        };
        self.send(base, path, body).await
    }

    /// A request for vectors.
    pub(crate) async fn embed(&self, body: Vec<u8>) -> Got {
        let address = self.gateway.as_ref().unwrap().address().to_string();
        self.send(&format!("http://{address}"), "/v1/embeddings", body).await
    }

    async fn send(&self, base: &str, path: &str, body: Vec<u8>) -> Got {
        let request = Request::post(format!("{base}{path}"))
            .header("content-type", "application/json")
            .header("authorization", "Bearer any")
            .header("x-api-key", "any")
            .header("anthropic-version", "2023-06-01");
        let (head, body) = self.client.request(request.body(Full::from(body)).unwrap()).await.unwrap().into_parts();
        let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let header = |name: &str| header(name).unwrap_or_default();
        let (adapted, cost) = (header("x-tierway-adapted"), header("x-tierway-cost-usd"));
        let body = body.collect().await.unwrap().to_bytes();
        Got { status: head.status.as_u16(), adapted, cost, body }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.gateway.take().unwrap().stop().unwrap();
    }
}
