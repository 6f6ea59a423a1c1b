//! Keys while the gateway runs: the config's and the ledger's together, changed and swapped without a restart.
//!
//! The ledger is asked for one number twice a second, off the event loop; a change that this process makes is in force
//! when it is answered. A ledger that cannot be read leaves the keys as they were last known, and one that lost them (its
//! file was moved away) is given them back: keys are revoked, never deleted, so that none at all is another ledger. What
//! budgets have spent is read on the same way, before keys with new budgets are in force and every few seconds.

use super::{KeyEntry, Keys, stored};
use crate::accounts::{Accounts, CallerAccount, Holder, Terms};
use crate::app::Live;
use crate::error::GatewayError;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tierway::Account;
use tierway_config::{Allowance, Bounds};
use tierway_decide::Ladder;
use tierway_ledger::{Leadership, LedgerError, Location, Payer, Reader, State, StoredKey};

/// How often the ledger is asked whether keys have changed: "within a second".
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often what budgets have spent is read anew: so long may processes that share a ledger, and nothing else, spend the
/// same dollar.
const REREAD_EVERY: Duration = Duration::from_secs(10);

/// Where keys are kept, and who has to hear of a change.
pub(crate) struct KeyDesk {
    location: Location,
    workers: Vec<Arc<ArcSwap<Live>>>,
    state: Mutex<Option<State>>,
    known: Mutex<Known>,
    accounts: Arc<Accounts>,
    leadership: Leadership,
    closing: AtomicBool,
}

/// What the keys in force were made of.
#[derive(Clone)]
pub(crate) struct Known {
    /// Those of the config, with what holds for its teams.
    pub(crate) config: ConfigKeys,
    /// Those of the ledger and their revision; none while it could not be read: nobody knows who else may come in.
    stored: Option<(i64, Vec<StoredKey>)>,
}

/// The part of a config that says who may come in.
#[derive(Clone)]
pub(crate) struct ConfigKeys {
    pub(crate) entries: Vec<KeyEntry>,
    pub(crate) teams: BTreeMap<String, Bounds>,
    /// Users with bounds.
    pub(crate) users: BTreeMap<String, Allowance>,
    /// How budgets are kept.
    pub(crate) terms: Arc<Terms>,
}

impl Known {
    /// Reads the ledger for the first time.
    ///
    /// # Errors
    /// When keys may be in a file that cannot be read, and the config has none: nobody could come in until it is mended. A
    /// PostgreSQL may be away, and is waited for.
    pub(crate) fn read(config: ConfigKeys, location: &Location) -> Result<Self, GatewayError> {
        let is_file = matches!(location, Location::Sqlite(_));
        let stored = match readable(location).and_then(|mut state| state.keys()) {
            Ok(stored) => Some(stored),
            // No file, no keys.
            Err(LedgerError::Missing { .. }) if is_file => Some((i64::MIN, Vec::new())),
            Err(cause) if is_file && config.entries.is_empty() => return Err(GatewayError::KeysUnread { cause }),
            Err(error) => {
                tracing::error!(%error, "keys of the ledger cannot be read; until they can, only those of the config open");
                None
            }
        };
        Ok(Self { config, stored })
    }

    /// The keys in force.
    pub(crate) fn keys(&self, ladder: &Ladder, accounts: &Accounts) -> Keys {
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
            if let Some(team) = self.config.teams.get(entry.caller.team.as_str()) {
                entry.caller.pins = entry.caller.pins.and(team.pins);
            }
        }
        let paying = self.paying(&entries, accounts);
        let of_config = self.config.entries.iter().map(|entry| entry.caller.key.to_string()).collect();
        let keys = Keys::new(entries).with_names_of_config(of_config).paid_by(paying);
        if self.stored.is_none() { keys.unread() } else { keys }
    }
}

/// Who pays for whom.
pub(crate) struct Paying {
    /// By the name of the key.
    pub(super) keys: HashMap<String, Arc<dyn Account>>,
    /// Keys without bounds of their own.
    pub(super) others: Option<Arc<dyn Account>>,
    /// All of them.
    pub(super) holders: Vec<Arc<Holder>>,
}

impl Known {
    fn paying(&self, entries: &[KeyEntry], accounts: &Accounts) -> Paying {
        let terms = &self.config.terms;
        let user = |(name, allowance): (&String, &Allowance)| {
            Some((name.clone(), accounts.holder(Payer::User(name.clone()), *allowance, terms)?))
        };
        let users: Arc<HashMap<_, _>> = Arc::new(self.config.users.iter().filter_map(user).collect());
        let team = |(name, team): (&String, &Bounds)| {
            Some((name.clone(), accounts.holder(Payer::Team(name.clone()), team.allowance, terms)?))
        };
        let teams: HashMap<_, _> = self.config.teams.iter().filter_map(team).collect();
        let mut all: Vec<Arc<Holder>> = users.values().chain(teams.values()).cloned().collect();
        let mut keys = HashMap::new();
        for KeyEntry { caller, allowance, .. } in entries {
            let own = accounts.holder(Payer::Key(caller.key.to_string()), *allowance, terms);
            all.extend(own.clone());
            let holders: Vec<_> = own.into_iter().chain(teams.get(caller.team.as_str()).cloned()).collect();
            if !holders.is_empty() {
                let account = CallerAccount { holders, users: users.clone() };
                keys.insert(caller.key.to_string(), Arc::new(account) as Arc<dyn Account>);
            }
        }
        let of_users = CallerAccount { holders: Vec::new(), users: users.clone() };
        let others = (!users.is_empty()).then(|| Arc::new(of_users) as Arc<dyn Account>);
        Paying { keys, others, holders: all }
    }
}

