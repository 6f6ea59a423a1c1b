//! The connections to one endpoint, of one worker: opened when none is free, kept while they are used.
//!
//! HTTP/1.1 connections ([`Line`]) carry one request at a time and are taken and given back like tools from a box; the one
//! used last is the first to be taken again. An HTTP/2 connection carries many requests; beyond what servers allow there is
//! another, and the first with room is taken. Those which a quiet hour does not need grow old so, and are closed. Refuses to
//! repeat what may have reached the provider: only a request that a dying connection never began to write goes out on
//! another.
//!
//! Why not hyper-util's `legacy::Client`: its pool is for many hosts and many threads, and cost a tenth of a request.

use crate::line::Line;
use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tierway::BrokenBody;
use tokio::runtime::Handle;
use tower_service::Service;

/// How often an HTTP/2 connection in use is asked whether it lives, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// How often it is looked for connections that grew old.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Looks that find a connection idle before it is closed: 50 s, before most providers close it (60 s and more), so that none
/// is used as it dies. Counted in looks, as a clock would be read for every request.
const OLD: u32 = 10;

/// Requests at once on one HTTP/2 connection. Servers allow 100 and more; beyond their number requests would wait unseen, and
/// all of them share one window.
const REQUESTS_EACH: usize = 90;

type Http2 = http2::SendRequest<Full<Bytes>>;

/// No answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// No connection.
    #[error("no connection")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection broke, or what came on it is not HTTP.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
}

/// How to connect.
pub(crate) struct Dial {
    pub(crate) connector: HttpsConnector<HttpConnector>,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// Speak HTTP/2 without asking first.
    pub(crate) http2_only: bool,
    /// Idle connections kept at most.
    pub(crate) max_idle: usize,
    /// Longest wait for a connection: for its turn, for TCP, for TLS.
    pub(crate) timeout: Duration,
}

/// All connections to an endpoint.
pub(crate) struct Pool {
    dial: Dial,
    host: HeaderValue,
    kept: Mutex<Kept>,
    /// Known since the first connection: so many requests at once need only one.
    speaks_http2: AtomicBool,
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    /// Those given back earliest come first.
    idle: Vec<Idle>,
    /// Somebody looks after them.
    swept: bool,
    shared: Vec<Shared>,
}

/// A connection for many requests.
#[derive(Clone)]
struct Shared {
    sender: Http2,
    /// Held by each request on it, too.
    load: Arc<()>,
    /// Looks since a request was last seen on it.
    looks: u32,
}

impl Shared {
    fn has_room(&self) -> bool {
        Arc::strong_count(&self.load) <= REQUESTS_EACH
    }

    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.load) == 1
    }
}

struct Idle {
    line: Line,
    /// Looks since it was given back.
    looks: u32,
}

/// A connection for one request. True: it was there before, so it may have died meanwhile.
enum Taken {
    Alone(Line, bool),
    Shared(Shared, bool),
}

impl Pool {
    pub(crate) fn new(dial: Dial) -> Result<Arc<Self>, http::header::InvalidHeaderValue> {
        let host = host(&dial)?;
        let speaks_http2 = AtomicBool::new(dial.http2_only);
        Ok(Arc::new(Self { dial, host, kept: Mutex::default(), speaks_http2, connecting: tokio::sync::Mutex::new(()) }))
    }

