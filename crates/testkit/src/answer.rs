//! What the fake models answer: deterministic, countable, and recognisable as the answer to one question.

use crate::traits::{Prefill, Traits};
use serde_json::{Map, Value, json};

/// What a fake provider understood of a request, whatever its API.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "what the request said, each named")]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Role and text of every turn.
    pub(crate) turns: Vec<(Role, String)>,
    pub(crate) images: u64,
    pub(crate) tools: Vec<Tool>,
    pub(crate) tool_bytes: u64,
    pub(crate) choice: ToolChoice,
    pub(crate) parallel: bool,
    pub(crate) schema: Option<Value>,
    pub(crate) json_object: bool,
    pub(crate) answers: u64,
    pub(crate) logprobs: Option<u64>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) stream_usage: bool,
    pub(crate) reasons: bool,
    /// The provider is asked to cache the prompt (Anthropic); others do so unasked.
    pub(crate) cache_marked: bool,
    /// As asked for, in the API's word.
    pub(crate) service_tier: String,
    /// The faster run of a model was asked for.
    pub(crate) fast: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    System,
    User,
    Assistant,
    Tool,
}

#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    #[default]
    Auto,
    None,
    Any,
    Named(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    Tools,
    Filter,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

/// One answer: `n` of them make a reply.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) tokens: Vec<String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) finish: Finish,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        self.tokens.concat()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) id: u64,
    pub(crate) answers: Vec<Answer>,
    pub(crate) input_tokens: u64,
    pub(crate) cached_tokens: u64,
    pub(crate) cache_written_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) reasoning_tokens: u64,
}

impl Reply {
    pub(crate) fn first(&self) -> &Answer {
        &self.answers[0]
    }
}

/// Reasoning tokens of every answer of a model that reasons.
const REASONING_TOKENS: u64 = 64;
/// Tokens of a picture (OpenAI's low detail).
const IMAGE_TOKENS: u64 = 85;
/// Prompts shorter than this are not cached; cached parts are whole blocks (OpenAI's figures).
const CACHE_FROM_TOKENS: u64 = 1_024;
const CACHE_BLOCK_TOKENS: u64 = 128;

/// A quarter of the bytes: the same text gives the same number on every run, which is all that is asked of it.
pub(crate) const fn tokens_of(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}

impl Ask {
    pub(crate) fn input_tokens(&self) -> u64 {
        let turns: u64 = self.turns.iter().map(|(_, text)| tokens_of(text) + 4).sum();
        turns + self.images * IMAGE_TOKENS + self.tool_bytes.div_ceil(4)
    }

    /// The last thing that a person said.
    pub(crate) fn question(&self) -> &str {
        self.turns.iter().rev().find(|(role, _)| *role == Role::User).map_or("", |(_, text)| text)
    }

    /// A partial answer at the end of the conversation.
    pub(crate) fn partial(&self) -> Option<&str> {
        self.turns.last().filter(|(role, _)| *role == Role::Assistant).map(|(_, text)| text.as_str())
    }

    /// Everything before the last turn: what a prompt cache may hold.
    pub(crate) fn prefix(&self) -> String {
        let turns = &self.turns[..self.turns.len().saturating_sub(1)];
        turns.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\u{1}")
    }
}

/// Answers. `cached`: the prefix was seen before. `id` numbers the replies of this upstream.
pub(crate) fn answer(ask: &Ask, traits: &Traits, cached: bool, id: u64, voice: &dyn Fn(&Ask) -> String) -> Reply {
    let reasoning_tokens = if ask.reasons { REASONING_TOKENS } else { 0 };
    let calls = calls_of(ask, id);
    let text = match (&ask.schema, calls.is_empty()) {
        (_, false) => String::new(),
        (Some(schema), true) => sample(schema, schema, ask.question()).to_string(),
        (None, true) if ask.json_object && crate::judge::is_asked(ask.question()) => crate::judge::word(ask.question()),
        (None, true) if ask.json_object => json!({ "echo": short(ask.question()) }).to_string(),
        (None, true) => voice(ask),
    };
    let room = ask.max_tokens.map_or(u64::MAX, |most| most.saturating_sub(reasoning_tokens));
    let answers: Vec<Answer> = (0..ask.answers.max(1))
        .map(|at| {
            let text = if at == 0 { text.clone() } else { format!("{text} ({})", at + 1) };
            one(&text, calls.clone(), room, ask.partial().filter(|_| traits.prefill == Prefill::Continues))
        })
        .collect();
    let output: u64 = answers.iter().map(|answer| answer.tokens.len() as u64 + call_tokens(&answer.calls)).sum();
    let input_tokens = ask.input_tokens();
    let block = tokens_of(&ask.prefix()).min(input_tokens) / CACHE_BLOCK_TOKENS * CACHE_BLOCK_TOKENS;
    let block = if block < CACHE_FROM_TOKENS { 0 } else { block };
    Reply {
        id,
        answers,
        input_tokens,
        cached_tokens: if cached { block } else { 0 },
        cache_written_tokens: if ask.cache_marked && !cached { block } else { 0 },
        output_tokens: output + reasoning_tokens,
        reasoning_tokens,
    }
}

