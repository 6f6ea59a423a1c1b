//! One upstream call: send, wait for the answer or for its first content, say what went wrong.

use crate::meter::{Broken, FAILED, Meter, Out, finish_word};
use crate::prepare::Prepared;
use crate::seam::{Clock, Operation, Provider, SendError, WireAnswer, WireBody, WireRequest};
use crate::setup::{Timeouts, Upstream};
use crate::tariff::Tariff;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tierway_decide::dispatch::{ErrorReply, FailureKind, retry_after_ms};
use tierway_wire::neutral::Finish;
use tierway_wire::openai_chat::Facts;
use tierway_wire::splice::{Edit, Fields};
use tierway_wire::tokens::Tally;
use tierway_wire::{Context, Format, Usage};

/// Answers that are not streamed are gathered; a provider that sends more is broken.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Comments, pings and openings before the first content; a stream that says more of them, and nothing else, is broken.
const MAX_PREAMBLE_BYTES: usize = 1024 * 1024;
/// Error bodies are read when they are no longer: some quote the whole request.
const MAX_ERROR_BYTES: usize = 4 * 1024 * 1024;

/// An answer, whole or begun.
pub(crate) enum Served {
    Whole(Box<Whole>),
    Stream(Box<StartedStream>),
}

/// An answer that is all there, as the client shall see it but for the cost.
pub(crate) struct Whole {
    pub(crate) body: Bytes,
    /// As reported, or our estimate.
    pub(crate) usage: Usage,
    pub(crate) estimated: bool,
    /// The usage object, a part of the body; none when where it lies was not seen in passing.
    pub(crate) usage_json: Option<Bytes>,
    pub(crate) finish: String,
    pub(crate) headers: HeaderMap,
    /// It serves only if nobody does better.
    pub(crate) is_unfit: bool,
}

/// One call as it is to be made.
pub(crate) struct Task<'a> {
    pub(crate) upstream: &'a Upstream,
    pub(crate) prepared: Prepared,
    pub(crate) client: Format,
    /// Time until the request's deadline.
    pub(crate) left: Duration,
    /// None where nothing is recorded.
    pub(crate) tariff: Option<Tariff<'a>>,
    pub(crate) clock: &'a dyn Clock,
    /// Our estimate of the prompt, for a provider that reports nothing.
    pub(crate) input_tokens: u32,
    /// How many answers were asked for.
    pub(crate) answers: u32,
}

/// Makes the call. Touches no record: two calls of one request may be under way at once.
pub(crate) async fn attempt(task: Task<'_>) -> Result<Served, Broken> {
    let provider = &*task.upstream.provider;
    made(task).await.map_err(|broken| broken.masked(provider))
}

async fn made(task: Task<'_>) -> Result<Served, Broken> {
    let (limits, left, input_tokens) = (task.upstream.timeouts, task.left, task.input_tokens);
    let late = |allowed| if left < allowed { FailureKind::Deadline } else { FailureKind::FirstByteTimeout };
    if task.prepared.request.stream {
        let allowed = limits.first_byte;
        let begun = tokio::time::timeout(allowed.min(left), pin!(begin(task))).await;
        begun.unwrap_or_else(|_| Err(late(allowed).into())).map(|begun| Served::Stream(Box::new(begun)))
    } else {
        let allowed = limits.total;
        let mut part = BytesMut::new();
        let whole = tokio::time::timeout(allowed.min(left), pin!(whole(task, &mut part))).await;
        let whole = whole.unwrap_or_else(|_| Err(late(allowed).into()));
        whole.map_err(
            |broken| if part.is_empty() { broken } else { Broken { spent: spent(&part, input_tokens), ..broken } },
        )
    }
}

async fn send(upstream: &Upstream, request: WireRequest, clock: &dyn Clock) -> Result<WireAnswer, Broken> {
    let answer = upstream.provider.send(request).await.map_err(|error| {
        // Said once, here; the client hears it in the words of the failure.
        tracing::warn!(%error, "upstream call failed");
        match error {
            SendError::Connect { .. } | SendError::Broken { .. } => FailureKind::Connect,
            SendError::Tls { .. } => FailureKind::Tls,
            SendError::NoCredentials { .. } => FailureKind::Unauthorized,
            SendError::Unsendable { .. } => FailureKind::ModelNotFound,
        }
    })?;
    if answer.status.is_success() {
        return Ok(answer);
    }
    let pause = retry_after_ms(|name| answer.headers.get(name)?.to_str().ok(), clock.unix_ms());
    let mut part = BytesMut::new();
    let body = gather(answer.body, MAX_ERROR_BYTES, upstream.timeouts, &mut part).await.unwrap_or_default();
    let reply = ErrorReply::read(answer.status.as_u16(), &body);
    Err(Broken::said(reply.kind(pause), reply))
}

