//! HTTP to one endpoint: pooled, warm, TCP_NODELAY, TLS by rustls, no redirects.

use crate::endpoint::{Base, Endpoint, EndpointError};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{self, Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tierway::{BoxFuture, BrokenBody, Operation, Provider, SendError, WireAnswer, WireRequest};
use tierway_wire::Format;

/// Idle connections are closed before most providers close them (60 s and more), so that none is used as it dies.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// The version of Anthropic's API that still takes sampling parameters; sent when the client named none.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// Speaks to one endpoint. Cheap to share; holds the pool of connections.
pub struct HttpProvider {
    endpoint: Endpoint,
    base: Base,
    auth: Option<(HeaderName, HeaderValue)>,
    /// The address of a chat call, for the APIs in which it is always the same.
    chat_uri: Option<Uri>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpProvider {
    /// Checks the endpoint; connects only when asked.
    ///
    /// # Errors
    /// When address or key cannot be used.
    pub fn new(endpoint: Endpoint) -> Result<Self, EndpointError> {
        let base = Base::parse(&endpoint.base_url)?;
        let auth = endpoint.auth.header()?;
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(endpoint.connect_timeout));
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(endpoint.max_idle_connections)
            .http2_only(endpoint.http2_only)
            .build(connector);
        let fixed = endpoint.azure_api_version.is_none() && endpoint.format != Format::Gemini;
        let probe = || WireRequest {
            operation: Operation::Chat,
            format: endpoint.format,
            model: String::new(),
            stream: false,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let chat_uri = if fixed { base.uri(&endpoint, &probe()) } else { None };
        Ok(Self { endpoint, base, auth, chat_uri, client })
    }

    fn request(&self, request: WireRequest) -> Option<Request<Full<Bytes>>> {
        let uri = match &self.chat_uri {
            Some(uri) if request.operation == Operation::Chat && request.format == self.endpoint.format => uri.clone(),
            _ => self.base.uri(&self.endpoint, &request)?,
        };
        let mut headers = request.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if request.format == Format::AnthropicMessages {
            headers.entry("anthropic-version").or_insert(ANTHROPIC_VERSION);
        }
        for (name, value) in &self.endpoint.headers {
            headers.insert(name.clone(), value.clone());
        }
        if let Some((name, value)) = &self.auth {
            headers.insert(name.clone(), value.clone());
        }
        let mut out = Request::new(Full::new(request.body));
        *out.method_mut() = Method::POST;
        *out.uri_mut() = uri;
        *out.headers_mut() = headers;
        Some(out)
    }

    fn error(&self, error: &legacy::Error) -> SendError {
        let (provider, cause) = (self.endpoint.name.clone(), innermost(error));
        if error.is_connect() { SendError::Connect { provider, cause } } else { SendError::Broken { provider, cause } }
    }
}

impl Provider for HttpProvider {
    fn send(&self, request: WireRequest) -> BoxFuture<'_, Result<WireAnswer, SendError>> {
        Box::pin(async move {
            let request = self.request(request).ok_or_else(|| SendError::Unsendable {
                provider: self.endpoint.name.clone(),
                cause: "the model name cannot be part of an address".into(),
            })?;
            let answer = self.client.request(request).await.map_err(|error| self.error(&error))?;
            let (head, body) = answer.into_parts();
            Ok(WireAnswer { status: head.status, headers: head.headers, body: Box::pin(Received(body)) })
        })
    }
}

/// What the system said at the bottom of a chain of errors: the only part that tells a person something.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// The received body with our own error.
struct Received(Incoming);

impl Body for Received {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(|error| BrokenBody(Box::new(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl std::fmt::Debug for HttpProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpProvider").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Auth, EndpointError};

    #[test]
    fn a_key_is_never_printed() {
        let auth = Auth::Bearer(zeroize::Zeroizing::new("sk-secret".into()));
        assert!(!format!("{auth:?}").contains("secret"));
        assert!(auth.header().unwrap().unwrap().1.is_sensitive());
        let bad = Auth::Bearer(zeroize::Zeroizing::new("two\nlines".into()));
        assert_eq!(bad.header().unwrap_err().to_string(), EndpointError::BadKey.to_string());
    }
}
