//! What is kept when the process is killed, the disk is full, the file is damaged, moved, or grows old.

use crate::scratch::{Scratch, on_both};
use crate::synthetic::{Chance, HOUR_MS, MONDAY_MS, traffic};
use rusqlite::Connection;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tierway_decide::{CallRecord, RequestId};
use tierway_ledger::{Durability, Filter, Ledger, LedgerError, Options, Reader, Span, Step};

const LIMIT: Duration = Duration::from_secs(30);
const DAY_MS: i64 = 24 * HOUR_MS;

fn quick() -> Options {
    Options {
        group_every: Duration::from_millis(1),
        retry_every: Duration::from_millis(5),
        checkpoint_every: Duration::from_millis(20),
        ..Options::default()
    }
}

fn number(path: &Path, sql: &str) -> i64 {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn sample(seed: u64, count: u64) -> Vec<CallRecord> {
    traffic(seed, count, MONDAY_MS, HOUR_MS).collect()
}

/// Waits for what another thread brings about.
#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LIMIT, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Not a test: what the next one starts as a process of its own, and kills. Says each id that is on disk.
#[test]
#[ignore = "the child of the test below"]
fn child_that_writes_until_it_is_killed() {
    let store = std::env::var("LEDGER_OF_CHILD").unwrap();
    let strict = std::env::var("STRICT_CHILD").is_ok();
    let durability = if strict { Durability::Strict } else { Durability::Relaxed };
    let ledger = Ledger::open(store.as_str(), Options { durability, ..quick() }).unwrap();
    let mut out = std::io::stdout();
    let start = i64::try_from(ledger.counters().written).unwrap() + i64::from(std::process::id()) * 1000;
    for call in traffic(u64::from(std::process::id()), 10_000_000, MONDAY_MS + start, 1000 * HOUR_MS) {
        let id = call.id;
        if strict {
            ledger.offer_with_ticket(call).wait(LIMIT).unwrap();
        } else {
            ledger.offer(call);
            ledger.flush(LIMIT).unwrap();
        }
        writeln!(out, "recorded {id}").unwrap();
    }
}

fn a_killed_process_loses_nothing_that_it_said_was_recorded(store: &Scratch) {
    let rounds: u64 = std::env::var("KILLS").ok().map_or(6, |rounds| rounds.parse().unwrap());
    let mut chance = Chance(3);
    let mut said: Vec<RequestId> = Vec::new();
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([
            "keeping::child_that_writes_until_it_is_killed",
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ]);
        child.env("LEDGER_OF_CHILD", store.address()).stdout(Stdio::piped()).stderr(Stdio::null());
        if round % 2 == 0 {
            child.env("STRICT_CHILD", "1");
        }
        let mut child = child.spawn().unwrap();
        let until = 1 + chance.below(150);
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let ids = told.by_ref().filter_map(|line| line.split("recorded ").nth(1)?.parse::<RequestId>().ok());
        said.extend(ids.take(usize::try_from(until).unwrap()));
        child.kill().unwrap();
        // What was said before the end counts as well; the last line may be torn.
        said.extend(told.filter_map(|line| line.split("recorded ").nth(1)?.parse::<RequestId>().ok()));
        child.wait().unwrap();
        if let Some(path) = store.file() {
            let check = Connection::open(path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0));
            assert_eq!(check, Ok("ok".to_owned()));
        }
        // The next writer is not locked out.
        Ledger::open(store.location(), quick()).unwrap().close().unwrap();
    }
    assert!(said.len() as u64 >= rounds, "the children wrote something");
    let mut reader = store.reader();
    for id in &said {
        assert!(reader.call(*id).unwrap().is_some_and(|stored| stored.intact), "{id} is lost");
    }
    let audit = reader.audit(Span::ALL, |_| {}).unwrap();
    assert!(audit.is_clean() && audit.rows >= said.len() as u64, "{:?}", audit.problems);
}

