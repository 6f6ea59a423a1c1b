//! Google: access tokens for Vertex AI, from a service account's key, a person's login, or the machine's own identity.
//!
//! Asks `token_uri` of the credentials for a token, by a signed JWT (RFC 7523) or a refresh token, and the metadata server
//! for that of the machine. Refuses what gives programs more power than they need: no other scope than the cloud
//! platform's, no impersonation, no external programs (`key_command` runs those).

use crate::renewing::{Renewing, Until};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The longest that Google lets an assertion live.
const ASSERTION_LIVES: Duration = Duration::from_secs(3_600);
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// A token server that takes longer is as good as gone.
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_TOKEN_BYTES: usize = 64 * 1024;
/// No token is believed to live longer; Google's live an hour.
const MAX_TOKEN_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// Where access tokens come from.
pub struct GoogleAccount {
    source: Source,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    token: Renewing<HeaderValue>,
}

enum Source {
    ServiceAccount { email: String, key_id: String, key: Box<RsaKeyPair>, token_uri: String },
    Person { form: Zeroizing<String>, token_uri: String },
    Machine { host: String },
}

/// A file of credentials, as Google's console and `gcloud` write it.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<Zeroizing<String>>,
    client_id: Option<String>,
    client_secret: Option<Zeroizing<String>>,
    refresh_token: Option<Zeroizing<String>>,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    access_token: Zeroizing<String>,
    expires_in: u64,
}

impl GoogleAccount {
    /// From the text of a credentials file.
    ///
    /// # Errors
    /// Says in words what is wrong with it; never with what it holds.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(text).map_err(|error| {
            format!("the Google credentials are not what the console or gcloud writes (line {})", error.line())
        })?;
        let lacks = |name: &str| format!("the Google credentials have no `{name}`");
        let token_uri = file.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned());
        let source = match file.kind.as_str() {
            "service_account" => Source::ServiceAccount {
                email: file.client_email.ok_or_else(|| lacks("client_email"))?,
                key_id: file.private_key_id.unwrap_or_default(),
                key: Box::new(private_key(&file.private_key.ok_or_else(|| lacks("private_key"))?)?),
                token_uri,
            },
            "authorized_user" => {
                let id = file.client_id.ok_or_else(|| lacks("client_id"))?;
                let secret = file.client_secret.ok_or_else(|| lacks("client_secret"))?;
                let refresh = file.refresh_token.ok_or_else(|| lacks("refresh_token"))?;
                let form = form(&[
                    ("grant_type", "refresh_token"),
                    ("client_id", &id),
                    ("client_secret", &secret),
                    ("refresh_token", &refresh),
                ]);
                Source::Person { form, token_uri }
            }
            other => {
                return Err(format!(
                    "Google credentials of type `{other}` are not supported; use those of a service account or of \
                     `gcloud auth application-default login`, or key_command = [\"gcloud\", \"auth\", \"print-access-token\"]"
                ));
            }
        };
        Ok(Self::of(source))
    }

    /// The identity of the machine, from its metadata server. `host`: `metadata.google.internal`.
    #[must_use]
    pub fn of_machine(host: String) -> Self {
        Self::of(Source::Machine { host })
    }

    fn of(source: Source) -> Self {
        let connector = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        // Asked once in an hour: no connection is worth keeping.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Self { source, client, token: Renewing::new() }
    }

    /// The header that a call carries.
    pub(crate) async fn header(&self) -> Result<(HeaderName, HeaderValue), String> {
        let value = self.token.get(self.fetch()).await?;
        Ok((AUTHORIZATION, value))
    }

    /// The header's value, if there is one yet.
    pub(crate) fn held(&self) -> Option<HeaderValue> {
        self.token.held_now()
    }

    async fn fetch(&self) -> Result<Until<HeaderValue>, String> {
        let now = SystemTime::now();
        let request = self.request(now)?;
        let asked = async {
            let answer =
                self.client.request(request).await.map_err(|error| format!("no access token from Google: {error}"))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_TOKEN_BYTES).collect().await;
            let body = body.map_err(|error| format!("no access token from Google: {error}"))?.to_bytes();
            if !status.is_success() {
                return Err(format!("Google gave no access token (HTTP {status}, `{}`)", error_word(&body)));
            }
            serde_json::from_slice::<Token>(&body)
                .map_err(|_| "Google's token server answered with no token".to_owned())
        };
        let asked = tokio::time::timeout(PATIENCE, asked).await;
        let token = asked.map_err(|_| format!("Google's token server took longer than {} s", PATIENCE.as_secs()))??;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.access_token.as_str()))
            .map_err(|_| "Google gave an access token that no header can carry".to_owned())?;
        value.set_sensitive(true);
        Ok((value, Some(now + Duration::from_secs(token.expires_in).min(MAX_TOKEN_LIFE))))
    }

    fn request(&self, now: SystemTime) -> Result<Request<Full<Bytes>>, String> {
        let (method, uri, body) = match &self.source {
            Source::Machine { host } => {
                let uri = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
                (Method::GET, uri, Bytes::new())
            }
            Source::Person { form, token_uri } => (Method::POST, token_uri.clone(), Bytes::from(form.to_string())),
            Source::ServiceAccount { email, key_id, key, token_uri } => {
                let assertion = assertion(email, key_id, key, token_uri, now)?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                let form = form(&[("grant_type", grant), ("assertion", &assertion)]);
                (Method::POST, token_uri.clone(), Bytes::from(form.to_string()))
            }
        };
        Request::builder()
            .method(method)
            .uri(&uri)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            // The metadata server wants to see that nobody was tricked into asking.
            .header("metadata-flavor", "Google")
            .body(Full::new(body))
            .map_err(|_| format!("the token address `{uri}` is none"))
    }
}

