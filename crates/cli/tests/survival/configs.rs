//! Replicas that take their config from a PostgreSQL: a new version is in force without a restart, a bad one is refused before
//! it is kept, and a database that is away changes nothing.

use crate::client::Client;
use crate::common;
use crate::process::{Process, config};
use std::path::Path;
use tierway_testkit::postgres::Postgres;
use tierway_testkit::{Fault, Plan, Upstream};
use tokio::runtime::Handle;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_follow_the_config_in_a_database_and_go_on_without_it() {
    let [first, second] = [Upstream::start().await.unwrap(), Upstream::start().await.unwrap()];
    first.plan("m", Plan::cycle([Fault::None]));
    let urls = [first.url(), second.url()];
    tokio::task::spawn_blocking(move || following([&urls[0], &urls[1]])).await.unwrap();
}

fn following(providers: [&str; 2]) {
    let mut postgres = Postgres::start().unwrap();
    let url = postgres.database().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ledger = format!("[ledger]\npath = '{}'\n", dir.path().join("s.db").display());
    let file = config(dir.path(), providers, "127.0.0.1:0", &ledger);
    let file = file.to_str().unwrap();
    let tierway = |args: &[&str]| common::tierway(dir.path(), args);
    let (code, _, said) = tierway(&["check", "--config", &url]);
    assert!(code == 1 && said.contains("holds no config yet"), "{said}");
    assert_eq!(tierway(&["config", "push", file, "--config", &url, "--why", "the first"]).0, 0);
    let process = Process::start(Path::new(&url));
    answers(&process, "standard");

    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, text.replace("\"standard\"", "\"best\"")).unwrap();
    let (code, done, said) = tierway(&["config", "push", file, "--config", &url]);
    assert!(code == 0 && done.starts_with("version 2 of the config at postgres://"), "{done}{said}");
    process.hear("is in force");
    answers(&process, "best");

    std::fs::write(dir.path().join("bad.toml"), "[providers.x]\nkind = \"nothing\"\n").unwrap();
    let bad = dir.path().join("bad.toml");
    let (code, _, said) = tierway(&["config", "push", bad.to_str().unwrap(), "--config", &url]);
    assert!(code == 1 && said.contains("is not put in force") && said.contains("bad.toml:2:"), "{said}");

    postgres.kill();
    process.hear("the config stays as it is until its database is back");
    answers(&process, "best");
    postgres.restart().unwrap();
    assert_eq!(tierway(&["config", "rollback", "1", "--config", &url]).0, 0);
    process.hear("is in force");
    answers(&process, "standard");
    let listed = tierway(&["config", "list", "--config", &url]).1;
    // After the number, which may jump when PostgreSQL was killed, and the time.
    let whys: Vec<_> = listed.lines().map(|line| line.get(25..).unwrap_or_default()).collect();
    assert_eq!(whys, ["back to version 1", "", "the first"], "{listed}");
    process.stop();
}

/// A request for the tier is served.
#[track_caller]
fn answers(process: &Process, tier: &str) {
    let body = format!(r#"{{"model":"{tier}","messages":[{{"role":"user","content":"hello"}}]}}"#);
    let reply = Handle::current().block_on(Client::of(process.address).ask(body));
    assert_eq!(reply.status, 200, "{tier}: {}", reply.body);
}
