//! A neutral request as a `Converse` body.

use super::maker::Maker;
use super::turns::{Conversation, Said};
use crate::anthropic::{self, Beside, Thinking};
use crate::ids::JSON_INSTRUCTION;
use crate::neutral::{Output, Request};
use crate::options::{Changes, Thought};
use crate::write::{Arr, Obj, quoted};
use crate::{EncodeError, EncodeOptions, Encoded, Format, Structured};

/// The API takes no more.
const MAX_METADATA: usize = 16;
const MAX_METADATA_SIGNS: usize = 256;

/// Writes a request for a target. The model and the wish for a stream go into the path, which is the caller's.
///
/// # Errors
/// When the request would lose its meaning: several answers, links to pictures, a schema that the model cannot be held to.
pub fn encode_request(request: &Request, options: &EncodeOptions) -> Result<Encoded, EncodeError> {
    if request.n > 1 {
        return Err(EncodeError::new("n", "the Converse API gives one answer; ask once for each"));
    }
    let mut changes = Changes::default();
    let mut said = Said::new(options, &mut changes);
    let maker = said.maker;
    let native = options.structured == Structured::Native && maker.takes_schema();
    let structured_tool = match &request.output {
        Output::JsonSchema { name, .. } if !native => Some(name.clone()),
        _ => None,
    };
    let instruction = (request.output == Output::JsonObject).then_some(JSON_INSTRUCTION);
    if instruction.is_some() {
        said.changes.changed("response_format", "JSON mode became an instruction");
    }
    let mut body = Obj::new();
    let Conversation { system, messages, runs_unsigned } = said.conversation(request, instruction)?;
    body.opt_raw("system", system.as_deref()).raw("messages", &messages);
    let forced = said.tools(&mut body, request, structured_tool.as_deref())?;
    let limit = options.limit(request.max_output_tokens, "max_tokens", &mut changes);
    let (thought, effort) = match maker {
        Maker::Anthropic => {
            let limit = limit.or(options.max_output_tokens).unwrap_or(u32::MAX);
            let own = request.origin == Format::AnthropicMessages;
            let beside = Beside { limit, forced, unsigned: runs_unsigned };
            let Thinking { thought, effort } =
                anthropic::thinking(&request.reasoning, own, options, beside, &mut changes);
            (thought, effort)
        }
        _ => (thought(request, options, maker, limit.is_some(), &mut changes), None),
    };
    let inference = inference(request, options, maker, limit, &thought, &mut changes);
    if inference != "{}" {
        body.raw("inferenceConfig", &inference);
    }
    output(&mut body, request, native, effort.as_deref(), &mut changes);
    let more = more_fields(request, options, maker, &thought, &mut changes);
    if more != "{}" {
        body.raw("additionalModelRequestFields", &more);
    }
    if maker == Maker::Anthropic && !request.stop.is_empty() && options.stop {
        // Which of them came is told only when it is asked for.
        body.raw("additionalModelResponseFieldPaths", r#"["/stop_sequence"]"#);
    }
    rest(&mut body, request, &mut changes);
    let custom_tools = crate::ids::custom_tools(request);
    let body = body.end().into_bytes();
    Ok(Encoded { body, adaptations: changes.0, structured_tool, custom_tools, renamed_tools: Vec::new() })
}

/// Reasoning that this model can be asked for, in the words of its maker, who is not Anthropic.
fn thought(request: &Request, options: &EncodeOptions, maker: Maker, limited: bool, changes: &mut Changes) -> Thought {
    let field = if request.origin == Format::AnthropicMessages { "thinking" } else { "reasoning_effort" };
    match (maker, options.thought(&request.reasoning, field, changes)) {
        (_, Thought::Default) => Thought::Default,
        (Maker::Amazon, Thought::Effort(effort)) if matches!(&*effort, "high" | "xhigh" | "max") && limited => {
            changes.changed(field, "this model takes no output limit at high effort; asked for medium");
            Thought::Effort("medium".to_owned())
        }
        (Maker::Amazon, Thought::Off) => Thought::Off,
        (Maker::Amazon | Maker::OpenAi, Thought::On) => Thought::Effort("medium".to_owned()),
        (Maker::OpenAi, Thought::Off) => {
            changes.dropped(field, "this model cannot be kept from reasoning");
            Thought::Default
        }
        (Maker::Amazon | Maker::OpenAi, Thought::Effort(effort)) => {
            let known = match effort.as_str() {
                "minimal" => "low",
                "xhigh" | "max" => "high",
                other => other,
            };
            if known != effort {
                changes.changed(field, format!("the model knows effort {known}, not {effort}"));
            }
            Thought::Effort(known.to_owned())
        }
        (Maker::Amazon | Maker::OpenAi, Thought::Budget(_)) => {
            changes.changed(field, "the model takes no budget; asked for effort medium");
            Thought::Effort("medium".to_owned())
        }
        _ => {
            changes.dropped(field, "nobody knows how this model is told to reason");
            Thought::Default
        }
    }
}

/// What all makers' models take in the same words.
fn inference(
    request: &Request,
    options: &EncodeOptions,
    maker: Maker,
    limit: Option<u32>,
    thought: &Thought,
    changes: &mut Changes,
) -> String {
    let mut config = Obj::new();
    if let Some(limit) = limit {
        config.num("maxTokens", limit);
    }
    let claude = maker == Maker::Anthropic;
    let taken = samples(options, maker, thought);
    for (field, name, value) in [("temperature", "temperature", request.temperature), ("top_p", "topP", request.top_p)]
    {
        match value {
            Some(_) if !taken => changes.dropped(field, "the model refuses it, or does while it thinks"),
            Some(_) if claude && field == "top_p" && request.temperature.is_some() => {
                changes.dropped(field, "not beside temperature");
            }
            Some(value) if value > 1.0 => {
                changes.changed(field, "the API's range ends at 1");
                config.float(name, 1.0);
            }
            Some(value) => {
                config.float(name, value);
            }
            None => {}
        }
    }
    let (stops, blank): (Vec<&String>, Vec<_>) = request.stop.iter().partition(|text| !text.trim().is_empty());
    if !blank.is_empty() {
        changes.dropped("stop", "stop sequences of white space alone are refused");
    }
    if !stops.is_empty() && options.stop {
        config.raw("stopSequences", &Arr::of_strings(stops));
    } else if !stops.is_empty() {
        changes.dropped("stop", "the model takes no stop sequences");
    }
    config.end()
}

/// Whether sampling parameters are taken: Claude takes none while it thinks, Nova none at high effort.
fn samples(options: &EncodeOptions, maker: Maker, thought: &Thought) -> bool {
    let reasons = options.reasons(thought);
    options.takes_sampling(reasons)
        && match maker {
            Maker::Anthropic => !reasons,
            Maker::Amazon => *thought != Thought::Effort("high".to_owned()),
            _ => true,
        }
}

/// `outputConfig`: the schema of the answer, and Claude's effort.
fn output(body: &mut Obj, request: &Request, native: bool, effort: Option<&str>, changes: &mut Changes) {
    let mut config = Obj::new();
    if let Output::JsonSchema { name, description, schema, .. } = &request.output
        && native
    {
        let mut inner = Obj::new();
        // The schema is text here, not JSON.
        inner.raw("schema", &quoted(schema)).str("name", name).opt_str("description", description.as_deref());
        let structure = Obj::new().raw("jsonSchema", &inner.end()).end();
        config.raw("textFormat", &Obj::new().str("type", "json_schema").raw("structure", &structure).end());
    }
    config.opt_str("effort", effort);
    changes.no_summary(request);
    if !config.is_empty() {
        body.raw("outputConfig", &config.end());
    }
}

/// What goes to the model as it is, in its maker's own words.
fn more_fields(
    request: &Request,
    options: &EncodeOptions,
    maker: Maker,
    thought: &Thought,
    changes: &mut Changes,
) -> String {
    let mut more = Obj::new();
    match (maker, thought) {
        (Maker::Anthropic, Thought::Off) => {
            more.raw("thinking", r#"{"type":"disabled"}"#);
        }
        (Maker::Anthropic, Thought::Budget(budget)) => {
            more.raw("thinking", &Obj::new().str("type", "enabled").num("budget_tokens", *budget).end());
        }
        (Maker::Anthropic, Thought::On) => {
            more.raw("thinking", r#"{"type":"adaptive"}"#);
        }
        (Maker::Amazon, Thought::Off) => {
            more.raw("reasoningConfig", r#"{"type":"disabled"}"#);
        }
        (Maker::Amazon, Thought::Effort(effort)) => {
            more.raw("reasoningConfig", &Obj::new().str("type", "enabled").str("maxReasoningEffort", effort).end());
        }
        (Maker::OpenAi, Thought::Effort(effort)) => {
            more.str("reasoning_effort", effort);
        }
        _ => {}
    }
    match (request.top_k, maker) {
        (None, _) => {}
        (Some(_), _) if !samples(options, maker, thought) => {
            changes.dropped("top_k", "the model refuses it, or does while it thinks");
        }
        (Some(top_k), Maker::Anthropic | Maker::Mistral) => {
            more.num("top_k", top_k);
        }
        (Some(top_k), Maker::Amazon) => {
            more.raw("inferenceConfig", &Obj::new().num("topK", top_k).end());
        }
        (Some(_), _) => changes.dropped("top_k", "nobody knows whether this model takes it"),
    }
    more.end()
}

/// Parameters that have no place here, and those that are the account's, not the model's.
fn rest(body: &mut Obj, request: &Request, changes: &mut Changes) {
    changes.no_such_parameters(request, "Converse");
    if request.user.is_some() {
        changes.dropped("user", "the Converse API has no such parameter");
    }
    changes.no_single_call(request);
    let fits = |(name, value): &&(String, String)| !name.is_empty() && is_plain(name) && is_plain(value);
    let fitting: Vec<_> = request.metadata.iter().filter(fits).take(MAX_METADATA).collect();
    if fitting.len() < request.metadata.len() {
        changes.dropped("metadata", format!("the API takes {MAX_METADATA} entries of plain letters; others stay here"));
    }
    if !fitting.is_empty() {
        let mut metadata = Obj::new();
        for (name, value) in fitting {
            metadata.str(name, value);
        }
        body.raw("requestMetadata", &metadata.end());
    }
    let tier = match (request.origin, request.service_tier.as_deref()) {
        (_, None) | (Format::OpenaiChat | Format::OpenaiResponses, Some("auto")) => None,
        (Format::OpenaiChat | Format::OpenaiResponses, Some("fast")) => Some("priority"),
        (Format::OpenaiChat | Format::OpenaiResponses, Some(word @ ("default" | "flex" | "priority")))
        | (Format::BedrockConverse, Some(word)) => Some(word),
        _ => {
            changes.dropped("service_tier", "the target's tiers are others");
            None
        }
    };
    body.opt_raw("serviceTier", tier.map(|word| Obj::new().str("type", word).end()).as_deref());
    if request.origin == Format::BedrockConverse {
        body.all_raw(&request.extra);
    } else {
        changes.drop_extra(request);
    }
}

/// Signs that names and values of `requestMetadata` may have.
fn is_plain(text: &str) -> bool {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || sign.is_ascii_whitespace() || ":_@$#=/+,-.".contains(sign);
    text.len() <= MAX_METADATA_SIGNS && text.chars().all(plain)
}
