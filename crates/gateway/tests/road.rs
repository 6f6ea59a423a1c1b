//! Who decides for a request, end to end: model names, pins, rules, users, a model's opinion, sessions, broken answers.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "all of it is tests")]

use expect_test::{Expect, expect};
use http::HeaderMap;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tierway::{Call, Reply, ReplyBody};
use tierway_decide::{CallRecord, Caller, Pins, RequestId, TierId, Usd};
use tierway_gateway::Desk;
use tierway_ledger::Reader;
use tierway_report::attempt_words;
use tierway_testkit::{Fault, Plan, Thinks, Traits, Upstream};
use tierway_wire::Format;

struct Road {
    desk: Desk,
    upstream: Upstream,
    folder: tempfile::TempDir,
}

impl Road {
    /// `more` goes behind a ladder of nano, standard and reasoning, all served by the fake upstream.
    async fn open(more: &str) -> Self {
        let upstream = Upstream::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let tier = |name: &str, input: &str, output: &str, more: &str| {
            format!(
                "[[tiers]]\nname = \"{name}\"\nstrengths = \"{name} things\"\nprice = {{ input = {input}, output = {output} }}\n\
                 targets = [{{ provider = \"fake\", model = \"fake-{name}\" {more} }}]\n"
            )
        };
        let text = [
            format!("[providers.fake]\nkind = \"openai_compatible\"\nbase_url = \"{}/v1\"\n", upstream.url()),
            tier("nano", "0.15", "0.60", ", capabilities = { vision = false }, context_window = 4000"),
            tier("standard", "5.00", "15.00", ""),
            tier("reasoning", "3.00", "12.00", ""),
            format!("[ledger]\npath = \"{}\"\n", folder.path().join("l.db").display()),
            more.to_owned(),
        ]
        .concat();
        let config = tierway_config::parse(&text, "road.toml", &|_| None).unwrap();
        Self { desk: Desk::open(&config).unwrap(), upstream, folder }
    }

