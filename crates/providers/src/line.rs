//! One HTTP/1.1 connection, driven by whoever waits for its answer.
//!
//! It has no task of its own: request, head and every piece of a body would be handed from task to task, which cost more
//! than carrying them, and pieces that lie ready in the buffer would arrive one by one. Between requests nobody drives it,
//! so what the provider does to an idle connection is noticed when it is looked at again.

use crate::together::Together;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;

/// What a connection runs on.
pub(crate) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection as hyper has it: a future that reads and writes when it is polled.
type Connection = http1::Connection<Together<Stream>, Full<Bytes>>;

/// A connection and the handle that puts requests on it.
pub(crate) struct Line {
    sender: http1::SendRequest<Full<Bytes>>,
    /// None once it ended.
    connection: Option<Pin<Box<Connection>>>,
}

impl Line {
    pub(crate) async fn new(stream: Stream) -> Result<Self, hyper::Error> {
        let (sender, connection) = http1::handshake(Together::new(stream)).await?;
        Ok(Self { sender, connection: Some(Box::pin(connection)) })
    }

    /// Writes a request; done when the head of its answer is there.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|cx| {
            self.drive(cx);
            answer.as_mut().poll(cx)
        })
        .await
    }

    /// Writes and reads what can be written and read now.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if self.connection.as_mut().is_some_and(|connection| connection.as_mut().poll(cx).is_ready()) {
            // Whoever waits for it is told by its end; that it broke is said there.
            self.connection = None;
        }
    }

    /// Whether it can take a request now; looks first at what came meanwhile.
    pub(crate) fn is_free(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Waits until it can take another request; false when it ends before.
    pub(crate) async fn becomes_free(&mut self) -> bool {
        poll_fn(|cx| {
            self.drive(cx);
            match self.connection {
                None => Poll::Ready(false),
                Some(_) if self.sender.is_ready() => Poll::Ready(true),
                Some(_) => Poll::Pending,
            }
        })
        .await
    }
}
