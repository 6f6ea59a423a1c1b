//! Answers that verifiably do not do ([`Form::is_broken`]): where `escalate_on_broken` asks for it, the request is tried again one
//! tier up, and who comes last serves whatever it said.

use crate::call::Purpose;
use crate::prepare::Asked;
use crate::router::Router;
use tierway_decide::AttemptEnd;
use tierway_wire::{Context, Form};

impl Router {
    /// `answer`: as the client would get it, whole or all events of the stream that it asked for.
    pub(crate) fn is_unfit(&self, asked: &Asked<'_>, answer: &[u8]) -> bool {
        let is_clients = asked.call.purpose == Purpose::Client;
        if !is_clients || !asked.has_output() || !self.ground.setup.table.escalate_on_broken() {
            return false;
        }
        let (format, context) = (asked.call.format, Context::default());
        let answer = if asked.outline.stream {
            tierway_wire::decode_stream(format, answer, &context)
        } else {
            tierway_wire::decode_answer(format, answer, &context).ok()
        };
        // A request that cannot be read asks for nothing, and an answer that cannot be was refused before it came here.
        let form = asked.neutral().map(Form::of).unwrap_or_default();
        answer.is_some_and(|answer| form.is_broken(&answer))
    }
}

/// How the record names the end of such an attempt.
pub(crate) fn unfit() -> AttemptEnd {
    AttemptEnd::Http { status: 200, code: "unfit".into() }
}
