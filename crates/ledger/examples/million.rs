//! Fills a ledger with synthetic traffic and times the writer and every question.
//!
//! `cargo run --release -p tierway-ledger --example million -- --rows 10000000 [--location FILE_OR_URL]
//! [--rate ROWS_PER_SECOND] [--days 30] [--only write|fold|ask|forget]`; sizes of a PostgreSQL are asked with `psql`.
#![expect(clippy::print_stdout, reason = "a report for people")]
#![expect(clippy::unwrap_used, reason = "a failed measurement is no measurement")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "figures for people")]

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use synthetic::{HOUR_MS, MONDAY_MS, traffic};
use tierway_decide::{CallRecord, CallStatus, RequestId, TaskType};
use tierway_ledger::{Filter, Ledger, Options, Reader, Span, Step};

struct Arguments {
    rows: u64,
    location: String,
    rate: Option<u64>,
    /// Over how many days the traffic is spread.
    days: i64,
    /// Only this part of it.
    only: Option<String>,
}

fn main() {
    let arguments = arguments();
    for (name, part) in [("write", write as fn(&Arguments)), ("fold", fold), ("ask", ask), ("forget", forget)] {
        // Without rows to write, what is there is asked.
        let wanted = arguments.only.as_ref().is_none_or(|only| only == name);
        if wanted && (name != "write" || arguments.rows > 0) {
            part(&arguments);
        }
    }
}

fn arguments() -> Arguments {
    let location = std::env::temp_dir().join("tierway-million.db").display().to_string();
    let mut found = Arguments { rows: 1_000_000, location, rate: None, days: 30, only: None };
    let mut words = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        match name.as_str() {
            "--rows" => found.rows = value.parse().unwrap(),
            "--location" | "--path" => found.location = value,
            "--rate" => found.rate = Some(value.parse().unwrap()),
            "--days" => found.days = value.parse().unwrap(),
            "--only" => found.only = Some(value),
            _ => println!("ignored: {name}"),
        }
    }
    found
}

/// Processor seconds, as the kernel counts them (ticks of 10 ms), in a file of `/proc`.
fn seconds(stat: &str) -> f64 {
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Those of the writer's thread.
fn writer_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    stats.filter(|stat| stat.contains("(ledger)")).map(|stat| seconds(&stat)).sum()
}

/// Those of this process, which does all the work of a SQLite file and half of a PostgreSQL's.
fn own_seconds() -> f64 {
    seconds(&std::fs::read_to_string("/proc/self/stat").unwrap_or_default())
}

fn bytes(location: &str) -> u64 {
    if !location.contains("://") {
        return std::fs::metadata(location).map_or(0, |file| file.len());
    }
    psql(location, "SELECT pg_database_size(current_database())")
}

/// A number that a PostgreSQL is asked for.
fn psql(location: &str, sql: &str) -> u64 {
    let asked = std::process::Command::new("psql").args(["-XqtA", location, "-c", sql]).output().unwrap();
    String::from_utf8_lossy(&asked.stdout).trim().parse().unwrap()
}

