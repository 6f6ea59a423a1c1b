//! A Messages request into the neutral form.

use crate::ids::Carried;
use crate::json::{At, Kind, Node};
use crate::neutral::{Content, Output, Part, Request, Role, Source, Tool, ToolChoice, ToolKind};
use crate::splice::Fields;
use crate::top::Top;
use crate::{DecodeError, Format};

const KNOWN: [&str; 17] = [
    "model",
    "system",
    "messages",
    "max_tokens",
    "tools",
    "tool_choice",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "thinking",
    "output_config",
    "output_format",
    "metadata",
    "service_tier",
    "effort",
];

/// Reads a request that [`outline`](super::outline) accepted.
///
/// # Errors
/// When a field has another type than the API says.
pub fn decode_request(fields: &Fields<'_>) -> Result<Request, DecodeError> {
    let top = Top(fields);
    let mut request = Request::new(Format::AnthropicMessages, top.model()?);
    if let Some(system) = top.node("system", 4)? {
        let parts = blocks(&system);
        if !parts.is_empty() {
            request.push(Role::System, parts, false);
        }
    }
    for (index, message) in top.items("messages", 16)?.into_iter().enumerate() {
        self::message(&mut request, &message, At::Index(&At::Top("messages"), index))?;
    }
    request.tools = top.items("tools", 2)?.iter().map(tool).collect();
    if let Some(choice) = top.node("tool_choice", 1)? {
        request.tool_choice = match choice.str("type") {
            Some("any") => ToolChoice::Required,
            Some("none") => ToolChoice::None,
            Some("tool") => ToolChoice::Named(choice.str("name").unwrap_or_default().to_owned()),
            _ => ToolChoice::Auto,
        };
        let single = choice.get("disable_parallel_tool_use").and_then(Node::as_bool);
        request.parallel_tool_calls = single.map(|single| !single);
    }
    request.max_output_tokens = top.u32("max_tokens", 1, u32::MAX)?;
    request.temperature = top.f64("temperature")?;
    request.top_p = top.f64("top_p")?;
    request.top_k = top.u32("top_k", 0, u32::MAX)?;
    for (index, text) in top.items("stop_sequences", 1)?.into_iter().enumerate() {
        request.stop.push(text.want_string(At::Index(&At::Top("stop_sequences"), index))?.into());
    }
    thinking(&top, &mut request)?;
    let user = top.metadata()?.into_iter().find(|(key, _)| key == "user_id");
    request.user = user.map(|(_, value)| value.into());
    request.service_tier = top.string("service_tier")?.map(Into::into);
    request.stream = top.bool("stream")?.unwrap_or(false);
    request.usage_wanted = true;
    request.extra = top.extra(&KNOWN);
    Ok(request)
}

fn thinking(top: &Top<'_, '_>, request: &mut Request) -> Result<(), DecodeError> {
    if let Some(thinking) = top.node("thinking", 1)? {
        request.reasoning.enabled = Some(thinking.str("type") != Some("disabled"));
        request.reasoning.budget_tokens = thinking.u64("budget_tokens").and_then(|tokens| u32::try_from(tokens).ok());
        request.reasoning.summary = thinking.str("display").map(str::to_owned);
    }
    let config = top.node("output_config", 2)?;
    request.reasoning.effort = config.as_ref().and_then(|config| config.str("effort")).map(str::to_owned);
    let old = top.node("output_format", 1)?;
    let format = config.as_ref().and_then(|config| config.get("format")).or(old.as_ref());
    if let Some(schema) = format.and_then(|format| Node::parse(format.raw, 1).ok()?.get("schema").map(|node| node.raw))
    {
        request.output = Output::JsonSchema {
            name: "answer".to_owned(),
            description: None,
            schema: schema.to_owned(),
            strict: Some(true),
        };
    }
    Ok(())
}

fn message(request: &mut Request, message: &Node<'_>, at: At<'_>) -> Result<(), DecodeError> {
    let role = match message.str("role") {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        _ => return Err(At::Field(&at, "role").error("has to be `user` or `assistant`")),
    };
    let content = message.get("content").map(blocks).unwrap_or_default();
    let is_result = |part: &Part| matches!(part.content, Content::ToolResult { .. });
    let (results, others): (Vec<_>, Vec<_>) = content.into_iter().partition(is_result);
    if !results.is_empty() {
        request.push(Role::Tool, results, true);
    }
    if !others.is_empty() {
        request.push(role, others, false);
    }
    Ok(())
}

