//! One worker's connection to what replicas share, driven on its own runtime: a request that asks wakes no other thread.
//!
//! Requests that come at the same time ask in one write. What is told needs no answer: the server is asked to give none, so
//! that nobody is woken for it. Anything that goes wrong while a request is asked for ends the session for all workers
//! ([`Shared::fail`]), as nobody knows any longer what the database has taken; the next session tells it anew. A connection
//! that ends while nobody asks is just made again by who asks next: what was told on it the keeper tells within a second.
//! Corrections of a minute's requests and tokens that were told in that moment are lost.

use super::address::Address;
use super::ask::{Answer, Ask, Asked};
use super::reply::{self, Reply};
use super::{Changed, Shared};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

/// Connecting takes longer than an answer: names are looked up, TLS is agreed upon.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// What was not spoken on for so long is asked whether it is still there: servers, and what lies before them, close what is idle.
const PING_AFTER: Duration = Duration::from_secs(30);
/// The server gives no answer to what comes next.
const NO_REPLY: &[u8] = b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n";

thread_local! {
    /// Of this worker: one for each gateway that it works for, which are several in tests alone.
    static LINES: std::cell::RefCell<Vec<Arc<Line>>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// A worker's connection in one session.
pub(super) struct Line {
    session: u64,
    /// Its name in the database, and whose it is.
    name: String,
    me: String,
    queue: Mutex<Queue>,
    filled: Notify,
    /// It is connected, or never will be.
    ready: watch::Sender<bool>,
}

/// What is to be written, and who waits for answers, in their order.
#[derive(Default)]
struct Queue {
    out: Vec<u8>,
    waiting: VecDeque<Waiting>,
    /// It gives no answers where none is wanted.
    skips: bool,
    over: bool,
}

enum Waiting {
    /// Who waits, unless it was too long already; and since when.
    Request(Asked, Option<oneshot::Sender<Answer>>, Instant),
    /// Told to a server that cannot be kept from answering, or asked whether it is there.
    Nobody,
}

impl Queue {
    /// Since when who has waited longest waits.
    fn oldest(&self) -> Option<Instant> {
        self.waiting.iter().find_map(|waiting| match waiting {
            Waiting::Request(_, Some(_), since) => Some(*since),
            _ => None,
        })
    }

    /// Lets those go on alone who have waited so long.
    fn let_go(&mut self, longest: Duration) {
        for waiting in &mut self.waiting {
            if let Waiting::Request(_, asked, since) = waiting {
                if since.elapsed() < longest {
                    break;
                }
                *asked = None;
            }
        }
    }
}

/// This worker's line in a session, where it has one.
fn find(shared: &Shared, session: u64) -> Option<Arc<Line>> {
    let ours = |line: &&Arc<Line>| line.session == session && line.me == shared.me && !line.queue().over;
    LINES.with_borrow(|lines| lines.iter().find(ours).cloned())
}

/// Asks in this session; none when nobody answers in time. What is granted later is given back ([`super::ask::Grant`]).
pub(super) async fn ask(shared: &Arc<Shared>, session: u64, ask: Ask) -> Option<Answer> {
    let line = find(shared, session).unwrap_or_else(|| Line::begin(shared, session));
    if !*line.ready.borrow() {
        let mut ready = line.ready.subscribe();
        tokio::time::timeout(CONNECT_WITHIN, ready.wait_for(|ready| *ready)).await.ok()?.ok()?;
    }
    let (reply, answer) = oneshot::channel();
    line.enqueue(shared, ask, reply);
    drop(line);
    answer.await.ok()
}

/// Tells what has changed, where this worker has a line; otherwise the keeper does within a second.
pub(super) fn tell(shared: &Shared, session: u64, changed: &[Changed<'_>]) {
    if let Some(line) = find(shared, session).filter(|line| *line.ready.borrow()) {
        let mut queue = line.queue();
        if queue.over {
            return;
        }
        if queue.skips {
            queue.out.extend_from_slice(NO_REPLY);
        } else {
            queue.waiting.push_back(Waiting::Nobody);
        }
        shared.scripts.tell(&shared.me, &line.name, changed).write_packed_command(&mut queue.out);
        drop(queue);
        line.filled.notify_one();
    }
}

impl Line {
    /// Begins to connect.
    fn begin(shared: &Arc<Shared>, session: u64) -> Arc<Self> {
        let (name, me, ready) = (shared.session_name(session), shared.me.clone(), watch::Sender::new(false));
        let line = Arc::new(Self { session, name, me, queue: Mutex::default(), filled: Notify::new(), ready });
        LINES.with_borrow_mut(|lines| {
            // That of an earlier session.
            lines.retain(|line| line.me != shared.me || line.end());
            lines.push(line.clone());
        });
        let (driven, shared) = (line.clone(), shared.clone());
        tokio::spawn(async move {
            if let Err(cause) = driven.drive(&shared).await {
                shared.fail(driven.session, &cause);
            }
            driven.end();
            // Who waits is not answered, and goes on alone.
            driven.queue().waiting.clear();
        });
        line
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes no more; what was asked is still answered. False: nobody need keep it.
    fn end(&self) -> bool {
        self.queue().over = true;
        self.ready.send_replace(true);
        self.filled.notify_one();
        false
    }

    fn enqueue(&self, shared: &Shared, ask: Ask, reply: oneshot::Sender<Answer>) {
        let mut queue = self.queue();
        if !queue.over {
            let asked = ask.begin(self.session);
            asked.write(shared, &self.name, &mut queue.out);
            queue.waiting.push_back(Waiting::Request(asked, Some(reply), Instant::now()));
            drop(queue);
            self.filled.notify_one();
        }
    }

    /// Asks whether it is still there.
    fn ping(&self) {
        let mut queue = self.queue();
        queue.waiting.push_back(Waiting::Nobody);
        redis::cmd("PING").write_packed_command(&mut queue.out);
        drop(queue);
        self.filled.notify_one();
    }

    /// Ends without an error when the session does, or when nobody asks.
    async fn drive(&self, shared: &Arc<Shared>) -> Result<(), String> {
        let opening = tokio::time::timeout(CONNECT_WITHIN, open(&shared.address));
        let (stream, skips) = opening.await.map_err(|_| "no connection within a second".to_owned())??;
        self.queue().skips = skips;
        self.ready.send_replace(true);
        let talked = self.talk(shared, stream).await;
        let mut queue = self.queue();
        queue.over = true;
        let asked = queue.waiting.iter().any(|waiting| matches!(waiting, Waiting::Request(..)));
        if asked { talked } else { Ok(()) }
    }

    /// Until the session ends, or the connection does.
    async fn talk(&self, shared: &Arc<Shared>, stream: Box<dyn Stream>) -> Result<(), String> {
        let (mut read, mut write) = tokio::io::split(stream);
        let mut input = BytesMut::with_capacity(4_096);
        let mut out = Vec::new();
        // Since when an answer is owed; none while nobody waits.
        let mut owed: Option<Instant> = None;
        let mut spoken = Instant::now();
        loop {
            let since = self.queue().oldest().into_iter().chain(owed).min();
            let due = since.map_or(spoken + PING_AFTER, |since| since + shared.timeout);
            tokio::select! {
                // An answer that is there is read before anybody says that it is not.
                biased;
                count = read.read_buf(&mut input) => {
                    if count.map_err(|error| error.to_string())? == 0 {
                        return Err("it closed the connection".into());
                    }
                    while let Some(reply) = reply::take(&mut input)? {
                        self.hear(shared, &reply)?;
                        owed = Some(Instant::now());
                    }
                }
                () = self.filled.notified() => {
                    std::mem::swap(&mut out, &mut self.queue().out);
                    if !out.is_empty() {
                        spoken = Instant::now();
                        owed = owed.or(Some(spoken));
                        let writing = tokio::time::timeout(shared.timeout, send(&mut write, &out));
                        writing.await.map_err(|_| shared.too_late())??;
                        out.clear();
                    }
                }
                () = tokio::time::sleep_until(due) => {
                    match owed {
                        Some(since) if since.elapsed() >= shared.timeout => return Err(shared.too_late()),
                        Some(_) => self.queue().let_go(shared.timeout),
                        None => {
                            self.ping();
                            // Not again before it is written.
                            owed = Some(Instant::now());
                        }
                    }
                }
            }
            let queue = self.queue();
            if queue.waiting.is_empty() {
                owed = None;
                if queue.over {
                    return Ok(());
                }
            }
        }
    }

    /// Gives an answer to who waited longest.
    fn hear(&self, shared: &Arc<Shared>, reply: &Reply) -> Result<(), String> {
        let next = self.queue().waiting.pop_front();
        let Some(Waiting::Request(asked, waits, _)) = next else { return Ok(()) };
        let answer = match reply {
            Reply::Text(text) => Answer::read(text, asked, shared).ok_or("not an answer of ours")?,
            Reply::Error(error) => return Err(error.clone()),
        };
        // What nobody waits for any longer is given back when it is dropped.
        let _ = waits.map(|waits| waits.send(answer));
        Ok(())
    }
}

/// Connects and signs in; and whether the server can be kept from answering.
async fn open(address: &Address) -> Result<(Box<dyn Stream>, bool), String> {
    let mut stream = address.connect().await?;
    let mut input = BytesMut::new();
    let greetings = address.greetings();
    let mut out = greetings.concat();
    out.extend_from_slice(NO_REPLY);
    let last = redis::cmd("PING").arg("unheard").get_packed_command();
    out.extend_from_slice(&last);
    out.extend_from_slice(&redis::cmd("PING").arg("heard").get_packed_command());
    send(&mut stream, &out).await?;
    for _ in &greetings {
        if let Reply::Error(error) = next(&mut stream, &mut input).await? {
            return Err(error);
        }
    }
    let mut replies = 0;
    loop {
        replies += 1;
        match next(&mut stream, &mut input).await? {
            Reply::Text(text) if text == "heard" => return Ok((stream, replies == 1)),
            Reply::Error(_) | Reply::Text(_) if replies < 3 => {}
            reply => return Err(format!("not understood: {reply:?}")),
        }
    }
}

/// Writes all of it; TLS keeps a part to itself until it is flushed.
async fn send(stream: &mut (impl AsyncWrite + Unpin), out: &[u8]) -> Result<(), String> {
    let sending = async {
        stream.write_all(out).await?;
        stream.flush().await
    };
    sending.await.map_err(|error: std::io::Error| error.to_string())
}

async fn next(stream: &mut Box<dyn Stream>, input: &mut BytesMut) -> Result<Reply, String> {
    loop {
        if let Some(reply) = reply::take(input)? {
            return Ok(reply);
        }
        if stream.read_buf(input).await.map_err(|error| error.to_string())? == 0 {
            return Err("it closed the connection".into());
        }
    }
}

/// A connection of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
