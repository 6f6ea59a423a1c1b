//! What a hostile or broken client may send, byte by byte over raw sockets, and what it gets: a refusal or a closed
//! connection, never an answer to something it smuggled, and never a place held for long.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tierway_gateway::Gateway;
use tierway_testkit::{Ended, Seen, Traits, Upstream};

const QUESTION: &str = r#"{"model":"standard","messages":[{"role":"user","content":"hi"}]}"#;
/// As the config below has it.
const HEADER_TIMEOUT: Duration = Duration::from_millis(400);

/// A gateway with short patience; its provider does not exist, so whatever reaches it is told so with 502.
fn address() -> SocketAddr {
    static RUNNING: OnceLock<Gateway> = OnceLock::new();
    let begin = || {
        // What is static is never dropped: a place of the build's own, which the next run begins anew.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
        let _ = std::fs::remove_dir_all(&dir);
        gateway(&dir, "http://127.0.0.1:9", "")
    };
    RUNNING.get_or_init(begin).address()
}

fn start(provider: &str, more: &str) -> (Gateway, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (gateway(dir.path(), provider, more), dir)
}

fn gateway(dir: &Path, provider: &str, more: &str) -> Gateway {
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
max_body_mb = 1
header_timeout_ms = 400
body_timeout_ms = 400
write_timeout_ms = 400
[providers.p]
kind = "openai_compatible"
base_url = "{provider}/v1"
[[tiers]]
name = "standard"
targets = [{{ provider = "p", model = "m", price = {{ input = 1.0, output = 2.0 }} }}]
[dispatch]
max_attempts = 1
[ledger]
path = "{}/hostile.db"
{more}"#,
        dir.display()
    );
    let config = tierway_config::parse(&text, "hostile.toml", &|_| None).unwrap();
    Gateway::start(&config, 1).unwrap()
}

/// Sends bytes and reads until the connection ends or is silent for a second.
fn say(bytes: &[u8]) -> String {
    say_to(address(), bytes)
}

fn say_to(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    // It may be refused before all of it is said.
    let _ = stream.write_all(bytes);
    heard(&mut stream)
}

