//! Listeners, workers, and a shutdown that loses nothing.
//!
//! One single-threaded runtime per core, each with its own listener on the shared port (`SO_REUSEPORT`) and its own pool of
//! upstream connections: a request lives and dies on one core, so nothing on its way takes a contended lock.

use crate::app::App;
use crate::error::GatewayError;
use crate::health_watch::{Attended, HealthWatch, Pulse, Verdict};
use crate::patience::Patient;
use crate::tls::{Tls, Wire};
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use socket2::{Domain, Protocol, Socket, Type};
#[cfg(target_os = "linux")]
use socket2::{SockFilter, SockRef};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tierway_providers::Together;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

/// Room for the headers of one request; SDKs send two to four kilobytes.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// Connections waiting to be accepted, per worker.
const BACKLOG: i32 = 4096;
/// Longest time that connections half made at a stop get to be made: a round trip across an ocean.
const HANDSHAKES: Duration = Duration::from_millis(200);
/// Longest time that a connection just made at a stop gets to begin its request.
const FIRST_WORDS: Duration = Duration::from_millis(100);
/// TLS handshakes in progress, per worker; further ones wait for their turn within the time that a handshake may take. Many
/// more than a worker can do in that time, so that only clients who do not finish theirs come up against it.
const MAX_HANDSHAKES: usize = 1024;
/// How often it is said, by each worker, that connections cannot be accepted.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);
/// After the grace time, or when somebody is in a hurry, streams get this long to notice and to write their last event.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What the listeners need to know.
#[derive(Clone, Debug)]
pub(crate) struct ServerOptions {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Where one more worker listens that serves what operators read; none: the others do.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Worker threads; each has a listener.
    pub(crate) workers: usize,
    /// How long running requests may go on after a stop.
    pub(crate) grace: Duration,
    /// Open client connections per worker; more wait in the backlog.
    pub(crate) max_connections: usize,
    /// How long a client may take to send the head of a request (slow-loris).
    pub(crate) header_timeout: Duration,
    /// How long a client may take nothing of its answer.
    pub(crate) write_timeout: Duration,
}

/// The running workers.
pub(crate) struct Server {
    address: SocketAddr,
    admin: Option<SocketAddr>,
    stop: Hurry,
    workers: Vec<JoinHandle<()>>,
}

/// Cuts a stop short.
#[derive(Clone, Debug)]
pub struct Hurry(watch::Sender<Stop>);

impl Hurry {
    /// What is in progress ends now, with a clear error.
    pub fn now(&self) {
        self.0.send_replace(Stop::Now);
    }
}

/// How the workers are to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    NotYet,
    WithGrace,
    Now,
}

impl Server {
    /// Binds all listeners, then starts the workers. `app` makes the application of each worker; the last one is that of
    /// the admin listener, where there is one.
    ///
    /// # Errors
    /// When an address cannot be bound or a thread cannot start.
    pub(crate) fn start(
        options: &ServerOptions,
        tls: Option<&Tls>,
        mut app: impl FnMut(usize) -> Arc<App>,
    ) -> Result<Self, GatewayError> {
        let cannot_listen = |setting, address| move |cause| GatewayError::Listen { setting, address, cause };
        let bind = |setting, address| listener(address).map_err(cannot_listen(setting, address));
        let setting = "`[server] listen` or TIERWAY_LISTEN";
        let first = bind(setting, options.listen)?;
        // Port 0 is settled by the first listener; the others share it.
        let address = first.local_addr().map_err(cannot_listen(setting, options.listen))?;
        let mut listeners = vec![(first, tls)];
        for _ in 1..options.workers.max(1) {
            listeners.push((bind(setting, address)?, tls));
        }
        let mut admin = None;
        if let Some(wanted) = options.admin_listen {
            let listener = bind("`[server] admin_listen`", wanted)?;
            admin = listener.local_addr().ok();
            // Within this machine nobody listens in, and a certificate would name another host.
            listeners.push((listener, tls.filter(|_| !wanted.ip().is_loopback())));
        }
        let (stop, stopped) = watch::channel(Stop::NotYet);
        let mut workers = Vec::new();
        for (index, (listener, tls)) in listeners.into_iter().enumerate() {
            let (app, stopped, options) = (app(index), stopped.clone(), options.clone());
            let worker = Worker { app, stopped, options, tls: tls.map(Tls::acceptor) };
            workers.push(worker.start(index, listener).map_err(GatewayError::Thread)?);
        }
        Ok(Self { address, admin, stop: Hurry(stop), workers })
    }

