//! What several replicas share through Redis or Valkey: limits, the reservations of budgets, which targets are ill, where
//! conversations are.
//!
//! A request whose caller has bounds asks once, on a connection of its worker ([`line`]); those that come at the same time ask
//! together. Far from the bounds it takes what the next ones will need along with it, and those ask nobody but wait until it is there ([`ahead`]). What is
//! told afterwards (how much was settled) waits for nobody, and is told as sums that only grow, so that nothing counts twice
//! however often it is told. A thread of its own ([`keeper`]) says that this replica is there and hears of the others. Without an answer in time a replica goes on alone: with its part of every limit, and of what was left of every
//! budget ([`tierway_decide::budget::Share`]). When the database is back, and even when it has forgotten everything, every
//! replica first tells what it knows, and a new session begins ([`tally`]).

mod address;
mod ahead;
mod ask;
mod books;
mod evicting;
mod illness;
mod keeper;
mod line;
mod pace;
mod reply;
mod scripts;
mod sessions;
mod tally;

pub(crate) use ask::{Answer, Ask, Granted, Part, Wanted, Why};
pub(crate) use books::Book;
pub(crate) use evicting::check;
pub(crate) use keeper::Link;
pub(crate) use pace::Pace;

use crate::metrics::Metrics;
use address::Address;
use arc_swap::ArcSwapOption;
use books::Shelf;
use scripts::Scripts;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tierway::Setup;
use tierway_config::SharedConfig;

/// What stands otherwise than it was told last.
pub(crate) enum Changed<'a> {
    Book(&'a Book),
    Pace(&'a Pace),
}

/// What all workers see of it.
pub(crate) struct Shared {
    prefix: String,
    /// This process: no other ever has the same name.
    me: String,
    /// What the names of living sessions begin with.
    alive: String,
    /// The session in which the database may be asked; 0 while it may not.
    open: AtomicU64,
    /// The latest session.
    session: AtomicU64,
    /// Why a worker ended one.
    cause: Mutex<Option<String>>,
    replicas: AtomicU32,
    timeout: Duration,
    address: Address,
    scripts: Scripts,
    shelf: Mutex<Shelf>,
    /// Whose targets may be ill.
    setup: ArcSwapOption<Setup>,
    metrics: Arc<Metrics>,
}

impl Shared {
    /// Nobody can be asked yet.
    fn new(config: &SharedConfig, address: Address, me: String, metrics: Arc<Metrics>) -> Self {
        let mut shared = Self {
            prefix: config.prefix.clone(),
            me,
            alive: String::new(),
            open: 0.into(),
            session: 1.into(),
            cause: None.into(),
            replicas: config.replicas.into(),
            timeout: Duration::from_millis(config.timeout_ms.into()),
            address,
            scripts: Scripts::new(),
            shelf: Shelf::default().into(),
            setup: None.into(),
            metrics,
        };
        shared.alive = shared.name("alive:");
        shared
    }

    /// Whether the database can be asked.
    pub(crate) fn is_up(&self) -> bool {
        self.open.load(Ordering::SeqCst) != 0
    }

    /// Replicas that were there when they could last be counted, this one included.
    pub(crate) fn replicas(&self) -> u32 {
        self.replicas.load(Ordering::Relaxed).max(1)
    }

    /// How long a request waits for an answer.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks for everything that a request needs; none when nobody can be asked.
    pub(crate) async fn ask(self: &Arc<Self>, ask: Ask) -> Option<Answer> {
        match self.ask_once(ask).await {
            // Nobody is refused because of what this replica holds itself.
            Some(Answer::Refused(_, _, Some(again))) => self.ask_once(*again).await,
            answer => answer,
        }
    }

    async fn ask_once(self: &Arc<Self>, ask: Ask) -> Option<Answer> {
        match self.open.load(Ordering::SeqCst) {
            0 => None,
            session => line::ask(self, session, ask).await,
        }
    }

    /// Tells all that a request has changed.
    pub(crate) fn tell(&self, changed: &[Changed<'_>]) {
        let session = self.open.load(Ordering::SeqCst);
        if session != 0 && !changed.is_empty() {
            line::tell(self, session, changed);
        }
    }

    /// The targets of this setup are watched from now on.
    pub(crate) fn watch(&self, setup: Arc<Setup>) {
        self.setup.store(Some(setup));
    }

    /// This budget is shared from now on, unless one of its name is; gives that.
    pub(crate) fn enter_book(&self, book: Book) -> Arc<Book> {
        let mut shelf = self.shelf();
        // A session that begins meanwhile waits for the shelf, and begins with this one, too.
        book.known().tally.begin(self.session.load(Ordering::SeqCst));
        shelf.books.entry(book.name.clone()).or_insert_with(|| Arc::new(book)).clone()
    }

    /// The same for a pace.
    pub(crate) fn enter_pace(&self, pace: Pace) -> Arc<Pace> {
        let mut shelf = self.shelf();
        pace.known().tally.begin(self.session.load(Ordering::SeqCst));
        shelf.paces.entry(pace.name.clone()).or_insert_with(|| Arc::new(pace)).clone()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something went wrong in this session: it is over for all workers, and the keeper begins another one.
    fn fail(&self, session: u64, cause: &str) {
        if self.open.compare_exchange(session, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause.to_owned());
            self.metrics.shared(false, self.replicas());
        }
    }

    fn too_late(&self) -> String {
        format!("no answer within {} ms", self.timeout.as_millis())
    }

    fn session_name(&self, session: u64) -> String {
        format!("{}.{session}", self.me)
    }

    // One hash slot for everything: a script may only use names of one.
    fn name(&self, rest: &str) -> String {
        format!("{{{}}}:{rest}", self.prefix)
    }

    pub(crate) fn pace_name(&self, kind: &str, name: &str) -> String {
        self.name(&format!("pace:{kind}:{name}"))
    }

    pub(crate) fn purse_name(&self, kind: &str, name: &str, period: &str, start_ms: i64) -> String {
        self.name(&format!("purse:{kind}:{name}:{period}:{start_ms}"))
    }
}
