//! Where an upstream API lives and how it is asked.

use crate::aws::AwsAccount;
use crate::google::GoogleAccount;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use std::sync::Arc;
use std::time::Duration;
use tierway::{Operation, WireRequest};
use tierway_wire::Format;
use zeroize::Zeroizing;

/// How a key is shown to the provider. The key is wiped from memory on drop and never printed.
#[derive(Clone)]
pub enum Auth {
    /// No key (local servers).
    None,
    /// `authorization: Bearer KEY`.
    Bearer(Zeroizing<String>),
    /// A header of the provider's own: `x-api-key`, `api-key`, `x-goog-api-key`.
    Header(HeaderName, Zeroizing<String>),
    /// An access token of Google's, had and renewed as needed.
    Google(Arc<GoogleAccount>),
    /// A signature over each request.
    Aws(Arc<AwsAccount>),
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Bearer(_) => "Bearer(..)",
            Self::Header(..) => "Header(..)",
            Self::Google(_) => "Google(..)",
            Self::Aws(_) => "Aws(..)",
        })
    }
}

impl Auth {
    /// The header to send, marked as sensitive; none for what is made anew for each call.
    pub(crate) fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>, EndpointError> {
        let (name, text) = match self {
            Self::None | Self::Google(_) | Self::Aws(_) => return Ok(None),
            Self::Bearer(key) => (AUTHORIZATION, Zeroizing::new(format!("Bearer {}", key.as_str()))),
            Self::Header(name, key) => (name.clone(), key.clone()),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| EndpointError::BadKey)?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }
}

/// How a company that hosts an API changed its paths and bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Not at all.
    Direct,
    /// Azure: paths go through `/deployments/MODEL`, with this `api-version`.
    Azure {
        /// Such as `2024-10-21`.
        api_version: String,
    },
    /// Vertex AI: the path names project, location and publisher.
    Vertex {
        /// Google's id of the project.
        project: String,
        /// `global`, `us`, `europe-west1`, ..
        location: String,
    },
    /// Amazon Bedrock: the path names the model, streams come in frames.
    Bedrock,
}

/// One provider of the config, checked.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its name in the config.
    pub name: String,
    /// The API it speaks.
    pub format: Format,
    /// Everything before the API's own path: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key.
    pub auth: Auth,
    /// Where its paths differ from the API's own.
    pub dialect: Dialect,
    /// Headers sent with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Speak HTTP/2 without asking first (never needed with TLS, which negotiates).
    pub http2_only: bool,
    /// Idle connections kept.
    pub max_idle_connections: usize,
}

/// An endpoint that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address is none.
    #[error("base_url `{0}` is not an http or https address")]
    BadUrl(String),
    /// An address to post to that is none; it may be a secret and is not shown.
    #[error("the address to post to is not an http or https address")]
    BadAddress,
    /// The key has characters that no header can carry.
    #[error("the key has characters that no HTTP header can carry; look for line ends or quotes around it")]
    BadKey,
    /// The credentials of a cloud are not what they should be.
    #[error("{0}")]
    BadCredentials(String),
    /// A header of the config that is none.
    #[error("`{0}` cannot be sent as a header; use letters, digits and dashes in its name and plain text in its value")]
    BadHeader(String),
}

/// The fixed part of every address, taken apart once.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    path: String,
}

impl Base {
    pub(crate) fn parse(base_url: &str) -> Result<Self, EndpointError> {
        let bad = || EndpointError::BadUrl(base_url.to_owned());
        let parts = base_url.parse::<Uri>().map_err(|_| bad())?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(bad()) };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(bad());
        }
        let path = parts.path_and_query.map(|path| path.path().trim_end_matches('/').to_owned()).unwrap_or_default();
        Ok(Self { scheme, authority, path })
    }

    /// The path of one request.
    pub(crate) fn path(&self, endpoint: &Endpoint, request: &WireRequest) -> Option<PathAndQuery> {
        PathAndQuery::try_from(format!("{}{}", self.path, operation_path(endpoint, request))).ok()
    }
}

