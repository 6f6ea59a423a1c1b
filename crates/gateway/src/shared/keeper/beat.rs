//! The heartbeat: once a second a replica says that it is there, which targets are ill and where conversations are, and hears
//! the same of the others, and how budgets stand.

use super::super::ask::number;
use super::super::books::Book;
use super::super::illness::{Now, ill, learn};
use super::Keeper;
use redis::{Pipeline, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tierway::Clock;
use tierway_decide::Usd;

/// A replica that was not heard of for so long is gone, and what it had reserved goes back.
const GONE_AFTER_S: u64 = 10;
/// Budgets that are heard of in one heartbeat; more take turns.
const HEARD_AT_ONCE: usize = 1_000;

impl Keeper {
    pub(super) async fn beat(&mut self) {
        if self.connection.is_some() {
            self.beat_once().await;
        } else {
            self.connect().await;
        }
    }

    pub(super) fn say_alive(&self, pipe: &mut Pipeline) {
        let me = &self.shared.me;
        pipe.cmd("SET").arg(self.shared.name(&format!("alive:{me}"))).arg(1).arg("EX").arg(GONE_AFTER_S).ignore();
        let now_s = self.clock.unix_ms() / 1_000;
        pipe.cmd("ZADD").arg(self.shared.name("replicas")).arg(now_s).arg(me).ignore();
    }

    /// Says that this replica is there, and hears who else is, how budgets stand and which targets are ill.
    pub(super) async fn beat_once(&mut self) {
        // Clocks of replicas may differ by a minute or so; the names of those that left go when they stop.
        let gone_s = self.clock.unix_ms() / 1_000 - 60;
        let now = Now { monotonic_ms: self.clock.monotonic_ms(), unix_ms: self.clock.unix_ms() };
        let setup = self.shared.setup.load_full();
        let ill = setup.as_ref().map(|setup| ill(setup, now)).unwrap_or_default();
        let mut pipe = Pipeline::new();
        self.say_alive(&mut pipe);
        let (replicas, targets) = (self.shared.name("replicas"), self.shared.name("ill"));
        self.sessions.ask(&mut pipe, &self.shared.name("sessions"), &self.shared.me, setup.as_deref(), now);
        pipe.cmd("ZREMRANGEBYSCORE").arg(&replicas).arg("-inf").arg(gone_s).ignore();
        for (target, until) in ill {
            pipe.cmd("HSET").arg(&targets).arg(target).arg(until).ignore();
        }
        pipe.cmd("ZRANGE").arg(&replicas).arg(0).arg(-1);
        pipe.cmd("HGETALL").arg(&targets);
        let books = self.next_books();
        for book in &books {
            pipe.cmd("HGETALL").arg(&book.name);
        }
        let Some(answers) = self.query(&pipe).await else { return };
        if let [sessions, members, targets, purses @ ..] = &*answers {
            self.sessions.hear(sessions, &self.shared.me, setup.as_deref(), now);
            self.count(members).await;
            if let Some(setup) = &setup {
                let over = learn(setup, targets, now);
                self.forget_illness(over).await;
            }
            let replicas = self.shared.replicas();
            let me = &self.shared.me;
            let forgotten: Vec<_> =
                books.iter().zip(purses).filter(|(book, purse)| !hear(book, purse, me, replicas)).collect();
            if !forgotten.is_empty() {
                let mut pipe = Pipeline::new();
                forgotten.iter().for_each(|(book, _)| self.write_book(&mut pipe, book, true));
                let _ = self.query(&pipe).await;
            }
        }
        self.open();
    }

    /// The replicas whose sign of life has not expired.
    async fn count(&mut self, members: &Value) {
        let Value::Array(members) = members else { return };
        let mut pipe = Pipeline::new();
        let exists = pipe.cmd("EXISTS");
        for member in members {
            if let Value::BulkString(name) = member {
                exists.arg(self.shared.name(&format!("alive:{}", String::from_utf8_lossy(name))));
            }
        }
        let Some(alive) = self.query(&pipe).await.and_then(|answers| number(answers.first()?)) else { return };
        self.shared.replicas.store(u32::try_from(alive).unwrap_or(1).max(1), Ordering::Relaxed);
    }

    async fn forget_illness(&mut self, over: Vec<String>) {
        if over.is_empty() {
            return;
        }
        let mut pipe = Pipeline::new();
        pipe.cmd("HDEL").arg(self.shared.name("ill")).arg(over).ignore();
        let _ = self.query(&pipe).await;
    }

    pub(super) fn open(&mut self) {
        if self.connection.is_none() || Instant::now() < self.usable_at {
            return;
        }
        let replicas = self.shared.replicas();
        self.shared.metrics.shared(true, replicas);
        if let Some(setup) = self.shared.setup.load().as_ref() {
            setup.share_accounts(replicas);
        }
        if !self.shared.up.swap(true, Ordering::AcqRel) {
            tracing::info!(replicas, "limits and budgets are shared with all replicas");
            self.said_lost = false;
        }
    }

    /// Those whose turn it is to be heard of; windows that are over are forgotten once nothing of them is open.
    fn next_books(&mut self) -> Vec<Arc<Book>> {
        let now_ms = self.clock.unix_ms();
        self.books.retain(|_, book| {
            let over = book.window.end_ms.is_some_and(|end_ms| end_ms < now_ms);
            !over || Arc::strong_count(book) > 1 || book.share.open().picos() > 0
        });
        let count = self.books.len().min(HEARD_AT_ONCE);
        let from = if self.heard < self.books.len() { self.heard } else { 0 };
        self.heard = from + count;
        self.books.values().cycle().skip(from).take(count).cloned().collect()
    }

    /// Nobody need wait for what this replica had reserved.
    pub(super) async fn farewell(&mut self) {
        let mut pipe = Pipeline::new();
        let me = &self.shared.me;
        pipe.cmd("DEL").arg(self.shared.name(&format!("alive:{me}"))).ignore();
        pipe.cmd("ZREM").arg(self.shared.name("replicas")).arg(me).ignore();
        let _ = self.query(&pipe).await;
    }
}

/// Takes in what replicas have settled. What was settled never becomes less: false when less is there than was heard before, of
/// replicas that are gone, too.
fn remember(known: &mut HashMap<String, i64>, there: HashMap<String, i64>) -> bool {
    let whole = known.iter().all(|(replica, amount)| there.get(replica).is_some_and(|there| there >= amount));
    for (replica, amount) in there {
        let known = known.entry(replica).or_insert(amount);
        *known = amount.max(*known);
    }
    whole
}

/// How a purse stands: kept, so that it can be told to a database that has forgotten it. False when it has forgotten this
/// replica's part of this one.
fn hear(book: &Book, purse: &Value, me: &str, replicas: u32) -> bool {
    let (mut base, mut spent, mut reserved) = (book.base(), 0, 0);
    // Where this replica has nothing, nothing is missing.
    let (mut knows_settled, mut knows_open) = (book.share.settled() == Usd::ZERO, book.share.open() == Usd::ZERO);
    let Some(fields) = purse.as_map_iter() else { return true };
    let mut settled = HashMap::new();
    for (name, amount) in fields {
        let (Value::BulkString(name), Some(amount)) = (name, number(amount)) else { continue };
        match &**name {
            b"base" => base = amount,
            [b'r', b':', replica @ ..] => {
                reserved += amount;
                knows_open |= replica == me.as_bytes();
            }
            [b's', b':', replica @ ..] => {
                spent += amount;
                knows_settled |= replica == me.as_bytes();
                settled.insert(String::from_utf8_lossy(replica).into_owned(), amount);
            }
            _ => {}
        }
    }
    let knows_us = remember(&mut book.settled(), settled) && knows_settled && knows_open;
    if knows_us {
        book.heard(base, base + spent, reserved, replicas);
    }
    knows_us
}
