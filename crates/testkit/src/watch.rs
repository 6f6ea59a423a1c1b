//! Stands between clients and a gateway, passes everything on as it comes, and holds each stream of events against the strict
//! grammar of its API: so that whatever a suite of real clients does, no stream goes unchecked.

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Serialize;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tierway_wire::{Format, grammar};
use tokio::net::TcpListener;

/// Longer streams are counted and not checked.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// What was seen so far.
#[derive(Debug, Default, Serialize)]
struct Found {
    /// Streams that came to their end.
    streams: usize,
    /// Streams that their client left.
    left: usize,
    /// What was wrong with any.
    breaches: Vec<String>,
}

/// Watches the streams between its own port and a gateway.
#[derive(Debug)]
pub struct Watch {
    listener: TcpListener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// `http://127.0.0.1:PORT` of the gateway.
    gateway: String,
    client: Client<HttpConnector, Incoming>,
    found: Mutex<Found>,
}

impl Shared {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Opens a free port on loopback.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(gateway: String) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { listener, shared: Arc::new(Shared { gateway, client, found: Mutex::default() }) })
    }

    /// Where clients are to go. `GET /_watch` there gives what was found.
    ///
    /// # Errors
    /// When the port is gone.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the task is stopped.
    ///
    /// # Errors
    /// When no connection can be accepted any more.
    pub async fn serve(self) -> io::Result<()> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let _ = stream.set_nodelay(true);
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move {
                let service = service_fn(move |request| pass(Arc::clone(&shared), request));
                // An error here is a client that left.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }
}

type Out = Response<Either<Full<Bytes>, Tee>>;

async fn pass(shared: Arc<Shared>, mut request: Request<Incoming>) -> Result<Out, io::Error> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    if path == "/_watch" {
        let found = serde_json::to_vec(&*shared.found()).map_err(io::Error::other)?;
        return Ok(Response::new(Either::Left(Full::from(found))));
    }
    *request.uri_mut() = format!("{}{path}", shared.gateway).parse().map_err(io::Error::other)?;
    request.headers_mut().remove(header::CONNECTION);
    let answer = shared.client.request(request).await.map_err(io::Error::other)?;
    let (mut head, body) = answer.into_parts();
    head.headers.remove(header::CONNECTION);
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let format = format_at(&path).filter(|_| head.status == StatusCode::OK && kind.starts_with("text/event-stream"));
    let kept = format.map(|format| Kept { format, path, bytes: Vec::new(), shared });
    Ok(Response::from_parts(head, Either::Right(Tee { body, kept })))
}

fn format_at(path: &str) -> Option<Format> {
    let path = path.split('?').next().unwrap_or_default();
    let known = [
        ("/chat/completions", Format::OpenaiChat),
        ("/responses", Format::OpenaiResponses),
        ("/messages", Format::AnthropicMessages),
    ];
    known.iter().find(|(end, _)| path.ends_with(end)).map(|(_, format)| *format)
}

/// The body on its way; a copy of it where it is to be checked.
#[derive(Debug)]
struct Tee {
    body: Incoming,
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    format: Format,
    path: String,
    bytes: Vec<u8>,
    shared: Arc<Shared>,
}

impl Kept {
    /// It came to its end; or its connection broke, which no stream may do.
    fn ended(self, broke: bool) {
        let mut found = self.shared.found();
        found.streams += 1;
        if broke {
            found.breaches.push(format!("{}: the connection broke", self.path));
        } else if self.bytes.len() < MAX_KEPT_BYTES {
            for breach in grammar::breaches(self.format, &self.bytes) {
                let tail = String::from_utf8_lossy(&self.bytes[self.bytes.len().saturating_sub(600)..]).into_owned();
                found.breaches.push(format!("{}: {breach}; it ends with: {tail}", self.path));
            }
        }
    }
}

impl Body for Tee {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(kept), Some(data)) = (&mut self.kept, frame.data_ref())
                    && kept.bytes.len() < MAX_KEPT_BYTES
                {
                    kept.bytes.extend_from_slice(data);
                }
            }
            Some(Err(_)) => self.kept.take().into_iter().for_each(|kept| kept.ended(true)),
            None => self.kept.take().into_iter().for_each(|kept| kept.ended(false)),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // The end has to be seen here, not guessed.
        self.kept.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        if let Some(kept) = self.kept.take() {
            kept.shared.found().left += 1;
        }
    }
}