fn heard(stream: &mut TcpStream) -> String {
    let (mut all, mut room) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut room) {
        all.extend_from_slice(&room[..read]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{headers}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn sized(body: &[u8]) -> Vec<u8> {
    post(&format!("connection: close\r\ncontent-length: {}\r\n", body.len()), body)
}

/// The status of the only reply; 0 for a connection that was closed without one.
#[track_caller]
fn check(bytes: &[u8], want: u16) {
    let reply = say(bytes);
    let replies = reply.matches("HTTP/1.1 ").count();
    assert!(replies <= 1, "more than one reply to one request:\n{reply}");
    let status = reply.strip_prefix("HTTP/1.1 ").map_or(0, |rest| rest[..3].parse().unwrap());
    assert_eq!(status, want, "{reply}");
}

#[test]
fn a_good_request_gets_past_the_door() {
    check(&sized(QUESTION.as_bytes()), 502);
}

#[test]
fn a_page_of_another_site_spends_nothing_while_there_are_no_keys() {
    let asked = |headers: &str| {
        let length = QUESTION.len();
        post(&format!("connection: close\r\ncontent-length: {length}\r\n{headers}"), QUESTION.as_bytes())
    };
    check(&asked("content-type: text/plain\r\norigin: https://evil.example\r\n"), 403);
    check(&asked("sec-fetch-site: cross-site\r\n"), 403);
    check(&asked("sec-fetch-site: same-origin\r\n"), 502);
    check(b"GET /v1/models HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n", 403);
}

#[test]
fn lengths_that_disagree_are_refused() {
    let body = QUESTION.as_bytes();
    let length = body.len();
    check(&post(&format!("content-length: {length}\r\ncontent-length: 3\r\n"), body), 400);
    check(&post(&format!("content-length: {length}, 3\r\n"), body), 400);
    check(&post("content-length: +5\r\n", body), 400);
    check(&post("content-length: -1\r\n", body), 400);
    check(&post("content-length: 99999999999999999999999\r\n", body), 400);
    check(&post("transfer-encoding: gzip\r\n", body), 400);
    check(&post("transfer-encoding: chunked, identity\r\n", body), 400);
}

/// Both lengths: whichever is believed, what follows is never taken for a second request.
#[test]
fn a_request_hidden_in_another_is_not_answered() {
    let hidden = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
    for headers in
        ["content-length: 4\r\ntransfer-encoding: chunked\r\n", "transfer-encoding: chunked\r\ncontent-length: 4\r\n"]
    {
        let reply = say(&post(headers, format!("0\r\n\r\n{hidden}").as_bytes()));
        assert!(!reply.contains("\"object\":\"list\""), "the hidden request was answered:\n{reply}");
    }
}

#[test]
fn heads_that_are_no_heads_are_refused() {
    check(b"GET /healthz HTTP/1.1\r\nhost: x\r\nbad header: y\r\n\r\n", 400);
    check(b"GET /healthz HTTP/1.1\r\nhost: x\r\nname: a\0b\r\n\r\n", 400);
    check(b"GET /healthz HTTP/1.1\r\nhost: x\r\n folded: y\r\n\r\n", 400);
    check(b"GET /heal\rthz HTTP/1.1\r\nhost: x\r\n\r\n", 400);
    check(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is a TLS greeting", 400);
    let long = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n", "x".repeat(600 * 1024));
    check(long.as_bytes(), 431);
    let many = "a: b\r\n".repeat(2_000);
    check(format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes(), 431);
}

#[test]
fn bodies_that_are_no_requests_are_refused() {
    let deep = format!(r#"{{"model":"standard","messages":{}{}}}"#, "[".repeat(400_000), "]".repeat(400_000));
    check(&sized(deep.as_bytes()), 400);
    let deep = format!(
        r#"{{"model":"standard","messages":[],"tools":{}1{}}}"#,
        r#"{"a":"#.repeat(100_000),
        "}".repeat(100_000)
    );
    check(&sized(deep.as_bytes()), 400);
    check(&sized(b"{\"model\":\"standard\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}]}"), 400);
    // Half of a pair is JSON all the same, as JavaScript cuts it: passed on as it is.
    check(&sized(br#"{"model":"standard","messages":[{"role":"user","content":"\ud800"}]}"#), 502);
    check(&sized(b""), 400);
    check(&sized(b"null"), 400);
    check(&sized(b"{\"model\":\"standard\",\"messages\":["), 400);
    check(&sized(&vec![b' '; 2 * 1024 * 1024]), 413);
}

#[test]
fn what_is_compressed_is_not_unpacked() {
    let headers = |encoding| format!("content-encoding: {encoding}\r\ncontent-length: 4\r\nconnection: close\r\n");
    for encoding in ["gzip", "br", "zstd", "deflate", "identity, gzip"] {
        check(&post(&headers(encoding), b"\x1f\x8b\x08\x00"), 415);
    }
}

/// More than is allowed, without saying so before.
#[test]
fn a_body_without_a_length_is_bounded_too() {
    let mut body = Vec::new();
    for _ in 0..40 {
        body.extend_from_slice(b"10000\r\n");
        body.extend_from_slice(&[b' '; 0x10000]);
        body.extend_from_slice(b"\r\n");
    }
    check(&post("transfer-encoding: chunked\r\nconnection: close\r\n", &body), 413);
}

/// A name that would be a header, if it were written into one.
#[test]
fn nothing_that_a_client_says_becomes_a_header() {
    let reply = say(&sized(br#"{"model":"standard\r\nset-cookie: a=b","messages":[{"role":"user","content":"hi"}]}"#));
    let head = reply.split("\r\n\r\n").next().unwrap().to_lowercase();
    assert!(!head.contains("\nset-cookie"), "{reply}");
}

/// Says the first bytes and then nothing, or one byte at a time: it is left soon.
#[test]
fn nobody_holds_a_connection_by_being_slow() {
    let beginnings: [&[u8]; 6] = [
        b"",
        b"P",
        b"PRI * HTT",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 70\r\n\r\n{",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{",
    ];
    let address = address();
    let mut waiting = Vec::new();
    for beginning in beginnings {
        waiting.push(std::thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let began = Instant::now();
            stream.write_all(beginning).unwrap();
            let mut byte = [0];
            // A reply (408) or the end of the connection; an error is a reset.
            let _ = stream.read(&mut byte);
            (String::from_utf8_lossy(beginning).into_owned(), began.elapsed())
        }));
    }
    for waited in waiting {
        let (beginning, took) = waited.join().unwrap();
        assert!((HEADER_TIMEOUT / 2..HEADER_TIMEOUT * 12).contains(&took), "{beginning:?} was left after {took:?}");
    }
}

#[test]
fn one_byte_at_a_time_is_slow_too() {
    let mut stream = TcpStream::connect(address()).unwrap();
    stream.set_nodelay(true).unwrap();
    let began = Instant::now();
    for letter in b"GET /healthz HTTP/1.1\r\nname: ".iter().chain([b'x'; 100_000].iter()) {
        if stream.write_all(&[*letter]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(began.elapsed() < HEADER_TIMEOUT * 12, "held for {:?}", began.elapsed());
}

/// It asks for a long answer and takes none of it: the answer is given up, and the call behind it with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_holds_an_answer_by_not_reading_it() {
    let upstream = Upstream::start().await.unwrap();
    // About 40 MB as events; sockets of this machine hold ten at most.
    upstream.traits("m", Traits { answer_tokens: 250_000, ..Traits::default() });
    let (gateway, _dir) = start(&upstream.url(), "");
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream.write_all(&sized(QUESTION.replacen('{', r#"{"stream":true,"#, 1).as_bytes())).unwrap();
    let over = |seen: &[Seen]| seen.first().is_some_and(|seen| seen.ended != Ended::Open);
    let ended = tokio::time::timeout(Duration::from_secs(60), upstream.until(over)).await;
    let ended = ended.expect("the answer is held for who does not read it").remove(0).ended;
    assert!(matches!(ended, Ended::ClientGone { .. }), "{ended:?}");
    drop(stream);
    tokio::task::block_in_place(|| gateway.stop()).unwrap();
}

/// How long a connection on HTTP/2 lasts whose client gives its streams this window and asks for these pages at once.
async fn held(window: u32, pages: &[&str]) -> Duration {
    let stream = tokio::net::TcpStream::connect(address()).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let handshake = builder.initial_stream_window_size(window).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.unwrap();
    let began = Instant::now();
    let ended = tokio::spawn(connection);
    let mut answers = Vec::new();
    for page in pages {
        let request = http::Request::get(format!("http://x{page}")).body(Full::<Bytes>::default()).unwrap();
        answers.push(sender.send_request(request).await.unwrap());
    }
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the connection is held").unwrap().ok();
    began.elapsed()
}

/// On HTTP/2 it is enough to give no window: nothing is ever written then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_holds_streams_by_giving_no_window() {
    for (window, pages) in [(0, &["/openapi.json", "/nowhere"][..]), (1 << 20, &[])] {
        let took = held(window, pages).await;
        assert!((HEADER_TIMEOUT / 2..HEADER_TIMEOUT * 12).contains(&took), "{pages:?}: left after {took:?}");
    }
}

#[test]
fn records_and_metrics_are_not_for_every_key() {
    let key = |name: &str, scope: &str| {
        let hash = Sha256::digest(name).iter().fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"));
        format!("[[keys]]\nname = \"{name}\"\nscope = \"{scope}\"\nhash = \"sha256:{hash}\"\n")
    };
    let (gateway, _dir) = start("http://127.0.0.1:9", &(key("app", "client") + &key("eye", "read")));
    for (path, key, want) in [
        ("/metrics", "", "401"),
        ("/metrics", "app", "403"),
        ("/metrics", "eye", "200"),
        ("/api/v1/requests/06yf21e8a5800", "app", "403"),
        ("/api/v1/requests/06yf21e8a5800", "eye", "404"),
        ("/v1/models", "app", "200"),
        ("/v1/models", "", "401"),
        ("/healthz", "", "200"),
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {key}\r\n\r\n");
        let reply = say_to(gateway.address(), head.as_bytes());
        assert_eq!(reply.get(9..12), Some(want), "{path} with `{key}`: {reply}");
    }
    gateway.stop().unwrap();
}
