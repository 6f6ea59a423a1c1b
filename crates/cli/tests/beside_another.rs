//! `ask`, `demo`, `serve` and `audit` as their users see them, beside a provider and another tierway.
#![allow(missing_docs, clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use common::command;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use tierway::Call;
use tierway_ledger::{Ledger, Options};
use tierway_testkit::Upstream;
use tierway_wire::Format;

/// Exit code, stdout and stderr.
async fn ask(dir: &Path, upstream: &Upstream, more: &[&str]) -> (i32, String, String) {
    let config = format!(
        "[providers.fake]\nkind = \"openai_compatible\"\nbase_url = \"{}/v1\"\n\
         [[tiers]]\nname = \"standard\"\ntargets = [\"fake/unheard-of\"]\n",
        upstream.url()
    );
    std::fs::write(dir.join("tierway.toml"), config).unwrap();
    let mut command = command(dir, &[&["ask", "What is the capital of Peru?"], more].concat());
    tokio::task::spawn_blocking(move || common::ended(&mut command)).await.unwrap()
}

#[tokio::test]
async fn an_answer_is_shown_when_the_ledger_is_in_use_and_so_is_why_it_is_not_recorded() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await.unwrap());
    let busy = Ledger::open(dir.path().join("tierway.db"), Options::default()).unwrap();
    let began = std::time::Instant::now();
    let (code, out, talk) = ask(dir.path(), &upstream, &[]).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "who asks waits {:?} for nothing", began.elapsed());
    assert!(out.starts_with("unheard-of answers: What is the capital of Peru?"), "{out}{talk}");
    assert!(talk.contains("warning: this request is not recorded:") && talk.contains("--ledger FILE"), "{talk}");
    assert_eq!(code, 0, "{talk}");
    busy.close().unwrap();
    let (code, _, talk) = ask(dir.path(), &upstream, &[]).await;
    assert!(code == 0 && !talk.contains("not recorded"), "{talk}");
    assert!(talk.contains("cost    unknown (baseline unknown)"), "{talk}");
}

#[test]
fn who_shares_a_port_is_told_and_a_demo_never_does() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[server]\nlisten = \"127.0.0.1:0\"\n[providers.p]\nkind = \"openai_compatible\"\n\
                  base_url = \"http://127.0.0.1:9/v1\"\n[[tiers]]\nname = \"standard\"\ntargets = [\"p/m\"]\n";
    std::fs::write(dir.path().join("tierway.toml"), config).unwrap();
    let mut config = tierway_config::parse(config, "tierway.toml", &|_| None).unwrap();
    config.ledger.path = dir.path().join("first.db");
    let first = tierway_gateway::Gateway::start(&config, 1).unwrap();
    let address = first.address().to_string();
    let tierway = |args: &[&str]| {
        let mut command = command(dir.path(), args);
        command.env("TIERWAY_LISTEN", &address).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let demo = tierway(&["demo", "--listen", &address]).output().unwrap();
    let talk = String::from_utf8(demo.stderr).unwrap();
    assert_eq!(demo.status.code(), Some(1), "{talk}");
    assert_eq!(talk, format!("tierway: another process listens on {address}; choose another with --listen\n"));
    let mut second = tierway(&["serve"]).spawn().unwrap();
    let told = BufReader::new(second.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.contains(" keys: "))
        .any(|line| line.contains("another process listens at this address, too"));
    second.kill().unwrap();
    second.wait().unwrap();
    first.stop().unwrap();
    assert!(told);
}

/// Who reaches the address may ask only while there is no key anywhere: not in the config, not in the ledger.
#[test]
fn the_greeting_counts_the_keys_of_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[server]\nlisten = \"127.0.0.1:0\"\n[providers.p]\nkind = \"openai_compatible\"\n\
                  base_url = \"http://127.0.0.1:9/v1\"\n[[tiers]]\nname = \"standard\"\ntargets = [\"p/m\"]\n";
    std::fs::write(dir.path().join("tierway.toml"), config).unwrap();
    let tierway = |args: &[&str]| {
        let mut command = command(dir.path(), args);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let greeted = || {
        let mut serving = tierway(&["serve"]).spawn().unwrap();
        let lines = BufReader::new(serving.stderr.take().unwrap()).lines().map_while(Result::ok);
        let keys = lines.filter_map(|line| line.trim().strip_prefix("keys:").map(|keys| keys.trim().to_owned())).next();
        serving.kill().unwrap();
        serving.wait().unwrap();
        keys.unwrap()
    };
    assert_eq!(greeted(), "none; everybody who reaches this address may ask");
    assert!(tierway(&["keys", "add", "--name", "app"]).status().unwrap().success());
    assert_eq!(greeted(), "asked for");
}

#[tokio::test]
async fn an_audit_finds_no_fault_with_embeddings_and_calls_that_failed() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await.unwrap());
    let config = format!(
        "[ledger]\npath = \"{}\"\n[providers.openai]\nkind = \"openai\"\nkey_env = \"KEY\"\nbase_url = \"{}/v1\"\n\
         [[tiers]]\nname = \"nano\"\ntargets = [\"openai/gpt-4o-mini\"]\n\
         [[tiers]]\nname = \"standard\"\ntargets = [\"openai/gpt-4o\"]\n",
        dir.path().join("l.db").display(),
        upstream.url()
    );
    std::fs::write(dir.path().join("tierway.toml"), &config).unwrap();
    let config = tierway_config::parse(&config, "tierway.toml", &|name| (name == "KEY").then(|| "k".into())).unwrap();
    let desk = tierway_gateway::Desk::open(&config).unwrap();
    let call = |body: &str| Call::new(Format::OpenaiChat, body.to_owned());
    let said = r#""messages":[{"role":"user","content":"What is the capital of Peru?"}]"#;
    let embedded = desk.router().embed(call(r#"{"model":"openai/text-embedding-3-small","input":"hi"}"#)).await;
    let answered = desk.router().chat(call(&format!(r#"{{"model":"auto",{said}}}"#))).await;
    // The result of a tool that nobody called: the provider's to refuse.
    let orphan = r#"{"model":"auto","messages":[{"role":"tool","tool_call_id":"c","content":"x"}]}"#;
    let failed = desk.router().chat(call(orphan)).await;
    assert_eq!([embedded, answered, failed].map(|reply| reply.status.as_u16()), [200, 200, 400]);
    desk.close().unwrap();
    let page = common::good(dir.path(), &["audit"]);
    assert!(page.contains("3 rows of the config in force priced anew, 0 differ"), "{page}");
}
