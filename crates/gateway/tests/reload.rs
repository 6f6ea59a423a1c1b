//! What changes under a running gateway: its config, and the file of its ledger.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use tierway_gateway::Gateway;
use tierway_ledger::{KeyPolicy, NewKey, State};

fn config(dir: &Path, key: &str) -> tierway_config::Config {
    at("listen = \"127.0.0.1:0\"", dir, key)
}

fn at(server: &str, dir: &Path, key: &str) -> tierway_config::Config {
    let text = format!(
        "[server]\n{server}\n[ledger]\npath = \"{}/l.db\"\n\
         [providers.p]\nkind = \"openai_compatible\"\nbase_url = \"http://127.0.0.1:9/v1\"\n{key}\n\
         [[tiers]]\nname = \"standard\"\ntargets = [\"p/m\"]\nprice = {{ input = 5, output = 15 }}\n",
        dir.display(),
    );
    tierway_config::parse(&text, "reload.toml", &|_| None).unwrap()
}

/// A key file that is being replaced: the config in force has the old key, and keeps it.
#[test]
fn a_config_whose_key_cannot_be_read_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "sk-good").unwrap();
    let config = config(dir.path(), &format!("key_file = \"{}\"", file.display()));
    let gateway = Gateway::start(&config, 1).unwrap();
    gateway.reload(&config).unwrap();
    std::fs::remove_file(&file).unwrap();
    let refused = gateway.reload(&config).unwrap_err().to_string();
    assert!(refused.contains("provider `p`: cannot read the key from"), "{refused}");
    std::fs::write(&file, "sk-new").unwrap();
    gateway.reload(&config).unwrap();
    gateway.stop().unwrap();
}

fn get(address: SocketAddr, path: &str, key: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn status(address: SocketAddr, key: &str) -> u16 {
    get(address, "/v1/models", key)["HTTP/1.1 ".len()..][..3].parse().unwrap()
}

/// What has no bounds any more has no place on the page of metrics.
#[test]
fn an_account_that_lost_its_bounds_is_told_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&config(dir.path(), "rpm = 5"), 1).unwrap();
    let is_told = || get(gateway.address(), "/metrics", "").contains("tierway_provider_requests{provider=\"p\"");
    assert!(is_told());
    gateway.reload(&config(dir.path(), "")).unwrap();
    assert!(!is_told());
    gateway.stop().unwrap();
}

fn ledger_with_key(path: &Path, secret: &str) {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(secret).into();
    let key = NewKey { name: "app", policy: &KeyPolicy::default(), digest, expires_ms: None };
    assert!(State::open(path.to_owned()).unwrap().add_key(&key, 1).unwrap());
}

/// As when a backup is put back: keys are those of the file that is there now.
#[test]
fn keys_follow_the_file_that_is_at_the_ledgers_place() {
    let dir = tempfile::tempdir().unwrap();
    ledger_with_key(&dir.path().join("l.db"), "old");
    let gateway = Gateway::start(&config(dir.path(), ""), 1).unwrap();
    assert_eq!((status(gateway.address(), "old"), status(gateway.address(), "new")), (200, 401));
    ledger_with_key(&dir.path().join("other.db"), "new");
    for leftover in ["l.db-wal", "l.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(leftover));
    }
    std::fs::rename(dir.path().join("other.db"), dir.path().join("l.db")).unwrap();
    let began = Instant::now();
    while status(gateway.address(), "new") != 200 {
        assert!(began.elapsed() < Duration::from_secs(20), "the old file's keys stay in force");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(status(gateway.address(), "old"), 401);
    gateway.stop().unwrap();
}

const ALONE: &str = "listen = \"127.0.0.1:0\"";
const BEYOND: &str = "listen = \"0.0.0.0:0\"";
const OPERATORS_BEYOND: &str = "listen = \"127.0.0.1:0\"\nadmin_listen = \"0.0.0.0:0\"";

/// Whoever takes out the last key while serving means another one, or has made a slip: everybody could come in. `started` with a
/// key, then `reloaded` without.
#[track_caller]
fn check_opening(started: &str, reloaded: &str) {
    let dir = tempfile::tempdir().unwrap();
    let key = format!("[[keys]]\nname = \"app\"\nhash = \"sha256:{}\"\n", "0".repeat(64));
    let gateway = Gateway::start(&at(started, dir.path(), &key), 1).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], gateway.address().port()));
    let refused = gateway.reload(&at(reloaded, dir.path(), "")).unwrap_err().to_string();
    assert!(refused.contains("the last key is taken out"), "{refused}");
    assert_eq!(status(address, ""), 401);
    // With keys it is taken wherever it wants to listen.
    gateway.reload(&at(reloaded, dir.path(), &key)).unwrap();
    assert_eq!(status(address, ""), 401);
    gateway.stop().unwrap();
}

#[test]
fn a_config_without_the_last_key_is_not_taken_wherever_it_listens() {
    for (started, reloaded) in
        [(ALONE, ALONE), (BEYOND, ALONE), (OPERATORS_BEYOND, ALONE), (BEYOND, BEYOND), (ALONE, BEYOND)]
    {
        check_opening(started, reloaded);
    }
    // A start without any is meant, and so is a reload of that.
    let dir = tempfile::tempdir().unwrap();
    let open = at(ALONE, dir.path(), "");
    let gateway = Gateway::start(&open, 1).unwrap();
    gateway.reload(&open).unwrap();
    assert_eq!(status(gateway.address(), ""), 200);
    gateway.stop().unwrap();
}

/// Nobody knows who may come in: whatever is bound, and whatever a new config says, that is nobody but keys of the config.
#[test]
fn keys_that_cannot_be_read_let_in_nobody() {
    for started in [ALONE, BEYOND, OPERATORS_BEYOND] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("l.db")).unwrap();
        let refused = Gateway::start(&at(started, dir.path(), ""), 1).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("is a folder") && refused.contains("Who may come in is not known"), "{refused}");
        let key = format!("[[keys]]\nname = \"app\"\nhash = \"sha256:{}\"\n", "0".repeat(64));
        let gateway = Gateway::start(&at(started, dir.path(), &key), 1).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], gateway.address().port()));
        assert_eq!((status(address, ""), status(address, "unknown")), (401, 503), "{started}");
        gateway.reload(&at(ALONE, dir.path(), "")).unwrap();
        assert_eq!((status(address, ""), status(address, "unknown")), (401, 503), "{started}, after a reload");
        gateway.stop().unwrap();
    }
}
