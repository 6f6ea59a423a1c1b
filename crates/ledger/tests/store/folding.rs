//! Days that are over, whose sums PostgreSQL has in one piece: answers are those of a SQLite file with the same rows, whatever
//! was folded when, and by whom rows were written meanwhile.

use crate::scratch::Scratch;
use crate::synthetic::{HOUR_MS, MONDAY_MS, traffic};
use std::time::{Duration, Instant};
use tierway_decide::{CallRecord, RequestId};
use tierway_ledger::{Bill, Ledger, Options, Payer, Problem, Span, Step, Summary};

const DAY_MS: i64 = 24 * HOUR_MS;
const LIMIT: Duration = Duration::from_secs(60);
/// Days, as `hours` and what is folded of them agree on.
const IN_USE: &str = "SELECT count(*) FROM days JOIN (SELECT hour / 24 AS day, sum(calls) AS calls, sum(digest) AS digest \
                      FROM hours GROUP BY 1) AS counted USING (day, calls, digest) WHERE cube = 0";

/// Looks for days to fold all the time, or never.
fn options(folds: bool) -> Options {
    let forget_every = Duration::from_millis(if folds { 5 } else { 3_600_000 });
    Options { group_every: Duration::from_millis(5), forget_every, ..Options::default() }
}

/// Five days and a half; ids of its own for each replica.
fn calls_of(replica: u16, count: u64) -> Vec<CallRecord> {
    let mut calls: Vec<_> = traffic(u64::from(replica), count, MONDAY_MS, 5 * DAY_MS + 13 * HOUR_MS).collect();
    for call in &mut calls {
        call.id = RequestId::from_i64(call.id.as_i64() & !(0x3ff << 12) | i64::from(replica) << 12);
    }
    calls
}

fn open(store: &Scratch, folds: bool) -> Ledger {
    Ledger::open(store.location(), options(folds)).unwrap()
}

fn offer(ledger: &Ledger, calls: &[CallRecord]) {
    calls.iter().for_each(|call| assert!(ledger.offer(call.clone())));
    ledger.flush(LIMIT).unwrap();
}

