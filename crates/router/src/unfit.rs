//! Answers that verifiably do not do ([`Form::is_broken`]): where `escalate_on_broken` asks for it, the request is tried again one
//! tier up, and who comes last serves whatever it said.

use crate::call::Purpose;
use crate::prepare::Asked;
use crate::router::Router;
use tierway_decide::AttemptEnd;
use tierway_wire::neutral::{Answer, Collector};
use tierway_wire::{Context, Form, Format, StreamDecoder};

/// An answer as the client would get it.
#[derive(Clone, Copy)]
pub(crate) enum Said<'a> {
    Whole(&'a [u8]),
    /// All events of a stream.
    Stream(&'a [u8]),
}

impl Router {
    pub(crate) fn is_unfit(&self, asked: &Asked<'_>, said: Said<'_>) -> bool {
        let is_clients = asked.call.purpose == Purpose::Client;
        if !is_clients || !asked.has_output() || !self.ground.setup.table.escalate_on_broken() {
            return false;
        }
        // A request that cannot be read asks for nothing, and an answer that cannot be was refused before it came here.
        let form = asked.decoded().map(|request| Form::of(&request)).unwrap_or_default();
        read(asked.call.format, said).is_some_and(|answer| form.is_broken(&answer))
    }
}

fn read(format: Format, said: Said<'_>) -> Option<Answer> {
    let context = Context::default();
    match said {
        Said::Whole(body) => tierway_wire::decode_answer(format, body, &context).ok(),
        Said::Stream(bytes) => {
            let (mut decoder, mut events) = (StreamDecoder::new(format, &context), Vec::new());
            decoder.push(bytes, &mut events).ok()?;
            decoder.end(&mut events);
            let mut collector = Collector::new(format);
            events.iter().for_each(|event| collector.push(event));
            collector.finish().ok()
        }
    }
}

/// How the record names the end of such an attempt.
pub(crate) fn unfit() -> AttemptEnd {
    AttemptEnd::Http { status: 200, code: "unfit".into() }
}
