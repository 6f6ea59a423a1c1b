//! The situations. Each runs streamed and whole where both make sense.

use crate::stage::{Answer, MODEL, Message, Set, Stage, ended, ends};
use crate::{Grade, Graded, Situation, want};
use futures_util::FutureExt;
use serde_json::json;
use std::time::Duration;
use tierway_decide::{CallRecord, CallStatus, Usd};
use tierway_testkit::{Ended, Fault, Plan, Prefill, Upstream};

macro_rules! situations {
    ($($name:literal: $run:path),+ $(,)?) => { &[$(($name, || $run().boxed())),+] };
}

pub(crate) const ALL: [Situation; 34] = *array(situations![
    "429 with Retry-After": limited_with_pause,
    "429 without Retry-After": limited_without_pause,
    "500 once": failed_once,
    "503 for ever": down_for_ever,
    "reset before headers": reset,
    "no answer at all": silent,
    "slow first token (20 s)": slow_first_token,
    "cut mid-answer": cut,
    "stall mid-answer": stall,
    "malformed event": malformed,
    "missing end mark": missing_end,
    "context length exceeded": too_long,
    "content filter": filtered,
    "fallback rejects a continued answer": fallback_rejects,
    "flapping primary": flapping,
    "accounting after failover": accounting,
    "error in-band after 200": in_band,
    "client gone": client_gone,
    "garbage instead of HTTP; a redirect": garbage,
    "client gone while another goes on": gone_between,
    "total time over mid-answer": overtime,
    "tool call cut": tool_call_cut,
    "cut, Messages client": messages_cut,
    "alone: 429 with Retry-After; 503 for ever": alone,
    "hedge: the first is late": hedge_wins,
    "hedge: the second is no better": hedge_loses,
    "held back: early failures": held_back,
    "client gone before the first content": gone_before,
    "nobody who cools goes on": cooling_does_not_go_on,
    "one of two answers cut": one_of_two_cut,
    "stopped before the end": stopped,
    "models on no tier down for ever": passing_down,
    "a request that cannot be said": unsayable,
    "chatter before content; our key refused": chatter_and_key,
]);

