//! Money and speed of keys, teams and users, through the door of a running process.

use crate::client::{Client, Received, rest};
use crate::common::good;
use crate::process::Process;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tierway_testkit::{Fault, Plan, Upstream};
use tierway_wire::Format;

/// SHA-256 of `app`, the one key.
pub(crate) const HASH: &str = "sha256:a172cedcae47474b615c54d510a5d84a8dea3032e958587430b413538be3f333";
const KEY: (&str, &str) = ("authorization", "Bearer app");

/// A cheap and a dear tier, and the key `app` of the team `web` with these bounds.
fn config(dir: &Path, url: &str, key: &str, more: &str) -> PathBuf {
    let tier = |name: &str, input: u32, output: u32| {
        format!(
            "[[tiers]]\nname = \"{name}\"\ntargets = [{{ provider = \"p\", model = \"{name}-1\", max_output = 100000, price = {{ input = {input}, output = {output} }} }}]\n"
        )
    };
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[providers.p]\nkind = \"openai_compatible\"\nbase_url = \"{url}/v1\"\n\
         {}{}[ledger]\npath = \"b.db\"\ndurability = \"strict\"\n\
         [[keys]]\nname = \"app\"\nteam = \"web\"\nscope = \"admin\"\nhash = \"{HASH}\"\n{key}\n{more}",
        tier("nano", 1, 2),
        tier("standard", 5, 10),
    );
    let path = dir.join("tierway.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn body(model: &str) -> String {
    json!({"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": "Hello"}]}).to_string()
}

pub(crate) async fn ask(client: &Client, model: &str, headers: &[(&'static str, &'static str)]) -> Received {
    let headers: Vec<_> = headers.iter().copied().chain([KEY]).collect();
    rest(client.begin(Format::OpenaiChat, &headers, body(model)).await, String::new()).await
}

pub(crate) fn error(reply: &Received) -> (u16, String, String) {
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    let text = |field: &str| body["error"][field].as_str().unwrap_or_default().to_owned();
    (reply.status, text("code"), text("message"))
}

/// A gauge of the budget of `app`, dollars.
pub(crate) async fn gauge(process: &Process, what: &str) -> f64 {
    series(process, &format!("tierway_budget_usd{{kind=\"key\",name=\"app\",what=\"{what}\"}}")).await
}

