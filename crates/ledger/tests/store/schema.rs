//! A database file of every released schema opens, keeps what it held, and takes more.

use crate::synthetic::{HOUR_MS, MONDAY_MS, traffic};
use rusqlite::Connection;
use std::path::Path;
use tierway_decide::CallRecord;
use tierway_ledger::{Ledger, Options, Reader, Span};

/// Released schemas, and how many rows the file of each holds.
const RELEASED: [(&str, u64); 1] = [("tests/data/schema-1.db", 40)];

fn calls(count: u64) -> Vec<CallRecord> {
    traffic(1, count, MONDAY_MS, 3 * HOUR_MS).collect()
}

/// Writes the file of the newest schema, once, when it is released:
/// `cargo test -p tierway-ledger --test store -- --ignored`.
#[test]
#[ignore = "makes a fixture"]
fn write_the_file_of_the_newest_schema() {
    let (name, count) = RELEASED[RELEASED.len() - 1];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    assert!(!path.exists(), "a released file is never changed");
    let ledger = Ledger::open(&path, Options::default()).unwrap();
    calls(count).into_iter().for_each(|call| assert!(ledger.offer(call)));
    ledger.close().unwrap();
    Connection::open(&path).unwrap().execute_batch("PRAGMA journal_mode = DELETE; VACUUM").unwrap();
    std::fs::remove_file(path.with_extension("db.lock")).unwrap();
}

#[test]
fn every_released_file_opens_with_all_it_held_and_takes_more() {
    for (name, count) in RELEASED {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(name), &path).unwrap();
        let ledger = Ledger::open(&path, Options::default()).unwrap();
        let more: Vec<_> = traffic(2, 10, MONDAY_MS + HOUR_MS / 2, HOUR_MS).collect();
        more.iter().for_each(|call| assert!(ledger.offer(call.clone())));
        ledger.close().unwrap();
        assert_eq!(ledger.counters().write_errors, 0, "{name}");
        let mut reader = Reader::open(&path).unwrap();
        for call in calls(count).iter().chain(&more) {
            let stored = reader.call(call.id).unwrap().unwrap();
            assert_eq!((&stored.call, stored.intact), (call, true), "{name}");
        }
        let audit = reader.audit(Span::ALL, |_| {}).unwrap();
        assert!(audit.is_clean() && audit.rows == count + 10, "{name}: {:?}", audit.problems);
    }
}

#[test]
fn the_readable_view_shows_texts_time_and_dollars() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RELEASED[0].0);
    let call = calls(40).into_iter().find(|call| call.paid.is_some_and(|paid| paid.picos() > 0)).unwrap();
    let uri = format!("file:{}?mode=ro&immutable=1", path.display());
    let db = Connection::open_with_flags(
        uri,
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI,
    )
    .unwrap();
    let sql = "SELECT time_utc, tier, served_model, task_type, paid_usd, status FROM calls_readable WHERE id = ?1";
    let row: (String, String, String, String, f64, String) = db
        .query_row(sql, [call.id.as_i64()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .unwrap();
    assert!(row.0.starts_with("2026-03-02T0") && row.0.ends_with('Z'), "{}", row.0);
    assert_eq!((row.1, row.2), (call.tier.to_string(), call.served_model.to_string()));
    assert_eq!((row.3, row.4), (call.prediction.task_type.name().into(), call.paid.unwrap().as_f64()));
    assert_eq!(row.5, "answered");
}