    /// Sends a request to `path`; done when the head of the answer is there.
    pub(crate) async fn call(
        self: &Arc<Self>,
        path: PathAndQuery,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Received>, CallError> {
        loop {
            let (refused, again) = match self.take().await? {
                Taken::Alone(mut line, used) => {
                    *request.uri_mut() = Uri::from(path.clone());
                    request.headers_mut().insert(HOST, self.host.clone());
                    match line.send(request).await {
                        Ok(answer) => {
                            let loan = Loan { line: Some(line), pool: self.clone() };
                            return Ok(answer.map(|body| Received { body, place: Place::Alone(loan) }));
                        }
                        Err(refused) => (refused, used),
                    }
                }
                Taken::Shared(Shared { mut sender, load, .. }, used) => {
                    *request.uri_mut() = self.absolute(&path);
                    request.headers_mut().remove(HOST);
                    match sender.try_send_request(request).await {
                        Ok(answer) => return Ok(answer.map(|body| Received { body, place: Place::Shared(load) })),
                        Err(refused) => (refused, used),
                    }
                }
            };
            request = unsent(refused, again)?;
        }
    }

    async fn take(self: &Arc<Self>) -> Result<Taken, CallError> {
        if let Some(taken) = self.kept().take() {
            return Ok(taken);
        }
        let late = |_| CallError::Connect(format!("none within {} ms", self.dial.timeout.as_millis()).into());
        // Boxed: each request would keep room for what only the first on a connection does.
        tokio::time::timeout(self.dial.timeout, Box::pin(self.make())).await.map_err(late)?
    }

    async fn make(self: &Arc<Self>) -> Result<Taken, CallError> {
        // Those who wait here find the connection that the first of them made.
        let _one = if self.speaks_http2.load(Ordering::Relaxed) { Some(self.connecting.lock().await) } else { None };
        let made = self.kept().take();
        match made {
            Some(taken) => Ok(taken),
            None => self.connect().await,
        }
    }

    async fn connect(self: &Arc<Self>) -> Result<Taken, CallError> {
        let stream = self.dial.connector.clone().call(self.absolute(&PathAndQuery::from_static("/")));
        let stream = stream.await.map_err(CallError::Connect)?;
        let failed = |error: hyper::Error| CallError::Connect(error.into());
        if self.dial.http2_only || stream.connected().is_negotiated_h2() {
            let (sender, connection) = http2_builder().handshake(stream).await.map_err(failed)?;
            tokio::spawn(connection);
            self.speaks_http2.store(true, Ordering::Relaxed);
            let shared = Shared { sender, load: Arc::default(), looks: 0 };
            let mut kept = self.kept();
            kept.shared.push(shared.clone());
            self.look_after(&mut kept);
            return Ok(Taken::Shared(shared, false));
        }
        Ok(Taken::Alone(Line::new(stream).await.map_err(failed)?, false))
    }

    fn absolute(&self, path: &PathAndQuery) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.dial.scheme.clone());
        parts.authority = Some(self.dial.authority.clone());
        parts.path_and_query = Some(path.clone());
        // All three parts are there, so it is one.
        Uri::from_parts(parts).unwrap_or_default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a connection for the next request.
    fn give_back(self: &Arc<Self>, line: Line) {
        let mut kept = self.kept();
        if kept.idle.len() >= self.dial.max_idle {
            return;
        }
        kept.idle.push(Idle { line, looks: 0 });
        self.look_after(&mut kept);
    }

    fn look_after(self: &Arc<Self>, kept: &mut Kept) {
        if !std::mem::replace(&mut kept.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }
}

/// One connection carries all requests: one that died in silence has to be found out before they wait for it.
fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(PING_EVERY).keep_alive_timeout(PONG_WITHIN);
    builder
}

impl Kept {
    fn take(&mut self) -> Option<Taken> {
        self.shared.retain(|shared| !shared.sender.is_closed());
        if let Some(shared) = self.shared.iter_mut().find(|shared| shared.has_room()) {
            shared.looks = 0;
            return Some(Taken::Shared(shared.clone(), true));
        }
        self.idle.pop().map(|Idle { line, .. }| Taken::Alone(line, true))
    }

    /// Closes what grew old or was closed by the provider; false when nothing is left to look after.
    fn sweep(&mut self) -> bool {
        let is_young = |looks: &mut u32| {
            *looks += 1;
            *looks < OLD
        };
        self.idle.retain_mut(|idle| is_young(&mut idle.looks) && idle.line.is_free());
        // One that is let go of here ends by itself: nobody else has it.
        self.shared
            .retain_mut(|shared| !shared.sender.is_closed() && (!shared.is_idle() || is_young(&mut shared.looks)));
        self.swept = !(self.idle.is_empty() && self.shared.is_empty());
        self.swept
    }
}

/// The `host` header: a port is named where it is not the scheme's own.
fn host(dial: &Dial) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let usual = if dial.scheme == Scheme::HTTPS { 443 } else { 80 };
    match dial.authority.port_u16().filter(|port| *port != usual) {
        Some(port) => HeaderValue::try_from(format!("{}:{port}", dial.authority.host())),
        None => HeaderValue::from_str(dial.authority.host()),
    }
}

