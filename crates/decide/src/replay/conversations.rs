//! Where conversations would be, while their requests are decided again one after the other.

use super::Outcome;
use crate::{CallRecord, RejectWhy, Session, SessionPolicy, TargetId};
use std::collections::BTreeMap;

/// Conversations remembered at most; then the silent ones are forgotten, or all.
const MOST: usize = 65_536;
/// Providers keep a prompt for at least five minutes after its last use.
const WARM_MS: i64 = 5 * 60_000;

/// The last target and warm tokens of each conversation. Requests have to come in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Conversations {
    last: BTreeMap<u64, Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    target: TargetId,
    tokens: u32,
    at_ms: i64,
}

impl Conversations {
    /// Where the conversation of a request is; none when it is new, or was silent for too long.
    #[must_use]
    pub fn find(&self, call: &CallRecord, policy: SessionPolicy) -> Option<Session> {
        let last = self.last.get(&name(call))?;
        let silent_ms = call.id.unix_ms() - last.at_ms;
        let bound = call.rejected.iter().any(|rejected| rejected.why == RejectWhy::BoundToModel);
        let warm_tokens = if silent_ms <= WARM_MS { last.tokens } else { 0 };
        let session = Session { target: last.target, warm_tokens, bound };
        (silent_ms <= i64::from(policy.idle_minutes) * 60_000).then_some(session)
    }

    /// A request was answered.
    pub fn remember(&mut self, call: &CallRecord, outcome: &Outcome, policy: SessionPolicy) {
        let at_ms = call.id.unix_ms();
        if self.last.len() >= MOST {
            let idle_ms = i64::from(policy.idle_minutes) * 60_000;
            self.last.retain(|_, last| at_ms - last.at_ms <= idle_ms);
            if self.last.len() >= MOST {
                self.last.clear();
            }
        }
        let tokens = call.usage.input_tokens + call.usage.output_tokens;
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        self.last.insert(name(call), Last { target: outcome.target, tokens, at_ms });
    }
}

/// FNV-1a of key and conversation.
fn name(call: &CallRecord) -> u64 {
    let bytes = call.key.bytes().chain([0]).chain(call.session.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
