//! Everything at once for a while: faults of both providers, clients that leave or send nonsense, reloads. Afterwards
//! memory has not grown, nothing is left open, and every request is counted once and the same everywhere.

use crate::load::{Load, Manner, Outcome};
use crate::process::{Process, config};
use crate::setting;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use tierway_testkit::{Fault, Plan, Upstream};

const CLIENTS: usize = 12;
/// Between two looks, and between two reloads.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const RELOAD_EVERY: Duration = Duration::from_secs(2);
/// Nobody works before this part of the run is over when memory is looked at.
const WARM_UP_SHARE: f64 = 0.3;
/// Growth that is allowed in a run that is long enough to tell (five minutes).
const SLOPE_KIB_PER_MINUTE: f64 = 512.0;

const MANNERS: &[Manner] =
    &[Manner::Stream, Manner::Whole, Manner::Leaves, Manner::Stream, Manner::Nonsense, Manner::Whole, Manner::Leaves];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_grows_nothing_leaks_and_every_request_is_counted_once() {
    let [first, second] = [Upstream::start().await.unwrap(), Upstream::start().await.unwrap()];
    first.plan("m", Plan::cycle(faults()));
    second.plan("m", Plan::cycle([Fault::None, Fault::None, Fault::None, Fault::Cut { after: 4 }, Fault::None]));
    let urls = [first.url(), second.url()];
    let seconds = setting("TIERWAY_SOAK_SECONDS", 8);
    let soaking = tokio::task::spawn_blocking(move || soak(&urls, Duration::from_secs(seconds)));
    let upstreams = async {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            first.forget();
            second.forget();
        }
    };
    tokio::select! {
        soaked = soaking => soaked.unwrap(),
        () = upstreams => {}
    }
}

fn faults() -> Vec<Fault> {
    vec![
        Fault::None,
        Fault::RateLimit { retry_after: Some("1".into()) },
        Fault::None,
        Fault::Status { status: 500 },
        Fault::None,
        Fault::Cut { after: 5 },
        Fault::ResetBeforeHeaders,
        Fault::None,
        Fault::Stall { after: 2 },
        Fault::None,
        Fault::Malformed { after: 3 },
        Fault::None,
        Fault::InBand { after: 2 },
        Fault::None,
        Fault::MissingEnd,
        Fault::Garbage,
        Fault::None,
        Fault::SlowChunks { ms: 20 },
        Fault::SlowFirstToken { ms: 400 },
        Fault::ContentFilter,
    ]
}

fn soak(urls: &[String; 2], length: Duration) {
    let dir = tempfile::tempdir().unwrap();
    let more = "[dispatch]\nbreaker_open_ms = 500\nhedge = true\nhedge_after_ms = 150\nhold_back_ms = 10\n[ledger]\npath = \"s.db\"\n";
    let process = Process::start(&config(dir.path(), [&urls[0], &urls[1]], "127.0.0.1:0", more));
    let [_, files_before, threads_before] = process.size();
    let load = Load::start(process.address, CLIENTS, MANNERS);
    let (began, mut reloaded, mut looks) = (Instant::now(), Instant::now(), Vec::new());
    let mut reloads = 0;
    while began.elapsed() < length {
        std::thread::sleep(LOOK_EVERY);
        looks.push((began.elapsed().as_secs_f64() / 60.0, process.size()[0] as f64));
        if reloaded.elapsed() >= RELOAD_EVERY {
            process.signal("-HUP");
            process.hear("is in force");
            (reloaded, reloads) = (Instant::now(), reloads + 1);
        }
    }
    let outcomes = load.stop();
    let idle = settle(&process, files_before, threads_before);
    let counted = counted(&scrape(process.address));
    process.stop();
    let rows = rows(&dir.path().join("s.db"));
    let warm = &looks[(looks.len() as f64 * WARM_UP_SHARE) as usize..];
    let (slope, late) = (slope(warm), slope(&looks[looks.len() * 2 / 3..]));
    println!(
        "{} s, {} requests, {reloads} reloads; memory {:.1} MiB after warm-up, {:.1} MiB at the end, slope {slope:+.0} KiB a minute, {late:+.0} in the last third",
        length.as_secs(),
        outcomes.len(),
        warm[0].1 / 1024.0,
        warm.last().unwrap().1 / 1024.0,
    );
    println!("open files {files_before} before, {} after; threads {threads_before} before, {} after", idle[1], idle[2]);
    println!("rows: {rows:?}; counted: {counted:?}; clients: {:?}", seen(&outcomes));
    add_up(&outcomes, &counted, &rows);
    assert!(length < Duration::from_secs(300) || slope < SLOPE_KIB_PER_MINUTE, "memory grows: {looks:?}");
}

