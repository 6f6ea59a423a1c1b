//! Commands that only ask, on a PostgreSQL: they make nothing, change nothing, and say what to do where they cannot read.
#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, may fail loudly")]

mod common;

use tierway_ledger::{Ledger, Options};
use tierway_testkit::postgres::{PASSWORD, Postgres};

/// Each with what it says of a ledger in which nothing was recorded yet; `--config` names the database of a config.
const ASKING: [(&[&str], &str); 6] = [
    (&["keys", "list", "--db"], "no keys"),
    (&["quality", "--db"], "no sample was taken yet"),
    (&["evidence", "list", "--db"], "no evidence was kept yet"),
    (&["report", "--db"], "tierway report"),
    (&["audit", "--db"], "0 rows"),
    (&["config", "list", "--config"], "no config was put here yet"),
];

/// Every command says something of a kind, and leaves as many tables as there were.
#[track_caller]
fn check(server: &Postgres, url: &str, code: i32, want: impl Fn(&[&str]) -> String) {
    let dir = tempfile::tempdir().unwrap();
    let tables =
        || server.sql(url, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace").unwrap();
    let before = tables();
    for (arguments, _) in ASKING {
        let (ended, out, talk) = common::tierway(dir.path(), &[arguments, &[url]].concat());
        let (said, want) = (out + &talk, want(arguments));
        assert!(ended == code && said.contains(&want) && !said.contains(PASSWORD), "{arguments:?}: {ended} {said}");
    }
    assert_eq!(tables(), before, "something was made");
}

/// Whoever goes back changes something, but only where there is something to go back to.
#[track_caller]
fn going_back_makes_nothing(server: &Postgres, url: &str) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bad.toml"), "[server]\nlisten = 1\n").unwrap();
    for (arguments, want) in [
        (&["config", "rollback", "1", "--config", url], "holds no config yet"),
        (&["config", "push", "bad.toml", "--config", url], "bad.toml is not put in force"),
        (&["evidence", "rollback", "1", "--db", url], "there is no ledger at"),
        (&["keys", "revoke", "app", "--db", url], "there is no ledger at"),
        (&["keys", "rotate", "app", "--db", url], "there is no ledger at"),
    ] {
        let (ended, out, talk) = common::tierway(dir.path(), arguments);
        let tables =
            server.sql(url, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace").unwrap();
        assert!(ended == 1 && talk.contains(want) && tables == "0", "{arguments:?}: {ended} {out}{talk}{tables}");
    }
}

fn is_config(arguments: &[&str]) -> bool {
    arguments[0] == "config"
}

#[test]
fn who_only_asks_makes_no_schema_and_upgrades_none() {
    let server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    let none = |arguments: &[&str]| if is_config(arguments) { "config push FILE" } else { "there is no ledger at" };
    check(&server, &url, 1, |arguments| none(arguments).into());
    going_back_makes_nothing(&server, &url);

    Ledger::open(url.as_str(), Options::default()).unwrap().close().unwrap();
    let nothing = |arguments: &[&str]| ASKING.iter().find(|(asked, _)| asked == &arguments).unwrap().1.to_owned();
    check(&server, &url, 0, nothing);

    // Somebody who may do nothing but read, in a session that may do nothing else.
    let role =
        "CREATE ROLE looker LOGIN PASSWORD 'only-for-tests'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker";
    server.sql(&url, role).unwrap();
    check(&server, &url.replace("tierway:", "looker:"), 0, nothing);

    let known = server.sql(&url, "SELECT version FROM tierway_schema").unwrap();
    server.sql(&url, "UPDATE tierway_schema SET version = 3").unwrap();
    check(&server, &url, 1, |arguments| match is_config(arguments) {
        true => "config push FILE".into(),
        false => "has schema version 3, reading it needs version".into(),
    });
    server.sql(&url, "UPDATE tierway_schema SET version = 99, oldest_beside = 99").unwrap();
    check(&server, &url, 1, |_| format!("has schema version 99, this tierway knows versions up to {known}"));
}