/// A signed statement of who asks, for whom, and until when.
fn assertion(email: &str, key_id: &str, key: &RsaKeyPair, audience: &str, now: SystemTime) -> Result<String, String> {
    let issued = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let header = serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": key_id});
    let claims = serde_json::json!({"iss": email, "sub": email, "scope": SCOPE, "aud": audience, "iat": issued,
        "exp": issued + ASSERTION_LIVES.as_secs()});
    let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| "cannot sign with the Google service account's key".to_owned())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn private_key(pem: &str) -> Result<RsaKeyPair, String> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "`private_key` in the Google credentials is no PKCS #8 key in PEM".to_owned())?;
    RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
        .map_err(|error| format!("`private_key` in the Google credentials cannot be used: {error}"))
}

/// A form body; percent-encodes all but unreserved letters.
fn form(fields: &[(&str, &str)]) -> Zeroizing<String> {
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", crate::endpoint::percent_encoded(value))).collect();
    Zeroizing::new(pairs.join("&"))
}

/// OAuth's short word for what went wrong; its description may repeat what was sent.
fn error_word(body: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let word = body.get("error").and_then(serde_json::Value::as_str).unwrap_or("no reason given");
    word.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn bad_credentials_are_refused_in_words_that_do_not_repeat_them() {
        for (text, want) in [
            ("{}", "the Google credentials are not what the console or gcloud writes (line 1)"),
            (r#"{"type":"service_account"}"#, "the Google credentials have no `client_email`"),
            (
                r#"{"type":"service_account","client_email":"a@b","private_key":"secret"}"#,
                "`private_key` in the Google credentials is no PKCS #8 key in PEM",
            ),
            (r#"{"type":"authorized_user","client_id":"i"}"#, "the Google credentials have no `client_secret`"),
        ] {
            assert_eq!(GoogleAccount::from_json(text).err().as_deref(), Some(want));
        }
        let other = GoogleAccount::from_json(r#"{"type":"external_account"}"#).err().unwrap_or_default();
        assert!(other.contains("`external_account`") && other.contains("print-access-token"), "{other}");
    }

    /// Asks a server of tokens that says how long its token lives.
    async fn check_life(expires_in: u64, want: Duration) {
        let body = format!(r#"{{"access_token":"t","expires_in":{expires_in}}}"#);
        let service = hyper::service::service_fn(move |_| {
            std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(Bytes::from(
                body.clone(),
            )))))
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let stream = hyper_util::rt::TokioIo::new(listener.accept().await.unwrap().0);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
        });
        let before = SystemTime::now();
        let (_, until) = GoogleAccount::of_machine(address.to_string()).fetch().await.unwrap();
        let (until, after) = (until.unwrap(), SystemTime::now());
        assert!(before + want <= until && until <= after + want, "{expires_in}: {before:?} and {until:?}");
    }

    /// What a server of tokens says is added to a clock, and must not be more than that can count.
    #[tokio::test]
    async fn a_token_lives_as_long_as_its_server_says_but_not_for_ever() {
        check_life(0, Duration::ZERO).await;
        check_life(3_599, Duration::from_secs(3_599)).await;
        check_life(u64::MAX, MAX_TOKEN_LIFE).await;
    }
}
