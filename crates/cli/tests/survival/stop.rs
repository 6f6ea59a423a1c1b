//! Told to stop in the middle of five hundred streams: those that can finish do, the others end with a clear error, and
//! each has its row.

use crate::client::{Client, rest};
use crate::process::Process;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tierway_testkit::{Pace, Traits, Upstream};
use tierway_wire::Format;

const STREAMS: usize = 500;
const GRACE: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_streams_end_well_or_with_an_error_and_have_their_rows() {
    let upstream = Upstream::start().await.unwrap();
    // One ends within the grace time, the other long after it.
    let paced = |tokens, ms: u64| Traits {
        answer_tokens: tokens,
        pace: Pace { first_ms: 0, per_token_us: ms * 1_000 },
        ..Traits::default()
    };
    upstream.traits("short", paced(40, 50));
    upstream.traits("long", paced(400, 200));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tierway.toml");
    let tier = |name: &str| {
        format!(
            "[[tiers]]\nname = \"{name}\"\nprovider = \"p\"\nmodel = \"{name}\"\nprice = {{ input = 1, output = 2 }}\n"
        )
    };
    let url = upstream.url();
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ngrace_seconds = {}\n[providers.p]\nkind = \"openai_compatible\"\nbase_url = \"{url}/v1\"\n{}{}[routing]\nbaseline = \"long\"\n[ledger]\npath = \"costs.db\"\n",
        GRACE.as_secs(),
        tier("short"),
        tier("long")
    );
    std::fs::write(&path, text).unwrap();
    let process = Process::start(&path);
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
