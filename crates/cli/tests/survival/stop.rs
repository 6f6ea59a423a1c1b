//! Told to stop in the middle of five hundred streams: those that can finish do, the others end with a clear error, and
//! each has its row.

use crate::client::{Client, rest};
use crate::process::Process;
use http_body_util::BodyExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tierway_testkit::{Pace, Traits, Upstream};
use tierway_wire::Format;

const STREAMS: usize = 500;
const GRACE: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_streams_end_well_or_with_an_error_and_have_their_rows() {
    let upstream = Upstream::start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let process = start(&upstream, dir.path(), GRACE);
    let client = Arc::new(Client::of(process.address));
    let begun: Vec<_> = (0..STREAMS).map(|number| tokio::spawn(begin(client.clone(), number))).collect();
    let mut open = Vec::new();
    for stream in begun {
        open.push(stream.await.unwrap());
    }
    let reading: Vec<_> = open.into_iter().map(|(answer, first)| tokio::spawn(rest(answer, first))).collect();
    let began = Instant::now();
    let stopping = tokio::task::spawn_blocking(move || process.stop());
    let mut ended = [0, 0];
    for (number, stream) in reading.into_iter().enumerate() {
        let reply = stream.await.unwrap();
        let (done, error) = (reply.body.contains("data: [DONE]"), reply.body.contains("shutting down"));
        assert!(!reply.broken && (done ^ error), "stream {number}: {}", reply.body);
        // Nobody is told that a cut answer is whole.
        assert_eq!(done, reply.body.contains("\"finish_reason\":\"stop\""), "stream {number}");
        assert_eq!(done, number.is_multiple_of(2), "stream {number}: {}", reply.body);
        ended[usize::from(error)] += 1;
    }
    stopping.await.unwrap();
    let took = began.elapsed();
    println!("{} streams finished, {} ended with an error; stopped in {} ms", ended[0], ended[1], took.as_millis());
    assert!(took < GRACE + Duration::from_secs(5), "{took:?}");
    assert_eq!(super::costs::rows(dir.path()).len(), STREAMS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_interrupt_ends_it_at_once_with_everything_recorded() {
    let upstream = Upstream::start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    // Far longer than anybody waits: what ends it is the second interrupt, or nothing.
    let process = start(&upstream, dir.path(), Duration::from_secs(3_600));
    let (answer, first) = begin(Arc::new(Client::of(process.address)), 1).await;
    process.signal("-INT");
    process.hear("stopping; requests in progress may finish (Ctrl-C again ends now)");
    // Supervisors repeat this one, and mean no hurry by it.
    process.signal("-TERM");
    tokio::time::sleep(Duration::from_secs(1)).await;
    process.signal("-INT");
    process.hear("ending now; records are written first");
    let stopping = tokio::task::spawn_blocking(move || process.ends_well());
    let reply = rest(answer, first).await;
    assert!(!reply.broken && reply.body.contains("shutting down"), "{}", reply.body);
    assert!(reply.body.matches("\"content\":\"").count() > 3, "it went on until then: {}", reply.body);
    stopping.await.unwrap();
    assert_eq!(super::costs::rows(dir.path()).len(), 1);
}

/// A router with two tiers: answers of `short` end within seconds, those of `long` much later.
fn start(upstream: &Upstream, dir: &Path, grace: Duration) -> Process {
    let paced = |tokens, ms: u64| Traits {
        answer_tokens: tokens,
        pace: Pace { first_ms: 0, per_token_us: ms * 1_000 },
        ..Traits::default()
    };
    upstream.traits("short", paced(40, 50));
    upstream.traits("long", paced(400, 200));
    let path = dir.join("tierway.toml");
    let tier = |name: &str| {
        format!(
            "[[tiers]]\nname = \"{name}\"\nprovider = \"p\"\nmodel = \"{name}\"\nprice = {{ input = 1, output = 2 }}\n"
        )
    };
    let url = upstream.url();
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ngrace_seconds = {}\n[providers.p]\nkind = \"openai_compatible\"\nbase_url = \"{url}/v1\"\n{}{}[routing]\nbaseline = \"long\"\n[ledger]\npath = \"costs.db\"\n",
        grace.as_secs(),
        tier("short"),
        tier("long")
    );
    std::fs::write(&path, text).unwrap();
    Process::start(&path)
}

/// A stream whose first content has come.
async fn begin(client: Arc<Client>, number: usize) -> (tierway::WireAnswer, String) {
    let model = if number.is_multiple_of(2) { "short" } else { "long" };
    let body = format!(
        "{{\"model\":\"{model}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"{number}\"}}]}}"
    );
    let mut answer = client.begin(Format::OpenaiChat, &[], body).await;
    assert_eq!(answer.status, 200);
    let mut text = String::new();
    while !text.contains("\"content\":\"") {
        let frame = answer.body.frame().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    (answer, text)
}
