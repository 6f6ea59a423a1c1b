//! The targets of one request as dispatch sees them.

use crate::{Ladder, TargetId};

/// One target that can serve the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which target.
    pub id: TargetId,
    /// Its provider: equal numbers share a key and an account.
    pub provider: u32,
    /// Its model: equal numbers speak with one voice, whoever hosts them.
    pub model: u32,
    /// Tokens that fit, where known.
    pub window: Option<u32>,
    /// It goes on with a partial answer.
    pub prefill: bool,
    /// Its first byte is late after so many milliseconds, and a sibling may be asked beside it; none: it is waited for.
    pub late_after_ms: Option<u64>,
}

impl Candidate {
    /// What did not fit `other` may fit here. Unknown windows are taken for too small.
    #[must_use]
    pub fn larger_than(&self, other: &Self) -> bool {
        match (self.window, other.window) {
            (Some(here), Some(there)) => here > there,
            (Some(_), None) => self.model != other.model,
            (None, _) => false,
        }
    }
}

/// Candidates for targets of a ladder, in the same order.
#[must_use]
pub fn plan(ladder: &Ladder, targets: &[TargetId]) -> Vec<Candidate> {
    let (mut providers, mut models) = (Vec::new(), Vec::new());
    targets
        .iter()
        .map(|&id| {
            let target = ladder.target(id);
            Candidate {
                id,
                provider: number(&mut providers, &target.provider),
                model: number(&mut models, &target.model),
                window: target.limits.context_window,
                prefill: target.parameters.prefill,
                late_after_ms: None,
            }
        })
        .collect()
}

fn number<'a>(known: &mut Vec<&'a str>, name: &'a str) -> u32 {
    let at = known.iter().position(|other| *other == name).unwrap_or_else(|| {
        known.push(name);
        known.len() - 1
    });
    u32::try_from(at).unwrap_or(u32::MAX)
}
