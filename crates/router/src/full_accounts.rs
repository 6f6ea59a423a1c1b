//! What one request finds at the accounts of providers: room, or a line to stand in.

use crate::deciding::Decided;
use crate::prepare::Asked;
use crate::provider_account::ProviderAccount;
use crate::router::Router;
use std::time::Duration;
use tierway_decide::dispatch::{Dispatch, Step};
use tierway_decide::room::{Full, Place};

/// A target that cannot be called now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// When it can; none: not within this request.
    pub(crate) ready_at_ms: Option<u64>,
    /// The account of its provider has no room.
    pub(crate) is_full: bool,
}

/// What a call takes at an account: a place that was waited for, or one of so many tokens.
pub(crate) struct AccountSlot {
    tokens: u64,
    waited_for: Option<Place>,
}

impl AccountSlot {
    /// One that nobody waited for.
    pub(crate) const fn of(tokens: u64) -> Self {
        Self { tokens, waited_for: None }
    }

    /// The place at this account.
    pub(crate) fn at(self, account: &ProviderAccount, now_ms: u64) -> Result<Place, Refused> {
        if let Some(place) = self.waited_for.filter(|place| account.is_of(place)) {
            return Ok(place);
        }
        account.enter(self.tokens, now_ms).map_err(|Full { wait_ms }| {
            // Nobody knows when a request ends; it is waited for in line.
            Refused { ready_at_ms: Some(now_ms + wait_ms.unwrap_or(1)), is_full: true }
        })
    }
}

/// The accounts that a request found full.
pub(crate) struct FullAccounts {
    tokens: u64,
    targets: Vec<usize>,
    was_any: bool,
    waited_for: Option<Place>,
}

impl FullAccounts {
    pub(crate) fn new(asked: &Asked<'_>) -> Self {
        Self { tokens: asked.tokens(), targets: Vec::new(), was_any: false, waited_for: None }
    }

    /// What the next call takes.
    pub(crate) fn seat(&mut self) -> AccountSlot {
        AccountSlot { tokens: self.tokens, waited_for: self.waited_for.take() }
    }

    /// This target of the plan could not be called.
    pub(crate) fn saw(&mut self, target: usize, refused: Refused) {
        if refused.is_full {
            self.was_any = true;
            self.targets.push(target);
        }
    }

    pub(crate) const fn is_any(&self) -> bool {
        !self.targets.is_empty()
    }

    pub(crate) const fn was_any(&self) -> bool {
        self.was_any
    }

    /// Stands in the shortest line; where another tier could be asked, not beyond what is accepted for that.
    pub(crate) async fn wait(
        &mut self,
        router: &Router,
        asked: &Asked<'_>,
        decided: &Decided,
        dispatch: &mut Dispatch,
    ) -> Step {
        let (ground, targets) = (&*router.ground, std::mem::take(&mut self.targets));
        let account = |at: &usize| {
            let target = ground.setup.target(dispatch.plan()[*at].id, decided.foreign.as_ref());
            Some((*at, ground.setup.accounts().get(target.provider.as_str())?))
        };
        let shortest = targets.iter().filter_map(account).min_by_key(|(_, account)| account.waiting());
        let now = ground.clock.monotonic_ms();
        let Some((target, account)) = shortest else { return dispatch.on_no_room(now, &targets) };
        let left = Duration::from_millis(dispatch.deadline_ms().saturating_sub(now));
        let mut within = ground.setup.queue.within.min(left);
        if dispatch.has_other_tiers(target) {
            within = within.min(Duration::from_millis(dispatch.patience_ms()));
        }
        let (caller, most) = (&asked.call.caller.key, ground.setup.queue.most);
        self.waited_for = account.wait(caller, self.tokens, most, within, &*ground.clock).await;
        let now = ground.clock.monotonic_ms();
        if self.waited_for.is_some() { dispatch.on_room(now, target) } else { dispatch.on_no_room(now, &targets) }
    }
}