    /// Where it listens, with the port that was really taken.
    #[must_use]
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operators read, if that is a place of its own.
    #[must_use]
    pub(crate) const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// For whoever will not wait for the grace time.
    #[must_use]
    pub(crate) fn hurry(&self) -> Hurry {
        self.stop.clone()
    }

    /// Stops accepting, lets running requests finish within the grace time, ends the others with a clear error.
    /// Returns when every worker is done.
    pub(crate) fn stop(self) {
        self.stop.0.send_if_modified(|stop| {
            let first = *stop < Stop::WithGrace;
            *stop = Stop::WithGrace.max(*stop);
            first
        });
        for worker in self.workers {
            let _ = worker.join();
        }
    }
}

fn listener(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

struct Worker {
    app: Arc<App>,
    stopped: watch::Receiver<Stop>,
    options: ServerOptions,
    tls: Option<TlsAcceptor>,
}

impl Worker {
    fn start(self, index: usize, listener: StdListener) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            runtime.block_on(self.run(listener));
            // Whatever still hangs after the grace time is dropped with the runtime.
            runtime.shutdown_timeout(Duration::from_millis(100));
        })
    }

    async fn run(mut self, listener: StdListener) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "a worker cannot use its listener"),
        };
        let mut door = Door {
            app: self.app.clone(),
            http: http_builder(self.options.header_timeout),
            ending: watch::channel(false).0,
            room: Arc::new(Semaphore::new(self.options.max_connections)),
            timeouts: (self.options.header_timeout, self.options.write_timeout),
            tls: self.tls.clone(),
            handshakes: Arc::new(Semaphore::new(MAX_HANDSHAKES)),
        };
        tokio::select! {
            biased;
            _ = self.stopped.wait_for(|stop| *stop >= Stop::WithGrace) => {}
            () = door.open(&listener) => {}
        }
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(&listener).attach_filter(&NO_NEW_CONNECTIONS);
        let _ = tokio::time::timeout(HANDSHAKES, door.open(&listener)).await;
        drop(listener);
        tokio::time::sleep(FIRST_WORDS).await;
        self.drain(&door.ending).await;
    }

    /// Lets running requests finish; after the grace time tells the others to say their last words.
    async fn drain(&self, ending: &watch::Sender<bool>) {
        ending.send_replace(true);
        // Each connection listens until it is over.
        let finished = ending.closed();
        tokio::pin!(finished);
        let mut hurried = self.stopped.clone();
        let hurry = hurried.wait_for(|stop| *stop == Stop::Now);
        tokio::pin!(hurry);
        tokio::select! {
            biased;
            () = &mut finished => return,
            _ = &mut hurry => {}
            () = tokio::time::sleep(self.options.grace) => {}
        }
        self.app.cut_off.say();
        let _ = tokio::time::timeout(LAST_WORDS, finished).await;
    }
}

/// Takes connections in and serves them.
struct Door {
    app: Arc<App>,
    http: auto::Builder<TokioExecutor>,
    /// Tells connections to end after the request they are at.
    ending: watch::Sender<bool>,
    room: Arc<Semaphore>,
    timeouts: (Duration, Duration),
    tls: Option<TlsAcceptor>,
    handshakes: Arc<Semaphore>,
}

impl Door {
    /// Accepts for ever, never more than there is room for.
    async fn open(&mut self, listener: &TcpListener) {
        let mut complaint = Complaint::default();
        while let Ok(permit) = self.room.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => self.serve(stream, permit),
                Err(error) => complaint.pause_after(&error).await,
            }
        }
    }

    fn serve(&self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        // Without it small events wait for the client's delayed acknowledgement (40 ms).
        let _ = stream.set_nodelay(true);
        let (app, http, ending) = (self.app.clone(), self.http.clone(), self.ending.subscribe());
        let (header_timeout, write_timeout) = self.timeouts;
        let tls = self.tls.clone().map(|tls| (tls, self.handshakes.clone()));
        tokio::spawn(async move {
            let wire = match tls {
                None => Some(Wire::Plain(stream)),
                Some((tls, handshakes)) => {
                    let shaken = tokio::time::timeout(header_timeout, shake_hands(stream, &tls, &handshakes));
                    shaken.await.ok().flatten()
                }
            };
            let Some(wire) = wire else { return };
            let health_watch = Arc::new(HealthWatch::default());
            let watched = health_watch.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let (app, pulse) = (app.clone(), pulse(&watched, request.version()));
                // In a box, so that a connection keeps no room for a request while it waits, or streams.
                Box::pin(
                    async move { app.serve(request).await.map(|reply| reply.map(|body| Attended { body, pulse })) },
                )
            });
            let stream = Patient::new(wire, header_timeout, write_timeout);
            let connection = http.serve_connection(Together::new(TokioIo::new(stream)), service);
            attend(connection, &health_watch, (header_timeout, write_timeout), ending).await;
            drop(permit);
        });
    }
}

