//! `scenario NAME COUNT` does one thing COUNT times, for `scripts/bench-instructions` to count.
//!
//! What a scenario needs beforehand is done once; the script takes the difference between two counts, so it drops out.
//!
//! Some are for people: `scenario sustain SECONDS` writes 20,000 records a second into SQLite for so long and says what became
//! of them; `scenario decide-times COUNT` and `scenario load-times COUNT` say how long decisions, and loading what they are
//! made with, take by the clock.

use bytes::Bytes;
use http_body::Body;
use std::future::poll_fn;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tierway::{Call, Router, Sink, Timeouts, Upstream};
use tierway_bench::canned::Canned;
use tierway_bench::{Failed, times, traffic};
use tierway_decide::{CallRecord, RequestId};
use tierway_gateway::Gateway;
use tierway_ledger::{Ledger, Options};
use tierway_wire::Format;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Characters of a whole answer.
const ANSWER: usize = 400;
/// Tokens of a streamed answer.
const TOKENS: usize = 100;
/// Records in one group of the ledger.
const GROUP: usize = 256;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    tierway_bench::exit(match &args[..] {
        [name, count] => count.parse().map_err(Failed::from).and_then(|count| run(name, count)),
        _ => Err("usage: scenario NAME COUNT".into()),
    })
}

fn run(name: &str, count: usize) -> Result<(), Failed> {
    match name {
        "decode-1k" => decode(1_000, count),
        "decide-1k" => decide(1_000, count),
        "decide-2k" => decide(2_000, count),
        "decide-200k" => decide(200_000, count),
        "walk-whole" => walk([traffic::answer(ANSWER)], false, count),
        "walk-stream" => walk(traffic::events(TOKENS), true, count),
        "record" => record(count),
        "request" => request(count),
        "sustain" => sustain(count),
        "decide-times" => times::decisions(&router(Canned::new([]), None)?, count),
        "load-times" => times::loading(count),
        _ => Err(format!("there is no scenario `{name}`").into()),
    }
}

/// Bytes of a request to its outline.
fn decode(chars: usize, count: usize) -> Result<(), Failed> {
    let body = traffic::request("auto", chars, false);
    for _ in 0..count {
        black_box(tierway_wire::outline(Format::OpenaiChat, black_box(body.as_bytes()))?);
    }
    Ok(())
}

/// Outline to decision: features, prediction, rules, choice.
fn decide(chars: usize, count: usize) -> Result<(), Failed> {
    let router = router(Canned::new([]), None)?;
    let call = Call::new(Format::OpenaiChat, traffic::request("auto", chars, false));
    let (outline, _) = tierway_wire::outline(call.format, &call.body)?;
    for _ in 0..count {
        black_box(router.decide(black_box(&call), &outline).map_err(|refusal| refusal.error.message)?);
    }
    Ok(())
}

/// Requests through the router, without HTTP on either side and without a store.
fn walk(pieces: impl IntoIterator<Item = String>, stream: bool, count: usize) -> Result<(), Failed> {
    let router = router(Canned::new(pieces), None)?;
    let body = Bytes::from(traffic::request("auto", 1_000, stream));
    runtime()?.block_on(async {
        for _ in 0..count {
            chat(&router, body.clone()).await?;
        }
        Ok(())
    })
}

async fn chat(router: &Router, body: Bytes) -> Result<(), Failed> {
    let reply = router.chat(Call::new(Format::OpenaiChat, body)).await;
    if reply.status != 200 {
        return Err(format!("HTTP {}", reply.status).into());
    }
    let mut body = pin!(reply.body);
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        black_box(frame?);
    }
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn router(provider: Canned, sink: Option<Arc<dyn Sink>>) -> Result<Router, Failed> {
    let config = traffic::config("127.0.0.1:9", "unused.db")?;
    let upstream = Upstream { provider: Arc::new(provider), timeouts: Timeouts::default() };
    let mut router = Router::builder(Arc::new(tierway_gateway::setup(&config)?)).upstream("fake", upstream);
    if let Some(sink) = sink {
        router = router.sink(sink);
    }
    Ok(router.build())
}

/// Records through the door and into SQLite, in groups.
fn record(count: usize) -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let options = Options { group_every: Duration::from_secs(600), ..Options::default() };
    let ledger = Ledger::open(dir.path().join("ledger.db"), options)?;
    let sample = sample_record()?;
    for at in (0i64..).take(count) {
        let id = RequestId::from_i64(sample.id.as_i64() + at * 1_000_000);
        if !ledger.offer(CallRecord { id, ..sample.clone() }) {
            return Err("the ledger is full".into());
        }
        if at % GROUP as i64 == GROUP as i64 - 1 {
            ledger.flush(Duration::from_secs(60))?;
        }
    }
    Ok(ledger.close()?)
}

