//! Goes on with an answer that broke in the middle: hands what the client already has to a target that accepts a partial
//! answer, and joins the rest to it without a seam.
//!
//! Only where that is honest: one choice of plain text for a Chat or Messages client, no tool call begun. The same model
//! first; when another model goes on for a Chat client, its name stands in the `model` field of everything that it says.
//! A Messages stream names its model once, at its start, so there nobody but the same model goes on.

use crate::attempt::{Served, StartedStream};
use crate::call::Call;
use crate::full_accounts::AccountSlot;
use crate::joint::Sent;
use crate::log::Log;
use crate::meter::Broken;
use crate::prepare::Asked;
use crate::router::Router;
use crate::setup::Timeouts;
use crate::walk::NotCalled;
use bytes::Bytes;
use std::sync::Arc;
use tierway_decide::balance::InFlight;
use tierway_decide::dispatch::{Dispatch, FailureKind, Step};
use tierway_decide::{Target, TargetId};
use tierway_wire::splice::{Edit, Fields};
use tierway_wire::{Format, Outline, OutputForm, Role};

/// What is needed to go on with an answer elsewhere.
pub(crate) struct Continuation {
    router: Router,
    dispatch: Dispatch,
    call: Call,
    foreign: Option<Arc<Target>>,
    sets_effort: bool,
    /// What the client has.
    pub(crate) sent: Sent,
}

/// Somebody goes on, or nobody does; with everything that was lent out for finding that.
pub(crate) struct Resumed {
    pub(crate) continuation: Box<Continuation>,
    pub(crate) log: Log,
    pub(crate) outcome: Result<Taken, Nobody>,
}

/// Why nobody goes on.
pub(crate) enum Nobody {
    /// There is nobody who could. What broke the answer.
    Able(Broken),
    /// The router stops before somebody was found.
    InTime,
}

/// A target that goes on.
pub(crate) struct Taken {
    pub(crate) begun: StartedStream,
    pub(crate) in_flight: InFlight,
    pub(crate) timeouts: Timeouts,
}

impl Continuation {
    /// For a stream that could be gone on with if it broke; none for all others.
    pub(crate) fn new(
        router: &Router,
        dispatch: Dispatch,
        asked: &Asked<'_>,
        foreign: Option<&Arc<Target>>,
    ) -> Option<Box<Self>> {
        let able = dispatch.may_continue() && can_go_on(asked.outline);
        able.then(|| {
            Box::new(Self {
                router: router.clone(),
                dispatch,
                call: asked.call.clone(),
                foreign: foreign.cloned(),
                sets_effort: asked.sets_effort(),
                sent: Sent::new(asked.call.format),
            })
        })
    }

    /// Finds somebody to go on after this failure. `log`'s last attempt is closed.
    pub(crate) async fn go_on(mut self: Box<Self>, mut log: Log, first: Broken) -> Resumed {
        let router = self.router.clone();
        let found = tokio::select! {
            biased;
            found = self.find(first.kind, &mut log) => found.ok_or(Nobody::Able(first)),
            () = router.ground.cut_off.said() => Err(Nobody::InTime),
        };
        Resumed { continuation: self, log, outcome: found }
    }

    /// Performs what [`Dispatch`] says. None: the client is told of the break, not of who would not mend it.
    async fn find(&mut self, kind: FailureKind, log: &mut Log) -> Option<Taken> {
        let mut step = self.dispatch.on_failure(log.monotonic_ms(), kind, true);
        loop {
            let Step::Continue { target, same_model, again } = step else { return None };
            if !same_model && self.call.format != Format::OpenaiChat {
                return None;
            }
            let id = self.dispatch.plan()[target].id;
            let taken = self.call(id, again, log).await;
            let now = log.monotonic_ms();
            step = match taken {
                Ok(taken) => return Some(taken),
                Err(NotTaken::Held(ready_at_ms)) => self.dispatch.on_refused(now, ready_at_ms),
                Err(NotTaken::Broken(kind)) => self.dispatch.on_failure(now, kind, true),
            };
        }
    }

