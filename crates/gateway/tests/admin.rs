//! `admin_listen`: what operators read has an address of its own, and clients find none of it at theirs.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use tierway_gateway::Gateway;

fn start(more: &str) -> (Gateway, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
{more}
[providers.p]
kind = "openai_compatible"
base_url = "http://127.0.0.1:9/v1"
[[tiers]]
name = "standard"
targets = [{{ provider = "p", model = "m", price = {{ input = 1.0, output = 2.0 }} }}]
[dispatch]
max_attempts = 1
[ledger]
path = "{}/admin.db"
"#,
        dir.path().display()
    );
    let config = tierway_config::parse(&text, "admin.toml", &|_| None).unwrap();
    (Gateway::start(&config, 2).unwrap(), dir)
}

fn ask(address: SocketAddr, line: &str, body: &str) -> (u16, String) {
    ask_as(address, line, "*/*", body)
}

fn ask_as(address: SocketAddr, line: &str, accept: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{line} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    (reply[9..12].parse().unwrap(), reply)
}

const QUESTION: &str = r#"{"model":"standard","messages":[{"role":"user","content":"hi"}]}"#;
/// What is asked, and with what status it ends where it is served. The provider is not there: 502 is an answer.
const QUESTIONS: &[(&str, &str, u16, bool)] = &[
    ("GET /metrics", "", 200, true),
    ("GET /dashboard", "", 200, true),
    ("GET /dashboard/app.js", "", 200, true),
    ("GET /openapi.json", "", 200, true),
    ("GET /api/v1/targets", "", 200, true),
    ("POST /api/v1/route", QUESTION, 200, true),
    ("GET /v1/models", "", 200, false),
    ("POST /v1/chat/completions", QUESTION, 502, false),
];

/// Both say where things are, each what it has.
#[test]
fn the_root_leads_on() {
    let (gateway, _dir) = start("admin_listen = \"127.0.0.1:0\"");
    let (clients, operators) = (gateway.address(), gateway.admin_address().unwrap());
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    let (status, reply) = ask_as(operators, "GET /", browser, "");
    assert!(status == 302 && reply.contains("location: /dashboard\r\n"), "{reply}");
    for (address, accept, own, others) in [
        (clients, browser, "\"api\":\"/v1\"", "dashboard"),
        (clients, "*/*", "\"health\":\"/healthz\"", "openapi"),
        (operators, "*/*", "\"dashboard\":\"/dashboard\"", "\"/v1\""),
    ] {
        let (status, reply) = ask_as(address, "GET /", accept, "");
        assert!(status == 200 && reply.contains(own) && !reply.contains(others), "{reply}");
    }
    assert_eq!(ask(clients, "POST /", "{}").0, 404);
}

#[test]
fn each_address_serves_its_own_and_nothing_else() {
    let (gateway, _dir) = start("admin_listen = \"127.0.0.1:0\"");
    let (clients, operators) = (gateway.address(), gateway.admin_address().unwrap());
    for (line, body, status, for_operators) in QUESTIONS {
        let (here, there) = if *for_operators { (operators, clients) } else { (clients, operators) };
        assert_eq!(ask(here, line, body).0, *status, "{line}");
        let (status, reply) = ask(there, line, body);
        assert!(status == 404 && reply.contains("listen` in"), "{line}: {reply}");
    }
    for address in [clients, operators] {
        assert_eq!(ask(address, "GET /healthz", "").0, 200);
    }
    // Counted where clients are served, told where operators read.
    let page = ask(operators, "GET /metrics", "").1;
    assert!(page.contains("tierway_active_requests 0") && page.contains("status=\"failed\""), "{page}");
    gateway.stop().unwrap();
}

#[test]
fn without_it_one_address_serves_all() {
    let (gateway, _dir) = start("");
    assert_eq!(gateway.admin_address(), None);
    for (line, body, status, _) in QUESTIONS {
        assert_eq!(ask(gateway.address(), line, body).0, *status, "{line}");
    }
    gateway.stop().unwrap();
}
