//! One process among others on the same store: which number its ids carry, and whether it does what only one should.
//!
//! A SQLite file has one writer, which leads. In PostgreSQL the leader has an advisory lock: when it ends, another one leads
//! within seconds. A leader that is cut off from PostgreSQL notices within seconds, too, so for a moment two may believe that
//! they lead: what a leader does has to bear being done twice.

use crate::LedgerError;
use crate::engine::Location;
use crate::postgres::{PostgresUrl, Presence};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Process numbers (of the 1,024 that an id has room for) that are given out; who cannot ask takes one of the rest.
pub const CLAIMED: u16 = 768;

/// How often it is looked whether we lead.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is said that our number is in use; it counts as free after a day.
const SEEN_EVERY: Duration = Duration::from_secs(300);

/// Tells whether this process leads. Cheap to ask and to copy.
#[derive(Clone, Debug)]
pub struct Leadership(Arc<AtomicBool>);

impl Leadership {
    /// Of a process that is alone with its store.
    #[must_use]
    pub fn alone() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// This process does what only one should: reports on a schedule, judging, looking after sums. Changes at any time.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// This process, as long as it lives.
#[derive(Debug)]
pub struct Replica {
    number: Option<u16>,
    leadership: Leadership,
    closing: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Replica {
    /// Joins the others. A store that cannot be reached is asked again later, and meanwhile we do not lead.
    ///
    /// # Errors
    /// [`LedgerError::Thread`].
    pub fn join(location: &Location) -> Result<Self, LedgerError> {
        let closing = Arc::new((Mutex::new(false), Condvar::new()));
        let Location::Postgres(url) = location else {
            return Ok(Self { number: None, leadership: Leadership::alone(), closing, thread: None });
        };
        let leadership = Leadership(Arc::new(AtomicBool::new(false)));
        let presence = Presence::open(url).and_then(|presence| Ok((presence.claim()?, presence)));
        let (number, presence) = match presence {
            Ok((number, presence)) => (number, Some(presence)),
            Err(error) => {
                tracing::warn!(%error, "cannot join the other replicas yet; their leader goes on");
                (None, None)
            }
        };
        let mut member = Member {
            url: url.clone(),
            presence,
            number,
            seen: Instant::now(),
            leads: leadership.0.clone(),
            closing: closing.clone(),
        };
        let thread = std::thread::Builder::new().name("replica".into()).spawn(move || member.run());
        Ok(Self { number, leadership, closing, thread: Some(thread.map_err(LedgerError::Thread)?) })
    }

    /// The number that no other process has; none where nobody gives them out, or could not be asked.
    #[must_use]
    pub const fn number(&self) -> Option<u16> {
        self.number
    }

    /// Tells whether it leads.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        *self.closing.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.closing.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread of a replica on PostgreSQL.
struct Member {
    url: PostgresUrl,
    presence: Option<Presence>,
    number: Option<u16>,
    seen: Instant,
    leads: Arc<AtomicBool>,
    closing: Arc<(Mutex<bool>, Condvar)>,
}

impl Member {
    fn run(&mut self) {
        loop {
            let leads = self.look().unwrap_or_else(|_| {
                self.presence = None;
                false
            });
            if self.leads.swap(leads, Ordering::Relaxed) != leads {
                tracing::info!(leads, "this replica leads in background work, or no longer");
            }
            let closing = self.closing.0.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = self.closing.1.wait_timeout_while(closing, LOOK_EVERY, |closing| !*closing);
            if *waited.unwrap_or_else(PoisonError::into_inner).0 {
                return;
            }
        }
    }

    fn look(&mut self) -> Result<bool, LedgerError> {
        let presence = match &mut self.presence {
            Some(presence) => presence,
            none => none.insert(Presence::open(&self.url)?),
        };
        if let Some(number) = self.number.filter(|_| self.seen.elapsed() >= SEEN_EVERY) {
            presence.keep(number)?;
            self.seen = Instant::now();
        }
        presence.leads()
    }
}
