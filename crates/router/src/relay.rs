//! A stream on its way to the client.
//!
//! Polled by the server itself: no task, no channel, so a slow client holds back the provider, and a client that goes
//! away drops the upstream call with the relay. All chunks that are ready leave in one write.

use crate::attempt::StartedStream;
use crate::continuation::{Continuation, Nobody, Resumed};
use crate::joint::Splicer;
use crate::log::Log;
use crate::meter::{Broken, Meter, Out};
use crate::pulse::{Beat, Pulse};
use crate::refusal::Refusal;
use crate::seam::{BoxFuture, Held, Provider, WireBody};
use crate::setup::Timeouts;
use bytes::Bytes;
use std::sync::Arc;
use std::task::{Context, Poll};
use tierway_decide::balance::InFlight;
use tierway_decide::dispatch::{ErrorReply, FailureKind};
use tierway_decide::{AttemptEnd, CallStatus};
use tierway_wire::tokens::Tally;
use tierway_wire::{ApiError, Usage};

/// Bytes gathered at most before they are handed to the server.
const MAX_GATHERED: usize = 64 * 1024;

/// The stream of one answer, from its first content on.
pub struct Relay {
    source: Source,
    provider: Arc<dyn Provider>,
    meter: Meter,
    /// As the meter wrote it.
    out: Out,
    /// As the client gets it.
    given: Out,
    log: Log,
    pulse: Pulse,
    ended: bool,
    input_tokens_estimated: u32,
    /// Tokens of what the client has from the targets before, which who goes on reads, too.
    carried_tokens: u64,
    /// The call under way; none while another target is asked to go on.
    in_flight: Option<InFlight>,
    continuation: Option<Box<Continuation>>,
    /// Set once another target goes on.
    seam: Option<Splicer>,
    /// Set at the end, when the record has to be on disk before the client hears of it.
    held: Option<Held>,
}

