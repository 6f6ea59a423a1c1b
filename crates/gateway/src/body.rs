//! Bodies: in, bounded; out, counted until their last byte.

use crate::app::Bounds;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tierway::{Refusal, ReplyBody};
use tierway_wire::ApiError;

/// A refused client may go on sending this many times the largest body before its connection is broken.
const DISCARDED_BODIES: usize = 2;

/// Reads a request body within the bounds of size and time.
///
/// # Errors
/// Too large, encoded, too slow, or broken off.
pub(crate) async fn read_body(mut body: Incoming, headers: &HeaderMap, bounds: &Bounds) -> Result<Bytes, Refusal> {
    let limit = bounds.max_body_bytes;
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|declared| declared > limit) {
        discard(body, bounds);
        return Err(too_large(limit));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        discard(body, bounds);
        let message = "compressed request bodies are not accepted; send the JSON as it is";
        return Err(Refusal::caller(ApiError::new(415, message).with_code("unsupported_encoding")));
    }
    let gathered = tokio::time::timeout(bounds.body_timeout, gather(&mut body, limit)).await.unwrap_or_else(|_| {
        Err(Refusal::caller(ApiError::new(408, "the request body did not come in time").with_code("request_timeout")))
    });
    if gathered.as_ref().is_err_and(|refusal| refusal.error.status == 413) {
        discard(body, bounds);
    }
    gathered
}

/// Throws away what a refused client goes on sending, beside the reply: closing on a client that is still sending would
/// break its connection before it has read why. Bounded in bytes and in time.
pub(crate) fn discard(mut body: Incoming, bounds: &Bounds) {
    if body.is_end_stream() {
        return;
    }
    let mut left = bounds.max_body_bytes.saturating_mul(DISCARDED_BODIES);
    let rest = async move {
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let Some(less) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
            left = less;
        }
    };
    tokio::spawn(tokio::time::timeout(bounds.body_timeout, rest));
}

async fn gather(body: &mut Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let mut all = BytesMut::new();
    let mut first: Option<Bytes> = None;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        let broken = |_| Refusal::caller(ApiError::new(400, "the connection broke in the middle of the request body"));
        let Ok(bytes) = frame.map_err(broken)?.into_data() else { continue };
        if all.len() + first.as_ref().map_or(0, Bytes::len) + bytes.len() > limit {
            return Err(too_large(limit));
        }
        match first.take() {
            // Most bodies come in one piece, which is then kept without a copy.
            None if all.is_empty() => first = Some(bytes),
            None => all.extend_from_slice(&bytes),
            Some(kept) => {
                all.reserve(kept.len() + bytes.len());
                all.extend_from_slice(&kept);
                all.extend_from_slice(&bytes);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

fn too_large(limit: usize) -> Refusal {
    let message =
        format!("the request body is larger than {limit} bytes; the limit is `server.max_body_mb` in the config");
    Refusal::caller(ApiError::new(413, message).with_code("request_too_large"))
}

/// Counts requests in progress, streams included.
#[derive(Clone, Default)]
pub(crate) struct Active(Arc<AtomicUsize>);

impl Active {
    /// One more, unless there are `limit` already.
    pub(crate) fn enter(&self, limit: usize) -> Option<ActiveGuard> {
        let guard = ActiveGuard(self.0.clone());
        (self.0.fetch_add(1, Ordering::Relaxed) < limit).then_some(guard)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request in progress.
pub(crate) struct ActiveGuard(Arc<AtomicUsize>);

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A reply body that counts as in progress until it is dropped.
pub(crate) struct Outgoing {
    body: ReplyBody,
    _guard: Option<ActiveGuard>,
}

impl Outgoing {
    pub(crate) const fn new(body: ReplyBody, guard: Option<ActiveGuard>) -> Self {
        Self { body, _guard: guard }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
