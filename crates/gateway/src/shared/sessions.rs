//! Where conversations are, so that a turn which comes to another replica finds its cache warm.
//!
//! Once a second each replica tells what it has learned, in one entry of a stream that Redis keeps for ten minutes, and
//! reads what the others told since. No request waits for it: a turn that comes sooner starts anew, which costs a cold cache.

use super::illness::Now;
use redis::{Pipeline, Value};
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};
use tierway::decide::{TargetId, TierId};
use tierway::{SessionKey, SessionNote, Setup};

/// Entries are kept for so long: providers keep a prompt for five minutes after its last use, or a little longer.
const KEEP_MS: i64 = 600_000;
/// Entries that are read in one beat; the rest is read in the next.
const AT_ONCE: usize = 256;

/// What one replica tells in one entry.
#[derive(Serialize, Deserialize)]
struct Entry {
    by: String,
    /// Targets are told by their places in this ladder; who has another one does not listen.
    ladder: u64,
    notes: Vec<Told>,
}

/// Conversation, tier, place in it, tokens, Unix milliseconds.
#[derive(Serialize, Deserialize)]
struct Told(SessionKey, u8, u8, u32, i64);

/// How far the stream was read.
pub(super) struct Reading {
    last: String,
}

impl Reading {
    /// From its beginning: who starts finds caches warm that others have warmed.
    pub(super) fn new() -> Self {
        Self { last: "0".into() }
    }

    /// Tells what was learned here, and asks what others have: one answer.
    pub(super) fn ask(&self, pipe: &mut Pipeline, stream: &str, me: &str, setup: Option<&Setup>, now: Now) {
        if let Some(entry) = setup.and_then(|setup| entry(setup, me, now)) {
            let oldest = now.unix_ms - KEEP_MS;
            pipe.cmd("XADD").arg(stream).arg("MINID").arg("~").arg(oldest).arg("*").arg("e").arg(entry).ignore();
            pipe.cmd("PEXPIRE").arg(stream).arg(KEEP_MS).ignore();
        }
        pipe.cmd("XREAD").arg("COUNT").arg(AT_ONCE).arg("STREAMS").arg(stream).arg(&self.last);
    }

    /// Learns from the answer; what does not read as an entry is passed over.
    pub(super) fn hear(&mut self, answer: &Value, me: &str, setup: Option<&Setup>, now: Now) {
        let ours = setup.map(fingerprint);
        for (id, entry) in entries(answer) {
            self.last = id;
            let (Some(setup), Some(Entry { by, ladder, notes })) = (setup, entry) else { continue };
            if by != me && Some(ladder) == ours {
                notes.iter().filter_map(|told| note(setup, told, now)).for_each(|note| setup.hear_session(note));
            }
        }
    }
}

fn entry(setup: &Setup, me: &str, now: Now) -> Option<String> {
    let notes = setup.session_notes();
    let told = |note: &SessionNote| {
        let ago = i64::try_from(now.monotonic_ms.saturating_sub(note.at_ms)).unwrap_or(KEEP_MS);
        Told(note.key, note.target.tier.0, note.target.index, note.tokens, now.unix_ms - ago)
    };
    let entry = Entry { by: me.into(), ladder: fingerprint(setup), notes: notes.iter().map(told).collect() };
    if notes.is_empty() { None } else { serde_json::to_string(&entry).ok() }
}

fn note(setup: &Setup, told: &Told, now: Now) -> Option<SessionNote> {
    let Told(key, tier, index, tokens, unix_ms) = *told;
    let target = TargetId { tier: TierId(tier), index };
    let tiers = setup.table.ladder().tiers();
    tiers.get(usize::from(tier))?.targets.get(usize::from(index))?;
    let ago = now.unix_ms.saturating_sub(unix_ms).max(0).unsigned_abs();
    Some(SessionNote { key, target, tokens, at_ms: now.monotonic_ms.saturating_sub(ago) })
}

/// The same for ladders with the same targets in the same places.
fn fingerprint(setup: &Setup) -> u64 {
    let mut hasher = DefaultHasher::new();
    setup.places().hash(&mut hasher);
    hasher.finish()
}

/// Every entry of an answer to XREAD about one stream: its id, and what it says.
fn entries(answer: &Value) -> Vec<(String, Option<Entry>)> {
    let entries = match answer {
        // RESP3 and RESP2.
        Value::Map(streams) => streams.first().map(|(_, entries)| entries),
        streams => streams.as_sequence().and_then(|streams| streams.first()?.as_sequence()?.get(1)),
    };
    let entry = |entry: &Value| {
        let [Value::BulkString(id), fields] = entry.as_sequence()? else { return None };
        let said = match fields.as_sequence() {
            Some([_, Value::BulkString(json)]) => serde_json::from_slice(json).ok(),
            _ => None,
        };
        Some((String::from_utf8_lossy(id).into_owned(), said))
    };
    entries.and_then(Value::as_sequence).unwrap_or_default().iter().filter_map(entry).collect()
}
