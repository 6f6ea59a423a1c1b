//! `report`, `explain`, `audit` and `export` as their users see them: arguments in, text and exit code out.
#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, may fail loudly")]

mod common;
#[path = "../../ledger/tests/synthetic/mod.rs"]
mod synthetic;

use std::path::{Path, PathBuf};
use synthetic::{HOUR_MS, MONDAY_MS, traffic};
use tempfile::TempDir;
use tierway_decide::{CallRecord, CallStatus, Features, Predictor, Reason, RequestId, Usd, savings};
use tierway_ledger::{Ledger, Options};

fn ledger() -> (TempDir, PathBuf, Vec<CallRecord>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let calls: Vec<_> = traffic(5, 1_000, MONDAY_MS, 50 * HOUR_MS).collect();
    let ledger = Ledger::open(&path, Options::default()).unwrap();
    calls.iter().for_each(|call| assert!(ledger.offer(call.clone())));
    ledger.close().unwrap();
    (dir, path, calls)
}

/// Runs in the folder of a ledger.
fn on(db: &Path, arguments: &[&str]) -> (i32, String, String) {
    common::tierway(db.parent().unwrap(), &[arguments, &["--db", db.to_str().unwrap()]].concat())
}

#[track_caller]
fn good(db: &Path, arguments: &[&str]) -> String {
    let (code, out, talk) = on(db, arguments);
    assert_eq!(code, 0, "{talk}");
    out
}

#[track_caller]
fn bad(db: &Path, arguments: &[&str]) -> (String, String) {
    let (code, out, talk) = on(db, arguments);
    assert_eq!(code, 1, "{talk}");
    (out, talk)
}

