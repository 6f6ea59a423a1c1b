//! Listeners, workers, and a shutdown that loses nothing.
//!
//! One single-threaded runtime per core, each with its own listener on the shared port (`SO_REUSEPORT`) and its own pool of
//! upstream connections: a request lives and dies on one core, so nothing on its way takes a contended lock.

use crate::app::App;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// A client that does not finish its headers in this time is cut off (slow-loris).
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(20);
/// Room for the headers of one request; SDKs send two to four kilobytes.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// Connections waiting to be accepted, per worker.
const BACKLOG: i32 = 4096;
/// After the grace time streams get this long to write their last event.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What the listeners need to know.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Worker threads; each has a listener.
    pub workers: usize,
    /// How long running requests may go on after a stop.
    pub grace: Duration,
    /// Open client connections per worker; more wait in the backlog.
    pub max_connections: usize,
}

/// The running workers.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Binds all listeners, then starts the workers. `app` makes the application of each worker.
    ///
    /// # Errors
    /// When the address cannot be bound or a thread cannot start.
    pub fn start(options: &ServerOptions, mut app: impl FnMut(usize) -> Arc<App>) -> io::Result<Self> {
        let first = listener(options.listen)?;
        // Port 0 is settled by the first listener; the others share it.
        let address = first.local_addr()?;
        let mut listeners = vec![first];
        for _ in 1..options.workers.max(1) {
            listeners.push(listener(address)?);
        }
        let (stop, stopped) = watch::channel(false);
        let mut workers = Vec::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            let worker = Worker { app: app(index), stopped: stopped.clone(), options: options.clone() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            workers.push(thread.spawn(move || {
                runtime.block_on(worker.run(listener));
                // Whatever still hangs after the grace time is dropped with the runtime.
                runtime.shutdown_timeout(Duration::from_millis(100));
            })?);
        }
        Ok(Self { address, stop, workers })
    }

    /// Where it listens, with the port that was really taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets running requests finish within the grace time, ends the others with a clear error.
    /// Returns when every worker is done.
    pub fn stop(self) {
        self.stop.send_replace(true);
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
    stopped: watch::Receiver<bool>,
    options: ServerOptions,
}

impl Worker {
    async fn run(mut self, listener: StdListener) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "a worker cannot use its listener"),
        };
        let (graceful, room) = (GracefulShutdown::new(), Arc::new(Semaphore::new(self.options.max_connections)));
        let http = Arc::new(http_builder());
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else { break };
            let stream = tokio::select! {
                biased;
                _ = self.stopped.wait_for(|stopped| *stopped) => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => { pause_after(&error).await; continue }
                },
            };
            // Without it small events wait for the client's delayed acknowledgement (40 ms).
            let _ = stream.set_nodelay(true);
            let (app, http) = (self.app.clone(), http.clone());
            let watcher = graceful.watcher();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let app = app.clone();
                    async move { app.serve(request).await }
                });
                let connection = http.serve_connection(TokioIo::new(stream), service);
                // An error here is the client's: it went away or does not speak HTTP.
                let _ = watcher.watch(connection).await;
                drop(permit);
            });
        }
        drop(listener);
        self.drain(graceful).await;
    }

    /// Lets running requests finish; after the grace time tells streams to say their last words.
    async fn drain(&self, graceful: GracefulShutdown) {
        let finished = graceful.shutdown();
        tokio::pin!(finished);
        if tokio::time::timeout(self.options.grace, &mut finished).await.is_err() {
            self.app.cut_off.store(true, Ordering::Relaxed);
            let _ = tokio::time::timeout(LAST_WORDS, &mut finished).await;
        }
    }
}

fn http_builder() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_READ_TIMEOUT).max_buf_size(MAX_HEADER_BYTES * 4);
    http.http2().timer(TokioTimer::new()).max_header_list_size(MAX_HEADER_BYTES as u32);
    http
}

/// Out of file descriptors is no reason to spin.
async fn pause_after(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tracing::warn!(%error, "cannot accept a connection; raise the limit of open files (ulimit -n)");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
