//! The fourth seam: somebody who finds out afterwards how good an answer was.
//!
//! A [`Witness`] says of each decided request whether it wants to see it answered. Only then is anything kept: the request,
//! as it came, and the answer as the client got it, whole or as the bytes of a stream. Everything that is learned from
//! them happens elsewhere and later; a request that nobody wants to see costs one question.

use crate::call::Call;
use bytes::Bytes;
use tierway_decide::quality::{Drawn, Kind};
use tierway_decide::{CallRecord, Name};
use tierway_wire::Format;

/// Longer answers are not looked at; a judge could not read them to the end.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Looks at answered requests. Must not block: it is asked on the way of every request.
pub trait Witness: Send + Sync {
    /// Whether this request is to be seen once it is answered. It is decided, and not yet sent.
    fn wants(&self, decided: &CallRecord) -> Option<Wanted>;

    /// Takes what was seen. A witness that has no room for it drops it.
    fn hear(&self, seen: Box<Seen>);
}

/// A request that is wanted, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What it can tell.
    pub kind: Kind,
    /// The cheap tier of the comparison, by name.
    pub cheap_tier: Name,
    /// Its chance and weight.
    pub drawn: Drawn,
}

/// An answered request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Why it was wanted.
    pub wanted: Wanted,
    /// Its record, as it goes to the sink.
    pub record: CallRecord,
    /// The API that the client spoke.
    pub format: Format,
    /// The request as it came.
    pub request: Bytes,
    /// The answer in the client's API: a whole body, or the events of a stream.
    pub answer: Vec<u8>,
}

/// An answer being kept.
pub(crate) struct Listening {
    wanted: Wanted,
    format: Format,
    request: Bytes,
    answer: Vec<u8>,
    too_long: bool,
}

impl Listening {
    pub(crate) fn new(wanted: Wanted, call: &Call) -> Self {
        Self { wanted, format: call.format, request: call.body.clone(), answer: Vec::new(), too_long: false }
    }

    /// More of the answer, on its way to the client.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        self.too_long |= self.answer.len() + bytes.len() > MAX_ANSWER_BYTES;
        if self.too_long {
            self.answer = Vec::new();
        } else {
            self.answer.extend_from_slice(bytes);
        }
    }

    /// What was seen; nothing of an answer that was too long.
    pub(crate) fn seen(self, record: &CallRecord) -> Option<Box<Seen>> {
        let Self { wanted, format, request, answer, too_long } = self;
        (!too_long).then(|| Box::new(Seen { wanted, record: record.clone(), format, request, answer }))
    }
}