/// `part`: what of the answer is there, should it break.
async fn whole(task: Task<'_>, part: &mut BytesMut) -> Result<Served, Broken> {
    let Task { upstream, prepared, client, clock, input_tokens, .. } = task;
    let (provider, operation) = (prepared.request.format, prepared.request.operation);
    let answer = send(upstream, prepared.request, clock).await?;
    let headers = answer.headers;
    let body = gather(answer.body, MAX_ANSWER_BYTES, upstream.timeouts, part).await?;
    let read = if operation == Operation::Embeddings {
        vectors(body, input_tokens)?
    } else if (provider, client) == (Format::OpenaiChat, Format::OpenaiChat) {
        facts(body, &prepared.context, input_tokens)?
    } else {
        decoded(provider, client, body, &prepared.context, input_tokens)?
    };
    let Read { body, usage, estimated, usage_json, finish } = read;
    Ok(Served::Whole(Box::new(Whole { body, usage, estimated, usage_json, finish, headers, is_unfit: false })))
}

/// An estimate of what the beginning of an answer's body took, from which what was said cannot be read. Nothing, where none
/// of it came.
fn spent(body: &[u8], input_tokens: u32) -> Usage {
    if body.is_empty() {
        return Usage::default();
    }
    // All APIs name the field so; what stands before it was not generated.
    let from = memchr::memmem::find(body, b"\"content\":").unwrap_or_default();
    let text = String::from_utf8_lossy(&body[from..]);
    let output_tokens = tierway_wire::tokens::estimate(&text).into();
    Usage { input_tokens: input_tokens.into(), output_tokens, ..Usage::default() }
}

/// A body for the client, and what was read of it.
struct Read {
    body: Bytes,
    usage: Usage,
    estimated: bool,
    usage_json: Option<Bytes>,
    finish: String,
}

/// What a reply is that is none: the provider's error in its own words, where it gives one.
fn no_answer(body: &[u8]) -> Broken {
    let reply = ErrorReply::read(200, body);
    let is_error = Fields::parse(body).is_ok_and(|fields| fields.get("error").is_some_and(|error| error != "null"));
    if is_error || !reply.message.is_empty() { Broken::in_band(reply) } else { FailureKind::Garbled.into() }
}

/// Vectors: the body stays as it is.
fn vectors(body: Bytes, input_tokens: u32) -> Result<Read, Broken> {
    let fields = Fields::parse(&body).map_err(|_| FailureKind::Garbled)?;
    if fields.get("data").is_none() {
        return Err(no_answer(&body));
    }
    let told = fields.get("usage").and_then(|usage| tierway_wire::usage(Format::OpenaiChat, usage));
    let usage_json = fields.get("usage").filter(|_| told.is_some()).map(|usage| body.slice_ref(usage.as_bytes()));
    let usage = told.unwrap_or_else(|| Usage { input_tokens: input_tokens.into(), ..Usage::default() });
    Ok(Read { usage, estimated: told.is_none(), usage_json, finish: String::new(), body })
}

/// Chat to chat: the body stays as it is, but for usage that is missing.
fn facts(body: Bytes, context: &Context, input_tokens: u32) -> Result<Read, Broken> {
    // Nothing of it went out yet: what a client could not read, another target may say whole.
    serde_json::from_slice::<serde::de::IgnoredAny>(&body).map_err(|_| FailureKind::Garbled)?;
    let facts = Facts::read(&body).ok_or(FailureKind::Garbled)?;
    if facts.error_json.is_some() || !facts.has_choices {
        return Err(no_answer(&body));
    }
    let Some(usage) = facts.usage().filter(|_| facts.finish != Some(FAILED)) else {
        return decoded(Format::OpenaiChat, Format::OpenaiChat, body, context, input_tokens);
    };
    let finish = facts.finish.unwrap_or_default().to_owned();
    let usage_json = facts.usage_json.map(|usage| body.slice_ref(usage.as_bytes()));
    Ok(Read { usage, estimated: false, usage_json, finish, body })
}

