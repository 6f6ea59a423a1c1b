//! Several processes on one PostgreSQL, and a PostgreSQL that goes away under them: nothing is lost, nothing twice.

use crate::scratch::Scratch;
use crate::synthetic::{HOUR_MS, MONDAY_MS, traffic};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tierway_decide::{CallRecord, Usd};
use tierway_ledger::{CLAIMED, Ledger, LedgerError, Options, Reader, Replica, Span};
use tierway_testkit::postgres::{PASSWORD, Postgres};

const LIMIT: Duration = Duration::from_secs(60);

fn quick() -> Options {
    Options {
        group_every: Duration::from_millis(5),
        retry_every: Duration::from_millis(50),
        begin_without_store: true,
        ..Options::default()
    }
}

/// The same hours for everyone, ids of its own for each.
fn calls_of(replica: u16, count: u64) -> Vec<CallRecord> {
    let mut calls: Vec<_> = traffic(u64::from(replica), count, MONDAY_MS, 3 * HOUR_MS).collect();
    for call in &mut calls {
        call.id = tierway_decide::RequestId::from_i64(call.id.as_i64() & !(0x3ff << 12) | i64::from(replica) << 12);
    }
    calls
}

/// Everything that was offered is there once, with the sums of all of it.
#[track_caller]
fn holds_all(store: &str, offered: &[CallRecord]) {
    let mut reader = Reader::open(store).unwrap();
    let (mut rows, mut paid) = (0, 0);
    let audit = reader
        .audit(Span::ALL, |call| {
            rows += 1;
            paid += call.paid.map_or(0, Usd::picos);
        })
        .unwrap();
    assert!(audit.is_clean(), "{:#?}", audit.problems);
    assert_eq!((rows, paid), (offered.len(), offered.iter().filter_map(|call| call.paid).map(Usd::picos).sum()));
    assert_eq!(reader.summary(Span::ALL).unwrap().totals.calls, offered.len() as u64);
}

#[test]
fn replicas_write_the_same_hours_at_once_and_the_sums_are_those_of_all() {
    let store = Scratch::postgres();
    let all: Vec<Vec<CallRecord>> = (0..4).map(|replica| calls_of(replica, 1_500)).collect();
    std::thread::scope(|scope| {
        for calls in &all {
            scope.spawn(|| {
                let ledger = Ledger::open(store.location(), quick()).unwrap();
                for (at, call) in calls.iter().enumerate() {
                    assert!(ledger.offer(call.clone()));
                    if at % 100 == 0 {
                        ledger.flush(LIMIT).unwrap();
                    }
                }
                ledger.close().unwrap();
            });
        }
    });
    holds_all(store.address(), &all.concat());
    assert_eq!(
        store.number("SELECT count(*) FROM (SELECT text FROM words GROUP BY text HAVING count(*) > 1) AS twice"),
        0
    );
}

#[test]
fn a_taken_id_is_refused_alone_in_its_group_and_by_every_replica() {
    let store = Scratch::postgres();
    let calls = calls_of(1, 300);
    let first = Ledger::open(store.location(), quick()).unwrap();
    calls.iter().take(200).for_each(|call| assert!(first.offer(call.clone())));
    first.flush(LIMIT).unwrap();
    let second = Ledger::open(store.location(), Options { group_every: Duration::from_secs(9), ..quick() }).unwrap();
    // Half of this group is there already, and one of it comes twice.
    calls.iter().skip(100).chain([&calls[250]]).for_each(|call| assert!(second.offer(call.clone())));
    second.flush(LIMIT).unwrap();
    let counters = second.counters();
    assert_eq!((counters.written, counters.write_errors), (100, 101), "{counters:?}");
    holds_all(store.address(), &calls);
}

#[test]
fn what_is_accepted_while_postgres_is_killed_again_and_again_is_written_once() {
    let mut server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    let all: Vec<Vec<CallRecord>> = (0..3).map(|replica| calls_of(replica, 3_000)).collect();
    let ledgers: Vec<Ledger> = all.iter().map(|_| Ledger::open(url.as_str(), quick()).unwrap()).collect();
    std::thread::scope(|scope| {
        for (ledger, calls) in ledgers.iter().zip(&all) {
            scope.spawn(move || {
                for call in calls {
                    assert!(ledger.offer(call.clone()), "the queue holds what comes meanwhile");
                    std::thread::sleep(Duration::from_micros(700));
                }
            });
        }
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(300));
            server.kill();
            std::thread::sleep(Duration::from_millis(200));
            server.restart().unwrap();
        }
    });
    for ledger in &ledgers {
        ledger.flush(LIMIT).unwrap();
        let counters = ledger.counters();
        assert_eq!((counters.written, counters.dropped, counters.write_errors), (3_000, 0, 0), "{counters:?}");
        assert_eq!(ledger.failing(), None);
    }
    assert!(ledgers.iter().any(|ledger| ledger.counters().failed_groups > 0), "it was noticed");
    holds_all(&url, &all.concat());
}

