//! The thread beside the workers: says that this replica is there, begins each session with all that it knows, and looks
//! whether the database still knows it.

mod beat;

use super::address::{self, Address};
use super::ask::number;
use super::line::CONNECT_WITHIN;
use super::sessions::Reading;
use super::{Changed, Shared, evicting};
use crate::metrics::Metrics;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, Value};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tierway::SystemClock;
use tierway_config::SharedConfig;
use tokio::sync::Notify;

/// Purses or paces in one round trip that tells all of them.
const AT_ONCE: usize = 256;
/// How often a replica says that it is there, and hears how budgets stand.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// What the others get to tell anew what they know, when the database has forgotten it: three of their attempts.
const RETELLING_MS: u64 = 3_000;
/// Telling everything anew takes some round trips.
const RETELL_WITHIN: Duration = Duration::from_secs(5);

/// The keeper's thread; dropping it ends it.
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
        let client = address::client(config, url)?;
        let shared = Arc::new(Shared::new(config, Address::new(client.clone(), config)?, me, metrics));
        let stop = Arc::new(Notify::new());
        let (stopped, known) = (stop.clone(), shared.clone());
        let (ready, is_ready) = std::sync::mpsc::channel();
        let run = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return tracing::error!(%error, "no runtime for what replicas share; each goes on alone"),
            };
            runtime.block_on(async {
                let mut keeper = Keeper::new(client, known, clock);
                keeper.connect().await;
                let _ = ready.send(());
                keeper.keep(&stopped).await;
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

struct Keeper {
    client: Client,
    shared: Arc<Shared>,
    clock: Arc<SystemClock>,
    connection: Option<MultiplexedConnection>,
    /// Workers have asked in the latest session, so the next one has another name.
    opened: bool,
    /// The last of them, until all that was open in it is told in a later one: that may take several connections.
    leaving: Option<String>,
    /// When the database may be asked: it may have to hear of others first.
    usable_at: Instant,
    /// It was reached before, so this replica may know what the database has forgotten.
    was_up: bool,
    said_lost: bool,
    heard: usize,
    sessions: Reading,
    /// What was said of its memory.
    said_evicts: Option<String>,
}

impl Keeper {
    fn new(client: Client, shared: Arc<Shared>, clock: Arc<SystemClock>) -> Self {
        Self {
            client,
            shared,
            clock,
            connection: None,
            opened: false,
            leaving: None,
            usable_at: Instant::now(),
            was_up: false,
            said_lost: false,
            heard: 0,
            sessions: Reading::new(),
            said_evicts: None,
        }
    }

    async fn keep(&mut self, stop: &Notify) {
        let mut beat = tokio::time::interval(HEARTBEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.notified() => break,
                _ = beat.tick() => self.beat().await,
            }
        }
        self.farewell().await;
    }

    fn session(&self) -> (u64, String) {
        let session = self.shared.session.load(Ordering::SeqCst);
        (session, self.shared.session_name(session))
    }

    /// Answers, or none and the connection is lost.
    async fn query(&mut self, pipe: &Pipeline) -> Option<Vec<Value>> {
        let connection = self.connection.as_mut()?;
        match tokio::time::timeout(self.shared.timeout, pipe.query_async::<Vec<Value>>(connection)).await {
            Ok(Ok(answers)) => return Some(answers),
            Ok(Err(error)) => self.lost(&error.to_string()),
            Err(_) => self.lost(&self.shared.too_late()),
        }
        None
    }

    fn lost(&mut self, cause: &str) {
        self.connection = None;
        self.shared.open.store(0, Ordering::SeqCst);
        self.say_lost(cause);
    }

    fn say_lost(&mut self, cause: &str) {
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

    /// What a worker said of why it ended the session.
    fn hear_cause(&mut self) {
        let cause = self.shared.cause.lock().unwrap_or_else(PoisonError::into_inner).take();
        cause.into_iter().for_each(|cause| self.say_lost(&cause));
    }

    async fn connect(&mut self) {
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let opening = self.client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(CONNECT_WITHIN, opening).await {
            Ok(Ok(connection)) => self.connection = Some(connection),
            Ok(Err(error)) => return self.lost(&error.to_string()),
            Err(_) => return self.lost("no connection within a second"),
        }
        if self.renew().await {
            self.beat_once().await;
            self.warn_of_eviction().await;
        }
    }

    /// Begins a session with all that this replica knows.
    async fn renew(&mut self) -> bool {
        match tokio::time::timeout(RETELL_WITHIN, self.retell()).await {
            Err(_) => self.lost("it does not take what this replica knows"),
            Ok(Err(error)) => self.lost(&error.to_string()),
            Ok(Ok(wait_ms)) => {
                self.usable_at = Instant::now() + Duration::from_millis(wait_ms);
                self.was_up = true;
                return true;
            }
        }
        false
    }

    /// Says once what is wrong with its memory.
    async fn warn_of_eviction(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let Ok(evicts) = tokio::time::timeout(self.shared.timeout, evicting::evicts(connection)).await else { return };
        if let Some(why) = evicts.as_ref().filter(|_| evicts != self.said_evicts) {
            tracing::warn!("[shared] {why}");
        }
        self.said_evicts = evicts;
    }

    /// Tells everything that this replica knows; gives how long the others may need for the same, milliseconds.
    async fn retell(&mut self) -> Result<u64, RedisError> {
        let Some(mut connection) = self.connection.clone() else { return Ok(0) };
        // Nobody asks from here on, and who has asked is answered too late ([`super::tally`]).
        self.shared.open.store(0, Ordering::SeqCst);
        if std::mem::take(&mut self.opened) {
            self.leaving = Some(self.session().1);
            self.shared.session.fetch_add(1, Ordering::SeqCst);
        }
        let (number_of_it, name) = self.session();
        let before = self.leaving.clone().unwrap_or_else(|| name.clone());
        let (shared, session) = (self.shared.clone(), (number_of_it, name.as_str()));
        let mut pipe = Pipeline::new();
        shared.scripts.load(&mut pipe);
        self.say_alive(&mut pipe);
        pipe.query_async::<Value>(&mut connection).await?;
        let (books, paces): (Vec<_>, Vec<_>) = {
            let shelf = shared.shelf();
            (shelf.books.values().cloned().collect(), shelf.paces.values().cloned().collect())
        };
        for books in books.chunks(AT_ONCE) {
            let mut pipe = Pipeline::new();
            books.iter().for_each(|book| shared.scripts.begin_book(&mut pipe, &shared.me, &before, session, book));
            pipe.query_async::<Value>(&mut connection).await?;
        }
        for paces in paces.chunks(AT_ONCE) {
            let mut pipe = Pipeline::new();
            paces.iter().for_each(|pace| shared.scripts.begin_pace(&mut pipe, &before, session, pace));
            if !pipe.is_empty() {
                pipe.query_async::<Value>(&mut connection).await?;
            }
        }
        let mut pipe = Pipeline::new();
        if before != name {
            self.say_gone(&mut pipe, &before);
        }
        // Who found it away knows that others may have been there before.
        let grant = if self.was_up || self.said_lost { RETELLING_MS } else { 0 };
        pipe.add_command(shared.scripts.hello(&shared.name("born"), grant));
        let answers = pipe.query_async::<Vec<Value>>(&mut connection).await?;
        self.leaving = None;
        Ok(answers.first().and_then(number).and_then(|ms| u64::try_from(ms).ok()).unwrap_or(RETELLING_MS))
    }

    /// Tells all of these again.
    async fn tell(&mut self, changed: &[Changed<'_>]) {
        let (shared, name) = (self.shared.clone(), self.session().1);
        for changed in changed.chunks(AT_ONCE) {
            let mut pipe = Pipeline::new();
            pipe.add_command(shared.scripts.tell(&shared.me, &name, changed)).ignore();
            if self.query(&pipe).await.is_none() {
                return;
            }
        }
    }
}
