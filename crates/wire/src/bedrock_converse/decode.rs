//! A `Converse` request into the neutral form.

use super::media;
use crate::json::{At, Node};
use crate::neutral::{Content, Output, Part, Request, Role, Tool, ToolChoice, ToolKind};
use crate::splice::Fields;
use crate::top::Top;
use crate::{DecodeError, Format};

const KNOWN: [&str; 9] = [
    "additionalModelResponseFieldPaths", // the encoder asks for what it reads
    "system",
    "messages",
    "inferenceConfig",
    "toolConfig",
    "outputConfig",
    "additionalModelRequestFields",
    "requestMetadata",
    "serviceTier",
];

/// Reads a request. The model is the path's, so it is empty here.
///
/// # Errors
/// When a field has another type than the API says.
pub fn decode_request(fields: &Fields<'_>) -> Result<Request, DecodeError> {
    let top = Top(fields);
    let mut request = Request::new(Format::BedrockConverse, "");
    let system = parts(&top.items("system", 4)?);
    if !system.is_empty() {
        request.push(Role::System, system, false);
    }
    for (index, message) in top.items("messages", 16)?.iter().enumerate() {
        let said = parts(message.get("content").map_or(&[][..], Node::items));
        match message.str("role") {
            Some("assistant") => request.push(Role::Assistant, said, true),
            Some("user") => {
                let (results, others): (Vec<_>, Vec<_>) = said.into_iter().partition(|part| part.answers().is_some());
                if !results.is_empty() {
                    request.push(Role::Tool, results, true);
                }
                if !others.is_empty() {
                    request.push(Role::User, others, false);
                }
            }
            _ => {
                let at = At::Index(&At::Top("messages"), index);
                return Err(At::Field(&at, "role").error("has to be `user` or `assistant`"));
            }
        }
    }
    if let Some(config) = top.node("toolConfig", 5)? {
        tools(&config, &mut request);
    }
    if let Some(config) = top.node("inferenceConfig", 2)? {
        let float = |name: &str| config.get(name).and_then(Node::as_f64);
        request.max_output_tokens = config.u64("maxTokens").and_then(|limit| u32::try_from(limit).ok());
        request.temperature = float("temperature");
        request.top_p = float("topP");
        let stops = config.get("stopSequences").map_or(&[][..], Node::items).iter();
        request.stop = stops.filter_map(|stop| stop.as_str().map(str::to_owned)).collect();
    }
    if let Some(config) = top.node("outputConfig", 4)? {
        output(&config, &mut request);
    }
    if let Some(more) = top.node("additionalModelRequestFields", 2)? {
        more_fields(&more, &mut request);
    }
    if let Some(metadata) = top.node("requestMetadata", 1)? {
        let pairs = metadata.fields().iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
        request.metadata = pairs.map(|(name, value)| (name.clone().into_owned(), value.to_owned())).collect();
    }
    let tier = top.node("serviceTier", 1)?;
    request.service_tier = tier.and_then(|tier| tier.str("type").map(str::to_owned));
    request.usage_wanted = true;
    request.extra = top.extra(&KNOWN);
    Ok(request)
}

