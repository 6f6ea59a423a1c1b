//! Keys while the gateway runs: the config's and the ledger's together, changed and swapped without a restart.
//!
//! The ledger is asked for one number twice a second, off the event loop; a change that this process makes is in force
//! when it is answered. A ledger that cannot be read leaves the keys as they were last known.

use super::{KeyEntry, Keys, stored};
use crate::app::Live;
use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tierway_decide::Ladder;
use tierway_ledger::{LedgerError, Location, State, StoredKey};

/// How often the ledger is asked whether keys have changed: "within a second".
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Where keys are kept, and who has to hear of a change.
pub(crate) struct KeyDesk {
    location: Location,
    workers: Vec<Arc<ArcSwap<Live>>>,
    state: Mutex<Option<State>>,
    known: Mutex<Known>,
    closing: AtomicBool,
}

/// What the keys in force were made of.
#[derive(Clone, Default)]
pub(crate) struct Known {
    /// Those of the config, with what holds for its teams.
    pub(crate) config: ConfigKeys,
    /// Those of the ledger and their revision; none while it could not be read.
    stored: Option<(i64, Vec<StoredKey>)>,
}

/// The part of a config that says who may come in.
#[derive(Clone, Default)]
pub(crate) struct ConfigKeys {
    pub(crate) entries: Vec<KeyEntry>,
    pub(crate) teams: std::collections::BTreeMap<String, tierway_decide::Pins>,
    /// Only this machine can reach the address.
    pub(crate) loopback: bool,
}

impl Known {
    /// Reads the ledger for the first time.
    pub(crate) fn read(config: ConfigKeys, state: Option<&mut State>) -> Self {
        let stored = state.and_then(|state| told(state.keys()));
        Self { config, stored }
    }

    /// The keys in force; counts of requests in progress go on where `earlier` stood.
    pub(crate) fn keys(&self, ladder: &Ladder, earlier: Option<&Keys>) -> Keys {
        let mut entries = self.config.entries.clone();
        let stored = self.stored.iter().flat_map(|(_, keys)| keys);
        for key in stored {
            if entries.iter().any(|entry| entry.caller.key == key.name) {
                tracing::warn!(
                    key = key.name,
                    "the config has a key of this name; the one in the ledger is not in force"
                );
                continue;
            }
            entries.push(stored::entry(key, ladder));
        }
        for entry in &mut entries {
            if let Some(team) = self.config.teams.get(&entry.caller.team) {
                entry.caller.pins = entry.caller.pins.and(*team);
            }
        }
        let of_config = self.config.entries.iter().map(|entry| entry.caller.key.clone()).collect();
        let keys = Keys::new(entries).after(earlier).with_names_of_config(of_config);
        // Nobody knows who may come in, and the whole network can ask.
        if self.stored.is_none() && !self.config.loopback { keys.unread() } else { keys }
    }
}

impl KeyDesk {
    pub(crate) fn new(location: Location, state: Option<State>, known: Known, workers: &[Arc<ArcSwap<Live>>]) -> Self {
        Self {
            location,
            workers: workers.to_vec(),
            state: Mutex::new(state),
            known: Mutex::new(known),
            closing: AtomicBool::new(false),
        }
    }

    /// Opens the state; what keeps it from being read is said once, here.
    pub(crate) fn open(location: &Location) -> Option<State> {
        told(State::open(location.clone()))
    }

    /// Puts another config in force: `swap` makes what each worker serves from the keys that hold then.
    pub(crate) fn reload<E>(
        &self,
        config: ConfigKeys,
        ladder: &Ladder,
        swap: impl FnOnce(&Arc<Keys>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut known = self.known();
        let next = Known { config, stored: known.stored.clone() };
        swap(&Arc::new(next.keys(ladder, self.in_force().as_deref())))?;
        *known = next;
        Ok(())
    }

    /// Asks or changes the ledger's keys, and puts what changed in force. May wait: not for the event loop.
    pub(crate) fn with<T, E: From<LedgerError>>(&self, ask: impl FnOnce(&mut State) -> Result<T, E>) -> Result<T, E> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match state.take() {
            Some(open) => open,
            None => State::open(self.location.clone())?,
        };
        let answer = ask(state.insert(open));
        if let Some(state) = state.as_mut() {
            self.refresh(state)?;
        }
        answer
    }

    fn refresh(&self, state: &mut State) -> Result<(), LedgerError> {
        let revision = state.keys_revision()?;
        let mut known = self.known();
        if known.stored.as_ref().is_some_and(|(known, _)| *known == revision) {
            return Ok(());
        }
        known.stored = Some(state.keys()?);
        let Some(first) = self.workers.first() else { return Ok(()) };
        let live = first.load();
        let keys = Arc::new(known.keys(live.router.setup().table.ladder(), Some(&live.keys)));
        for worker in &self.workers {
            worker.store(Arc::new(Live { keys: keys.clone(), ..Live::clone(&worker.load()) }));
        }
        tracing::info!(revision, keys = known.stored.as_ref().map_or(0, |(_, keys)| keys.len()), "keys changed");
        Ok(())
    }

    fn in_force(&self) -> Option<Arc<Keys>> {
        Some(self.workers.first()?.load().keys.clone())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that looks for changes.
pub(crate) struct Watch {
    desk: Arc<KeyDesk>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(desk: Arc<KeyDesk>) -> std::io::Result<Self> {
        let looking = desk.clone();
        let thread = std::thread::Builder::new().name("keys".into()).spawn(move || {
            let mut failing = false;
            while !looking.closing.load(Ordering::Acquire) {
                let looked = looking.with(|_| Ok::<_, LedgerError>(()));
                if let Err(error) = &looked
                    && !failing
                {
                    tracing::error!(%error, "keys cannot be read; those last known stay in force");
                }
                failing = looked.is_err();
                std::thread::park_timeout(LOOK_EVERY);
            }
        })?;
        Ok(Self { desk, thread: Some(thread) })
    }

    pub(crate) fn desk(&self) -> &Arc<KeyDesk> {
        &self.desk
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.desk.closing.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn told<T>(result: Result<T, LedgerError>) -> Option<T> {
    result.inspect_err(|error| tracing::error!(%error, "keys of the ledger cannot be read")).ok()
}