/// Waits until all is closed again but for idle connections to providers.
fn settle(process: &Process, files: u64, threads: u64) -> [u64; 3] {
    // Two workers keep idle connections to two providers, one at most for each client.
    let kept = 4 * CLIENTS as u64;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let size = process.size();
        if size[1] <= files + kept && size[2] <= threads + 1 && active(&scrape(process.address)) <= 1 {
            return size;
        }
        assert!(Instant::now() < deadline, "left open: {size:?}, before: {files} files, {threads} threads");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn add_up(outcomes: &[Outcome], counted: &BTreeMap<String, u64>, rows: &BTreeMap<String, u64>) {
    assert_eq!(counted, rows, "metrics and ledger differ");
    let seen = seen(outcomes);
    let broken: Vec<_> =
        outcomes.iter().filter(|it| matches!(it, Outcome::Broken(_) | Outcome::NoConnection(_))).collect();
    assert!(broken.is_empty(), "{broken:?}");
    assert_eq!(rows.values().sum::<u64>() as usize, outcomes.len(), "rows {rows:?}, clients {seen:?}");
    // Who leaves may leave an answer that was all said already.
    assert!(rows["answered"] >= seen["answered"], "rows {rows:?}, clients {seen:?}");
    assert!(rows["refused"] > 0 && rows["cancelled"] > 0, "{rows:?}");
}

fn seen(outcomes: &[Outcome]) -> BTreeMap<&'static str, u64> {
    let mut seen = BTreeMap::new();
    for outcome in outcomes {
        let name = match outcome {
            Outcome::Answered(_) => "answered",
            Outcome::Error(_) => "error",
            Outcome::Left(_) => "left",
            Outcome::NoConnection(_) | Outcome::Broken(_) => "broken",
        };
        *seen.entry(name).or_default() += 1;
    }
    seen
}

/// Rows by status.
pub(crate) fn rows(file: &Path) -> BTreeMap<String, u64> {
    let mut reader = tierway_ledger::Reader::open(file).unwrap();
    let mut rows = BTreeMap::new();
    let each = |call: &tierway_decide::CallRecord| {
        let status = serde_json::to_value(call.status).unwrap();
        *rows.entry(status.as_str().unwrap().to_owned()).or_default() += 1;
    };
    reader.audit(tierway_ledger::Span::ALL, each).unwrap();
    rows
}

fn scrape(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

/// Finished requests by status.
fn counted(page: &str) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("tierway_requests_total{")) {
        let status = line.split("status=\"").nth(1).unwrap().split('"').next().unwrap();
        *counted.entry(status.to_owned()).or_default() += line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    }
    counted
}

fn active(page: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix("tierway_active_requests ")).unwrap();
    line.parse().unwrap()
}

/// Least squares: KiB a minute.
fn slope(looks: &[(f64, f64)]) -> f64 {
    let count = looks.len() as f64;
    let (minutes, sizes) = looks.iter().fold((0.0, 0.0), |sum, look| (sum.0 + look.0, sum.1 + look.1));
    let (middle, mean) = (minutes / count, sizes / count);
    let (up, along) = looks.iter().fold((0.0, 0.0), |(up, along), (minute, size)| {
        (up + (minute - middle) * (size - mean), along + (minute - middle).powi(2))
    });
    up / along
}