/// Blocks as parts; a cache point marks the part before it.
pub(super) fn parts(blocks: &[Node<'_>]) -> Vec<Part> {
    let mut list: Vec<Part> = Vec::with_capacity(blocks.len());
    for block in blocks {
        match block.get("cachePoint") {
            Some(point) => list.iter_mut().rev().take(1).for_each(|part| part.cache = Some(mark(point))),
            None => list.push(Part::new(content(block))),
        }
    }
    list
}

fn mark(point: &Node<'_>) -> String {
    crate::write::Obj::new().str("type", "ephemeral").opt_str("ttl", point.str("ttl")).end()
}

/// One block of a request or an answer.
fn content(block: &Node<'_>) -> Content {
    let text = |node: &Node<'_>, name: &str| node.str(name).unwrap_or_default().to_owned();
    if let Some(said) = block.str("text") {
        return Content::text(said);
    }
    if let Some(call) = block.get("toolUse") {
        return Content::ToolCall {
            id: text(call, "toolUseId"),
            name: text(call, "name"),
            arguments: call.get("input").map_or("{}", |input| input.raw).to_owned(),
            custom: false,
            signature: None,
        };
    }
    if let Some(result) = block.get("toolResult") {
        let inner = result.get("content").map_or(&[][..], Node::items).iter().map(|one| match one.get("json") {
            Some(json) => Content::text(json.raw),
            None => content(one),
        });
        return Content::ToolResult {
            call_id: text(result, "toolUseId"),
            name: None,
            content: inner.collect(),
            is_error: result.str("status") == Some("error"),
        };
    }
    if let Some(thought) = block.get("reasoningContent") {
        let readable = thought.get("reasoningText");
        return Content::Reasoning {
            text: readable.map(|node| text(node, "text")).unwrap_or_default(),
            signature: readable.and_then(|node| node.str("signature").map(str::to_owned)),
            encrypted: thought.str("redactedContent").map(str::to_owned),
            id: None,
            origin: Format::BedrockConverse,
        };
    }
    // Text with its sources: they are places in documents, which no other API can say.
    if let Some(cited) = block.get("citationsContent") {
        let pieces = cited.get("content").map_or(&[][..], Node::items).iter();
        return Content::text(pieces.filter_map(|piece| piece.str("text")).collect::<String>());
    }
    media::read(block).unwrap_or_else(|| media::raw(block))
}

fn tools(config: &Node<'_>, request: &mut Request) {
    for tool in config.get("tools").map_or(&[][..], Node::items) {
        if let Some(point) = tool.get("cachePoint") {
            request.tools.iter_mut().rev().take(1).for_each(|tool| tool.cache = Some(mark(point)));
        } else if let Some(specification) = tool.get("toolSpec") {
            let schema = specification.get("inputSchema").and_then(|schema| schema.get("json"));
            request.tools.push(Tool {
                name: specification.str("name").unwrap_or_default().to_owned(),
                description: specification.str("description").map(str::to_owned),
                kind: ToolKind::Function {
                    parameters: schema.map(|schema| schema.raw.to_owned()),
                    strict: specification.get("strict").and_then(Node::as_bool),
                },
                cache: None,
            });
        } else {
            let kind = ToolKind::Hosted { origin: Format::BedrockConverse, json: tool.raw.to_owned() };
            request.tools.push(Tool { name: "systemTool".to_owned(), description: None, kind, cache: None });
        }
    }
    if let Some(choice) = config.get("toolChoice") {
        let named = choice.get("tool").and_then(|tool| tool.str("name"));
        request.tool_choice = match named {
            Some(name) => ToolChoice::Named(name.to_owned()),
            None if choice.get("any").is_some() => ToolChoice::Required,
            None => ToolChoice::Auto,
        };
    }
}

fn output(config: &Node<'_>, request: &mut Request) {
    request.reasoning.effort = config.str("effort").map(str::to_owned);
    let structure = config.get("textFormat").and_then(|format| format.get("structure"));
    if let Some(schema) = structure.and_then(|structure| structure.get("jsonSchema")) {
        request.output = Output::JsonSchema {
            name: schema.str("name").unwrap_or("answer").to_owned(),
            description: schema.str("description").map(str::to_owned),
            schema: schema.str("schema").unwrap_or("{}").to_owned(),
            strict: None,
        };
    }
}

/// What Claude is told in Anthropic's words; what other makers' models are told stays with the origin.
fn more_fields(more: &Node<'_>, request: &mut Request) {
    request.top_k = more.u64("top_k").and_then(|top_k| u32::try_from(top_k).ok());
    if let Some(thinking) = more.get("thinking") {
        request.reasoning.enabled = Some(thinking.str("type") != Some("disabled"));
        request.reasoning.budget_tokens = thinking.u64("budget_tokens").and_then(|tokens| u32::try_from(tokens).ok());
    }
}
