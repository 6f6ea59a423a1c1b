//! `load ADDRESS HOW..`: requests against one address, and what became of them as a line of JSON; for `scripts/bench-load`.
//!
//!     load ADDRESS closed CONNECTIONS SECONDS [stream TOKENS PAUSE_MS]   each connection asks again when it has its answer
//!     load ADDRESS open RATE SECONDS [stream TOKENS PAUSE_MS]            so many a second, however long answers take
//!     load ADDRESS hold STREAMS SECONDS                                  so many streams at once, a token a second
//!     load ADDRESS closed|open .. prompt CHARACTERS                      another length of the prompt than 1,000
//!
//! Times of an open load count from when a request was due, so that a stall shows in every request that it held up. It has
//! a bounded number of connections, as any client has: what is due while all of them wait for answers is turned away, and
//! counted. So it can offer more than anybody can take.

use serde_json::json;
use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tierway_bench::wire::{Wire, post};
use tierway_bench::{Failed, traffic};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinSet, LocalSet};

/// Characters of a prompt.
const PROMPT: usize = 1_000;
/// Connections of an open load. At 20,000 answers a second the last of so many waits for a tenth of a second, and both ends
/// of all of them are less than the files that a process may have open.
const MOST_OPEN: usize = 2_000;
/// How a server says that it has no room for a request now.
const OVERLOADED: u16 = 503;
/// Requests of the first second are not counted: connections are made in it.
const WARM_UP: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let local = LocalSet::new();
    tierway_bench::exit(tierway_bench::block_on(local.run_until(run(&words))))
}

async fn run(words: &[&str]) -> Result<(), Failed> {
    let [address, how, count, seconds, stream @ ..] = words else {
        return Err(
            "usage: load ADDRESS closed|open|hold COUNT SECONDS [stream TOKENS PAUSE_MS | prompt CHARACTERS]".into()
        );
    };
    let (count, seconds): (u64, u64) = (count.parse()?, seconds.parse()?);
    let body = match stream {
        ["stream", tokens, pause_ms] => traffic::stream_request(PROMPT, tokens.parse()?, pause_ms.parse()?),
        ["prompt", chars] => traffic::request("auto", chars.parse()?, false),
        [] if *how == "hold" => traffic::stream_request(PROMPT, seconds, 1_000),
        [] => traffic::request("auto", PROMPT, false),
        _ => return Err(format!("not understood: {}", stream.join(" ")).into()),
    };
    let load = Rc::new(Load {
        address: (*address).to_owned(),
        request: post(address, traffic::KEY, &body),
        idle: RefCell::default(),
        seen: RefCell::default(),
        counted_from: Instant::now() + WARM_UP,
        counted_to: Instant::now() + WARM_UP + Duration::from_secs(seconds),
    });
    match *how {
        "closed" => load.closed(count).await,
        "open" => load.open(pace(count, load.counted_to)).await,
        "hold" => load.hold(count).await,
        _ => return Err(format!("not understood: {how}").into()),
    }
    tierway_bench::print(&load.seen.take().summary(seconds));
    Ok(())
}

struct Load {
    address: String,
    request: Vec<u8>,
    idle: RefCell<Vec<Wire>>,
    seen: RefCell<Seen>,
    counted_from: Instant,
    counted_to: Instant,
}

/// What became of the requests that are counted; times in nanoseconds.
#[derive(Default)]
struct Seen {
    answered: u64,
    /// Answers and their tokens, those before and after the time that counts included.
    served: u64,
    served_tokens: u64,
    failed: u64,
    /// Told to come back later.
    refused: u64,
    /// Never sent: all connections were taken.
    turned_away: u64,
    tokens: u64,
    total: Vec<u64>,
    first_token: Vec<u64>,
    transit: Vec<u64>,
}

impl Load {
    async fn closed(self: &Rc<Self>, connections: u64) {
        let mut running = JoinSet::new();
        for _ in 0..connections {
            let load = self.clone();
            running.spawn_local(async move {
                while Instant::now() < load.counted_to {
                    load.ask(Instant::now()).await;
                }
            });
        }
        running.join_all().await;
    }

    async fn open(self: &Rc<Self>, mut due: UnboundedReceiver<Instant>) {
        let mut running = JoinSet::new();
        while let Some(due) = due.recv().await {
            while running.try_join_next().is_some() {}
            if running.len() >= MOST_OPEN {
                self.seen.borrow_mut().turned_away += u64::from(self.counts(due));
                continue;
            }
            let load = self.clone();
            running.spawn_local(async move { load.ask(due).await });
        }
        running.join_all().await;
    }

