//! What comes from the environment is looked at like the config, and blamed by its name.
#![allow(missing_docs, clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use common::{LADDER, command, ended};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

const KEYED: &str =
    "[providers.openai]\nkind = \"openai\"\n[[tiers]]\nname = \"standard\"\ntargets = [\"openai/gpt-4o\"]\n";

/// Runs a line in a folder with a config, and with one variable; gives exit code and what was said.
#[track_caller]
fn check(config: &str, line: &str, variable: (&str, &[u8]), code: i32, wanted: &str) {
    let dir = common::folder(config);
    let mut command = command(dir.path(), &line.split(' ').collect::<Vec<_>>());
    let (got, _, talk) = ended(command.env(variable.0, OsStr::from_bytes(variable.1)));
    assert_eq!(got, code, "{talk}");
    assert!(talk.contains(wanted), "{talk}");
    assert!(!talk.contains("s3cret"), "{talk}");
    let blamed = code == 1 && talk.contains("tierway.toml:");
    assert!(!blamed || wanted.contains("tierway.toml:"), "the file is not to blame: {talk}");
}

#[test]
fn what_is_wrong_is_the_variable() {
    for bad in [&b"nonsense"[..], b"127.0.0.1", b"\xff:1"] {
        let wanted = "environment variable TIERWAY_LISTEN: is `";
        check(LADDER, "check", ("TIERWAY_LISTEN", bad), 1, wanted);
    }
    let wanted = "environment variable TIERWAY_LEDGER: holds bytes that are no UTF-8 text";
    check(LADDER, "check", ("TIERWAY_LEDGER", b"\xffx.db"), 1, wanted);
    let wanted =
        "none.toml: cannot read the config: there is no such file; `tierway init` writes one; TIERWAY_CONFIG names it";
    check(LADDER, "check", ("TIERWAY_CONFIG", b"none.toml"), 1, wanted);
    check(LADDER, "prices list", ("TIERWAY_CONFIG", b"none.toml"), 1, wanted);
}

#[test]
fn a_database_that_is_away_is_said_and_no_fault() {
    let url = b"postgres://nobody@127.0.0.1:1/none";
    check(LADDER, "check", ("TIERWAY_LEDGER", url), 0, "warning: environment variable TIERWAY_LEDGER: ");
}

#[test]
fn an_address_that_is_none_is_found_before_it_serves_and_never_shown() {
    let urled = format!("[ledger]\nurl = \"env:PG\"\n{LADDER}");
    for (address, wanted) in [
        ("mysql://u:s3cret@h/d", "it is not one of PostgreSQL"),
        ("\"postgres://u:s3cret@h/d\"", "it is not one of PostgreSQL, and it begins with a quote"),
        ("postgres://u:s3cret w@host with:1x/d", "it does not read as a URL"),
        ("postgres://u:p@s3cret@h/d", "it has more than one `@`"),
        ("host=127.0.0.1 port=1 user=u password=s3cret", "it is not one of PostgreSQL"),
    ] {
        for (config, name) in [(LADDER, "TIERWAY_LEDGER"), (&urled, "PG")] {
            let blamed = format!("tierway.toml:2: the ledger's URL cannot be used: {wanted}");
            let told = if name == "PG" { &blamed } else { wanted };
            for (line, wanted) in [("check", told), ("serve", wanted), ("keys add k", wanted)] {
                check(config, line, (name, address.as_bytes()), 1, wanted);
            }
        }
        let dir = common::folder(LADDER);
        let (code, out, talk) = common::tierway(dir.path(), &["keys", "add", "k", "--db", address]);
        assert!(code == 1 && talk.contains(wanted) && !(out + &talk).contains("s3cret"), "{talk}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "{address}: it made a file");
    }
    check(&urled, "check", ("PG", b"garbage"), 1, "tierway.toml:2: the ledger's URL cannot be used");
    for source in ["env:FOO", "file:x"] {
        let wanted = "environment variable TIERWAY_LEDGER: says where an address is found";
        check(LADDER, "check", ("TIERWAY_LEDGER", source.as_bytes()), 1, wanted);
    }
    // The variable is enough: what the config names does not have to be there.
    check(&urled, "check", ("TIERWAY_LEDGER", b"x.db"), 0, "good. tiers nano");
}

#[test]
fn an_empty_variable_is_none() {
    for name in ["TIERWAY_LISTEN", "TIERWAY_LEDGER", "TIERWAY_CONFIG"] {
        check(LADDER, "check", (name, b""), 0, "good. tiers nano < standard (baseline)");
    }
}

#[test]
fn a_key_that_no_header_carries_is_found_before_it_is_used() {
    let place = "tierway.toml:1: provider `openai` (tiers standard): ";
    for (key, wanted) in [
        (&b"\xff\xfe"[..], "environment variable OPENAI_API_KEY holds bytes that are no UTF-8 text"),
        (b"sk-one\nsk-two", "the key in environment variable OPENAI_API_KEY has a line end"),
        (
            "sk-\u{fc}ber".as_bytes(),
            "the key in environment variable OPENAI_API_KEY has a line end, a blank, or another character",
        ),
        (b"sk-one # mine", "the key in environment variable OPENAI_API_KEY has a line end, a blank"),
        (b" ", "environment variable OPENAI_API_KEY is not set"),
    ] {
        check(KEYED, "check", ("OPENAI_API_KEY", key), 1, &format!("{place}{wanted}"));
    }
    check(KEYED, "check", ("OPENAI_API_KEY", b" sk-good\n"), 0, "good. tiers standard (baseline)");
}

#[test]
fn a_config_that_is_named_has_to_be_there() {
    let dir = common::demo_log();
    for line in
        ["report --db log.db --config nope.toml", "explain --db log.db -c nope.toml", "prices list -c nope.toml"]
    {
        let (code, _, talk) = common::tierway(dir.path(), &line.split(' ').collect::<Vec<_>>());
        assert!(code == 1 && talk.contains("nope.toml: cannot read the config"), "{line}: {code} {talk}");
    }
    common::good(dir.path(), &["report", "--db", "log.db"]);
}
