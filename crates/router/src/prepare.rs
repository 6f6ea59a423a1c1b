//! The request as one target wants it: its own bytes with a few fields changed when client and target speak the same API,
//! else written anew from the neutral form.

use crate::call::Call;
use crate::seam::{Operation, WireRequest};
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use std::sync::OnceLock;
use tierway_decide::{MaxTokensField, ParameterRules, Target, Thinking};
use tierway_wire::neutral::Request;
use tierway_wire::splice::{Edit, Fields};
use tierway_wire::{
    Adaptation, Context, DecodeError, EncodeError, EncodeOptions, Estimate, Format, Needs, Outline, Structured,
    SystemRole,
};

/// Headers of the client that mean something to a provider. Everything else stays here, credentials above all.
const FORWARDED: [HeaderName; 4] = [
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("idempotency-key"),
];

/// A request as it came, taken apart as far as somebody needed it.
pub(crate) struct Asked<'a> {
    pub(crate) call: &'a Call,
    pub(crate) outline: &'a Outline<'a>,
    fields: &'a Fields<'a>,
    /// Who answered this conversation last, where that is remembered.
    last_model: Option<&'a str>,
    /// That was within the life of a prompt cache, and prompts may be marked for one.
    goes_on: bool,
    /// Who asks chose the model, under no ceiling of tiers: how hard it thinks is for them to say.
    sets_effort: bool,
    /// Our estimate of its tokens.
    pub(crate) input_tokens: Estimate,
    operation: Operation,
    neutral: OnceLock<Request>,
}

/// A request that is ready to be sent, and what had to be changed for it.
pub(crate) struct Prepared {
    pub(crate) request: WireRequest,
    pub(crate) adapted: Vec<String>,
    /// What translating the answer needs to know.
    pub(crate) context: Context,
}

impl<'a> Asked<'a> {
    pub(crate) const fn new(
        call: &'a Call,
        outline: &'a Outline<'a>,
        fields: &'a Fields<'a>,
        input_tokens: Estimate,
    ) -> Self {
        Self {
            call,
            outline,
            fields,
            last_model: None,
            goes_on: false,
            sets_effort: false,
            input_tokens,
            operation: Operation::Chat,
            neutral: OnceLock::new(),
        }
    }

    /// Our estimate of its tokens, as this target counts them.
    pub(crate) fn input_tokens_of(&self, target: &Target) -> u32 {
        target.limits.vocabulary.tokens(self.input_tokens)
    }

    pub(crate) const fn sets_effort(&self) -> bool {
        self.sets_effort
    }

    /// The request in neutral form; read once.
    pub(crate) fn neutral(&self) -> Result<&Request, DecodeError> {
        match self.neutral.get() {
            Some(neutral) => Ok(neutral),
            None => {
                let decoded = tierway_wire::decode_request(self.call.format, self.fields)?;
                Ok(self.neutral.get_or_init(|| decoded))
            }
        }
    }

    /// Whether its answer is made of tokens that are paid for.
    pub(crate) fn has_output(&self) -> bool {
        self.operation == Operation::Chat
    }

    /// A request for vectors, which goes through as it came.
    pub(crate) fn embedding(
        call: &'a Call,
        outline: &'a Outline<'a>,
        fields: &'a Fields<'a>,
        input_tokens: Estimate,
    ) -> Self {
        Self { operation: Operation::Embeddings, ..Self::new(call, outline, fields, input_tokens) }
    }

    /// With the model that answered this conversation last. `goes_on`: so soon before that a cache pays.
    pub(crate) const fn after(mut self, last_model: Option<&'a str>, goes_on: bool) -> Self {
        self.last_model = last_model;
        self.goes_on = goes_on;
        self
    }

    /// How hard a model thinks that is named without an effort is for who asks to say.
    pub(crate) const fn with_own_effort(mut self, sets_effort: bool) -> Self {
        self.sets_effort = sets_effort;
        self
    }

    /// Writes the request for a target.
    ///
    /// # Errors
    /// When it would lose its meaning there.
    pub(crate) fn prepare(&self, target: &Target, context: Context) -> Result<Prepared, EncodeError> {
        if self.operation == Operation::Embeddings {
            return Ok(self.embedding_for(target, context));
        }
        let options = options(self, target);
        let same = target.format == self.call.format;
        let (body, adaptations, context) =
            if same { self.spliced(&options, context)? } else { self.translated(&options, context, target.format)? };
        let request = WireRequest {
            operation: self.operation,
            format: target.format,
            model: target.model.to_string(),
            stream: self.outline.stream,
            headers: if same { forwarded(&self.call.headers) } else { HeaderMap::new() },
            body: Bytes::from(body),
        };
        let guesses = self.guesses(target).map(|what| {
            format!("{what} sent on a guess (nobody said whether this model takes it; see capabilities.{what})")
        });
        Ok(Prepared { request, adapted: adaptations.iter().map(said).chain(guesses).collect(), context })
    }

