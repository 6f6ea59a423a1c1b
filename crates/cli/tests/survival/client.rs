//! Many clients in one thread: pooled connections, whole replies.

use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use std::net::SocketAddr;
use std::time::Duration;
use tierway::{Operation, Provider, WireAnswer, WireRequest};
use tierway_providers::{Auth, Dialect, Endpoint, HttpProvider};
use tierway_wire::Format;

/// One reply to its end.
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// The connection broke before the end.
    pub(crate) broken: bool,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The JSON of the body, or of every event of a stream.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        match serde_json::from_str(&self.body) {
            Ok(whole) => vec![whole],
            Err(_) => {
                let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
                data.filter_map(|data| serde_json::from_str(data).ok()).collect()
            }
        }
    }
}

/// Asks a router as a provider would be asked.
pub(crate) struct Client(HttpProvider);

impl Client {
    pub(crate) fn of(address: SocketAddr) -> Self {
        let provider = HttpProvider::new(Endpoint {
            name: "router".into(),
            format: Format::OpenaiChat,
            base_url: format!("http://{address}/v1"),
            auth: Auth::None,
            dialect: Dialect::Direct,
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(20),
            http2_only: false,
            max_idle_connections: 1_000,
        });
        Self(provider.unwrap())
    }

    /// The head of the reply; the body comes as it comes.
    pub(crate) async fn begin(
        &self,
        format: Format,
        headers: &[(&'static str, &'static str)],
        body: String,
    ) -> WireAnswer {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let operation = Operation::Chat;
        let request =
            WireRequest { operation, format, model: String::new(), stream: false, headers: all, body: body.into() };
        self.0.send(request).await.unwrap()
    }

    pub(crate) async fn ask(&self, body: String) -> Received {
        rest(self.begin(Format::OpenaiChat, &[], body).await, String::new()).await
    }
}

/// Reads a reply to its end; `before`: what was read of it already.
pub(crate) async fn rest(mut answer: WireAnswer, before: String) -> Received {
    let (mut body, mut broken) = (before.into_bytes(), false);
    while let Some(frame) = answer.body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(bytes)) => body.extend_from_slice(&bytes),
            Ok(Err(_)) => {}
            Err(_) => broken = true,
        }
    }
    let body = String::from_utf8(body).unwrap();
    Received { status: answer.status.as_u16(), headers: answer.headers, body, broken }
}
