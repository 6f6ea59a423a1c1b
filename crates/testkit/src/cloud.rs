//! Vertex AI and Bedrock in front of the fake APIs: who may ask, and what their paths and bodies mean.
//!
//! Signatures and assertions are checked from their definitions, not by the code that makes them. What is let in goes on as
//! a request of the plain API behind it.

use crate::body::Piece;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use ring::{digest, hmac};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static KEY: &str = include_str!("../data/known_to_everybody.pem");
const EMAIL: &str = "fake@fake-project.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// What Bedrock's calls are signed with here.
pub const AWS_ACCESS_KEY_ID: &str = "AKIDFAKE";
/// What Bedrock's calls are signed with here.
pub const AWS_SECRET_ACCESS_KEY: &str = "fake/secret+key";
/// The only region.
pub const AWS_REGION: &str = "eu-central-1";
/// Amazon refuses signatures of another time.
const CLOCKS_DIFFER_S: u64 = 300;

/// Tokens that were handed out.
#[derive(Debug, Default)]
pub(crate) struct Cloud {
    tokens: Mutex<HashMap<String, Instant>>,
    count: AtomicU64,
}

/// A request as the plain API behind the cloud gets it.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) path: String,
    pub(crate) body: Bytes,
    /// The stream goes out in Amazon's frames.
    pub(crate) framed: Option<Framing>,
}

/// What Amazon's frames hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Framing {
    /// InvokeModel: the events of the model's own API.
    Chunks,
    /// Converse: an event of the frame's name.
    Named,
}

/// A request that the cloud's door refuses: status and body.
pub(crate) type Refused = (u16, Value);

/// The credentials file of the only service account. `url`: this upstream. `lives`: seconds that its tokens are good for.
pub(crate) fn service_account(url: &str, lives: u64) -> Value {
    let pem = KEY.split_once('\n').map_or("", |(_, pem)| pem);
    json!({"type": "service_account", "project_id": "fake-project", "private_key_id": "fake-key", "private_key": pem,
        "client_email": EMAIL, "token_uri": format!("{url}/_fake/google/token/{lives}")})
}

