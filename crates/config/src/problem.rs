//! What is wrong with a config: file, line, cause and what to do, all at once.

use std::fmt;

/// One thing to mend or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// What is wrong, with which values, and what to do. Never a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// Everything that is wrong with a config, in the order of lines; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A value from a config as it may be shown in a message: cut when long, hidden when it looks like a key.
pub(crate) fn shown(value: &str) -> String {
    if looks_secret(value) {
        return "(hidden: looks like a key)".into();
    }
    match value.char_indices().nth(60) {
        Some((end, _)) => format!("`{}…`", value[..end].escape_debug()),
        None => format!("`{}`", value.escape_debug()),
    }
}

/// Key prefixes that providers use. Long runs without blanks that mix letters and digits count as well.
const KEY_PREFIXES: [&str; 10] = ["sk-", "sk_", "pk-", "AIza", "AQ.", "xai-", "gsk_", "key-", "Bearer ", "tw-"];

/// Whether a text begins as keys of providers do.
fn is_key(value: &str) -> bool {
    value.len() >= 12 && KEY_PREFIXES.iter().any(|prefix| value.starts_with(prefix))
}

/// Whether a text among others is a key, and no name that begins like one (`key-openai-prod`): keys hold digits.
pub(crate) fn is_pasted_key(value: &str) -> bool {
    is_key(value) && value.bytes().filter(u8::is_ascii_digit).count() >= 3
}

/// Whether a text is probably a key that somebody pasted.
pub(crate) fn looks_secret(value: &str) -> bool {
    let prefixed = is_key(value);
    let run =
        value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'=' | b'.'));
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let mixed = digits >= 4 && value.bytes().any(|byte| byte.is_ascii_alphabetic());
    prefixed || (value.len() >= 32 && run && mixed)
}

/// ``did you mean `x`? `` for the candidate that was probably meant; empty without one.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|meant| format!("did you mean `{meant}`? ")).unwrap_or_default()
}

/// The candidate that was probably meant, when one is near enough: at most a third of its letters differ.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &&'a str| {
        let distance = edit_distance(word, candidate);
        (distance <= candidate.chars().count().max(3) / 3).then_some(distance)
    };
    let candidates: Vec<&'a str> = candidates.into_iter().collect();
    let nearest = candidates.iter().filter_map(|candidate| Some((near(candidate)?, *candidate))).min();
    // `retries` for `max_retries`: the word is part of exactly one candidate.
    let mut holding = candidates.iter().filter(|candidate| word.len() >= 5 && candidate.contains(word));
    let part = holding.next().filter(|_| holding.next().is_none()).copied();
    nearest.map(|(_, best)| best).or(part)
}

/// Whether a word is a known one but for one letter. Another number is another version, and no slip.
pub(crate) fn is_slip(word: &str, known: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    edit_distance(word, known) == 1 && digits(word) == digits(known)
}

/// Letters to insert, drop, replace or swap with their neighbour to turn one word into the other
/// (optimal string alignment). Case does not count.
fn edit_distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) =
        (from.to_lowercase().chars().collect(), to.to_lowercase().chars().collect());
    let mut rows: Vec<Vec<usize>> = (0..=from.len()).map(|row| vec![row; to.len() + 1]).collect();
    rows[0] = (0..=to.len()).collect();
    for i in 1..=from.len() {
        for j in 1..=to.len() {
            let same = usize::from(from[i - 1] != to[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_found_and_far_ones_are_not() {
        let known = ["timeout_ms", "tiers", "rules", "base_url"];
        for (word, want) in [
            ("timeout_sm", Some("timeout_ms")),
            ("teirs", Some("tiers")),
            ("Rules", Some("rules")),
            ("url", None),
            ("baseurl", Some("base_url")),
            ("timeout", Some("timeout_ms")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, known), want, "{word}");
        }
    }

    #[test]
    fn one_letter_is_a_slip_and_one_digit_another_version() {
        for (word, slip) in [("gpt-4o-mni", true), ("gpt-4o-mini", false), ("gpt-5o-mini", false), ("gpt-4o-mi", false)]
        {
            assert_eq!(is_slip(word, "gpt-4o-mini"), slip, "{word}");
        }
    }

    #[test]
    fn keys_are_not_shown() {
        for (value, hidden) in [
            ("sk-proj-abcdefgh", true),
            ("AIzaSyA1234567890abcdef", true),
            ("0123456789abcdef0123456789abcdef", true),
            ("OPENAI_API_KEY", false),
            ("gpt-4o-mini-2024-07-18", false),
            ("a long text with blanks 12345 and so on", false),
        ] {
            assert_eq!(looks_secret(value), hidden, "{value}");
        }
        assert_eq!(shown("a\nb"), "`a\\nb`");
    }
}
