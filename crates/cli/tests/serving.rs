//! `serve` under what operators do to it: signals at any time, limits of the system, a log that programs read.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

mod common;

use common::{LADDER, PROGRAM, command, folder};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A debug build on a busy machine does everything within this.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that serves, and what it says line by line.
struct Serving {
    child: Child,
    said: Receiver<String>,
}

impl Serving {
    fn start(command: &mut Command) -> Self {
        let mut child = command.env("TIERWAY_LISTEN", "127.0.0.1:0").stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let (say, said) = channel();
        std::thread::spawn(move || lines.for_each(|line| drop(say.send(line))));
        Self { child, said }
    }

    /// The first line with these words; what came before goes to `before`.
    #[track_caller]
    fn hear(&self, words: &str, before: &mut Vec<String>) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no `{words}` in {before:#?}"));
            before.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn ends(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(line: &str) -> SocketAddr {
    let rest = line.split("listens on http://").nth(1).unwrap();
    rest.split(|letter: char| letter != '.' && letter != ':' && !letter.is_ascii_digit())
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

fn ask(address: SocketAddr, line: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_limit_on_the_size_of_files_is_a_full_disk_and_no_end() {
    let dir = folder(LADDER);
    let mut limited = Command::new("sh");
    limited
        .current_dir(dir.path())
        .env_clear()
        .args(["-c", &format!("ulimit -f 300; exec {PROGRAM} serve --workers 1")]);
    let mut serving = Serving::start(&mut limited);
    let mut said = Vec::new();
    let address = address(&serving.hear("listens on", &mut said));
    let body = r#"{"model":"nano","messages":[{"role":"user","content":"hi"}]}"#;
    for _ in 0..300 {
        let answer = ask(address, "POST /v1/chat/completions", body);
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        if serving.said.try_iter().any(|line| line.contains("records are not being written")) {
            assert!(ask(address, "GET /healthz", "").starts_with("HTTP/1.1 200"));
            assert_eq!(serving.child.try_wait().unwrap(), None);
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the limit was never met");
}

/// Neither ends a start by itself: the one is for later, the other an end in good order.
#[test]
fn a_signal_during_a_start_that_takes_long_is_heard() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = folder(LADDER);
    let url = format!("postgres://u@{}/d", silent.local_addr().unwrap());
    let mut serving = Serving::start(command(dir.path(), &["serve"]).env("TIERWAY_LEDGER", url));
    // It connects, so it has begun.
    let _begun = silent.accept().unwrap();
    serving.signal("-HUP");
    serving.signal("-TERM");
    assert_eq!(serving.ends(), Some(0));
}

#[test]
fn every_line_of_a_log_in_json_is_json_and_reloads_are_counted() {
    let dir = folder(LADDER);
    let write = |text: &str| std::fs::write(dir.path().join("tierway.toml"), text).unwrap();
    let mut serving = Serving::start(&mut command(dir.path(), &["serve", "--log-json", "--workers", "1"]));
    let mut said = Vec::new();
    let address = address(&serving.hear("listens on", &mut said));
    write("[rooting]\n");
    serving.hear("the old config stays in force", &mut said);
    write(&format!("[providers.openai]\nkind = \"openai\"\n{LADDER}"));
    serving.hear("is in force", &mut said);
    let metrics = ask(address, "GET /metrics", "");
    for result in ["ok", "failed"] {
        let series = format!("tierway_config_reloads_total{{result=\"{result}\"}} 1");
        assert!(metrics.contains(&series), "{series}: {metrics}");
    }
    assert!(metrics.contains("tierway_active_requests 0"), "the question itself is none: {metrics}");
    assert!(!metrics.contains("tierway_shared_up"), "nothing is shared");
    serving.signal("-TERM");
    assert_eq!(serving.ends(), Some(0));
    said.extend(serving.said.iter());
    let line =
        |words: &str| said.iter().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {said:#?}"));
    assert!(line("old config stays").contains("\"level\":\"WARN\"") && line("rooting").contains("\"level\":\"WARN\""));
    assert!(line("OPENAI_API_KEY is not set").contains("\"level\":\"WARN\""), "a reload says it, too");
    for line in &said {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["timestamp"].is_string() && event["level"].is_string(), "{line}");
    }
}

/// A listener that is taken is blamed on the setting that names it.
#[test]
fn an_address_that_is_taken_is_told_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!("[server]\nadmin_listen = \"{}\"\n{LADDER}", taken.local_addr().unwrap());
    let dir = folder(&config);
    let (code, _, talk) = common::ended(command(dir.path(), &["serve"]).env("TIERWAY_LISTEN", "127.0.0.1:0"));
    assert!(code == 1 && talk.contains("choose another address with `[server] admin_listen`"), "{talk}");
}
