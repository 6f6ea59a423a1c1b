//! The demo's provider: no model, but its pace, lengths and token counts are like a model's.
//!
//! Every answer says that it comes from the stand-in. Speed is scaled: about five times that of real models, so that the
//! demo's two hundred prompts are through within seconds.

use crate::server::{Upstream, UpstreamConfig};
use crate::traits::{Pace, Thinks, Traits};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

/// The stand-in's models, cheap to capable.
pub const STAND_IN_MODELS: [&str; 3] = ["stand-in-nano", "stand-in-standard", "stand-in-reasoning"];

/// The demo's provider on a loopback port.
#[derive(Debug)]
pub struct StandIn(Upstream);

impl StandIn {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start() -> io::Result<Self> {
        let pace = |first_ms, per_token_us| Pace { first_ms, per_token_us };
        let plain = Traits { answer_tokens: 0, ..Traits::default() };
        let models = STAND_IN_MODELS.map(str::to_owned).into_iter().zip([
            Traits { pace: pace(60, 900), ..plain.clone() },
            Traits { pace: pace(110, 1_500), ..plain.clone() },
            Traits { pace: pace(350, 1_600), thinks: Thinks::UnlessTold, ..plain },
        ]);
        let config = UpstreamConfig {
            models: HashMap::from_iter(models),
            lenient: true,
            voice: Some(speak),
            ..UpstreamConfig::default()
        };
        Ok(Self(Upstream::start_with(config).await?))
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// `http://127.0.0.1:PORT/v1`: the base URL of an OpenAI-compatible provider.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.0.url())
    }

    /// The server underneath.
    #[must_use]
    pub const fn upstream(&self) -> &Upstream {
        &self.0
    }
}

/// Words by which the stand-in guesses how long a real answer would be, and that length in tokens. First match wins.
const LENGTHS: &[(&[&str], usize)] = &[
    (&["classify", "sentiment", "which category", "label", "yes or no", "true or false", "spam"], 12),
    (&["translate", "übersetze", "traduce", "traduis", "翻译"], 50),
    (&["extract", "list all", "find all", "json"], 70),
    (&["summar", "tl;dr", "in one sentence", "fasse"], 90),
    (&["prove", "derive", "step by step", "optimi", "schedule", "how many ways"], 320),
    (&["function", "code", "script", "refactor", "debug", "implement", "sql", "regex", "class "], 260),
    (&["write", "draft", "story", "essay", "email", "poem", "blog"], 240),
    (&["analy", "compare", "evaluate", "trade-off", "pros and cons", "strategy", "explain"], 220),
];
/// A question with a short answer.
const SHORT_TOKENS: usize = 55;

const FILLER: [&str; 4] = [
    "A real model would say more here.",
    "This sentence only gives the answer its length.",
    "No provider was called and nothing was paid.",
    "Put a key into the config to hear a model instead.",
];

/// What the stand-in says. The dearer the model, the longer it speaks, as real ones do.
fn speak(model: &str, question: &str) -> String {
    let lower = question.to_lowercase();
    let base = LENGTHS.iter().find(|(words, _)| words.iter().any(|word| lower.contains(word)));
    let base = base.map_or(SHORT_TOKENS, |(_, tokens)| *tokens);
    let wanted = match model {
        "stand-in-nano" => base * 4 / 5,
        "stand-in-reasoning" => base * 5 / 4,
        _ => base,
    };
    let asked: String = question.split_whitespace().take(8).collect::<Vec<_>>().join(" ");
    let mut text = format!("[{model}: tierway's stand-in, not a model] You asked: \"{asked}\".");
    let mut words = text.split(' ').count();
    for sentence in FILLER.iter().cycle() {
        if words >= wanted {
            break;
        }
        text.push(' ');
        text.push_str(sentence);
        words += sentence.split(' ').count();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_says_where_it_comes_from_and_has_its_length() {
        for model in STAND_IN_MODELS {
            let (short, long) = (speak(model, "Is this spam? yes or no"), speak(model, "Write an essay on rivers"));
            assert!(short.contains("stand-in, not a model") && long.contains("stand-in, not a model"));
            assert!(long.split(' ').count() > 4 * short.split(' ').count().max(20) / 2, "{model}");
        }
    }
}
