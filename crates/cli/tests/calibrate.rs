//! `calibrate`, `route --evidence` and `eval` through the binary, on outcomes that are made up.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{LADDER, command, tierway};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tierway_decide::quality::{Comparison, Kind, Preference};
use tierway_decide::{Complexity, RequestId, TaskType, Usd};
use tierway_ledger::State;
use tierway_ledger::quality::{Sample, SampleText, Verdict};

/// The small model fails proofs and nothing else. Ids are numbers, as exports of notebooks write them.
fn outcomes(n: usize) -> String {
    (0..n).fold(String::from("\u{feff}"), |mut lines, at| {
        let (text, small) = match at % 3 {
            0 => (format!("Prove that {at} divides the sum of its squares."), 0),
            _ => (format!("What is the capital of region {at}?"), 1),
        };
        let _ = writeln!(
            lines,
            r#"{{"id":{at},"messages":[{{"role":"user","content":"{text}"}}],"answers":{{"small":{{"score":{small},"prompt_tokens":20,"output_tokens":90}},"p/large":{{"score":1,"output_tokens":100}}}}}}"#
        );
        lines
    })
}

fn folder(rows: &str) -> tempfile::TempDir {
    let dir = common::folder(LADDER);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(rows.as_bytes()).unwrap();
    std::fs::write(dir.path().join("outcomes.jsonl.gz"), packed.finish().unwrap()).unwrap();
    dir
}

#[test]
fn what_was_proven_is_what_routes() {
    let dir = folder(&outcomes(420));
    let calibrate = ["calibrate", "--outcomes", "outcomes.jsonl.gz", "--quality", "0.9", "--out", "e.json"];
    let (code, out, talk) = tierway(dir.path(), &calibrate);
    assert_eq!(code, 0, "{talk}");
    for wanted in ["PROVEN: at least 90 %", "always nano", "oracle", "too low", "label next"] {
        assert!(out.contains(wanted), "{wanted} is missing in\n{out}");
    }
    let asks = "{\"id\":1,\"messages\":[{\"role\":\"user\",\"content\":\"What is the capital of region 77?\"}]}\n{\"id\":2,\"messages\":[{\"role\":\"user\",\"content\":\"Prove that 77 divides the sum of its squares.\"}]}\n";
    std::fs::write(dir.path().join("in.jsonl"), asks).unwrap();
    let (code, out, talk) = tierway(dir.path(), &["route", "--input", "in.jsonl", "--evidence", "e.json"]);
    assert_eq!(code, 0, "{talk}");
    let tiers: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&tiers[0]["tier"], &tiers[1]["tier"]), (&"nano".into(), &"standard".into()), "{out}");
    assert!(tiers[0]["score_strong"].as_f64() < tiers[1]["score_strong"].as_f64());
    let (code, out, talk) = tierway(dir.path(), &["eval", "--outcomes", "outcomes.jsonl.gz", "--evidence", "e.json"]);
    assert!(code == 0 && out.contains("ordered by evidence that learned from 420 outcomes"), "{talk}{out}");
    assert!(out.contains("where those are among these, the figures are too good"), "{out}");
}

#[test]
fn outcomes_that_do_not_serve_are_refused_with_a_reason() {
    let refused = |rows: &str, wanted: &[&str]| {
        let dir = folder(rows);
        let (code, _, talk) = tierway(dir.path(), &["calibrate", "--outcomes", "outcomes.jsonl.gz"]);
        assert_eq!(code, 1, "{talk}");
        assert!(!dir.path().join("evidence.json").exists());
        for wanted in wanted {
            assert!(talk.contains(wanted), "{wanted} is missing in\n{talk}");
        }
    };
    refused(&outcomes(5), &["5 outcomes have scores", "at least 60"]);
    refused(
        &outcomes(5).repeat(20).replace('\u{feff}', ""),
        &["5 outcomes have scores", "95 have an id, source and size"],
    );
    refused("", &["0 outcomes have scores", "no answer with a score"]);
    let renamed = outcomes(90).replace("\"small\"", "\"tiny\"");
    refused(&renamed, &["the outcomes have p/large (90), tiny (90)", "the ladder wants small for nano"]);
    refused(&outcomes(70).replace("\"score\":1", "\"score\":9"), &["outcomes.jsonl.gz:1:", "the score 9"]);
    refused(&format!("{}{{\"id\":1}}\n", outcomes(70)), &["outcomes.jsonl.gz:71:", "messages"]);
}

