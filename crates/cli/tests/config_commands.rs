//! `init`, `check` and `prices` as a user sees them: what is printed, what is written, how they end.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests stop at the first surprise")]

mod common;

use expect_test::{Expect, expect};
use std::path::Path;

/// Runs the command in a directory, with these variables.
fn tierway(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    common::ended(common::command(dir, args).envs(env.iter().copied()))
}

/// Checks a config; `want` is exit code and stderr.
#[track_caller]
fn check(config: &str, args: &[&str], env: &[(&str, &str)], want: Expect) {
    let dir = common::folder(config);
    let (code, _, talk) = tierway(dir.path(), &[&["check"], args].concat(), env);
    want.assert_eq(&format!("exit {code}\n{talk}"));
}

const LADDER: &str = r#"
[providers.openai]
kind = "openai"
[providers.spare]
kind = "anthropic"
[[tiers]]
name = "nano"
targets = ["openai/gpt-6-luna"]
[[tiers]]
name = "standard"
targets = ["openai/gpt-6.1-terra"]
"#;

/// The command itself is not run: it may cost something, or ask somebody.
#[test]
fn check_looks_for_the_program_that_gives_a_key() {
    let command = |program: &str| {
        LADDER.replacen("kind = \"openai\"", &format!("kind = \"openai\"\nkey_command = [\"{program}\", \"x\"]"), 1)
    };
    for (program, good) in [("no-such-program", false), ("./no-such-program", false), ("cat", true), ("/bin/cat", true)]
    {
        let dir = common::folder(&command(program));
        let env = [("ANTHROPIC_API_KEY", "k"), ("PATH", "/usr/bin:/bin")];
        let (code, _, talk) = tierway(dir.path(), &["check"], &env);
        let said = "tierway.toml:2: provider `openai` (tiers nano, standard): ";
        assert_eq!((code == 0, talk.contains(said)), (good, !good), "{program}: {talk}");
        assert_eq!(talk.contains("there is no such program"), !good, "{program}: {talk}");
    }
}

const KEY: &[(&str, &str)] = &[("OPENAI_API_KEY", "k"), ("ANTHROPIC_API_KEY", "k")];

#[test]
fn init_writes_a_config_that_check_finds_good() {
    let dir = tempfile::tempdir().unwrap();
    let env = [("OPENAI_API_KEY", "k"), ("GEMINI_API_KEY", "k")];
    let (code, out, talk) = tierway(dir.path(), &["init"], &env);
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(talk.contains("found openai (OPENAI_API_KEY), gemini (GEMINI_API_KEY)"), "{talk}");
    assert!(!std::fs::read_to_string(dir.path().join("tierway.toml")).unwrap().contains("\"k\""));
    let (code, _, talk) = tierway(dir.path(), &["check"], &env);
    assert_eq!(code, 0, "{talk}");
    assert!(
        talk.contains("tiers nano < standard (baseline) < reasoning; 2 providers, 6 rules, 41 tests passed"),
        "{talk}"
    );
}

#[test]
fn init_replaces_nothing_unless_told_to() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tierway.toml"), "mine").unwrap();
    let (code, _, talk) = tierway(dir.path(), &["init"], &[]);
    assert_eq!(code, 1);
    assert!(talk.contains("tierway.toml is there already; name another with --output, or replace it with --force"));
    assert_eq!(std::fs::read_to_string(dir.path().join("tierway.toml")).unwrap(), "mine");
    assert_eq!(tierway(dir.path(), &["init", "--force"], &[]).0, 0);
    let (code, out, _) = tierway(dir.path(), &["init", "--output", "-"], &[]);
    assert_eq!((code, out), (0, std::fs::read_to_string(dir.path().join("tierway.toml")).unwrap()));
}

