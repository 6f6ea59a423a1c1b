//! Labels by hand: the kind of work and the tier that we, the authors, expect.

use crate::manner;
use crate::outcome::{Id, OutcomeError, request_body};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashMap;
use tierway_decide::{Features, TaskType};
use tierway_wire::openai_chat;

/// A prompt as numbers.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// As it came.
    pub features: Features,
    /// In other manners ([`crate::manner`]); none where what is asked is no plain text.
    pub otherwise: Vec<Features>,
}

impl Prompt {
    /// The name and the prompt of an outcome's line.
    ///
    /// # Errors
    /// See [`OutcomeError`].
    pub fn parse(json: &str) -> Result<(String, Self), OutcomeError> {
        let asked: Asked<'_> = serde_json::from_str(json)?;
        let id = String::from(asked.id);
        let see = |messages: &[Value]| numbers(messages, asked.tools, asked.response_format);
        match Self::seen(&id, asked.messages, see) {
            Ok(prompt) => Ok((id, prompt)),
            Err(cause) => Err(OutcomeError::Request { id, cause }),
        }
    }

    fn seen(
        id: &str,
        mut messages: Vec<Value>,
        see: impl Fn(&[Value]) -> Result<Features, String>,
    ) -> Result<Self, String> {
        let features = see(&messages)?;
        let ask = messages.iter().rposition(|message| message["role"] == "user");
        let text = ask.and_then(|at| Some((at, messages[at]["content"].as_str()?.to_owned())));
        let mut otherwise = Vec::new();
        if let Some((at, text)) = text {
            for other in manner::others(id, &text) {
                messages[at]["content"] = Value::String(other);
                otherwise.push(see(&messages)?);
            }
        }
        Ok(Self { features, otherwise })
    }
}

/// What an outcome's line asks.
#[derive(Deserialize)]
struct Asked<'a> {
    id: Id,
    messages: Vec<Value>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response_format: Option<&'a RawValue>,
}

fn numbers(
    messages: &[Value],
    tools: Option<&RawValue>,
    response_format: Option<&RawValue>,
) -> Result<Features, String> {
    let messages = serde_json::value::to_raw_value(messages).map_err(|error| error.to_string())?;
    let body = request_body(&messages, tools, response_format);
    let (outline, _) = openai_chat::outline(body.as_bytes()).map_err(|error| error.to_string())?;
    Ok(Features::of(&outline))
}

/// A prompt with its kind of work.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// Its name.
    pub id: String,
    /// The prompt as numbers.
    pub prompt: Prompt,
    /// The kind of work, as labelled.
    pub task: TaskType,
    /// For measuring only.
    pub test: bool,
    /// Another label can be defended.
    pub doubtful: bool,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    system: Option<String>,
    task_type: TaskType,
    split: String,
    #[serde(default)]
    doubtful: bool,
}

/// Reads `task_types.jsonl`. Prompts that are not ours are looked up by id; those that are not there are left out.
///
/// # Errors
/// A line that is not a label.
pub fn task_types(text: &str, others: &HashMap<String, Prompt>) -> Result<Vec<Labelled>, serde_json::Error> {
    let mut labelled = Vec::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line)?;
        let prompt = match &line.text {
            Some(text) => {
                let see = |messages: &[Value]| numbers(messages, None, None);
                Prompt::seen(&line.id, messages(line.system.as_deref(), text), see).ok()
            }
            None => others.get(&line.id).cloned(),
        };
        if let Some(prompt) = prompt {
            let (task, test, doubtful) = (line.task_type, line.split == "test", line.doubtful);
            labelled.push(Labelled { id: line.id, prompt, task, test, doubtful });
        }
    }
    Ok(labelled)
}

fn messages(system: Option<&str>, text: &str) -> Vec<Value> {
    let system = system.map(|system| json!({ "role": "system", "content": system }));
    system.into_iter().chain([json!({ "role": "user", "content": text })]).collect()
}

/// The features of one of our own prompts.
#[must_use]
pub fn own(system: Option<&str>, text: &str) -> Option<Features> {
    numbers(&messages(system, text), None, None).ok()
}

/// A tier as labelled: 0 the cheapest will do, 1 a general model, 2 a reasoning model.
#[derive(Clone, Debug, Deserialize)]
pub struct TierLabel {
    /// The prompt.
    pub id: String,
    /// `nano`, `standard` or `reasoning`.
    pub tier: String,
}

impl TierLabel {
    /// As a number; unknown names are taken for the middle.
    #[must_use]
    pub fn level(&self) -> u8 {
        match self.tier.as_str() {
            "nano" => 0,
            "reasoning" => 2,
            _ => 1,
        }
    }
}
