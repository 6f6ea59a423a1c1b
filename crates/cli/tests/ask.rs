//! `ask` as its user sees it.
#![allow(missing_docs, clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

#[test]
fn a_question_that_is_given_up_is_recorded_with_what_was_read() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = common::LADDER.replace("127.0.0.1:1", &silent.local_addr().unwrap().to_string());
    let dir = common::folder(&config);
    let asking = common::command(dir.path(), &["ask", "hi"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let asking = asking.unwrap();
    let (mut asked, _) = silent.accept().unwrap();
    assert!(asked.read(&mut [0; 1024]).unwrap() > 0);
    assert!(Command::new("kill").args(["-INT", &asking.id().to_string()]).status().unwrap().success());
    let ended = asking.wait_with_output().unwrap();
    let talk = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.code() == Some(1) && talk.contains("given up before the answer"), "{talk}");
    let text = common::good(dir.path(), &["explain"]);
    assert!(
        text.contains("HTTP 499") && text.contains("by our estimate") && !text.contains("paid          $0\n"),
        "{text}"
    );
}

#[test]
fn a_decision_is_explained_with_what_would_have_changed_it() {
    let dir = common::folder(&common::LADDER.replacen("[[tiers]]\n", "[[tiers]]\nstrengths = \"short facts\"\n", 1));
    common::tierway(dir.path(), &["ask", "What is the capital of France?"]);
    let text = common::good(dir.path(), &["explain"]);
    for want in
        ["good at       short facts", "needed        ", "% that an answer will do", "instead       not nano, with "]
    {
        assert!(text.contains(want), "{want}: {text}");
    }
    common::tierway(dir.path(), &["ask", "Prove that the square root of 2 is irrational, step by step."]);
    let text = common::good(dir.path(), &["explain"]);
    assert!(text.contains("instead       nano, with ") && text.contains(" points more"), "{text}");
}

#[test]
fn what_is_recorded_elsewhere_is_explained_from_there() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let upstream = runtime.block_on(tierway_testkit::Upstream::start()).unwrap();
    let dir = common::folder(&common::LADDER.replace("http://127.0.0.1:1", &upstream.url()));
    for (arguments, explain) in
        [(&["ask", "hi"][..], "`tierway explain`"), (&["ask", "hi", "--ledger", "o.db"], "`tierway explain --db o.db`")]
    {
        let (code, _, talk) = common::tierway(dir.path(), arguments);
        assert!(code == 0 && talk.contains(explain), "{talk}");
        let id = talk.lines().find_map(|line| line.strip_prefix("id ")).unwrap().split_whitespace().next().unwrap();
        let command: Vec<_> = explain.trim_matches('`').split(' ').skip(1).chain([id]).collect();
        assert!(common::good(dir.path(), &command).contains(id), "{command:?}");
    }
}

/// A provider of one answer.
fn answering(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut asked, _) = listener.accept().unwrap();
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains("\"messages\"") {
            let mut piece = [0; 4_096];
            let length = asked.read(&mut piece).unwrap();
            read.extend_from_slice(&piece[..length]);
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
        write!(asked, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
    });
    address
}

const ANSWER: &str = r#"{"id":"1","object":"chat.completion","created":1,"model":"small","choices":[{"index":0,"message":{"role":"assistant","content":"Paris"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}}"#;

#[test]
fn the_reply_as_json_has_what_was_decided_beside_it() {
    let dir = common::folder(&common::LADDER.replace("127.0.0.1:1", &answering(ANSWER)));
    let (code, out, talk) = common::tierway(dir.path(), &["ask", "--json", "--model", "nano", "Where is the Louvre?"]);
    assert_eq!(code, 0, "{talk}");
    let reply: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(reply["choices"][0]["message"]["content"], "Paris");
    let mut told = reply["tierway"].clone();
    let id = told.as_object_mut().unwrap().remove("request_id").unwrap();
    common::good(dir.path(), &["explain", id.as_str().unwrap()]);
    let want = serde_json::json!({
        "tier": "nano", "model": "p/small", "reason": "requested_tier", "input_tokens": 1000, "output_tokens": 100,
        "cost_usd": 0.00021, "baseline_usd": 0.0065,
    });
    assert_eq!(told, want);
}

/// What a provider says of a request without a key does not say that it has none.
#[test]
fn a_question_that_failed_says_which_key_is_missing() {
    let config = common::LADDER.replace("/v1\"\n", "/v1\"\nkey_env = \"SOME_KEY\"\n");
    let dir = common::folder(&config);
    let (code, _, talk) = common::tierway(dir.path(), &["ask", "hi"]);
    assert!(code == 1 && talk.contains("warning: provider `p`: environment variable SOME_KEY is not set"), "{talk}");
    let (code, _, talk) = common::ended(common::command(dir.path(), &["ask", "hi"]).env("SOME_KEY", "sk-good"));
    assert!(code == 1 && !talk.contains("SOME_KEY"), "{talk}");
}
