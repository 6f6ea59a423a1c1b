//! Labels by hand: the kind of work and the tier that we, the authors, expect.

use crate::manner;
use crate::outcome::request_body;
use serde::Deserialize;
use std::collections::HashMap;
use tierway_decide::{Features, TaskType};
use tierway_wire::openai_chat;

/// A prompt with its kind of work.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// Its name.
    pub id: String,
    /// The prompt as numbers.
    pub features: Features,
    /// The same prompt in other manners ([`crate::manner`]), where its text is ours and it teaches.
    pub otherwise: Vec<Features>,
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
pub fn task_types(text: &str, others: &HashMap<String, Features>) -> Result<Vec<Labelled>, serde_json::Error> {
    let mut labelled = Vec::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line)?;
        let features = match &line.text {
            Some(text) => own(line.system.as_deref(), text),
            None => others.get(&line.id).cloned(),
        };
        if let Some(features) = features {
            let (task, test, doubtful) = (line.task_type, line.split == "test", line.doubtful);
            let teaches = line.text.as_deref().filter(|_| !test).into_iter();
            let manners = teaches.flat_map(|text| manner::others(&line.id, text));
            let otherwise = manners.filter_map(|text| own(line.system.as_deref(), &text)).collect();
            labelled.push(Labelled { id: line.id, features, otherwise, task, test, doubtful });
        }
    }
    Ok(labelled)
}

/// The features of one of our own prompts.
#[must_use]
pub fn own(system: Option<&str>, text: &str) -> Option<Features> {
    let user = serde_json::json!({ "role": "user", "content": text });
    let messages = match system {
        Some(system) => serde_json::json!([{ "role": "system", "content": system }, user]),
        None => serde_json::json!([user]),
    };
    let messages = serde_json::value::to_raw_value(&messages).ok()?;
    let body = request_body(&messages, None, None);
    openai_chat::outline(body.as_bytes()).ok().map(|(outline, _)| Features::of(&outline))
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