    /// The record of a request, once it is there.
    async fn record(&self, id: RequestId) -> CallRecord {
        let mut reader = Reader::open(self.folder.path().join("l.db").as_path()).unwrap();
        loop {
            if let Some(stored) = reader.call(id).unwrap() {
                return stored.call;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn ask(&self, body: &Value, change: impl FnOnce(&mut Call)) -> Reply {
        let mut call = Call::new(Format::OpenaiChat, body.to_string());
        change(&mut call);
        self.desk.router().chat(call).await
    }
}

fn said(prompt: &str) -> Value {
    json!({"model": "auto", "messages": [{"role": "user", "content": prompt}]})
}

/// Status, tier, reason; and the error's message when there is one.
fn seen(reply: Reply) -> String {
    let header =
        |name: &str| reply.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let (status, tier, reason) = (reply.status.as_u16(), header("x-tierway-tier"), header("x-tierway-reason"));
    let ReplyBody::Whole(Some(body)) = reply.body else { return format!("{status} stream {tier} {reason}") };
    let body: Value = serde_json::from_slice(&body).unwrap();
    match body["error"]["message"].as_str() {
        Some(message) => format!("{status} {message}"),
        None => format!("{status} {tier} {reason}"),
    }
}

async fn check(road: &Road, body: &Value, change: impl FnOnce(&mut Call), want: Expect) {
    want.assert_eq(&seen(road.ask(body, change).await));
}

const RULES: &str = r#"
[[rules]]
name = "secret"
pattern = 'patient file'
tier = "standard"
locked = true
[[rules]]
name = "greek"
pattern = 'into Greek'
tier = "nano"
[users.vip]
floor = "standard"
"#;

#[tokio::test]
async fn who_goes_first() {
    let road = Road::open(RULES).await;
    let easy = said("Put good morning into Greek");
    let as_is = |_: &mut Call| {};
    check(&road, &easy, as_is, expect!["200 nano rule:greek"]).await;
    // A named tier beats a rule, a locked rule beats a named tier.
    let mut named = easy.clone();
    named["model"] = json!("reasoning");
    check(&road, &named, as_is, expect!["200 reasoning requested_tier"]).await;
    let mut locked = said("Summarize this patient file");
    locked["model"] = json!("nano");
    check(&road, &locked, as_is, expect!["200 standard locked_rule:secret"]).await;
    // Floors and ceilings, of the request, the key, the user.
    let floor = |call: &mut Call| call.pins.floor = Some(TierId(1));
    check(&road, &easy, floor, expect!["200 standard rule:greek"]).await;
    let vip = |call: &mut Call| call.user = Some("vip".into());
    check(&road, &easy, vip, expect!["200 standard rule:greek"]).await;
    let cheap_key = |call: &mut Call| {
        let pins = Pins { ceiling: Some(TierId(0)), ..Pins::default() };
        call.caller = Arc::new(Caller { key: "k".into(), pins, ..Caller::default() });
    };
    check(&road, &named, cheap_key, expect!["200 nano requested_tier"]).await;
    let pinned_key = |call: &mut Call| {
        let pins = Pins { exact: Some(TierId(2)), ..Pins::default() };
        call.caller = Arc::new(Caller { key: "k".into(), pins, ..Caller::default() });
    };
    check(&road, &easy, pinned_key, expect!["200 reasoning caller_tier"]).await;
    // Models by name: of a tier, of a provider, and none.
    named["model"] = json!("fake-standard");
    check(&road, &named, as_is, expect!["200 standard requested_model"]).await;
    named["model"] = json!("fake/some-other-model");
    check(&road, &named, as_is, expect!["200  requested_model"]).await;
    named["model"] = json!("gpt-nothing");
    check(
        &road,
        &named,
        as_is,
        expect!["404 no model `gpt-nothing`; ask for `auto`, a tier (nano, standard, reasoning) or a model (fake-nano, fake-standard, fake-reasoning)"],
    )
    .await;
}

#[tokio::test]
async fn what_a_request_needs_may_only_raise() {
    let road = Road::open(RULES).await;
    let as_is = |_: &mut Call| {};
    let mut picture = said("");
    picture["messages"][0]["content"] = json!([
        {"type": "text", "text": "Put the sign into Greek"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]);
    check(&road, &picture, as_is, expect!["200 standard rule:greek"]).await;
    picture["model"] = json!("nano");
    let ceiling = |call: &mut Call| call.pins.ceiling = Some(TierId(0));
    check(
        &road,
        &picture,
        ceiling,
        expect!["400 no configured model can serve this request: not nano/fake-nano, which lacks vision"],
    )
    .await;
    let long = said(&format!("Put this into Greek: {}", "seven words about the sea and ships ".repeat(1_000)));
    check(&road, &long, as_is, expect!["200 standard rule:greek"]).await;
}

#[tokio::test]
async fn a_call_without_an_answer_costs_nothing_on_any_tier() {
    let road = Road::open("").await;
    // The result of a tool that nobody called: the provider's to refuse.
    let body = json!({"model": "auto", "messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]});
    let reply = road.ask(&body, |_| {}).await;
    let id = reply.headers["x-tierway-request-id"].to_str().unwrap().parse().unwrap();
    assert_eq!(reply.status, 400);
    road.desk.close().unwrap();
    let record = Reader::open(road.folder.path().join("l.db").as_path()).unwrap().call(id).unwrap().unwrap().call;
    // What an audit computes from the row has to be what the row says.
    assert_eq!((record.baseline, record.cheapest), (Some(Usd::ZERO), Some(Usd::ZERO)));
}

#[tokio::test]
async fn a_dry_run_calls_nobody() {
    let road = Road::open(RULES).await;
    let dry = |call: &mut Call| call.dry_run = true;
    check(&road, &said("Put good morning into Greek"), dry, expect!["200 nano rule:greek"]).await;
    for (model, want) in [("auto", "fake/fake-nano"), ("fake/any-other", "fake/any-other")] {
        let mut body = said("Put good morning into Greek");
        body["model"] = json!(model);
        let reply = road.ask(&body, dry).await;
        assert_eq!(reply.headers["x-tierway-model"], want);
    }
    assert_eq!(road.upstream.seen().len(), 0);
}

#[tokio::test]
async fn a_model_is_asked_and_charged_and_can_only_fail_towards_the_local_one() {
    let road = Road::open("[routing]\nclassifier = \"model\"\n").await;
    // The fake upstream's words are no opinion: the local prediction decides, the question is charged.
    let reply = road.ask(&said("What is the capital of Peru?"), |_| {}).await;
    let id = reply.headers["x-tierway-request-id"].to_str().unwrap().parse().unwrap();
    expect!["200 nano predicted"].assert_eq(&seen(reply));
    let asked = road.upstream.seen();
    assert_eq!(asked.len(), 2, "one question, one answer");
    let question = asked[0].json();
    assert_eq!((&question["temperature"], &question["max_tokens"]), (&json!(0), &json!(100)));
    assert_eq!(question["response_format"]["type"], "json_object");
    let told: Value = serde_json::from_str(question["messages"][1]["content"].as_str().unwrap()).unwrap();
    assert_eq!(told["who_answers"]["simple"], json!({"good_at": "nano things"}), "{told}");
    road.desk.close().unwrap();
    let record = Reader::open(road.folder.path().join("l.db").as_path()).unwrap().call(id).unwrap().unwrap().call;
    assert!(record.classifier_paid.picos() > 0 && record.attempts.len() == 1, "{record:?}");
}

#[tokio::test]
async fn a_model_that_is_ill_is_not_asked_for_its_opinion() {
    let road = Road::open("[routing]\nclassifier = \"model\"\n[dispatch]\nbreaker_failures = 1\n").await;
    road.upstream.plan("fake-nano", Plan::always(Fault::Status { status: 500 }));
    for _ in 0..3 {
        check(&road, &said("What is the capital of Peru?"), |_| {}, expect!["200 standard predicted"]).await;
    }
    assert_eq!(road.upstream.calls_of("fake-nano").len(), 1, "its breaker was open after the first");
}

#[tokio::test]
async fn no_header_of_the_client_reaches_a_provider_but_the_few_that_mean_something_there() {
    let road = Road::open("").await;
    let with = |call: &mut Call| {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("authorization", "Bearer ours"), ("cookie", "a=b"), ("openai-beta", "x=1"), ("x-mine", "1")]
        {
            headers.insert(name, value.parse().unwrap());
        }
        call.headers = headers;
    };
    road.ask(&said("Hello there"), with).await;
    let seen = road.upstream.seen();
    let call = seen.first().unwrap();
    assert_eq!(call.header("openai-beta"), Some("x=1"));
    for name in ["authorization", "cookie", "x-mine"] {
        assert_eq!(call.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_conversation_is_one_session_in_the_ledger() {
    let road = Road::open("").await;
    let first = road.ask(&said("Tell me about the sea"), |_| {}).await;
    let mut more = said("Tell me about the sea");
    more["messages"].as_array_mut().unwrap().extend([
        json!({"role": "assistant", "content": "It is large."}),
        json!({"role": "user", "content": "And salty?"}),
    ]);
    let second = road.ask(&more, |_| {}).await;
    let ids = [first, second].map(|reply| reply.headers["x-tierway-request-id"].to_str().unwrap().parse().unwrap());
    road.desk.close().unwrap();
    let mut reader = Reader::open(road.folder.path().join("l.db").as_path()).unwrap();
    let sessions = ids.map(|id| reader.call(id).unwrap().unwrap().call.session);
    assert_eq!(sessions[0], sessions[1]);
    assert!(!sessions[0].is_empty());
}

#[tokio::test]
async fn a_model_that_is_named_thinks_as_hard_as_its_caller_says() {
    let effort =
        "[[tiers]]\nname = \"deep\"\ntargets = [{ provider = \"fake\", model = \"o-mini\", effort = \"high\" }]\n";
    let road = Road::open(effort).await;
    road.upstream.traits("o-mini", Traits { thinks: Thinks::Always, ..Traits::default() });
    let top = Some(TierId(3));
    for (model, asked, ceiling, want) in [
        ("deep", json!(null), None, json!("high")),
        ("fake/o-mini", json!(null), None, json!(null)),
        ("fake/o-mini", json!("low"), None, json!("low")),
        ("fake/o-mini@high", json!(null), None, json!("high")),
        ("o-mini@high", json!("low"), None, json!("high")),
        // Under a ceiling a rung is what it was configured to be.
        ("fake/o-mini", json!("low"), top, json!("high")),
    ] {
        let mut body = said("Hello there");
        body["model"] = json!(model);
        if !asked.is_null() {
            body["reasoning_effort"] = asked;
        }
        let reply = road.ask(&body, |call| call.pins.ceiling = ceiling).await;
        assert_eq!(reply.status, 200, "{model}");
        let seen = road.upstream.seen().pop().unwrap().json();
        assert_eq!((&seen["model"], &seen["reasoning_effort"]), (&json!("o-mini"), &want), "{model}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_do_is_asked_for_one_tier_up() {
    let road = Road::open(&format!("{RULES}[routing]\nescalate_on_broken = true\n")).await;
    let cut = || Fault::ContentFilterFinish { after: 2 };
    for (fault, stream) in [(Fault::Empty, false), (cut(), false), (cut(), true)] {
        road.upstream.plan("fake-nano", Plan::first([fault.clone()]));
        let mut body = said("Put good morning into Greek");
        body["stream"] = json!(stream);
        let reply = road.ask(&body, |_| {}).await;
        assert_eq!((reply.status.as_u16(), &reply.headers["x-tierway-tier"]), (200, &"standard".parse().unwrap()));
        let id = reply.headers["x-tierway-request-id"].to_str().unwrap().parse().unwrap();
        let text = String::from_utf8(reply.body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert!(text.contains("\"stop\"") && !text.contains("content_filter"), "{fault:?}: {text}");
        let record = road.record(id).await;
        let ends: Vec<_> =
            record.attempts.iter().map(|attempt| (&*attempt.model, attempt_words(&attempt.end))).collect();
        assert_eq!(ends.len(), 2, "{ends:?}");
        assert!(ends[0].0 == "fake-nano" && ends[0].1.contains("not as was asked"), "{ends:?}");
        assert!(record.attempts.iter().all(|attempt| attempt.paid > Some(Usd::ZERO)), "both are paid for: {record:?}");
    }
    // Who comes last serves, whatever it said.
    for model in ["fake-nano", "fake-standard", "fake-reasoning"] {
        road.upstream.plan(model, Plan::always(cut()));
    }
    for stream in [false, true] {
        let mut body = said("Put good morning into Greek");
        body["stream"] = json!(stream);
        let reply = road.ask(&body, |_| {}).await;
        assert_eq!((reply.status.as_u16(), &reply.headers["x-tierway-tier"]), (200, &"reasoning".parse().unwrap()));
        let text = String::from_utf8(reply.body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert!(text.contains("content_filter"), "{text}");
    }
}
