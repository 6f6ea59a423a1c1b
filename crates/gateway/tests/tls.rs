//! HTTPS at the listener, against an authority of the test's own: real handshakes, an answer and a stream through it, a
//! certificate that is renewed while connections go on, and clients who do not finish what they began.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tierway_config::Config;
use tierway_gateway::{Gateway, GatewayError, TlsError};
use tierway_testkit::{Authority, Upstream};

/// Writes a certificate for this machine and its key.
fn issue(authority: &Authority, dir: &Path) {
    let signed = authority.sign(&["localhost", "127.0.0.1"]).unwrap();
    std::fs::write(dir.join("cert.pem"), signed.certificate).unwrap();
    std::fs::write(dir.join("key.pem"), signed.key).unwrap();
}

/// A client that trusts nobody else.
fn client(authority: &Authority, http2: bool) -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(authority.der().to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = HttpsConnectorBuilder::new()
        .with_tls_config(config.with_root_certificates(roots).with_no_client_auth())
        .https_only();
    let connector = if http2 { builder.enable_http2().build() } else { builder.enable_http1().build() };
    Client::builder(TokioExecutor::new()).http2_only(http2).build(connector)
}

fn config(dir: &Path, provider: &str) -> Config {
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
header_timeout_ms = 400
tls = {{ cert_file = "cert.pem", key_file = "key.pem" }}
[providers.p]
kind = "openai_compatible"
base_url = "{provider}/v1"
[[tiers]]
name = "standard"
targets = [{{ provider = "p", model = "m", price = {{ input = 1.0, output = 2.0 }} }}]
[ledger]
path = "tls.db"
"#
    );
    tierway_config::parse(&text, dir.join("tierway.toml").to_str().unwrap(), &|_| None).unwrap()
}

struct Stage {
    authority: Authority,
    dir: tempfile::TempDir,
    upstream: Upstream,
    gateway: Gateway,
}

impl Stage {
    async fn open() -> Self {
        let (authority, dir) = (Authority::new().unwrap(), tempfile::tempdir().unwrap());
        issue(&authority, dir.path());
        let upstream = Upstream::start().await.unwrap();
        let gateway = Gateway::start(&config(dir.path(), &upstream.url()), 1).unwrap();
        Self { authority, dir, upstream, gateway }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.gateway.address().port())
    }

    /// Whether a client that trusts this authority gets through.
    async fn is_shown_to(&self, authority: &Authority) -> bool {
        let request = Request::get(self.url("/healthz")).body(Full::default()).unwrap();
        client(authority, false).request(request).await.is_ok()
    }

    fn close(self) {
        tokio::task::block_in_place(|| self.gateway.stop()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_and_streams_go_through_both_versions_of_http() {
    let stage = Stage::open().await;
    for (http2, version) in [(false, Version::HTTP_11), (true, Version::HTTP_2)] {
        for stream in [false, true] {
            let body =
                format!(r#"{{"model":"standard","stream":{stream},"messages":[{{"role":"user","content":"who?"}}]}}"#);
            let request = Request::post(stage.url("/v1/chat/completions")).body(Full::from(body)).unwrap();
            let reply = client(&stage.authority, http2).request(request).await.unwrap();
            assert_eq!((reply.status().as_u16(), reply.version()), (200, version));
            let text = reply.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8_lossy(&text);
            assert!(text.contains("answers") && text.contains("[DONE]") == stream, "{text}");
        }
    }
    assert!(!stage.is_shown_to(&Authority::new().unwrap()).await, "a client that trusts another authority was served");
    stage.close();
}

/// The client that people try first. It chooses HTTP/2 by ALPN.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_gets_through_with_the_authority_and_not_without() {
    let stage = Stage::open().await;
    let ca = stage.dir.path().join("ca.pem");
    std::fs::write(&ca, stage.authority.pem()).unwrap();
    let url = stage.url("/healthz");
    let curl = |more: &[&str]| {
        let output =
            Command::new("curl").args(["-sS", "-w", " %{http_code} %{http_version}"]).args(more).arg(&url).output();
        output.map(|output| (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    let trusting = tokio::task::block_in_place(|| curl(&["--cacert", ca.to_str().unwrap()]));
    let Ok((code, said)) = trusting else { return println!("no curl here: not tried") };
    assert!(code == Some(0) && said.contains("\"ok\"} 200 "), "{code:?} {said}");
    let old =
        tokio::task::block_in_place(|| curl(&["--http1.1", "--tls-max", "1.2", "--cacert", ca.to_str().unwrap()]));
    assert!(old.as_ref().unwrap().1.ends_with("200 1.1"), "{old:?}");
    let strange = tokio::task::block_in_place(|| curl(&[])).unwrap();
    assert_eq!(strange.0, Some(60), "curl took a certificate of nobody it knows: {strange:?}");
    stage.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_shown_and_a_bad_one_is_not() {
    let stage = Stage::open().await;
    let config = config(stage.dir.path(), &stage.upstream.url());
    let renewed = Authority::new().unwrap();
    issue(&renewed, stage.dir.path());
    assert!(stage.is_shown_to(&stage.authority).await && !stage.is_shown_to(&renewed).await, "nobody asked for it yet");
    stage.gateway.reload(&config).unwrap();
    assert!(stage.is_shown_to(&renewed).await && !stage.is_shown_to(&stage.authority).await);

    let cert = stage.dir.path().join("cert.pem");
    let good = std::fs::read(&cert).unwrap();
    let refused = |want: &str| {
        let error = stage.gateway.reload(&config).unwrap_err();
        assert!(matches!(error, GatewayError::Tls(_)) && error.to_string().contains(want), "{error}");
    };
    // Another's certificate beside this key; no certificate at all; no file.
    std::fs::write(&cert, stage.authority.pem()).unwrap();
    refused("cannot be used");
    std::fs::write(&cert, "-----BEGIN CERT").unwrap();
    refused("holds no certificate");
    std::fs::remove_file(&cert).unwrap();
    refused("cannot read");
    assert!(stage.is_shown_to(&renewed).await, "the good one was lost");
    std::fs::write(&cert, good).unwrap();
    stage.gateway.reload(&config).unwrap();
    stage.close();
}

#[test]
fn without_its_certificate_it_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let started = Gateway::start(&config(dir.path(), "http://127.0.0.1:9"), 1).map(drop);
    assert!(matches!(started, Err(GatewayError::Tls(TlsError::Unreadable { .. }))), "{started:?}");
}

/// Says nothing, a part of a greeting, plain HTTP, or one byte at a time: left soon, and nothing is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_shake_hands_is_left() {
    let stage = Stage::open().await;
    let address = stage.gateway.address();
    let beginnings: [&'static [u8]; 4] =
        [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x16", b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"];
    let waiting: Vec<_> = beginnings
        .into_iter()
        .map(|beginning| {
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let began = Instant::now();
                stream.write_all(beginning).unwrap();
                let mut all = Vec::new();
                let ended = stream.read_to_end(&mut all);
                (ended.is_ok() || !all.is_empty(), String::from_utf8_lossy(&all).into_owned(), began.elapsed())
            })
        })
        .collect();
    for waited in waiting {
        let (_, said, took) = tokio::task::block_in_place(|| waited.join().unwrap());
        assert!(took < Duration::from_secs(5), "held for {took:?}");
        assert!(!said.contains("HTTP/1.1 200"), "{said}");
    }
    assert!(stage.is_shown_to(&stage.authority).await);
    stage.close();
}