fn write(arguments: &Arguments) {
    let Arguments { rows, location, rate, days, .. } = arguments;
    let ledger = Ledger::open(location.as_str(), Options::default()).unwrap();
    let before = bytes(location);
    let writing = Arc::new(AtomicBool::new(true));
    let reader = ask_beside(location, *days, &writing);
    let (begun, mut deepest) = (Instant::now(), 0);
    for (at, call) in (0u64..).zip(traffic(42, *rows, MONDAY_MS, days * 24 * HOUR_MS)) {
        if let Some(rate) = rate {
            let due = Duration::from_secs_f64(at as f64 / *rate as f64);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        } else {
            while ledger.counters().queue_depth > 32_768 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        assert!(ledger.offer(call), "dropped: {:?}", ledger.counters());
        if at % 1024 == 0 {
            deepest = deepest.max(ledger.counters().queue_depth);
        }
    }
    ledger.flush(Duration::from_secs(600)).unwrap();
    let (seconds, busy) = (begun.elapsed().as_secs_f64(), writer_seconds());
    let counters = ledger.counters();
    writing.store(false, Ordering::Relaxed);
    let mut beside = reader.join().unwrap();
    ledger.close().unwrap();
    println!("wrote {rows} rows in {seconds:.1} s: {:.0} rows/s, deepest queue {deepest}", *rows as f64 / seconds);
    println!("writer: {busy:.2} s of processor time, {:.2} us a row", busy * 1e6 / *rows as f64);
    println!("store: {:.1} bytes a row", (bytes(location) - before) as f64 / *rows as f64);
    println!("{counters:?}");
    beside.sort_by(f64::total_cmp);
    let at = |share: usize| beside[(beside.len() - 1) * share / 100];
    println!("{} reports beside the writer: median {:.1} ms, p95 {:.1} ms", beside.len(), at(50), at(95));
}

/// A dashboard that asks ten times a second while rows are written. Gives milliseconds.
fn ask_beside(location: &str, days: i64, writing: &Arc<AtomicBool>) -> JoinHandle<Vec<f64>> {
    let (location, writing) = (location.to_owned(), Arc::clone(writing));
    std::thread::spawn(move || {
        let mut reader = Reader::open(location.as_str()).unwrap();
        let span = Span::last_days(7, MONDAY_MS + days * 24 * HOUR_MS);
        let mut took = Vec::new();
        while writing.load(Ordering::Relaxed) {
            let begun = Instant::now();
            reader.summary(span).unwrap();
            reader.list(&Filter::default(), Span::ALL, None, 50).unwrap();
            took.push(begun.elapsed().as_secs_f64() * 1e3);
            std::thread::sleep(Duration::from_millis(100));
        }
        took
    })
}

/// Waits until the sums of all days are in one piece, as a PostgreSQL has them some minutes after a day is over.
fn fold(Arguments { location, days, .. }: &Arguments) {
    if !location.contains("://") {
        return;
    }
    let options = Options { forget_every: Duration::from_millis(10), ..Options::default() };
    let (begun, ledger) = (Instant::now(), Ledger::open(location.as_str(), options).unwrap());
    while psql(location, "SELECT count(*) FROM days WHERE cube = 0") < days.unsigned_abs() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (seconds, busy) = (begun.elapsed().as_secs_f64(), writer_seconds());
    ledger.close().unwrap();
    let bytes = psql(location, "SELECT sum(length(cells)) FROM days");
    println!("folded {days} days in {seconds:.1} s ({busy:.2} s of processor time), {bytes} bytes");
}

/// Forgets the first tenth of the days.
fn forget(arguments: &Arguments) {
    let day_of = |ms: i64| ms.div_euclid(24 * HOUR_MS);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let days = (arguments.days / 10).max(1);
    let keep = day_of(now) - day_of(MONDAY_MS) - days;
    let (before, begun) = (bytes(&arguments.location), Instant::now());
    let options = Options { keep_days: u32::try_from(keep).ok(), ..Options::default() };
    let ledger = Ledger::open(arguments.location.as_str(), options).unwrap();
    let mut left = before;
    let mut unchanged = Instant::now();
    // A pass ends when the file has not become smaller for a while; checkpoints shrink it every few seconds.
    while unchanged.elapsed() < Duration::from_secs(12) {
        std::thread::sleep(Duration::from_millis(100));
        let now = bytes(&arguments.location);
        if now != left {
            (left, unchanged) = (now, Instant::now());
        }
    }
    let seconds = (begun.elapsed() - unchanged.elapsed()).as_secs_f64();
    let busy = writer_seconds();
    ledger.close().unwrap();
    let left = bytes(&arguments.location);
    println!(
        "forgot {days} of {} days in {seconds:.1} s ({busy:.1} s of processor time): {:.2} GB became {:.2} GB",
        arguments.days,
        before as f64 / 1e9,
        left as f64 / 1e9
    );
}

fn ask(arguments: &Arguments) {
    let mut reader = Reader::open(arguments.location.as_str()).unwrap();
    let end = MONDAY_MS + arguments.days * 24 * HOUR_MS + HOUR_MS / 2;
    let week = Span::last_days(7, end);
    let month = Span::last_days(30, end);
    let filter = |change: fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        filter
    };
    let newest = reader.list(&Filter::default(), month, None, 1).unwrap().calls[0].id;
    time("summary of 7 days", || reader.summary(week).unwrap().totals.calls);
    time("summary of 30 days", || reader.summary(month).unwrap().totals.calls);
    let noon = 12 * HOUR_MS;
    let (since, between) = (
        Span { from_ms: month.from_ms + noon, ..month },
        Span { from_ms: month.from_ms + noon, to_ms: month.to_ms - noon },
    );
    time("summary of 29 days and a half, since a noon", || reader.summary(since).unwrap().totals.calls);
    time("summary of 29 days from noon to noon", || reader.summary(between).unwrap().totals.calls);
    time("baseline's bill of 30 days by day", || reader.bills(month, Step::Day).unwrap().len() as u64);
    time("baseline's bill of 1 day by hour", || {
        reader.bills(Span::last_days(1, end), Step::Hour).unwrap().len() as u64
    });
    time("series of 7 days by hour", || reader.series(week, Step::Hour).unwrap().len() as u64);
    time("series of 30 days by day", || reader.series(month, Step::Day).unwrap().len() as u64);
    time("3,000 requests in 200 pieces: the slider of the playground", || {
        pieces(&mut reader, week, 200, 15).len() as u64
    });
    let apart = ids(&mut reader, month);
    time("2,000 requests by id: the interval of savings", || reader.calls(&apart).unwrap().len() as u64);
    time("one request", || u64::from(reader.call(newest).unwrap().is_some()));
    let filters: [(&str, Filter); 7] = [
        ("newest 50", Filter::default()),
        ("newest 50 failed", filter(|f| f.status = Some(CallStatus::Failed))),
        ("newest 50 of a rare key", filter(|f| f.key = Some("key-39".into()))),
        (
            "newest 50 of tier and task",
            filter(|f| (f.tier, f.task_type) = (Some("nano".into()), Some(TaskType::Coding))),
        ),
        ("newest 50 of a user", filter(|f| f.user = Some("u000001".into()))),
        ("a session that is not there", filter(|f| f.session = Some("none".into()))),
        ("a model that is not there", filter(|f| f.model = Some("none".into()))),
    ];
    for (name, filter) in filters {
        time(name, || reader.list(&filter, month, None, 50).unwrap().calls.len() as u64);
    }
}

