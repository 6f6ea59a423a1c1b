//! The heartbeat: once a second a replica says that it is there, which targets are ill and where conversations are, and hears
//! the same of the others, and how budgets stand.

use super::super::Changed;
use super::super::ask::number;
use super::super::books::Book;
use super::super::illness::{Now, ill, learn};
use super::super::pace::Pace;
use super::super::tally::Tally;
use super::{Keeper, RETELLING_MS};
use redis::{Pipeline, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tierway::Clock;

/// A replica that was not heard of for so long is gone, and what it had reserved goes back.
const GONE_AFTER_S: u64 = 10;
/// Budgets that are heard of in one heartbeat; more take turns.
const HEARD_AT_ONCE: usize = 1_000;

impl Keeper {
    pub(super) async fn beat(&mut self) {
        self.hear_cause();
        if self.connection.is_none() {
            self.connect().await;
        } else if !self.is_over() || self.renew().await {
            self.beat_once().await;
        }
    }

    /// A worker has ended the session.
    fn is_over(&self) -> bool {
        self.opened && !self.shared.is_up()
    }

    pub(super) fn say_alive(&self, pipe: &mut Pipeline) {
        let (me, alive) = (self.session().1, &self.shared.alive);
        pipe.cmd("SET").arg(format!("{alive}{me}")).arg(1).arg("EX").arg(GONE_AFTER_S).ignore();
        let now_s = self.clock.unix_ms() / 1_000;
        pipe.cmd("ZADD").arg(self.shared.name("replicas")).arg(now_s).arg(me).ignore();
    }

    /// Nobody need wait for what was reserved in a session.
    pub(super) fn say_gone(&self, pipe: &mut Pipeline, session: &str) {
        pipe.cmd("DEL").arg(format!("{}{session}", self.shared.alive)).ignore();
        pipe.cmd("ZREM").arg(self.shared.name("replicas")).arg(session).ignore();
    }

    /// Says that this replica is there, and hears who else is, how budgets stand and which targets are ill.
    pub(super) async fn beat_once(&mut self) {
        self.give_back().await;
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
        let looking = self.look(&mut pipe);
        let Some(answers) = self.query(&pipe).await else { return };
        if let [sessions, members, targets, looked @ ..] = &*answers {
            self.sessions.hear(sessions, &self.shared.me, setup.as_deref(), now);
            self.count(members).await;
            if let Some(setup) = &setup {
                let over = learn(setup, targets, now);
                self.forget_illness(over).await;
            }
            if !self.hear(&looking, looked).await {
                tracing::warn!("the database does not know what this replica shares; it begins anew, and tells it");
                let _ = self.renew().await;
            }
        }
        self.open();
    }

    /// Gives back what was taken ahead and lies unused, and tells what workers have not told yet.
    async fn give_back(&mut self) {
        let (books, paces): (Vec<_>, Vec<_>) = {
            let shelf = self.shared.shelf();
            shelf.books.values().for_each(|book| book.beat());
            shelf.paces.values().for_each(|pace| pace.beat());
            let books = shelf.books.values().filter(|book| book.is_untold());
            (books.cloned().collect(), shelf.paces.values().filter(|pace| pace.known().is_untold()).cloned().collect())
        };
        self.tell(&all(&books, &paces)).await;
    }

    /// Asks how those stand whose turn it is, and tells what was taken of them without asking.
    fn look(&mut self, pipe: &mut Pipeline) -> Looking {
        let (name, now_ms) = (self.session().1, self.clock.unix_ms());
        let (books, paces) = {
            let mut shelf = self.shared.shelf();
            // Windows that are over are forgotten once nothing of them is open.
            shelf.books.retain(|_, book| {
                let over = book.window.end_ms.is_some_and(|end_ms| end_ms < now_ms);
                !over || Arc::strong_count(book) > 1 || book.known().tally.open() > 0
            });
            let turn = self.heard;
            self.heard = turn.wrapping_add(HEARD_AT_ONCE);
            (in_turn(&shelf.books, turn), in_turn(&shelf.paces, turn))
        };
        let mut add = |key: &str, taken: &str, tally: &mut Tally| {
            let alone = tally.tell_alone();
            if alone != 0 {
                pipe.cmd("HINCRBY").arg(key).arg(format!("{taken}{name}")).arg(alone).ignore();
            }
            tally.least()
        };
        let books: Vec<_> =
            books.into_iter().map(|book| (add(&book.name, "r:", &mut book.known().tally), book.clone())).collect();
        let paces = paces.into_iter().filter(|pace| pace.known().is_used());
        let paces: Vec<_> = paces.map(|pace| (add(&pace.name, "a:", &mut pace.known().tally), pace.clone())).collect();
        let names = books.iter().map(|(_, book)| &book.name).chain(paces.iter().map(|(_, pace)| &pace.name));
        names.for_each(|name| _ = pipe.cmd("HGETALL").arg(name));
        Looking { books, paces }
    }

    /// Takes in how they stand, and tells again what was forgotten or lags behind; false when the database knows nothing
    /// any longer, or more than this replica has ever taken.
    async fn hear(&mut self, looking: &Looking, looked: &[Value]) -> bool {
        let (shared, name) = (self.shared.clone(), self.session().1);
        let (purses, paces) = looked.split_at(looking.books.len().min(looked.len()));
        let (mut forgotten, mut behind) = (Pipeline::new(), Vec::new());
        for ((least, book), purse) in looking.books.iter().zip(purses) {
            let Some(purse) = Sums::read(purse, &shared.me, &name) else { continue };
            if purse.taken > book.known().tally.most() {
                return false;
            }
            let whole = purse.is_whole(book, *least);
            if whole {
                let base = purse.base.unwrap_or_else(|| book.base());
                let most = book.heard(base, base + purse.spent, purse.open, shared.replicas());
                book.keep_ahead(most);
            } else {
                shared.scripts.mend_book(&mut forgotten, &shared.me, &name, book);
            }
            if !whole || purse.back < book.known().tally.released() || purse.settled < book.settled() {
                behind.push(Changed::Book(book));
            }
        }
        for ((least, pace), fields) in looking.paces.iter().zip(paces) {
            let Some(places) = Sums::read(fields, &shared.me, &name) else { continue };
            let mut known = pace.known();
            if places.taken > known.tally.most() {
                return false;
            }
            // One that nobody has used for a day is thrown away, and nothing is missing.
            let whole = places.taken >= *least || known.tally.open() == 0;
            if whole {
                known.keep_places(places.open, shared.replicas());
            }
            let lags = places.back < known.tally.released().min(places.taken) || known.is_corrected();
            drop(known);
            if !whole {
                shared.scripts.mend_pace(&mut forgotten, &name, pace);
            }
            if !whole || lags {
                behind.push(Changed::Pace(pace));
            }
        }
        let knows = forgotten.is_empty() || self.mend(forgotten).await;
        if knows {
            self.tell(&behind).await;
        }
        knows
    }

    /// Tells again what was forgotten, so that who asks notices nothing; false when everything was: then all have to tell first.
    async fn mend(&mut self, mut forgotten: Pipeline) -> bool {
        tracing::warn!("the database has forgotten some of what replicas share; this one tells it again");
        forgotten.add_command(self.shared.scripts.hello(&self.shared.name("born"), RETELLING_MS));
        self.query(&forgotten).await.is_none_or(|answers| answers.first().and_then(number) == Some(0))
    }

    /// The replicas whose sign of life has not expired.
    async fn count(&mut self, members: &Value) {
        let Value::Array(members) = members else { return };
        let mut pipe = Pipeline::new();
        let exists = pipe.cmd("EXISTS");
        for member in members {
            if let Value::BulkString(name) = member {
                exists.arg(format!("{}{}", self.shared.alive, String::from_utf8_lossy(name)));
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
        if let Some(setup) = self.shared.setup.load().as_ref() {
            setup.share_accounts(replicas);
        }
        // A session that a worker ended stays so until the next beat.
        if !self.is_over() {
            self.shared.metrics.shared(true, replicas);
            if !std::mem::replace(&mut self.opened, true) {
                self.shared.open.store(self.session().0, Ordering::SeqCst);
                // As loud as the loss was.
                match std::mem::take(&mut self.said_lost) {
                    true => tracing::warn!(replicas, "limits and budgets are shared with all replicas again"),
                    false => tracing::info!(replicas, "limits and budgets are shared with all replicas"),
                }
            }
        }
    }

    /// Tells the rest; nobody need wait for what this replica had reserved.
    pub(super) async fn farewell(&mut self) {
        let (books, paces): (Vec<_>, Vec<_>) = {
            let shelf = self.shared.shelf();
            shelf.books.values().for_each(|book| _ = book.keep_ahead(0));
            shelf.paces.values().for_each(|pace| pace.keep_nothing());
            let paces = shelf.paces.values().filter(|pace| pace.known().is_used());
            (shelf.books.values().cloned().collect(), paces.cloned().collect())
        };
        if self.opened {
            self.tell(&all(&books, &paces)).await;
        }
        let mut pipe = Pipeline::new();
        self.say_gone(&mut pipe, &self.session().1);
        let _ = self.query(&pipe).await;
    }
}

/// What was asked in one heartbeat, with the least that the database has to know of it.
struct Looking {
    books: Vec<(i64, Arc<Book>)>,
    paces: Vec<(i64, Arc<Pace>)>,
}

fn all<'a>(books: &'a [Arc<Book>], paces: &'a [Arc<Pace>]) -> Vec<Changed<'a>> {
    let books = books.iter().map(|book| Changed::Book(book));
    books.chain(paces.iter().map(|pace| Changed::Pace(pace))).collect()
}

/// Those whose turn it is.
fn in_turn<T>(all: &HashMap<String, Arc<T>>, turn: usize) -> Vec<Arc<T>> {
    let from = if all.len() > HEARD_AT_ONCE { turn % all.len() } else { 0 };
    all.values().cycle().skip(from).take(all.len().min(HEARD_AT_ONCE)).cloned().collect()
}

/// How a purse or a pace stands in the database.
#[derive(Default)]
struct Sums {
    base: Option<i64>,
    /// Settled by all; and what all have taken and not given back: reserved money, or places.
    spent: i64,
    open: i64,
    /// By this replica in its session: taken, given back; and settled ever.
    taken: i64,
    back: i64,
    settled: i64,
    settled_by: HashMap<String, i64>,
}

impl Sums {
    fn read(fields: &Value, me: &str, session: &str) -> Option<Self> {
        let mut sums = Self::default();
        for (name, amount) in fields.as_map_iter()? {
            let (Value::BulkString(name), Some(amount)) = (name, number(amount)) else { continue };
            match &**name {
                b"base" => sums.base = Some(amount),
                [kind @ (b'r' | b'd' | b'a' | b'b'), b':', of @ ..] => {
                    let is_taken = matches!(kind, b'r' | b'a');
                    let ours = if is_taken { &mut sums.taken } else { &mut sums.back };
                    *ours += if of == session.as_bytes() { amount } else { 0 };
                    sums.open += if is_taken { amount } else { -amount };
                }
                [b's', b':', replica @ ..] => {
                    sums.spent += amount;
                    sums.settled += if replica == me.as_bytes() { amount } else { 0 };
                    sums.settled_by.insert(String::from_utf8_lossy(replica).into_owned(), amount);
                }
                _ => {}
            }
        }
        Some(sums)
    }

    /// Takes in what replicas have settled. False when less is there than has to be: of what this one has taken, or than was
    /// heard before of what any has settled, which never becomes less.
    fn is_whole(&self, book: &Book, least: i64) -> bool {
        let mut known = book.settled_by();
        let whole =
            known.iter().all(|(replica, amount)| self.settled_by.get(replica).is_some_and(|there| there >= amount));
        for (replica, amount) in &self.settled_by {
            let known = known.entry(replica.clone()).or_insert(*amount);
            *known = *amount.max(known);
        }
        whole && self.taken >= least
    }
}
