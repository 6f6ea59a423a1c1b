//! An audit agrees with an untouched ledger, and finds and names what was touched.

use crate::scratch::{Scratch, on_both};
use crate::synthetic::{HOUR_MS, MONDAY_MS, traffic};
use std::sync::LazyLock;
use std::time::Duration;
use tierway_decide::{CallRecord, CallStatus};
use tierway_ledger::{Audit, Ledger, MOST_PROBLEMS, Options, Problem, Span};

fn write(store: &Scratch, calls: &[CallRecord]) {
    let ledger =
        Ledger::open(store.location(), Options { group_every: Duration::from_millis(2), ..Options::default() })
            .unwrap();
    calls.iter().for_each(|call| assert!(ledger.offer(call.clone())));
    ledger.close().unwrap();
}

fn sample() -> Vec<CallRecord> {
    traffic(21, 2_000, MONDAY_MS, 30 * HOUR_MS).collect()
}

fn audit(store: &Scratch) -> Audit {
    store.reader().audit(Span::ALL, |_| {}).unwrap()
}

fn an_untouched_ledger_is_clean_and_its_totals_are_those_of_reports(store: &Scratch) {
    write(store, &sample());
    let mut seen = 0;
    let audit = store.reader().audit(Span::ALL, |_| seen += 1).unwrap();
    assert_eq!((audit.problems.as_slice(), audit.rows, audit.hours, seen), (&[][..], 2_000, 30, 2_000));
    assert_eq!(audit.recomputed, audit.recorded);
    assert_eq!(audit.recomputed, store.reader().summary(Span::ALL).unwrap().totals);
    let again = store.another();
    let mut backwards = sample();
    backwards.reverse();
    write(&again, &backwards);
    assert_eq!(self::audit(&again).digest, audit.digest, "the digest does not depend on the order of writing");
}

/// The sample in a store of this kind: written once, then copied.
fn filled(kind: &Scratch) -> Scratch {
    static SQLITE: LazyLock<Scratch> = LazyLock::new(|| written(Scratch::sqlite()));
    static POSTGRES: LazyLock<Scratch> = LazyLock::new(|| written(Scratch::postgres()));
    fn written(store: Scratch) -> Scratch {
        write(&store, &sample());
        store
    }
    let original = if kind.file().is_some() { &SQLITE } else { &POSTGRES };
    original.copy()
}

/// Changes the ledger by SQL and audits it; `{id}` stands for one answered and priced request.
#[track_caller]
fn touched(store: &Scratch, sql: &str, want: impl Fn(&CallRecord, &[Problem]) -> bool) {
    let (store, calls) = (filled(store), sample());
    let victim = calls.iter().find(|call| call.status == CallStatus::Answered && call.paid.is_some()).unwrap();
    store.batch(&sql.replace("{id}", &victim.id.as_i64().to_string()));
    let audit = audit(&store);
    assert!(want(victim, &audit.problems), "{sql}: {:#?}", audit.problems);
}

fn names_row(call: &CallRecord, problems: &[Problem]) -> bool {
    problems.iter().any(|problem| matches!(problem, Problem::RowChanged { id } if *id == call.id))
}

fn a_changed_row_is_named_whatever_was_changed(store: &Scratch) {
    for column in
        ["paid", "baseline", "cheapest", "input_tokens", "status", "task_type", "total_ms", "checksum", "attempts"]
    {
        touched(store, &format!("UPDATE calls SET {column} = {column} + 1 WHERE id = {{id}}"), names_row);
    }
    for change in [
        "\"user\" = 'somebody'",
        "score = 0.123",
        store.pick("tier = 'dearest'", "tier = -1, spelled = '{dearest}'"),
        "first_byte_ms = NULL",
        "flags = flags + 2",
    ] {
        touched(store, &format!("UPDATE calls SET {change} WHERE id = {{id}}"), names_row);
    }
}

fn a_row_that_cannot_be_read_is_named(store: &Scratch) {
    for change in [
        store.pick("detail = x'01'", "detail = '\\x01'"),
        store.pick("detail = zeroblob(0)", "detail = ''"),
        "reason = 77",
        "tier = 123456",
        store.pick("input_tokens = -4", "tier = -5"),
    ] {
        touched(store, &format!("UPDATE calls SET {change} WHERE id = {{id}}"), |call, problems| {
            problems.iter().any(|problem| matches!(problem, Problem::RowUnreadable { id, .. } if *id == call.id))
        });
    }
}