#[track_caller]
fn wait_until_folded(store: &Scratch, days: i64) {
    let begun = Instant::now();
    while store.number(IN_USE) != days {
        assert!(begun.elapsed() < LIMIT, "{} days are folded as they are", store.number(IN_USE));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A store with all of its days folded, and its rows; nobody writes to it any longer.
fn folded() -> (Scratch, Vec<CallRecord>) {
    let (store, calls) = (Scratch::postgres(), calls_of(0, 600));
    let ledger = open(&store, true);
    offer(&ledger, &calls);
    wait_until_folded(&store, 6);
    drop(ledger);
    (store, calls)
}

type Answers = (Summary, Vec<Bill>, Vec<Bill>, Vec<i64>);

/// Every question that reads sums of days, over spans that begin and end with days or among hours.
fn answers(store: &Scratch) -> Vec<Answers> {
    let mut reader = store.reader();
    let spans = [(0, 5 * DAY_MS), (0, 6 * DAY_MS), (7 * HOUR_MS, 3 * DAY_MS + 5 * HOUR_MS), (DAY_MS, 2 * DAY_MS)];
    let spans = spans.map(|(from, to)| Span { from_ms: MONDAY_MS + from, to_ms: MONDAY_MS + to });
    let mut answer = |span: Span| {
        let payers = [Payer::Key("key-1".into()), Payer::Team("team-1".into())];
        (
            reader.summary(span).unwrap(),
            by_name(reader.bills(span, Step::Day).unwrap()),
            by_name(reader.bills(span, Step::Hour).unwrap()),
            payers.iter().map(|payer| reader.spent(payer, span.from_ms).unwrap().picos()).collect(),
        )
    };
    spans.into_iter().chain([Span::ALL]).map(&mut answer).collect()
}

/// Their lines come in the order of the numbers of words, which each store gives by itself.
fn by_name(mut bills: Vec<Bill>) -> Vec<Bill> {
    bills.iter_mut().for_each(|bill| bill.baseline.sort());
    bills
}

/// The answers are those of a file with the same rows, and an audit finds nothing.
#[track_caller]
fn check(store: &Scratch, calls: &[CallRecord]) {
    let file = Scratch::sqlite();
    offer(&open(&file, false), calls);
    for (at, (found, want)) in answers(store).into_iter().zip(answers(&file)).enumerate() {
        assert!(found.0 == want.0, "summary {at}: {:?}, not {:?}", found.0.totals, want.0.totals);
        assert_eq!((found.1, found.2, found.3), (want.1, want.2, want.3), "bills and spending {at}");
    }
    let audit = store.reader().audit(Span::ALL, |_| {}).unwrap();
    assert!(audit.is_clean() && audit.rows == calls.len() as u64, "{:#?}", audit.problems);
}

#[test]
fn answers_are_the_same_before_and_after_folding_and_with_rows_that_come_late() {
    let store = Scratch::postgres();
    let (first, second, late) = (calls_of(0, 900), calls_of(1, 600), calls_of(2, 40));
    let [one, other] = [open(&store, false), open(&store, false)];
    offer(&one, &first);
    offer(&other, &second);
    let mut all = [first, second].concat();
    assert_eq!(store.number(IN_USE), 0);
    check(&store, &all);
    let folding = open(&store, true);
    wait_until_folded(&store, 6);
    check(&store, &all);
    drop(folding);
    // Three of the days have a row that nobody folded.
    offer(&one, &late[..20]);
    all.extend_from_slice(&late[..20]);
    assert_eq!(store.number(IN_USE), 3);
    check(&store, &all);
    let _folding = open(&store, true);
    wait_until_folded(&store, 6);
    offer(&other, &late[20..]);
    all.extend_from_slice(&late[20..]);
    wait_until_folded(&store, 6);
    check(&store, &all);
}

#[test]
fn what_is_folded_is_what_reports_read_and_an_audit_looks_at_it() {
    let (store, calls) = folded();
    check(&store, &calls);
    let day = MONDAY_MS / DAY_MS + 2;
    store.batch(&format!("UPDATE days SET cells = '\\x01' WHERE cube = 1 AND day = {day}"));
    let mut reader = store.reader();
    assert!(reader.summary(Span::ALL).unwrap().totals.calls < 600);
    let audit = reader.audit(Span::ALL, |_| {}).unwrap();
    let of_day = |problem: &Problem| matches!(problem, Problem::SumDiffers { start_ms, whole_day: true, .. } if *start_ms == day * DAY_MS);
    assert!(!audit.is_clean() && audit.problems.iter().all(of_day), "{:#?}", audit.problems);
}

#[test]
fn a_folded_day_that_cannot_be_read_is_read_from_its_cells() {
    let (store, calls) = folded();
    let day = MONDAY_MS / DAY_MS + 2;
    // Of no version that we know, cut in its middle, and with something after its end.
    for cells in ["'\\x02'", "substr(cells, 1, length(cells) - 1)", "cells || '\\xff'"] {
        store.batch(&format!("UPDATE days SET cells = {cells} WHERE day = {day}"));
        check(&store, &calls);
    }
}

#[test]
fn a_day_that_cannot_be_folded_holds_up_neither_the_others_nor_the_connection() {
    let store = Scratch::postgres();
    let calls = calls_of(0, 600);
    let ledger = open(&store, false);
    offer(&ledger, &calls);
    drop(ledger);
    // The newest but one is at the head of the pass.
    let day = MONDAY_MS / DAY_MS + 4;
    let whole = "UPDATE cells SET total_histogram = substr(total_histogram, 2) WHERE grain = 1";
    store.batch(&format!(
        "UPDATE cells SET total_histogram = '\\xff'::bytea || total_histogram WHERE grain = 1 AND start = {day}"
    ));
    let (ledger, seen) = (open(&store, true), session(&store));
    wait_until_folded(&store, 5);
    assert_eq!(store.number(&format!("SELECT count(*) FROM days WHERE day = {day}")), 0);
    assert_eq!(session(&store), seen, "the connection is the same");
    // Mended, it is folded as well.
    store.batch(&format!("{whole} AND start = {day}"));
    wait_until_folded(&store, 6);
    drop(ledger);
    check(&store, &calls);
}

/// The process of the server that serves the only connection to this database.
fn session(store: &Scratch) -> i64 {
    store.number("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'psql'")
}

#[test]
fn every_state_of_the_database_is_right_while_replicas_write_and_fold() {
    let store = Scratch::postgres();
    let all: Vec<Vec<CallRecord>> = (0..3).map(|replica| calls_of(replica, 1_500)).collect();
    let replicas = [(); 3].map(|()| open(&store, true));
    std::thread::scope(|scope| {
        let writing: Vec<_> = all
            .iter()
            .zip(&replicas)
            .map(|(calls, ledger)| {
                scope.spawn(|| {
                    calls.chunks(50).for_each(|some| offer(ledger, some));
                    wait_until_folded(&store, 6);
                })
            })
            .collect();
        let mut reader = store.reader();
        while !writing.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let audit = reader.audit(Span::ALL, |_| {}).unwrap();
            assert!(audit.is_clean(), "{:#?}", audit.problems);
        }
    });
    check(&store, &all.concat());
}

/// The schema of the previous release: what came since is not there.
const PREVIOUS: &str = "DROP TABLE days; UPDATE tierway_schema SET version = 4";

#[test]
fn a_schema_made_by_the_previous_release_is_upgraded_in_place_while_an_old_replica_keeps_writing() {
    let store = Scratch::postgres();
    let (old, new) = (calls_of(0, 1_200), calls_of(1, 300));
    // It folds nothing, as one of the previous release.
    let previous = open(&store, false);
    store.batch(PREVIOUS);
    offer(&previous, &old[..400]);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| old[400..800].chunks(20).for_each(|some| offer(&previous, some)));
        let next = open(&store, true);
        offer(&next, &new);
        writing.join().unwrap();
        wait_until_folded(&store, 6);
    });
    // What the previous release has in memory of its sums is still what the store says, and what was folded is out of use.
    offer(&previous, &old[800..]);
    assert!(store.number(IN_USE) < 6);
    assert_eq!(store.number("SELECT version FROM tierway_schema"), 5);
    assert_eq!(previous.counters().failed_groups, 0);
    check(&store, &[old, new].concat());
}
