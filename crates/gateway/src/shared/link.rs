//! The connection: one thread keeps it up, says that this replica is there, and tells what was settled.

use super::{Book, Books, GONE_AFTER, HEARTBEAT, Names, PATIENCE};
use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, Script, ScriptInvocation, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};
use tierway_decide::Usd;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::Notify;

/// At most so much is told in one go.
const AT_ONCE: usize = 256;

/// What is told without waiting. One for each request that ends, so there are never more than requests in progress.
enum Told {
    Settled { book: Arc<Book>, reserved: Usd },
    Tokens { speed: String, tpm: u32, more: i64 },
}

/// What all workers see.
pub(crate) struct Shared {
    pub(crate) names: Names,
    pub(crate) me: String,
    pub(crate) books: Books,
    connection: ArcSwapOption<MultiplexedConnection>,
    replicas: AtomicU32,
    told: UnboundedSender<Told>,
    broken: Notify,
    reserve: Script,
}

impl Shared {
    /// Replicas that were there when they could last be counted, this one included: its share of every limit while nobody
    /// can be asked.
    pub(crate) fn replicas(&self) -> u32 {
        self.replicas.load(Ordering::Relaxed).max(1)
    }

    /// Asks for a reservation; none when nobody could be asked.
    pub(crate) async fn reserve(&self, fill: impl FnOnce(&mut ScriptInvocation<'_>)) -> Option<Vec<Value>> {
        let mut connection = self.connection.load_full()?.as_ref().clone();
        let mut invocation = self.reserve.prepare_invoke();
        fill(&mut invocation);
        match invocation.invoke_async::<Vec<Value>>(&mut connection).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.lost(&error);
                None
            }
        }
    }

    /// Tells what a request came to, some time soon.
    pub(crate) fn settled(&self, book: Arc<Book>, reserved: Usd) {
        // Without a thread that listens the gateway is being stopped.
        let _ = self.told.send(Told::Settled { book, reserved });
    }

    pub(crate) fn tokens(&self, speed: String, tpm: u32, more: i64) {
        let _ = self.told.send(Told::Tokens { speed, tpm, more });
    }

    pub(crate) fn is_up(&self) -> bool {
        self.connection.load().is_some()
    }

    fn lost(&self, error: &RedisError) {
        if self.connection.swap(None).is_some() {
            let replicas = self.replicas();
            tracing::error!(%error, replicas, "shared state cannot be reached; limits and budgets are kept here, this replica's share of them");
            self.broken.notify_one();
        }
    }
}

/// The thread of the connection; dropping it ends it.
pub(crate) struct Link {
    shared: Arc<Shared>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Begins to connect; serving does not wait for it for longer than an answer may take.
    pub(crate) fn start(url: &str, prefix: &str, me: String) -> Result<Self, String> {
        let client = Client::open(url).map_err(|error| error.to_string())?;
        let (told, hear) = unbounded_channel();
        let shared = Arc::new(Shared {
            names: Names { prefix: prefix.to_owned() },
            me,
            books: Books::default(),
            connection: ArcSwapOption::empty(),
            replicas: AtomicU32::new(1),
            told,
            broken: Notify::new(),
            reserve: Script::new(include_str!("reserve.lua")),
        });
        let (stop, known) = (Arc::new(Notify::new()), shared.clone());
        let stopped = stop.clone();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let run = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return tracing::error!(%error, "no runtime for shared state"),
            };
            runtime.block_on(async move {
                let mut keeper = Keeper { client, shared: known, hear };
                keeper.connect().await;
                let _ = ready.send(());
                tokio::select! {
                    () = keeper.keep() => {}
                    () = stopped.notified() => {}
                }
                keeper.farewell().await;
            });
        };
        let thread = std::thread::Builder::new().name("shared".into()).spawn(run).map_err(|error| error.to_string())?;
        let _ = is_ready.recv_timeout(2 * PATIENCE);
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
    hear: UnboundedReceiver<Told>,
}

impl Keeper {
    async fn keep(&mut self) {
        let mut beat = tokio::time::interval(HEARTBEAT);
        let mut batch = Vec::with_capacity(AT_ONCE);
        let shared = self.shared.clone();
        loop {
            tokio::select! {
                count = self.hear.recv_many(&mut batch, AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                    self.tell(&batch).await;
                    batch.clear();
                }
                _ = beat.tick() => match self.shared.connection.load_full() {
                    Some(connection) => self.say_alive(&connection).await,
                    None => self.connect().await,
                },
                () = shared.broken.notified() => {}
            }
        }
    }