/// HTTP/2 needs somebody to look after it; what came on HTTP/1 is under timeouts of its own.
fn pulse(health_watch: &HealthWatch, version: Version) -> Option<Arc<Pulse>> {
    if version == Version::HTTP_2 {
        return Some(health_watch.enter());
    }
    health_watch.dismiss();
    None
}

/// Serves a connection until it is over, or nobody is worth it.
async fn attend(
    connection: impl GracefulConnection,
    health_watch: &HealthWatch,
    (idle_after, stuck_after): (Duration, Duration),
    mut ending: watch::Receiver<bool>,
) {
    tokio::pin!(connection);
    let mut told = false;
    loop {
        tokio::select! {
            // An error here is the client's: it went away, is too slow, or does not speak HTTP.
            _ = connection.as_mut() => return,
            verdict = health_watch.keep(idle_after, stuck_after) => {
                if told || verdict == Verdict::Stuck {
                    return;
                }
            }
            _ = ending.wait_for(|ending| *ending), if !told => {}
        }
        told = true;
        connection.as_mut().graceful_shutdown();
    }
}

/// None for a client that wants something else, or another certificate.
async fn shake_hands(stream: TcpStream, tls: &TlsAcceptor, handshakes: &Semaphore) -> Option<Wire> {
    let _turn = handshakes.acquire().await.ok()?;
    let shaken = tls.accept(stream).await;
    shaken
        .inspect_err(|error| tracing::debug!(%error, "a client did not finish the TLS handshake"))
        .ok()
        .map(|stream| Wire::Tls(Box::new(stream)))
}

/// For a listener that is about to close: who is half connected may finish, who is not yet is not heard and, trying again
/// by itself a second later, finds another process on this port. Closing at once would reset them instead.
/// The program looks at the flags of the TCP header: SYN without ACK is dropped.
#[cfg(target_os = "linux")]
const NO_NEW_CONNECTIONS: [SockFilter; 5] = [
    SockFilter::new(0x30, 0, 0, 13),       // load the byte of the flags
    SockFilter::new(0x54, 0, 0, 0x12),     // only SYN and ACK
    SockFilter::new(0x15, 0, 1, 0x02),     // SYN alone?
    SockFilter::new(0x06, 0, 0, 0),        // drop it
    SockFilter::new(0x06, 0, 0, u32::MAX), // take all else
];

fn http_builder(header_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(header_timeout).max_buf_size(MAX_HEADER_BYTES * 4);
    http.http2().timer(TokioTimer::new()).max_header_list_size(MAX_HEADER_BYTES as u32);
    http
}

/// Connections that could not be accepted: out of file descriptors is no reason to spin, nor to say so at every turn.
#[derive(Default)]
struct Complaint {
    said: Option<Instant>,
    /// Not said since.
    more: u64,
}

impl Complaint {
    async fn pause_after(&mut self, error: &io::Error) {
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return;
        }
        if self.is_due(Instant::now()) {
            let before = std::mem::take(&mut self.more);
            tracing::warn!(%error, before, "cannot accept a connection; raise the limit of open files (ulimit -n)");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// Counts one, and tells whether it is to be said.
    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.said.is_none_or(|said| now.duration_since(said) >= COMPLAIN_EVERY);
        match due {
            true => self.said = Some(now),
            false => self.more += 1,
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_said_now_and_then() {
        let (mut complaint, began) = (Complaint::default(), Instant::now());
        let said = (0..100).filter(|at| complaint.is_due(began + COMPLAIN_EVERY / 40 * *at)).count();
        assert_eq!((said, complaint.more), (3, 97));
    }
}
