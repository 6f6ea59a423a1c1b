//! Goes on with an answer that broke in the middle: hands what the client already has to a target that accepts a partial
//! answer, and joins the rest to it without a seam.
//!
//! Only where that is honest: one choice of plain text for a Chat client, no tool call begun. The same model first; when
//! another model goes on, its name stands in the `model` field of everything that it says.

use crate::attempt::{Begun, Served};
use crate::call::Call;
use crate::log::Log;
use crate::meter::{Broken, Out};
use crate::prepare::Asked;
use crate::router::Router;
use crate::setup::Timeouts;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use tierway_decide::balance::InFlight;
use tierway_decide::dispatch::{Dispatch, FailureKind, Step};
use tierway_decide::{Target, TargetId};
use tierway_wire::openai_chat::Facts;
use tierway_wire::splice::{Edit, Fields};
use tierway_wire::sse::Events;
use tierway_wire::{Format, Outline, OutputForm, Role};

/// A longer answer is not kept for going on with it.
const MAX_PARTIAL_BYTES: usize = 1024 * 1024;

/// What is needed to go on with an answer elsewhere.
pub(crate) struct Onward {
    router: Router,
    dispatch: Dispatch,
    call: Call,
    foreign: Option<Arc<Target>>,
    /// What the client has.
    pub(crate) sent: Sent,
}

/// Somebody goes on, or nobody does; with everything that was lent out for finding that.
pub(crate) struct Resumed {
    pub(crate) onward: Box<Onward>,
    pub(crate) log: Log,
    pub(crate) outcome: Result<Taken, Broken>,
}

/// A target that goes on.
pub(crate) struct Taken {
    pub(crate) begun: Begun,
    pub(crate) in_flight: InFlight,
    pub(crate) timeouts: Timeouts,
}

impl Onward {
    /// For a stream that could be gone on with if it broke; none for all others.
    pub(crate) fn new(
        router: &Router,
        dispatch: Dispatch,
        asked: &Asked<'_>,
        foreign: Option<&Arc<Target>>,
    ) -> Option<Self> {
        let able = dispatch.may_continue() && can_go_on(asked.outline);
        able.then(|| Self {
            router: router.clone(),
            dispatch,
            call: asked.call.clone(),
            foreign: foreign.cloned(),
            sent: Sent::default(),
        })
    }

    /// Finds somebody to go on after this failure. `log`'s last attempt is closed.
    pub(crate) async fn go_on(mut self: Box<Self>, mut log: Log, first: Broken) -> Resumed {
        let mut kind = first.kind;
        let outcome = loop {
            let now = log.monotonic_ms();
            let Step::Continue { target, .. } = self.dispatch.on_failure(now, kind, true) else {
                // The client is told of the break, not of who would not mend it.
                break Err(first);
            };
            let id = self.dispatch.plan()[target].id;
            match self.call(id, &mut log).await {
                Ok(taken) => break Ok(taken),
                Err(again) => kind = again.kind,
            }
        };
        Resumed { onward: self, log, outcome }
    }

    async fn call(&self, id: TargetId, log: &mut Log) -> Result<Taken, Broken> {
        let to = self.router.admitted(id, self.foreign.as_ref(), false).map_err(|ready_at_ms| {
            let retry_after_ms = ready_at_ms.unwrap_or_default().saturating_sub(log.monotonic_ms());
            Broken::from(FailureKind::CoolingDown { retry_after_ms })
        })?;
        let unreadable = |_| Broken::from(FailureKind::BadRequest { status: 400 });
        let body = with_partial(&self.call.body, &self.sent.text).ok_or(FailureKind::BadRequest { status: 400 })?;
        let call = Call { body, ..self.call.clone() };
        let (outline, fields) = tierway_wire::outline(call.format, &call.body).map_err(unreadable)?;
        let asked = Asked::new(&call, &outline, &fields, tierway_wire::tokens::estimate_outline(&outline));
        match self.router.call(&asked, &to, self.dispatch.deadline_ms(), log).await? {
            Served::Stream(begun) => {
                let timeouts = to.timeouts(log.monotonic_ms(), self.dispatch.deadline_ms());
                Ok(Taken { begun: *begun, timeouts, in_flight: to.in_flight })
            }
            // A stream was asked for.
            Served::Whole(_) => Err(FailureKind::Garbled.into()),
        }
    }
}

/// The request with what was answered so far as the assistant's last turn.
fn with_partial(body: &Bytes, partial: &str) -> Option<Bytes> {
    let fields = Fields::parse(body).ok()?;
    let turns = fields.get("messages")?.trim_end().strip_suffix(']')?;
    let turn = serde_json::json!({"role": "assistant", "content": partial});
    Some(fields.apply(&[Edit::Set("messages", format!("{turns},{turn}]").into())]).into())
}

fn can_go_on(outline: &Outline<'_>) -> bool {
    outline.format == Format::OpenaiChat
        && outline.answers == 1
        && outline.output == OutputForm::Text
        && !outline.tool_forced
        && outline.turns.last().is_some_and(|turn| turn.role != Role::Assistant)
}

/// What the client has so far.
#[derive(Default)]
pub(crate) struct Sent {
    events: Events,
    text: String,
    id: String,
    /// Chunks with text: about its tokens.
    tokens: u64,
    /// More than text went out.
    other: bool,
}

