//! Judged outcomes: the text of a request and what several models scored on it.
//!
//! In: one JSON object (a line of an outcome file). Out: its features and the answers by model. The text is not kept.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tierway_decide::Features;
use tierway_wire::{Needs, openai_chat};

/// What one model scored on one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// How good, 0..1.
    pub score: f32,
    /// Input tokens, where known.
    pub prompt_tokens: Option<f64>,
    /// Visible output tokens, where known.
    pub output_tokens: Option<f64>,
    /// Hidden reasoning tokens, where recorded; they are billed on top of `output_tokens`.
    pub reasoning_tokens: Option<f64>,
}

/// One judged request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub id: String,
    /// Where it comes from; empty when not said.
    pub source: String,
    /// `train` or `dev` where the file says so, else empty.
    pub split: String,
    /// Bytes of all its messages' text: the measure that a router must beat.
    pub length: usize,
    /// Bytes of the request's body; a quarter of them is the estimate of its tokens, as when serving.
    pub body_bytes: usize,
    /// What a model must be able to do for it.
    pub needs: Needs,
    /// The request as numbers.
    pub features: Features,
    /// The chance with which it came to be judged, above 0 and at most 1; 1 when the file does not say.
    pub sampled: f64,
    /// The scores are the word of a judge that errs, not the truth.
    pub by_judge: bool,
    /// Score and tokens by model.
    pub answers: BTreeMap<String, Answer>,
}

/// A line that is not an outcome.
#[derive(Debug, thiserror::Error)]
pub enum OutcomeError {
    /// Not the JSON that is expected.
    #[error("not an outcome: {0}; wanted: {{\"id\",\"messages\",\"answers\":{{MODEL:{{\"score\",..}}}}}}")]
    Json(#[from] serde_json::Error),
    /// The request itself cannot be read.
    #[error("`{id}`: {cause}")]
    Request {
        /// Which.
        id: String,
        /// Why.
        cause: String,
    },
    /// A chance outside of its range.
    #[error("`{id}`: `sampled` is {sampled}; the chance of being judged is above 0 and at most 1")]
    Sampled {
        /// Which.
        id: String,
        /// What.
        sampled: f64,
    },
    /// A score outside of its range.
    #[error("`{id}`: {model} has the score {score}; scores run from 0 to 1: divide by the scale's maximum")]
    Score {
        /// Which.
        id: String,
        /// Whose.
        model: String,
        /// What.
        score: f32,
    },
}

#[derive(Deserialize)]
struct Line<'a> {
    id: Id,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    split_hint: Option<String>,
    #[serde(borrow)]
    messages: &'a RawValue,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response_format: Option<&'a RawValue>,
    #[serde(default)]
    sampled: Option<f64>,
    #[serde(default)]
    judged_by: Option<JudgedBy>,
    #[serde(default)]
    answers: BTreeMap<String, Option<Judged>>,
}

/// Who gave the scores.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum JudgedBy {
    /// Taken for the truth, as those of a person are, and those of which nobody says it.
    Check,
    Person,
    Judge,
}

/// A name; exports of notebooks write numbers.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Id {
    Text(String),
    Number(serde_json::Number),
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        match id {
            Id::Text(id) => id,
            Id::Number(id) => id.to_string(),
        }
    }
}

/// A score; tests write whether they passed.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a score is a number from 0 to 1, or true or false")]
enum Score {
    Number(f32),
    Passed(bool),
}

impl From<Score> for f32 {
    fn from(score: Score) -> Self {
        match score {
            Score::Number(score) => score,
            Score::Passed(passed) => f32::from(u8::from(passed)),
        }
    }
}

/// An answer in a file. Without a score it says nothing, as if it were not there.
#[derive(Deserialize)]
struct Judged {
    #[serde(default)]
    score: Option<Score>,
    #[serde(default)]
    prompt_tokens: Option<f64>,
    #[serde(default)]
    output_tokens: Option<f64>,
    #[serde(default)]
    reasoning_tokens: Option<f64>,
}

impl Judged {
    fn answer(self) -> Option<Answer> {
        // a negative count is a slip of whoever wrote it: unknown, rather than a bill that pays back
        let count = |tokens: Option<f64>| tokens.filter(|tokens| *tokens >= 0.0);
        self.score.map(|score| Answer {
            score: f32::from(score),
            prompt_tokens: count(self.prompt_tokens),
            output_tokens: count(self.output_tokens),
            reasoning_tokens: count(self.reasoning_tokens),
        })
    }
}

impl Outcome {
    /// Reads one line.
    ///
    /// # Errors
    /// See [`OutcomeError`].
    pub fn parse(json: &str) -> Result<Self, OutcomeError> {
        let line: Line<'_> = serde_json::from_str(json)?;
        let body = request_body(line.messages, line.tools, line.response_format);
        let id = String::from(line.id);
        let outline = openai_chat::outline(body.as_bytes());
        let (outline, _) =
            outline.map_err(|error| OutcomeError::Request { id: id.clone(), cause: error.to_string() })?;
        let answers: BTreeMap<_, _> =
            line.answers.into_iter().filter_map(|(model, judged)| Some((model, judged?.answer()?))).collect();
        if let Some((model, answer)) = answers.iter().find(|(_, answer)| !(0.0..=1.0).contains(&answer.score)) {
            return Err(OutcomeError::Score { id, model: model.clone(), score: answer.score });
        }
        let sampled = line.sampled.unwrap_or(1.0);
        if !(sampled > 0.0 && sampled <= 1.0) {
            return Err(OutcomeError::Sampled { id, sampled });
        }
        let length = outline.turns.iter().flat_map(tierway_wire::Turn::texts).map(|text| text.chars().count()).sum();
        let features = Features::of(&outline);
        Ok(Self {
            id,
            source: line.source.unwrap_or_default(),
            split: line.split_hint.unwrap_or_default(),
            length,
            body_bytes: outline.body_bytes,
            needs: outline.needs(),
            features,
            sampled,
            by_judge: line.judged_by == Some(JudgedBy::Judge),
            answers,
        })
    }
}

/// A chat request from the parts that an outcome or batch line has. Tools may stand bare, without their wrapper.
#[must_use]
pub fn request_body(messages: &RawValue, tools: Option<&RawValue>, response_format: Option<&RawValue>) -> String {
    let mut body = format!("{{\"model\":\"auto\",\"messages\":{}", messages.get());
    if let Some(tools) = tools {
        let wrapped = serde_json::from_str::<Vec<&RawValue>>(tools.get()).map(|tools| {
            let wrap = |tool: &&RawValue| match serde_json::from_str::<BTreeMap<String, &RawValue>>(tool.get()) {
                Ok(fields) if !fields.contains_key("type") && fields.contains_key("name") => {
                    format!("{{\"type\":\"function\",\"function\":{}}}", tool.get())
                }
                _ => tool.get().to_owned(),
            };
            format!("[{}]", tools.iter().map(wrap).collect::<Vec<_>>().join(","))
        });
        body.push_str(",\"tools\":");
        body.push_str(wrapped.as_deref().unwrap_or(tools.get()));
    }
    if let Some(format) = response_format {
        body.push_str(",\"response_format\":");
        body.push_str(format.get());
    }
    body.push('}');
    body
}
