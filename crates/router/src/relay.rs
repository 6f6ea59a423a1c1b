//! A stream on its way to the client.
//!
//! Polled by the server itself: no task, no channel, so a slow client holds back the provider, and a client that goes
//! away drops the upstream call with the relay. All chunks that are ready leave in one write.

use crate::attempt::Begun;
use crate::log::Log;
use crate::meter::{Broken, Meter, Out};
use crate::pulse::{Beat, Pulse};
use crate::refusal::Refusal;
use crate::seam::WireBody;
use crate::setup::Timeouts;
use bytes::Bytes;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tierway_decide::balance::InFlight;
use tierway_decide::dispatch::{ErrorReply, FailureKind};
use tierway_decide::{AttemptEnd, CallStatus};
use tierway_wire::{ApiError, Usage};

/// Bytes gathered at most before they are handed to the server.
const MAX_GATHERED: usize = 64 * 1024;

/// The stream of one answer, from its first content on.
pub struct Relay {
    upstream: WireBody,
    meter: Meter,
    out: Out,
    log: Log,
    pulse: Pulse,
    ended: bool,
    input_tokens_estimated: u32,
    _in_flight: InFlight,
}

/// How a stream ended.
enum End {
    Whole,
    Broken(Broken),
    /// Our own shutdown.
    CutOff,
}

impl Relay {
    /// A stream that has said its first content.
    pub(crate) fn new(begun: Begun, log: Log, in_flight: InFlight, timeouts: Timeouts, input_tokens: u32) -> Self {
        Self {
            upstream: begun.body,
            meter: begun.meter,
            out: begun.out,
            log,
            pulse: Pulse::new(timeouts.between_chunks, timeouts.total),
            ended: false,
            input_tokens_estimated: input_tokens,
            _in_flight: in_flight,
        }
    }

    /// The next bytes for the client; none when all was said.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while !self.ended && self.out.len() < MAX_GATHERED {
            match self.upstream.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.pulse.hear();
                    if let Ok(bytes) = frame.into_data() {
                        self.feed(&bytes);
                    }
                }
                Poll::Ready(Some(Err(_))) => self.end(End::Broken(FailureKind::Cut.into())),
                Poll::Ready(None) => {
                    let log = &self.log;
                    let end = self.meter.end(&mut self.out, &mut |usage| log.money_if(usage));
                    self.end(end.map_or_else(End::Broken, |()| End::Whole));
                }
                Poll::Pending => {
                    self.beat(cx);
                    break;
                }
            }
        }
        match self.out.take() {
            Some(bytes) => Poll::Ready(Some(bytes)),
            None if self.ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn feed(&mut self, bytes: &Bytes) {
        let log = &self.log;
        let fed = self.meter.feed(bytes, &mut self.out, &mut |usage| log.money_if(usage));
        match fed {
            Err(broken) => self.end(End::Broken(broken)),
            // The end mark is the end, whatever the connection does afterwards.
            Ok(()) if self.meter.said.done => self.end(End::Whole),
            Ok(()) => {}
        }
    }

    fn beat(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(beat) = self.pulse.poll_beat(cx) {
            if self.log.cut_off().load(Ordering::Relaxed) {
                return self.end(End::CutOff);
            }
            match beat {
                Beat::Alive => {}
                Beat::Silent => return self.end(End::Broken(FailureKind::Stalled.into())),
                Beat::Over => return self.end(End::Broken(FailureKind::Deadline.into())),
            }
        }
    }

    /// Says the last words where they are needed, and closes the record.
    fn end(&mut self, end: End) {
        self.ended = true;
        let mut log = self.log.hand_over();
        let (usage, estimated) = self.usage();
        let (attempt_end, status) = match &end {
            End::Whole => (AttemptEnd::Ok, CallStatus::Answered),
            End::Broken(broken) => (attempt_end(broken.kind, broken.reply.as_deref()), CallStatus::Failed),
            End::CutOff => (AttemptEnd::Cancelled, CallStatus::Failed),
        };
        let error = match end {
            End::Whole => None,
            End::Broken(broken) => Some(*Refusal::upstream(broken.kind, broken.reply.as_deref()).error),
            End::CutOff => Some(ApiError::new(503, "The router is shutting down; this answer is not whole.")),
        };
        if let Some(error) = error {
            self.meter.last_words(&error, &mut self.out);
        }
        log.attempt_ends(attempt_end, usage);
        log.settle(&usage, estimated);
        log.note(|record| record.finish.clone_from(&self.meter.said.finish));
        log.finish(status, 200);
    }

    /// As reported, or estimated from what went by: a chunk with content is about a token.
    fn usage(&self) -> (Usage, bool) {
        self.meter.said.usage.map_or_else(
            || {
                let input_tokens = u64::from(self.input_tokens_estimated);
                let output_tokens = self.meter.said.content_chunks;
                (Usage { input_tokens, output_tokens, ..Usage::default() }, true)
            },
            |usage| (usage, false),
        )
    }
}

impl Drop for Relay {
    /// The client went away in the middle: what came so far is paid for.
    fn drop(&mut self) {
        if !self.ended {
            let (usage, _) = self.usage();
            self.log.note(|record| record.usage = usage);
        }
    }
}

/// How the record names the end of an attempt.
pub(crate) fn attempt_end(kind: FailureKind, reply: Option<&ErrorReply>) -> AttemptEnd {
    let code = || reply.map(|reply| reply.word().to_owned()).filter(|word| !word.is_empty());
    match kind {
        FailureKind::Connect | FailureKind::Tls => AttemptEnd::Connect,
        FailureKind::FirstByteTimeout => AttemptEnd::FirstByteTimeout,
        FailureKind::Stalled => AttemptEnd::Stalled,
        FailureKind::Cut | FailureKind::MissingEnd => AttemptEnd::Cut,
        FailureKind::Garbled => AttemptEnd::Garbled,
        FailureKind::Deadline => AttemptEnd::Deadline,
        FailureKind::ClientGone => AttemptEnd::Cancelled,
        _ => match reply {
            Some(reply) if reply.status != 200 => {
                AttemptEnd::Http { status: reply.status, code: code().unwrap_or_else(|| kind.name().to_owned()) }
            }
            _ => AttemptEnd::InBand { code: code().unwrap_or_else(|| kind.name().to_owned()) },
        },
    }
}
