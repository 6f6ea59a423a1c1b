//! Looking at how good the answers were, end to end: through the door, with a fake provider that also judges.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod equals;
mod replicas;
mod stage;

use http::Method;
use serde_json::{Value, json};
use stage::Stage;
use std::sync::Arc;
use std::time::Duration;
use tierway_testkit::{Fault, Plan, Upstream};

const OPEN: &str = "allow_without_key = true\n";
const EASY: &str = "Translate \"good morning\" into French";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_routed_down_answer_is_compared_and_its_cost_is_a_loss() {
    let stage = Stage::new(OPEN).await;
    stage.chat(&format!("{EASY} judge:large-model")).await;
    stage.chat(&format!("{EASY} judge:small-model")).await;
    stage.chat(EASY).await;
    let found = stage.quality(3).await;
    let quality = &found["quality"];
    assert_eq!((&found["samples"]["judged"], &quality["overall"]["verdicts"]), (&json!(3), &json!(3)), "{found}");
    assert!((quality["overall"]["quality"]["value"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{found}");
    assert!((quality["too_low"]["value"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9, "{found}");
    assert_eq!(
        (&quality["cells"][0]["cell"]["tier"], &quality["cells"][0]["disagreements"]),
        (&json!("small"), &json!(0))
    );

    let metrics = stage.metrics_with("tierway_quality_verdicts 3").await;
    for name in ["value", "low", "high"] {
        let series = format!("tierway_quality_share{{figure=\"{name}\"}} ");
        let told = metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<f64>().ok());
        // Both print what they have, but not to the same digit.
        let same = told.zip(quality["overall"]["quality"][name].as_f64()).is_some_and(|(a, b)| (a - b).abs() < 1e-9);
        assert!(same, "{name}: {told:?} {quality}");
    }

    let records = stage.records();
    let by = |reason: &str| -> Vec<_> { records.iter().filter(|call| call.reason.summary() == reason).collect() };
    assert_eq!((by("predicted").len(), by("shadow").len(), by("judge").len()), (3, 3, 6));
    assert!(by("shadow").iter().all(|call| call.served_tier == "large" && call.key == "(tierway)"));
    let own: f64 = records.iter().filter(|call| call.key == "(tierway)").map(|call| call.paid.unwrap().as_f64()).sum();
    assert!((quality["cost"].as_f64().unwrap() / 1e12 - own).abs() < 1e-9 && own > 0.0, "{quality} {own}");
    let report = stage.get("/api/v1/report?days=1").await;
    assert!(report["totals"]["money"]["saved_usd"].as_f64().unwrap() < 0.0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn streams_and_all_apis_are_compared_too() {
    let stage = Stage::new(OPEN).await;
    let ask = "Summarize: the cat sat on the mat. judge:large-model";
    let messages = json!([{"role": "user", "content": ask}]);
    for (path, body) in [
        (
            "/v1/chat/completions",
            json!({"model": "auto", "messages": messages, "stream": true, "stream_options": {"include_usage": true}}),
        ),
        ("/v1/messages", json!({"model": "auto", "messages": messages, "max_tokens": 200})),
        ("/v1/messages", json!({"model": "auto", "messages": messages, "max_tokens": 200, "stream": true})),
        ("/v1/responses", json!({"model": "auto", "input": ask})),
        ("/v1/responses", json!({"model": "auto", "input": ask, "stream": true})),
    ] {
        let (status, answer, _) = stage.ask(Method::POST, path, &body).await;
        assert_eq!(status, 200, "{path} {answer}");
    }
    let found = stage.quality(5).await;
    assert_eq!(found["samples"], json!({"waiting": 0, "judged": 5, "given_up": 0}), "{found}");
    assert_eq!(found["quality"]["overall"]["quality"]["value"], json!(0.0), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_is_looked_at_that_nobody_allowed_or_that_the_client_chose() {
    let stage = Stage::new("").await;
    stage.chat(EASY).await;
    drop(stage);
    let rules = "allow_without_key = true\n[[rules]]\nname = \"private\"\npattern = 'patient'\ntier = \"small\"\n\
        allow_sampling = false\n[[rules]]\nname = \"law\"\npattern = 'contract'\ntier = \"small\"\nlocked = true\n";
    let stage = Stage::new(rules).await;
    stage.chat("Summarize what the patient said").await;
    stage.chat("Summarize the contract").await;
    for model in ["small", "fake/small-model"] {
        let body = json!({"model": model, "messages": [{"role": "user", "content": EASY}]});
        assert_eq!(stage.ask(Method::POST, "/v1/chat/completions", &body).await.0, 200);
    }
    stage.chat(EASY).await;
    let found = stage.quality(1).await;
    assert_eq!(found["samples"], json!({"waiting": 0, "judged": 1, "given_up": 0}), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_cell_that_falls_is_held_watched_and_released_and_a_restart_knows_it() {
    let mut stage = Stage::new(OPEN).await;
    let mut held_after = 0;
    for turn in 1..=80 {
        stage.chat(&format!("{EASY}, please, number {turn} judge:large-model")).await;
        let found = stage.quality(turn).await;
        if found["states"][0]["state"] == "held" {
            held_after = turn;
            break;
        }
    }
    let alarms = stage.get("/api/v1/quality").await["alarms"].as_array().unwrap().len();
    assert!((2..60).contains(&held_after) && alarms >= 1, "{held_after} {alarms}");
    let found = stage.get("/api/v1/quality").await;
    assert_eq!(
        (&found["states"][0]["state"], &found["states"][0]["tier"]),
        (&json!("held"), &json!("small")),
        "{found}"
    );
    let task = found["states"][0]["task_type"].clone();

    stage.restart();
    stage.quality(held_after).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    stage.chat(&format!("{EASY} judge:small-model")).await;
    stage.quality(held_after + 1).await;
    let records = stage.records();
    let last = records.iter().rev().find(|call| call.key.is_empty()).unwrap();
    assert_eq!((&*last.reason.summary(), &*last.served_tier), ("quality_held", "large"));
    let shadow = records.iter().rev().find(|call| call.reason.summary() == "shadow").unwrap();
    assert_eq!(shadow.served_tier, "small");

    let wish = json!({"task_type": task, "tier": "small", "state": "open", "why": "a new model"});
    let (status, body, _) = stage.ask(Method::POST, "/api/v1/quality/cells", &wish).await;
    assert_eq!(status, 200, "{body}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.chat(&format!("{EASY} judge:small-model")).await;
    let last = stage.records().into_iter().rev().find(|call| call.key.is_empty()).unwrap();
    assert_eq!((&*last.reason.summary(), &*last.served_tier), ("predicted", "small"));
    let history = stage.get("/api/v1/quality/history").await;
    assert_eq!((&history["changes"][0]["to"], &history["changes"][0]["why"]), (&json!("open"), &json!("a new model")));

    let version = history["changes"][0]["version"].as_i64().unwrap();
    let (status, body, _) = stage.ask(Method::POST, &format!("/api/v1/quality/rollback/{version}"), &Value::Null).await;
    assert_eq!((status.as_u16(), &body["state"]), (200, &json!("held")), "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn people_label_pairs_blind_and_callers_say_what_they_think() {
    let stage = Stage::new(OPEN).await;
    let id = stage.chat(&format!("{EASY} judge:large-model")).await;
    stage.quality(1).await;
    let next = stage.get("/api/v1/review/next").await;
    assert_eq!((&next["waiting"], &next["next"]), (&json!(1), &json!(id)), "{next}");
    let pair = stage.get(&format!("/api/v1/review/{id}")).await;
    assert!(pair["told"].is_null() && pair["texts"]["request"].as_str().unwrap().contains("good morning"), "{pair}");
    let large = if pair["texts"]["left"].as_str().unwrap().starts_with("large-model") { "left" } else { "right" };
    let word = json!({"better": large});
    let (status, told, _) = stage.ask(Method::POST, &format!("/api/v1/review/{id}"), &word).await;
    assert_eq!(
        (status.as_u16(), &told["told"]["person"], &told["told"]["judge"]),
        (200, &json!("baseline"), &json!("baseline"))
    );
    let found = stage.get("/api/v1/quality").await;
    assert_eq!((&found["quality"]["labels"], &found["quality"]["labels_agreed"]), (&json!(1), &json!(1)), "{found}");

    stage.records();
    for (body, want) in [
        (json!({"request_id": id, "thumb": "down", "comment": "wrong"}), 200),
        (json!({"request_id": id, "score": 0.5}), 200),
        (json!({"request_id": id, "score": 2}), 400),
        (json!({"request_id": id}), 400),
        (json!({"request_id": "0000000000001", "thumb": "up"}), 404),
        (json!({"request_id": "x", "thumb": "up"}), 400),
    ] {
        let (status, answer, _) = stage.ask(Method::POST, "/v1/feedback", &body).await;
        assert_eq!(status.as_u16(), want, "{body} {answer}");
    }
    let found = stage.get("/api/v1/quality").await;
    assert_eq!(found["feedback"], json!([{"tier": "small", "count": 1, "mean": 0.5}]));
    assert!(stage.upstream.address().port() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_caller_may_say_what_it_thinks_as_soon_as_it_has_its_answer() {
    let stage = Stage::new(OPEN).await;
    for _ in 0..3 {
        let id = stage.chat(EASY).await;
        let (status, answer, _) =
            stage.ask(Method::POST, "/v1/feedback", &json!({"request_id": id, "thumb": "up"})).await;
        assert_eq!(status.as_u16(), 200, "{answer}");
        let id = stage.chat(EASY).await;
        assert_eq!(stage.get(&format!("/api/v1/requests/{id}")).await["request_id"], json!(id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_judge_that_babbles_and_a_shadow_that_fails_are_given_up() {
    let stage = Stage::new(OPEN).await;
    stage.upstream.plan("large-model", Plan::always(Fault::Status { status: 500 }));
    stage.chat(EASY).await;
    let found = stage.quality(1).await;
    assert_eq!(found["samples"], json!({"waiting": 0, "judged": 0, "given_up": 1}), "{found}");
}

/// One look costs more than a day's budget; whatever becomes of the file, it was paid.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_days_budget_stays_spent_when_the_ledgers_file_is_moved_away() {
    let dear = stage::CONFIG.replace("input = 5, output = 15", "input = 5000, output = 15000");
    let config = format!("{}{OPEN}", dear.replace("dollars_a_day = 100", "dollars_a_day = 0.02"));
    let stage = Stage::of(Arc::new(Upstream::start().await.unwrap()), &config);
    stage.chat(EASY).await;
    let found = stage.quality(1).await;
    assert_eq!(found["samples"]["judged"], 1, "{found}");
    let ledger = &stage.config.ledger.path;
    std::fs::rename(ledger, ledger.with_extension("old")).unwrap();
    // Two rounds of housekeeping in the new file.
    for _ in 0..32 {
        stage.chat(EASY).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let records = stage.records();
    let own = records.iter().filter(|call| call.key == "(tierway)").count();
    assert!(own == 0 && !records.is_empty(), "{own} of {}", records.len());
}

const RULE: &str = "[[rules]]\nname = \"small talk\"\npattern = 'weather'\ntier = \"small\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_a_rule_sent_is_looked_at_and_holds_no_cell() {
    let stage = Stage::new(&format!("{OPEN}{RULE}")).await;
    for turn in 1..=40 {
        stage.chat(&format!("How is the weather in town {turn}? judge:large-model")).await;
        // One after the other: the queue is short.
        stage.quality(turn).await;
    }
    let found = stage.quality(40).await;
    let quality = &found["quality"];
    assert_eq!((&quality["ruled"]["verdicts"], &quality["cells"]), (&json!(40), &json!([])), "{found}");
    assert_eq!(quality["overall"]["quality"]["value"], json!(0.0));
    assert_eq!((&found["states"], found["alarms"].as_array().unwrap().len()), (&json!([]), 1), "{found}");
    stage.chat("How is the weather today?").await;
    let last = stage.records().into_iter().rev().find(|call| call.key.is_empty()).unwrap();
    assert_eq!((&*last.reason.summary(), &*last.served_tier), ("rule:small talk", "small"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_state_changes_without_a_row_that_says_so() {
    use tierway_decide::quality::Hold;
    let mut stage = Stage::new(OPEN).await;
    stage.reload(|config| config.quality.rules.target = 0.01);
    for turn in 1..=40 {
        stage.chat(&format!("{EASY}, number {turn} judge:large-model")).await;
        stage.quality(turn).await;
    }
    assert_eq!(stage.told().await, (Vec::new(), 0));
    // The same verdicts under another target: the cell falls, and that is said.
    stage.reload(|config| config.quality.rules.target = 0.9);
    stage.states(|states| states.len() == 1 && states[0].1 == "held").await;
    let fell = (vec![("evidence".to_owned(), "held".to_owned())], 2);
    assert_eq!(stage.told().await, fell);
    // Nothing new, nothing said.
    stage.restart();
    stage.quality(40).await;
    assert_eq!(stage.told().await, fell);

    stage.reload(|config| config.quality.rules.hold = Hold::Unproven);
    stage.states(|states| states.iter().filter(|one| one.1 == "held").count() == 9).await;
    let (changes, alarms) = stage.told().await;
    assert_eq!(changes.iter().filter(|one| **one == ("config".into(), "held".into())).count(), 8, "{changes:?}");
    assert_eq!(alarms, 2, "what the operator wants is no alarm");
    stage.reload(|config| config.quality.rules.hold = Hold::Disproved);
    let states = stage.states(|states| states.iter().filter(|one| one.1 == "open").count() == 8).await;
    assert_eq!(states.iter().filter(|one| one.1 == "held").count(), 1, "what evidence held stays held");
}
