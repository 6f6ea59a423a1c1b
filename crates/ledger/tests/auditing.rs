//! An audit agrees with an untouched ledger, and finds and names what was touched.
#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, may fail loudly")]

mod synthetic;

use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;
use synthetic::{HOUR_MS, MONDAY_MS, traffic};
use tierway_decide::{CallRecord, CallStatus};
use tierway_ledger::{Audit, Ledger, MOST_PROBLEMS, Options, Problem, Reader, Span};

fn write(path: &Path, calls: &[CallRecord]) {
    let ledger = Ledger::open(path, Options { group_every: Duration::from_millis(2), ..Options::default() }).unwrap();
    calls.iter().for_each(|call| assert!(ledger.offer(call.clone())));
    ledger.close().unwrap();
}

fn sample() -> Vec<CallRecord> {
    traffic(21, 2_000, MONDAY_MS, 30 * HOUR_MS).collect()
}

fn audit(path: &Path) -> Audit {
    Reader::open(path).unwrap().audit(Span::ALL, |_| {}).unwrap()
}

#[test]
fn an_untouched_ledger_is_clean_and_its_totals_are_those_of_reports() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    write(&path, &sample());
    let mut seen = 0;
    let audit = Reader::open(&path).unwrap().audit(Span::ALL, |_| seen += 1).unwrap();
    assert_eq!((audit.problems.as_slice(), audit.rows, audit.hours, seen), (&[][..], 2_000, 30, 2_000));
    assert_eq!(audit.recomputed, audit.recorded);
    assert_eq!(audit.recomputed, Reader::open(&path).unwrap().summary(Span::ALL).unwrap().totals);
    let again = dir.path().join("again.db");
    let mut backwards = sample();
    backwards.reverse();
    write(&again, &backwards);
    assert_eq!(self::audit(&again).digest, audit.digest, "the digest does not depend on the order of writing");
}

/// Changes the ledger by SQL and audits it; `{id}` stands for one answered and priced request.
#[track_caller]
fn touched(sql: &str, want: impl Fn(&CallRecord, &[Problem]) -> bool) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let calls = sample();
    write(&path, &calls);
    let victim = calls.iter().find(|call| call.status == CallStatus::Answered && call.paid.is_some()).unwrap();
    let changed = Connection::open(&path).unwrap();
    changed.execute_batch(&sql.replace("{id}", &victim.id.as_i64().to_string())).unwrap();
    drop(changed);
    let audit = audit(&path);
    assert!(want(victim, &audit.problems), "{sql}: {:#?}", audit.problems);
}

fn names_row(call: &CallRecord, problems: &[Problem]) -> bool {
    problems.iter().any(|problem| matches!(problem, Problem::RowChanged { id } if *id == call.id))
}

#[test]
fn a_changed_row_is_named_whatever_was_changed() {
    for column in
        ["paid", "baseline", "cheapest", "input_tokens", "status", "task_type", "total_ms", "checksum", "attempts"]
    {
        touched(&format!("UPDATE calls SET {column} = {column} + 1 WHERE id = {{id}}"), names_row);
    }
    for change in
        ["user = 'somebody'", "score = 0.123", "tier = 'dearest'", "first_byte_ms = NULL", "flags = flags + 2"]
    {
        touched(&format!("UPDATE calls SET {change} WHERE id = {{id}}"), names_row);
    }
}

#[test]
fn a_row_that_cannot_be_read_is_named() {
    for change in
        ["detail = x'01'", "detail = zeroblob(0)", "reason = 77", "user = 5, tier = 123456", "input_tokens = -4"]
    {
        touched(&format!("UPDATE calls SET {change} WHERE id = {{id}}"), |call, problems| {
            problems.iter().any(|problem| matches!(problem, Problem::RowUnreadable { id, .. } if *id == call.id))
        });
    }
}

#[test]
fn changing_a_name_that_many_rows_share_is_found_in_all_of_them() {
    touched("UPDATE words SET text = 'sold' WHERE text = 'key-1'", |_, problems| problems.len() >= MOST_PROBLEMS);
}

#[test]
fn removed_and_added_rows_are_found_in_their_hour() {
    let first_hour = |problem: &Problem, difference: i64| match problem {
        Problem::HourDiffers { start_ms, written, found } => *start_ms == MONDAY_MS && found - written == difference,
        _ => false,
    };
    touched("DELETE FROM calls WHERE id = {id}", |_, problems| problems.iter().any(|p| first_hour(p, -1)));
    touched(
        "CREATE TEMP TABLE copy AS SELECT * FROM calls WHERE id = {id}; UPDATE copy SET id = id + 1;
         INSERT INTO calls SELECT * FROM copy",
        |_, problems| problems.iter().any(|p| first_hour(p, 1)),
    );
}

#[test]
fn a_row_in_an_hour_that_nobody_wrote_is_found() {
    touched(
        "CREATE TEMP TABLE copy AS SELECT * FROM calls WHERE id = {id};
         UPDATE copy SET id = id + (1000 * 3600000 << 22); INSERT INTO calls SELECT * FROM copy",
        |_, problems| {
            problems.iter().any(|problem| matches!(problem, Problem::HourDiffers { written: 0, found: 1, .. }))
        },
    );
}

#[test]
fn a_row_that_was_changed_with_its_checksum_is_found_in_its_hour_and_its_sums() {
    let dir = tempfile::tempdir().unwrap();
    let (path, forged) = (dir.path().join("ledger.db"), dir.path().join("forged.db"));
    let mut calls = sample();
    write(&path, &calls);
    let victim = calls.iter_mut().find(|call| call.paid.is_some_and(|paid| paid.picos() > 1_000)).unwrap();
    victim.baseline = victim.baseline.map(|baseline| baseline + baseline);
    let id = victim.id.as_i64();
    write(&forged, &calls);
    let db = Connection::open(&path).unwrap();
    db.execute("ATTACH ?1 AS forged", [forged.to_str().unwrap()]).unwrap();
    db.execute("REPLACE INTO calls SELECT * FROM forged.calls WHERE id = ?1", [id]).unwrap();
    drop(db);
    let audit = audit(&path);
    let hour = |problem: &Problem| matches!(problem, Problem::HourDiffers { written, found, .. } if written == found);
    assert!(audit.problems.iter().any(hour), "{:#?}", audit.problems);
    assert!(audit.problems.iter().any(|problem| matches!(problem, Problem::SumDiffers { .. })));
    assert!(!audit.problems.iter().any(|problem| matches!(problem, Problem::RowChanged { .. })));
}

#[test]
fn a_changed_sum_is_named_with_both_figures() {
    touched(
        "UPDATE cells SET paid = paid + 5 WHERE cube = 0 AND start = 20514 AND grain = 1 AND tier = (SELECT id FROM words WHERE text = 'nano')",
        |_, problems| {
            matches!(problems, [Problem::SumDiffers { whole_day: true, of, recorded_calls, calls, recorded_paid, paid, .. }]
            if of == "tier `nano`" && recorded_calls == calls && recorded_paid.picos() - paid.picos() == 5)
        },
    );
    touched("DELETE FROM cells WHERE cube = 2 AND grain = 0", |_, problems| {
        problems.iter().any(|problem| matches!(problem, Problem::SumDiffers { recorded_calls: 0, .. }))
    });
}