    /// Connects, and tells everything anew that may not have arrived.
    async fn connect(&mut self) {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE)).set_connection_timeout(Some(PATIENCE));
        let opened = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let synced = match opened {
            Ok(connection) => self.sync(connection).await,
            Err(error) => Err(error),
        };
        match synced {
            Ok(connection) => {
                self.say_alive(&connection).await;
                self.shared.connection.store(Some(Arc::new(connection)));
                tracing::info!(replicas = self.shared.replicas(), "state is shared");
            }
            Err(error) => tracing::debug!(%error, "shared state cannot be reached yet"),
        }
    }

    async fn sync(&mut self, mut connection: MultiplexedConnection) -> Result<MultiplexedConnection, RedisError> {
        // What waits to be told is part of the sums below.
        while self.hear.try_recv().is_ok() {}
        let (settle, me) = (Script::new(include_str!("settle.lua")), &self.shared.me);
        settle.load_async(&mut connection).await?;
        Script::new(include_str!("correct.lua")).load_async(&mut connection).await?;
        self.shared.reserve.load_async(&mut connection).await?;
        let books = self.shared.books.all();
        for books in books.chunks(AT_ONCE) {
            let mut pipe = Pipeline::new();
            for book in books {
                pipe.hset(&book.key, format!("r:{me}"), book.open()).ignore();
                let mut invocation = settle.key(&book.key);
                pipe.invoke_script(invocation.arg(me).arg(0).arg(book.settled()).arg(book.keep_s)).ignore();
            }
            pipe.query_async::<()>(&mut connection).await?;
        }
        Ok(connection)
    }

    async fn tell(&self, batch: &[Told]) {
        let Some(connection) = self.shared.connection.load_full() else { return };
        let (settle, correct) = (Script::new(include_str!("settle.lua")), Script::new(include_str!("correct.lua")));
        let mut pipe = Pipeline::new();
        for told in batch {
            match told {
                Told::Settled { book, reserved } => {
                    let mut invocation = settle.key(&book.key);
                    invocation.arg(&self.shared.me).arg(reserved.picos()).arg(book.settled()).arg(book.keep_s);
                    pipe.invoke_script(&invocation).ignore();
                }
                Told::Tokens { speed, tpm, more } => {
                    let mut invocation = correct.key(speed);
                    pipe.invoke_script(invocation.arg(*tpm).arg(*more)).ignore();
                }
            }
        }
        if let Err(error) = pipe.query_async::<()>(&mut connection.as_ref().clone()).await {
            self.shared.lost(&error);
        }
    }

    async fn say_alive(&self, connection: &MultiplexedConnection) {
        let (names, me) = (&self.shared.names, &self.shared.me);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let gone = since.saturating_sub(GONE_AFTER.as_secs());
        let mut pipe = Pipeline::new();
        pipe.set_ex(format!("{}{me}", names.alive()), since, GONE_AFTER.as_secs()).ignore();
        pipe.zadd(names.replicas(), me, since).ignore();
        pipe.zrembyscore(names.replicas(), 0, gone).ignore();
        pipe.zcard(names.replicas());
        match pipe.query_async::<(u32,)>(&mut connection.clone()).await {
            Ok((replicas,)) => self.shared.replicas.store(replicas, Ordering::Relaxed),
            Err(error) => self.shared.lost(&error),
        }
    }

    /// Tells what is left to be told, and that this replica is no longer there.
    async fn farewell(&mut self) {
        let mut batch = Vec::new();
        while let Ok(told) = self.hear.try_recv() {
            batch.push(told);
        }
        self.tell(&batch).await;
        let Some(connection) = self.shared.connection.load_full() else { return };
        let (names, me) = (&self.shared.names, &self.shared.me);
        let mut pipe = Pipeline::new();
        pipe.del(format!("{}{me}", names.alive())).ignore();
        pipe.zrem(names.replicas(), me).ignore();
        let _ = pipe.query_async::<()>(&mut connection.as_ref().clone()).await;
    }
}