/// Where the bytes come from.
enum Source {
    Upstream(WireBody),
    /// Nowhere, while another target is asked to go on.
    Nobody(BoxFuture<'static, Resumed>),
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
    pub(crate) fn new(
        begun: StartedStream,
        log: Log,
        in_flight: InFlight,
        timeouts: Timeouts,
        input_tokens: u32,
        continuation: Option<Box<Continuation>>,
    ) -> Self {
        let mut relay = Self {
            source: Source::Upstream(begun.body),
            provider: begun.provider,
            meter: begun.meter,
            out: begun.out,
            given: Out::default(),
            log,
            pulse: Pulse::new(timeouts.between_chunks, timeouts.total),
            ended: false,
            input_tokens_estimated: input_tokens,
            carried_tokens: 0,
            in_flight: Some(in_flight),
            continuation,
            seam: None,
            held: None,
        };
        if relay.meter.said.done {
            relay.end(End::Whole);
        }
        relay
    }

    /// The next bytes for the client; none when all was said.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while !self.ended && self.out.len() < MAX_GATHERED {
            let upstream = match &mut self.source {
                Source::Upstream(upstream) => upstream,
                Source::Nobody(search) => match search.as_mut().poll(cx) {
                    Poll::Ready(resumed) => {
                        self.resume(resumed);
                        continue;
                    }
                    Poll::Pending => break,
                },
            };
            match upstream.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.pulse.hear();
                    if let Ok(bytes) = frame.into_data() {
                        self.feed(&bytes);
                    }
                }
                // An answer that had its finish is whole, however the connection ends.
                Poll::Ready(Some(Err(_))) if !self.meter.said.is_finished() => {
                    self.broken(FailureKind::Cut.into());
                }
                Poll::Ready(Some(Err(_)) | None) => {
                    let log = &self.log;
                    match self.meter.end(&mut self.out, &mut |usage| log.money_if(usage)) {
                        Ok(()) => self.end(End::Whole),
                        Err(broken) => self.broken(broken),
                    }
                }
                Poll::Pending => {
                    self.beat(cx);
                    // A stall may just have sent for somebody else: ask them at once.
                    if matches!(self.source, Source::Upstream(_)) {
                        break;
                    }
                }
            }
        }
        self.flush();
        if let Some(held) = &mut self.held {
            // The last bytes wait for the record. That it is not on disk is said by whoever holds it.
            if held.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.held = None;
        }
        match self.given.take() {
            Some(bytes) => Poll::Ready(Some(bytes)),
            None if self.ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// What was written is given to the client, in the sight of whoever may have to go on from there.
    fn flush(&mut self) {
        let Some(written) = self.out.take() else { return };
        let mut joined = Out::default();
        match &mut self.seam {
            Some(seam) => seam.join(&written, &mut joined),
            None => joined.chunk(written),
        }
        if let Some(bytes) = joined.take() {
            if let Some(continuation) = &mut self.continuation {
                continuation.sent.hear(&bytes);
            }
            self.log.hear(&bytes);
            self.given.chunk(bytes);
        }
    }

    fn feed(&mut self, bytes: &Bytes) {
        let log = &self.log;
        let fed = self.meter.feed(bytes, &mut self.out, &mut |usage| log.money_if(usage));
        match fed {
            Err(broken) => self.broken(broken),
            // The end mark is the end, whatever the connection does afterwards.
            Ok(()) if self.meter.said.done => self.end(End::Whole),
            Ok(()) => {}
        }
    }

    /// The stream broke: somebody goes on, or it ends with an error.
    fn broken(&mut self, broken: Broken) {
        let broken = broken.masked(&*self.provider);
        if let Some(in_flight) = self.in_flight.take() {
            in_flight.target().on_failure(self.log.monotonic_ms(), broken.kind);
        }
        self.flush();
        let Some(continuation) = self.continuation.take().filter(|continuation| continuation.sent.can_be_continued())
        else {
            return self.end(End::Broken(broken));
        };
        let (usage, _) = self.usage();
        let mut log = self.log.hand_over();
        log.attempt_ends(attempt_end(broken.kind, broken.reply.as_deref()), usage);
        // Should the client leave now: what it has is the answer.
        let tokens = continuation.sent.tokens();
        log.carry(tokens);
        log.note(|record| record.usage.input_tokens = u64::from(self.input_tokens_estimated) + tokens);
        self.source = Source::Nobody(Box::pin(continuation.go_on(log, broken)));
    }

    /// Somebody goes on, or nobody does.
    fn resume(&mut self, resumed: Resumed) {
        let Resumed { continuation, log, outcome } = resumed;
        self.log = log;
        self.seam = Some(continuation.sent.seam());
        self.carried_tokens = continuation.sent.tokens();
        match outcome {
            Ok(taken) => {
                self.source = Source::Upstream(taken.begun.body);
                self.provider = taken.begun.provider;
                self.meter = taken.begun.meter;
                self.out = taken.begun.out;
                self.pulse = Pulse::new(taken.timeouts.between_chunks, taken.timeouts.total);
                self.in_flight = Some(taken.in_flight);
                self.continuation = Some(continuation);
                if self.meter.said.done {
                    self.end(End::Whole);
                }
            }
            Err(nobody) => {
                // Nothing more came: all that is known is what the client has.
                self.meter.said.tally = Tally::default();
                self.meter.said.usage = None;
                self.end(match nobody {
                    Nobody::Able(broken) => End::Broken(broken),
                    Nobody::InTime => End::CutOff,
                });
            }
        }
    }

    fn beat(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(beat) = self.pulse.poll_beat(cx) {
            if self.log.cut_off().is_said() {
                return self.end(End::CutOff);
            }
            match beat {
                Beat::Alive => {}
                Beat::Silent => return self.broken(FailureKind::Stalled.into()),
                Beat::Over => return self.end(End::Broken(FailureKind::Deadline.into())),
            }
        }
    }

    /// Says the last words where they are needed, and closes the record.
    fn end(&mut self, end: End) {
        self.ended = true;
        self.flush();
        let mut log = self.log.hand_over();
        let (usage, estimated) = self.usage();
        let (attempt_end, status) = match &end {
            End::Whole => (AttemptEnd::Ok, CallStatus::Answered),
            End::Broken(broken) => (attempt_end(broken.kind, broken.reply.as_deref()), CallStatus::Failed),
            End::CutOff => (AttemptEnd::Cancelled, CallStatus::Failed),
        };
        let error = match end {
            End::Whole => None,
            End::Broken(broken) => Some(*Refusal::upstream(broken.kind, broken.reply.as_deref(), false).error),
            End::CutOff => Some(ApiError::new(503, "The router is shutting down; this answer is not whole.")),
        };
        if let Some(mut error) = error {
            error.request_id = Some(log.id().to_string());
            self.meter.last_words(&error, &mut self.given);
        }
        log.attempt_ends(attempt_end, usage);
        log.settle(&log.with_carried(&usage), estimated || self.seam.is_some());
        log.note(|record| record.finish = self.meter.said.finish.as_str().into());
        self.held = log.finish(status, 200);
    }

    fn usage(&self) -> (Usage, bool) {
        let carried = u32::try_from(self.carried_tokens).unwrap_or(u32::MAX);
        self.meter.said.usage(self.input_tokens_estimated.saturating_add(carried))
    }
}

impl Drop for Relay {
    /// The client went away in the middle: what came so far is paid for.
    fn drop(&mut self) {
        if !self.ended {
            let (usage, _) = self.usage();
            self.log.spends(usage);
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
        _ => match reply {
            Some(reply) if reply.status != 200 => {
                AttemptEnd::Http { status: reply.status, code: code().unwrap_or_else(|| kind.name().to_owned()) }
            }
            _ => AttemptEnd::InBand { code: code().unwrap_or_else(|| kind.name().to_owned()) },
        },
    }
}