    /// All at once, begun over two seconds so that nobody's backlog overflows.
    async fn hold(self: &Rc<Self>, streams: u64) {
        let mut running = JoinSet::new();
        for at in 0..streams {
            let load = self.clone();
            running.spawn_local(async move {
                tokio::time::sleep(Duration::from_millis(2_000 * at / streams.max(1))).await;
                load.ask(load.counted_from).await;
            });
        }
        running.join_all().await;
    }

    /// One request, counted from when it was due.
    async fn ask(&self, due: Instant) {
        let mut one = One::default();
        let answered = self.exchange(&mut one).await;
        let seen = &mut *self.seen.borrow_mut();
        if matches!(answered, Ok(200)) {
            seen.served += 1;
            seen.served_tokens += one.transit.len() as u64;
        }
        if !self.counts(due) {
            return;
        }
        let since_due =
            |moment: Instant| u64::try_from(moment.saturating_duration_since(due).as_nanos()).unwrap_or(u64::MAX);
        match answered {
            Ok(OVERLOADED) => seen.refused += 1,
            Ok(200) => {
                seen.answered += 1;
                seen.total.push(since_due(Instant::now()));
                seen.first_token.extend(one.first_token.map(since_due));
                seen.tokens += one.transit.len() as u64;
                seen.transit.append(&mut one.transit);
            }
            Ok(_) | Err(_) => seen.failed += 1,
        }
    }

    fn counts(&self, due: Instant) -> bool {
        (self.counted_from..self.counted_to).contains(&due)
    }

    /// Gives the status of the answer.
    async fn exchange(&self, one: &mut One) -> Result<u16, Failed> {
        let idle = self.idle.borrow_mut().pop();
        let mut wire = match idle {
            Some(wire) => wire,
            None => Wire::new(TcpStream::connect(&self.address).await?)?,
        };
        wire.send(&self.request).await?;
        let head = wire.head().await?;
        wire.body(head, |piece| one.hear(piece)).await?;
        self.idle.borrow_mut().push(wire);
        Ok(head.status)
    }
}

/// What was heard of one answer.
#[derive(Default)]
struct One {
    first_token: Option<Instant>,
    transit: Vec<u64>,
}

impl One {
    /// Looks for tokens, which are the times at which they were sent.
    fn hear(&mut self, piece: &[u8]) {
        const BEFORE: &[u8] = b"\"delta\":{\"content\":\"";
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for at in memchr::memmem::find_iter(piece, BEFORE) {
            let digits = piece[at + BEFORE.len()..].iter().take_while(|byte| byte.is_ascii_digit());
            let sent_at = digits.fold(0, |number, digit| number * 10 + u128::from(digit - b'0'));
            self.transit.push(u64::try_from(now.as_nanos().saturating_sub(sent_at)).unwrap_or(u64::MAX));
            self.first_token.get_or_insert_with(Instant::now);
        }
    }
}

impl Seen {
    fn summary(mut self, seconds: u64) -> serde_json::Value {
        json!({
            "answered": self.answered, "failed": self.failed, "refused": self.refused, "turned_away": self.turned_away,
            "tokens": self.tokens, "served": self.served, "served_tokens": self.served_tokens,
            "per_second": self.answered as f64 / seconds.max(1) as f64,
            "total_us": percentiles(&mut self.total),
            "first_token_us": percentiles(&mut self.first_token),
            "transit_us": percentiles(&mut self.transit),
        })
    }
}

fn percentiles(nanos: &mut [u64]) -> serde_json::Value {
    nanos.sort_unstable();
    let at = |share: f64| {
        let place = (nanos.len().saturating_sub(1) as f64 * share).round();
        nanos.get(place as usize).map(|nanos| *nanos as f64 / 1e3)
    };
    json!({ "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0) })
}

/// Says when each request is due. A thread of its own: the timers of the runtime are a millisecond coarse.
fn pace(rate: u64, until: Instant) -> UnboundedReceiver<Instant> {
    let (say, due) = unbounded_channel();
    let gap = Duration::from_secs(1) / u32::try_from(rate.max(1)).unwrap_or(u32::MAX);
    std::thread::spawn(move || {
        let mut next = Instant::now();
        while next < until {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            if say.send(next).is_err() {
                return;
            }
            next += gap;
        }
    });
    due
}