/// Records offered in each [`TICK`] of `sustain`.
const A_TICK: i64 = 200;
const TICK: Duration = Duration::from_millis(10);

/// Twenty thousand records a second for so many seconds, with the ledger's usual options.
fn sustain(seconds: usize) -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let ledger = Ledger::open(dir.path().join("ledger.db"), Options::default())?;
    let sample = sample_record()?;
    let (began, mut deepest, mut latest) = (Instant::now(), 0, Duration::ZERO);
    for tick in (0i64..).take(100 * seconds) {
        let due = TICK * u32::try_from(tick)?;
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        latest = latest.max(began.elapsed().saturating_sub(due));
        for at in 0..A_TICK {
            // A microsecond apart in the ids: all in a few hours, as in life.
            let id = RequestId::from_i64(sample.id.as_i64() + (tick * A_TICK + at) * 4_096);
            ledger.offer(CallRecord { id, ..sample.clone() });
        }
        deepest = deepest.max(ledger.counters().queue_depth);
    }
    ledger.flush(Duration::from_secs(60))?;
    let counters = serde_json::to_value(ledger.counters())?;
    let took = began.elapsed().as_secs_f64();
    tierway_bench::print(&serde_json::json!({
        "counters": counters, "deepest_queue": deepest, "seconds_until_all_was_written": took,
        "latest_offer_ms": latest.as_secs_f64() * 1e3,
    }));
    Ok(ledger.close()?)
}

#[derive(Default)]
struct Keep(Mutex<Option<CallRecord>>);

impl Sink for Keep {
    fn offer(&self, record: Box<CallRecord>) {
        if let Ok(mut kept) = self.0.lock() {
            *kept = Some(*record);
        }
    }
}

/// The record of a request that went through the router.
fn sample_record() -> Result<CallRecord, Failed> {
    let keep = Arc::new(Keep::default());
    let router = router(Canned::new([traffic::answer(ANSWER)]), Some(keep.clone()))?;
    runtime()?.block_on(chat(&router, traffic::request("auto", 1_000, false).into()))?;
    let kept = keep.0.lock().map_err(|_| "a bug")?.take();
    kept.ok_or_else(|| "no record was offered".into())
}

/// Whole requests through the running gateway: HTTP on both sides, key, metrics and ledger. Client and upstream are
/// threads of this process, as bare as can be.
fn request(count: usize) -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let upstream = TcpListener::bind("127.0.0.1:0")?;
    let ledger = dir.path().join("ledger.db");
    let mut config = traffic::config(&upstream.local_addr()?.to_string(), &ledger.to_string_lossy())?;
    config.server.listen.set_port(0);
    std::thread::spawn(move || answer_all(&upstream));
    let gateway = Gateway::start(&config, 1)?;
    let mut client = TcpStream::connect(gateway.address())?;
    client.set_nodelay(true)?;
    let body = traffic::request("auto", 1_000, false);
    let (key, length) = (traffic::KEY, body.len());
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..count {
        client.write_all(request.as_bytes())?;
        let size = read_message(&mut client, &mut buffer)?;
        if !buffer.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(&buffer[..size]).into_owned().into());
        }
    }
    drop(client);
    Ok(gateway.stop()?)
}

/// The upstream: the same answer to everything.
fn answer_all(listener: &TcpListener) {
    let body = traffic::answer(ANSWER);
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    let reply = head + &body;
    let mut buffer = vec![0; 64 * 1024];
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let _ = stream.set_nodelay(true);
        while read_message(&mut stream, &mut buffer).is_ok() && stream.write_all(reply.as_bytes()).is_ok() {}
    }
}

/// Reads one message that has a `content-length`; gives its size.
fn read_message(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        if whole_size(&buffer[..filled]).is_some_and(|size| size <= filled) {
            return Ok(filled);
        }
    }
}

fn whole_size(message: &[u8]) -> Option<usize> {
    let find = |wanted: &[u8]| message.windows(wanted.len()).position(|window| window == wanted);
    let head = find(b"\r\n\r\n")?;
    let digits = &message[find(b"content-length: ")? + 16..];
    let digits = &digits[..digits.iter().position(|byte| !byte.is_ascii_digit())?];
    Some(head + 4 + std::str::from_utf8(digits).ok()?.parse::<usize>().ok()?)
}