/// Two thirds of the outcomes say nothing of hidden tokens, and `large` reasons; or `small` has no price.
fn unknown_costs(reasoning: bool) -> tempfile::TempDir {
    let dir = folder(&outcomes(420));
    let config = match reasoning {
        true => LADDER.replace(
            "model = \"large\" }",
            "model = \"large\", effort = \"high\", parameters = { reasoning = \"always\" } }",
        ),
        false => LADDER.replace("price = { input = 0.15, output = 0.60 }\n", ""),
    };
    std::fs::write(dir.path().join("tierway.toml"), config).unwrap();
    dir
}

#[test]
fn savings_are_not_told_where_a_cost_is_not_known() {
    for (dir, why) in [
        (unknown_costs(true), "what p/large would have cost is unknown: it reasons"),
        (unknown_costs(false), "what small would have cost is unknown: no price of it is known"),
    ] {
        let calibrate = ["calibrate", "--outcomes", "outcomes.jsonl.gz", "--quality", "0.9"];
        let (code, out, talk) = tierway(dir.path(), &calibrate);
        assert!(code == 0 && out.contains(why) && out.contains("PROVEN"), "{talk}{out}");
        let line =
            |name: &str| out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {out}"));
        assert!(line("tierway ").ends_with(" unknown") && line("always nano").ends_with(" unknown"), "{out}");
        let evidence = std::fs::read_to_string(dir.path().join("evidence.json")).unwrap();
        assert!(evidence.contains("\"saved\": null"), "{evidence:.600}");
        let (code, out, talk) = tierway(dir.path(), &["eval", "--outcomes", "outcomes.jsonl.gz", "--bootstrap", "50"]);
        assert!(code == 0 && out.contains(why), "{talk}{out}");
        let plot = ["eval", "--outcomes", "outcomes.jsonl.gz", "--plot", "p.svg"];
        let (code, _, talk) = tierway(dir.path(), &plot);
        assert!(code == 1 && talk.contains(why) && !dir.path().join("p.svg").exists(), "{talk}");
    }
    let dir = unknown_costs(false);
    let (code, _, talk) = tierway(dir.path(), &["eval", "--outcomes", "outcomes.jsonl.gz", "--plot", "p.png"]);
    assert!(
        code == 1 && talk.contains("an SVG, not a .png: name it p.svg") && !dir.path().join("p.png").exists(),
        "{talk}"
    );
    let assumed =
        ["calibrate", "--outcomes", "outcomes.jsonl.gz", "--quality", "0.9", "--assume-reasoning-tokens", "large=500"];
    let (code, out, talk) = tierway(unknown_costs(true).path(), &assumed);
    assert!(code == 0 && !out.contains("unknown"), "{talk}{out}");
}

/// A flag that is given for all tables: one of them has no answer of the model.
#[test]
fn a_model_of_the_ladder_that_answered_nothing_is_a_note_and_no_invented_line() {
    let third = "[[tiers]]\nname = \"reasoning\"\nprice = { input = 9.00, output = 30.00 }\ntargets = [{ provider = \"p\", model = \"huge\" }]\n";
    let dir = folder(&outcomes(420));
    std::fs::write(dir.path().join("tierway.toml"), format!("{LADDER}{third}")).unwrap();
    for command in ["calibrate", "eval"] {
        let line = format!("{command} --outcomes outcomes.jsonl.gz --assume-reasoning-tokens huge=1000");
        let (code, out, talk) = tierway(dir.path(), &line.split(' ').collect::<Vec<_>>());
        assert!(code == 0 && talk.contains("note: --assume-reasoning-tokens names huge"), "{command}: {code} {talk}");
        if command == "calibrate" {
            let always = out.lines().find(|line| line.starts_with("always reasoning")).unwrap();
            assert!(always.contains(" 0 of ") && !always.contains('%'), "{always}");
        }
    }
}

/// Of nothing no share is kept.
#[test]
fn a_kind_of_work_on_which_the_baseline_scored_nothing_has_no_share() {
    let rows: String = outcomes(420)
        .lines()
        .map(|line| match line.contains("Prove that") {
            true => {
                line.replace("\"small\":{\"score\":0", "\"small\":{\"score\":1")
                    .replace("\"p/large\":{\"score\":1", "\"p/large\":{\"score\":0")
                    + "\n"
            }
            false => format!("{line}\n"),
        })
        .collect();
    let dir = folder(&rows);
    let (code, out, talk) = tierway(dir.path(), &["calibrate", "--outcomes", "outcomes.jsonl.gz", "--quality", "0.9"]);
    assert_eq!(code, 0, "{talk}");
    let kinds = out.split("kind of work").nth(1).unwrap();
    assert!(kinds.contains(" unknown ") && !kinds.contains("00000"), "{out}");
}