/// Content as a string or as blocks.
fn blocks(content: &Node<'_>) -> Vec<Part> {
    match &content.kind {
        Kind::String(text) => vec![Part::text(text.as_ref())],
        _ => content.items().iter().map(block).collect(),
    }
}

/// One content block of a request or an answer.
pub(super) fn block(node: &Node<'_>) -> Part {
    let text = |name: &str| node.str(name).unwrap_or_default().to_owned();
    let raw = || Content::Raw { origin: Format::AnthropicMessages, json: node.raw.to_owned() };
    let content = match node.str("type") {
        Some("text") => Content::Text {
            text: text("text"),
            citations: node.get("citations").filter(|list| !list.items().is_empty()).map(|list| list.raw.to_owned()),
        },
        Some("image") => {
            node.get("source").and_then(source).map_or_else(raw, |source| Content::Image { source, detail: None })
        }
        Some("document") => node
            .get("source")
            .and_then(source)
            .map_or_else(raw, |source| Content::File { source, name: node.str("title").map(str::to_owned) }),
        Some("tool_use") => Content::ToolCall {
            id: text("id"),
            name: text("name"),
            arguments: node.get("input").map_or("{}", |input| input.raw).to_owned(),
            custom: false,
            signature: None,
        },
        Some("tool_result") => Content::ToolResult {
            call_id: text("tool_use_id"),
            name: None,
            content: node
                .get("content")
                .map(blocks)
                .unwrap_or_default()
                .into_iter()
                .map(|part| told(part.content))
                .collect(),
            is_error: node.get("is_error").and_then(Node::as_bool).unwrap_or(false),
        },
        Some("thinking") => {
            let signature = node.str("signature").filter(|signature| !signature.is_empty());
            Carried::read(text("thinking"), signature, Format::AnthropicMessages)
        }
        Some("redacted_thinking") => Content::Reasoning {
            text: String::new(),
            signature: None,
            encrypted: Some(text("data")),
            id: None,
            origin: Format::AnthropicMessages,
        },
        _ => raw(),
    };
    // A mark within a result ends the same prefix as one behind it.
    let within = node.get("content").filter(|_| node.str("type") == Some("tool_result"));
    let within = within.map_or(&[][..], Node::items).iter().rev().find_map(|block| block.get("cache_control"));
    Part { content, cache: node.get("cache_control").or(within).map(|mark| mark.raw.to_owned()) }
}

/// What a tool gave back, where it is text in a form that only this API has: whoever reads it elsewhere reads the text.
fn told(content: Content) -> Content {
    let text = match content {
        Content::File { source: Source::Text(text), name } => [name.unwrap_or_default(), text],
        Content::Raw { origin, json } => match found(&json) {
            Some(text) => text,
            None => return Content::Raw { origin, json },
        },
        other => return other,
    };
    let text = text.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
    Content::Text { text, citations: None }
}

/// Title and source of a search result, and its texts; none when it is something else.
fn found(json: &str) -> Option<[String; 2]> {
    let node = Node::parse(json, 3).ok().filter(|node| node.str("type") == Some("search_result"))?;
    let head = ["title", "source"].map(|name| node.str(name).unwrap_or_default()).join("\n");
    let texts = node.get("content").map_or(&[][..], Node::items).iter().filter_map(|block| block.str("text"));
    Some([head.trim().to_owned(), texts.collect::<Vec<_>>().join("\n")])
}

fn source(node: &Node<'_>) -> Option<Source> {
    let text = |name: &str| node.str(name).map(str::to_owned);
    Some(match node.str("type")? {
        "base64" => Source::Data { mime: text("media_type")?, data: text("data")? },
        "url" => Source::Url(text("url")?),
        "file" => Source::FileId { id: text("file_id")?, origin: Format::AnthropicMessages },
        "text" => Source::Text(text("data")?),
        _ => return None,
    })
}

fn tool(node: &Node<'_>) -> Tool {
    let hosted = node.str("type").is_some_and(|kind| kind != "custom");
    Tool {
        name: node.str("name").or_else(|| node.str("type")).unwrap_or_default().to_owned(),
        description: node.str("description").map(str::to_owned).filter(|_| !hosted),
        kind: if hosted {
            ToolKind::Hosted { origin: Format::AnthropicMessages, json: node.raw.to_owned() }
        } else {
            ToolKind::Function {
                parameters: node.get("input_schema").map(|schema| schema.raw.to_owned()),
                strict: node.get("strict").and_then(Node::as_bool),
            }
        },
        cache: node.get("cache_control").map(|mark| mark.raw.to_owned()),
    }
}
