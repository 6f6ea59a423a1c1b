//! Above what it may do: refused at once in the shape of the API, with a time to come back; those who are in are served, and
//! whoever asks whether it is well is told.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tierway_gateway::Gateway;
use tierway_testkit::{Fault, Plan, Upstream};

struct Stage {
    first: Upstream,
    gateway: Gateway,
    _dir: tempfile::TempDir,
}

impl Stage {
    async fn open(server: &str, more: &str) -> Self {
        let first = Upstream::start().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:0"
{server}
[providers.p]
kind = "openai_compatible"
base_url = "{}/v1"
[[tiers]]
name = "nano"
targets = [{{ provider = "p", model = "small", price = {{ input = 1.0, output = 2.0 }} }}]
[[tiers]]
name = "standard"
targets = [{{ provider = "p", model = "m", price = {{ input = 1.0, output = 2.0 }} }}]
[routing]
baseline = "standard"
[dispatch]
max_attempts = 1
breaker_failures = 2
max_wait_ms = 100
breaker_open_ms = 3000
[ledger]
path = "{}/overload.db"
{more}"#,
            first.url(),
            dir.path().display()
        );
        let config = tierway_config::parse(&text, "overload.toml", &|_| None).unwrap();
        Self { first, gateway: Gateway::start(&config, 1).unwrap(), _dir: dir }
    }

    /// Sends a question and does not wait for the answer.
    fn begin(&self, path: &str, key: &str) -> TcpStream {
        let tier = if path.contains("small") { "nano" } else { "standard" };
        let body = match path {
            "/v1/responses" => format!(r#"{{"model":"{tier}","input":"hi"}}"#),
            _ => format!(r#"{{"model":"{tier}","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}]}}"#),
        };
        send(self.gateway.address(), &format!("POST {path}"), key, &body)
    }

    fn ask(&self, path: &str, key: &str) -> Reply {
        Reply::read(self.begin(path, key))
    }

    fn get(&self, path: &str) -> Reply {
        Reply::read(send(self.gateway.address(), &format!("GET {path}"), "", ""))
    }

    /// Waits until so many calls came to the provider.
    async fn until_called(&self, count: usize) {
        let called = self.first.until(|seen| seen.len() >= count);
        tokio::time::timeout(Duration::from_secs(20), called).await.unwrap();
    }

    fn close(self) {
        tokio::task::block_in_place(|| self.gateway.stop()).unwrap();
    }
}

fn send(address: SocketAddr, line: &str, key: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    let head =
        format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {key}\r\ncontent-length: {length}");
    write!(stream, "{head}\r\n\r\n{body}").unwrap();
    stream
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn read(mut stream: TcpStream) -> Self {
        let mut text = String::new();
        tokio::task::block_in_place(|| stream.read_to_string(&mut text)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Self { status: head[9..12].parse().unwrap(), head: head.to_lowercase(), body: body.to_owned() }
    }

    /// Refused for now, in the shape of this API.
    #[track_caller]
    fn assert_refused(&self, path: &str, status: u16) {
        assert_eq!(self.status, status, "{path}: {}", self.body);
        assert!(self.head.contains("\r\nretry-after: 1"), "{path}: {}", self.head);
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert!(body["error"]["message"].is_string(), "{path}: {body}");
        assert_eq!(body["type"] == "error", path == "/v1/messages", "{path}: {body}");
    }
}

const APIS: [&str; 4] = ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_it_may_do_is_told_to_come_back() {
    let stage = Stage::open("max_concurrent = 2", "").await;
    stage.first.plan("m", Plan::first([Fault::SlowHeaders { ms: 3_000 }, Fault::SlowHeaders { ms: 3_000 }]));
    let inside = [stage.begin(APIS[0], ""), stage.begin(APIS[2], "")];
    stage.until_called(2).await;
    for path in APIS {
        let began = Instant::now();
        stage.ask(path, "").assert_refused(path, 503);
        assert!(began.elapsed() < Duration::from_secs(2), "refused after {:?}", began.elapsed());
    }
    // Busy is not ill: a supervisor must not restart it for that.
    assert_eq!(stage.get("/healthz").status, 200);
    assert_eq!(stage.get("/readyz").status, 200);
    for stream in inside {
        let reply = Reply::read(stream);
        assert!(reply.status == 200 && reply.body.contains("answers"), "{}", reply.body);
    }
    assert_eq!(stage.ask(APIS[0], "").status, 200, "there is room again");
    let page = stage.get("/metrics").body;
    assert!(page.contains("tierway_refused_total{status=\"503\"} 4"), "{page}");
    assert_eq!(stage.first.seen().len(), 3);
    stage.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_does_not_take_all_the_room() {
    let key = |name: &str, more: &str| {
        let hash = Sha256::digest(name).iter().fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"));
        format!("[[keys]]\nname = \"{name}\"\nhash = \"sha256:{hash}\"\n{more}\n")
    };
    let stage = Stage::open("", &(key("greedy", "max_concurrent = 1") + &key("modest", ""))).await;
    stage.first.plan("m", Plan::first([Fault::SlowHeaders { ms: 3_000 }]));
    let inside = stage.begin(APIS[0], "greedy");
    stage.until_called(1).await;
    for path in APIS {
        stage.ask(path, "greedy").assert_refused(path, 429);
    }
    assert_eq!(stage.ask(APIS[0], "modest").status, 200);
    assert_eq!(Reply::read(inside).status, 200);
    assert_eq!(stage.ask(APIS[0], "greedy").status, 200, "its one place is free again");
    stage.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_ready_while_each_tier_has_somebody_who_is_well() {
    let stage = Stage::open("", "").await;
    assert_eq!(stage.get("/readyz").status, 200);
    stage.first.plan("m", Plan::first([Fault::Status { status: 500 }, Fault::Status { status: 500 }]));
    assert_eq!([stage.ask(APIS[0], "").status, stage.ask(APIS[0], "").status], [502, 502]);
    let reply = stage.get("/readyz");
    assert_eq!(reply.status, 503, "{}", reply.body);
    let said: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(said["tiers_without_a_healthy_target"], serde_json::json!(["standard"]), "{said}");
    assert_eq!(stage.get("/healthz").status, 200, "alive all the same");
    // While it is left alone the client hears when to come back.
    let reply = stage.ask(APIS[0], "");
    assert!(reply.status == 503 && reply.head.contains("\r\nretry-after: "), "{} {}", reply.head, reply.body);
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    assert_eq!(stage.ask(APIS[0], "").status, 200, "the probe found it well");
    assert_eq!(stage.get("/readyz").status, 200);
    stage.close();
}
