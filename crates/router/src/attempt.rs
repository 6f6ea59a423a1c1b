//! One upstream call: send, wait for the answer or for its first content, say what went wrong.

use crate::log::Log;
use crate::meter::{Broken, Meter, Out, finish_word};
use crate::prepare::Prepared;
use crate::relay::attempt_end;
use crate::seam::{Operation, SendError, WireAnswer, WireBody, WireRequest};
use crate::setup::{Timeouts, Upstream};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use std::future::poll_fn;
use std::time::Duration;
use tierway_decide::AttemptEnd;
use tierway_decide::dispatch::{ErrorReply, FailureKind, retry_after_ms};
use tierway_wire::openai_chat::Facts;
use tierway_wire::splice::Fields;
use tierway_wire::{Context, Format, Usage};

/// Answers that are not streamed are gathered; a provider that sends more is broken.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Error bodies are read this far.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// An answer, whole or begun.
pub(crate) enum Served {
    Whole(Box<Whole>),
    Stream(Box<Begun>),
}

/// An answer that is all there, as the client shall see it but for the cost.
pub(crate) struct Whole {
    pub(crate) body: Bytes,
    pub(crate) usage: Option<Usage>,
    /// The usage object, a part of the body; none when where it lies was not seen in passing.
    pub(crate) usage_json: Option<Bytes>,
    pub(crate) finish: String,
    pub(crate) headers: HeaderMap,
}

/// Makes the call. The log's attempt is open before; after a failure it is closed, after a success the answer closes it.
/// `left`: time until the request's deadline.
pub(crate) async fn attempt(
    upstream: &Upstream,
    prepared: Prepared,
    client: Format,
    left: Duration,
    log: &mut Log,
) -> Result<Served, Broken> {
    let limits = upstream.timeouts;
    let late = |allowed| if left < allowed { FailureKind::Deadline } else { FailureKind::FirstByteTimeout };
    let served = if prepared.request.stream {
        let allowed = limits.first_byte;
        let begun = tokio::time::timeout(allowed.min(left), begin(upstream, prepared, client, log)).await;
        begun.unwrap_or_else(|_| Err(late(allowed).into())).map(|begun| Served::Stream(Box::new(begun)))
    } else {
        let allowed = limits.total;
        let whole = tokio::time::timeout(allowed.min(left), whole(upstream, prepared, client, log)).await;
        whole.unwrap_or_else(|_| Err(late(allowed).into()))
    };
    if let Err(broken) = &served {
        log.attempt_ends(attempt_end(broken.kind, broken.reply.as_deref()), Usage::default());
    }
    served
}

async fn send(upstream: &Upstream, request: WireRequest, log: &Log) -> Result<WireAnswer, Broken> {
    let answer = upstream.provider.send(request).await.map_err(|error| {
        // Said once, here; the client hears it in the words of the failure.
        tracing::warn!(%error, "upstream call failed");
        match error {
            SendError::Connect { .. } | SendError::Broken { .. } => FailureKind::Connect,
            SendError::Unsendable { .. } => FailureKind::ModelNotFound,
        }
    })?;
    if answer.status.is_success() {
        return Ok(answer);
    }
    let pause = retry_after_ms(|name| answer.headers.get(name)?.to_str().ok(), log.unix_ms());
    let body = gather(answer.body, MAX_ERROR_BYTES, upstream.timeouts).await.unwrap_or_default();
    let reply = ErrorReply::read(answer.status.as_u16(), &body);
    Err(Broken { kind: reply.kind(pause), reply: Some(Box::new(reply)) })
}

async fn whole(upstream: &Upstream, prepared: Prepared, client: Format, log: &mut Log) -> Result<Served, Broken> {
    let (provider, operation) = (prepared.request.format, prepared.request.operation);
    let answer = send(upstream, prepared.request, log).await?;
    let headers = answer.headers;
    let body = gather(answer.body, MAX_ANSWER_BYTES, upstream.timeouts).await?;
    let read = if operation == Operation::Embeddings {
        vectors(body)?
    } else if (provider, client) == (Format::OpenaiChat, Format::OpenaiChat) {
        facts(body)?
    } else {
        decoded(provider, client, body, &prepared.context)?
    };
    let Read { body, usage, usage_json, finish } = read;
    log.attempt_ends(AttemptEnd::Ok, usage.unwrap_or_default());
    Ok(Served::Whole(Box::new(Whole { body, usage, usage_json, finish, headers })))
}

/// A body for the client, and what was read of it.
struct Read {
    body: Bytes,
    usage: Option<Usage>,
    usage_json: Option<Bytes>,
    finish: String,
}

