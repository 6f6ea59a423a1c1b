//! Goes on with an answer that broke in the middle: hands what the client already has to a target that accepts a partial
//! answer, and joins the rest to it without a seam.
//!
//! Only where that is honest: one choice of plain text for a Chat or Messages client, no tool call begun. The same model
//! first; when another model goes on for a Chat client, its name stands in the `model` field of everything that it says.
//! A Messages stream names its model once, at its start, so there nobody but the same model goes on.

use crate::attempt::{Begun, Served};
use crate::call::Call;
use crate::crowded::Seat;
use crate::joint::Sent;
use crate::log::Log;
use crate::meter::Broken;
use crate::prepare::Asked;
use crate::router::Router;
use crate::setup::Timeouts;
use bytes::Bytes;
use std::sync::Arc;
use tierway_decide::balance::InFlight;
use tierway_decide::dispatch::{Dispatch, FailureKind, Step};
use tierway_decide::{Target, TargetId};
use tierway_wire::splice::{Edit, Fields};
use tierway_wire::{Format, Outline, OutputForm, Role};

/// What is needed to go on with an answer elsewhere.
pub(crate) struct Onward {
    router: Router,
    dispatch: Dispatch,
    call: Call,
    foreign: Option<Arc<Target>>,
    /// What a continuation takes of an account, input and output.
    tokens: u64,
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
            tokens: asked.tokens(),
            sent: Sent::new(asked.call.format),
        })
    }

    /// Finds somebody to go on after this failure. `log`'s last attempt is closed.
    pub(crate) async fn go_on(mut self: Box<Self>, mut log: Log, first: Broken) -> Resumed {
        let mut kind = first.kind;
        let outcome = loop {
            let now = log.monotonic_ms();
            let target = match self.dispatch.on_failure(now, kind, true) {
                Step::Continue { target, same_model } if same_model || self.call.format == Format::OpenaiChat => target,
                // The client is told of the break, not of who would not mend it.
                _ => break Err(first),
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
        let seat = Seat::of(self.tokens);
        let to = self.router.admitted(id, self.foreign.as_ref(), false, seat).map_err(|refused| {
            let retry_after_ms = refused.ready_at_ms.unwrap_or_default().saturating_sub(log.monotonic_ms());
            Broken::from(FailureKind::CoolingDown { retry_after_ms })
        })?;
        let unreadable = |_| Broken::from(FailureKind::BadRequest { status: 400 });
        let body = with_partial(&self.call.body, self.sent.partial()).ok_or(FailureKind::BadRequest { status: 400 })?;
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
    matches!(outline.format, Format::OpenaiChat | Format::AnthropicMessages)
        && outline.answers == 1
        && outline.output == OutputForm::Text
        && !outline.tool_forced
        && outline.turns.last().is_some_and(|turn| turn.role != Role::Assistant)
}

#[cfg(test)]
mod tests {
    use super::*;

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