impl Cloud {
    /// A token for a signed assertion, by the rules of RFC 7523.
    pub(crate) fn token(&self, form: &[u8], address: &str) -> Result<Value, String> {
        let form = String::from_utf8_lossy(form);
        let field = |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        if field("grant_type").map(unescaped).as_deref() != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
            return Err("unsupported_grant_type".into());
        }
        let assertion = unescaped(field("assertion").ok_or("no assertion")?);
        let claims = verified(&assertion)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let number = |name: &str| claims[name].as_u64().unwrap_or(0);
        let (issued, expires) = (number("iat"), number("exp"));
        if claims["aud"] != address || claims["iss"] != EMAIL || claims["scope"] != SCOPE {
            return Err(format!("wrong audience, issuer or scope: {claims}"));
        }
        if issued.abs_diff(now) > 60 || expires <= now || expires - issued > 3_600 {
            return Err(format!("issued {issued} and good until {expires}, now is {now}"));
        }
        let lives: u64 = address.rsplit('/').next().and_then(|text| text.parse().ok()).unwrap_or(3_600);
        let token = format!("ya29.fake-{}", self.count.fetch_add(1, Relaxed));
        let until = Instant::now() + Duration::from_secs(lives);
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), until);
        Ok(json!({"access_token": token, "expires_in": lives, "token_type": "Bearer"}))
    }

    /// What lies behind the door; none when the path is no cloud's.
    pub(crate) fn enter(&self, path: &str, headers: &mut HeaderMap, body: &Bytes) -> Option<Result<Inside, Refused>> {
        if let Some(rest) = path.strip_prefix("/model/") {
            let refused = |status, message: String| (status, json!({ "message": message }));
            let (model, call) = rest.rsplit_once('/')?;
            let (converse, stream) = match call {
                "invoke" => (false, false),
                "invoke-with-response-stream" => (false, true),
                "converse" => (true, false),
                "converse-stream" => (true, true),
                _ => return Some(Err(refused(404, "UnknownOperationException".into()))),
            };
            if let Err(why) = signed(path, headers, body) {
                return Some(Err(refused(403, why)));
            }
            if converse {
                let framed = stream.then_some(Framing::Named);
                return Some(Ok(Inside { path: path.to_owned(), body: body.clone(), framed }));
            }
            let inside = messages(model, body, headers, "bedrock-2023-05-31", Some(stream));
            return Some(match inside {
                Ok((inside, _)) => Ok(Inside { framed: stream.then_some(Framing::Chunks), ..inside }),
                Err(why) => Err(refused(400, why)),
            });
        }
        let (_, published) = path.strip_prefix("/v1/projects/fake-project/locations/")?.split_once("/publishers/")?;
        if !self.is_token(headers) {
            return Some(Err(google(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")));
        }
        if let Some(call) = published.strip_prefix("google/") {
            return Some(Ok(Inside { path: format!("/v1beta/{call}"), body: body.clone(), framed: None }));
        }
        let (model, call) = published.strip_prefix("anthropic/models/")?.rsplit_once(':')?;
        let bad = |why: String| google(400, "INVALID_ARGUMENT", &why);
        if model == "count-tokens" {
            headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
            return Some(Ok(Inside { path: "/v1/messages/count_tokens".into(), body: body.clone(), framed: None }));
        }
        let inside = messages(model, body, headers, "vertex-2023-10-16", None);
        let wanted = call == "streamRawPredict";
        Some(match inside {
            Ok((_, stream)) if stream != wanted => Err(bad(format!("{call} with stream {stream}"))),
            Ok((inside, _)) => Ok(inside),
            Err(why) => Err(bad(why)),
        })
    }

    fn is_token(&self, headers: &HeaderMap) -> bool {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        bearer.and_then(|token| tokens.get(token)).is_some_and(|until| Instant::now() < *until)
    }
}

fn google(status: u16, word: &str, message: &str) -> Refused {
    (status, json!({"error": {"code": status, "status": word, "message": message}}))
}

/// The Messages request inside, and whether it asks for a stream. `stream`: what the path says, where the body may not.
fn messages(
    model: &str,
    body: &Bytes,
    headers: &mut HeaderMap,
    version: &str,
    stream: Option<bool>,
) -> Result<(Inside, bool), String> {
    let mut json: Value = serde_json::from_slice(body).map_err(|_| "Malformed input request")?;
    let fields = json.as_object_mut().ok_or("Malformed input request")?;
    if headers.contains_key("anthropic-version") || fields.remove("anthropic_version") != Some(json!(version)) {
        return Err("anthropic_version: wrong, missing, or in a header".into());
    }
    if fields.contains_key("model") || (stream.is_some() && fields.contains_key("stream")) {
        return Err("extraneous key [model] or [stream] is not permitted".into());
    }
    if stream.is_some() {
        if headers.contains_key("anthropic-beta") {
            return Err("betas belong into the body".into());
        }
        fields.remove("anthropic_beta");
    }
    if let Some(stream) = stream {
        fields.insert("stream".into(), json!(stream));
    }
    fields.insert("model".into(), json!(unescaped(model)));
    headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    let stream = json["stream"] == true;
    Ok((Inside { path: "/v1/messages".into(), body: json.to_string().into(), framed: None }, stream))
}

/// The claims of an assertion that the account's key has signed.
fn verified(assertion: &str) -> Result<Value, String> {
    let (signed, signature) = assertion.rsplit_once('.').ok_or("no JWT")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "the signature is no base64url")?;
    let der = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).map_err(|_| "the fake has no key")?;
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| "the fake has no key")?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key())
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| "invalid_grant: Invalid JWT Signature.")?;
    let (header, claims) = signed.split_once('.').ok_or("no JWT")?;
    let part = |text: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok() };
    let header = part(header).ok_or("no header")?;
    if header["alg"] != "RS256" || header["kid"] != "fake-key" {
        return Err(format!("wrong header {header}"));
    }
    part(claims).ok_or_else(|| "no claims".into())
}