/// Vectors: the body stays as it is.
fn vectors(body: Bytes) -> Result<Read, Broken> {
    let fields = Fields::parse(&body).map_err(|_| FailureKind::Garbled)?;
    if fields.get("data").is_none() {
        let reply = ErrorReply::read(200, &body);
        return Err(if reply.word().is_empty() { FailureKind::Garbled.into() } else { Broken::in_band(reply) });
    }
    let usage = fields.get("usage").and_then(|usage| tierway_wire::usage(Format::OpenaiChat, usage));
    let usage_json = fields.get("usage").filter(|_| usage.is_some()).map(|usage| body.slice_ref(usage.as_bytes()));
    Ok(Read { usage, usage_json, finish: String::new(), body })
}

/// Chat to chat: the body stays as it is.
fn facts(body: Bytes) -> Result<Read, Broken> {
    let facts = Facts::read(&body).ok_or(FailureKind::Garbled)?;
    if facts.error_json.is_some() {
        return Err(Broken::in_band(ErrorReply::read(200, &body)));
    }
    if !facts.has_choices {
        return Err(FailureKind::Garbled.into());
    }
    let (usage, finish) = (facts.usage(), facts.finish.unwrap_or_default().to_owned());
    let usage_json = facts.usage_json.map(|usage| body.slice_ref(usage.as_bytes()));
    Ok(Read { usage, usage_json, finish, body })
}

/// Any other pair of APIs: the body is decoded, and written anew where they differ.
fn decoded(provider: Format, client: Format, body: Bytes, context: &Context) -> Result<Read, Broken> {
    let answer = tierway_wire::decode_answer(provider, &body, context).map_err(|_| {
        let reply = ErrorReply::read(200, &body);
        if reply.word().is_empty() { Broken::from(FailureKind::Garbled) } else { Broken::in_band(reply) }
    })?;
    let finish = answer.choices.first().map(|choice| finish_word(&choice.finish)).unwrap_or_default().to_owned();
    let usage = answer.usage;
    let body =
        if provider == client { body } else { Bytes::from(tierway_wire::encode_answer(client, &answer, context)) };
    Ok(Read { body, usage, usage_json: None, finish })
}

/// A stream whose first content has come.
pub(crate) struct Begun {
    pub(crate) body: WireBody,
    pub(crate) meter: Meter,
    pub(crate) out: Out,
    pub(crate) headers: HeaderMap,
}

/// Waits for the first content: until then nothing goes to the client, so another target can still be asked.
async fn begin(upstream: &Upstream, prepared: Prepared, client: Format, log: &Log) -> Result<Begun, Broken> {
    let (mut meter, mut out) = (Meter::new(prepared.request.format, client, &prepared.context), Out::default());
    let WireAnswer { mut body, headers, .. } = send(upstream, prepared.request, log).await?;
    let mut price = |usage: &Usage| log.money_if(usage);
    while !meter.said.content && !meter.said.done {
        match next(&mut body).await {
            Some(Ok(bytes)) => meter.feed(&bytes, &mut out, &mut price)?,
            Some(Err(broken)) => return Err(broken.into()),
            None => {
                meter.end(&mut out, &mut price)?;
                break;
            }
        }
    }
    Ok(Begun { body, meter, out, headers })
}

/// The next bytes of a body; trailers are passed over.
async fn next(body: &mut WireBody) -> Option<Result<Bytes, FailureKind>> {
    loop {
        match poll_fn(|cx| body.as_mut().poll_frame(cx)).await? {
            Err(_) => return Some(Err(FailureKind::Cut)),
            Ok(frame) => {
                if let Ok(bytes) = frame.into_data() {
                    return Some(Ok(bytes));
                }
            }
        }
    }
}

/// The whole body. The head is there, so a provider that falls silent now has failed, however long it might have thought
/// before.
async fn gather(mut body: WireBody, limit: usize, within: Timeouts) -> Result<Bytes, FailureKind> {
    let first = tokio::time::timeout(within.first_byte, next(&mut body)).await;
    let Some(first) = first.map_err(|_| FailureKind::Stalled)?.transpose()? else { return Ok(Bytes::new()) };
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut all = BytesMut::from(first);
    loop {
        let bytes = tokio::time::timeout(within.between_chunks, next(&mut body)).await;
        let Some(bytes) = bytes.map_err(|_| FailureKind::Stalled)?.transpose()? else { return Ok(all.freeze()) };
        if all.len() + bytes.len() > limit {
            return Err(FailureKind::Garbled);
        }
        all.extend_from_slice(&bytes);
    }
}