#[test]
fn what_would_give_nonsense_is_refused() {
    let dir = folder(&outcomes(420));
    for (command, arguments, code, wanted) in [
        ("calibrate", "--assume-reasoning-tokens lrge=5", 1, "names lrge, which no tier answered with"),
        ("eval", "--assume-reasoning-tokens lrge=5", 1, "names lrge, which no tier answered with"),
        ("calibrate", "--assume-reasoning-tokens large=-1", 2, "a number from 0 on"),
        ("calibrate", "--assume-reasoning-tokens large=nan", 2, "a number from 0 on"),
        ("calibrate", "--assume-reasoning-tokens large=inf", 2, "a number from 0 on"),
        ("calibrate", "--learn 0.001", 1, "1 outcomes teach and 419 prove; either part needs 10"),
        ("calibrate", "--learn 0.999", 1, " prove; either part needs 10"),
        ("eval", "--bootstrap 0", 2, "50..=100000"),
        ("eval", "--bootstrap 1", 2, "50..=100000"),
        ("eval", "--leave-one-source-out", 1, "all outcomes have the same `source`"),
    ] {
        let line = format!("{command} --outcomes outcomes.jsonl.gz {arguments}");
        let (got, _, talk) = tierway(dir.path(), &line.split(' ').collect::<Vec<_>>());
        assert!(got == code && talk.contains(wanted), "{line}: {got} {talk}");
    }
}

/// A request of the log, `age` days old, that the small model answered and the large one answered again.
fn judged(state: &mut State, n: u16, age: i64, chance: f64) {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let then = now - age * 86_400_000;
    let (ask, word) = match n % 3 {
        0 => (format!("Prove that {n} divides the sum of its squares."), Preference::Baseline),
        _ => (format!("What is the capital of region {n}?"), Preference::Tie),
    };
    let request = serde_json::json!({"model": "auto", "messages": [{"role": "user", "content": ask}]}).to_string();
    let id = RequestId::new(then, 1, n);
    let text = SampleText { request, served: "one".into(), until_ms: now + 86_400_000 };
    let sample = Sample {
        id,
        taken_ms: then,
        kind: Kind::Down,
        task_type: TaskType::Qa,
        complexity: Complexity::Simple,
        tier: "nano".into(),
        served_model: "p/small".into(),
        format: "openai_chat".into(),
        key: "app".into(),
        chance,
        // Beside others of its own day it counts in full, whatever the chances were on others.
        weight: 1.0,
        served_tokens: 90,
        text: Some(text),
    };
    let verdict = Verdict {
        done_ms: then,
        comparison: Comparison { one: word, other: word },
        judge: "p/judge".into(),
        why: "because".into(),
        shadow: None,
        shadow_model: "p/large".into(),
        shadow_tokens: 100,
        served_answer: "one".into(),
        shadow_answer: "two".into(),
        cost: Usd::from_picos(1),
    };
    state.keep_sample(&sample).unwrap();
    state.judge_sample(id, &verdict).unwrap();
}

/// The usual folder with a ledger of `n` verdicts, the last ten of them a month old. `chance`: that of all but the first to
/// have been looked at, which had one of 0.1.
fn logged(n: u16, chance: f64) -> tempfile::TempDir {
    let dir = folder(&outcomes(420));
    std::fs::write(dir.path().join("tierway.toml"), format!("{LADDER}\n[ledger]\npath = \"log.db\"\n")).unwrap();
    let mut state = State::open(dir.path().join("log.db").as_path()).unwrap();
    (0..n).for_each(|at| judged(&mut state, at, if at + 10 < n { 1 } else { 30 }, if at == 0 { 0.1 } else { chance }));
    dir
}

