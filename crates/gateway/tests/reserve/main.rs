//! What one call of `reserve.lua` takes and refuses, asked of a real Redis; and that each condition in it is held by a case.
//!
//! Needs an installed Redis or Valkey; starts one of its own. Its clock is set to [`NOW`], so that every figure is exact.
#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, may fail loudly")]

mod cases;
mod mutants;

use redis::{Connection, Value};
use std::fmt::Write;
use tierway_testkit::redis::Redis;

const SCRIPT: &str = include_str!("../../src/shared/reserve.lua");
const TELL: &str = include_str!("../../src/shared/tell.lua");
const BEGIN: &str = include_str!("../../src/shared/begin.lua");
/// Seconds: 1970-01-12.
const NOW: &str = "{1000000, 0}";

/// One call. Places of a text: what is in the database before, what is asked, what is answered, what is there afterwards.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Hashes as `key field=value field=value`, parted by `;`. `alive NAME NAME` are the replicas that live.
    pub(crate) before: &'static str,
    /// `tokens requests`, then for each payer `rpm tpm most budget worst base known`, parted by `;`. Where something is taken
    /// ahead, `tokens requests wanted portion`, and a payer ends in ` / ` and what is held: requests, tokens, places, money.
    pub(crate) ask: &'static str,
    pub(crate) answer: &'static str,
    /// As `before`, with the seconds that a key has left; keys and fields in their order.
    pub(crate) after: &'static str,
}

/// What is told: figures of one key and its kind, call after call parted by `;`, and what is there before and afterwards.
pub(crate) struct Told {
    pub(crate) name: &'static str,
    pub(crate) before: &'static str,
    pub(crate) say: &'static str,
    pub(crate) after: &'static str,
}

const KEEP_S: &str = "60";

/// What the script makes of a case: its answer, and what is in the database afterwards.
fn run(redis: &mut Connection, script: &str, case: &Case) -> Result<(String, String), String> {
    fill(redis, case.before)?;
    let mut parts = case.ask.split(';').map(str::trim);
    let mut call = redis::cmd("EVAL");
    let payers = parts.clone().count() - 1;
    call.arg(script).arg(2 * payers);
    for payer in 1..=payers {
        call.arg(format!("pace{payer}")).arg(format!("purse{payer}"));
    }
    let mut needs: Vec<_> = parts.next().unwrap_or_default().split(' ').collect();
    if needs.len() == 2 {
        needs.extend(["0", "100"]);
    }
    call.arg("me").arg(needs);
    for payer in parts {
        let (bounds, held) = payer.split_once(" / ").unwrap_or((payer, "0 0 0 0"));
        call.arg(bounds.split(' ').collect::<Vec<_>>()).arg(KEEP_S).arg(held.split(' ').collect::<Vec<_>>());
    }
    let answer: Value = call.arg("alive:").query(redis).map_err(|error| error.to_string())?;
    Ok((shown(&answer), left(redis)))
}

fn fill(redis: &mut Connection, before: &str) -> Result<(), String> {
    let () = redis::cmd("FLUSHALL").query(redis).map_err(|error| error.to_string())?;
    for line in before.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let key = words.next().unwrap_or_default();
        for word in words {
            let done: redis::RedisResult<()> = match word.split_once('=') {
                Some((field, value)) => redis::cmd("HSET").arg(key).arg(field).arg(value).query(redis),
                None => redis::cmd("SET").arg(format!("alive:{word}")).arg(1).query(redis),
            };
            done.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::BulkString(text) => String::from_utf8_lossy(text).into_owned(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(" "),
        other => format!("{other:?}"),
    }
}

fn left(redis: &mut Connection) -> String {
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("p*").query(redis).unwrap();
    keys.sort();
    let mut all = Vec::new();
    for key in keys {
        let mut fields: Vec<(String, String)> = redis::cmd("HGETALL").arg(&key).query(redis).unwrap();
        fields.sort();
        let ttl: i64 = redis::cmd("TTL").arg(&key).query(redis).unwrap();
        let mut line = key;
        for (field, value) in fields {
            let _ = write!(line, " {field}={value}");
        }
        if ttl >= 0 {
            // A second may have begun since.
            let _ = write!(line, " for {}", if ttl > 80_000 { 90_000 } else { (ttl + 9) / 10 * 10 });
        }
        all.push(line);
    }
    all.join("; ")
}

/// The script with its clock held still.
fn stilled(script: &str) -> String {
    let clock = "redis.call('TIME')";
    assert_eq!(script.matches(clock).count(), 1, "the script asks for the time once");
    script.replace(clock, NOW)
}

#[test]
fn each_call_takes_all_that_it_needs_or_nothing() {
    let server = Redis::start().unwrap();
    let mut redis = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let mut wrong = Vec::new();
    for case in cases::CASES {
        let got = run(&mut redis, &stilled(SCRIPT), case);
        if got != Ok((case.answer.to_owned(), case.after.to_owned())) {
            wrong.push(format!("{}: {got:#?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_told_only_grows() {
    let server = Redis::start().unwrap();
    let mut redis = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    for told in cases::TOLD {
        check(&mut redis, told, TELL, |words, call| {
            call.arg(format!("{}1", words[0])).arg("me").arg("now").arg(words);
        });
    }
}

#[test]
fn a_session_begins_with_what_is_known() {
    let server = Redis::start().unwrap();
    let mut redis = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    for told in cases::BEGUN {
        check(&mut redis, told, BEGIN, |words, call| {
            let [key, before, taken, base, certain, others @ ..] = words else { panic!("{}", told.say) };
            let (names, base) = if *key == "purse" { (["r:", "d:"], *base) } else { (["a:", "b:"], "") };
            call.arg(format!("{key}1")).arg(before.trim_matches('-')).arg("now").arg(&names);
            call.arg(taken).arg(60_000).arg(base).arg(certain).arg(others);
        });
    }
}

/// Runs a script of one key for each thing that is said, with what `arguments` makes of its words.
#[track_caller]
fn check(redis: &mut Connection, told: &Told, script: &str, arguments: impl Fn(&[&str], &mut redis::Cmd)) {
    fill(redis, told.before).unwrap();
    for words in told.say.split("; ").map(|say| say.split(' ').collect::<Vec<_>>()) {
        let mut call = redis::cmd("EVAL");
        call.arg(script).arg(1);
        arguments(&words, &mut call);
        let () = call.query(redis).unwrap();
    }
    assert_eq!(left(redis), told.after, "{}", told.name);
}

/// Whoever changes a condition of the script breaks a case: each of the mutants is one such change. One that no longer runs is
/// no such change: it has to give a wrong answer, not an error.
#[test]
fn every_condition_is_held_by_a_case() {
    let server = Redis::start().unwrap();
    let mut redis = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let (mut alive, mut broken) = (Vec::new(), Vec::new());
    for (was, becomes) in mutants::MUTANTS {
        let script = stilled(SCRIPT);
        assert_eq!(script.matches(was).count(), 1, "`{was}` stands in the script once");
        let mutant = script.replace(was, becomes);
        let (mut wrong, mut failed) = (false, None);
        for case in cases::CASES {
            match run(&mut redis, &mutant, case) {
                Ok(got) => wrong |= got != (case.answer.to_owned(), case.after.to_owned()),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            _ if wrong => {}
            Some(error) => broken.push(format!("`{was}` as `{becomes}`: {error}")),
            None => alive.push(format!("`{was}` as `{becomes}`")),
        }
    }
    assert!(alive.is_empty(), "no case breaks with {}", alive.join(", nor with "));
    assert!(broken.is_empty(), "these do not run at all: {}", broken.join("; "));
}