#[test]
fn connections_that_are_cut_at_any_moment_lose_nothing_and_write_nothing_twice() {
    let store = Scratch::postgres();
    let calls = calls_of(0, 4_000);
    let ledger = Ledger::open(store.location(), Options { retry_every: Duration::from_millis(1), ..quick() }).unwrap();
    std::thread::scope(|scope| {
        let offering = scope.spawn(|| {
            for call in &calls {
                assert!(ledger.offer(call.clone()));
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        while !offering.is_finished() {
            store.batch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = 'tierway' AND datname = current_database()",
            );
        }
    });
    ledger.flush(LIMIT).unwrap();
    let counters = ledger.counters();
    assert_eq!((counters.written, counters.write_errors), (4_000, 0), "{counters:?}");
    assert!(counters.failed_groups > 0, "some were cut");
    holds_all(store.address(), &calls);
}

#[test]
fn a_reader_outlives_a_restart_of_postgres() {
    let mut server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    let ledger = Ledger::open(url.as_str(), quick()).unwrap();
    calls_of(0, 10).into_iter().for_each(|call| assert!(ledger.offer(call)));
    ledger.close().unwrap();
    let mut reader = Reader::open(url.as_str()).unwrap();
    server.restart().unwrap();
    assert_eq!(reader.summary(Span::ALL).unwrap().totals.calls, 10);
    server.kill();
    // The process behind our connection may still answer for a moment.
    let mut errors = std::iter::repeat_with(|| reader.summary(Span::ALL).err()).take(1_000);
    let error = errors.find_map(|error| error).unwrap();
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error}");
}

#[test]
fn a_newer_release_upgrades_beside_an_older_one_that_goes_on_writing() {
    let store = Scratch::postgres();
    let calls = calls_of(0, 2_000);
    let ledger = Ledger::open(store.location(), quick()).unwrap();
    for (at, call) in calls.iter().enumerate() {
        assert!(ledger.offer(call.clone()));
        if at == 1_000 {
            ledger.flush(LIMIT).unwrap();
            store.batch(
                "BEGIN; ALTER TABLE calls ADD COLUMN since_next smallint NOT NULL DEFAULT 0; CREATE TABLE next (a int); \
                 UPDATE tierway_schema SET version = version + 1; COMMIT",
            );
        }
    }
    ledger.close().unwrap();
    assert_eq!(ledger.counters().failed_groups, 0);
    holds_all(store.address(), &calls);
    // One that the newer release cannot have beside it is kept out, with what to do.
    store.batch("UPDATE tierway_schema SET oldest_beside = version");
    let error = Reader::open(store.location()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("run the newer tierway"), "{error}");
}

#[test]
fn errors_name_the_database_and_never_the_password() {
    let store = Scratch::postgres();
    let missing = Reader::open(store.location()).map(|_| ()).unwrap_err();
    assert!(matches!(missing, LedgerError::Missing { .. }), "{missing}");
    let url = store.address();
    for (url, want) in [
        (url.replace(PASSWORD, "wrong-only-for-tests"), "refuses: password authentication failed"),
        (format!("{url}-not-there"), "does not exist (SQLSTATE 3D000)"),
        (url.replace("127.0.0.1:", "127.0.0.1:1"), "cannot be"),
        (url.replace('@', "@/"), "the ledger's URL cannot be used"),
    ] {
        let error = Ledger::open(url.as_str(), Options::default()).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains(want) && !said.contains(PASSWORD), "{said}");
    }
    let latin = url.rsplit_once('/').unwrap().0.to_owned() + "/latin";
    store.batch("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
    let error = Ledger::open(latin.as_str(), Options::default()).unwrap_err().to_string();
    assert!(error.contains("has the encoding LATIN1"), "{error}");
}

#[test]
fn one_of_several_leads_and_another_when_it_ends_and_none_while_postgres_is_away() {
    let mut server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    let location = url.as_str().into();
    let mut replicas: Vec<Replica> = (0..3).map(|_| Replica::join(&location).unwrap()).collect();
    let numbers: BTreeSet<u16> = replicas.iter().filter_map(Replica::number).collect();
    assert!(numbers.len() == 3 && numbers.iter().all(|number| *number < CLAIMED), "{numbers:?}");
    let leaders = |replicas: &[Replica]| replicas.iter().filter(|replica| replica.leadership().leads()).count();
    let become_leaders = |replicas: &[Replica], want: usize| {
        let begun = Instant::now();
        while leaders(replicas) != want {
            assert!(begun.elapsed() < LIMIT, "never {want} leaders");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    become_leaders(&replicas, 1);
    // All are asked before the leader ends: another leads while it does.
    let leads: Vec<bool> = replicas.iter().map(|replica| replica.leadership().leads()).collect();
    let mut leads = leads.into_iter();
    replicas.retain(|_| !leads.next().unwrap_or_default());
    assert_eq!(replicas.len(), 2);
    become_leaders(&replicas, 1);
    server.kill();
    become_leaders(&replicas, 0);
    // Who begins now is told no number, and leads when it can ask.
    replicas.push(Replica::join(&location).unwrap());
    assert_eq!(replicas[2].number(), None);
    server.restart().unwrap();
    become_leaders(&replicas, 1);
    // A number that was given up is not given again for a day.
    let next = Replica::join(&location).unwrap().number();
    assert!(next.is_some_and(|next| !numbers.contains(&next)), "{next:?}");
}

#[test]
fn a_number_is_given_again_after_a_day() {
    let store = Scratch::postgres();
    let location = store.location();
    assert_eq!(Replica::join(&location).unwrap().number(), Some(0));
    assert_eq!(Replica::join(&location).unwrap().number(), Some(1));
    store.batch(
        "INSERT INTO processes SELECT number, now() FROM generate_series(0, 767) AS number ON CONFLICT DO NOTHING; \
         UPDATE processes SET seen = now() - interval '25 hours' WHERE number = 1",
    );
    assert_eq!(Replica::join(&location).unwrap().number(), Some(1));
    assert_eq!(Replica::join(&location).unwrap().number(), None);
}
