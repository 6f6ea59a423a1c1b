//! The thread that has the connection: asks for requests, tells what was settled, says that this replica is there.
//!
//! It is the only one that asks, one batch after the other, so it always knows what was granted to this replica: an answer
//! that nobody waits for any longer is given back, and after a lost connection it is told anew how this replica stands.

mod beat;

use super::ask::{Answer, Ask, number};
use super::books::{Book, Pace};
use super::sessions::Reading;
use super::{Changed, Shared, Told, evicting};
use crate::metrics::Metrics;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, Script, TlsCertificates, Value};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tierway::SystemClock;
use tierway_config::SharedConfig;
use tokio::sync::{Notify, mpsc, oneshot};

/// At most so much is asked or told in one round trip.
const AT_ONCE: usize = 256;
/// How often a replica says that it is there, and hears how budgets stand.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// What the others get to tell anew what they know, when the database has forgotten it: three of their attempts.
const RETELLING_MS: u64 = 3_000;
/// Connecting takes longer than an answer: names are looked up, TLS is agreed upon.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Telling everything anew takes some round trips.
const RETELL_WITHIN: Duration = Duration::from_secs(5);

/// The thread of the connection; dropping it ends it.
pub(crate) struct Link {
    shared: Arc<Shared>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Begins to connect, and waits a moment for it, so that the first requests are counted by all. A database that cannot
    /// be reached is no error: it is tried again.
    ///
    /// # Errors
    /// A URL that is none; without the URL, which may hold a password.
    pub(crate) fn start(
        config: &SharedConfig,
        url: &str,
        me: String,
        clock: Arc<SystemClock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, String> {
        let client = client(config, url)?;
        let (told, hear) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            prefix: config.prefix.clone(),
            me,
            up: false.into(),
            replicas: AtomicU32::new(config.replicas),
            told,
            setup: None.into(),
            metrics,
        });
        let stop = Arc::new(Notify::new());
        let (stopped, known) = (stop.clone(), shared.clone());
        let timeout = Duration::from_millis(config.timeout_ms.into());
        let (ready, is_ready) = std::sync::mpsc::channel();
        let run = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return tracing::error!(%error, "no runtime for what replicas share; each goes on alone"),
            };
            runtime.block_on(async {
                let mut keeper = Keeper::new(client, known, clock, timeout);
                keeper.connect().await;
                let _ = ready.send(());
                keeper.keep(hear, &stopped).await;
            });
        };
        let thread = std::thread::Builder::new().name("shared".into()).spawn(run).map_err(|error| error.to_string())?;
        let _ = is_ready.recv_timeout(2 * CONNECT_WITHIN);
        Ok(Self { shared, stop, thread: Some(thread) })
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A client for an address; nothing is connected yet.
///
/// # Errors
/// What is wrong with it; without the URL, which may hold a password.
pub(super) fn client(config: &SharedConfig, url: &str) -> Result<Client, String> {
    let Some(path) = &config.ca_file else { return Client::open(url).map_err(|error| error.category().to_owned()) };
    let authorities = std::fs::read(path).map_err(|error| format!("ca_file {}: {error}", path.display()))?;
    if !url.trim_start().to_ascii_lowercase().starts_with("rediss://") {
        return Err("ca_file is for a rediss:// address".into());
    }
    if CertificateDer::pem_slice_iter(&authorities).next().is_none() {
        return Err(format!("ca_file {} holds no certificate as PEM", path.display()));
    }
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(authorities) };
    Client::build_with_tls(url, certificates).map_err(|error| error.category().to_owned())
}

/// A script, and the digest by which the server knows it.
struct Code {
    text: &'static str,
    digest: String,
}

impl Code {
    fn new(text: &'static str) -> Self {
        Self { text, digest: Script::new(text).get_hash().to_owned() }
    }
}

struct Scripts {
    reserve: Code,
    purse: Code,
    pace: Code,
    hello: Code,
}

struct Keeper {
    client: Client,
    shared: Arc<Shared>,
    clock: Arc<SystemClock>,
    timeout: Duration,
    scripts: Scripts,
    connection: Option<MultiplexedConnection>,
    /// When the database may be asked: it may have to hear of others first.
    usable_at: Instant,
    /// It was reached before, so this replica may know what the database has forgotten.
    was_up: bool,
    said_lost: bool,
    books: HashMap<String, Arc<Book>>,
    paces: HashMap<String, Arc<Pace>>,
    heard: usize,
    sessions: Reading,
    /// What was said of its memory.
    said_evicts: Option<String>,
}

