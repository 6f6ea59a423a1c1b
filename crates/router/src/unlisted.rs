//! What all requests together know of models on no tier, which callers name themselves: pass-through and embeddings.
//! Bounded, for the names are the callers'. Each model has a state of its own, so that a name that does not exist keeps
//! nobody away from the others of its provider.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tierway_decide::balance::TargetState;
use tierway_decide::{Name, Target};

/// Models that are remembered at most; one beyond them is called like one that nothing is known of.
const MOST: usize = 1_000;

/// States of targets by provider and model.
#[derive(Debug, Default)]
pub(crate) struct UnlistedTargets(Mutex<BTreeMap<(Name, Name), Arc<TargetState>>>);

impl UnlistedTargets {
    /// The state of this target. Where there is no more room, those that nobody calls and nothing speaks against go.
    pub(crate) fn state(&self, target: &Target, now_ms: u64, fresh: impl FnOnce() -> TargetState) -> Arc<TargetState> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (target.provider.clone(), target.model.clone());
        if let Some(state) = known.get(&name) {
            return state.clone();
        }
        if known.len() >= MOST {
            known.retain(|_, state| Arc::strong_count(state) > 1 || !state.health(now_ms).callable());
        }
        let state = Arc::new(fresh());
        if known.len() < MOST {
            known.insert(name, state.clone());
        }
        state
    }
}
