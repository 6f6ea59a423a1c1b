//! Whether a candidate is a match of its whole pattern, word boundaries of all scripts included.
//!
//! No fast automaton looks around letters of several bytes, so that a text with any of those is searched fifty times as
//! slowly. In such a text only the places are looked at where the pattern without its boundaries matches.

use super::{build, build_as, relaxed};
use regex_automata::{Anchored, Input, MatchKind, meta};
use regex_syntax::hir::Hir;
use std::slice;
use std::sync::OnceLock;

/// Places in a text that are looked at one by one; the rest of one with more is searched as a whole, so that work stays
/// linear in its length.
const PLACES: usize = 32;
/// Bytes of the longest match that a place is looked at for.
const LONGEST: usize = 1024;

/// A pattern of which the search left something out. Compiled when the first candidate comes or somebody has it made ready,
/// whichever is first: start-up does not pay for it.
#[derive(Clone, Debug)]
pub(super) struct Confirmation {
    whole: Hir,
    exact: OnceLock<Option<meta::Regex>>,
    places: OnceLock<Option<meta::Regex>>,
}

impl Confirmation {
    pub(super) fn of(whole: &Hir) -> Self {
        Self { whole: whole.clone(), exact: OnceLock::new(), places: OnceLock::new() }
    }

    /// Compiles now what the first candidate would have to wait for.
    pub(super) fn make_ready(&self) {
        self.exact();
        if self.longest().is_some() {
            self.places();
        }
    }

    fn exact(&self) -> Option<&meta::Regex> {
        self.exact.get_or_init(|| build(slice::from_ref(&self.whole), None).ok()).as_ref()
    }

    fn places(&self) -> Option<&meta::Regex> {
        let compile = || build_as(MatchKind::LeftmostFirst, &[relaxed(&self.whole)], None).ok();
        self.places.get_or_init(compile).as_ref()
    }

    /// Bytes of its longest match, where places can be looked at one by one.
    fn longest(&self) -> Option<usize> {
        self.whole.properties().maximum_len().filter(|longest| *longest <= LONGEST)
    }

    /// Whether the pattern matches somewhere from this byte of the text on.
    pub(super) fn matches(&self, text: &str, from: usize) -> bool {
        let Some(exact) = self.exact() else { return false };
        let (Some(longest), false) = (self.longest(), text.is_ascii()) else {
            return exact.is_match(Input::new(text).range(from..));
        };
        let Some(places) = self.places() else { return false };
        let mut from = from;
        for _ in 0..PLACES {
            let Some(place) = places.find(Input::new(text).range(from..)) else { return false };
            let span = place.start()..text.len().min(place.start() + longest);
            if exact.is_match(Input::new(text).range(span).anchored(Anchored::Yes)) {
                return true;
            }
            from = text.ceil_char_boundary(place.start() + 1);
        }
        exact.is_match(Input::new(text).range(from..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex_automata::util::syntax;

    const PATTERNS: &[&str] = &[
        r"\b(diagnosis|patient|PHI)\b",
        r"\bPHI\B",
        r"\bprove (that|by)\b",
        r"\b[a-z]{1,3}x?\b",
        r"\bé\w*\b",
        r"(?:\bx|ab)x{0,3}\b",
    ];

    proptest! {
        #[test]
        fn what_is_confirmed_is_what_a_plain_search_finds(
            pieces in proptest::collection::vec(
                prop::sample::select(vec!["PHI", "phi", "patient", "é", "x", "ab", " ", "プ", "prove that", "prove by", ".", "s"]),
                0..120,
            ),
            pattern in prop::sample::select(PATTERNS),
        ) {
            let text = pieces.concat();
            let whole = syntax::parse_with(pattern, &syntax::Config::new().case_insensitive(true)).unwrap();
            let plain = meta::Regex::builder().build_from_hir(&whole).unwrap();
            prop_assert_eq!(Confirmation::of(&whole).matches(&text, 0), plain.is_match(&text), "{} in {}", pattern, text);
        }
    }
}