impl Keeper {
    fn new(client: Client, shared: Arc<Shared>, clock: Arc<SystemClock>, timeout: Duration) -> Self {
        let scripts = Scripts {
            reserve: Code::new(include_str!("reserve.lua")),
            purse: Code::new(include_str!("purse.lua")),
            pace: Code::new(include_str!("pace.lua")),
            hello: Code::new(include_str!("hello.lua")),
        };
        let (books, paces) = Default::default();
        Self {
            client,
            shared,
            clock,
            timeout,
            scripts,
            connection: None,
            usable_at: Instant::now(),
            was_up: false,
            said_lost: false,
            books,
            paces,
            heard: 0,
            sessions: Reading::new(),
            said_evicts: None,
        }
    }

    async fn keep(&mut self, mut hear: mpsc::UnboundedReceiver<Told>, stop: &Notify) {
        let mut beat = tokio::time::interval(HEARTBEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(AT_ONCE);
        loop {
            // Nobody who asked waits for a connection; nor does a sign of life wait for those who ask.
            while self.connection.is_none()
                && let Ok(told) = hear.try_recv()
            {
                batch.push(told);
            }
            self.serve(&mut batch).await;
            tokio::select! {
                biased;
                () = stop.notified() => break,
                _ = beat.tick() => self.beat().await,
                _ = hear.recv_many(&mut batch, AT_ONCE) => self.serve(&mut batch).await,
            }
        }
        hear.close();
        while hear.recv_many(&mut batch, AT_ONCE).await > 0 {
            self.serve(&mut batch).await;
        }
        self.farewell().await;
    }

    /// One round trip for everything that came in the meantime.
    async fn serve(&mut self, batch: &mut Vec<Told>) {
        let mut asks: Vec<(Ask, oneshot::Sender<Answer>)> = Vec::new();
        let (mut books, mut paces) = (Vec::new(), Vec::new());
        for told in batch.drain(..) {
            match told {
                Told::Ask(ask, reply) if !reply.is_closed() => asks.push((ask, reply)),
                Told::Ask(..) => {}
                Told::Changed(changed) => changed.into_iter().for_each(|changed| match changed {
                    Changed::Book(book) => books.push(self.books.entry(book.name.clone()).or_insert(book).clone()),
                    Changed::Pace(pace) => paces.push(self.paces.entry(pace.name.clone()).or_insert(pace).clone()),
                }),
            }
        }
        if self.connection.is_none() {
            books.iter().for_each(|book| book.telling());
            paces.iter().for_each(|pace| pace.telling());
            // Who asked is not answered, and goes on alone.
            return;
        }
        if Instant::now() < self.usable_at {
            asks.clear();
        }
        let mut pipe = Pipeline::new();
        // Before the requests: what has ended makes room for them.
        books.iter().for_each(|book| self.write_book(&mut pipe, book, false));
        paces.iter().for_each(|pace| self.write_pace(&mut pipe, pace));
        let alive = self.shared.name("alive:");
        for (ask, _) in &asks {
            ask.write(&mut pipe, &self.scripts.reserve.digest, &self.shared.me, &alive);
        }
        if pipe.is_empty() {
            return;
        }
        let Some(answers) = self.query(&pipe).await else { return };
        for ((ask, reply), answer) in asks.into_iter().zip(&answers) {
            if let Some(answer) = Answer::read(answer, ask, &self.shared) {
                // What nobody waits for any longer is given back when it is dropped.
                let _ = reply.send(answer);
            }
        }
    }

    fn write_book(&self, pipe: &mut Pipeline, book: &Book, all: bool) {
        book.telling();
        let call = pipe.cmd("EVALSHA").arg(&self.scripts.purse.digest).arg(1).arg(&book.name);
        call.arg(&self.shared.me).arg(book.share.open().picos()).arg(book.keep_s).arg(book.base());
        call.arg(&self.shared.me).arg(book.share.settled().picos());
        if all {
            for (replica, settled) in book.settled().iter().filter(|(replica, _)| **replica != self.shared.me) {
                call.arg(replica).arg(settled);
            }
        }
        call.ignore();
    }

    fn write_pace(&self, pipe: &mut Pipeline, pace: &Pace) {
        pace.telling();
        let (tpm, more) = pace.correction();
        let call = pipe.cmd("EVALSHA").arg(&self.scripts.pace.digest).arg(1).arg(&pace.name);
        call.arg(&self.shared.me).arg(pace.active()).arg(tpm).arg(more).ignore();
    }

    /// Answers, or none and the connection is lost.
    async fn query(&mut self, pipe: &Pipeline) -> Option<Vec<Value>> {
        let connection = self.connection.as_mut()?;
        match tokio::time::timeout(self.timeout, pipe.query_async::<Vec<Value>>(connection)).await {
            Ok(Ok(answers)) => return Some(answers),
            Ok(Err(error)) => self.lost(&error.to_string()),
            Err(_) => self.lost(&format!("no answer within {} ms", self.timeout.as_millis())),
        }
        None
    }

    fn lost(&mut self, cause: &str) {
        self.connection = None;
        self.shared.up.store(false, Ordering::Release);
        let replicas = self.shared.replicas();
        self.shared.metrics.shared(false, replicas);
        if !std::mem::replace(&mut self.said_lost, true) {
            tracing::error!(
                cause,
                replicas,
                "what replicas share cannot be reached; this one goes on alone with its part of limits and budgets"
            );
        }
    }

    async fn connect(&mut self) {
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let opening = self.client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(CONNECT_WITHIN, opening).await {
            Ok(Ok(connection)) => self.connection = Some(connection),
            Ok(Err(error)) => return self.lost(&error.to_string()),
            Err(_) => return self.lost("no connection within a second"),
        }
        match tokio::time::timeout(RETELL_WITHIN, self.retell()).await {
            Err(_) => self.lost("it does not take what this replica knows"),
            Ok(Ok(wait_ms)) => {
                self.usable_at = Instant::now() + Duration::from_millis(wait_ms);
                self.was_up = true;
                self.beat_once().await;
                self.warn_of_eviction().await;
            }
            Ok(Err(error)) => self.lost(&error.to_string()),
        }
    }

    /// Says once what is wrong with its memory.
    async fn warn_of_eviction(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let Ok(evicts) = tokio::time::timeout(self.timeout, evicting::evicts(connection)).await else { return };
        if let Some(why) = evicts.as_ref().filter(|_| evicts != self.said_evicts) {
            tracing::warn!("[shared] {why}");
        }
        self.said_evicts = evicts;
    }

    /// Tells everything that this replica knows; gives how long the others may need for the same, milliseconds.
    async fn retell(&mut self) -> Result<u64, RedisError> {
        let Some(mut connection) = self.connection.clone() else { return Ok(0) };
        let mut pipe = Pipeline::new();
        for script in [&self.scripts.reserve, &self.scripts.purse, &self.scripts.pace, &self.scripts.hello] {
            pipe.cmd("SCRIPT").arg("LOAD").arg(script.text).ignore();
        }
        self.say_alive(&mut pipe);
        pipe.query_async::<Value>(&mut connection).await?;
        let (books, paces): (Vec<_>, Vec<_>) =
            (self.books.values().cloned().collect(), self.paces.values().cloned().collect());
        for books in books.chunks(AT_ONCE) {
            let mut pipe = Pipeline::new();
            books.iter().for_each(|book| self.write_book(&mut pipe, book, true));
            pipe.query_async::<Value>(&mut connection).await?;
        }
        for paces in paces.chunks(AT_ONCE) {
            let mut pipe = Pipeline::new();
            paces.iter().for_each(|pace| self.write_pace(&mut pipe, pace));
            pipe.query_async::<Value>(&mut connection).await?;
        }
        let mut pipe = Pipeline::new();
        let grant = if self.was_up { RETELLING_MS } else { 0 };
        pipe.cmd("EVALSHA").arg(&self.scripts.hello.digest).arg(1).arg(self.shared.name("born")).arg(grant);
        let answers = pipe.query_async::<Vec<Value>>(&mut connection).await?;
        Ok(answers.first().and_then(number).and_then(|ms| u64::try_from(ms).ok()).unwrap_or(RETELLING_MS))
    }
}
