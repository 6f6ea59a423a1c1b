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
    async fn open(server: &str, account: &str, more: &str) -> Self {
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
{account}
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
queue = 3
queue_ms = 8000
[ledger]
path = "{}/overload.db"
{more}"#,
            first.url(),
            dir.path().display()
        );
        let text = text.replace("$URL", &first.url());
        let config = tierway_config::parse(&text, "overload.toml", &|_| None).unwrap();
        Self { first, gateway: Gateway::start(&config, 1).unwrap(), _dir: dir }
    }

    /// Sends a question and does not wait for the answer.
    fn begin(&self, path: &str, key: &str) -> TcpStream {
        let tier = if path.contains("small") { "nano" } else { "standard" };
        let body = match path {
            "/v1/responses" => format!(r#"{{"model":"{tier}","input":"hi"}}"#),
            "/v1/embeddings" => r#"{"model":"m","input":"hi"}"#.to_owned(),
            _ => format!(r#"{{"model":"{tier}","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}]}}"#),
        };
        send(self.gateway.address(), &format!("POST {path}"), key, &body)
    }

    /// Asks something that can be told from other requests.
    fn begin_as(&self, model: &str, key: &str, text: &str) -> TcpStream {
        let body = format!(r#"{{"model":"{model}","max_tokens":9,"messages":[{{"role":"user","content":"{text}"}}]}}"#);
        send(self.gateway.address(), "POST /v1/chat/completions", key, &body)
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
    let stage = Stage::open("max_concurrent = 2", "", "").await;
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

fn key(name: &str, more: &str) -> String {
    let hash = Sha256::digest(name).iter().fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"));
    format!("[[keys]]\nname = \"{name}\"\nhash = \"sha256:{hash}\"\n{more}\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_does_not_take_all_the_room() {
    let stage = Stage::open("", "", &(key("greedy", "max_concurrent = 1") + &key("modest", ""))).await;
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
async fn it_is_ready_while_some_tier_has_somebody_who_is_well() {
    let stage = Stage::open("", "", "").await;
    assert_eq!(stage.get("/readyz").status, 200);
    stage.first.plan("m", Plan::first([Fault::Status { status: 500 }, Fault::Status { status: 500 }]));
    assert_eq!([stage.ask(APIS[0], "").status, stage.ask(APIS[0], "").status], [502, 502]);
    let check = |want: u16, down: &[&str]| {
        let reply = stage.get("/readyz");
        assert_eq!(reply.status, want, "{}", reply.body);
        let said: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(said["tiers_without_a_healthy_target"], serde_json::json!(down), "{said}");
    };
    check(200, &["standard"]);
    stage.first.plan("small", Plan::first([Fault::Status { status: 500 }, Fault::Status { status: 500 }]));
    let small = "/v1/chat/completions?small";
    assert_eq!([stage.ask(small, "").status, stage.ask(small, "").status], [502, 502]);
    check(503, &["nano", "standard"]);
    assert_eq!(stage.get("/healthz").status, 200, "alive all the same");
    // While it is left alone the client hears when to come back.
    let reply = stage.ask(APIS[0], "");
    assert!(reply.status == 503 && reply.head.contains("\r\nretry-after: "), "{} {}", reply.head, reply.body);
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    assert_eq!(stage.ask(APIS[0], "").status, 200, "the probe found it well");
    assert_eq!(stage.get("/readyz").status, 200);
    stage.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_wait_in_turn_for_room_at_an_account_and_no_more_of_them_than_may() {
    let stage = Stage::open("", "max_concurrent = 1", &(key("a", "") + &key("b", ""))).await;
    stage.first.plan("m", Plan::first([Fault::SlowHeaders { ms: 3_000 }]));
    let pause = || tokio::time::sleep(Duration::from_millis(100));
    let mut inside = vec![stage.begin_as("standard", "a", "a1")];
    stage.until_called(1).await;
    for (key, text) in [("a", "a2"), ("a", "a3"), ("a", "a4"), ("b", "b1")] {
        inside.push(stage.begin_as("standard", key, text));
        pause().await;
    }
    // One at the account, one at the counter, three in line: nobody else.
    let refused = Reply::read(stage.begin_as("standard", "b", "b2"));
    refused.assert_refused(APIS[0], 429);
    assert!(
        refused.body.contains("rate_limit_exceeded") && refused.body.contains("at their limits"),
        "{}",
        refused.body
    );
    let waited: Vec<_> = inside.into_iter().map(Reply::read).map(|reply| reply.status).collect();
    let order: Vec<_> = stage.first.seen().iter().map(|seen| seen.json()["messages"][0]["content"].clone()).collect();
    assert_eq!(order, ["a1", "a2", "a3", "b1", "a4"], "b takes its turn before a's fourth");
    assert_eq!(waited, [200; 5]);
    assert_eq!(stage.ask(APIS[0], "b").status, 200, "there is room again");
    stage.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_room_is_passed_over_and_its_minute_is_told() {
    let more = "[providers.q]\nkind = \"openai_compatible\"\nbase_url = \"$URL/v1\"\nrpm = 2\n".to_owned();
    let wide = "[[tiers]]\nname = \"wide\"\ntargets = [{ provider = \"p\", model = \"mine\", price = { input = 1.0, output = 2.0 } }, { provider = \"q\", model = \"theirs\", weight = 0, price = { input = 1.0, output = 2.0 } }]\n";
    let stage = Stage::open("", "rpm = 2", &(more + wide)).await;
    let statuses: Vec<_> = (0..4).map(|_| Reply::read(stage.begin_as("wide", "", "hi")).status).collect();
    assert_eq!(statuses, [200; 4]);
    let served: Vec<_> = stage.first.seen().iter().map(|seen| seen.model.clone()).collect();
    assert_eq!(served, ["mine", "mine", "theirs", "theirs"]);
    // The other tiers have the first account only, and half a minute is longer than anybody may wait.
    let refused = stage.ask(APIS[0], "");
    assert_eq!(refused.status, 429, "{}", refused.body);
    let after: u64 = refused.head.split("retry-after: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    assert!((20..=30).contains(&after), "{after}");
    let page = stage.get("/metrics").body;
    assert!(page.contains("tierway_provider_requests{provider=\"q\",state=\"active\"} 0"), "{page}");
    stage.close();
}
