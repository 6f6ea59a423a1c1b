//! The Redis that replicas share, as an operator meets it: its certificate, its memory, and that it may be away.
#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, may fail loudly")]

use std::path::Path;
use tierway_config::Config;
use tierway_gateway::check_shared;
use tierway_testkit::Authority;
use tierway_testkit::redis::{PASSWORD, Redis};

/// Writes an authority, and a certificate that it signed for a name with its key: `NAME-ca.pem`, `NAME.pem`, `NAME.key`.
fn sign(dir: &Path, file: &str, name: &str) {
    let authority = Authority::new().unwrap();
    let signed = authority.sign(&[name]).unwrap();
    for (ending, text) in [("-ca.pem", authority.pem()), (".pem", signed.certificate), (".key", signed.key)] {
        std::fs::write(dir.join(format!("{file}{ending}")), text).unwrap();
    }
}

fn config(dir: &Path, url: &str, more: &str) -> Config {
    std::fs::write(dir.join("redis-url"), url).unwrap();
    let text = format!(
        r#"
[providers.p]
kind = "openai_compatible"
base_url = "http://127.0.0.1:9/v1"
[[tiers]]
name = "standard"
targets = [{{ provider = "p", model = "m", price = {{ input = 1.0, output = 2.0 }} }}]
[shared]
url = "file:redis-url"
{more}
"#
    );
    tierway_config::parse(&text, dir.join("tierway.toml").to_str().unwrap(), &|_| None).unwrap()
}

/// What `check` says: nothing, a warning, or an error. None of it holds the password.
#[track_caller]
fn check(dir: &Path, url: &str, more: &str, want: &str) {
    let said = match check_shared(&config(dir, url, more)) {
        Ok(None) => "well".into(),
        Ok(Some(warning)) => format!("warning: {warning}"),
        Err(error) => format!("error: {error}"),
    };
    let all_there = want.split(" .. ").all(|part| said.contains(part));
    assert!(all_there && !said.contains(PASSWORD), "{url} {more}: {said}");
}

#[test]
fn only_a_server_with_the_right_certificate_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    sign(dir.path(), "ours", "localhost");
    sign(dir.path(), "another", "localhost");
    std::fs::write(dir.path().join("text.pem"), "no certificate").unwrap();
    let redis = Redis::start_tls(&dir.path().join("ours.pem"), &dir.path().join("ours.key")).unwrap();
    let (named, plain) = (redis.url_at("localhost"), redis.url_at("localhost").replace("rediss", "redis"));
    let check = |url: &str, more: &str, want: &str| check(dir.path(), url, more, want);
    check(&named, "ca_file = \"ours-ca.pem\"", "well");
    // The same under the other name of the scheme.
    check(&named.replace("rediss", "valkeys"), "ca_file = \"ours-ca.pem\"", "well");
    check(&named, "ca_file = \"another-ca.pem\"", "warning: .. cannot be reached .. certificate");
    check(&named, "", "warning: .. cannot be reached .. UnknownIssuer");
    check(&redis.url(), "ca_file = \"ours-ca.pem\"", "warning: .. cannot be reached .. not valid for name");
    check(&format!("{named}#insecure"), "ca_file = \"ours-ca.pem\"", "warning: .. insecure");
    check(&named, "ca_file = \"none.pem\"", "error: .. none.pem");
    check(&named, "ca_file = \"text.pem\"", "error: .. text.pem");
    check(&plain, "ca_file = \"ours-ca.pem\"", "error: .. ca_file is for an address with TLS");
    check(&plain, "", "warning: .. cannot be reached");
    check("nonsense", "", "error: .. [shared] url");
}

#[test]
fn a_database_that_may_throw_budgets_away_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let bounded = ["--maxmemory", "64mb", "--maxmemory-policy"];
    for (settings, want) in [
        (vec![], "well"),
        (["--maxmemory-policy", "allkeys-lru"].to_vec(), "well"),
        ([&bounded[..], &["noeviction"]].concat(), "well"),
        (
            [&bounded[..], &["allkeys-lru"]].concat(),
            "warning: .. 67108864 bytes .. allkeys-lru .. set maxmemory-policy noeviction",
        ),
        ([&bounded[..], &["volatile-ttl"]].concat(), "warning: .. volatile-ttl"),
        // As those do who run it for others.
        ([&bounded[..], &["allkeys-lru", "--rename-command", "CONFIG", ""]].concat(), "warning: .. allkeys-lru"),
        ([&bounded[..], &["allkeys-lru", "--rename-command", "INFO", ""]].concat(), "well"),
    ] {
        let redis = Redis::start_with(&settings).unwrap();
        check(dir.path(), &redis.url(), "", want);
    }
}