#[test]
fn verdicts_of_the_log_prove_and_become_a_version() {
    let dir = logged(420, 0.1);
    let calibrate = ["calibrate", "--from-log", "--quality", "0.9", "--out", "e.json"];
    let (code, out, talk) = tierway(dir.path(), &calibrate);
    assert_eq!(code, 0, "{talk}");
    assert!(talk.contains("420 of 420 verdicts of the log used") && talk.contains(" UTC"), "{talk}");
    for wanted in ["PROVEN: at least 90 %", "kept in the ledger as version 1"] {
        assert!(out.contains(wanted), "{wanted} is missing in\n{out}");
    }
    // What was kept is what was written, and what `quality --outcomes` gives proves the same.
    let written = std::fs::read_to_string(dir.path().join("e.json")).unwrap();
    let mut state = State::open(dir.path().join("log.db").as_path()).unwrap();
    assert_eq!(state.evidence(1).unwrap(), Some(written.clone()));
    assert_eq!(tierway(dir.path(), &["quality", "--days", "60", "--outcomes", "log.jsonl"]).0, 0);
    let by_file = ["calibrate", "--outcomes", "log.jsonl", "--quality", "0.9", "--out", "f.json"];
    assert_eq!(tierway(dir.path(), &by_file).0, 0);
    assert_eq!(std::fs::read_to_string(dir.path().join("f.json")).unwrap(), written);

    let both = ["calibrate", "--from-log", "--days", "7", "--outcomes", "outcomes.jsonl.gz", "--quality", "0.9"];
    let (code, out, talk) = tierway(dir.path(), &both);
    assert!(code == 0 && talk.contains("410 of 410 verdicts"), "{talk}");
    assert!(out.starts_with("830 outcomes") && out.contains("as version 2"), "{out}");
    let (_, out, talk) = tierway(dir.path(), &["evidence", "list"]);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("830 outcomes") && lines[1].contains("0.9 at"), "{talk}{out}");
}

/// What people said of verdicts is what the judge's errors are known by; with few labels its opinion is proven, and called so.
#[test]
fn checks_of_people_take_the_errors_of_the_judge_out() {
    let dir = logged(420, 0.1);
    let calibrate = |quality: &str| {
        let (code, out, talk) =
            tierway(dir.path(), &["calibrate", "--from-log", "--quality", quality, "--out", "e.json"]);
        assert_eq!(code, 0, "{talk}{out}");
        let json = std::fs::read_to_string(dir.path().join("e.json")).unwrap();
        (out, serde_json::from_str::<serde_json::Value>(&json).unwrap()["promise"].clone())
    };
    let mut state = State::open(dir.path().join("log.db").as_path()).unwrap();
    let pairs = state.pairs_with_texts(0).unwrap();
    let label = |state: &mut State, at: std::ops::Range<usize>, says: fn(usize, Preference) -> Preference| {
        for (n, pair) in pairs[at].iter().enumerate() {
            state.label(pair.id, "ada", says(n, pair.comparison.one), 1).unwrap();
        }
    };
    label(&mut state, 0..99, |_, word| word);
    let (out, promise) = calibrate("0.9");
    assert!(out.contains("321 of them have the scores of a judge"), "{out}");
    assert!(out.contains("people checked 99 of its verdicts: with fewer than 100 no correction is made"), "{out}");
    assert!(out.contains("what is proven is the judge's opinion") && out.contains("PROVEN: at least 90 %"), "{out}");
    assert!(promise.get("judge").is_none(), "{promise}");

    // People agree with all of it: what remains is how little 400 labels tell.
    label(&mut state, 0..400, |_, word| word);
    let (out, promise) = calibrate("0.8");
    assert!(
        out.contains("By 400 checks of people it finds 100.0 % [") && out.contains("PROVEN: at least 80 %"),
        "{out}"
    );
    let judge = &promise["judge"];
    assert!(
        judge["rates"]["checks"] == 400 && promise["test"].as_str().unwrap().contains("judge's errors"),
        "{promise}"
    );
    let low = |estimate: &serde_json::Value| estimate["low"].as_f64().unwrap();
    assert!(low(&promise["quality_kept"]) < low(&judge["quality_kept_as_judged"]), "{promise}");

    // They see losses in every other pair, whatever it says: nothing is proven any more.
    label(&mut state, 0..400, |n, _| if n % 2 == 0 { Preference::Baseline } else { Preference::Tie });
    let (out, promise) = calibrate("0.8");
    assert!(out.contains("NOT PROVEN: 80 %") && out.contains("not settled that it tells losses from others"), "{out}");
    assert!(promise["max_shortfall"].is_null() && promise["judge"]["rates"]["checks"] == 400, "{promise}");
}

/// `tierway serve` in a folder; ends with the test.
struct Serving {
    process: Child,
    said: std::path::PathBuf,
}

impl Serving {
    fn start(dir: &Path) -> Self {
        let said = dir.join("said.txt");
        let mut command = command(dir, &["serve", "--workers", "1"]);
        let process = command.stdout(Stdio::null()).stderr(std::fs::File::create(&said).unwrap()).spawn().unwrap();
        Self { process, said }
    }

