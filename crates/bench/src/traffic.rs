//! Requests, answers and a config, all made here, so that a count means the same everywhere.

use crate::Failed;
use tierway_config::Config;

/// Sentences of which prompts are made: an everyday request with numbers, names and a list in it.
const SENTENCES: [&str; 8] = [
    "Please read the notes of our Tuesday meeting and list every decision with the person who has to act on it.",
    "The budget for the second quarter went from 14,500 to 17,250 euros, and travel is about a third of that.",
    "Marta wants the release moved to the 9th of June; Paolo thinks that the tests would not be done by then.",
    "Three customers asked for an export as CSV, one of them twice, and nobody has written down who answers.",
    "We agreed that the old server stays until autumn, but not who pays for it after the contract ends.",
    "If two notes contradict each other, keep both and say so in one line below the table.",
    "Write short sentences, keep names and figures as they are, and leave out what was only discussed.",
    "At the end, say which questions stay open and what would have to be known to close them.",
];

/// A prompt of `chars` ASCII characters.
#[must_use]
pub fn prompt(chars: usize) -> String {
    let mut text = String::with_capacity(chars + 128);
    for (line, sentence) in SENTENCES.iter().cycle().enumerate() {
        if text.len() >= chars {
            break;
        }
        text.push_str(sentence);
        text.push_str(if line % 4 == 3 { "\n\n" } else { " " });
    }
    text.truncate(chars);
    text
}

/// A chat request for `model` with a prompt of `chars` characters.
#[must_use]
pub fn request(model: &str, chars: usize, stream: bool) -> String {
    let prompt = prompt(chars).replace('\n', "\\n");
    let stream = if stream { ",\"stream\":true,\"stream_options\":{\"include_usage\":true}" } else { "" };
    format!(
        "{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"system\",\"content\":\"You are terse.\"}},\
         {{\"role\":\"user\",\"content\":\"{prompt}\"}}],\"max_tokens\":256,\"temperature\":0.2{stream}}}"
    )
}

/// The demo's prompts, a request a line.
const PROMPTS: &str = include_str!("../../cli/data/demo_prompts.jsonl");

/// A chat request whose ask is of `chars` characters of the demo's prompts, from the `at`th on: each is another one.
///
/// # Errors
/// When the file of prompts is none.
pub fn varied(at: usize, chars: usize) -> Result<String, Failed> {
    let mut ask = String::with_capacity(chars + 4096);
    for line in PROMPTS.lines().cycle().skip(at % PROMPTS.lines().count()) {
        let line: serde_json::Value = serde_json::from_str(line)?;
        for message in line["messages"].as_array().into_iter().flatten() {
            ask.push_str(message["content"].as_str().unwrap_or_default());
            ask.push_str("\n\n");
        }
        if ask.len() >= chars {
            break;
        }
    }
    ask.truncate(ask.floor_char_boundary(chars));
    let messages = serde_json::json!([{ "role": "user", "content": ask }]);
    Ok(serde_json::json!({ "model": "auto", "messages": messages, "max_tokens": 256 }).to_string())
}

/// A whole answer with a text of `chars` characters.
#[must_use]
pub fn answer(chars: usize) -> String {
    let text = prompt(chars).replace('\n', "\\n");
    format!(
        "{{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1750000000,\"model\":\"served\",\"choices\":[\
         {{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}],\
         \"usage\":{{\"prompt_tokens\":240,\"completion_tokens\":100,\"total_tokens\":340}}}}"
    )
}

/// A chat request for a stream of `tokens` tokens, `pause_ms` apart, as the bench's upstream understands it.
#[must_use]
pub fn stream_request(chars: usize, tokens: u64, pause_ms: u64) -> String {
    let asked = format!("\"max_tokens\":{tokens},\"seed\":{pause_ms},");
    request("auto", chars, true).replace("\"max_tokens\":256,", &asked)
}

/// The events of a streamed answer of `tokens` tokens, one event each, then finish, usage and end mark.
#[must_use]
pub fn events(tokens: usize) -> Vec<String> {
    let mut events = vec![token("\"role\":\"assistant\",\"content\":\"\"", "null")];
    events.extend((0..tokens).map(|at| token(&format!("\"content\":\" word{at}\""), "null")));
    events.push(token("", "\"stop\""));
    events.push(usage(tokens as u64));
    events.push("data: [DONE]\n\n".into());
    events
}

/// One event of a streamed answer.
#[must_use]
pub fn token(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1750000000,\"model\":\"served\",\
         \"choices\":[{{\"index\":0,\"delta\":{{{delta}}},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

/// The event that tells the usage of a streamed answer.
#[must_use]
pub fn usage(tokens: u64) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1750000000,\"model\":\"served\",\
         \"choices\":[],\"usage\":{{\"prompt_tokens\":240,\"completion_tokens\":{tokens},\"total_tokens\":{}}}}}\n\n",
        240 + tokens
    )
}

/// Everything on: three priced tiers, rules, a key, the ledger in `ledger`.
const CONFIG: &str = include_str!("everything.toml");

/// The key that [`config`] lets in.
pub const KEY: &str = "tw-bench-key";

/// The config of the benches, its provider at `upstream` (`host:port`).
///
/// # Errors
/// When the text does not fit this version.
pub fn config(upstream: &str, ledger: &str) -> Result<Config, Failed> {
    let text = CONFIG.replace("127.0.0.1:9", upstream).replace("bench.db", ledger);
    tierway_config::parse(&text, "everything.toml", &|_| None).map_err(|problems| problems.to_string().into())
}
