//! Keys of a running process: made, turned and taken away from the command line and over HTTP, without a restart.

use crate::common::tierway;
use crate::process::{Process, config};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use tierway_testkit::Upstream;

/// What the command prints; the key, for `add` and `rotate`.
fn keys(config: &Path, args: &[&str]) -> Result<String, String> {
    let config = config.to_str().unwrap();
    let (code, out, talk) = tierway(Path::new("."), &[&["keys"], args, &["--config", config]].concat());
    if code == 0 { Ok(out.trim().to_owned()) } else { Err(talk.trim().to_owned()) }
}

/// Status and body.
fn ask(address: SocketAddr, request: &str, key: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A chat for a model: the status, or the status and the error's code.
fn chat(address: SocketAddr, key: &str, model: &str) -> String {
    let body = serde_json::json!({"model": model, "messages": [{"role": "user", "content": "Hello"}]}).to_string();
    let (status, body) = ask(address, "POST /v1/chat/completions", key, &body);
    let code = body["error"]["code"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
    format!("{status}{code}")
}

/// A running process looks twice a second.
fn eventually(what: impl Fn() -> String, want: &str) {
    let began = Instant::now();
    loop {
        let got = what();
        if got == want {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{got}, wanted {want}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_turn_and_go_while_it_runs() {
    let upstream = Upstream::start().await.unwrap();
    let url = upstream.url();
    tokio::task::spawn_blocking(move || by_command_and_by_http(&url)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_is_moved_away_or_damaged_opens_the_door_to_nobody() {
    let upstream = Upstream::start().await.unwrap();
    let url = upstream.url();
    tokio::task::spawn_blocking(move || moved_and_damaged(&url)).await.unwrap();
}

fn moved_and_damaged(url: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), [url, url], "127.0.0.1:0", "[ledger]\npath = \"k.db\"\n");
    let ledger = dir.path().join("k.db");
    let app = keys(&file, &["add", "app"]).unwrap();
    let gone = keys(&file, &["add", "gone"]).unwrap();
    keys(&file, &["revoke", "gone"]).unwrap();
    let process = Process::start(&file);
    for how in ["moved", "removed"] {
        match how {
            "moved" => std::fs::rename(&ledger, dir.path().join("old.db")).unwrap(),
            _ => ["k.db", "k.db-wal", "k.db-shm"]
                .iter()
                .for_each(|name| drop(std::fs::remove_file(dir.path().join(name)))),
        }
        // Records begin the new file, and the keys follow.
        let listed = || {
            assert_eq!(chat(process.address, "", "auto"), "401 missing_api_key", "{how}");
            assert_eq!(chat(process.address, &app, "auto"), "200", "{how}");
            keys(&file, &["list", "--format", "json"]).map_or(0, |list| list.matches("\"name\"").count()).to_string()
        };
        eventually(listed, "2");
        assert_eq!(chat(process.address, &gone, "auto"), "401 revoked_api_key", "{how}");
    }
    process.stop();

    // As it is after a restart.
    let process = Process::start(&file);
    assert_eq!(chat(process.address, "", "auto"), "401 missing_api_key");
    assert_eq!(chat(process.address, &app, "auto"), "200");
    process.stop();

    std::fs::write(&ledger, [b'x'; 8_192]).unwrap();
    let serve = ["serve", "--config", file.to_str().unwrap()];
    let (code, _, talk) = tierway(dir.path(), &serve);
    assert!(code == 1 && talk.contains("is no SQLite database") && talk.contains("Who may come in"), "{code} {talk}");
    let text = std::fs::read_to_string(&file).unwrap();
    let section = keys(&file, &["add", "ops", "--for-config"]).unwrap();
    std::fs::write(&file, format!("{text}\n{section}\n")).unwrap();
    let process = Process::start(&file);
    assert_eq!(chat(process.address, &app, "auto"), "503 keys_unreadable");
    assert_eq!(chat(process.address, "", "auto"), "401 missing_api_key");
    process.kill();
}

fn by_command_and_by_http(url: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), [url, url], "127.0.0.1:0", "[ledger]\npath = \"k.db\"\n");
    let process = Process::start(&file);
    let at = process.address;
    assert_eq!(chat(at, "", "auto"), "200", "without any key everybody may ask");
    let (status, body) = ask(at, "POST /api/v1/keys", "", r#"{"name":"evil"}"#);
    assert_eq!((status, body["error"]["code"].as_str()), (403, Some("no_keys_yet")));

    let admin = keys(&file, &["add", "--name", "ops", "--scope", "admin"]).unwrap();
    eventually(|| chat(at, "", "auto"), "401 missing_api_key");
    assert_eq!(chat(at, &admin, "auto"), "200");
    let app = keys(&file, &["add", "--name", "app", "--team", "web", "--models", "auto", "--expires", "30d"]).unwrap();
    eventually(|| chat(at, &app, "auto"), "200");
    assert_eq!(chat(at, &app, "standard"), "403 model_not_allowed");
    assert_eq!(ask(at, "GET /api/v1/keys", &app, "").0, 403);

    // What this process changes is in force at once.
    let (status, made) = ask(at, "POST /api/v1/keys", &admin, r#"{"name":"a b","ceiling":"standard"}"#);
    assert_eq!(status, 200, "{made}");
    let http = made["key"].as_str().unwrap();
    assert_eq!(chat(at, http, "auto"), "200");
    let (status, turned) = ask(at, "POST /api/v1/keys/a%20b/rotate", &admin, r#"{"overlap":"0h"}"#);
    assert_eq!(status, 200, "{turned}");
    assert_eq!(chat(at, http, "auto"), "401 expired_api_key");
    assert_eq!(chat(at, turned["key"].as_str().unwrap(), "auto"), "200");
    assert_eq!(ask(at, "DELETE /api/v1/keys/a%20b", &admin, "").0, 200);
    assert_eq!(chat(at, turned["key"].as_str().unwrap(), "auto"), "401 revoked_api_key");
    for (request, body, code) in [
        ("POST /api/v1/keys", r#"{"name":"a b"}"#, "name_taken"),
        ("POST /api/v1/keys", r#"{"name":"x","ceiling":"moon"}"#, "bad_parameter"),
        ("POST /api/v1/keys", r#"{"name":"x","celing":"nano"}"#, "bad_parameter"),
        ("DELETE /api/v1/keys/nobody", "", "no_such_key"),
    ] {
        assert_eq!(ask(at, request, &admin, body).1["error"]["code"], code, "{request} {body}");
    }

    // A turned key opens with both for a while, a revoked one with none.
    let second = keys(&file, &["rotate", "app"]).unwrap();
    eventually(|| chat(at, &second, "auto"), "200");
    assert_eq!(chat(at, &app, "auto"), "200");
    keys(&file, &["revoke", "app"]).unwrap();
    eventually(|| chat(at, &app, "auto"), "401 revoked_api_key");
    assert_eq!(chat(at, &second, "auto"), "401 revoked_api_key");
    assert!(keys(&file, &["add", "--name", "app"]).unwrap_err().contains("a name is given once"));
    assert!(keys(&file, &["add", "--name", "x", "--pin", "moon"]).unwrap_err().contains("there are standard"));

    // A section for the config works there, and wins over a name in the ledger.
    let section = keys(&file, &["add", "--name", "ops", "--for-config"]).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n{section}\n")).unwrap();
    process.hear("is in force");
    assert_eq!(chat(at, &admin, "auto"), "401 invalid_api_key");
    let listed: Value = serde_json::from_str(&keys(&file, &["list", "--format", "json"]).unwrap()).unwrap();
    let states: Vec<_> =
        listed.as_array().unwrap().iter().map(|key| format!("{} {}", key["name"], key["state"])).collect();
    assert_eq!(states, [r#""ops" "active""#, r#""a b" "revoked""#, r#""app" "revoked""#, r#""ops" "shadowed""#],);
    let file_text = std::fs::read(dir.path().join("k.db")).unwrap();
    for secret in [&admin, &app, &second] {
        let found = file_text.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!found, "a key stands in the ledger");
    }
    // The table is for people; it has to be there.
    assert!(keys(&file, &["list"]).unwrap().starts_with("name  state"));
    process.stop();
}
