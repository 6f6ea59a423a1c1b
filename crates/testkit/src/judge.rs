//! The fake models as judges: they know who should win, because the request says so or because they made the answers.
//!
//! A request that says `judge:NAME` is won by the answer that begins with NAME (the echo of that
//! model does). Else one request in twenty-five is won
//! by whichever answer does not come from the stand-in's cheapest model, and all others are ties. No judgement at all, but
//! one whose truth is known.

use serde::Deserialize;
use serde_json::json;

/// Of so many requests one is lost by the cheapest stand-in.
const ONE_IN: u64 = 25;
/// The stand-in that loses it.
const CHEAPEST: &str = "stand-in-nano";

#[derive(Deserialize)]
struct Question {
    request: String,
    first_answer: String,
    second_answer: String,
}

/// Whether this is the question of tierway's judge.
pub(crate) fn is_asked(question: &str) -> bool {
    serde_json::from_str::<Question>(question).is_ok()
}

/// The verdict as the JSON that is asked for.
pub(crate) fn word(question: &str) -> String {
    let Ok(question) = serde_json::from_str::<Question>(question) else { return String::new() };
    let (first, second) = (&question.first_answer, &question.second_answer);
    let named = question.request.split_whitespace().find_map(|word| word.strip_prefix("judge:"));
    let better = match named {
        Some(name) => of(first.starts_with(name), second.starts_with(name)),
        None if hash(&question.request).is_multiple_of(ONE_IN) => {
            of(!first.contains(CHEAPEST), !second.contains(CHEAPEST))
        }
        None => "tie",
    };
    json!({"why": "a stand-in judged, not a model", "better": better}).to_string()
}

const fn of(first: bool, second: bool) -> &'static str {
    match (first, second) {
        (true, false) => "first",
        (false, true) => "second",
        _ => "tie",
    }
}

/// FNV-1a: the same request is judged the same on every run.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_answer_wins_wherever_it_stands() {
        let ask = |request: &str, first: &str, second: &str| {
            word(&json!({"request": request, "first_answer": first, "second_answer": second}).to_string())
        };
        assert!(ask("x judge:large", "small answers", "large answers").contains("\"second\""));
        assert!(ask("x judge:large", "large answers", "small answers").contains("\"first\""));
        let lost =
            (0..5_000).filter(|n| ask(&n.to_string(), CHEAPEST, "stand-in-standard").contains("\"second\"")).count();
        assert!((140..260).contains(&lost), "{lost} of 5,000");
        assert!(!is_asked("{\"request\": \"only\"}"));
    }
}
