//! What keys, teams and users spent, against the rows themselves.

use crate::scratch::{Scratch, on_both};
use crate::synthetic::{HOUR_MS, MONDAY_MS, traffic};
use tierway_decide::{CallRecord, Name, Usd};
use tierway_ledger::{Ledger, Options, Payer};

fn sums_since_a_moment_are_those_of_the_rows(store: &Scratch) {
    let calls: Vec<_> = traffic(3, 400, MONDAY_MS, 60 * HOUR_MS).collect();
    let ledger = Ledger::open(store.location(), Options::default()).unwrap();
    calls.iter().for_each(|call| assert!(ledger.offer(call.clone())));
    ledger.close().unwrap();
    let mut reader = store.reader();
    let user = calls.iter().find(|call| !call.user.is_empty()).unwrap().user.clone();
    let (key, team) = (calls[0].key.clone(), calls[0].team.clone());
    type Of = fn(&CallRecord) -> &Name;
    let payers: [(Payer, Of, Name); 3] = [
        (Payer::Key(key.to_string()), |call| &call.key, key),
        (Payer::Team(team.to_string()), |call| &call.team, team),
        (Payer::User(user.to_string()), |call| &call.user, user),
    ];
    for (payer, of, name) in payers {
        for from_ms in [0, MONDAY_MS, MONDAY_MS + HOUR_MS / 2, MONDAY_MS + 24 * HOUR_MS, MONDAY_MS + 50 * HOUR_MS + 7] {
            let mine = calls.iter().filter(|call| *of(call) == name && call.id.unix_ms() >= from_ms);
            let want: Usd = mine.map(|call| call.paid.unwrap_or_default() + call.classifier_paid).sum();
            assert_eq!(reader.spent(&payer, from_ms).unwrap(), want, "{payer:?} since {from_ms}");
        }
    }
    assert_eq!(reader.spent(&Payer::Key("nobody".into()), 0).unwrap(), Usd::ZERO);
}

on_both![sums_since_a_moment_are_those_of_the_rows];