/// Signature Version 4 of a POST, recomputed from its definition.
fn signed(path: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = header("authorization").strip_prefix("AWS4-HMAC-SHA256 ").ok_or("Missing Authentication Token")?;
    let part = |name: &str| {
        let parts = given.split(',').map(str::trim);
        parts.into_iter().find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
    };
    let time = header("x-amz-date");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if seconds(time).is_none_or(|then| then.abs_diff(now) > CLOCKS_DIFFER_S) {
        return Err(format!("Signature expired: {time}"));
    }
    let day = time.get(..8).unwrap_or_default();
    let scope = format!("{day}/{AWS_REGION}/bedrock/aws4_request");
    if part("Credential") != format!("{AWS_ACCESS_KEY_ID}/{scope}") {
        return Err(format!("Credential should be scoped to {scope}: {}", part("Credential")));
    }
    let names: Vec<&str> = part("SignedHeaders").split(';').collect();
    if !names.is_sorted() || [HOST.as_str(), "x-amz-date"].iter().any(|name| !names.contains(name)) {
        return Err(format!("host and x-amz-date must be signed: {names:?}"));
    }
    let lines: String = names.iter().map(|name| format!("{name}:{}\n", header(name).trim())).collect();
    // The path is escaped once more than it came, but for its slashes.
    let path: Vec<String> = path.split('/').map(escaped).collect();
    let hash = |bytes: &[u8]| hex(digest::digest(&digest::SHA256, bytes).as_ref());
    let canonical = format!("POST\n{}\n\n{lines}\n{}\n{}", path.join("/"), names.join(";"), hash(body));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(canonical.as_bytes()));
    let mac = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    let mut key = mac(format!("AWS4{AWS_SECRET_ACCESS_KEY}").as_bytes(), day);
    for text in [AWS_REGION, "bedrock", "aws4_request"] {
        key = mac(key.as_ref(), text);
    }
    if hex(mac(key.as_ref(), &text).as_ref()) == part("Signature") {
        return Ok(());
    }
    Err("The request signature we calculated does not match the signature you provided.".into())
}

/// Seconds since 1970 of `20261126T101500Z`.
fn seconds(text: &str) -> Option<u64> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    u64::try_from(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second()).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn escaped(segment: &str) -> String {
    let one = |byte: u8| match byte {
        b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    segment.bytes().map(one).collect()
}

pub(crate) fn unescaped(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            (byte, _) => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A piece of a reply in Amazon's frames: one for each server-sent event. What is no event stays as it is.
pub(crate) fn framed(framing: Framing, piece: Piece) -> Piece {
    let frames = |bytes: &Bytes| -> Option<Bytes> {
        let text = std::str::from_utf8(bytes).ok()?;
        let frames: Option<Vec<Vec<u8>>> = text.split_terminator("\n\n").map(|event| one(framing, event)).collect();
        Some(frames?.concat().into())
    };
    match piece {
        Piece::Send(bytes) => Piece::Send(frames(&bytes).unwrap_or(bytes)),
        Piece::Content(bytes) => Piece::Content(frames(&bytes).unwrap_or(bytes)),
        other => other,
    }
}

/// The frame of one server-sent event.
fn one(framing: Framing, event: &str) -> Option<Vec<u8>> {
    let line = |start: &str| event.lines().find_map(|line| line.strip_prefix(start));
    let data = line("data: ")?;
    let json: Value = serde_json::from_str(data).ok()?;
    Some(match framing {
        Framing::Chunks => chunk(&json),
        Framing::Named => {
            let name = line("event: ")?;
            let kind = if name.ends_with("Exception") { "exception" } else { "event" };
            let headers = [
                (if kind == "event" { ":event-type" } else { ":exception-type" }, name),
                (":content-type", "application/json"),
                (":message-type", kind),
            ];
            frame(&headers, data)
        }
    })
}

fn chunk(data: &Value) -> Vec<u8> {
    if data["type"] == "error" {
        let payload = json!({"message": data["error"]["message"]}).to_string();
        return frame(&[(":message-type", "exception"), (":exception-type", "serviceUnavailableException")], &payload);
    }
    let payload = json!({"bytes": STANDARD.encode(data.to_string()), "p": "abcdefgh"}).to_string();
    let kind = [(":event-type", "chunk"), (":content-type", "application/json"), (":message-type", "event")];
    frame(&kind, &payload)
}

/// Lengths and their checksum, headers, payload, checksum of it all.
fn frame(headers: &[(&str, &str)], payload: &str) -> Vec<u8> {
    let mut names = Vec::new();
    for (name, value) in headers {
        names.push(name.len() as u8);
        names.extend_from_slice(name.as_bytes());
        names.push(7); // a text
        names.extend_from_slice(&(value.len() as u16).to_be_bytes());
        names.extend_from_slice(value.as_bytes());
    }
    let checksum = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_be_bytes()
    };
    let mut out = Vec::new();
    out.extend_from_slice(&((16 + names.len() + payload.len()) as u32).to_be_bytes());
    out.extend_from_slice(&(names.len() as u32).to_be_bytes());
    out.extend_from_slice(&checksum(&out));
    out.extend_from_slice(&names);
    out.extend_from_slice(payload.as_bytes());
    let whole = checksum(&out);
    out.extend_from_slice(&whole);
    out
}
