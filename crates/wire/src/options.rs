//! What a target takes, and what had to change so that it takes a request.

use crate::neutral::{Output, ReasoningAsk, Request, ToolChoice};
use serde::{Deserialize, Serialize};

/// How one target wants to be asked. Plain data: the caller fills it from its table of models.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each named")]
pub struct EncodeOptions {
    /// The model as the target knows it.
    pub model: String,
    /// Where an OpenAI-style target takes its output limit.
    pub max_tokens_field: MaxTokensField,
    /// When it takes `temperature`, `top_p`, `top_k`.
    pub sampling: Sampling,
    /// It takes presence and frequency penalties, `logit_bias` and logprobs (also bound to [`EncodeOptions::sampling`]).
    pub penalties: bool,
    /// Whether it reasons.
    pub reasoning: Reasoning,
    /// Efforts it knows, weakest first; empty: unknown, pass what came.
    pub efforts: Vec<String>,
    /// Effort that this target is configured for; goes before the client's.
    pub effort: Option<String>,
    /// It is told a token budget instead of an effort (Claude up to 4.5, Gemini 2.5).
    pub reasoning_budget: bool,
    /// Who may give instructions.
    pub system_role: SystemRole,
    /// It takes stop sequences.
    pub stop: bool,
    /// It can be forced to call a tool.
    pub forced_tool_choice: bool,
    /// It continues an assistant turn that stands last.
    pub prefill: bool,
    /// How it is held to a JSON schema.
    pub structured: Structured,
    /// Output limit to ask for when the client named none and the API demands one; also the most it takes.
    pub max_output_tokens: Option<u32>,
    /// Ask for usage at the end of streams.
    pub include_usage: bool,
    /// It fetches pictures by link.
    pub image_links: bool,
    /// It takes cache markers in the OpenAI shape (OpenRouter and Claude behind compatible servers).
    pub cache_marks: bool,
    /// Place cache markers behind long prefixes for clients that set none (Messages only): worth it for conversations that
    /// go on, dearer by a quarter of the input for those that do not.
    pub place_cache_marks: bool,
    /// It knows tools that take free text (OpenAI's `custom`).
    pub custom_tools: bool,
    /// What the target takes is a guess: in its own API neither thinking nor a partial answer is touched on that ground.
    pub guessed: bool,
    /// The history's signed or encrypted reasoning was made by this very model and may go back to it.
    pub same_model: bool,
}

/// When sampling parameters are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Always.
    #[default]
    Always,
    /// Only while the model does not reason.
    WhenNotReasoning,
    /// Never.
    Never,
}

/// Whether a model reasons before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reasoning {
    /// It cannot, and refuses to be asked.
    #[default]
    None,
    /// Only when asked to.
    OffByDefault,
    /// Unless told not to.
    OnByDefault,
    /// Always.
    Always,
}

/// The field in which an OpenAI-style target takes its output limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// `max_tokens`.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// Who may give instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemRole {
    /// `system`; `developer` is rewritten to it where the API has one word only.
    #[default]
    System,
    /// Both words are taken as they come.
    Both,
    /// Nobody: instructions are folded into the first user turn.
    None,
}

/// How a target is held to a JSON schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Structured {
    /// By its own parameter.
    #[default]
    Native,
    /// By forcing a tool whose arguments follow the schema.
    ForcedTool,
}

/// What happened to a field that a target does not take as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adapted {
    /// Left out.
    Dropped,
    /// Another value or another name.
    Changed,
    /// Said in another place.
    Moved,
}

/// One field that had to be adapted. Goes into a response header and the call record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adaptation {
    /// The field as the client's API names it.
    pub field: String,
    /// What was done.
    pub what: Adapted,
    /// Why, in a few words.
    pub note: String,
}

/// A list of adaptations that names nothing twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(pub(crate) Vec<Adaptation>);

/// A request for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The body to send.
    pub body: Vec<u8>,
    /// What the target cannot take as it came.
    pub adaptations: Vec<Adaptation>,
    /// The tool that stands in for a JSON schema; the answer's call of it is the answer's text.
    pub structured_tool: Option<String>,
    /// Tools of free text that went out as functions with one string argument.
    pub custom_tools: Vec<String>,
    /// Tools whose names the API does not take: their names there, and their own.
    pub renamed_tools: Vec<(String, String)>,
}

/// A request that this target cannot take without losing its meaning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this target cannot take `{field}`: {reason}")]
pub struct EncodeError {
    /// The field at fault.
    pub field: String,
    /// Why, and what would do.
    pub reason: String,
}