/// Looks after connections as long as there are any.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        if !pool.upgrade().is_some_and(|pool| pool.kept().sweep()) {
            return;
        }
    }
}

/// The request again, when nothing of it was written on a connection that another may stand in for.
fn unsent(mut refused: TrySendError<Request<Full<Bytes>>>, again: bool) -> Result<Request<Full<Bytes>>, CallError> {
    match refused.take_message().filter(|_| again) {
        Some(request) => Ok(request),
        None => Err(CallError::Broken(refused.into_error())),
    }
}

/// A connection that carries an answer; given back when that is over.
struct Loan {
    line: Option<Line>,
    pool: Arc<Pool>,
}

impl Drop for Loan {
    fn drop(&mut self) {
        // A pool that is being dropped, or a runtime that is, needs it no more.
        let (Some(mut line), Ok(runtime)) = (self.line.take(), Handle::try_current()) else { return };
        if line.is_free() {
            return self.pool.give_back(line);
        }
        // The end of the answer is still to come, or to be read. An answer that was given up closes the connection.
        let pool = self.pool.clone();
        runtime.spawn(async move {
            if line.becomes_free().await {
                pool.give_back(line);
            }
        });
    }
}

/// The body of an answer, with the connection that it comes on.
pub(crate) struct Received {
    // Dropped before its place: the connection learns that nobody reads any more.
    body: Incoming,
    place: Place,
}

/// What an answer takes of the connections as long as it lasts.
enum Place {
    Alone(Loan),
    #[expect(dead_code, reason = "it is there to be dropped")]
    Shared(Arc<()>),
}

impl Body for Received {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        let Self { body, place } = &mut *self;
        let mut frame = Pin::new(&mut *body).poll_frame(cx);
        if frame.is_pending()
            && let Place::Alone(Loan { line: Some(line), .. }) = place
        {
            line.drive(cx);
            frame = Pin::new(body).poll_frame(cx);
        }
        frame.map_err(|error| BrokenBody(Box::new(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;
    use http_body_util::Empty;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use std::convert::Infallible;
    use std::sync::atomic::AtomicUsize;

    /// A provider on HTTP/2, and how many connections it has.
    async fn provider() -> (Arc<Pool>, Arc<AtomicUsize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string().parse().unwrap();
        let open = Arc::<AtomicUsize>::default();
        let count = open.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let (served, count) = (server.serve_connection(TokioIo::new(stream), service), count.clone());
                tokio::spawn(async move {
                    let _ = served.await;
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        let connector =
            hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http2().build();
        let (scheme, timeout) = (Scheme::HTTP, Duration::from_secs(5));
        let dial = Dial { connector, scheme, authority, http2_only: true, max_idle: 1, timeout };
        (Pool::new(dial).unwrap(), open)
    }

    async fn call(pool: &Arc<Pool>) -> Response<Received> {
        pool.call(PathAndQuery::from_static("/"), Request::new(Full::default())).await.unwrap()
    }

    /// So many looks pass; gives how many connections the provider has then.
    async fn look(pool: &Pool, looks: u32, open: &AtomicUsize) -> usize {
        for _ in 0..looks {
            pool.kept().sweep();
        }
        // Both ends of a connection that is closed need a moment.
        tokio::time::sleep(Duration::from_millis(50)).await;
        open.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn what_only_a_burst_needed_is_closed_when_it_is_over() {
        let (pool, open) = provider().await;
        let answers = futures_util::future::join_all((0..250).map(|_| call(&pool))).await;
        assert_eq!(look(&pool, 2 * OLD, &open).await, 3, "all are in use");
        drop(answers);
        assert_eq!(look(&pool, OLD - 1, &open).await, 3, "all may be needed again");
        drop(call(&pool).await);
        assert_eq!(look(&pool, OLD - 1, &open).await, 1, "one was, two were not");
        assert_eq!(look(&pool, 1, &open).await, 0);
        drop(call(&pool).await);
        assert_eq!(open.load(Ordering::SeqCst), 1, "and the next request has one all the same");
    }
}