/// Any other pair of APIs: the body is decoded, and written anew where they differ.
fn decoded(
    provider: Format,
    client: Format,
    body: Bytes,
    context: &Context,
    input_tokens: u32,
) -> Result<Read, Broken> {
    let answer = tierway_wire::decode_answer(provider, &body, context);
    let Some(mut answer) = answer.ok().filter(|answer| !answer.choices.is_empty()) else {
        return Err(no_answer(&body));
    };
    let finish = answer.choices.first().map(|choice| finish_word(&choice.finish)).unwrap_or_default().to_owned();
    let estimated = answer.usage.is_none();
    let usage = *answer.usage.get_or_insert_with(|| Usage {
        input_tokens: input_tokens.into(),
        output_tokens: Tally::of(&answer.choices).tokens(),
        ..Usage::default()
    });
    let failed = answer.choices.iter().find_map(|choice| match &choice.finish {
        Finish::Failed(why) => Some(why.as_str()),
        _ => None,
    });
    match failed {
        // A client of the same API knows what is not there yet, nor its usage.
        Some("queued" | "in_progress") if provider == client => {
            return Ok(Read { body, usage, estimated, usage_json: None, finish });
        }
        Some(why) => return Err(Broken { spent: usage, ..Broken::failed(why) }),
        None => {}
    }
    let body = match (provider == client, estimated) {
        (true, false) => body,
        (true, true) => with_usage(client, body, &usage),
        (false, _) => Bytes::from(tierway_wire::encode_answer(client, &answer, context)),
    };
    Ok(Read { body, usage, estimated, usage_json: None, finish })
}

/// The answer as it came, and our estimate in its usage: the client finds there what the headers say.
fn with_usage(format: Format, body: Bytes, usage: &Usage) -> Bytes {
    match (tierway_wire::encode_usage(format, usage), Fields::parse(&body)) {
        (Some(json), Ok(fields)) => fields.apply(&[Edit::Set("usage", json.into())]).into(),
        _ => body,
    }
}

/// A stream whose first content has come.
pub(crate) struct StartedStream {
    pub(crate) body: WireBody,
    pub(crate) meter: Meter,
    pub(crate) out: Out,
    pub(crate) headers: HeaderMap,
    /// Who says it.
    pub(crate) provider: Arc<dyn Provider>,
    /// All of it is there, and serves only if nobody does better.
    pub(crate) is_unfit: bool,
}

/// Waits for the first content: until then nothing goes to the client, so another target can still be asked.
async fn begin(task: Task<'_>) -> Result<StartedStream, Broken> {
    let Task { upstream, prepared, client, clock, tariff, answers, input_tokens, .. } = task;
    let mut meter = Meter::new(prepared.request.format, client, &prepared.context, answers, input_tokens);
    let mut out = Out::default();
    let WireAnswer { mut body, headers, .. } = send(upstream, prepared.request, clock).await?;
    let mut price = |usage: &Usage| tariff.as_ref().map(|tariff| tariff.money(usage)).unwrap_or_default();
    while !meter.said.content && !meter.said.done {
        if out.len() > MAX_PREAMBLE_BYTES {
            return Err(FailureKind::Garbled.into());
        }
        match next(&mut body).await {
            Some(Ok(bytes)) => meter.feed(&bytes, &mut out, &mut price)?,
            Some(Err(broken)) => return Err(broken.into()),
            None => {
                meter.end(&mut out, &mut price)?;
                break;
            }
        }
    }
    Ok(StartedStream { body, meter, out, headers, provider: upstream.provider.clone(), is_unfit: false })
}

/// The next bytes of a body; trailers are passed over.
pub(crate) async fn next(body: &mut WireBody) -> Option<Result<Bytes, FailureKind>> {
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
async fn gather(mut body: WireBody, limit: usize, within: Timeouts, part: &mut BytesMut) -> Result<Bytes, FailureKind> {
    let first = tokio::time::timeout(within.first_byte, next(&mut body)).await;
    let Some(first) = first.map_err(|_| FailureKind::Stalled)?.transpose()? else { return Ok(Bytes::new()) };
    if body.is_end_stream() {
        return Ok(first);
    }
    *part = BytesMut::from(first);
    loop {
        let bytes = tokio::time::timeout(within.between_chunks, next(&mut body)).await;
        let Some(bytes) = bytes.map_err(|_| FailureKind::Stalled)?.transpose()? else {
            return Ok(std::mem::take(part).freeze());
        };
        if part.len() + bytes.len() > limit {
            part.clear();
            return Err(FailureKind::Garbled);
        }
        part.extend_from_slice(&bytes);
    }
}