    /// What was said, once it has these words.
    fn says(&self, words: &str) -> String {
        let started = Instant::now();
        loop {
            let said = std::fs::read_to_string(&self.said).unwrap();
            if said.contains(words) {
                return said;
            }
            assert!(started.elapsed() < Duration::from_secs(120), "never said {words:?}:\n{said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn get(&self, path: &str) -> String {
        let said = self.says("listens on http://");
        let address = said.split("listens on http://").nth(1).unwrap().lines().next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_gateway_recalibrates_itself_and_goes_back_when_told() {
    let dir = logged(420, 0.1);
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n{LADDER}quality_target = 0.9\nevidence = \"ledger\"\n[ledger]\npath = \"log.db\"\n\
         [quality]\nsample = 0.1\nrecalibrate_hours = 1\n"
    );
    std::fs::write(dir.path().join("tierway.toml"), config).unwrap();
    let evidence = |arguments: &[&str]| tierway(dir.path(), &[&["evidence"], arguments].concat());
    let serving = Serving::start(dir.path());
    assert!(serving.get("/api/v1/targets").contains("\"calibrated\":false"));
    serving.says("recalibrated from the log: version 1, quality 0.9 at confidence 0.95 proven");
    serving.says("version 1 of the evidence is in force");
    serving.says("tierway.toml is in force");
    assert!(serving.get("/api/v1/targets").contains("\"calibrated\":true"));
    let (_, out, _) = evidence(&["list"]);
    assert!(out.starts_with("*   1") && out.contains("schedule") && out.contains("420 of 420 verdicts"), "{out}");

    let (code, out, talk) = evidence(&["rollback", "1", "--why", "as it was"]);
    assert!(code == 0 && out.contains("version 2 is that of version 1"), "{talk}{out}");
    serving.says("version 2 of the evidence is in force");
    let (_, out, _) = evidence(&["list"]);
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].starts_with("*   2") && lines[0].contains("back to version 1: as it was"), "{out}");
    assert!(lines.len() == 2 && lines[1].starts_with("    1"), "{out}");
    assert_eq!(evidence(&["show", "2"]).1, evidence(&["show", "1"]).1);
    let (code, _, talk) = evidence(&["rollback", "9"]);
    assert!(code == 1 && talk.contains("no version 9 is kept"), "{talk}");

    // Commands decide by it, too; another ladder does not get it.
    let (code, out, talk) = tierway(dir.path(), &["route", "What is the capital of region 77?"]);
    assert!(code == 0 && out.contains("nano"), "{talk}{out}");
    let other = std::fs::read_to_string(dir.path().join("tierway.toml")).unwrap().replace("\"nano\"", "\"tiny\"");
    std::fs::write(dir.path().join("other.toml"), other).unwrap();
    let (code, _, talk) = tierway(dir.path(), &["check", "--config", "other.toml"]);
    assert!(
        code == 1 && talk.contains("version 2 of the ledger") && talk.contains("run `tierway calibrate` again"),
        "{talk}"
    );
}

#[test]
fn a_ledger_is_read_without_a_config() {
    let dir = logged(30, 0.1);
    std::fs::remove_file(dir.path().join("tierway.toml")).unwrap();
    let (code, out, talk) = tierway(dir.path(), &["quality", "--db", "log.db", "--days", "60"]);
    assert!(code == 0 && out.contains("all that clients got") && out.contains(" 30 "), "{talk}{out}");
    let (code, _, talk) = tierway(dir.path(), &["quality"]);
    assert!(code == 1 && talk.contains("tierway.toml"), "{talk}");
}

#[test]
fn too_few_verdicts_say_what_to_do() {
    let refused = |dir: &tempfile::TempDir, arguments: &[&str], code: i32, wanted: &[&str]| {
        let (got, _, talk) = tierway(dir.path(), &[&["calibrate"], arguments].concat());
        assert_eq!(got, code, "{talk}");
        assert!(!dir.path().join("evidence.json").exists());
        for wanted in wanted {
            assert!(talk.contains(wanted), "{wanted} is missing in\n{talk}");
        }
    };
    let few = ["at least 60", "raise `sample` (off)", "`text_days`, 7", "`--outcomes FILE`"];
    refused(&logged(30, 0.1), &["--from-log"], 1, &[&few[..], &["30 of 30 verdicts"]].concat());
    refused(&logged(0, 1.0), &["--from-log"], 1, &[&few[..], &["0 of 0 verdicts"]].concat());
    // An even sample: of those that were ten times as likely to be looked at, about a tenth remains.
    refused(&logged(200, 1.0), &["--from-log"], 1, &[&few[..], &["of 200 verdicts"]].concat());
    refused(&folder(""), &["--from-log"], 1, &["there is no ledger at"]);
    refused(&logged(0, 1.0), &[], 2, &["--outcomes", "--from-log"]);
    refused(&logged(0, 1.0), &["--outcomes", "outcomes.jsonl.gz", "--days", "7"], 2, &["--from-log"]);
}