/// The API's own path below the base.
fn operation_path(endpoint: &Endpoint, request: &WireRequest) -> String {
    let model = percent_encoded(&request.model);
    match &endpoint.dialect {
        Dialect::Direct => {}
        Dialect::Azure { api_version } => return azure_path(api_version, &model, request),
        Dialect::Vertex { project, location } => {
            return format!("/projects/{project}/locations/{location}{}", vertex_path(&model, request));
        }
        Dialect::Bedrock => return bedrock_path(&model, request),
    }
    match (request.operation, request.format) {
        // Embeddings are asked for in OpenAI's words, which these take at an address of their own.
        (Operation::Embeddings, _) => match endpoint.format {
            Format::Gemini => "/openai/embeddings".into(),
            Format::OllamaChat => "/v1/embeddings".into(),
            _ => "/embeddings".into(),
        },
        (Operation::CountTokens, Format::Gemini) => format!("/models/{model}:countTokens"),
        (Operation::CountTokens, _) => "/messages/count_tokens".into(),
        (Operation::Chat, Format::OpenaiChat) => "/chat/completions".into(),
        (Operation::Chat, Format::OpenaiResponses) => "/responses".into(),
        (Operation::Chat, Format::AnthropicMessages) => "/messages".into(),
        (Operation::Chat, Format::Gemini) if request.stream => format!("/models/{model}:streamGenerateContent?alt=sse"),
        (Operation::Chat, Format::Gemini) => format!("/models/{model}:generateContent"),
        (Operation::Chat, Format::OllamaChat) => "/api/chat".into(),
        (Operation::Chat, Format::BedrockConverse) => bedrock_path(&model, request),
    }
}

fn azure_path(version: &str, model: &str, request: &WireRequest) -> String {
    let what = match (request.operation, request.format) {
        (Operation::Embeddings, _) => "embeddings",
        (_, Format::OpenaiResponses) => return format!("/responses?api-version={version}"),
        _ => "chat/completions",
    };
    format!("/deployments/{model}/{what}?api-version={version}")
}

fn vertex_path(model: &str, request: &WireRequest) -> String {
    match (request.operation, request.format) {
        (Operation::CountTokens, Format::AnthropicMessages) => {
            "/publishers/anthropic/models/count-tokens:rawPredict".into()
        }
        (_, Format::AnthropicMessages) => {
            let call = if request.stream { "streamRawPredict" } else { "rawPredict" };
            format!("/publishers/anthropic/models/{model}:{call}")
        }
        (Operation::CountTokens, _) => format!("/publishers/google/models/{model}:countTokens"),
        (Operation::Embeddings, _) => "/endpoints/openapi/embeddings".into(),
        (_, Format::Gemini) if request.stream => {
            format!("/publishers/google/models/{model}:streamGenerateContent?alt=sse")
        }
        (_, Format::Gemini) => format!("/publishers/google/models/{model}:generateContent"),
        _ => "/endpoints/openapi/chat/completions".into(),
    }
}

/// Tokens of a conversation are not counted with Bedrock: such a call is refused there, and an estimate has to do.
fn bedrock_path(model: &str, request: &WireRequest) -> String {
    match (request.operation, request.format) {
        (Operation::Chat, Format::AnthropicMessages) if request.stream => {
            format!("/model/{model}/invoke-with-response-stream")
        }
        (Operation::Chat, Format::AnthropicMessages) => format!("/model/{model}/invoke"),
        (Operation::Chat, Format::BedrockConverse) if request.stream => format!("/model/{model}/converse-stream"),
        (Operation::Chat, Format::BedrockConverse) => format!("/model/{model}/converse"),
        (Operation::CountTokens, _) => format!("/model/{model}/count-tokens"),
        (Operation::Embeddings, _) => "/openai/v1/embeddings".into(),
        (Operation::Chat, _) => "/openai/v1/chat/completions".into(),
    }
}