    async fn call(&self, id: TargetId, again: bool, log: &mut Log) -> Result<Taken, NotTaken> {
        let unreadable = NotTaken::Broken(FailureKind::BadRequest { status: 400 });
        let Some(body) = with_partial(&self.call.body, self.sent.partial(), self.sent.tokens()) else {
            return Err(unreadable);
        };
        let call = Call { body, ..self.call.clone() };
        let Ok((outline, fields)) = tierway_wire::outline(call.format, &call.body) else { return Err(unreadable) };
        let asked = Asked::new(&call, &outline, &fields, tierway_wire::tokens::estimate_outline(&outline))
            .with_own_effort(self.sets_effort);
        if !self.router.affords(id, self.foreign.as_ref(), &asked, log).await {
            return Err(NotTaken::Held(None));
        }
        let (who, deadline_ms) = ((id, self.foreign.as_ref(), again), self.dispatch.deadline_ms());
        let (to, opened) = self.router.admitted(who, AccountSlot::of(asked.tokens()), &asked, deadline_ms, log)?;
        match self.router.call(&asked, &to, opened, log).await {
            Ok(Served::Stream(begun)) => {
                let timeouts = to.timeouts(log.monotonic_ms(), deadline_ms);
                Ok(Taken { begun: *begun, timeouts, in_flight: to.in_flight })
            }
            // A stream was asked for.
            Ok(Served::Whole(_)) => Err(NotTaken::Broken(FailureKind::Garbled)),
            Err(broken) => Err(NotTaken::Broken(broken.kind)),
        }
    }
}

/// Why a target does not go on.
enum NotTaken {
    /// It was not called: held until then, or (none) there is no money or retry budget for it.
    Held(Option<u64>),
    Broken(FailureKind),
}

impl From<NotCalled> for NotTaken {
    fn from(why: NotCalled) -> Self {
        match why {
            NotCalled::Held(refused) => Self::Held(refused.ready_at_ms),
            NotCalled::Unrepresentable(broken) => Self::Broken(broken.kind),
        }
    }
}

/// The fields that bound an answer, in the APIs that can be gone on in.
const BOUNDS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// The request with what was answered so far as the assistant's last turn, and its bound of output less those tokens.
fn with_partial(body: &Bytes, partial: &str, tokens: u64) -> Option<Bytes> {
    let fields = Fields::parse(body).ok()?;
    let turns = fields.get("messages")?.trim_end().strip_suffix(']')?;
    let turn = serde_json::json!({"role": "assistant", "content": partial});
    let mut edits = vec![Edit::Set("messages", format!("{turns},{turn}]").into())];
    for name in BOUNDS {
        let bound = fields.get(name).and_then(|bound| bound.trim().parse::<u64>().ok());
        edits.extend(bound.map(|bound| Edit::Set(name, bound.saturating_sub(tokens).max(1).to_string().into())));
    }
    Some(fields.apply(&edits).into())
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
        let got = with_partial(&body, "a \"b\"", 2).unwrap();
        let want = r#"{"seed":9007199254740993,"messages":[{"role":"user","content":"q"} ,{"role":"assistant","content":"a \"b\""}], "x":1.0}"#;
        assert_eq!(got, want);
    }

    #[test]
    fn the_rest_may_be_as_long_as_the_bound_leaves_it() {
        for (bound, want) in
            [("\"max_tokens\":50", "43"), ("\"max_completion_tokens\":8", "1"), ("\"max_tokens\":7", "1")]
        {
            let body = Bytes::from(format!("{{\"messages\":[{{\"role\":\"user\",\"content\":\"q\"}}],{bound}}}"));
            let got = with_partial(&body, "a", 7).unwrap();
            let value: serde_json::Value = serde_json::from_slice(&got).unwrap();
            let left = value.get("max_tokens").or_else(|| value.get("max_completion_tokens")).unwrap().to_string();
            assert_eq!(left, want, "{bound}");
        }
    }
}
