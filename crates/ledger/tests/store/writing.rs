//! What goes in comes out; nothing accepted is lost while the process lives; who cannot write says so.

use crate::scratch::{Scratch, on_both};
use crate::synthetic::{HOUR_MS, MONDAY_MS, traffic};
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;
use tierway_decide::{CallRecord, Name, Usd};
use tierway_ledger::{Durability, Ledger, LedgerError, NotRecorded, Options, Payer, Reader, Span, StoredCall};

const LIMIT: Duration = Duration::from_secs(20);

fn quick() -> Options {
    Options { group_every: Duration::from_millis(1), retry_every: Duration::from_millis(5), ..Options::default() }
}

fn sample(seed: u64, count: u64) -> Vec<CallRecord> {
    traffic(seed, count, MONDAY_MS, HOUR_MS).collect()
}

fn rows(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT count(*) FROM calls", [], |row| row.get(0)).unwrap()
}

fn every_field_of_every_record_comes_back_as_it_went_in(store: &Scratch) {
    let calls = sample(1, 3_000);
    let ledger = Ledger::open(store.location(), quick()).unwrap();
    assert!(calls.iter().all(|call| ledger.offer(call.clone())));
    ledger.close().unwrap();
    let mut reader = store.reader();
    for call in &calls {
        let stored = reader.call(call.id).unwrap().unwrap();
        assert_eq!((&stored.call, stored.intact), (call, true));
    }
    let counters = ledger.counters();
    assert_eq!((counters.accepted, counters.written, counters.dropped, counters.queue_depth), (3_000, 3_000, 0, 0));
}

fn closing_writes_what_waits_however_long_a_group_gathers(store: &Scratch) {
    let ledger =
        Ledger::open(store.location(), Options { group_every: Duration::from_secs(3600), ..Options::default() })
            .unwrap();
    sample(2, 500).into_iter().for_each(|call| assert!(ledger.offer(call)));
    ledger.close().unwrap();
    assert_eq!(store.number("SELECT count(*) FROM calls"), 500);
    assert!(!ledger.offer(sample(3, 1).remove(0)), "a closed ledger takes nothing");
    assert_eq!(ledger.counters().dropped, 1);
    let log = store.file().map(|path| path.with_extension("db-wal"));
    assert!(log.is_none_or(|log| !log.exists()), "one file is left");
}

fn strict_tickets_resolve_when_the_row_is_there(store: &Scratch) {
    let ledger = Ledger::open(store.location(), Options { durability: Durability::Strict, ..quick() }).unwrap();
    for call in sample(4, 50) {
        let id = call.id;
        assert_eq!(ledger.offer_with_ticket(call).wait(LIMIT), Ok(()));
        assert!(store.reader().call(id).unwrap().is_some());
    }
    let again = sample(4, 1).remove(0);
    assert_eq!(ledger.offer_with_ticket(again.clone()).wait(LIMIT), Err(NotRecorded::SameId));
    assert_eq!(ledger.counters().write_errors, 1);
    ledger.close().unwrap();
    assert_eq!(ledger.offer_with_ticket(again).wait(LIMIT), Err(NotRecorded::Closed));
}

fn long_texts_are_cut_and_inventions_leave_room_in_the_word_table(store: &Scratch) {
    let ledger = Ledger::open(store.location(), quick()).unwrap();
    let mut calls = sample(9, 12_000);
    for (at, call) in calls.iter_mut().enumerate() {
        call.requested_model = format!("model-{at}").into();
        if at % 2 == 0 {
            // On no tier: the request named it.
            (call.served_tier, call.served_model) = (Name::default(), format!("served-{at}").into());
        }
        call.user = "é".repeat(500).into();
        call.session = "nul \0 in it".into();
        call.prediction.novelty = -0.0;
        call.prediction.score_strong = f32::NAN;
    }
    calls.iter().for_each(|call| assert!(ledger.offer(call.clone())));
    ledger.close().unwrap();
    assert!((10_000..10_050).contains(&store.number("SELECT count(*) FROM words")));
    let mut reader = store.reader();
    for call in [&calls[0], &calls[11_999]] {
        let StoredCall { call: stored, intact } = reader.call(call.id).unwrap().unwrap();
        assert!(intact);
        assert_eq!(stored.session, "nul \u{fffd} in it");
        assert_eq!((stored.requested_model.as_str(), stored.user.len()), (call.requested_model.as_str(), 200));
    }

    // What is named by the operator after that has sums of its own, also what was invented before.
    let ledger = Ledger::open(store.location(), quick()).unwrap();
    let mut late: Vec<CallRecord> = traffic(10, 40, MONDAY_MS + 3 * HOUR_MS, HOUR_MS).collect();
    for call in &mut late {
        (call.key, call.team, call.served_model) = ("late key".into(), "late team".into(), "served-11998".into());
        call.served_tier = "late tier".into();
        assert!(ledger.offer(call.clone()));
    }
    ledger.close().unwrap();
    let mut reader = store.reader();
    let spent: Usd = late.iter().map(|call| call.paid.unwrap_or_default() + call.classifier_paid).sum();
    for payer in [Payer::Key("late key".into()), Payer::Team("late team".into())] {
        assert_eq!(reader.spent(&payer, 0).unwrap(), spent, "{payer:?}");
    }
    let summary = reader.summary(Span::ALL).unwrap();
    assert!(summary.tiers.iter().any(|line| line.name == "late tier"));
    let audit = reader.audit(Span::ALL, |_| {}).unwrap();
    assert!(audit.problems.is_empty(), "{:?}", audit.problems);
}

