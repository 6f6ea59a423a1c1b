//! HTTP to one endpoint: pooled, warm, TCP_NODELAY, TLS by rustls, no redirects.

use crate::endpoint::{Auth, Base, Dialect, Endpoint, EndpointError};
use crate::event_stream::{self, EventStream};
use crate::hosted::messages_body;
use crate::pool::{CallError, Dial, Pool};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request};
use http_body_util::Full;
use hyper_util::client::legacy::connect::HttpConnector;
use std::sync::Arc;
use std::time::Duration;
use tierway::{BoxFuture, Operation, Provider, SendError, WireAnswer, WireBody, WireRequest};
use tierway_wire::Format;

/// The version of Anthropic's API that still takes sampling parameters; sent when the client named none.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// Speaks to one endpoint. Cheap to share; holds the pool of connections.
pub struct HttpProvider {
    endpoint: Endpoint,
    base: Base,
    auth: Option<(HeaderName, HeaderValue)>,
    /// The same key as Google wants it where it speaks OpenAI's API.
    bearer: Option<HeaderValue>,
    /// The path of a chat call, for the APIs in which it is always the same.
    chat_path: Option<PathAndQuery>,
    pool: Arc<Pool>,
}

impl HttpProvider {
    /// Checks the endpoint; connects only when asked.
    ///
    /// # Errors
    /// When address or key cannot be used.
    pub fn new(endpoint: Endpoint) -> Result<Self, EndpointError> {
        let base = Base::parse(&endpoint.base_url)?;
        let auth = endpoint.auth.header()?;
        let bearer = match &endpoint.auth {
            Auth::Header(_, key) if endpoint.format == Format::Gemini => Auth::Bearer(key.clone()).header()?,
            _ => None,
        };
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        // Divided among the addresses of a host; the pool bounds all of it.
        tcp.set_connect_timeout(Some(endpoint.connect_timeout));
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        let pool = Pool::new(Dial {
            connector,
            scheme: base.scheme.clone(),
            authority: base.authority.clone(),
            http2_only: endpoint.http2_only,
            max_idle: endpoint.max_idle_connections,
            timeout: endpoint.connect_timeout,
        })
        .map_err(|_| EndpointError::BadUrl(endpoint.base_url.clone()))?;
        let in_path = matches!(endpoint.format, Format::Gemini | Format::BedrockConverse);
        let fixed = endpoint.dialect == Dialect::Direct && !in_path;
        let probe = || WireRequest {
            operation: Operation::Chat,
            format: endpoint.format,
            model: String::new(),
            stream: false,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let chat_path = if fixed { base.path(&endpoint, &probe()) } else { None };
        Ok(Self { endpoint, base, auth, bearer: bearer.map(|(_, value)| value), chat_path, pool })
    }

    /// Where a request goes below the host; none when its model's name cannot be part of an address.
    fn path(&self, request: &WireRequest) -> Option<PathAndQuery> {
        match &self.chat_path {
            Some(path) if request.operation == Operation::Chat && request.format == self.endpoint.format => {
                Some(path.clone())
            }
            _ => self.base.path(&self.endpoint, request),
        }
    }

    /// The request, and its body once more; none when it cannot be said there.
    fn request(&self, request: WireRequest) -> Option<(Request<Full<Bytes>>, Bytes)> {
        let (mut headers, mut body) = (request.headers, request.body);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if request.format == Format::AnthropicMessages {
            headers.entry("anthropic-version").or_insert(ANTHROPIC_VERSION);
            // A call that counts names its model in the body everywhere.
            if request.operation == Operation::Chat {
                body = messages_body(&self.endpoint.dialect, body, &mut headers)?;
            }
        }
        for (name, value) in &self.endpoint.headers {
            headers.insert(name.clone(), value.clone());
        }
        if let Some((name, value)) = &self.auth {
            headers.insert(name.clone(), value.clone());
        }
        if request.operation == Operation::Embeddings
            && let Some(bearer) = &self.bearer
        {
            headers.insert(AUTHORIZATION, bearer.clone());
        }
        let mut out = Request::new(Full::new(body.clone()));
        *out.method_mut() = Method::POST;
        *out.headers_mut() = headers;
        Some((out, body))
    }

    /// Shows who asks, where that is made anew for each call.
    async fn authorize(
        &self,
        request: &mut Request<Full<Bytes>>,
        path: &PathAndQuery,
        body: &[u8],
    ) -> Result<(), SendError> {
        let authorized = match &self.endpoint.auth {
            Auth::None | Auth::Bearer(_) | Auth::Header(..) => return Ok(()),
            Auth::Google(account) => Box::pin(account.header()).await.map(|(name, value)| {
                request.headers_mut().insert(name, value);
            }),
            Auth::Aws(account) => {
                let url = format!("{}://{}{path}", self.base.scheme, self.base.authority);
                Box::pin(account.sign(request, &url, body)).await
            }
        };
        authorized.map_err(|cause| SendError::NoCredentials { provider: self.endpoint.name.clone(), cause })
    }

    fn error(&self, error: &CallError) -> SendError {
        let (provider, cause) = (self.endpoint.name.clone(), innermost(error));
        match error {
            CallError::Connect(error) if is_tls(&**error) => SendError::Tls { provider, cause },
            CallError::Connect(_) => SendError::Connect { provider, cause },
            CallError::Broken(_) => SendError::Broken { provider, cause },
        }
    }
}

impl Provider for HttpProvider {
    fn send(&self, request: WireRequest) -> BoxFuture<'_, Result<WireAnswer, SendError>> {
        Box::pin(async move {
            let unsendable =
                |cause: &str| SendError::Unsendable { provider: self.endpoint.name.clone(), cause: cause.to_owned() };
            let format = request.format;
            let path = self.path(&request).ok_or_else(|| unsendable("the model name cannot be part of an address"))?;
            let (mut request, body) = self.request(request).ok_or_else(|| unsendable("its body is no JSON object"))?;
            self.authorize(&mut request, &path, &body).await?;
            let answer = self.pool.call(path, request).await.map_err(|error| self.error(&error))?;
            let (head, body) = answer.into_parts();
            let framed = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == event_stream::CONTENT_TYPE);
            let body: WireBody = if framed { Box::pin(EventStream::new(body, format)) } else { Box::pin(body) };
            Ok(WireAnswer { status: head.status, headers: head.headers, body })
        })
    }

    fn mask_credentials(&self, words: &mut String) {
        let token = match &self.endpoint.auth {
            Auth::Google(account) => account.held(),
            Auth::None | Auth::Bearer(_) | Auth::Header(..) | Auth::Aws(_) => None,
        };
        let shown = self.auth.iter().map(|(_, value)| value).chain(&token);
        for value in shown.filter_map(|value| value.to_str().ok()) {
            mask(words, value.strip_prefix("Bearer ").unwrap_or(value));
        }
    }
}