/// One series of the metrics page.
pub(crate) async fn series(process: &Process, name: &str) -> f64 {
    let address = process.address;
    let page = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let head = "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer app\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    });
    let (page, name) = (page.await.unwrap(), format!("{name} "));
    page.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

pub(crate) async fn settled(process: &Process) {
    let began = Instant::now();
    while gauge(process, "reserved").await != 0.0 {
        assert!(began.elapsed() < Duration::from_secs(30), "something stays reserved");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn start(config: PathBuf) -> Process {
    tokio::task::spawn_blocking(move || Process::start(&config)).await.unwrap()
}

pub(crate) async fn stop(process: Process) {
    tokio::task::spawn_blocking(move || process.stop()).await.unwrap();
}

/// What one request of ours may cost at worst, as the refusal says.
async fn worst(dir: &Path, url: &str) -> f64 {
    let process = start(config(dir, url, "budget = \"0.000000000001/total\"", "")).await;
    let (status, code, message) = error(&ask(&Client::of(process.address), "nano", &[]).await);
    assert_eq!((status, &*code), (429, "insufficient_quota"), "{message}");
    stop(process).await;
    let after = message.split("it may cost up to ").nth(1).unwrap();
    after.split(". ").next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_first_requests_spend_a_budget_for_ten_and_no_more() {
    let upstream = Upstream::start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let worst = worst(dir.path(), &upstream.url()).await;
    assert!((0.002..0.003).contains(&worst), "a thousand output tokens and a few of input: {worst}");
    let budget = format!("budget = \"{:.9}/month\"", worst * 10.5);
    // Nobody has ended before everybody has asked.
    upstream.plan("nano-1", Plan::always(Fault::SlowHeaders { ms: 8_000 }));
    let file = config(dir.path(), &upstream.url(), &budget, "");
    let process = start(file.clone()).await;
    let client = Client::of(process.address);
    let replies = join_all((0..500).map(|_| ask(&client, "nano", &[]))).await;
    let answered = replies.iter().filter(|reply| reply.status == 200).count();
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status != 200).map(error).collect();
    assert_eq!(answered, 10, "{:?}", refused.first());
    assert!(refused.iter().all(|(status, code, _)| (*status, &**code) == (429, "budget_reserved")), "{refused:?}");
    assert_eq!(upstream.calls_of("nano-1").len(), 10);
    settled(&process).await;
    let spent = gauge(&process, "spent").await;
    assert!(spent > 0.0 && spent < worst * 10.0, "{spent}");

    // What was settled stands in the rows, what was only reserved dies with the process.
    let hanging: Vec<_> = (0..3).map(|_| Box::pin(ask(&client, "nano", &[]))).collect();
    let _ = tokio::time::timeout(Duration::from_secs(2), join_all(hanging)).await;
    let hung = (0..3).map(|_| {
        let client = Client::of(process.address);
        tokio::spawn(async move { client.begin(Format::OpenaiChat, &[KEY], body("nano")).await.status })
    });
    let hung: Vec<_> = hung.collect();
    let began = Instant::now();
    while gauge(&process, "reserved").await == 0.0 {
        assert!(began.elapsed() < Duration::from_secs(7), "nothing is reserved");
    }
    process.kill();
    hung.iter().for_each(tokio::task::JoinHandle::abort);
    let process = start(file).await;
    assert_eq!(gauge(&process, "reserved").await, 0.0);
    let again = gauge(&process, "spent").await;
    assert!((again - spent).abs() < worst, "{again} after the restart, {spent} before");
    assert!(again >= spent, "{again} after the restart, {spent} before");
    upstream.plan("nano-1", Plan::default());
    assert_eq!(ask(&Client::of(process.address), "nano", &[]).await.status, 200);
    stop(process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_is_nearly_spent_pays_for_cheaper_tiers_until_it_is_spent() {
    let upstream = Upstream::start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    // One answer of the dear tier costs more than a hundredth of a cent, which is where the key steps down.
    let budget = "budget = \"0.1/day\"\nstep_down_to = \"nano\"";
    let more = "[budgets]\nstep_down_at = 0.001\nalarm_at = 0.001\n";
    let process = start(config(dir.path(), &upstream.url(), budget, more)).await;
    let client = Client::of(process.address);
    let first = ask(&client, "standard", &[]).await;
    assert_eq!((first.header("x-tierway-tier"), first.header("x-tierway-budget")), ("standard", ""));
    let second = ask(&client, "standard", &[]).await;
    assert_eq!((second.status, second.header("x-tierway-tier")), (200, "nano"));
    let told = second.header("x-tierway-budget");
    assert!(told.starts_with("stepped down to nano: ") && told.contains("of 0.1/day of key `app`"), "{told}");
    let (status, code, _) = error(&ask(&client, "standard-1", &[]).await);
    assert_eq!((status, &*code), (403, "tier_not_allowed"));
    let id = second.header("x-tierway-request-id").to_owned();
    let explained = good(dir.path(), &["explain", &id]);
    assert!(explained.contains("most of the caller's budget is spent"), "{explained}");
    stop(process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_tokens_a_minute_of_keys_teams_and_users() {
    let upstream = Upstream::start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let more = "[teams.web]\nrpm = 6\n[users.ann]\nrpm = 1\n[users.bob]\ntpm = 1500\n";
    let process = start(config(dir.path(), &upstream.url(), "rpm = 20", more)).await;
    let client = Client::of(process.address);
    // The team is the tightest of the two.
    let reply = ask(&client, "nano", &[]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("x-ratelimit-limit-requests"), "6");
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), "5");
    assert!(reply.header("x-ratelimit-reset-requests").ends_with("ms"));

    assert_eq!(ask(&client, "nano", &[("x-tierway-user", "ann")]).await.status, 200);
    let reply = ask(&client, "nano", &[("x-tierway-user", "ann")]).await;
    let (status, code, message) = error(&reply);
    assert_eq!((status, &*code), (429, "rate_limit_exceeded"), "{message}");
    assert!(message.contains("user `ann` is at its 1 requests a minute"), "{message}");
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((50..=60).contains(&wait), "{wait}");

    // A thousand tokens of output are taken at first, a few were used: the next one fits again.
    for _ in 0..2 {
        assert_eq!(ask(&client, "nano", &[("x-tierway-user", "bob")]).await.status, 200);
    }
    // What ann was refused took nothing from her team: five were served, one is left.
    assert_eq!(ask(&client, "nano", &[]).await.header("x-ratelimit-remaining-requests"), "1");
    assert_eq!(ask(&client, "nano", &[]).await.status, 200);
    assert!(error(&ask(&client, "nano", &[]).await).2.contains("team `web` is at its 6 requests a minute"));
    stop(process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_reaches_its_marks_is_told_to_the_chat() {
    let upstream = Upstream::start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let chat = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    std::fs::write(dir.path().join("chat"), format!("http://{}/T0/secret", chat.local_addr().unwrap())).unwrap();
    let heard = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = chat.accept().unwrap();
        let mut text = String::new();
        let mut room = [0; 4096];
        while !text.ends_with('}') {
            let count = stream.read(&mut room).unwrap();
            text += std::str::from_utf8(&room[..count]).unwrap();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
        text
    });
    let more = "[budgets]\nalarm_at = 0.0001\nwebhook = \"file:chat\"\n";
    let process = start(config(dir.path(), &upstream.url(), "budget = \"0.1/day\"", more)).await;
    assert_eq!(ask(&Client::of(process.address), "nano", &[]).await.status, 200);
    let posted = tokio::time::timeout(Duration::from_secs(20), heard).await.unwrap().unwrap();
    assert!(posted.starts_with("POST /T0/secret"), "{posted}");
    assert!(
        posted.contains("of the budget of key `app` is spent") && posted.contains("of 0.1/day dollars"),
        "{posted}"
    );
    stop(process).await;
}