on_both![
    every_field_of_every_record_comes_back_as_it_went_in,
    closing_writes_what_waits_however_long_a_group_gathers,
    strict_tickets_resolve_when_the_row_is_there,
    long_texts_are_cut_and_inventions_leave_room_in_the_word_table,
];

#[test]
fn a_full_queue_drops_and_counts_and_never_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let options = Options { queue: 10, group_every: Duration::from_secs(3600), ..Options::default() };
    let ledger = Ledger::open(&path, options).unwrap();
    // Somebody else holds the database: the writer cannot commit, and keeps at most one group besides the queue.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    sample(5, 100).into_iter().for_each(|call| {
        ledger.offer(call);
    });
    let counters = ledger.counters();
    assert_eq!(counters.accepted + counters.dropped, 100);
    assert!(counters.dropped >= 80, "{counters:?}");
    other.execute_batch("COMMIT").unwrap();
    ledger.flush(LIMIT).unwrap();
    assert_eq!(rows(&path), i64::try_from(counters.accepted).unwrap());
}

#[test]
fn recording_goes_on_when_another_program_lets_go_of_its_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = Ledger::open(&path, quick()).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    sample(6, 20).into_iter().for_each(|call| assert!(ledger.offer(call)));
    let stuck = ledger.flush(Duration::from_secs(12)).unwrap_err().to_string();
    assert!(stuck.contains("locked by another program"), "{stuck}");
    assert!(ledger.failing().is_some() && ledger.counters().failed_groups > 0);
    other.execute_batch("COMMIT").unwrap();
    ledger.flush(LIMIT).unwrap();
    assert_eq!((rows(&path), ledger.failing()), (20, None));
}

#[test]
fn a_second_writer_is_told_who_has_the_file_and_readers_are_welcome() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let first = Ledger::open(&path, quick()).unwrap();
    let error = Ledger::open(&path, quick()).unwrap_err();
    assert!(
        matches!(&error, LedgerError::InUse { holder, .. } if *holder == std::process::id().to_string()),
        "{error}"
    );
    Reader::open(&path).unwrap();
    // A successor may begin while the first one still drains, and takes over when that is gone.
    let successor = Ledger::open(&path, Options { begin_without_store: true, ..quick() }).unwrap();
    let calls = sample(7, 2);
    assert!(successor.offer(calls[0].clone()) && first.offer(calls[1].clone()));
    assert!(successor.failing().unwrap().contains("in use by process"));
    first.close().unwrap();
    successor.flush(LIMIT).unwrap();
    assert_eq!(rows(&path), 2);
}

#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, sql: &str| {
        let path = dir.path().join(name);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    };
    let newer = make("newer.db", "PRAGMA application_id = 0x74696572; PRAGMA user_version = 99; CREATE TABLE t (a)");
    let foreign = make("foreign.db", "CREATE TABLE t (a)");
    let garbage = dir.path().join("garbage.db");
    std::fs::write(&garbage, "this is no database at all, ".repeat(100)).unwrap();
    let folder = dir.path().join("folder.db");
    std::fs::create_dir(&folder).unwrap();
    for (path, want) in [
        (
            &newer,
            "has schema version 99, this tierway knows versions up to 2; run the newer tierway, or set another path",
        ),
        (&foreign, "is a SQLite database, but not a tierway ledger; set another path"),
        (&garbage, "is no SQLite database: name another file"),
        (&folder, "is a folder; name a file in it"),
    ] {
        let before = std::fs::read(path).ok();
        let error = Ledger::open(path, quick()).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        assert_eq!(std::fs::read(path).ok(), before, "{} was changed", path.display());
    }
    let missing = Reader::open(dir.path().join("missing.db")).map(|_| ()).unwrap_err();
    assert!(matches!(missing, LedgerError::Missing { .. }), "{missing}");
}

#[test]
fn serving_goes_on_without_a_store_and_recording_begins_when_the_obstacle_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    std::fs::create_dir(&path).unwrap();
    let ledger = Ledger::open(&path, Options { begin_without_store: true, ..quick() }).unwrap();
    sample(8, 30).into_iter().for_each(|call| assert!(ledger.offer(call)));
    assert!(ledger.flush(Duration::from_millis(100)).is_err());
    std::fs::remove_dir(&path).unwrap();
    ledger.flush(LIMIT).unwrap();
    assert_eq!(rows(&path), 30);
}

#[test]
fn nothing_is_left_beside_a_file_that_is_somebody_elses() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("notes.txt"), "long enough to be looked at, and no database").unwrap();
    Connection::open(dir.path().join("other.db")).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    for name in ["notes.txt", "other.db"] {
        Ledger::open(dir.path().join(name), quick()).unwrap_err();
    }
    let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["notes.txt", "other.db"]);
}