impl Sent {
    /// Bytes on their way to the client.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        let (text, id, tokens, other) = (&mut self.text, &mut self.id, &mut self.tokens, &mut self.other);
        let pushed = self.events.push(bytes, |event| {
            let data = event.data();
            let Some(chunk) = Facts::read(&data) else { return };
            if let Some(known) = chunk.id.filter(|_| id.is_empty()) {
                known.clone_into(id);
            }
            if let Some(said) = chunk.text() {
                text.push_str(&said);
                *tokens += 1;
            }
            *other |= chunk.has_tool_call || chunk.has_refusal || chunk.has_audio;
        });
        self.other |= pushed.is_err() || self.text.len() > MAX_PARTIAL_BYTES;
    }

    pub(crate) fn can_be_continued(&self) -> bool {
        !self.text.is_empty() && !self.other
    }

    /// Joins what another target says to what the client has.
    pub(crate) fn seam(&self) -> Seam {
        Seam { events: Events::default(), id: self.id.clone(), tokens: self.tokens }
    }

    /// Tokens that other targets gave to this answer.
    pub(crate) const fn tokens(&self) -> u64 {
        self.tokens
    }
}

/// Makes the rest of an answer look like the rest: one id, one opening, usage of the whole.
pub(crate) struct Seam {
    events: Events,
    id: String,
    tokens: u64,
}

impl Seam {
    /// Whole events of the continuation, as they go to the client.
    pub(crate) fn join(&mut self, bytes: &[u8], out: &mut Out) {
        let (id, tokens) = (&self.id, self.tokens);
        // Too long an event was refused before it came here.
        let _ = self.events.push(bytes, |event| {
            let data = event.data();
            match serde_json::from_slice::<Value>(&data) {
                Ok(chunk) => {
                    if let Some(chunk) = joined(chunk, id, tokens) {
                        out.data(chunk.to_string().as_bytes());
                    }
                }
                Err(_) => out.event(event.raw()),
            }
        });
    }
}

/// None for an opening without content: the client had one, and accumulators would add the second role to the first.
fn joined(mut chunk: Value, id: &str, tokens: u64) -> Option<Value> {
    chunk["id"] = id.into();
    if let Some(delta) = chunk.pointer_mut("/choices/0/delta").and_then(Value::as_object_mut) {
        let opens = delta.shift_remove("role").is_some();
        let says = delta.values().any(|value| !value.is_null() && value != "");
        if opens && !says && chunk["choices"][0]["finish_reason"].is_null() {
            return None;
        }
    }
    if let Some(usage) = chunk.get_mut("usage").and_then(Value::as_object_mut) {
        let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or_default();
        let (input, output) = (count("prompt_tokens").saturating_sub(tokens), count("completion_tokens") + tokens);
        usage.insert("prompt_tokens".into(), input.into());
        usage.insert("completion_tokens".into(), output.into());
        usage.insert("total_tokens".into(), (input + output).into());
    }
    Some(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chunk(id: &str, delta: &Value, finish: &Value) -> Value {
        json!({"id": id, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    }

    fn said(chunks: &[Value]) -> Vec<u8> {
        chunks.iter().flat_map(|chunk| format!("data: {chunk}\n\n").into_bytes()).chain(*b"data: [DONE]\n\n").collect()
    }

    #[test]
    fn the_rest_has_one_id_one_opening_and_the_usage_of_the_whole() {
        let none = Value::Null;
        let mut sent = Sent::default();
        sent.hear(&said(&[
            chunk("a", &json!({"role": "assistant", "content": ""}), &none),
            chunk("a", &json!({"content": "Hel"}), &none),
        ]));
        assert!(sent.can_be_continued());
        let rest = said(&[
            chunk("b", &json!({"role": "assistant", "content": ""}), &none),
            chunk("b", &json!({"role": "assistant", "content": "lo"}), &none),
            chunk("b", &json!({}), &json!("stop")),
            json!({"id": "b", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}}),
        ]);
        let want = said(&[
            chunk("a", &json!({"content": "lo"}), &none),
            chunk("a", &json!({}), &json!("stop")),
            json!({"id": "a", "choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}}),
        ]);
        let mut out = Out::default();
        sent.seam().join(&rest, &mut out);
        assert_eq!(String::from_utf8(out.take().unwrap().to_vec()), String::from_utf8(want));
    }

    #[test]
    fn only_plain_text_can_be_gone_on_with() {
        let cases = [
            (json!({"content": "x"}), true),
            (json!({"role": "assistant", "content": ""}), false),
            (json!({"reasoning_content": "hm"}), false),
            (json!({"content": "x", "tool_calls": [{"index": 0}]}), false),
            (json!({"refusal": "no"}), false),
        ];
        for (delta, want) in cases {
            let mut sent = Sent::default();
            sent.hear(&said(&[chunk("a", &delta, &Value::Null)]));
            assert_eq!(sent.can_be_continued(), want, "{delta}");
        }
    }

    #[test]
    fn the_partial_answer_is_the_last_turn_and_all_else_stays() {
        let body = Bytes::from_static(
            b"{\"seed\":9007199254740993,\"messages\":[{\"role\":\"user\",\"content\":\"q\"} ], \"x\":1.0}",
        );
        let got = with_partial(&body, "a \"b\"").unwrap();
        let want = r#"{"seed":9007199254740993,"messages":[{"role":"user","content":"q"} ,{"role":"assistant","content":"a \"b\""}], "x":1.0}"#;
        assert_eq!(got, want);
    }
}
