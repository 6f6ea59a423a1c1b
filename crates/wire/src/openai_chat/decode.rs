//! A Chat Completions request into the neutral form.

use super::thought::reasoning_parts;
use crate::json::{At, Kind, Node};
use crate::neutral::{Content, Message, Output, Part, ReasoningAsk, Request, Role, Source, Tool, ToolChoice, ToolKind};
use crate::splice::Fields;
use crate::top::Top;
use crate::{DecodeError, Format};

/// Fields that have a neutral meaning; the others ride along in [`Request::extra`].
const KNOWN: [&str; 30] = [
    "model",
    "messages",
    "tools",
    "functions",
    "tool_choice",
    "function_call",
    "parallel_tool_calls",
    "response_format",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "stop",
    "n",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "reasoning_effort",
    "reasoning",
    "verbosity",
    "service_tier",
    "user",
    "safety_identifier",
    "metadata",
    "stream",
    "stream_options",
];

/// Reads a request that [`outline`](super::outline) accepted.
///
/// # Errors
/// When a field has another type than the API says.
pub fn decode_request(fields: &Fields<'_>) -> Result<Request, DecodeError> {
    let top = Top(fields);
    let mut request = Request::new(Format::OpenaiChat, top.model()?);
    for (index, message) in top.items("messages", 16)?.into_iter().enumerate() {
        self::message(&mut request, message, At::Index(&At::Top("messages"), index))?;
    }
    request.tools = top.items("tools", 3)?.iter().map(tool).collect();
    request.tools.extend(top.items("functions", 2)?.iter().map(function));
    request.tool_choice = match top.node("tool_choice", 5)? {
        Some(choice) => tool_choice(&choice),
        None => top.node("function_call", 1)?.map_or(ToolChoice::Unset, |choice| tool_choice(&choice)),
    };
    // A client of the API's first years reads one call.
    let one_call = (top.0.get("functions").is_some() && !request.tools.is_empty()).then_some(false);
    request.parallel_tool_calls = top.bool("parallel_tool_calls")?.or(one_call);
    request.output = top.node("response_format", 2)?.map_or(Output::Text, |format| output(&format));
    request.max_output_tokens = match top.u32("max_completion_tokens", 1, u32::MAX)? {
        Some(limit) => Some(limit),
        None => top.u32("max_tokens", 1, u32::MAX)?,
    };
    sampling(&top, &mut request)?;
    request.reasoning = reasoning(&top)?;
    request.verbosity = top.string("verbosity")?.map(Into::into);
    request.service_tier = top.string("service_tier")?.map(Into::into);
    let (user, safety) = (top.loose_string("user"), top.loose_string("safety_identifier"));
    // One of them names the end user to every API.
    request.unknown.extend((safety.is_some() && user.is_some() && user != safety).then(|| "user".to_owned()));
    request.user = safety.or(user).map(Into::into);
    request.metadata = top.metadata()?.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    request.stream = top.bool("stream")?.unwrap_or(false);
    let options = top.node("stream_options", 1)?;
    request.usage_wanted = options.and_then(|options| options.get("include_usage")?.as_bool()).unwrap_or(false);
    request.extra = top.extra(&KNOWN);
    Ok(request)
}

fn sampling(top: &Top<'_, '_>, request: &mut Request) -> Result<(), DecodeError> {
    request.temperature = top.f64("temperature")?;
    request.top_p = top.f64("top_p")?;
    request.top_k = top.u32("top_k", 0, u32::MAX)?;
    request.presence_penalty = top.f64("presence_penalty")?;
    request.frequency_penalty = top.f64("frequency_penalty")?;
    request.seed = top.i64("seed")?;
    request.n = top.u32("n", 1, 128)?.unwrap_or(1);
    request.logprobs = top.bool("logprobs")?.unwrap_or(false);
    request.top_logprobs = top.u32("top_logprobs", 0, 20)?;
    request.logit_bias = top.raw("logit_bias");
    if let Some(stop) = top.node("stop", 1)? {
        request.stop = match stop.kind {
            Kind::String(text) => vec![text.into()],
            _ => {
                let at = At::Top("stop");
                let texts = stop.want_items(at)?.into_iter().enumerate();
                texts
                    .map(|(index, text)| text.want_string(At::Index(&at, index)).map(Into::into))
                    .collect::<Result<_, _>>()?
            }
        };
    }
    Ok(())
}

