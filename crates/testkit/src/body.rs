//! A reply body that goes by a script: send, wait, fall silent, break.

use crate::record::Watch;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// One step of a reply.
#[derive(Debug)]
pub(crate) enum Piece {
    Send(Bytes),
    /// The same, and it is content of the answer.
    Content(Bytes),
    Wait(Duration),
    Hang,
    Break,
}

/// The body.
#[derive(Debug)]
pub(crate) struct Scripted {
    pieces: VecDeque<Piece>,
    sleep: Option<Pin<Box<Sleep>>>,
    watch: Watch,
}

impl Scripted {
    /// The same script with every step changed.
    pub(crate) fn map(mut self, change: impl FnMut(Piece) -> Piece) -> Self {
        self.pieces = self.pieces.into_iter().map(change).collect();
        self
    }

    pub(crate) fn new(pieces: Vec<Piece>, watch: Watch) -> Self {
        let mut body = Self { pieces: pieces.into(), sleep: None, watch };
        if body.pieces.is_empty() {
            body.watch.sent();
        }
        body
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(context));
                self.sleep = None;
            }
            if matches!(self.pieces.front(), Some(Piece::Hang)) {
                return Poll::Pending; // the client's leaving drops the body
            }
            let piece = self.pieces.pop_front();
            let is_content = matches!(piece, Some(Piece::Content(_)));
            match piece {
                None => {
                    self.watch.sent();
                    return Poll::Ready(None);
                }
                Some(Piece::Wait(pause)) => self.sleep = Some(Box::pin(sleep(pause))),
                Some(Piece::Break | Piece::Hang) => {
                    self.watch.broken();
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                }
                Some(Piece::Send(bytes) | Piece::Content(bytes)) => {
                    if is_content {
                        self.watch.content();
                    }
                    if self.pieces.is_empty() {
                        self.watch.sent();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let mut total = 0;
        for piece in &self.pieces {
            match piece {
                Piece::Send(bytes) | Piece::Content(bytes) => total += bytes.len() as u64,
                Piece::Wait(_) | Piece::Hang | Piece::Break => return SizeHint::default(),
            }
        }
        // One piece is a plain body with its length; several are a stream.
        if self.pieces.len() <= 1 { SizeHint::with_exact(total) } else { SizeHint::default() }
    }
}

/// What a connection does instead of speaking HTTP.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switch(Arc<AtomicU8>);

impl Switch {
    /// Close with a reset instead of in good order.
    pub(crate) fn reset(&self) {
        self.0.store(1, Relaxed);
    }

    /// Send noise instead of what was to be sent.
    pub(crate) fn noise(&self) {
        self.0.store(2, Relaxed);
    }
}

/// A connection that can misbehave.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    pub(crate) switch: Switch,
}

const NOISE: &[u8] = b"\x16\x03\x01\x00\xff this is no HTTP \x00\x01\x02\r\n\r\n";

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.switch.0.load(Relaxed) == 2 {
            ready!(Pin::new(&mut self.stream).poll_write(cx, NOISE))?;
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.switch.0.load(Relaxed) == 1 {
            return Poll::Ready(Ok(())); // the reset comes with the drop
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.switch.0.load(Relaxed) == 1 {
            // A close with no time to linger sends RST. Where it is refused, the close is a plain one.
            let _ = self.stream.set_zero_linger();
        }
    }
}
