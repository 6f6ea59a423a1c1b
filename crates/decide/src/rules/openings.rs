//! Where a match could begin: tells most texts apart from those that have to be searched, with vectors.
//!
//! In: patterns. Out: the literals that their matches begin with, all in lower case, for texts in lower case. Written out in
//! every mix of capitals and small letters they would be too many for vectors, and rules do not tell case by default.
//! It says where a search has to start, never that there is a match.

use regex_automata::util::prefilter::Prefilter;
use regex_automata::{MatchKind, Span};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind};

/// Bytes of a text that are put into lower case at a time.
const PIECE: usize = 1024;

/// What matches begin with.
#[derive(Clone, Debug)]
pub(super) struct Openings {
    literals: Prefilter,
}

impl Openings {
    /// None where some match can begin with nearly anything, or vectors are of no help.
    pub(super) fn of(patterns: &[Hir]) -> Option<Self> {
        let lower: Vec<Hir> = patterns.iter().map(|pattern| super::rewritten(pattern, &in_lower_case)).collect();
        let literals = Prefilter::from_hirs_prefix(MatchKind::All, &lower).filter(Prefilter::is_fast)?;
        (literals.max_needle_len() <= PIECE / 2).then_some(Self { literals })
    }

    /// No match begins before this byte of the text; none where there is no match at all.
    pub(super) fn first(&self, text: &str) -> Option<usize> {
        let (text, mut piece) = (text.as_bytes(), [0; PIECE]);
        let mut from = 0;
        loop {
            let taken = &text[from..text.len().min(from + PIECE)];
            let lower = &mut piece[..taken.len()];
            lower.copy_from_slice(taken);
            lower.make_ascii_lowercase();
            if let Some(found) = self.literals.find(lower, Span::from(0..taken.len())) {
                return Some(from + found.start);
            }
            if from + taken.len() == text.len() {
                return None;
            }
            // A literal may lie across the end of a piece.
            from += PIECE - self.literals.max_needle_len();
        }
    }
}

/// Matches the lower case of whatever the pattern matches; none for what has no case.
fn in_lower_case(hir: &Hir) -> Option<Hir> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(Hir::literal(literal.0.to_ascii_lowercase())),
        HirKind::Class(Class::Unicode(class)) => {
            let mut lower = class.clone();
            lower.case_fold_simple();
            lower.difference(&ClassUnicode::new([ClassUnicodeRange::new('A', 'Z')]));
            Some(Hir::class(Class::Unicode(lower)))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let mut lower = class.clone();
            lower.case_fold_simple();
            lower.difference(&ClassBytes::new([ClassBytesRange::new(b'A', b'Z')]));
            Some(Hir::class(Class::Bytes(lower)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex_automata::util::syntax;
    use regex_automata::{Input, meta};

    const PATTERNS: &[&str] = &[
        "breach of contract",
        "PHI|HIPAA",
        "kelvin",
        "[Ss]tra(ss|ß)e",
        "(?-i:XyZ)+",
        "[A-C][a-z]{3}",
        "(?-u)[\\x41-\\x43]bc",
    ];

    fn parse(pattern: &str) -> Hir {
        syntax::parse_with(pattern, &syntax::Config::new().case_insensitive(true)).unwrap()
    }

    proptest! {
        #[test]
        fn no_match_begins_before_the_first_opening(
            before in "[a-zA-Z \u{212a}\u{17f}é]{0,1100}",
            found in prop::sample::select(vec!["BREACH of Contract", "phi", "hIpAa", "\u{212a}elvin", "\u{17f}TRAßE", "XyZXyZ", "bABc", "abc", ""]),
            patterns in prop::sample::subsequence(PATTERNS, 1..=PATTERNS.len()),
        ) {
            let text = before + found;
            let hirs: Vec<Hir> = patterns.iter().map(|pattern| parse(pattern)).collect();
            let regex = meta::Regex::builder().build_many_from_hir(&hirs).unwrap();
            if let (Some(openings), Some(real)) = (Openings::of(&hirs), regex.find(Input::new(&text))) {
                prop_assert!(openings.first(&text).is_some_and(|first| first <= real.start()));
            }
        }
    }

    #[test]
    fn most_texts_are_told_apart_in_any_case() {
        let openings = Openings::of(&["breach of contract", "PHI", "prove (that|by)"].map(parse)).unwrap();
        assert_eq!(openings.first(&"Quiet text. ".repeat(1000)), None);
        assert_eq!(openings.first(&("Quiet text. ".repeat(1000) + "Proven")), None);
        for at in 1000..1050 {
            assert_eq!(openings.first(&("-".repeat(at) + "BREACH Of conTRACT")), Some(at));
        }
    }

    #[test]
    fn matches_that_begin_with_anything_have_no_openings() {
        assert!(Openings::of(&["\\w+ing", "PHI"].map(parse)).is_none());
    }
}