/// Reasoning that was asked for, in OpenAI's form or OpenRouter's.
pub(crate) fn reasoning(top: &Top<'_, '_>) -> Result<ReasoningAsk, DecodeError> {
    let mut ask = ReasoningAsk { effort: top.string("reasoning_effort")?.map(Into::into), ..ReasoningAsk::default() };
    // OpenRouter's form.
    if let Some(node) = top.node("reasoning", 1)? {
        ask.effort = ask.effort.or_else(|| node.str("effort").map(str::to_owned));
        ask.budget_tokens = node.u64("max_tokens").and_then(|tokens| u32::try_from(tokens).ok());
        ask.enabled = node.get("enabled").and_then(Node::as_bool);
    }
    Ok(ask)
}

fn message(request: &mut Request, mut message: Node<'_>, at: At<'_>) -> Result<(), DecodeError> {
    let role = match message.str("role") {
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        Some("user") => Role::User,
        _ => return Err(At::Field(&at, "role").error("is none of the known roles")),
    };
    let name = message.str("name").map(str::to_owned);
    if role == Role::Tool {
        // Results of the API's first years name the function: its last call is meant.
        let named = || calls_of(request, name.as_deref()?).last().map(str::to_owned);
        let id = message.str("tool_call_id").map(str::to_owned).or_else(named);
        let result = Content::ToolResult {
            call_id: id.or_else(|| name.clone()).unwrap_or_default(),
            content: parts(message.take("content")).into_iter().map(|part| part.content).collect(),
            name,
            is_error: false,
        };
        request.push(Role::Tool, vec![Part::new(result)], true);
        return Ok(());
    }
    let mut said = Vec::new();
    if role == Role::Assistant {
        said.extend(reasoning_parts(&message));
    }
    let text_from = said.len();
    said.extend(parts(message.take("content")));
    if role == Role::Assistant {
        if let Some(annotations) = message.get("annotations").filter(|node| !node.items().is_empty())
            && let Some(Part { content: Content::Text { citations, .. }, .. }) = said.get_mut(text_from)
        {
            *citations = Some(annotations.raw.to_owned());
        }
        said.extend(message.str("refusal").map(|text| Part::new(Content::Refusal(text.to_owned()))));
        said.extend(message.get("tool_calls").map_or(&[][..], Node::items).iter().map(tool_call).map(Part::new));
        if let Some(call) = message.get("function_call") {
            let mut call = function_call(call);
            if let Content::ToolCall { id, name, .. } = &mut call {
                // It has none, and the same function may be called again later.
                let earlier = calls_of(request, name).count();
                *id = if earlier == 0 { name.clone() } else { format!("{name}_{earlier}") };
            }
            said.push(Part::new(call));
        }
    }
    request.messages.push(Message { role, parts: said, name });
    Ok(())
}

/// Ids of the calls of a tool, in order.
fn calls_of<'r>(request: &'r Request, tool: &str) -> impl DoubleEndedIterator<Item = &'r str> {
    request.messages.iter().flat_map(|message| &message.parts).filter_map(move |part| match &part.content {
        Content::ToolCall { id, name, .. } if name == tool => Some(id.as_str()),
        _ => None,
    })
}

pub(super) fn parts(content: Option<Node<'_>>) -> Vec<Part> {
    match content.map(|content| content.kind) {
        Some(Kind::String(text)) => vec![Part::text(text)],
        Some(Kind::Array(items)) => items.iter().map(part).collect(),
        _ => Vec::new(),
    }
}

fn part(node: &Node<'_>) -> Part {
    let inner = |name: &str| node.get(name);
    let raw = || Content::Raw { origin: Format::OpenaiChat, json: node.raw.to_owned() };
    let content = match node.str("type") {
        Some("text" | "input_text" | "output_text") => Content::text(node.str("text").unwrap_or_default()),
        Some("refusal") => Content::Refusal(node.str("refusal").unwrap_or_default().to_owned()),
        Some("image_url") => inner("image_url").map_or_else(raw, |image| Content::Image {
            source: Source::from_url(image.as_str().or_else(|| image.str("url")).unwrap_or_default()),
            detail: image.str("detail").map(str::to_owned),
        }),
        Some("input_audio") => inner("input_audio").map_or_else(raw, |audio| Content::Audio {
            data: audio.str("data").unwrap_or_default().to_owned(),
            format: audio.str("format").unwrap_or_default().to_owned(),
        }),
        Some("file") => inner("file").map_or_else(raw, |file| Content::File {
            source: match file.str("file_id") {
                Some(id) => Source::FileId { id: id.to_owned(), origin: Format::OpenaiChat },
                None => Source::from_url(file.str("file_data").unwrap_or_default()),
            },
            name: file.str("filename").map(str::to_owned),
        }),
        _ => raw(),
    };
    Part { content, cache: node.get("cache_control").map(|mark| mark.raw.to_owned()) }
}

