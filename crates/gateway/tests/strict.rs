//! `durability = "strict"` when the ledger cannot be written: answers go out all the same, and say so.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tierway_gateway::Gateway;
use tierway_testkit::Upstream;

fn ask(address: SocketAddr, stream: bool) -> String {
    let body = format!(r#"{{"model":"standard","stream":{stream},"messages":[{{"role":"user","content":"who?"}}]}}"#);
    let mut socket = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        socket,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    reply
}

async fn replies(ledger: &str) -> [String; 2] {
    let upstream = Upstream::start().await.unwrap();
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
[providers.p]
kind = "openai_compatible"
base_url = "{}/v1"
[[tiers]]
name = "standard"
targets = [{{ provider = "p", model = "m", price = {{ input = 1.0, output = 2.0 }} }}]
[ledger]
durability = "strict"
path = "{ledger}"
"#,
        upstream.url()
    );
    let config = tierway_config::parse(&text, "strict.toml", &|_| None).unwrap();
    let asking = tokio::task::spawn_blocking(move || {
        let gateway = Gateway::start(&config, 1).unwrap();
        let replies = [false, true].map(|stream| ask(gateway.address(), stream));
        let _ = gateway.stop();
        replies
    });
    asking.await.unwrap()
}

const PENDING: &str = "x-tierway-record: pending";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_cannot_be_written_holds_no_answer_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    // A file where a directory should be.
    std::fs::write(dir.path().join("file"), "").unwrap();
    let [whole, stream] = replies(&format!("{}/file/l.db", dir.path().display())).await;
    assert!(whole.starts_with("HTTP/1.1 200") && whole.contains(PENDING), "{whole}");
    assert!(stream.starts_with("HTTP/1.1 200") && stream.contains("data: [DONE]"), "{stream}");
    // Twice two seconds at most, and ten for a last try at the end.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_recorded_does_not_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, stream] = replies(&format!("{}/l.db", dir.path().display())).await;
    assert!(whole.starts_with("HTTP/1.1 200") && !whole.contains(PENDING), "{whole}");
    assert!(stream.contains("data: [DONE]"), "{stream}");
}