#[test]
fn a_full_disk_stops_recording_not_serving_and_space_brings_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let options =
        Options { max_bytes: Some(2_000_000), queue: 300, retry_every: Duration::from_millis(300), ..quick() };
    let ledger = Ledger::open(&path, options).unwrap();
    let mut calls = sample(1, 20_000);
    // New words in every group: those of a group that is rolled back must be forgotten.
    (0..).zip(&mut calls).for_each(|(at, call)| call.requested_model = format!("model-{}", at / 10).into());
    let mut offered = calls.iter();
    until("the disk is full", || {
        // Only as fast as it is written: what is dropped now would not fill anything.
        if ledger.counters().queue_depth < 200 {
            offered.by_ref().take(50).for_each(|call| assert!(ledger.offer(call.clone())));
        }
        ledger.failing().is_some()
    });
    assert!(ledger.failing().unwrap().contains("no space left"));
    // Nobody waits; what does not fit into memory is counted.
    let before = ledger.counters();
    offered.take(3_000).for_each(|call| {
        ledger.offer(call.clone());
    });
    let counters = ledger.counters();
    assert!(counters.dropped > 0 && counters.failed_groups > 0, "{counters:?}");
    assert_eq!(counters.accepted + counters.dropped, before.accepted + 3_000);
    let space = "BEGIN IMMEDIATE; DELETE FROM calls; DELETE FROM cells; DELETE FROM hours; COMMIT";
    let other = Connection::open(&path).unwrap();
    other.busy_timeout(LIMIT).unwrap();
    other.execute_batch(space).unwrap();
    ledger.flush(LIMIT).unwrap();
    assert_eq!(ledger.failing(), None);
    let counters = ledger.counters();
    assert_eq!((counters.written, counters.queue_depth), (counters.accepted, 0));
    let audit = Reader::open(&path).unwrap().audit(Span::ALL, |_| {}).unwrap();
    assert!(audit.is_clean() && audit.rows > 0, "{:?}", audit.problems);
}

#[test]
fn a_damaged_file_is_said_and_moving_it_away_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    Ledger::open(&path, quick()).unwrap().close().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let ledger = Ledger::open(&path, Options { begin_without_store: true, ..quick() }).unwrap();
    let calls = sample(2, 40);
    calls.iter().for_each(|call| assert!(ledger.offer(call.clone())));
    assert!(matches!(ledger.flush(Duration::from_millis(300)), Err(LedgerError::NotWritten { rows: 40, .. })));
    assert!(ledger.failing().unwrap().contains("is damaged"), "{:?}", ledger.failing());
    std::fs::rename(&path, dir.path().join("damaged.db")).unwrap();
    ledger.flush(LIMIT).unwrap();
    assert_eq!((number(&path, "SELECT count(*) FROM calls"), ledger.failing()), (40, None));
}

/// In an outage each record of `strict` wakes the writer, which tries again when it is time all the same.
#[test]
fn a_store_that_fails_is_not_tried_for_each_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    std::fs::write(&path, [0xa5; 8_192]).unwrap();
    let retry_every = Duration::from_secs(60);
    let options = Options { begin_without_store: true, durability: Durability::Strict, retry_every, ..quick() };
    let ledger = Ledger::open(&path, Options { close_within: Duration::ZERO, ..options }).unwrap();
    for call in sample(2, 100) {
        drop(ledger.offer_with_ticket(call));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(ledger.counters().failed_groups <= 1, "{:?}", ledger.counters());
    assert!(ledger.close().is_err());
}

#[test]
fn a_file_that_is_moved_away_in_use_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = Ledger::open(&path, quick()).unwrap();
    assert!(ledger.offer(sample(3, 1).remove(0)));
    ledger.flush(LIMIT).unwrap();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        std::fs::rename(dir.path().join(name), dir.path().join(format!("old-{name}"))).unwrap();
    }
    let mut calls = traffic(4, 1_000_000, MONDAY_MS, 1000 * HOUR_MS).skip(1);
    until("a new file is begun", || {
        ledger.offer(calls.next().unwrap());
        ledger.flush(LIMIT).unwrap();
        path.exists()
    });
}

#[test]
fn nobody_can_write_into_what_is_only_a_folder_away() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "no folder").unwrap();
    let error = Ledger::open(dir.path().join("file/ledger.db"), quick()).unwrap_err().to_string();
    assert!(error.contains("cannot create"), "{error}");
}