pub(super) fn tool_call(call: &Node<'_>) -> Content {
    let id = call.str("id").unwrap_or_default().to_owned();
    let custom = call.get("custom");
    let inner = custom.or_else(|| call.get("function"));
    let name = inner.and_then(|inner| inner.str("name")).unwrap_or_default();
    let arguments = inner.and_then(|inner| inner.get("arguments").or_else(|| inner.get("input")));
    let text = arguments.map(|node| node.as_str().unwrap_or(node.raw)).unwrap_or_default();
    let mut content = call_of(id, name, text, custom.is_some());
    if let Content::ToolCall { signature, .. } = &mut content {
        *signature = call
            .get("extra_content")
            .and_then(|extra| extra.get("google")?.str("thought_signature"))
            .map(str::to_owned);
    }
    content
}

/// The one call that a message of the API's first years holds; it has no id.
pub(super) fn function_call(call: &Node<'_>) -> Content {
    let text = |name: &str| call.str(name).unwrap_or_default();
    call_of(String::new(), text("name"), text("arguments"), false)
}

fn call_of(id: String, name: &str, arguments: &str, custom: bool) -> Content {
    Content::ToolCall { id, name: name.to_owned(), arguments: arguments.to_owned(), custom, signature: None }
}

fn tool(node: &Node<'_>) -> Tool {
    let cache = node.get("cache_control").map(|mark| mark.raw.to_owned());
    // The tree was opened three levels deep, so schemas below are text and stay as they came.
    match (node.str("type"), node.get("function"), node.get("custom")) {
        (Some("function"), Some(inner), _) => Tool { cache, ..function(inner) },
        (Some("custom"), _, Some(inner)) => Tool {
            name: inner.str("name").unwrap_or_default().to_owned(),
            description: inner.str("description").map(str::to_owned),
            kind: ToolKind::Custom { format: inner.get("format").map(|format| format.raw.to_owned()) },
            cache,
        },
        (kind, ..) => Tool {
            name: kind.unwrap_or_default().to_owned(),
            description: None,
            kind: ToolKind::Hosted { origin: Format::OpenaiChat, json: node.raw.to_owned() },
            cache,
        },
    }
}

fn function(inner: &Node<'_>) -> Tool {
    Tool {
        name: inner.str("name").unwrap_or_default().to_owned(),
        description: inner.str("description").map(str::to_owned),
        kind: ToolKind::Function {
            parameters: inner.get("parameters").map(|schema| schema.raw.to_owned()),
            strict: inner.get("strict").and_then(Node::as_bool),
        },
        cache: None,
    }
}

fn tool_choice(choice: &Node<'_>) -> ToolChoice {
    match choice.as_str() {
        Some("none") => return ToolChoice::None,
        Some("required" | "any") => return ToolChoice::Required,
        Some(_) => return ToolChoice::Auto,
        None => {}
    }
    if let Some(allowed) = choice.get("allowed_tools") {
        let names = allowed.get("tools").map_or(&[][..], Node::items).iter();
        let names = names.filter_map(|tool| {
            tool.get("function").or_else(|| tool.get("custom")).unwrap_or(tool).str("name").map(str::to_owned)
        });
        return ToolChoice::Allowed { names: names.collect(), required: allowed.str("mode") == Some("required") };
    }
    let inner = choice.get("function").or_else(|| choice.get("custom")).unwrap_or(choice);
    inner.str("name").map_or(ToolChoice::Required, |name| ToolChoice::Named(name.to_owned()))
}

fn output(format: &Node<'_>) -> Output {
    match (format.str("type"), format.get("json_schema")) {
        (Some("json_object"), _) => Output::JsonObject,
        (Some("json_schema"), Some(inner)) => Output::JsonSchema {
            name: inner.str("name").unwrap_or("answer").to_owned(),
            description: inner.str("description").map(str::to_owned),
            schema: inner.get("schema").map_or("{}", |schema| schema.raw).to_owned(),
            strict: inner.get("strict").and_then(Node::as_bool),
        },
        _ => Output::Text,
    }
}