impl KeyDesk {
    pub(crate) fn new(
        location: Location,
        known: Known,
        accounts: Arc<Accounts>,
        leadership: Leadership,
        workers: &[Arc<ArcSwap<Live>>],
    ) -> Self {
        Self {
            accounts,
            leadership,
            location,
            workers: workers.to_vec(),
            state: Mutex::default(),
            known: Mutex::new(known),
            closing: AtomicBool::new(false),
        }
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
        let keys = next.keys(ladder, &self.accounts);
        reread(&self.accounts, &keys, &self.location, false);
        swap(&Arc::new(keys))?;
        *known = next;
        Ok(())
    }

    /// Asks or changes the ledger's keys, and puts what changed in force. May wait: not for the event loop.
    pub(crate) fn with<T, E: From<LedgerError>>(&self, ask: impl FnOnce(&mut State) -> Result<T, E>) -> Result<T, E> {
        let mut state = self.state();
        let state = self.opened(&mut state)?;
        let answer = ask(state);
        // The answer may hold a secret that is told once; what cannot be read again now is read by the next look.
        if let Err(error) = self.refresh(state) {
            tracing::warn!(%error, "keys may have changed, and are not in force yet");
        }
        answer
    }

    /// Puts in force what changed since the last look.
    fn look(&self) -> Result<(), LedgerError> {
        let mut state = self.state();
        match self.opened(&mut state) {
            Ok(state) => self.refresh(state),
            Err(LedgerError::ReadOnly { .. } | LedgerError::Refused { .. }) => {
                self.refresh(&mut readable(&self.location)?)
            }
            Err(error) => Err(error),
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened<'s>(&self, state: &'s mut Option<State>) -> Result<&'s mut State, LedgerError> {
        let open = match state.take() {
            Some(open) if open.is_current() => open,
            earlier => {
                // Another file may have come to the same number of changes.
                if let Some((revision, _)) = self.known().stored.as_mut().filter(|_| earlier.is_some()) {
                    *revision = i64::MIN;
                }
                State::open(self.location.clone())?
            }
        };
        Ok(state.insert(open))
    }

    fn refresh(&self, state: &mut State) -> Result<(), LedgerError> {
        let revision = state.keys_revision()?;
        let mut known = self.known();
        if known.stored.as_ref().is_some_and(|(known, _)| *known == revision) {
            return Ok(());
        }
        let mut stored = state.keys()?;
        if let Some((_, had)) = known.stored.as_ref().filter(|(_, had)| stored.1.is_empty() && !had.is_empty()) {
            let keys = state.put_keys(had)?;
            tracing::warn!(keys, ledger = %self.location, "the ledger had no keys any more, as when its file is moved away: those last known stay in force and stand in it again");
            stored = state.keys()?;
        }
        known.stored = Some(stored);
        let Some(first) = self.workers.first() else { return Ok(()) };
        let live = first.load();
        let keys = known.keys(live.router.setup().table.ladder(), &self.accounts);
        reread(&self.accounts, &keys, &self.location, false);
        let keys = Arc::new(keys);
        for worker in &self.workers {
            worker.store(Arc::new(Live { keys: keys.clone(), ..Live::clone(&worker.load()) }));
        }
        tracing::info!(revision, keys = known.stored.as_ref().map_or(0, |(_, keys)| keys.len()), "keys changed");
        Ok(())
    }

    fn in_force(&self) -> Option<Arc<Keys>> {
        Some(self.workers.first()?.load().keys.clone())
    }

    /// What others may have spent from our budgets in the meantime.
    fn reread(&self) {
        if let Some(keys) = self.in_force() {
            reread(&self.accounts, &keys, &self.location, true);
        }
    }

    /// What budgets have reached goes to the webhook, from the replica that leads.
    fn carry_alarms(&self) {
        let terms = self.known().config.terms.clone();
        terms.alarms.carry(&terms.webhook, self.leadership.leads());
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
            let (mut failing, mut reread_at) = (false, Instant::now() + REREAD_EVERY);
            while !looking.closing.load(Ordering::Acquire) {
                let looked = looking.look();
                if let Err(error) = &looked
                    && !failing
                {
                    tracing::error!(%error, "keys cannot be read; those last known stay in force");
                }
                failing = looked.is_err();
                if Instant::now() >= reread_at {
                    looking.reread();
                    reread_at = Instant::now() + REREAD_EVERY;
                }
                looking.carry_alarms();
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

/// Reads what budgets have spent. Those that cannot be read count from now on, and are tried again.
pub(crate) fn reread(accounts: &Accounts, keys: &Keys, location: &Location, all: bool) {
    if keys.holders.iter().all(|holder| holder.allowance.budget.is_none()) {
        return;
    }
    let read = Reader::open(location.clone()).and_then(|mut reader| accounts.reread(&keys.holders, &mut reader, all));
    if let Err(error) = read {
        tracing::error!(%error, "what budgets have spent cannot be read; they count from the start of this process");
    }
}

/// Opens a ledger whose keys are to be read, which may be one that cannot be changed.
fn readable(location: &Location) -> Result<State, LedgerError> {
    State::open(location.clone()).or_else(|error| match error {
        // Neither is it here for questions.
        LedgerError::Unreachable { .. } => Err(error),
        _ => State::open_to_read(location.clone()),
    })
}