/// Ten days up to yesterday, then what is left when three days are kept.
fn old_rows_go_with_their_space_and_sums_by_the_day_stay(store: &Scratch) {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let today = now.div_euclid(DAY_MS) * DAY_MS;
    let ledger = Ledger::open(store.location(), quick()).unwrap();
    for call in traffic(9, 60_000, today - 10 * DAY_MS, 10 * DAY_MS) {
        until("there is room", || ledger.counters().queue_depth < 30_000);
        assert!(ledger.offer(call));
    }
    ledger.flush(LIMIT).unwrap();
    ledger.close().unwrap();
    let mut reader = store.reader();
    let (all, recent) = (Span::ALL, Span { from_ms: today - 3 * DAY_MS + HOUR_MS, to_ms: today });
    let before =
        (reader.summary(all).unwrap(), reader.summary(recent).unwrap(), reader.series(all, Step::Hour).unwrap());
    let bytes = store.bytes();

    let options = Options { keep_days: Some(3), forget_every: Duration::from_millis(1), ..quick() };
    let ledger = Ledger::open(store.location(), options).unwrap();
    let fresh = traffic(10, 1, now, 1).next().unwrap();
    assert!(ledger.offer(fresh.clone()));
    let rows = || store.number("SELECT count(*) FROM calls");
    until("old rows and sums are gone", || {
        rows() == 18_001
            && store.number(
                "SELECT count(*) FROM cells WHERE cube = 1 AND grain = 0 AND start < (SELECT max(hour) + 1 FROM hours WHERE expired)",
            ) == 0
    });
    if let Some(path) = store.file() {
        until("their pages are gone", || number(path, "PRAGMA freelist_count") <= 1_024);
    }
    ledger.close().unwrap();

    // Seven of ten days are gone; spare pages and sums by the day stay.
    let left = store.bytes();
    assert!(left < bytes * 6 / 10, "{left} of {bytes} bytes");
    let mut reader = store.reader();
    let fresh_hour = Span { from_ms: now.div_euclid(HOUR_MS) * HOUR_MS, to_ms: now + 1 };
    let after = reader.summary(Span { to_ms: today, ..all }).unwrap();
    assert_eq!((after.totals, after.tiers, after.keys), (before.0.totals, before.0.tiers, before.0.keys));
    assert_eq!(reader.summary(recent).unwrap(), before.1);
    assert_eq!(reader.series(Span { to_ms: today, ..all }, Step::Hour).unwrap(), before.2);
    assert_eq!(reader.summary(fresh_hour).unwrap().totals.calls, 1);
    // A span that begins inside a forgotten day is answered by the whole day, and says so.
    let inside = reader.summary(Span { from_ms: today - 7 * DAY_MS + 5 * HOUR_MS, to_ms: today }).unwrap();
    assert_eq!((inside.span.from_ms, inside.totals.calls), (today - 7 * DAY_MS, 42_000));
    let mut listed = 0;
    let mut before = None;
    loop {
        let page = reader.list(&Filter::default(), Span::ALL, before, 500).unwrap();
        listed += page.calls.len();
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(listed, 18_001);
    let audit = reader.audit(Span::ALL, |_| {}).unwrap();
    assert!(audit.is_clean() && audit.expired_hours == 7 * 24, "{:?}", audit.problems);
}

/// A clock that runs ahead by months, at a start: what it makes of the rows' age is not to be undone.
fn a_clock_far_ahead_of_the_newest_row_deletes_nothing_at_once(store: &Scratch) {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let ledger = Ledger::open(store.location(), quick()).unwrap();
    traffic(9, 50, now - 100 * DAY_MS, DAY_MS).for_each(|call| assert!(ledger.offer(call)));
    ledger.close().unwrap();
    let options = Options { keep_days: Some(30), forget_every: Duration::from_millis(1), ..quick() };
    let ledger = Ledger::open(store.location(), options).unwrap();
    // Of now: the first row does not prove the clock, it comes from it.
    for at in 0..20 {
        assert!(ledger.offer(traffic(10 + at, 1, now, 1).next().unwrap()));
        ledger.flush(LIMIT).unwrap();
    }
    assert!(store.number("SELECT count(*) FROM calls") > 50);
    ledger.close().unwrap();
}

on_both![
    a_clock_far_ahead_of_the_newest_row_deletes_nothing_at_once,
    a_killed_process_loses_nothing_that_it_said_was_recorded,
    old_rows_go_with_their_space_and_sums_by_the_day_stay,
];