const fn array(all: &'static [Situation]) -> &'static [Situation; 34] {
    match all.first_chunk() {
        Some(all) => all,
        None => panic!("a situation is missing"),
    }
}

fn pass(note: &str) -> Graded {
    Ok((Grade::Pass, note.to_owned()))
}

/// The primary fails so; whole and streamed.
async fn falls_back(fault: &Fault, end: &str, primary_calls: usize, ms: u128) -> Graded {
    falls_back_as(fault, false, end, primary_calls, ms).await?;
    falls_back_as(fault, true, end, primary_calls, ms).await
}

/// The fallback must serve within `ms`, and the row must say what happened.
async fn falls_back_as(fault: &Fault, stream: bool, end: &str, primary_calls: usize, ms: u128) -> Graded {
    let stage = Stage::open(Set::default()).await;
    stage.primary_fails(Plan::always(fault.clone()));
    let answer = stage.ask(stream, "who?").await;
    want!(answer.is_whole("who?"), "stream {stream}: {answer:?}");
    want!(answer.done == stream, "{answer:?}");
    want!(answer.ms < ms, "stream {stream}: took {} ms", answer.ms);
    want!(stage.calls() == [primary_calls, 1, 0], "stream {stream}: {:?}", stage.calls());
    let row = stage.row(&answer);
    want!(ends(&row) == [format!("first {end}"), "second ok".to_owned()], "stream {stream}: {:?}", ends(&row));
    let cut_inside = !stream && matches!(fault, Fault::Cut { .. } | Fault::Stall { .. });
    if !cut_inside {
        served_by_second(&row, &answer)?;
        return pass("the fallback answered");
    }
    // Half of it was there: the provider will charge what it had said. It counts words, the estimate letters.
    let lost = &row.attempts[0];
    want!(lost.paid > Some(Usd::ZERO) && (5..90).contains(&lost.usage.output_tokens), "{lost:?}");
    want!(lost.usage.input_tokens > 0 && row.usage_estimated && row.usage.output_tokens == 30, "{row:?}");
    want!(row.paid > row.attempts[1].paid && row.provider == "second", "{row:?}");
    pass("the fallback answered")
}

fn served_by_second(row: &CallRecord, answer: &Answer) -> Result<(), String> {
    want!(row.status == CallStatus::Answered && row.http_status == 200, "{row:?}");
    want!(row.provider == "second" && row.served_model == MODEL, "{row:?}");
    want!(answer.headers["x-tierway-attempts"] == "2" || row.attempts.len() == 2, "{:?}", answer.headers);
    want!(answer.usage["completion_tokens"].as_u64() == Some(row.usage.output_tokens), "{row:?} {}", answer.usage);
    want!(row.attempts[0].paid == Some(Usd::ZERO), "a failed attempt was billed: {:?}", row.attempts[0]);
    let price = |input: i64, output: i64| {
        let count = |tokens: u64| i64::try_from(tokens).unwrap();
        Usd::from_picos(1_000_000 * (input * count(row.usage.input_tokens) + output * count(row.usage.output_tokens)))
    };
    want!(row.paid == Some(price(3, 4)), "{:?}", row.paid);
    want!(row.baseline.is_some() && row.usage.output_tokens == 30, "{row:?}");
    Ok(())
}

async fn limited_with_pause() -> Graded {
    falls_back(&Fault::RateLimit { retry_after: Some("2".into()) }, "http 429", 1, 1_500).await
}

async fn limited_without_pause() -> Graded {
    falls_back(&Fault::RateLimit { retry_after: None }, "http 429", 1, 1_500).await
}

async fn failed_once() -> Graded {
    falls_back(&Fault::Status { status: 500 }, "http 500", 1, 1_500).await?;
    // Alone, the primary is asked again after a short pause.
    let stage = Stage::open(Set { alone: true, ..Set::default() }).await;
    stage.primary_fails(Plan::once(Fault::Status { status: 500 }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.is_whole("who?") && answer.ms < 1_800, "{answer:?}");
    let seen = stage.primary.seen();
    want!(seen.len() == 2 && seen[1].at_ms - seen[0].at_ms <= 1_000, "{seen:?}");
    pass("at once from the fallback; alone, after a short pause from the same")
}

async fn down_for_ever() -> Graded {
    falls_back(&Fault::Status { status: 503 }, "http 503", 1, 1_500).await?;
    // Under traffic the breaker keeps almost all of it away from the dead target.
    let stage = Stage::open(Set::default()).await;
    stage.primary_fails(Plan::always(Fault::Status { status: 503 }));
    for number in 0..40 {
        let question = format!("n{number}?");
        let answer = stage.ask(number % 2 == 0, &question).await;
        want!(answer.is_whole(&question), "{number}: {answer:?}");
    }
    want!(stage.calls() == [5, 40, 0], "{:?}", stage.calls());
    pass("all served; the dead target saw 5 of 40 calls")
}

async fn reset() -> Graded {
    falls_back(&Fault::ResetBeforeHeaders, "connect", 1, 1_500).await
}

async fn silent() -> Graded {
    // A whole answer may take its time; its bound is the total, not the first byte.
    for fault in [Fault::Silent, Fault::SilentAfterHeaders] {
        let stage = Stage::open(Set::default()).await;
        stage.primary_fails(Plan::always(fault.clone()));
        let answer = stage.ask(true, "who?").await;
        want!(answer.is_whole("who?") && (1_400..3_000).contains(&answer.ms), "{fault:?} {answer:?}");
        want!(stage.calls() == [1, 1, 0], "{:?}", stage.calls());
        let left = ended(&stage.primary).await;
        want!(matches!(left.ended, Ended::ClientGone { .. }), "the silent call was not cancelled: {left:?}");
        let row = stage.row(&answer);
        want!(ends(&row) == ["first first_byte_timeout", "second ok"], "{:?}", ends(&row));
        served_by_second(&row, &answer)?;
    }
    let stage = Stage::open(Set { dispatch: "deadline_ms = 1200", ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::Silent));
    let answer = stage.ask(false, "who?").await;
    want!(answer.status == 504 && answer.is_clear_error() && answer.ms < 4_000, "{answer:?}");
    let left = ended(&stage.primary).await;
    want!(matches!(left.ended, Ended::ClientGone { .. }), "{left:?}");
    let row = stage.row(&answer);
    want!(row.status == CallStatus::Failed && row.http_status == 504 && row.paid == Some(Usd::ZERO), "{row:?}");
    pass("left after the first-byte limit; never asked again; the deadline holds for whole answers")
}

async fn slow_first_token() -> Graded {
    let stage = Stage::open(Set { first_byte_ms: 30_000, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::SlowFirstToken { ms: 20_000 }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.is_whole("who?") && answer.ms >= 20_000 && answer.ms < 22_500, "{answer:?}");
    want!(stage.calls() == [1, 0, 0], "{:?}", stage.calls());
    let row = stage.row(&answer);
    want!(row.provider == "first" && row.first_byte_ms.is_some_and(|ms| ms >= 20_000), "{row:?}");
    pass("within the limit: waited for, one call")
}

/// The provider counts words: seven, when it breaks after them. Our estimate has a sign more ("answers:").
const SEVEN_ESTIMATED: u64 = 8;

/// A stream that breaks after seven tokens, and goes on at the fallback: the same model elsewhere.
async fn continues(fault: Fault, end: &str, ms: std::ops::Range<u128>) -> Graded {
    let stage = Stage::open(Set::default()).await;
    stage.primary_fails(Plan::always(fault.clone()));
    let mut body = stage.streaming("who?");
    (body["max_tokens"], body["stream_options"]) = (json!(100), json!({"include_usage": true}));
    let answer = stage.send(&body).await;
    want!(answer.is_whole("who?") && answer.done, "{answer:?}");
    want!(answer.models == [MODEL], "two voices: {:?}", answer.models);
    want!(ms.contains(&answer.ms), "took {} ms", answer.ms);
    want!(stage.calls() == [1, 1, 0], "{:?}", stage.calls());
    let sent = stage.fallback.seen()[0].json();
    let partial = sent["messages"].as_array().and_then(|messages| messages.last()).cloned().unwrap_or_default();
    want!(partial["role"] == "assistant" && answer.text.starts_with(partial["content"].as_str().unwrap()), "{sent}");
    want!(sent["max_tokens"] == 100 - SEVEN_ESTIMATED, "the rest may be as long as the whole: {sent}");
    let row = stage.row(&answer);
    want!(ends(&row) == [format!("first {end}"), "second ok".to_owned()], "{:?}", ends(&row));
    want!(row.status == CallStatus::Answered && row.usage_estimated, "{row:?}");
    want!(row.attempts[0].usage.output_tokens == SEVEN_ESTIMATED && row.attempts[0].paid > Some(Usd::ZERO), "{row:?}");
    want!(row.usage.output_tokens == 23 + SEVEN_ESTIMATED, "{:?}", row.usage);
    // Nobody who goes on: a clear error, and nothing that looks like an end.
    let stage = Stage::open(Set { fallback_continues: false, ..Set::default() }).await;
    stage.primary_fails(Plan::always(fault));
    let answer = stage.ask(true, "who?").await;
    want!(answer.is_clear_error() && !answer.text.is_empty(), "{answer:?}");
    want!(stage.calls() == [1, 0, 0], "{:?}", stage.calls());
    let row = stage.row(&answer);
    want!(row.status == CallStatus::Failed && row.usage_estimated, "{row:?}");
    want!(row.usage.output_tokens == SEVEN_ESTIMATED, "{row:?}");
    pass("the same model went on where it broke; with nobody to go on, a clear error")
}

async fn cut() -> Graded {
    continues(Fault::Cut { after: 7 }, "cut", 0..1_500).await?;
    // Before any content, and in a whole answer, nothing is lost.
    falls_back(&Fault::Cut { after: 0 }, "cut", 1, 1_500).await?;
    pass("the same model went on; before any content, the fallback answered")
}

async fn stall() -> Graded {
    continues(Fault::Stall { after: 7 }, "stalled", 700..3_000).await
}

async fn malformed() -> Graded {
    continues(Fault::Malformed { after: 7 }, "garbled", 0..1_500).await?;
    falls_back_as(&Fault::NotTheApi, false, "garbled", 1, 1_500).await?;
    falls_back_as(&Fault::NotTheApi, true, "cut", 1, 1_500).await?;
    pass("the same model went on; a body of another kind fell back")
}

async fn missing_end() -> Graded {
    // All tokens came, only the finish is missing: nobody can know whether it is whole.
    let stage = Stage::open(Set::default()).await;
    stage.primary_fails(Plan::always(Fault::MissingEnd));
    let answer = stage.ask(true, "who?").await;
    want!(answer.is_whole("who?") && answer.done, "{answer:?}");
    want!(stage.calls() == [1, 1, 0], "{:?}", stage.calls());
    let row = stage.row(&answer);
    want!(ends(&row) == ["first cut", "second ok"], "{:?}", ends(&row));
    let stage = Stage::open(Set { fallback_continues: false, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::MissingEnd));
    let answer = stage.ask(true, "who?").await;
    want!(answer.is_clear_error(), "{answer:?}");
    pass("the continuation confirmed the end; with nobody to ask, a clear error")
}

async fn too_long() -> Graded {
    for stream in [false, true] {
        let stage = Stage::open(Set::default()).await;
        stage.primary_fails(Plan::always(Fault::ContextTooLong));
        let answer = stage.ask(stream, "who?").await;
        want!(answer.is_whole("who?"), "{answer:?}");
        want!(stage.calls() == [1, 0, 1], "{:?}", stage.calls());
        let row = stage.row(&answer);
        want!(row.served_tier == "large" && ends(&row) == ["first http 400", "third ok"], "{row:?}");
    }
    let stage = Stage::open(Set { alone: true, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::ContextTooLong));
    let answer = stage.ask(true, "who?").await;
    want!(answer.status == 400 && answer.code() == "context_length_exceeded", "{answer:?}");
    want!(stage.calls() == [1, 0, 0], "{:?}", stage.calls());
    pass("moved to the larger window; without one, the provider's own code")
}

async fn filtered() -> Graded {
    for stream in [false, true] {
        let stage = Stage::open(Set::default()).await;
        stage.primary_fails(Plan::always(Fault::ContentFilter));
        let answer = stage.ask(stream, "who?").await;
        want!(answer.status == 400 && answer.code() == "content_filter" && answer.is_clear_error(), "{answer:?}");
        want!(stage.calls() == [1, 0, 0], "{:?}", stage.calls());
        let row = stage.row(&answer);
        want!(row.status == CallStatus::Failed && row.paid == Some(Usd::ZERO), "{row:?}");
    }
    let stage = Stage::open(Set::default()).await;
    stage.primary_fails(Plan::always(Fault::ContentFilterFinish { after: 4 }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.finish == "content_filter" && answer.done && stage.calls() == [1, 0, 0], "{answer:?}");
    pass("passed on with the provider's reason, asked once")
}

async fn fallback_rejects() -> Graded {
    // The config says that it goes on; it refuses. Then the next one that does, and the client is told of the new voice.
    let set = Set {
        dispatch: "max_continues = 2",
        fallback_prefill: Prefill::Rejects,
        large_continues: true,
        ..Set::default()
    };
    let stage = Stage::open(set).await;
    stage.primary_fails(Plan::always(Fault::Cut { after: 7 }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.error.is_none() && answer.finish == "stop" && answer.done, "{answer:?}");
    want!(answer.models == [MODEL, crate::stage::LARGE], "the new voice was not named: {:?}", answer.models);
    want!(answer.text.ends_with("w29") && answer.text.matches("answers:").count() == 1, "{answer:?}");
    want!(stage.calls() == [1, 1, 1], "{:?}", stage.calls());
    let row = stage.row(&answer);
    want!(ends(&row) == ["first cut", "second http 400", "third ok"], "{:?}", ends(&row));
    // Nobody else: a clear error, the rejecting one asked once.
    let stage = Stage::open(Set { fallback_prefill: Prefill::Rejects, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::Cut { after: 7 }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.is_clear_error() && stage.calls() == [1, 1, 0], "{answer:?} {:?}", stage.calls());
    pass("left for one that goes on, named; with nobody, a clear error")
}

async fn flapping() -> Graded {
    let stage = Stage::open(Set { dispatch: "breaker_failures = 3\nbreaker_open_ms = 500", ..Set::default() }).await;
    stage.primary_fails(Plan::flapping(Fault::Status { status: 500 }, 1_500, 1_500));
    let began = stage.primary.now_ms();
    let mut number = 0;
    // When each was asked and answered, and whether the primary was.
    let mut asked = Vec::new();
    while stage.primary.now_ms() < began + 6_000 {
        let question = format!("n{number}?");
        let (from, calls) = (stage.primary.now_ms() - began, stage.primary.seen().len());
        let answer = stage.ask(number % 2 == 0, &question).await;
        want!(answer.is_whole(&question), "{number}: {answer:?}");
        asked.push((from, stage.primary.now_ms() - began, stage.primary.seen().len() > calls));
        number += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let calls: Vec<u64> = stage.primary.seen().iter().map(|seen| seen.at_ms - began).collect();
    for back in [1_500u64, 4_500] {
        // One interval after it came back, at the latest, traffic is back: all of it but for the probe, however busy the
        // machine is that this runs on.
        let within = asked.iter().filter(|(from, to, _)| *from >= back + 520 && *to < back + 1_500);
        let (all, there) = (within.clone().count(), within.filter(|(_, _, there)| *there).count());
        want!(all > 2 && there + 1 >= all, "back at {back}: {there} of {all} requests: {calls:?}");
    }
    let ill = calls.iter().filter(|at| **at < 1_500 || (3_000..4_500).contains(*at)).count();
    want!(ill <= 2 * (3 + 3), "{ill} calls while it was ill: {calls:?}");
    pass(&format!("{number} requests served throughout; back within one probe interval; {ill} probes while ill"))
}

async fn accounting() -> Graded {
    let stage = Stage::open(Set::default()).await;
    stage.primary_fails(Plan::cycle([Fault::Status { status: 500 }, Fault::None]));
    let (mut ids, mut whole) = (Vec::new(), Vec::new());
    for number in 0..8 {
        let answer = stage.ask(number % 2 == 0, "who?").await;
        want!(answer.is_whole("who?"), "{answer:?}");
        ids.push(answer.id());
        whole.push(answer);
    }
    let calls = stage.calls();
    let rows = stage.rows(&ids);
    want!(rows.iter().map(|row| row.attempts.len()).sum::<usize>() == calls.iter().sum::<usize>(), "{calls:?}");
    for (row, answer) in rows.iter().zip(&whole) {
        let failed = row.attempts.iter().filter(|attempt| attempt.provider != row.provider);
        want!(failed.clone().all(|attempt| attempt.paid == Some(Usd::ZERO) && attempt.usage.is_empty()), "{row:?}");
        let output = i64::try_from(row.usage.output_tokens).unwrap();
        let input = i64::try_from(row.usage.input_tokens).unwrap();
        let (a, b) = if row.provider == "first" { (1, 2) } else { (3, 4) };
        want!(row.paid == Some(Usd::from_picos(1_000_000 * (a * input + b * output))), "{row:?}");
        want!(answer.usage["cost"].to_string().parse::<f64>().is_ok_and(|cost| cost > 0.0), "{}", answer.usage);
        want!(row.baseline.is_some() && row.tier == "standard", "{row:?}");
    }
    want!(
        rows.iter().any(|row| row.provider == "second") && rows.iter().any(|row| row.provider == "first"),
        "{rows:?}"
    );
    pass("one row each, every attempt in it, only the answer paid")
}

async fn in_band() -> Graded {
    falls_back_as(&Fault::InBand { after: 0 }, true, "in_band", 1, 1_500).await?;
    continues(Fault::InBand { after: 7 }, "in_band", 0..1_500).await
}

async fn client_gone() -> Graded {
    let stage = Stage::open(Set::default()).await;
    stage.primary_fails(Plan::always(Fault::SlowChunks { ms: 100 }));
    let mut open = stage.begin(&stage.streaming("who?")).await;
    open.read().await;
    let id = open.leave();
    let left = stage.primary.now_ms();
    let seen = ended(&stage.primary).await;
    let Ended::ClientGone { at_ms } = seen.ended else { return Err(format!("{seen:?}")) };
    want!(at_ms < left + 100, "cancelled after {} ms", at_ms.saturating_sub(left));
    let row = stage.rows(&[id]).remove(0);
    want!(row.status == CallStatus::Cancelled && row.usage_estimated && row.usage.output_tokens > 0, "{row:?}");
    want!(row.paid > Some(Usd::ZERO) && ends(&row) == ["first cancelled"], "{row:?}");
    pass(&format!("cancelled upstream within {} ms; usage estimated and marked", at_ms.saturating_sub(left)))
}

async fn garbage() -> Graded {
    for fault in [Fault::Garbage, Fault::CloseBeforeHeaders] {
        falls_back(&fault, "connect", 1, 1_500).await?;
    }
    let elsewhere = Upstream::start().await.unwrap();
    falls_back(&Fault::Redirect { to: elsewhere.url() }, "http 302", 1, 1_500).await?;
    want!(elsewhere.seen().is_empty(), "the redirect was followed");
    pass("the fallback answered; the redirect was not followed")
}

async fn alone() -> Graded {
    let stage = Stage::open(Set { alone: true, ..Set::default() }).await;
    stage.primary_fails(Plan::once(Fault::RateLimit { retry_after: Some("1".into()) }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.is_whole("who?") && (1_000..2_600).contains(&answer.ms), "{answer:?}");
    let seen = stage.primary.seen();
    want!(seen.len() == 2 && seen[1].at_ms - seen[0].at_ms >= 1_000, "Retry-After was not honoured: {seen:?}");
    let stage = Stage::open(Set { alone: true, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::RateLimit { retry_after: Some("60".into()) }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.status == 429 && answer.is_clear_error() && answer.headers["retry-after"] == "60", "{answer:?}");
    want!(stage.calls() == [1, 0, 0], "{:?}", stage.calls());
    let stage = Stage::open(Set { alone: true, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::Status { status: 503 }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.status == 503 && answer.is_clear_error() && answer.ms < 4_000, "{answer:?}");
    want!(answer.headers["x-should-retry"] == "false" && stage.calls() == [3, 0, 0], "{:?}", stage.calls());
    let row = stage.row(&answer);
    want!(row.status == CallStatus::Failed && row.attempts.len() == 3, "{row:?}");
    pass("a short pause is waited out; a long one and an outage end in a clear error")
}

async fn gone_between() -> Graded {
    let stage = Stage::open(Set::default()).await;
    stage.primary_fails(Plan::always(Fault::Cut { after: 7 }));
    stage.fallback.plan(MODEL, Plan::always(Fault::Silent));
    let mut open = stage.begin(&stage.streaming("who?")).await;
    open.read().await;
    let asked = tokio::time::timeout(Duration::from_secs(10), stage.fallback.until(|seen| !seen.is_empty())).await;
    want!(asked.is_ok(), "the fallback was not asked");
    let id = open.leave();
    let left = stage.fallback.now_ms();
    let seen = ended(&stage.fallback).await;
    let Ended::ClientGone { at_ms } = seen.ended else { return Err(format!("{seen:?}")) };
    want!(at_ms < left + 100, "cancelled after {} ms", at_ms.saturating_sub(left));
    let row = stage.rows(&[id]).remove(0);
    want!(row.status == CallStatus::Cancelled && row.usage_estimated, "{row:?}");
    want!(row.usage.output_tokens == SEVEN_ESTIMATED, "{row:?}");
    want!(ends(&row) == ["first cut", "second cancelled"], "{:?}", ends(&row));
    pass("the search is cancelled as well; what the client had is in the row")
}

async fn overtime() -> Graded {
    let stage = Stage::open(Set { dispatch: "deadline_ms = 1500", ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::SlowChunks { ms: 200 }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.is_clear_error() && (1_300..3_200).contains(&answer.ms), "{answer:?}");
    want!(stage.calls() == [1, 0, 0], "{:?}", stage.calls());
    let row = stage.row(&answer);
    want!(ends(&row) == ["first deadline"] && row.status == CallStatus::Failed, "{row:?}");
    pass("ends at the request's deadline with a clear error, also in the middle")
}

async fn tool_call_cut() -> Graded {
    let stage = Stage::open(Set::default()).await;
    stage.primary_fails(Plan::always(Fault::Cut { after: 2 }));
    let mut body = stage.streaming("get_weather in Rome");
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    body["tools"] = json!([{"type": "function", "function": {"name": "get_weather", "parameters": schema}}]);
    let answer = stage.send(&body).await;
    want!(answer.is_clear_error() && stage.calls() == [1, 0, 0], "{answer:?} {:?}", stage.calls());
    let row = stage.row(&answer);
    want!(row.status == CallStatus::Failed && row.finish.is_empty(), "{row:?}");
    Ok((Grade::Safe, "half a tool call cannot be continued by anybody: a clear error, nothing to execute".to_owned()))
}

async fn messages_cut() -> Graded {
    let body = json!({"model": "standard", "max_tokens": 500, "stream": true,
        "messages": [{"role": "user", "content": "who?"}]});
    for provider in ["openai_chat", "anthropic_messages"] {
        for (fault, goes_on) in
            [(Fault::Cut { after: 0 }, false), (Fault::Cut { after: 7 }, true), (Fault::Stall { after: 3 }, true)]
        {
            let stage = Stage::open(Set { provider, ..Set::default() }).await;
            stage.primary_fails(Plan::always(fault.clone()));
            let mut open = stage.begin_at("/v1/messages", &body).await;
            let text = open.read_all().await;
            let message = Message::read(&text);
            want!(message.is_whole("who?"), "{provider} {fault:?}: {message:?} {text}");
            want!(stage.calls() == [1, 1, 0], "{:?}", stage.calls());
            let partial =
                stage.fallback.seen()[0].json()["messages"].as_array().unwrap().last().unwrap()["role"] == "assistant";
            want!(partial == goes_on, "{}", stage.fallback.seen()[0].json());
            let row = stage.rows(&[open.leave()]).remove(0);
            let whole = if goes_on { 23 + SEVEN_ESTIMATED } else { 30 };
            want!(row.status == CallStatus::Answered && row.usage.output_tokens == whole, "{row:?}");
            want!(message.output_tokens == whole, "{message:?}");
            // What came before the break is paid for, whatever the first event of the stream told.
            let (Fault::Cut { after } | Fault::Stall { after }) = fault else { unreachable!("two kinds") };
            want!(row.attempts[0].usage.output_tokens >= after as u64, "{row:?}");
        }
    }
    // Nobody goes on, or only another model, whose name this API has no place for: the API's own error.
    for set in [
        Set { fallback_continues: false, ..Set::default() },
        Set { fallback_continues: false, large_continues: true, ..Set::default() },
    ] {
        let stage = Stage::open(set).await;
        stage.primary_fails(Plan::always(Fault::Cut { after: 7 }));
        let mut open = stage.begin_at("/v1/messages", &body).await;
        let text = open.read_all().await;
        want!(
            text.contains("event: error") && !text.contains("message_stop") && !text.contains("stop_reason\":\""),
            "{text}"
        );
        want!(stage.calls() == [1, 0, 0], "{:?}", stage.calls());
        let row = stage.rows(&[open.leave()]).remove(0);
        want!(row.status == CallStatus::Failed, "{row:?}");
        want!(text.contains(&format!("\"request_id\":\"{}\"", row.id)), "{text}");
    }
    pass("the same model went on in the open block; with nobody but another one, the API's error event")
}

const HEDGE: &str = "hedge = true\nhedge_after_ms = 300";

async fn hedge_wins() -> Graded {
    for stream in [false, true] {
        let stage = Stage::open(Set { dispatch: HEDGE, first_byte_ms: 10_000, ..Set::default() }).await;
        stage.primary_fails(Plan::always(Fault::SlowFirstToken { ms: 5_000 }));
        let answer = stage.ask(stream, "who?").await;
        want!(answer.is_whole("who?") && (300..1_800).contains(&answer.ms), "stream {stream}: {answer:?}");
        want!(answer.models == [MODEL] && stage.calls() == [1, 1, 0], "{answer:?} {:?}", stage.calls());
        let late = stage.fallback.seen()[0].at_ms.abs_diff(stage.primary.seen()[0].at_ms);
        let left = ended(&stage.primary).await;
        want!(matches!(left.ended, Ended::ClientGone { .. }), "the loser was not cancelled: {left:?}");
        let row = stage.row(&answer);
        let mut ends = ends(&row);
        ends.sort();
        want!(ends == ["first outrun", "second ok"], "{ends:?} {late}");
        let lost = row.attempts.iter().find(|attempt| attempt.provider == "first").unwrap();
        want!(lost.paid > Some(Usd::ZERO) && lost.usage.output_tokens == 0, "not charged: {lost:?}");
        want!(row.usage_estimated && row.status == CallStatus::Answered && row.provider == "second", "{row:?}");
        want!(row.usage.output_tokens == 30 && row.paid > lost.paid, "{row:?}");
    }
    // Without a time of its own: late is what is slower than nineteen of twenty, and before twenty nothing is.
    let stage = Stage::open(Set { dispatch: "hedge = true", first_byte_ms: 10_000, ..Set::default() }).await;
    let mut plan = vec![Fault::SlowFirstToken { ms: 700 }];
    plan.extend(vec![Fault::None; 19]);
    plan.push(Fault::SlowFirstToken { ms: 8_000 });
    stage.primary_fails(Plan::first(plan));
    for number in 0..20 {
        let question = format!("n{number}?");
        let answer = stage.ask(true, &question).await;
        want!(answer.is_whole(&question), "{number}: {answer:?}");
    }
    want!(stage.calls() == [20, 0, 0], "hedged before anything was known: {:?}", stage.calls());
    let answer = stage.ask(true, "who?").await;
    want!(answer.is_whole("who?") && answer.ms < 4_000, "{answer:?}");
    want!(stage.calls() == [21, 1, 0], "{:?}", stage.calls());
    pass("the sibling answered; the late call was cancelled, and both are charged")
}

async fn hedge_loses() -> Graded {
    // The first answers in the end, whatever the second does.
    for (fault, end) in [
        (Fault::Status { status: 500 }, "second http 500"),
        (Fault::ContentFilter, "second http 400"),
        (Fault::Silent, "second outrun"),
    ] {
        let stage = Stage::open(Set { dispatch: HEDGE, first_byte_ms: 10_000, ..Set::default() }).await;
        stage.primary_fails(Plan::always(Fault::SlowFirstToken { ms: 1_000 }));
        stage.fallback.plan(MODEL, Plan::always(fault.clone()));
        let answer = stage.ask(true, "who?").await;
        want!(answer.is_whole("who?") && answer.ms >= 1_000, "{fault:?}: {answer:?}");
        want!(stage.calls() == [1, 1, 0], "{fault:?}: {:?}", stage.calls());
        let row = stage.row(&answer);
        want!(ends(&row) == [end, "first ok"] && row.provider == "first", "{:?}", ends(&row));
    }
    // Nothing is asked beside a call that is in time, or when retries are not allowed.
    for (dispatch, ms) in [(HEDGE, 0), ("hedge = true\nhedge_after_ms = 300\nmax_retries = 0", 800)] {
        let stage = Stage::open(Set { dispatch, first_byte_ms: 10_000, ..Set::default() }).await;
        stage.primary_fails(Plan::always(Fault::SlowFirstToken { ms }));
        let answer = stage.ask(true, "who?").await;
        want!(answer.is_whole("who?") && stage.calls() == [1, 0, 0], "{answer:?} {:?}", stage.calls());
    }
    // Both are there when the client leaves: both are cancelled.
    let stage = Stage::open(Set { dispatch: HEDGE, first_byte_ms: 10_000, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::Silent));
    stage.fallback.plan(MODEL, Plan::always(Fault::Silent));
    let body = stage.streaming("who?");
    let gone = tokio::time::timeout(Duration::from_millis(1_500), stage.begin(&body)).await.is_err();
    let (first, second) = (ended(&stage.primary).await.ended, ended(&stage.fallback).await.ended);
    want!(gone && matches!(first, Ended::ClientGone { .. }), "{first:?}");
    want!(matches!(second, Ended::ClientGone { .. }), "{second:?}");
    pass("a second that fails changes nothing; in time, nobody else is asked; a client that leaves takes both along")
}

async fn held_back() -> Graded {
    let set = || Set { dispatch: "hold_back_ms = 400", fallback_continues: false, ..Set::default() };
    for (fault, end) in [
        (Fault::Cut { after: 3 }, "cut"),
        (Fault::Malformed { after: 3 }, "garbled"),
        (Fault::InBand { after: 3 }, "in_band"),
        (Fault::MissingEnd, "cut"),
    ] {
        let stage = Stage::open(set()).await;
        stage.primary_fails(Plan::always(fault));
        let answer = stage.ask(true, "who?").await;
        // Said once, in one voice: nothing of the first came through.
        want!(answer.is_whole("who?") && answer.done && answer.models == [MODEL], "{answer:?}");
        want!(stage.calls() == [1, 1, 0], "{:?}", stage.calls());
        let row = stage.row(&answer);
        want!(ends(&row) == [format!("first {end}"), "second ok".to_owned()], "{:?}", ends(&row));
        let lost = &row.attempts[0];
        want!(lost.usage.output_tokens >= 3 && lost.paid > Some(Usd::ZERO), "what was said is charged: {lost:?}");
        want!(row.usage_estimated && row.usage.output_tokens == 30 && row.provider == "second", "{row:?}");
    }
    // Well: the first words are late by the window, no more; whole ones at once.
    let stage = Stage::open(set()).await;
    stage.primary_fails(Plan::always(Fault::SlowChunks { ms: 40 }));
    let answer = stage.ask(true, "who?").await;
    let first = answer.first_content_ms.unwrap_or_default();
    want!(answer.is_whole("who?") && (400..1_100).contains(&first), "{answer:?}");
    want!(stage.calls() == [1, 0, 0] && answer.ms > first + 400, "it was held whole: {answer:?}");
    let stage = Stage::open(set()).await;
    let answer = stage.ask(true, "who?").await;
    want!(answer.is_whole("who?") && answer.ms < 400, "a whole answer needs no holding: {answer:?}");
    // After the window it is as ever.
    let stage = Stage::open(Set { dispatch: "hold_back_ms = 50", fallback_continues: false, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::Stall { after: 3 }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.is_clear_error() && stage.calls() == [1, 0, 0], "{answer:?}");
    pass("what breaks within the window is answered by the fallback, unseen and charged")
}

/// Asks, and walks away from whoever says nothing.
async fn leaves(stage: Stage, body: &serde_json::Value, late: fn(&Stage) -> &Upstream) -> Result<CallRecord, String> {
    let asking = tokio::spawn(stage.asking("/v1/chat/completions", body));
    let late = late(&stage);
    let asked = tokio::time::timeout(Duration::from_secs(10), late.until(|seen| !seen.is_empty())).await;
    want!(asked.is_ok(), "nobody was asked");
    asking.abort();
    let seen = ended(late).await;
    want!(matches!(seen.ended, Ended::ClientGone { .. }), "{seen:?}");
    let row = stage.stop().last_row();
    want!(row.status == CallStatus::Cancelled && row.http_status == 499 && row.usage_estimated, "{row:?}");
    want!(row.usage.input_tokens > 0 && row.usage.output_tokens == 0, "{row:?}");
    want!(row.paid > Some(Usd::ZERO) && row.baseline > Some(Usd::ZERO), "{row:?}");
    Ok(row)
}

async fn gone_before() -> Graded {
    let long = "what? ".repeat(500);
    for (stream, fault) in [(false, Fault::Silent), (true, Fault::Silent), (true, Fault::SilentAfterHeaders)] {
        let stage = Stage::open(Set { first_byte_ms: 20_000, ..Set::default() }).await;
        stage.primary_fails(Plan::always(fault));
        let body = json!({"model": "standard", "stream": stream, "messages": [{"role": "user", "content": long}]});
        let row = leaves(stage, &body, |stage| &stage.primary).await?;
        want!(ends(&row) == ["first cancelled"] && row.attempts[0].usage.input_tokens > 500, "{row:?}");
    }
    // Two calls under way: both providers have read it.
    let stage = Stage::open(Set { dispatch: HEDGE, first_byte_ms: 20_000, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::Silent));
    stage.fallback.plan(MODEL, Plan::always(Fault::Silent));
    let body = stage.streaming(&long);
    let row = leaves(stage, &body, |stage| &stage.fallback).await?;
    want!(row.attempts.len() == 2 && row.attempts.iter().all(|one| one.paid > Some(Usd::ZERO)), "{row:?}");
    // What broke unseen is charged once, to the one who said it.
    let stage = Stage::open(Set { dispatch: "hold_back_ms = 400", first_byte_ms: 20_000, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::Cut { after: 7 }));
    stage.fallback.plan(MODEL, Plan::always(Fault::Silent));
    let body = stage.streaming("who?");
    let row = leaves(stage, &body, |stage| &stage.fallback).await?;
    want!(ends(&row) == ["first cut", "second cancelled"], "{:?}", ends(&row));
    let said: Vec<_> = row.attempts.iter().map(|attempt| attempt.usage.output_tokens).collect();
    want!(said[0] >= 7 && said[1] == 0, "charged twice: {said:?}");
    pass("the prompt is charged to whoever had read it, and marked as an estimate")
}

async fn cooling_does_not_go_on() -> Graded {
    // Both of the tier are in trouble: the fallback asks to be left alone for a minute.
    let stage = Stage::open(Set { large_continues: true, ..Set::default() }).await;
    stage.primary_fails(Plan::once(Fault::Status { status: 500 }));
    stage.fallback.plan(MODEL, Plan::once(Fault::RateLimit { retry_after: Some("60".into()) }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.status == 200 && stage.calls()[1] == 1, "{answer:?} {:?}", stage.calls());
    stage.primary_fails(Plan::always(Fault::Cut { after: 7 }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.error.is_none() && answer.done, "{answer:?}");
    want!(answer.models == [MODEL, crate::stage::LARGE], "{answer:?}");
    let row = stage.row(&answer);
    want!(ends(&row) == ["first cut", "third ok"], "{:?}", ends(&row));
    // One that broke is not asked before its sibling is.
    let stage = Stage::open(Set { primary_continues: true, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::Cut { after: 7 }));
    let answer = stage.ask(true, "who?").await;
    want!(answer.is_whole("who?") && stage.calls() == [1, 1, 0], "{answer:?} {:?}", stage.calls());
    pass("passed over without being counted; the next one went on")
}

async fn one_of_two_cut() -> Graded {
    // Thirty tokens each, the second one more: cut where only that one is missing, and the first has its finish.
    let stage = Stage::open(Set::default()).await;
    stage.primary_fails(Plan::always(Fault::Cut { after: 61 }));
    let mut body = stage.streaming("who?");
    body["n"] = json!(2);
    let answer = stage.send(&body).await;
    want!(answer.finish == "stop", "the first answer was whole: {answer:?}");
    want!(answer.error.is_some() && !answer.done, "{answer:?}");
    let row = stage.row(&answer);
    want!(row.status == CallStatus::Failed && ends(&row) == ["first cut"], "{row:?}");
    let stage = Stage::open(Set::default()).await;
    let answer = stage.send(&body).await;
    want!(answer.done && answer.error.is_none(), "{answer:?}");
    want!(stage.row(&answer).status == CallStatus::Answered, "{answer:?}");
    pass("one of two answers is a clear error; two are a success")
}

async fn stopped() -> Graded {
    // No answer yet, whole or streamed: told in the API's shape, and recorded as what it is.
    for stream in [false, true] {
        let stage = Stage::open(Set { first_byte_ms: 20_000, ..Set::default() }).await;
        stage.primary_fails(Plan::always(Fault::Silent));
        let body = json!({"model": "standard", "stream": stream, "messages": [{"role": "user", "content": "who?"}]});
        let waiting = tokio::spawn(stage.asking("/v1/chat/completions", &body));
        stage.primary.until(|seen| !seen.is_empty()).await;
        let stopped = stage.stop();
        let Ok(mut reply) = waiting.await else { return Err(format!("stream {stream}: the connection was closed")) };
        let (status, text) = (reply.status(), reply.read_all().await);
        want!(status == 503 && text.contains("shutting_down"), "stream {stream}: {status} {text}");
        let row = stopped.rows(&[reply.leave()]).remove(0);
        want!(row.status == CallStatus::Failed && row.http_status == 503, "{row:?}");
        want!(ends(&row) == ["first cancelled"] && row.paid > Some(Usd::ZERO) && row.usage_estimated, "{row:?}");
    }
    // While somebody is sought to go on.
    let stage = Stage::open(Set { first_byte_ms: 20_000, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::Cut { after: 7 }));
    stage.fallback.plan(MODEL, Plan::always(Fault::Silent));
    let mut open = stage.begin(&stage.streaming("who?")).await;
    let reading = tokio::spawn(async move { (open.read_all().await, open) });
    stage.fallback.until(|seen| !seen.is_empty()).await;
    let stopped = stage.stop();
    let Ok((text, open)) = reading.await else { return Err("the connection was closed".to_owned()) };
    want!(text.contains("shutting down") && !text.contains("[DONE]"), "{text}");
    let row = stopped.rows(&[open.leave()]).remove(0);
    want!(row.status == CallStatus::Failed && ends(&row) == ["first cut", "second cancelled"], "{row:?}");
    pass("after the grace time everything under way ends with a clear error and its row")
}

async fn passing_down() -> Graded {
    let chat = json!({"model": "first/foreign", "messages": [{"role": "user", "content": "who?"}]});
    let vectors = json!({"model": "first/foreign", "input": "who?"});
    for (path, body) in [("/v1/chat/completions", chat), ("/v1/embeddings", vectors)] {
        let stage = Stage::open(Set { dispatch: "breaker_open_ms = 60000", ..Set::default() }).await;
        stage.primary.plan("foreign", Plan::always(Fault::Status { status: 503 }));
        for number in 0..6 {
            let status = stage.begin_at(path, &body).await.status();
            want!(status == 503, "{path} {number}: {status}");
        }
        want!(stage.calls() == [5, 0, 0], "{path}: {:?}", stage.calls());
        // Another model of the same provider is not its fault.
        let mut other = body.clone();
        other["model"] = json!("first/other");
        let status = stage.begin_at(path, &other).await.status();
        want!(status == 200, "{path}: {status}");
    }
    pass("left alone after five failures, each model by itself")
}

async fn unsayable() -> Graded {
    let dispatch = "breaker_failures = 1\nbreaker_open_ms = 2000\nmax_retries = 0";
    let stage = Stage::open(Set { dispatch, provider: "anthropic_messages", alone: true, ..Set::default() }).await;
    stage.primary_fails(Plan::once(Fault::Status { status: 500 }));
    want!(stage.ask(false, "who?").await.status == 502, "it did not fail");
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    // Two answers at once cannot be asked for in that API: nobody is called, and it says nothing about the target.
    let mut body = stage.streaming("who?");
    body["n"] = json!(2);
    let answer = stage.send(&body).await;
    want!(answer.status == 400 && answer.code() == "unsupported_parameter", "{answer:?}");
    want!(stage.calls() == [1, 0, 0], "{:?}", stage.calls());
    let answer = stage.ask(false, "who?").await;
    want!(answer.is_whole("who?") && answer.ms < 1_500, "the probe was used up: {answer:?}");
    pass("refused with the field's name; the next request is the probe")
}

async fn chatter_and_key() -> Graded {
    falls_back_as(&Fault::Huge { bytes: 2 * 1024 * 1024 }, true, "garbled", 1, 2_500).await?;
    // What a provider says about our key is for us.
    let stage = Stage::open(Set { alone: true, ..Set::default() }).await;
    stage.primary_fails(Plan::always(Fault::Unauthorized));
    let answer = stage.ask(false, "who?").await;
    let error = answer.error.as_ref().map(ToString::to_string).unwrap_or_default();
    want!(answer.status == 502 && answer.code() == "unauthorized", "{answer:?}");
    want!(error.contains("operator") && !error.contains("Incorrect API key"), "{error}");
    // A model that the client named itself is its own business.
    let stage = Stage::open(Set { alone: true, ..Set::default() }).await;
    stage.primary.plan("foreign", Plan::always(Fault::ModelNotFound));
    let body = json!({"model": "first/foreign", "messages": [{"role": "user", "content": "who?"}]});
    let answer = stage.send(&body).await;
    want!(answer.status == 404 && answer.code() == "model_not_found", "{answer:?}");
    pass("a mebibyte of comments is not an answer; the client hears nothing about our key")
}