fn changing_a_name_that_many_rows_share_is_found_in_all_of_them(store: &Scratch) {
    touched(store, "UPDATE words SET text = 'sold' WHERE text = 'key-1'", |_, problems| {
        problems.len() >= MOST_PROBLEMS
    });
}

fn removed_and_added_rows_are_found_in_their_hour(store: &Scratch) {
    let first_hour = |problem: &Problem, difference: i64| match problem {
        Problem::HourDiffers { start_ms, written, found } => *start_ms == MONDAY_MS && found - written == difference,
        _ => false,
    };
    touched(store, "DELETE FROM calls WHERE id = {id}", |_, problems| problems.iter().any(|p| first_hour(p, -1)));
    touched(
        store,
        "CREATE TEMP TABLE copy AS SELECT * FROM calls WHERE id = {id}; UPDATE copy SET id = id + 1;
         INSERT INTO calls SELECT * FROM copy",
        |_, problems| problems.iter().any(|p| first_hour(p, 1)),
    );
}

fn a_row_in_an_hour_that_nobody_wrote_is_found(store: &Scratch) {
    // Two days later.
    touched(
        store,
        "CREATE TEMP TABLE copy AS SELECT * FROM calls WHERE id = {id};
         UPDATE copy SET id = id + 724775731200000; INSERT INTO calls SELECT * FROM copy",
        |_, problems| {
            problems.iter().any(|problem| matches!(problem, Problem::HourDiffers { written: 0, found: 1, .. }))
        },
    );
}

fn a_row_that_was_changed_with_its_checksum_is_found_in_its_hour_and_its_sums(store: &Scratch) {
    let (forged, mut calls) = (store.another(), sample());
    write(store, &calls);
    let victim = calls.iter_mut().find(|call| call.paid.is_some_and(|paid| paid.picos() > 1_000)).unwrap();
    let baseline = victim.baseline.map(|baseline| baseline + baseline);
    victim.baseline = baseline;
    let id = victim.id.as_i64();
    write(&forged, &calls);
    let checksum = forged.number(&format!("SELECT checksum FROM calls WHERE id = {id}"));
    let baseline = baseline.unwrap().picos();
    store.batch(&format!("UPDATE calls SET baseline = {baseline}, checksum = {checksum} WHERE id = {id}"));
    let audit = audit(store);
    let hour = |problem: &Problem| matches!(problem, Problem::HourDiffers { written, found, .. } if written == found);
    assert!(audit.problems.iter().any(hour), "{:#?}", audit.problems);
    assert!(audit.problems.iter().any(|problem| matches!(problem, Problem::SumDiffers { .. })));
    assert!(!audit.problems.iter().any(|problem| matches!(problem, Problem::RowChanged { .. })));
}

fn a_changed_sum_is_named_with_both_figures(store: &Scratch) {
    touched(
        store,
        "UPDATE cells SET paid = paid + 5 WHERE cube = 0 AND start = 20514 AND grain = 1 AND tier = (SELECT id FROM words WHERE text = 'nano')",
        |_, problems| {
            matches!(problems, [Problem::SumDiffers { whole_day: true, of, recorded_calls, calls, recorded_paid, paid, .. }]
            if of == "tier `nano`" && recorded_calls == calls && recorded_paid.picos() - paid.picos() == 5)
        },
    );
    touched(store, "DELETE FROM cells WHERE cube = 2 AND grain = 0", |_, problems| {
        problems.iter().any(|problem| matches!(problem, Problem::SumDiffers { recorded_calls: 0, .. }))
    });
}

on_both![
    an_untouched_ledger_is_clean_and_its_totals_are_those_of_reports,
    a_changed_row_is_named_whatever_was_changed,
    a_row_that_cannot_be_read_is_named,
    changing_a_name_that_many_rows_share_is_found_in_all_of_them,
    removed_and_added_rows_are_found_in_their_hour,
    a_row_in_an_hour_that_nobody_wrote_is_found,
    a_row_that_was_changed_with_its_checksum_is_found_in_its_hour_and_its_sums,
    a_changed_sum_is_named_with_both_figures,
];