    /// What of the request this target may not take, for all that is known. A client that names a model knows better.
    fn guesses(&self, target: &Target) -> impl Iterator<Item = &'static str> {
        let guessed = target.capabilities.guessed;
        let open = (guessed.audio || guessed.files) && !is_named(self, target);
        let needs = if open { self.outline.needs() } else { Needs::default() };
        target.capabilities.guessed_of(needs)
    }

    fn embedding_for(&self, target: &Target, context: Context) -> Prepared {
        let model = serde_json::Value::from(target.model.as_str()).to_string();
        let request = WireRequest {
            operation: self.operation,
            format: target.format,
            model: target.model.to_string(),
            stream: false,
            headers: forwarded(&self.call.headers),
            body: self.fields.apply(&[Edit::Set("model", model.into())]).into(),
        };
        Prepared { request, adapted: Vec::new(), context }
    }

    fn spliced(&self, options: &EncodeOptions, context: Context) -> Result<Written, EncodeError> {
        let fitted = tierway_wire::adapt(self.call.format, self.fields, options);
        let (edits, adaptations) =
            fitted.map_err(|error| EncodeError { field: "request".into(), reason: error.message })?;
        Ok((self.fields.apply(&edits), adaptations, context))
    }

    fn translated(&self, options: &EncodeOptions, context: Context, to: Format) -> Result<Written, EncodeError> {
        let unreadable =
            |error: DecodeError| EncodeError { field: error.param.unwrap_or_default(), reason: error.message };
        let neutral = self.neutral().map_err(unreadable)?;
        let options = EncodeOptions { guessed: false, ..options.clone() };
        let encoded = tierway_wire::encode_request(to, neutral, &options)?;
        let echo = match self.call.format {
            Format::OpenaiResponses => tierway_wire::openai_responses::echo(self.fields),
            _ => Vec::new(),
        };
        let (structured_tool, custom_tools) = (encoded.structured_tool, encoded.custom_tools);
        let legacy_functions = self.call.format == Format::OpenaiChat && self.fields.get("functions").is_some();
        let renamed_tools = encoded.renamed_tools;
        let model = options.model;
        let context =
            Context { model, structured_tool, custom_tools, renamed_tools, legacy_functions, echo, ..context };
        Ok((encoded.body, encoded.adaptations, context))
    }
}

/// Body, what was adapted, and what the answer's translation needs.
type Written = (Vec<u8>, Vec<Adaptation>, Context);

/// How a target of the ladder wants to be asked.
fn options(asked: &Asked<'_>, target: &Target) -> EncodeOptions {
    let rules = &target.parameters;
    EncodeOptions {
        max_tokens_field: rules.max_tokens_field,
        sampling: rules.sampling,
        penalties: rules.penalties,
        reasoning: rules.reasoning,
        reasoning_budget: rules.thinking == Thinking::Budget,
        efforts: rules.efforts.clone(),
        // Not where an effort is named, too (`model@effort`).
        effort: target.effort.clone().filter(|_| !asked.sets_effort || !is_named(asked, target)),
        system_role: system_role(rules),
        stop: rules.stop,
        forced_tool_choice: rules.forced_tool_choice,
        prefill: rules.prefill,
        structured: if target.capabilities.json_schema { Structured::Native } else { Structured::ForcedTool },
        max_output_tokens: target.limits.max_output,
        include_usage: asked.outline.stream,
        place_cache_marks: asked.goes_on && asked.last_model == Some(target.model.as_str()),
        guessed: !rules.known && is_named(asked, target),
        same_model: same_model(asked, target),
        ..EncodeOptions::new(target.model.as_str())
    }
}

/// Models that take `max_completion_tokens` know `developer` too; compatible servers know `system` only.
const fn system_role(rules: &ParameterRules) -> SystemRole {
    match (rules.system_role, rules.max_tokens_field) {
        (false, _) => SystemRole::None,
        (true, MaxTokensField::MaxCompletionTokens) => SystemRole::Both,
        (true, MaxTokensField::MaxTokens) => SystemRole::System,
    }
}

/// The client named this very model; what is not known of it is for its provider to judge.
fn is_named(asked: &Asked<'_>, target: &Target) -> bool {
    let named = &*asked.outline.requested_model;
    named == target.model || named.split_once('/').is_some_and(|(_, model)| model == target.model)
}

/// Whether signed or encrypted reasoning in the history may go back to this target: only to the model that made it, as far
/// as we know who that was.
fn same_model(asked: &Asked<'_>, target: &Target) -> bool {
    target.format == asked.call.format && asked.last_model.is_none_or(|last| last == target.model)
}

/// One adaptation in words, for the header and the record: `temperature dropped (the model refuses it)`.
fn said(adaptation: &Adaptation) -> String {
    let what = match adaptation.what {
        tierway_wire::Adapted::Dropped => "dropped",
        tierway_wire::Adapted::Changed => "changed",
        tierway_wire::Adapted::Moved => "moved",
    };
    format!("{} {what} ({})", adaptation.field, adaptation.note)
}

pub(crate) fn forwarded(headers: &HeaderMap) -> HeaderMap {
    // Room for the provider's own three beside them; for eight it would be more than a kilobyte, which the allocator has to
    // look for.
    let mut out = HeaderMap::with_capacity(6);
    for name in FORWARDED {
        for value in headers.get_all(&name) {
            out.append(name.clone(), value.clone());
        }
    }
    out
}