/// Requests spread over a span, as the playground reads them.
fn pieces(reader: &mut Reader, span: Span, count: i64, most: usize) -> Vec<CallRecord> {
    let piece = |at: i64| {
        let to_ms = span.from_ms + (span.to_ms - span.from_ms) / count * (at + 1);
        Span { from_ms: (to_ms - HOUR_MS).max(span.from_ms), to_ms }
    };
    reader.newest(&(0..count).map(piece).collect::<Vec<_>>(), most).unwrap()
}

/// Ids of requests that are far from each other.
fn ids(reader: &mut Reader, span: Span) -> Vec<RequestId> {
    pieces(reader, span, 2_000, 1).iter().map(|call| call.id).collect()
}

/// Median, 95th and worst of a hundred, and this process's own part of each.
fn time(what: &str, mut question: impl FnMut() -> u64) {
    let mut took: Vec<f64> = Vec::new();
    let (mut answer, busy) = (0, own_seconds());
    for _ in 0..100 {
        let begun = Instant::now();
        answer = question();
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    let [median, p95, worst] = [took[50], took[95], took[99]];
    let own = (own_seconds() - busy) * 1e3 / 100.0;
    println!("{what}: median {median:.1} ms, p95 {p95:.1} ms, worst {worst:.1} ms, own {own:.1} ms (answer {answer})");
}
