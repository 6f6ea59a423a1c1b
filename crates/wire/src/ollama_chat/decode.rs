//! An `/api/chat` request into the neutral form.

use crate::json::{At, Kind, Node};
use crate::neutral::{Content, Message, Output, Part, Request, Role, Source, Tool, ToolKind};
use crate::splice::Fields;
use crate::top::Top;
use crate::{DecodeError, Format};

const KNOWN: [&str; 9] =
    ["model", "messages", "tools", "format", "options", "stream", "think", "logprobs", "top_logprobs"];

/// Options with a neutral meaning; the others stay under `options` in [`Request::extra`].
const KNOWN_OPTIONS: [&str; 8] =
    ["num_predict", "temperature", "top_p", "top_k", "seed", "stop", "presence_penalty", "frequency_penalty"];

/// Reads a request.
///
/// # Errors
/// When a field has another type than the API says.
pub fn decode_request(fields: &Fields<'_>) -> Result<Request, DecodeError> {
    let top = Top(fields);
    let mut request = Request::new(Format::OllamaChat, top.model()?);
    for (index, message) in top.items("messages", 10)?.iter().enumerate() {
        self::message(&mut request, message, At::Index(&At::Top("messages"), index))?;
    }
    request.tools = top.items("tools", 3)?.iter().filter_map(|tool| tool.get("function")).map(tool).collect();
    request.output = match top.node("format", 1)? {
        None => Output::Text,
        Some(Node { kind: Kind::String(_), .. }) => Output::JsonObject,
        Some(schema) => Output::JsonSchema {
            name: "answer".to_owned(),
            description: None,
            schema: schema.raw.to_owned(),
            strict: None,
        },
    };
    if let Some(think) = top.node("think", 0)? {
        request.reasoning.enabled = think.as_bool();
        request.reasoning.effort = think.as_str().map(str::to_owned);
    }
    request.stream = top.bool("stream")?.unwrap_or(true);
    request.usage_wanted = true;
    request.logprobs = top.bool("logprobs")?.unwrap_or(false);
    request.top_logprobs = top.u32("top_logprobs", 0, 20)?;
    request.extra = top.extra(&KNOWN);
    if let Some(text) = fields.get("options").filter(|text| *text != "null") {
        let options = Fields::parse(text.as_bytes())?;
        self::options(&Top(&options), &mut request)?;
    }
    Ok(request)
}

fn options(options: &Top<'_, '_>, request: &mut Request) -> Result<(), DecodeError> {
    // A negative limit means none.
    let limit = options.i64("num_predict")?.and_then(|number| u32::try_from(number).ok());
    request.max_output_tokens = limit.filter(|limit| *limit > 0);
    request.temperature = options.f64("temperature")?;
    request.top_p = options.f64("top_p")?;
    request.top_k = options.u32("top_k", 0, u32::MAX)?;
    request.seed = options.i64("seed")?;
    request.presence_penalty = options.f64("presence_penalty")?;
    request.frequency_penalty = options.f64("frequency_penalty")?;
    request.stop = match options.node("stop", 1)? {
        None => Vec::new(),
        Some(stop) => match stop.as_str() {
            Some(text) => vec![text.to_owned()],
            None => stop.items().iter().filter_map(|text| text.as_str().map(str::to_owned)).collect(),
        },
    };
    let rest = options.extra(&KNOWN_OPTIONS);
    if !rest.is_empty() {
        let mut object = crate::write::Obj::new();
        for (name, json) in &rest {
            object.raw(name, json);
        }
        request.extra.push(("options".to_owned(), object.end()));
    }
    Ok(())
}

fn message(request: &mut Request, message: &Node<'_>, at: At<'_>) -> Result<(), DecodeError> {
    let role = match message.str("role") {
        Some("system") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool") => {
            let name = message.str("tool_name").map(str::to_owned);
            let result = Content::ToolResult {
                call_id: message.str("tool_call_id").or(name.as_deref()).unwrap_or_default().to_owned(),
                content: vec![Content::text(message.str("content").unwrap_or_default())],
                name,
                is_error: false,
            };
            request.push(Role::Tool, vec![Part::new(result)], true);
            return Ok(());
        }
        _ => return Err(At::Field(&at, "role").error("has to be `system`, `user`, `assistant` or `tool`")),
    };
    request.messages.push(Message { role, parts: parts(message), name: None });
    Ok(())
}

/// What a message says, of a request or an answer.
pub(super) fn parts(message: &Node<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(text) = message.str("thinking").filter(|text| !text.is_empty()) {
        parts.push(Part::new(Content::Reasoning {
            text: text.to_owned(),
            signature: None,
            encrypted: None,
            id: None,
            origin: Format::OllamaChat,
        }));
    }
    let calls = message.get("tool_calls").map_or(&[][..], Node::items);
    let images = message.get("images").map_or(&[][..], Node::items);
    let text = message.str("content").unwrap_or_default();
    if !text.is_empty() || (calls.is_empty() && images.is_empty() && parts.is_empty()) {
        parts.push(Part::text(text));
    }
    parts.extend(images.iter().filter_map(Node::as_str).map(|data| {
        let source = Source::Data { mime: mime_of(data).to_owned(), data: data.to_owned() };
        Part::new(Content::Image { source, detail: None })
    }));
    parts.extend(calls.iter().map(call).map(Part::new));
    parts
}

/// The API names no type; the first bytes tell it.
fn mime_of(base64: &str) -> &'static str {
    match base64.as_bytes() {
        [b'/', b'9', b'j', ..] => "image/jpeg",
        [b'R', b'0', b'l', b'G', ..] => "image/gif",
        [b'U', b'k', b'l', b'G', ..] => "image/webp",
        _ => "image/png",
    }
}

fn call(call: &Node<'_>) -> Content {
    let function = call.get("function");
    let arguments = function.and_then(|function| function.get("arguments"));
    Content::ToolCall {
        id: call.str("id").unwrap_or_default().to_owned(),
        name: function.and_then(|function| function.str("name")).unwrap_or_default().to_owned(),
        arguments: arguments.map_or("{}", |arguments| arguments.raw).to_owned(),
        custom: false,
        signature: None,
    }
}

fn tool(function: &Node<'_>) -> Tool {
    Tool {
        name: function.str("name").unwrap_or_default().to_owned(),
        description: function.str("description").map(str::to_owned),
        kind: ToolKind::Function {
            parameters: function.get("parameters").map(|schema| schema.raw.to_owned()),
            strict: None,
        },
        cache: None,
    }
}
