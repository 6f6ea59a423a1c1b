//! What must hold for any bytes that a client, a provider or an operator's file may hold: nothing panics, nothing takes
//! long, and what comes out is what it claims to be.
//!
//! One function a fuzz target ([`TARGETS`]); `fuzz/` feeds them with what libFuzzer thinks of, the test `corpora` with what
//! was found worth keeping. They assert; a violation panics. Not a part of the router.
#![allow(clippy::panic, reason = "an assertion that fails is what this is for")]

mod answer;
mod config;
mod events;
mod request;
mod rules;
mod stream;

pub use answer::probe as answer;
pub use config::probe as config;
pub use events::probe as events;
pub use request::probe as request;
pub use rules::probe as rules;
pub use stream::probe as stream;

use tierway_wire::{Context, Format};

/// A target by its name: the directory of its corpus is called so.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 6] = [
    ("request", request),
    ("answer", answer),
    ("events", events),
    ("stream", stream),
    ("config", config),
    ("rules", rules),
];

/// The first byte chooses an API, the others are its text.
fn format_and_rest(bytes: &[u8]) -> Option<(u8, Format, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    Some((*first, Format::ALL[usize::from(*first) % Format::ALL.len()], rest))
}

/// In pieces of a length from 1 to 64, or of the whole.
fn pieces(choice: u8, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(usize::from(choice % 64) + 1)
}

fn context(choice: u8) -> Context {
    Context {
        request_id: "06yf21e8a5800".into(),
        created_s: 1_790_000_000,
        structured_tool: (choice & 0x40 != 0).then(|| "answer".to_owned()),
        custom_tools: if choice & 0x80 != 0 { vec!["f".to_owned()] } else { Vec::new() },
        usage_wanted: choice & 0x20 != 0,
        ..Context::default()
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// JSON by a reader that is not ours.
#[track_caller]
fn assert_json(bytes: &[u8]) {
    let read = serde_json::from_slice::<serde::de::IgnoredAny>(bytes);
    assert!(read.is_ok(), "we wrote what is no JSON ({read:?}):\n{}", String::from_utf8_lossy(bytes));
}