impl EncodeError {
    pub(crate) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

/// Why reasoning was not asked for.
pub(crate) const NOT_REASONING: &str = "this model does not reason";

/// Efforts that any model knows, from weak to strong, as OpenAI names them.
pub const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Tokens of thought that stand for an effort where a target wants a number: powers of two between Anthropic's least
/// (1,024) and the 32,000 beyond which it advises batches.
const BUDGETS: [(&str, u32); 6] =
    [("minimal", 1_024), ("low", 2_048), ("medium", 8_192), ("high", 16_384), ("xhigh", 24_576), ("max", 32_000)];

/// What is finally asked of a target's reasoning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Thought {
    /// Nothing is said: the model's default.
    Default,
    /// Off.
    Off,
    /// On, without more.
    On,
    /// An effort that the target knows.
    Effort(String),
    /// A budget.
    Budget(u32),
}

impl EncodeOptions {
    /// A target that takes everything.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            max_tokens_field: MaxTokensField::MaxTokens,
            sampling: Sampling::Always,
            penalties: true,
            reasoning: Reasoning::OffByDefault,
            efforts: Vec::new(),
            effort: None,
            reasoning_budget: false,
            system_role: SystemRole::Both,
            stop: true,
            forced_tool_choice: true,
            prefill: true,
            structured: Structured::Native,
            max_output_tokens: None,
            include_usage: false,
            image_links: true,
            cache_marks: false,
            place_cache_marks: false,
            custom_tools: true,
            guessed: false,
            same_model: true,
        }
    }

    /// What to ask of the target's reasoning, given what the client asked. `field`: the client's name for it.
    pub(crate) fn thought(&self, ask: &ReasoningAsk, field: &str, changes: &mut Changes) -> Thought {
        if let Some(effort) = &self.effort {
            if ask.effort.as_ref().is_some_and(|asked| asked != effort) || ask.budget_tokens.is_some() {
                changes.changed(field, format!("this target is configured for effort {effort}"));
            }
            return self.named(effort);
        }
        let asked = ask.effort.is_some() || ask.budget_tokens.is_some() || ask.enabled == Some(true);
        let off = ask.enabled == Some(false) || ask.effort.as_deref() == Some("none");
        match self.reasoning {
            Reasoning::None => {
                if asked && !off {
                    changes.dropped(field, NOT_REASONING);
                }
                return Thought::Default;
            }
            Reasoning::Always if off => {
                let weakest = self.efforts.first().map_or("minimal", String::as_str);
                changes.changed(field, format!("this model always reasons; asked for {weakest}"));
                return self.named(weakest);
            }
            _ => {}
        }
        if off {
            return Thought::Off;
        }
        match (&ask.effort, ask.budget_tokens) {
            (_, Some(budget)) if self.reasoning_budget => Thought::Budget(budget),
            (Some(effort), _) => {
                let known = self.nearest(effort);
                if known != *effort {
                    changes.changed(field, format!("this model knows effort {known}, not {effort}"));
                }
                self.named(&known)
            }
            (None, Some(budget)) => {
                let name = BUDGETS.iter().find(|(_, tokens)| budget <= *tokens).map_or("max", |(name, _)| name);
                let effort = self.nearest(name);
                changes.changed(field, format!("a budget of {budget} tokens became effort {effort}"));
                self.named(&effort)
            }
            (None, None) if ask.enabled == Some(true) => Thought::On,
            (None, None) => Thought::Default,
        }
    }

    /// What a client says of reasoning in the target's own API is not touched: nobody knows what the target takes.
    pub(crate) fn stays_as_said(&self) -> bool {
        self.guessed && self.effort.is_none()
    }

    /// Whether an effort may be named: a model without reasoning, and one that is told a budget, refuse it unless efforts are
    /// known of them.
    pub(crate) fn takes_effort(&self) -> bool {
        !self.efforts.is_empty() || self.reasoning != Reasoning::None && !self.reasoning_budget
    }

    /// Whether the model will reason.
    pub(crate) fn reasons(&self, thought: &Thought) -> bool {
        match (self.reasoning, thought) {
            (Reasoning::None, _) | (Reasoning::OnByDefault | Reasoning::OffByDefault, Thought::Off) => false,
            (Reasoning::Always | Reasoning::OnByDefault, _) => true,
            (Reasoning::OffByDefault, thought) => *thought != Thought::Default,
        }
    }

    /// Whether sampling parameters may be sent.
    pub(crate) fn takes_sampling(&self, reasons: bool) -> bool {
        match self.sampling {
            Sampling::Always => true,
            Sampling::WhenNotReasoning => !reasons,
            Sampling::Never => false,
        }
    }

    /// The output limit to ask for: the client's, but no more than the model takes.
    pub(crate) fn limit(&self, asked: Option<u32>, field: &str, changes: &mut Changes) -> Option<u32> {
        match (asked, self.max_output_tokens) {
            (Some(asked), Some(most)) if asked > most => {
                changes.changed(field, format!("this model writes at most {most} tokens"));
                Some(most)
            }
            (asked, _) => asked,
        }
    }

    fn named(&self, effort: &str) -> Thought {
        match effort {
            "none" => Thought::Off,
            _ if self.reasoning_budget => {
                Thought::Budget(BUDGETS.iter().find(|(name, _)| *name == effort).map_or(8_192, |(_, tokens)| *tokens))
            }
            _ => Thought::Effort(effort.to_owned()),
        }
    }

    /// The known effort that is closest to the one asked for; the stronger one when two are equally close.
    pub(crate) fn nearest(&self, effort: &str) -> String {
        let place = |name: &str| EFFORTS.iter().position(|known| *known == name);
        if self.efforts.is_empty() || self.efforts.iter().any(|known| known == effort) {
            return effort.to_owned();
        }
        let Some(wanted) = place(effort) else {
            return effort.to_owned();
        };
        let known = self.efforts.iter().filter_map(|name| Some((place(name)?.abs_diff(wanted), name)));
        let closest = known.reduce(|best, next| if next.0 <= best.0 { next } else { best });
        closest.map_or_else(|| effort.to_owned(), |(_, name)| name.clone())
    }
}