/// The usual voice: names the model, echoes the question, then counts up to the wanted length.
pub(crate) fn echo(ask: &Ask, wanted_tokens: u64) -> String {
    let mut text = format!("{} answers: {}", ask.model, short(ask.question()));
    let so_far = split(&text).len() as u64;
    for word in so_far..wanted_tokens {
        text.push_str(&format!(" w{word}"));
    }
    text
}

fn one(text: &str, calls: Vec<Call>, room: u64, partial: Option<&str>) -> Answer {
    let mut tokens = split(text);
    if let Some(partial) = partial {
        tokens.drain(..split(partial).len().min(tokens.len()));
    }
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let cut = tokens.len() > room;
    tokens.truncate(room);
    let finish = match (cut, calls.is_empty()) {
        (true, _) => Finish::Length,
        (false, true) => Finish::Stop,
        (false, false) => Finish::Tools,
    };
    Answer { tokens, calls, finish }
}

/// Words with the space before them: the fake models' tokens.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for letter in text.chars() {
        match tokens.last_mut() {
            Some(token) if letter != ' ' || token.as_str() == " " => token.push(letter),
            _ => tokens.push(letter.to_string()),
        }
    }
    tokens
}

fn short(text: &str) -> String {
    text.chars().take(200).collect::<String>().replace('\n', " ")
}

/// A tool is called when it is forced, or when the question names it.
fn calls_of(ask: &Ask, id: u64) -> Vec<Call> {
    let question = ask.question();
    // Agents put instructions behind the question.
    let last = ask.turns.iter().rev().find(|(role, _)| *role != Role::System);
    let last_is_question = last.is_some_and(|(role, _)| *role == Role::User);
    let named: Vec<&Tool> = match &ask.choice {
        ToolChoice::None => return Vec::new(),
        ToolChoice::Named(name) => ask.tools.iter().filter(|tool| tool.name == *name).collect(),
        _ if !last_is_question => return Vec::new(),
        choice => {
            let mut named: Vec<&Tool> = ask.tools.iter().filter(|tool| question.contains(&tool.name)).collect();
            if named.is_empty() && *choice == ToolChoice::Any {
                named.extend(ask.tools.first());
            }
            named
        }
    };
    let most = if ask.parallel { usize::MAX } else { 1 };
    let call = |(at, tool): (usize, &&Tool)| Call {
        id: format!("call_{id}_{at}"),
        name: tool.name.clone(),
        arguments: sample(&tool.schema, &tool.schema, question),
    };
    named.iter().take(most).enumerate().map(call).collect()
}

fn call_tokens(calls: &[Call]) -> u64 {
    calls.iter().map(|call| tokens_of(&call.name) + tokens_of(&call.arguments.to_string())).sum()
}

/// A value that a JSON schema accepts; strings echo the question.
fn sample(schema: &Value, root: &Value, question: &str) -> Value {
    let of = |inner: &Value| sample(inner, root, question);
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return name.strip_prefix('#').and_then(|path| root.pointer(path)).map_or(Value::Null, of);
    }
    if let Some(fixed) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
        return fixed.clone();
    }
    if let Some(inner) = ["/anyOf/0", "/oneOf/0", "/allOf/0"].iter().find_map(|path| schema.pointer(path)) {
        return of(inner);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        other => other.and_then(Value::as_str),
    };
    match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("string") => json!(short(question)),
        Some("integer") => schema.get("minimum").filter(|least| least.is_i64()).cloned().unwrap_or(json!(7)),
        // A whole number: some programs take no other where they say "number".
        Some("number") => json!(3),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => json!([schema.get("items").map_or(Value::Null, of)]),
        _ => {
            let properties = schema.get("properties").and_then(Value::as_object);
            Value::Object(
                properties.map_or_else(Map::new, |known| {
                    known.iter().map(|(name, inner)| (name.clone(), of(inner))).collect()
                }),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_join_to_the_text() {
        for text in ["", "a", " a  b c ", "ä ö\nü", "   "] {
            assert_eq!(split(text).concat(), text);
        }
        assert_eq!(split("one two three").len(), 3);
    }

    #[test]
    fn a_continued_answer_joins_to_the_whole_one() {
        let whole = one("a b c d", vec![], 99, None);
        let rest = one("a b c d", vec![], 99, Some("a b"));
        assert_eq!(format!("a b{}", rest.text()), whole.text());
    }

    #[test]
    fn samples_follow_the_schema() {
        let schema = json!({"type": "object", "$defs": {"c": {"enum": ["x"]}}, "properties": {
            "a": {"type": ["string", "null"]}, "b": {"type": "array", "items": {"$ref": "#/$defs/c"}}, "n": {"type": "integer"}}});
        assert_eq!(sample(&schema, &schema, "q"), json!({"a": "q", "b": ["x"], "n": 7}));
    }
}