/// Runs as somebody who may read a ledger and not change it.
fn as_reader(db: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    use std::process::Command;
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = Command::new(if is_root { "setpriv" } else { common::PROGRAM });
    if is_root {
        command.args(["--reuid", "nobody", "--clear-groups", common::PROGRAM]);
    }
    command.args(arguments).arg("--db").arg(db).current_dir(db.parent().unwrap());
    let done = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

#[test]
fn who_may_only_read_a_ledger_sees_all_that_needs_no_change() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let (dir, db, _) = ledger();
    good(&db, &["keys", "add", "--name", "app"]);
    set_permissions(&db, Permissions::from_mode(0o444)).unwrap();
    set_permissions(dir.path(), Permissions::from_mode(0o555)).unwrap();
    let before = std::fs::read_dir(dir.path()).unwrap().count();
    for (arguments, want) in [
        (&["keys", "list"][..], "app"),
        (&["quality"], "no sample was taken yet"),
        (&["evidence", "list"], "no evidence was kept yet"),
        (&["report", "--days", "36500"], "nano"),
        (&["audit"], "1,000 rows"),
    ] {
        let (code, out, talk) = as_reader(&db, arguments);
        assert!(code == Some(0) && (out.clone() + &talk).contains(want), "{arguments:?}: {code:?} {out} {talk}");
    }
    for arguments in [&["keys", "revoke", "app"][..], &["evidence", "rollback", "1", "--why", "a test"]] {
        let (code, _, talk) = as_reader(&db, arguments);
        assert!(code == Some(1) && talk.contains("ledger.db"), "{arguments:?}: {code:?} {talk}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), before, "nothing was made");
    set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_report_has_the_same_totals_in_every_form() {
    let (_dir, db, calls) = ledger();
    let days = ["report", "--days", "36500"];
    let json: serde_json::Value =
        serde_json::from_str(&good(&db, &[&days[..], &["--format", "json"]].concat())).unwrap();
    assert_eq!(json["totals"]["calls"], 1_000);
    let routed = |call: &&CallRecord| call.reason != Reason::RequestedModel && call.paid.is_some();
    // A call without an answer never saves: one that failed would have cost nothing, one that was left no more than here.
    let would_cost = |call: &CallRecord| match call.status {
        CallStatus::Answered => call.baseline.unwrap().picos(),
        CallStatus::Cancelled => call.baseline.min(call.paid).unwrap().picos(),
        CallStatus::Failed | CallStatus::Refused => 0,
    };
    let baseline: i64 = calls.iter().filter(routed).map(would_cost).sum();
    assert_eq!(json["totals"]["money"]["baseline_usd"], baseline as f64 / 1e12);
    let text = good(&db, &days);
    for wanted in ["Tier", "nano", "standard", "Always cheapest", "same tokens", "Not routed"] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
    assert!(good(&db, &[&days[..], &["--format", "csv"]].concat()).starts_with("group,name,calls"));
    let page = db.with_file_name("report.html");
    let output = good(&db, &[&days[..], &["--format", "html", "--output", page.to_str().unwrap()]].concat());
    assert_eq!(output, "");
    assert!(std::fs::read_to_string(page).unwrap().starts_with("<!doctype html>"));
}

#[test]
fn a_period_without_calls_is_no_failure_but_a_missing_ledger_is() {
    let (dir, db, _) = ledger();
    assert!(good(&db, &["report", "--days", "1"]).contains("No calls in this period."));
    let (_, told) = bad(&dir.path().join("none.db"), &["report"]);
    assert!(told.contains("there is no ledger at"), "{told}");
}

#[test]
fn explain_shows_every_step_of_the_row() {
    let (_dir, db, calls) = ledger();
    let call = calls.iter().find(|call| call.attempts.len() == 2 && call.reason == Reason::Predicted).unwrap();
    let text = good(&db, &["explain", &call.id.to_string()]);
    for wanted in [
        "Prediction",
        call.prediction.complexity.name(),
        "Decision",
        "the cheapest tier whose answer is expected to do",
        "passed over",
        "HTTP 429 (rate_limit_exceeded) after 40 ms",
        "baseline",
        "it is as it was written",
    ] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&good(&db, &["explain", &call.id.to_string(), "--json"])).unwrap();
    assert_eq!(serde_json::from_value::<CallRecord>(json["record"].clone()).unwrap(), *call);
    let newest = calls.iter().map(|call| call.id).max().unwrap().to_string();
    assert!(good(&db, &["explain"]).contains(&newest), "without an id it is the newest");
    let (_, told) = bad(&db, &["explain", "0000000000000"]);
    assert!(told.contains("no record of request 0000000000000"), "{told}");
    assert_eq!(on(&db, &["explain", "not-an-id"]).0, 2);
}

#[test]
fn explain_tells_of_decisions_that_were_made_and_of_no_others() {
    let (_dir, db, calls) = ledger();
    let last = calls.iter().map(|call| call.id.unix_ms()).max().unwrap();
    let predicted = calls.iter().find(|call| call.reason == Reason::Predicted).unwrap();
    let refused = CallRecord {
        id: RequestId::new(last + 1, 1, 1),
        status: CallStatus::Refused,
        http_status: 400,
        reason: Reason::Default,
        tier: "".into(),
        requested_model: "".into(),
        table_version: 0,
        attempts: vec![],
        ..predicted.clone()
    };
    let asked =
        CallRecord { id: RequestId::new(last + 1, 1, 2), classifier_paid: Usd::from_f64(0.0003), ..predicted.clone() };
    let ledger = Ledger::open(&db, Options::default()).unwrap();
    [&refused, &asked].into_iter().for_each(|call| assert!(ledger.offer(call.clone())));
    ledger.close().unwrap();
    let text = good(&db, &["explain", &refused.id.to_string()]);
    assert!(text.contains("nothing was decided: it was refused before") && text.contains("HTTP 400"), "{text}");
    for invented in ["no policy is in force", "complexity", "0000000000000000", "not at hand", "``"] {
        assert!(!text.contains(invented), "{invented}:\n{text}");
    }
    let text = good(&db, &["explain", &asked.id.to_string()]);
    assert!(text.contains("asked         a model, how hard it is"), "{text}");
}

#[test]
fn an_audit_is_clean_until_somebody_touches_a_row() {
    let (_dir, db, calls) = ledger();
    assert!(good(&db, &["audit"]).contains("every row is as it was written"));
    // As JSON: the same digest, money as reports have it, no number that a reader of JSON would round.
    let text = good(&db, &["audit"]);
    let json: serde_json::Value = serde_json::from_str(&good(&db, &["audit", "--json"])).unwrap();
    let audit = &json["audit"];
    assert!(
        text.contains(&format!("digest of all rows     {}\n", audit["digest"].as_str().unwrap())),
        "{text}\n{json}"
    );
    assert!(audit["recomputed"]["paid_usd"].as_f64().is_some_and(|paid| paid > 0.0 && paid < 1e6), "{json}");
    assert!(audit["recomputed"]["total"].is_null() && audit["recomputed"] == audit["recorded"], "{json}");
    let victim = calls.iter().find(|call| call.paid.is_some_and(|paid| paid.picos() > 0)).unwrap();
    let id = victim.id.as_i64();
    let touched = rusqlite::Connection::open(&db).unwrap();
    touched.execute("UPDATE calls SET paid = paid / 2 WHERE id = ?1", [id]).unwrap();
    let (text, told) = bad(&db, &["audit"]);
    assert!(text.contains(&format!("request {}: its row was changed", victim.id)), "{text}");
    assert!(told.contains("problems"), "{told}");
    let json: serde_json::Value = serde_json::from_str(&bad(&db, &["audit", "--json"]).0).unwrap();
    let problems = json["audit"]["problems"].as_array().unwrap();
    let changed = problems.iter().find(|problem| problem["kind"] == "row_changed").unwrap();
    assert_eq!(changed["id"], victim.id.to_string());

    // However little it is, both sides of a difference read differently.
    touched.execute("UPDATE calls SET paid = paid * 2 + 1 WHERE id = ?1", [id]).unwrap();
    let (text, _) = bad(&db, &["audit"]);
    let differences: Vec<_> = text.lines().filter_map(|line| line.split_once(": reports say ")).collect();
    assert!(!differences.is_empty(), "{text}");
    for (_, sides) in differences {
        let (reports, rows) = sides.split_once(", the rows ").unwrap();
        assert_ne!(reports, rows);
    }
}

/// An answered call to the cheapest tier of a config, under its prices.
fn priced(call: CallRecord, config: &tierway_config::Config) -> CallRecord {
    let ladder = config.table.ladder();
    let cheapest = &ladder.tiers()[0];
    let (target, unix_ms) = (&cheapest.targets[0], call.id.unix_ms());
    let mut attempt = call.attempts.last().unwrap().clone();
    (attempt.tier, attempt.provider, attempt.model) =
        (cheapest.name.clone(), target.provider.clone(), target.model.clone());
    attempt.paid = savings::cost_on(target, &attempt.usage, unix_ms);
    let on = |tier| savings::counterfactual(ladder, tier, &call.usage, unix_ms);
    CallRecord {
        table_version: config.table.version(),
        paid: attempt.paid,
        baseline: on(ladder.baseline()),
        cheapest: ladder.ids().next().and_then(on),
        attempts: vec![attempt],
        reason: Reason::Predicted,
        ..call
    }
}

#[test]
fn an_audit_prices_anew_what_a_config_priced_and_takes_the_routers_own_calls_for_a_loss() {
    let dir = common::folder(common::LADDER);
    let db = dir.path().join("ledger.db");
    let config = tierway_config::load(&dir.path().join("tierway.toml")).unwrap();
    let answered = traffic(7, 100, MONDAY_MS, HOUR_MS).filter(|call| call.status == CallStatus::Answered);
    let mut calls: Vec<_> = answered.take(4).map(|call| priced(call, &config)).collect();
    let nothing = Some(Usd::ZERO);
    let own = |reason, call: &mut CallRecord| {
        (call.reason, call.baseline, call.cheapest) = (reason, nothing, nothing);
    };
    own(Reason::Shadow, &mut calls[1]);
    own(Reason::Judge, &mut calls[2]);
    let write = |calls: &[CallRecord]| {
        let ledger = Ledger::open(&db, Options::default()).unwrap();
        calls.iter().for_each(|call| assert!(ledger.offer(call.clone())));
        ledger.close().unwrap();
    };
    write(&calls[..3]);
    let text = good(&db, &["audit"]);
    assert!(text.contains("3 rows of the config in force priced anew, 0 differ"), "{text}");

    // No such excuse for a call of a client's, and nothing is said to be well above the difference.
    calls[3].baseline = nothing;
    write(&calls[3..]);
    let (text, _) = bad(&db, &["audit"]);
    assert!(text.contains("priced anew, 1 differ") && text.contains(&calls[3].id.to_string()), "{text}");
    assert!(!text.contains("as it was written"), "{text}");
}

#[test]
fn an_audit_has_all_that_was_paid() {
    let (_dir, db, calls) = ledger();
    let paid: Usd = calls.iter().map(|call| call.paid.unwrap_or(Usd::ZERO) + call.classifier_paid).sum();
    let json: serde_json::Value = serde_json::from_str(&good(&db, &["audit", "--json"])).unwrap();
    assert_eq!(json["audit"]["recomputed"]["paid_in_all_usd"], paid.as_f64());
    let text = good(&db, &["audit"]);
    let line = text.lines().find(|line| line.starts_with("paid in all"));
    assert!(line.is_some_and(|line| line.contains(&paid.to_string())), "{text}");
}

#[test]
fn an_export_has_every_row_once_and_its_money_adds_up() {
    let (_dir, db, calls) = ledger();
    let csv = good(&db, &["export"]);
    let lines: Vec<_> = csv.split_terminator("\r\n").collect();
    let columns: Vec<_> = lines[0].split(',').collect();
    let at = columns.iter().position(|column| *column == "paid_usd").unwrap();
    assert_eq!(lines.len(), 1_001);
    let ids: Vec<_> = lines[1..].iter().map(|line| line.split(',').next().unwrap().to_owned()).collect();
    assert_eq!(ids, calls.iter().map(|call| call.id.to_string()).collect::<Vec<_>>());
    for (line, call) in lines[1..].iter().zip(&calls) {
        let cells: Vec<_> = line.split(',').collect();
        assert_eq!(cells.len(), columns.len(), "{line}");
        assert_eq!(cells[at], call.paid_in_all().map_or_else(String::new, |paid| paid.to_string()));
    }
    let jsonl = good(&db, &["export", "--format", "jsonl"]);
    for (line, call) in jsonl.lines().zip(&calls) {
        assert_eq!(serde_json::from_str::<CallRecord>(line).unwrap(), *call);
    }
}

#[test]
fn explain_recomputes_prediction_and_choice_from_the_features_of_the_row() {
    let dir = tempfile::tempdir().unwrap();
    let (db, toml) = (dir.path().join("ledger.db"), dir.path().join("tierway.toml"));
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/data/example.toml");
    std::fs::copy(example, &toml).unwrap();
    let body =
        br#"{"model":"auto","messages":[{"role":"user","content":"Prove that there are infinitely many primes."}]}"#;
    let (outline, _) = tierway_wire::openai_chat::outline(body).unwrap();
    let features = Features::of(&outline);
    let config = tierway_config::load(&toml).unwrap();
    let ladder = config.table.ladder();
    let tiers = ladder.tiers().len();
    let prediction = Predictor::embedded().predict(&features, tiers, usize::from(ladder.baseline().0));
    let mut call = traffic(6, 1, MONDAY_MS, HOUR_MS).next().unwrap();
    call.reason = if prediction.abstain.is_some() { Reason::Abstained } else { Reason::Predicted };
    (call.features, call.prediction, call.table_version) = (features.pack(), prediction, config.table.version());
    // What a key may have that this config does not know, nobody can tell; without a key nothing is bound.
    call.key = "".into();
    let mut changed = call.clone();
    changed.id = RequestId::new(MONDAY_MS + 1, 0, 0);
    changed.key = "app-of-others".into();
    changed.prediction.score_strong = 0.001;
    let ledger = Ledger::open(&db, Options::default()).unwrap();
    assert!(ledger.offer(call.clone()) && ledger.offer(changed.clone()));
    ledger.close().unwrap();

    let text = good(&db, &["explain", &call.id.to_string()]);
    for wanted in ["because", "recomputed    the same", "decided again", "in force now", "nano "] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
    let text = good(&db, &["explain", &changed.id.to_string()]);
    assert!(text.contains("predictor or evidence changed since") && !text.contains("decided again"), "{text}");
    // Once the ledger has the key, what it may have decides again as well.
    good(&db, &["keys", "add", "app-of-others", "--pin", "reasoning"]);
    let text = good(&db, &["explain", &changed.id.to_string()]);
    assert!(text.contains("decided again reasoning by the config at hand"), "{text}");

    // Under a config that did not decide nobody is to blame, and where it has other tiers these lend no names.
    let other = std::fs::read_to_string(&toml).unwrap().replace("\"standard\"", "\"middle\"");
    std::fs::write(&toml, other).unwrap();
    let text = good(&db, &["explain", &changed.id.to_string()]);
    for wanted in
        ["under the config at hand, which is not the one that decided", "tier 1 ", "not at hand: tiers are numbered"]
    {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
    assert!(!text.contains("changed since") && !text.contains("passed over   nano"), "{text}");
    let missing = std::fs::read_to_string(&toml).unwrap().replace("[routing]", "[routing]\nevidence = \"none.json\"");
    std::fs::write(&toml, missing).unwrap();
    let (code, text, talk) = on(&db, &["explain", &call.id.to_string()]);
    assert!(
        code == 0 && text.contains("Decision") && talk.contains("warning: not decided again: evidence, "),
        "{talk}{text}"
    );
}

#[test]
fn shares_of_nothing_are_nothing() {
    let (_dir, db, _) = ledger();
    let told: serde_json::Value = serde_json::from_str(&good(&db, &["quality", "--json"])).unwrap();
    let quality = &told["quality"];
    for share in
        [&quality["overall"]["quality"], &quality["ruled"]["quality"], &quality["too_low"], &quality["too_high"]]
    {
        assert!(share.is_null(), "{quality:#}");
    }
}

#[test]
fn a_key_that_cannot_be_printed_is_no_key() {
    let (dir, db, _) = ledger();
    let add = |out: std::process::Stdio, name: &str| {
        let mut command = common::command(dir.path(), &["keys", "add", "--db", "ledger.db", "--name", name]);
        let output =
            command.stdout(out).stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (code, talk) = add(full.into(), "lost");
    assert!(
        code == Some(1) && talk.contains("key `lost` could not be printed") && talk.contains("is revoked"),
        "{talk}"
    );
    assert_eq!(add(std::process::Stdio::null(), "kept").0, Some(0));
    let list: serde_json::Value = serde_json::from_str(&good(&db, &["keys", "list", "--format", "json"])).unwrap();
    let states: Vec<_> = list.as_array().unwrap().iter().map(|key| (&key["name"], &key["state"])).collect();
    assert_eq!(states, [(&"kept".into(), &"active".into()), (&"lost".into(), &"revoked".into())]);
}

#[test]
fn what_a_model_was_asked_to_decide_is_a_cause_of_differences() {
    let dir = tempfile::tempdir().unwrap();
    let (db, file) = (dir.path().join("ledger.db"), dir.path().join("usage.csv"));
    let answered = |call: &CallRecord| call.status == CallStatus::Answered && call.provider == "openai";
    let mut call = traffic(5, 100, MONDAY_MS, HOUR_MS).find(answered).unwrap();
    call.classifier_paid = Usd::from_f64(0.0003);
    let ledger = Ledger::open(&db, Options::default()).unwrap();
    assert!(ledger.offer(call.clone()));
    ledger.close().unwrap();
    assert!(good(&db, &["audit"]).starts_with("1 row of 1 hour read\n"));
    // The provider counts the request that decided, too.
    std::fs::write(&file, exported(&[call.clone(), call])).unwrap();
    let (text, _) = bad(&db, &["audit", "--reconcile", file.to_str().unwrap()]);
    assert!(text.contains("asked to decide 1 of these requests, for $0.0003"), "{text}");
}

/// What the provider would have counted for the calls to it, as its usage page exports them.
fn exported(calls: &[CallRecord]) -> String {
    let mut text = "start_time,num_model_requests,model,input_tokens,output_tokens,input_cached_tokens\n".to_owned();
    for attempt in calls.iter().flat_map(|call| call.attempts.iter().map(move |attempt| (call, attempt))) {
        let (call, attempt) = attempt;
        if attempt.provider == "openai" && !attempt.usage.is_empty() {
            let second = (call.id.unix_ms() + i64::from(attempt.started_ms)) / 1000;
            let usage = attempt.usage;
            let tokens = [usage.input_tokens, usage.output_tokens, usage.cached_input_tokens].map(|n| n.to_string());
            text.push_str(&format!("{second},1,{},{}\n", attempt.model, tokens.join(",")));
        }
    }
    text
}

#[test]
fn a_providers_own_count_is_held_against_the_ledger() {
    let (dir, db, calls) = ledger();
    let file = dir.path().join("usage.csv");
    let reconcile = |text: String| {
        std::fs::write(&file, text).unwrap();
        ["audit", "--reconcile", file.to_str().unwrap()].map(str::to_owned)
    };
    let arguments = reconcile(exported(&calls));
    let arguments = arguments.each_ref().map(String::as_str);
    assert!(good(&db, &arguments).contains("agree in every figure"));

    // One call that the ledger does not have.
    let extra = exported(&calls) + &format!("{},1,gpt-4o,7,9,0\n", MONDAY_MS / 1000);
    reconcile(extra);
    let (text, told) = bad(&db, &arguments);
    assert!(told.contains("3 figures differ"), "{told}");
    for wanted in ["2026-03-02  gpt-4o ", "requests", "+1\n", "+7\n", "+9\n"] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
    // What nobody is called has no calls: a slip of the pen is no difference.
    let (_, told) = bad(&db, &[&arguments[..], &["--provider", "openia"]].concat());
    assert!(told.contains("no provider `openia`") && !told.contains("differ"), "{told}");
    std::fs::write(&file, "hello").unwrap();
    assert!(bad(&db, &arguments).1.contains("usage.csv: not an export that is known"));
}