/// A text as one path segment, or one value of a form.
pub(crate) fn percent_encoded(model: &str) -> String {
    let mut out = String::with_capacity(model.len());
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;

    #[track_caller]
    fn check(base_url: &str, dialect: Dialect, format: Format, operation: Operation, stream: bool, want: &str) {
        let endpoint = Endpoint {
            name: "p".into(),
            format,
            base_url: base_url.into(),
            auth: Auth::None,
            dialect,
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(1),
            http2_only: false,
            max_idle_connections: 1,
        };
        let model = "m:1/x".to_owned();
        let request = WireRequest { operation, format, model, stream, headers: HeaderMap::new(), body: Bytes::new() };
        let base = Base::parse(base_url).unwrap();
        let path = base.path(&endpoint, &request).unwrap();
        assert_eq!(format!("{}://{}{path}", base.scheme, base.authority), want);
    }

    #[test]
    fn every_api_is_asked_at_its_own_path() {
        use Operation::{Chat, CountTokens, Embeddings};
        let (openai, google) = ("https://api.openai.com/v1/", "https://g.example/v1beta");
        check(openai, Dialect::Direct, Format::OpenaiChat, Chat, true, "https://api.openai.com/v1/chat/completions");
        check(openai, Dialect::Direct, Format::OpenaiResponses, Chat, true, "https://api.openai.com/v1/responses");
        check(openai, Dialect::Direct, Format::OpenaiChat, Embeddings, false, "https://api.openai.com/v1/embeddings");
        check(
            "http://h:1/v1",
            Dialect::Direct,
            Format::AnthropicMessages,
            CountTokens,
            false,
            "http://h:1/v1/messages/count_tokens",
        );
        check(
            google,
            Dialect::Direct,
            Format::Gemini,
            Chat,
            true,
            "https://g.example/v1beta/models/m%3A1%2Fx:streamGenerateContent?alt=sse",
        );
        check("http://h:1", Dialect::Direct, Format::OllamaChat, Chat, false, "http://h:1/api/chat");
        let azure = "https://r.openai.azure.com/openai";
        let want = "https://r.openai.azure.com/openai/deployments/m%3A1%2Fx/chat/completions?api-version=2026-01-01";
        check(azure, Dialect::Azure { api_version: "2026-01-01".into() }, Format::OpenaiChat, Chat, false, want);
    }

    #[test]
    fn clouds_have_paths_of_their_own() {
        use Operation::{Chat, CountTokens};
        let vertex = |format, operation, stream, want: &str| {
            let dialect = Dialect::Vertex { project: "p".into(), location: "eu".into() };
            check(
                "http://g/v1",
                dialect,
                format,
                operation,
                stream,
                &format!("http://g/v1/projects/p/locations/eu/{want}"),
            );
        };
        let (google, anthropic) = ("publishers/google/models/m%3A1%2Fx", "publishers/anthropic/models");
        vertex(Format::Gemini, Chat, true, &format!("{google}:streamGenerateContent?alt=sse"));
        vertex(Format::Gemini, Chat, false, &format!("{google}:generateContent"));
        vertex(Format::AnthropicMessages, Chat, true, &format!("{anthropic}/m%3A1%2Fx:streamRawPredict"));
        vertex(Format::AnthropicMessages, Chat, false, &format!("{anthropic}/m%3A1%2Fx:rawPredict"));
        vertex(Format::AnthropicMessages, CountTokens, false, &format!("{anthropic}/count-tokens:rawPredict"));
        vertex(Format::OpenaiChat, Chat, true, "endpoints/openapi/chat/completions");
        let bedrock = |format, stream, want: &str| check("http://b", Dialect::Bedrock, format, Chat, stream, want);
        bedrock(Format::AnthropicMessages, true, "http://b/model/m%3A1%2Fx/invoke-with-response-stream");
        bedrock(Format::AnthropicMessages, false, "http://b/model/m%3A1%2Fx/invoke");
        bedrock(Format::OpenaiChat, true, "http://b/openai/v1/chat/completions");
        bedrock(Format::BedrockConverse, true, "http://b/model/m%3A1%2Fx/converse-stream");
        bedrock(Format::BedrockConverse, false, "http://b/model/m%3A1%2Fx/converse");
        let direct = "http://b/model/m%3A1%2Fx/converse";
        check("http://b", Dialect::Direct, Format::BedrockConverse, Chat, false, direct);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in ["", "api.openai.com", "ftp://h/v1", "/v1"] {
            assert!(Base::parse(bad).is_err(), "{bad}");
        }
    }
}
