//! A SQLite ledger that is copied into a PostgreSQL answers as it did, however often the copy was interrupted.

use crate::scratch::Scratch;
use crate::synthetic::{HOUR_MS, traffic};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tierway_ledger::{KeyPolicy, Ledger, NewKey, Options, Span, State, Step, migrate};

const DAY_MS: i64 = 24 * HOUR_MS;

/// Six days, of which the oldest three were forgotten.
fn filled(store: &Scratch) -> i64 {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let today = now.div_euclid(DAY_MS) * DAY_MS;
    let options = Options { keep_days: Some(3), forget_every: Duration::from_millis(1), ..Options::default() };
    let ledger = Ledger::open(store.location(), Options { keep_days: None, ..options.clone() }).unwrap();
    traffic(5, 9_000, today - 6 * DAY_MS, 6 * DAY_MS).for_each(|call| assert!(ledger.offer(call)));
    ledger.flush(Duration::from_secs(30)).unwrap();
    ledger.close().unwrap();
    let ledger = Ledger::open(store.location(), options).unwrap();
    let begun = Instant::now();
    while store.number("SELECT count(*) FROM calls") > 4_500 {
        assert!(begun.elapsed() < Duration::from_secs(30), "never forgotten");
        std::thread::sleep(Duration::from_millis(5));
    }
    ledger.close().unwrap();
    today
}

#[test]
fn a_copy_answers_as_the_original_after_any_number_of_runs() {
    let (from, to) = (Scratch::sqlite(), Scratch::postgres());
    let today = filled(&from);
    let mut keys = State::open(from.location()).unwrap();
    for name in ["kept", "revoked"] {
        let policy = KeyPolicy { team: "web".into(), ..KeyPolicy::default() };
        let digest = [name.len() as u8; 32];
        assert!(keys.add_key(&NewKey { name, policy: &policy, digest, expires_ms: None }, 5).unwrap());
    }
    assert!(keys.revoke_key("revoked", 7).unwrap() && keys.rotate_key("kept", [9; 32], 50, 8).unwrap());

    crate::judging::fill(&mut keys);

    // An earlier run came as far as here, and a replica writes already.
    let earlier: Vec<_> = traffic(5, 9_000, today - 6 * DAY_MS, 6 * DAY_MS).skip(4_500).take(1_000).collect();
    let replica = Ledger::open(to.location(), Options::default()).unwrap();
    earlier.iter().for_each(|call| assert!(replica.offer(call.clone())));
    replica.flush(Duration::from_secs(30)).unwrap();
    let mut seen = Vec::new();
    let done = migrate(&from.location(), &to.location(), &mut |rows, of| seen.push((rows, of))).unwrap();
    assert!(done.is_complete(), "{done:#?}");
    assert_eq!((done.rows, done.rows_before, done.forgotten_hours, done.keys, done.quality), (4_500, 1_000, 72, 2, 4));
    assert_eq!(seen, [(4_096, 4_500), (4_500, 4_500)]);
    let again = migrate(&from.location(), &to.location(), &mut |_, _| {}).unwrap();
    assert!(again.is_complete() && (again.rows_before, again.keys, again.quality) == (4_500, 0, 0), "{again:#?}");

    let (mut source, mut target) = (from.reader(), to.reader());
    let recent = Span { from_ms: today - 2 * DAY_MS + HOUR_MS, to_ms: today };
    for span in [Span::ALL, recent] {
        assert_eq!(target.summary(span).unwrap(), source.summary(span).unwrap());
        assert_eq!(target.series(span, Step::Day).unwrap(), source.series(span, Step::Day).unwrap());
    }
    let (source, target) = (source.audit(Span::ALL, |_| {}).unwrap(), target.audit(Span::ALL, |_| {}).unwrap());
    assert_eq!(target, source);
    let mut copy = State::open(to.location()).unwrap();
    assert_eq!(copy.keys().unwrap().1, keys.keys().unwrap().1);
    assert_eq!(copy.pairs_with_texts(0).unwrap(), keys.pairs_with_texts(0).unwrap());
    assert_eq!(copy.verdicts(0, 100).unwrap(), keys.verdicts(0, 100).unwrap());
    let changes = copy.cell_history(9).unwrap();
    assert_eq!((changes.clone(), copy.evidence(1).unwrap()), (keys.cell_history(9).unwrap(), Some("{}".into())));
    assert_eq!(copy.change_cell(&changes[0]).unwrap(), 2, "numbers go on");
}

#[test]
fn a_row_that_was_changed_is_named_and_not_copied() {
    let (from, to) = (Scratch::sqlite(), Scratch::postgres());
    filled(&from);
    from.batch("UPDATE calls SET total_ms = total_ms + 1 WHERE id = (SELECT min(id) FROM calls)");
    let done = migrate(&from.location(), &to.location(), &mut |_, _| {}).unwrap();
    assert_eq!((done.rows, done.rows_changed.len(), done.is_complete()), (4_499, 1, false));
}