#[test]
fn a_good_config_says_so() {
    check(
        LADDER,
        &[],
        KEY,
        expect![[r#"
        exit 0
        tierway.toml: good. tiers nano < standard (baseline); 2 providers, 0 rules, 0 tests passed
    "#]],
    );
}

#[test]
fn a_key_that_a_tier_needs_is_a_fault_and_a_spare_one_a_warning() {
    check(
        LADDER,
        &[],
        &[],
        expect![[r#"
        exit 1
        tierway.toml:2: provider `openai` (tiers nano, standard): environment variable OPENAI_API_KEY is not set; export it, or name another source
        warning: tierway.toml:4: provider `spare` (in no tier): environment variable ANTHROPIC_API_KEY is not set; export it, or name another source
    "#]],
    );
    check(
        LADDER,
        &["--no-keys"],
        &[],
        expect![[r#"
        exit 0
        tierway.toml: good. tiers nano < standard (baseline); 2 providers, 0 rules, 0 tests passed
    "#]],
    );
}

#[test]
fn every_secret_that_serving_needs_is_looked_for() {
    let secrets = format!(
        "{LADDER}\n[ledger]\nurl = \"env:NOPE_L\"\n[telemetry]\nendpoint = \"http://127.0.0.1:4318\"\nheaders = \"env:NOPE_T\"\n\
         [report]\nweekly = \"monday 08:00\"\nwebhook = \"env:NOPE_R\"\n[quality]\nsample = 0.1\nwebhook = \"file:nope\"\n"
    );
    check(
        &secrets,
        &[],
        KEY,
        expect![[r#"
            exit 1
            warning: tierway.toml:22: `sample` in [quality] finds nothing: nobody allows the use of texts; set `allow_keys`, `allow_teams`, `allow_sampling` of a key or a rule, or, without any keys, `allow_without_key`
            tierway.toml: [quality] webhook: cannot read the key from nope: No such file or directory (os error 2)
            tierway.toml: [report] webhook: environment variable NOPE_R is not set; export it, or name another source
            tierway.toml: [telemetry] headers: environment variable NOPE_T is not set; export it, or name another source
            tierway.toml:14: [ledger] url: environment variable NOPE_L is not set; export it, or name another source
        "#]],
    );
    check(
        &secrets,
        &["--no-keys"],
        KEY,
        expect![[r#"
            exit 0
            warning: tierway.toml:22: `sample` in [quality] finds nothing: nobody allows the use of texts; set `allow_keys`, `allow_teams`, `allow_sampling` of a key or a rule, or, without any keys, `allow_without_key`
            tierway.toml: good. tiers nano < standard (baseline); 2 providers, 0 rules, 0 tests passed
        "#]],
    );
}

#[test]
fn failing_tests_are_named_with_their_line() {
    let config = format!(
        r#"{LADDER}
[[rules]]
name = "sums"
pattern = '\bsum\b'
tier = "nano"
[[tests]]
prompt = "the sum of all things"
rule = "none"
[[tests]]
prompt = "summer"
rule = "sums"
[[tests]]
prompt = "the sum"
tier = "standard"
[[tests]]
prompt = "the sum"
rule = "sums"
tier = "nano"
"#
    );
    check(
        &config,
        &[],
        KEY,
        expect![[r#"
        exit 1
        tierway.toml:17: test "the sum of all things": rule `sums` matches, expected no rule
        tierway.toml:20: test "summer": no rule matches, expected rule `sums`
        tierway.toml:23: test "the sum": goes to tier `nano` (rule:sums), expected `standard`
        3 of 4 tests failed
    "#]],
    );
}

#[test]
fn a_bad_config_is_told_in_full() {
    check(
        "[server]\nlistn = \"x\"\n[ledger]\nqueue = 1\n",
        &[],
        KEY,
        expect![[r#"
            exit 1
            tierway.toml: no tiers; add a [[tiers]] section with name, provider and model, or run `tierway init`
            tierway.toml:2: unknown field `listn` in [server]; did you mean `listen`? known fields: listen, admin_listen, tls, max_body_mb, max_concurrent, header_timeout_ms, body_timeout_ms, write_timeout_ms, grace_seconds
            tierway.toml:4: `queue` in [ledger] is 1; it takes a whole number from 16 to 10000000
            3 problems to mend
        "#]],
    );
}

#[test]
fn a_model_that_is_switched_off_is_a_loud_warning() {
    let config = LADDER
        .replace("\"openai/gpt-6-luna\"", "{ provider = \"openai\", model = \"gpt-4o\", shutdown = \"2020-01-01\" }");
    check(
        &config,
        &[],
        KEY,
        expect![[r#"
        exit 0
        WARNING: openai/gpt-4o (tier nano) was switched off on 2020-01-01; name a current model
        tierway.toml: good. tiers nano < standard (baseline); 2 providers, 0 rules, 0 tests passed
    "#]],
    );
}

#[test]
fn no_config_says_how_to_get_one_and_nonsense_is_usage() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, talk) = tierway(dir.path(), &["check"], &[]);
    assert_eq!(code, 1);
    assert!(talk.contains("there is no such file; `tierway init` writes one"), "{talk}");
    assert_eq!(tierway(dir.path(), &["check", "--nonsense"], &[]).0, 2);
}

#[test]
fn show_tells_the_origin_of_each_value() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tierway.toml"), LADDER).unwrap();
    let env = [KEY, &[("TIERWAY_LISTEN", "127.0.0.1:9")]].concat();
    let (code, out, _) = tierway(dir.path(), &["check", "--show"], &env);
    assert_eq!(code, 0);
    for line in [
        "server.listen = \"127.0.0.1:9\"  # environment TIERWAY_LISTEN",
        "server.grace_seconds = 30  # default",
        "providers.openai.kind = \"openai\"  # tierway.toml:3",
        "providers.openai.base_url = \"https://api.openai.com/v1\"  # default",
        "tiers.nano.targets.0 = \"openai/gpt-6-luna\"  # tierway.toml:8",
    ] {
        assert!(out.lines().any(|own| own == line), "{line}\n{out}");
    }
    assert!(
        out.lines()
            .any(|line| line.starts_with("tiers.nano.(gpt-6-luna).price = { input = 0.1, output = 0.5 }  # catalogue")),
        "{out}"
    );
}

#[test]
fn prices_are_listed_in_three_forms() {
    let dir = tempfile::tempdir().unwrap();
    let list = |format: &str| {
        let args = ["prices", "list", "--provider", "anthropic", "--model", "haiku-5-5", "--format", format];
        let (code, out, _) = tierway(dir.path(), &args, &[]);
        assert_eq!(code, 0);
        out
    };
    expect![[r#"
        provider   model             input  cached  output  context  max output  last day
        anthropic  claude-haiku-5-5    0.1    0.01     0.5  1000000      128000         -
    "#]]
    .assert_eq(&list("text"));
    expect![[r#"
        provider,model,input,cached,output,context,max_output,last_day
        anthropic,claude-haiku-5-5,0.1,0.01,0.5,1000000,128000,
    "#]]
    .assert_eq(&list("csv"));
    let json: serde_json::Value = serde_json::from_str(&list("json")).unwrap();
    assert_eq!(json[0]["output_usd_per_mtok"], "0.5");
    assert_eq!(tierway(dir.path(), &["prices", "list", "--model", "no-such"], &[]).0, 1);
}

#[test]
fn an_imported_list_is_used_by_the_config_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let list = r#"{"gpt-6-luna": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 7e-06, "output_cost_per_token": 9e-06}}"#;
    std::fs::write(dir.path().join("map.json"), list).unwrap();
    let (code, _, talk) = tierway(dir.path(), &["prices", "import", "map.json"], &[]);
    assert_eq!(code, 0, "{talk}");
    std::fs::write(dir.path().join("tierway.toml"), format!("[prices]\noverlay = \"prices.json\"\n{LADDER}")).unwrap();
    let (code, out, talk) = tierway(dir.path(), &["check", "--show", "--no-keys"], &[]);
    assert_eq!(code, 0, "{talk}");
    assert!(out.contains("tiers.nano.(gpt-6-luna).price = { input = 7, output = 9 }  # overlay prices.json"), "{out}");
    let (_, out, _) = tierway(dir.path(), &["prices", "list", "--model", "gpt-6-luna", "--format", "csv"], &[]);
    assert!(out.contains("openai,gpt-6-luna,7,,9,1050000,128000,"), "{out}");
    assert_eq!(tierway(dir.path(), &["prices", "import", "tierway.toml"], &[]).0, 1);
}

#[test]
fn a_batch_takes_what_editors_write_and_says_which_lines_it_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let good = |id: &str| format!("{{\"id\":\"{id}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}");
    let lines = [&format!("\u{feff}{}\r", good("a")), "", "no JSON", "[1]", "{\"id\":\"b\"}", &good("c")].join("\n");
    std::fs::write(dir.path().join("in.jsonl"), &lines).unwrap();
    let (code, out, talk) = tierway(dir.path(), &["route", "--input", "in.jsonl", "--output", "-"], &[]);
    let ids = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].clone());
    assert_eq!(ids.collect::<Vec<_>>(), ["a", "c"]);
    expect![[r#"
        exit 1
        no tierway.toml here: the built-in example decides
        in.jsonl:3: not a JSON object; a line is {"id": .., "messages": [..]}
        in.jsonl:4: not a JSON object; a line is {"id": .., "messages": [..]}
        in.jsonl:5: missing field `messages`, column 10
        tierway: 3 bad lines were left out
    "#]]
    .assert_eq(&format!("exit {code}\n{talk}"));
}

/// Who joins by id finds every request, also one that no model of the ladder takes.
#[test]
fn a_request_that_fits_nowhere_has_its_line_in_a_batch() {
    let small =
        |target: &str| format!("targets = [{{ provider = \"openai\", model = \"{target}\", context_window = 2000 }}]");
    let config = LADDER.replace("targets = [\"openai/gpt-6-luna\"]", &small("gpt-6-luna"));
    let dir = common::folder(&config.replace("targets = [\"openai/gpt-6.1-terra\"]", &small("gpt-6.1-terra")));
    let line = |id: &str, text: &str| {
        serde_json::json!({"id": id, "messages": [{"role": "user", "content": text}]}).to_string()
    };
    let lines = [line("long", &"one word and another ".repeat(2_000)), line("short", "Hello")].join("\n");
    std::fs::write(dir.path().join("in.jsonl"), &lines).unwrap();
    let (code, out, talk) = tierway(dir.path(), &["route", "--input", "in.jsonl"], &[]);
    assert_eq!(code, 0, "{talk}");
    let rows: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&rows[0]["id"], &rows[1]["id"], &rows[0]["tier"]), (&"long".into(), &"short".into(), &().into()));
    assert!(rows[0]["error"].as_str().unwrap().contains("tokens") && rows[0]["score_strong"].is_number(), "{out}");
    assert!(rows[1]["tier"].is_string() && rows[1].get("error").is_none(), "{out}");
}

#[test]
fn keys_of_the_config_are_listed_before_there_is_a_ledger() {
    let key = format!("[[keys]]\nname = \"app\"\nhash = \"sha256:{}\"\n", "0".repeat(64));
    let dir = common::folder(&format!("{LADDER}{key}"));
    let (code, out, talk) = tierway(dir.path(), &["keys", "list"], &[]);
    assert!(code == 0 && out.contains("app   active  config"), "{code} {out} {talk}");
    assert!(talk.contains("only keys of the config: there is no ledger at tierway.db"), "{talk}");
}

#[test]
fn a_missing_ledger_is_not_made_and_a_password_is_never_printed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tierway.toml"), LADDER).unwrap();
    let url = |scheme: &str| format!("{scheme}://u:secretpw@127.0.0.1:1/x");
    let (my, post) = (url("mysql"), url("Postgres"));
    let none: &[(&str, &str)] = &[];
    for (command, env, wanted) in [
        ("keys list --db none.db", none, "there is no ledger at none.db"),
        ("keys revoke k --db none.db", none, "there is no ledger at none.db"),
        ("keys rotate k --db sqlite:foo", none, "there is no ledger at sqlite:foo"),
        ("report --db URL", none, "it is not one of PostgreSQL"),
        ("report --db tierway.toml", none, "tierway.toml is no SQLite database: name another file"),
        ("keys add --name k --db tierway.toml", none, "tierway.toml is no SQLite database: name another file"),
        ("keys add --name k --db .", none, ". is a folder; name a file in it, such as ./tierway.db"),
        ("audit --db .", none, ". is a folder; name a file in it"),
        ("keys list --db URL", none, "it is not one of PostgreSQL"),
        ("migrate --from URL --to sqlite:x", none, "neither `sqlite` nor `sqlite:FILE`"),
        ("migrate --from sqlite:none.db --to URL", none, "it is not one of PostgreSQL"),
        (
            "report",
            &[("TIERWAY_LEDGER", &post)],
            "postgres://127.0.0.1:1/x cannot be reached: error connecting to server (Connection refused",
        ),
        ("serve", &[("TIERWAY_LEDGER", &my), ("TIERWAY_LISTEN", "127.0.0.1:0")], "it is not one of PostgreSQL"),
        ("route --output x hi", none, "cannot be used with"),
    ] {
        let line = command.replace("URL", &my);
        let (code, out, talk) = tierway(dir.path(), &line.split(' ').collect::<Vec<_>>(), env);
        assert!(code != 0 && talk.contains(wanted), "{command}: {code} {out} {talk}");
        assert!(!talk.contains("goes on by itself"), "a command that ends goes on with nothing: {talk}");
        assert!(!talk.contains("secretpw") && !out.contains("secretpw"), "{command}: {out} {talk}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "{command}");
    }
}

#[test]
fn what_is_no_prompt_is_refused_before_anybody_is_asked() {
    let dir = common::folder(LADDER);
    for (stdin, prompt, wanted) in [
        (&b"a\xff\xfe"[..], "-", "stdin is no UTF-8 text (from byte 1 on)"),
        (b" \n", "-", "the prompt is empty"),
        (b"", "", "the prompt is empty"),
    ] {
        std::fs::write(dir.path().join("stdin"), stdin).unwrap();
        for command in ["ask", "route"] {
            let mut command = common::command(dir.path(), &[command, prompt]);
            let stdin = std::fs::File::open(dir.path().join("stdin")).unwrap();
            let (code, _, talk) = common::ended(command.stdin(stdin));
            assert!(code == 1 && talk.contains(wanted), "{code} {talk}");
        }
    }
}

#[test]
fn a_check_finds_what_serving_would_stumble_over() {
    let fault = |config: &str, want: &str| {
        let dir = common::folder(config);
        std::fs::write(dir.path().join("bad.json"), "{\n \"version\": 1,\n}").unwrap();
        std::fs::create_dir(dir.path().join("records")).unwrap();
        let (code, _, talk) = tierway(dir.path(), &["check"], KEY);
        assert!(code == 1 && talk.contains(want), "{code} {talk}");
        assert_eq!(tierway(dir.path(), &["check", "--no-keys"], &[]).0, i32::from(want.contains("evidence")), "{want}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "it leaves nothing behind");
    };
    let ladder = |more: &str| format!("{more}{LADDER}");
    fault(&ladder("[ledger]\npath = \"records\"\n"), "tierway.toml:2: records is a folder; name a file in it");
    fault(&ladder("[ledger]\npath = \"bad.json/x.db\"\n"), "tierway.toml:2: nothing can be written into bad.json");
    fault(&ladder("[ledger]\npath = \"bad.json\"\n"), "tierway.toml:2: bad.json is no SQLite database");
    let weekly = "[report]\nweekly = \"monday 08:00\"\nfolder = \"bad.json\"\n";
    fault(&ladder(weekly), "tierway.toml:3: nothing can be written into bad.json");
    let evidence = "[routing]\nevidence = \"bad.json\"\n";
    fault(
        &ladder(evidence),
        "tierway.toml:2: evidence, bad.json: not evidence of `tierway calibrate`: trailing comma at line 3",
    );
}

#[test]
fn a_key_that_opens_nothing_any_more_is_a_warning() {
    let key =
        format!("{LADDER}[[keys]]\nname = \"old\"\nhash = \"sha256:{}\"\nexpires = \"2020-01-01\"\n", "1".repeat(64));
    check(
        &key,
        &[],
        KEY,
        expect![[r#"
        exit 0
        warning: tierway.toml:15: key `old` has expired; take it out, or set another day
        tierway.toml: good. tiers nano < standard (baseline); 2 providers, 0 rules, 0 tests passed
    "#]],
    );
}

#[test]
fn tables_keep_to_the_columns_that_the_environment_tells() {
    let dir = tempfile::tempdir().unwrap();
    let width = |columns: &str| {
        let (code, out, talk) = tierway(dir.path(), &["demo"], &[("COLUMNS", columns)]);
        assert_eq!(code, 0, "{talk}");
        let report = out.split("Agreement").next().unwrap();
        report.lines().map(|line| line.chars().count()).max().unwrap()
    };
    assert!(width("50") <= 50);
    assert!(width("nonsense") > 50);
}
