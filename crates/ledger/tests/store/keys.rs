//! Keys as the store keeps them.

use crate::scratch::{Scratch, on_both};
use expect_test::{Expect, expect};
use tierway_ledger::{KeyPolicy, Ledger, LedgerError, NewKey, Options, State};

const NOW: i64 = 1_000;

fn add(state: &mut State, name: &str, digest: u8) -> bool {
    let policy = KeyPolicy { team: "web".into(), floor: Some("standard".into()), ..KeyPolicy::default() };
    let key = NewKey { name, policy: &policy, digest: [digest; 32], expires_ms: Some(9_000) };
    state.add_key(&key, NOW).unwrap()
}

/// Each key: what it is, and when each of its secrets ends.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "cases read better without a borrow")]
fn check(state: &mut State, want: Expect) {
    let (revision, keys) = state.keys().unwrap();
    assert_eq!(state.keys_revision().unwrap(), revision);
    let key = |key: &tierway_ledger::StoredKey| {
        let secrets: Vec<_> = key.secrets.iter().map(|secret| (secret.digest[0], secret.expires_ms)).collect();
        let policy = key.policy.as_ref().map(|policy| serde_json::to_string(policy).unwrap());
        format!("{} {policy:?} until {:?} revoked {:?} {secrets:?}", key.name, key.expires_ms, key.revoked_ms)
    };
    want.assert_eq(&format!("revision {revision}\n{}", keys.iter().map(key).collect::<Vec<_>>().join("\n")));
}

fn keys_are_added_rotated_and_revoked_and_each_change_raises_the_revision(store: &Scratch) {
    let mut state = State::open(store.location()).unwrap();
    check(
        &mut state,
        expect![[r#"
        revision 0
    "#]],
    );
    assert!(add(&mut state, "b", 1) && add(&mut state, "a", 2));
    assert!(!add(&mut state, "a", 3), "a name is given once");
    check(
        &mut state,
        expect![[r#"
        revision 2
        a Some("{\"team\":\"web\",\"floor\":\"standard\"}") until Some(9000) revoked None [(2, None)]
        b Some("{\"team\":\"web\",\"floor\":\"standard\"}") until Some(9000) revoked None [(1, None)]"#]],
    );

    assert!(state.rotate_key("a", [4; 32], 5_000, NOW + 1).unwrap());
    assert!(state.rotate_key("a", [5; 32], 6_000, NOW + 2).unwrap());
    check(
        &mut state,
        expect![[r#"
        revision 4
        a Some("{\"team\":\"web\",\"floor\":\"standard\"}") until Some(9000) revoked None [(2, Some(5000)), (4, Some(6000)), (5, None)]
        b Some("{\"team\":\"web\",\"floor\":\"standard\"}") until Some(9000) revoked None [(1, None)]"#]],
    );
    // Secrets that ended go with the next rotation.
    assert!(state.rotate_key("a", [6; 32], 7_000, 5_000).unwrap());
    assert!(!state.rotate_key("nobody", [7; 32], 0, NOW).unwrap());

    assert!(state.revoke_key("b", NOW + 3).unwrap());
    assert!(!state.revoke_key("b", NOW + 4).unwrap() && !state.revoke_key("nobody", NOW).unwrap());
    assert!(!state.rotate_key("b", [8; 32], 0, NOW).unwrap(), "a revoked key stays revoked");
    assert!(!add(&mut state, "b", 9), "nobody inherits a name");
    check(
        &mut state,
        expect![[r#"
        revision 6
        a Some("{\"team\":\"web\",\"floor\":\"standard\"}") until Some(9000) revoked None [(4, Some(6000)), (5, Some(7000)), (6, None)]
        b Some("{\"team\":\"web\",\"floor\":\"standard\"}") until Some(9000) revoked Some(1003) [(1, None)]"#]],
    );
}

fn a_change_is_seen_by_whoever_has_the_ledger_open_and_what_is_not_understood_is_no_key(store: &Scratch) {
    let ledger = Ledger::open(store.location(), Options::default()).unwrap();
    let (mut here, mut there) = (State::open(store.location()).unwrap(), State::open(store.location()).unwrap());
    assert!(add(&mut here, "a", 1));
    assert_eq!(there.keys_revision().unwrap(), 1);
    store.batch("UPDATE keys SET policy = '{\"moon_phase\":\"full\"}'");
    assert_eq!(there.keys().unwrap().1[0].policy, None);
    ledger.close().unwrap();
}

fn who_opens_it_to_read_makes_nothing_and_changes_nothing(store: &Scratch) {
    let why_not = || State::open_to_read(store.location()).map(|_| ()).unwrap_err();
    assert!(matches!(why_not(), LedgerError::Missing { .. }), "{}", why_not());
    match store.file() {
        Some(path) => assert!(!path.exists()),
        None => {
            assert_eq!(store.number("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"), 0);
        }
    }
    let mut owner = State::open(store.location()).unwrap();
    let mut state = State::open_to_read(store.location()).unwrap();
    assert!(add(&mut owner, "a", 1));
    let error = state.revoke_key("a", NOW).unwrap_err();
    assert!(matches!(error, LedgerError::ReadOnly { .. } | LedgerError::Refused { .. }), "{error}");
    assert!(state.keys().unwrap().1[0].revoked_ms.is_none(), "it goes on reading, and the key is as it was");
    if store.file().is_some() {
        return;
    }
    for (set, want) in [
        ("version = 1", "has schema version 1, reading it needs version"),
        ("version = 99, oldest_beside = 99", "has schema version 99, this tierway knows versions up to"),
    ] {
        store.batch(&format!("UPDATE tierway_schema SET {set}"));
        assert!(why_not().to_string().contains(want), "{}", why_not());
    }
    assert_eq!(store.number("SELECT version FROM tierway_schema"), 99, "nobody upgraded it");
}

on_both![
    who_opens_it_to_read_makes_nothing_and_changes_nothing,
    keys_are_added_rotated_and_revoked_and_each_change_raises_the_revision,
    a_change_is_seen_by_whoever_has_the_ledger_open_and_what_is_not_understood_is_no_key,
];