impl Changes {
    pub(crate) fn dropped(&mut self, field: impl Into<String>, note: impl Into<String>) {
        self.push(field.into(), Adapted::Dropped, note.into());
    }

    pub(crate) fn changed(&mut self, field: impl Into<String>, note: impl Into<String>) {
        self.push(field.into(), Adapted::Changed, note.into());
    }

    pub(crate) fn moved(&mut self, field: impl Into<String>, note: impl Into<String>) {
        self.push(field.into(), Adapted::Moved, note.into());
    }

    fn push(&mut self, field: String, what: Adapted, note: String) {
        if !self.0.iter().any(|known| known.field == field && known.what == what) {
            self.0.push(Adaptation { field, what, note });
        }
    }

    /// The form of a reasoning summary, where the target's API has no choice of it.
    pub(crate) fn no_summary(&mut self, request: &Request) {
        if request.reasoning.summary.is_some() {
            let anthropic = request.origin == crate::Format::AnthropicMessages;
            let field = if anthropic { "thinking.display" } else { "reasoning.summary" };
            self.dropped(field, "the target has no choice of it");
        }
    }

    /// One call at a time, where the target's API cannot be told that. Clients that offer `functions` want it without a word:
    /// they have room for one call.
    pub(crate) fn no_single_call(&mut self, request: &Request) {
        if request.parallel_tool_calls == Some(false) {
            let note = "the target may call several tools at once; a client of `functions` is shown the first";
            self.dropped("parallel_tool_calls", note);
        }
    }

    /// What the Chat API knows, and neither Messages nor Converse.
    pub(crate) fn no_such_parameters(&mut self, request: &Request, api: &str) {
        for (name, there) in [
            ("presence_penalty", request.presence_penalty.is_some()),
            ("frequency_penalty", request.frequency_penalty.is_some()),
            ("seed", request.seed.is_some()),
            ("logprobs", request.logprobs),
            ("logit_bias", request.logit_bias.is_some()),
            ("verbosity", request.verbosity.is_some()),
        ] {
            if there {
                self.dropped(name, format!("the {api} API has no such parameter"));
            }
        }
    }

    /// A choice of a tool where there is none.
    pub(crate) fn no_choice(&mut self, request: &Request) {
        if !matches!(request.tool_choice, ToolChoice::Unset | ToolChoice::Auto | ToolChoice::None) {
            self.dropped("tool_choice", "there is no tool to choose");
        }
    }

    /// What a schema is for, where the target's API takes the schema alone.
    pub(crate) fn no_schema_description(&mut self, request: &Request) {
        if matches!(request.output, Output::JsonSchema { description: Some(_), .. }) {
            self.dropped("json_schema.description", "the target's API takes the schema alone");
        }
    }

    /// A turn in which nothing is said, or nothing that can be said here.
    pub(crate) fn left_out_silent(&mut self) {
        self.dropped("messages", "a turn that says nothing was left out, as the API refuses it");
    }

    /// The fields that both of OpenAI's APIs have, for a target that takes them; drops all others.
    pub(crate) fn split_extra<'r>(&mut self, request: &'r Request, taken: bool) -> Vec<&'r (String, String)> {
        let openai = matches!(request.origin, crate::Format::OpenaiChat | crate::Format::OpenaiResponses);
        let shared = |name: &str| taken && openai && SHARED_BY_OPENAI.contains(&name);
        let (kept, gone): (Vec<_>, Vec<_>) = request.extra.iter().partition(|(name, _)| shared(name));
        gone.into_iter().for_each(|(name, _)| self.dropped(name.clone(), NO_SUCH_FIELD));
        kept
    }

    /// Drops every field that only the origin understands.
    pub(crate) fn drop_extra(&mut self, request: &Request) {
        for (name, _) in &request.extra {
            self.dropped(name.clone(), NO_SUCH_FIELD);
        }
    }
}

/// Top-level fields that mean the same in both of OpenAI's APIs and have no neutral meaning.
const SHARED_BY_OPENAI: [&str; 2] = ["prompt_cache_key", "prompt_cache_retention"];

const NO_SUCH_FIELD: &str = "the target's API has no such field";
