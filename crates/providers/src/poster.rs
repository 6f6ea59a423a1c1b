//! Posts bytes to one address: a chat's webhook, a collector of telemetry. Nothing is retried, no redirect is followed.
//!
//! The address may be a secret (webhooks are): it never reaches an error or a log.

use crate::endpoint::EndpointError;
use crate::http_provider::innermost;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

/// Longest answer that is read, to be shown when something went wrong.
const MOST_ANSWER: usize = 64 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// One address, with the headers that go there.
pub struct Poster {
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Why something was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// No connection, or it broke.
    #[error("no answer from {host}: {cause}")]
    Connection {
        /// The host; never the whole address.
        host: String,
        /// What the system said.
        cause: String,
    },
    /// Nothing came in time.
    #[error("{host} gave no answer within {seconds} s")]
    Late {
        /// The host.
        host: String,
        /// How long was waited.
        seconds: u64,
    },
    /// It said no.
    #[error("{host} answered with HTTP {status}")]
    Refused {
        /// The host.
        host: String,
        /// The status.
        status: u16,
    },
}

impl Poster {
    /// Checks the address; connects only when something is posted.
    ///
    /// # Errors
    /// When it is no `http` or `https` address.
    pub fn new(
        address: &str,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        timeout: Duration,
    ) -> Result<Self, EndpointError> {
        let bad = || EndpointError::BadAddress;
        let uri: Uri = address.parse().map_err(|_| bad())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(bad());
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .build(connector);
        Ok(Self { uri, headers: headers.into_iter().collect(), timeout, client })
    }

    /// Posts; good is any status from 200 to 299.
    ///
    /// # Errors
    /// See [`PostError`].
    pub async fn post(&self, content_type: &'static str, body: Bytes) -> Result<(), PostError> {
        let host = self.uri.host().unwrap_or_default().to_owned();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let asked = async {
            let answer = self.client.request(request).await;
            let answer =
                answer.map_err(|error| PostError::Connection { host: host.clone(), cause: innermost(&error) })?;
            let status = answer.status();
            // Read to its end, so that the connection can be used again.
            let _ = Limited::new(answer.into_body(), MOST_ANSWER).collect().await;
            if status.is_success() {
                Ok(())
            } else {
                Err(PostError::Refused { host: host.clone(), status: status.as_u16() })
            }
        };
        let late = || PostError::Late { host: host.clone(), seconds: self.timeout.as_secs() };
        tokio::time::timeout(self.timeout, asked).await.unwrap_or_else(|_| Err(late()))
    }
}

impl std::fmt::Debug for Poster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poster").field("host", &self.uri.host()).finish_non_exhaustive()
    }
}