/// What stands in place of a credential.
const MASK: &str = "[credential]";
/// What is shorter is no secret but a word that servers without keys are given, such as `none` or `EMPTY`.
const SHORTEST_SECRET: usize = 8;

fn mask(words: &mut String, secret: &str) {
    if secret.len() >= SHORTEST_SECRET && words.contains(secret) {
        *words = words.replace(secret, MASK);
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

/// Whether TLS itself was refused, by us or by the other side; a connection that breaks in its handshake is none of that.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // What an error of the system wraps is not its source, but stands in its place.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

impl std::fmt::Debug for HttpProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpProvider").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::mask;
    use crate::{Auth, EndpointError};

    #[test]
    fn credentials_are_taken_out_of_words() {
        for (words, secret, want) in [
            ("bad key sk-secret-1, yes sk-secret-1", "sk-secret-1", "bad key [credential], yes [credential]"),
            ("field `x` is EMPTY", "EMPTY", "field `x` is EMPTY"),
            ("nothing of it", "sk-secret-1", "nothing of it"),
        ] {
            let mut masked = words.to_owned();
            mask(&mut masked, secret);
            assert_eq!(masked, want);
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let auth = Auth::Bearer(zeroize::Zeroizing::new("sk-secret".into()));
        assert!(!format!("{auth:?}").contains("secret"));
        assert!(auth.header().unwrap().unwrap().1.is_sensitive());
        let bad = Auth::Bearer(zeroize::Zeroizing::new("two\nlines".into()));
        assert_eq!(bad.header().unwrap_err().to_string(), EndpointError::BadKey.to_string());
    }
}
