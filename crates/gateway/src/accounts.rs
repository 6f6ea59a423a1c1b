//! Accounts of keys, teams and users: what each has spent, how fast it goes, and what one request may take.
//!
//! Everything that counts outlives reloads and is shared by all workers; there is no lock on the way of a request. What
//! was spent before this process began, and what other processes spend from the same budgets, is read from the ledger
//! now and then ([`Accounts::reread`]), so a budget is whole again after a crash: what was reserved then is forgotten,
//! what was settled stands in the rows.

mod alarms;
mod hold;
mod holder;
mod remote;

pub(crate) use alarms::Alarms;
pub(crate) use holder::{Holder, Terms};

use crate::shared::{Pace, Shared};
use hold::AccountHold;
use holder::{Filled, Speed};
use remote::Wish;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tierway::{Account, BoxFuture, Clock, Denied, Hold, Need, Standing, SystemClock};
use tierway_config::Allowance;
use tierway_decide::budget::{Calendar, Period};
use tierway_ledger::{LedgerError, Payer, Reader};

/// All accounts of this process.
pub(crate) struct Accounts {
    clock: Arc<SystemClock>,
    calendar: Arc<Calendar>,
    purses: Mutex<HashMap<(Payer, Period), Arc<Filled>>>,
    speeds: Mutex<HashMap<Payer, Arc<Speed>>>,
    shared: Option<Arc<Shared>>,
}

impl Accounts {
    /// `shared`: where replicas share what is left, if they do.
    pub(crate) fn new(clock: Arc<SystemClock>, shared: Option<Arc<Shared>>) -> Self {
        let calendar = Arc::new(Calendar::new(clock.unix_ms(), clock.monotonic_ms()));
        Self { clock, calendar, purses: Mutex::default(), speeds: Mutex::default(), shared }
    }

    /// The account of one of them; none where it has no bounds.
    pub(crate) fn holder(&self, payer: Payer, allowance: Allowance, terms: &Arc<Terms>) -> Option<Arc<Holder>> {
        if allowance == Allowance::default() {
            return None;
        }
        let purse = allowance.budget.map(|budget| {
            let place = (payer.clone(), budget.period);
            lock(&self.purses).entry(place).or_default().clone()
        });
        let speed = lock(&self.speeds).entry(payer.clone()).or_insert_with(|| self.speed(&payer)).clone();
        Some(Arc::new(Holder {
            payer,
            allowance,
            purse,
            speed,
            terms: terms.clone(),
            clock: self.clock.clone(),
            calendar: self.calendar.clone(),
            shared: self.shared.clone(),
        }))
    }

    fn speed(&self, payer: &Payer) -> Arc<Speed> {
        let (kind, name) = holder::named(payer);
        let pace = match &self.shared {
            Some(shared) => shared.enter_pace(Pace::new(shared.pace_name(kind, name))),
            None => Arc::new(Pace::new(String::new())),
        };
        Arc::new(Speed { requests: Default::default(), tokens: Default::default(), pace })
    }

    /// Reads what was spent of these budgets from the ledger. `all`: also of those that were read before, but for users,
    /// of whom the ledger keeps no sums.
    pub(crate) fn reread(&self, holders: &[Arc<Holder>], reader: &mut Reader, all: bool) -> Result<(), LedgerError> {
        for holder in holders {
            let (Some(purse), Some(window)) = (&holder.purse, holder.window()) else { continue };
            let known = purse.is_read(window);
            if known && (!all || matches!(holder.payer, Payer::User(_))) {
                continue;
            }
            holder.at_least(window, reader.spent(&holder.payer, window.start_ms)?);
            purse.set_read(window);
        }
        Ok(())
    }
}

/// What one caller's requests are paid from: its key, its team, and whoever it asks for.
pub(crate) struct CallerAccount {
    /// Key and team.
    pub(crate) holders: Vec<Arc<Holder>>,
    pub(crate) users: Arc<HashMap<String, Arc<Holder>>>,
}

impl std::fmt::Debug for CallerAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallerAccount").field("holders", &self.holders.len()).finish_non_exhaustive()
    }
}

impl CallerAccount {
    fn of(&self, user: &str) -> impl Iterator<Item = &Arc<Holder>> {
        let user = if user.is_empty() { None } else { self.users.get(user) };
        self.holders.iter().chain(user)
    }
}

impl Account for CallerAccount {
    fn standing(&self, user: &str) -> Standing {
        let mut standing = Standing::default();
        for holder in self.of(user) {
            standing.exhausted |= holder.is_exhausted();
            if let Some((tier, told)) = holder.step_down()
                && standing.cap.as_ref().is_none_or(|(known, _)| tier < *known)
            {
                standing.cap = Some((tier, told));
            }
        }
        standing
    }

    fn reserve<'a>(&'a self, user: &'a str, need: Need) -> BoxFuture<'a, Result<Box<dyn Hold>, Denied>> {
        if need.money.is_none() && self.of(user).any(|holder| holder.allowance.budget.is_some()) {
            return Box::pin(std::future::ready(Err(hold::unpriced())));
        }
        let shared = self.of(user).next().and_then(|holder| holder.shared.as_ref());
        if let Some(shared) = shared.filter(|shared| shared.is_up()) {
            let mut wish = Wish::new(self.of(user).cloned().collect(), need);
            return match wish.take_ahead() {
                Some(hold) => Box::pin(std::future::ready(Ok(Box::new(hold) as Box<dyn Hold>))),
                None => Box::pin(async move { Ok(Box::new(wish.take(shared).await?) as Box<dyn Hold>) }),
            };
        }
        // What was taken before one of them refuses goes back when it is dropped.
        let taken = AccountHold::take(self.of(user), need);
        Box::pin(std::future::ready(taken.map(|hold| Box::new(hold) as Box<dyn Hold>)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
