//! Where conversations are: who answered last, and how much of the prompt that provider's cache probably still holds.
//!
//! A fixed table in memory: two conversations that fall into one slot push each other out, which costs a cold cache and
//! nothing else. Conversations without a name are known by their caller and how they begin. What is learned can be noted for
//! other replicas, and what they have learned is heard; it never replaces what is newer.

use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, OnceLock, PoisonError};
use tierway_decide::{Session, TargetId};
use tierway_wire::{Outline, Role};

/// Conversations remembered at most; a slot takes 40 bytes.
const SLOTS: usize = 16_384;
/// Providers keep a prompt for at least five minutes after its last use.
const WARM_MS: u64 = 5 * 60_000;
/// How much of the first turns is looked at.
const LOOK: usize = 256;

/// Notes that wait for somebody who takes them; more are not made.
const MOST_NOTES: usize = 16_384;

/// A conversation, by name or beginning. The same in every process of one build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionKey(u64);

/// Where a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionNote {
    /// Which.
    pub key: SessionKey,
    /// Who answered last.
    pub target: TargetId,
    /// Tokens of prompt and answer, which are in its provider's cache.
    pub tokens: u32,
    /// When, by the clock that never goes back, milliseconds.
    pub at_ms: u64,
}

/// All conversations of one ladder.
pub(crate) struct Sessions {
    slots: Box<[Mutex<Option<SessionNote>>]>,
    /// What was learned here since it was last taken; nothing while nobody wants it.
    notes: OnceLock<Mutex<Vec<SessionNote>>>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| Mutex::new(None)).collect(), notes: OnceLock::new() }
    }
}

impl SessionKey {
    /// The conversation that a request belongs to: as named by the client, else by its first instructions and question.
    pub(crate) fn of(caller: &str, named: Option<&str>, outline: &Outline<'_>) -> Self {
        let mut hasher = DefaultHasher::new();
        caller.hash(&mut hasher);
        if let Some(name) = named {
            name.hash(&mut hasher);
            return Self(hasher.finish());
        }
        for role in [Role::System, Role::User] {
            let first = outline.turns.iter().find(|turn| turn.role == role);
            for text in first.into_iter().flat_map(tierway_wire::Turn::texts) {
                text.len().hash(&mut hasher);
                text.as_bytes()[..text.len().min(LOOK)].hash(&mut hasher);
            }
        }
        Self(hasher.finish())
    }
}

/// For records: tells conversations apart, tells nothing about them.
impl std::fmt::Display for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Sessions {
    /// Where the conversation is, unless it was silent for longer than `idle_ms`.
    pub(crate) fn find(&self, key: SessionKey, now_ms: u64, idle_ms: u64, bound: bool) -> Option<Session> {
        let entry = (*self.slot(key).lock().unwrap_or_else(PoisonError::into_inner))?;
        let silent_ms = now_ms.saturating_sub(entry.at_ms);
        if entry.key != key || silent_ms > idle_ms {
            return None;
        }
        let warm_tokens = if silent_ms <= WARM_MS { entry.tokens } else { 0 };
        Some(Session { target: entry.target, warm_tokens, bound })
    }

    /// The conversation was answered by this target; `tokens` of prompt and answer are now in its cache.
    pub(crate) fn remember(&self, key: SessionKey, target: TargetId, tokens: u64, at_ms: u64) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let note = SessionNote { key, target, tokens, at_ms };
        *self.slot(key).lock().unwrap_or_else(PoisonError::into_inner) = Some(note);
        if let Some(notes) = self.notes.get() {
            let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
            if notes.len() < MOST_NOTES {
                notes.push(note);
            }
        }
    }

    /// What was learned here since the last time, oldest first; the first time nothing.
    pub(crate) fn take_notes(&self) -> Vec<SessionNote> {
        let notes = self.notes.get_or_init(Mutex::default);
        std::mem::take(&mut *notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What another replica has learned, unless something newer is known.
    pub(crate) fn hear(&self, note: SessionNote) {
        let mut slot = self.slot(note.key).lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none_or(|known| known.at_ms < note.at_ms) {
            *slot = Some(note);
        }
    }

    fn slot(&self, key: SessionKey) -> &Mutex<Option<SessionNote>> {
        &self.slots[(key.0 % SLOTS as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierway_decide::TierId;

    const TARGET: TargetId = TargetId { tier: TierId(1), index: 0 };

    #[track_caller]
    fn warm_after(silent_ms: u64) -> Option<u32> {
        let sessions = Sessions::default();
        sessions.remember(SessionKey(7), TARGET, 1_200, 1_000);
        sessions.find(SessionKey(7), 1_000 + silent_ms, 3_600_000, false).map(|session| session.warm_tokens)
    }

    #[test]
    fn a_cache_cools_before_a_conversation_is_forgotten() {
        assert_eq!(warm_after(1_000), Some(1_200));
        assert_eq!(warm_after(WARM_MS + 1), Some(0));
        assert_eq!(warm_after(3_600_001), None);
    }

    #[test]
    fn conversations_that_share_a_slot_are_not_mixed_up() {
        let sessions = Sessions::default();
        sessions.remember(SessionKey(7), TARGET, 10, 0);
        assert_eq!(sessions.find(SessionKey(7 + SLOTS as u64), 0, 1, false), None);
    }

    #[test]
    fn what_is_learned_is_noted_once_for_others_and_what_they_tell_never_replaces_what_is_newer() {
        let (here, there) = (Sessions::default(), Sessions::default());
        here.remember(SessionKey(7), TARGET, 10, 1);
        assert_eq!(here.take_notes(), [], "nobody wanted them");
        here.remember(SessionKey(7), TARGET, 20, 2);
        let notes = here.take_notes();
        assert_eq!((notes.len(), here.take_notes().len()), (1, 0));
        there.hear(notes[0]);
        let tokens = |sessions: &Sessions| sessions.find(SessionKey(7), 3, 9, false).map(|found| found.warm_tokens);
        assert_eq!(tokens(&there), Some(20));
        assert_eq!(there.take_notes(), [], "hearsay is not told on");
        there.hear(SessionNote { tokens: 5, at_ms: 1, ..notes[0] });
        assert_eq!(tokens(&there), Some(20));
    }

    #[test]
    fn a_conversation_is_known_by_how_it_begins() {
        let key = |body: &str, caller: &str, name: Option<&str>| {
            let (outline, _) = tierway_wire::openai_chat::outline(body.as_bytes()).unwrap();
            SessionKey::of(caller, name, &outline)
        };
        let first = r#"{"model":"auto","messages":[{"role":"user","content":"hello"}]}"#;
        let later = r#"{"model":"auto","messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"hi"},{"role":"user","content":"more"}]}"#;
        let other = r#"{"model":"auto","messages":[{"role":"user","content":"hullo"}]}"#;
        assert_eq!(key(first, "a", None), key(later, "a", None));
        assert_ne!(key(first, "a", None), key(other, "a", None));
        assert_ne!(key(first, "a", None), key(first, "b", None));
        assert_eq!(key(first, "a", Some("s")), key(other, "a", Some("s")));
    }
}
