//! A provider that answers at once, from memory.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame};
use std::pin::Pin;
use std::task::{Context, Poll};
use tierway::{BoxFuture, BrokenBody, Provider, SendError, WireAnswer, WireRequest};

/// Answers every request with the same pieces, one frame each.
pub struct Canned {
    pieces: Vec<Bytes>,
}

impl Canned {
    /// A provider with these pieces of an answer.
    #[must_use]
    pub fn new(pieces: impl IntoIterator<Item = String>) -> Self {
        Self { pieces: pieces.into_iter().map(Bytes::from).collect() }
    }
}

impl Provider for Canned {
    fn send(&self, _: WireRequest) -> BoxFuture<'_, Result<WireAnswer, SendError>> {
        Box::pin(async {
            let body = Pieces(self.pieces.clone().into_iter());
            Ok(WireAnswer { status: StatusCode::OK, headers: HeaderMap::new(), body: Box::pin(body) })
        })
    }
}

struct Pieces(std::vec::IntoIter<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.len() == 0
    }
}
