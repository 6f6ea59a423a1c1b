//! A Responses request into the neutral form.

use super::item::{model_parts, parts};
use crate::json::{At, Kind, Node};
use crate::neutral::{Content, Message, Output, Part, Request, Role, Tool, ToolChoice, ToolKind};
use crate::splice::Fields;
use crate::top::Top;
use crate::{DecodeError, Format};

const KNOWN: [&str; 16] = [
    "model",
    "instructions",
    "input",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_logprobs",
    "service_tier",
    "user",
    "metadata",
    "stream",
];

/// Items that cannot be left out and have no meaning elsewhere.
const NATIVE: [&str; 3] = ["additional_tools", "item_reference", "mcp_approval_response"];

/// The wish for log probabilities, among what an answer is to include.
pub(super) const LOGPROBS: &str = "message.output_text.logprobs";

/// Reads a request that [`outline`](super::outline) accepted. Stored state (`previous_response_id`, `conversation`,
/// `prompt`) stays in [`Request::extra`]: only the provider that keeps it can resolve it.
///
/// # Errors
/// When a field has another type than the API says.
pub fn decode_request(fields: &Fields<'_>) -> Result<Request, DecodeError> {
    let top = Top(fields);
    let mut request = Request::new(Format::OpenaiResponses, top.model()?);
    if let Some(text) = top.string("instructions")? {
        request.push(Role::System, vec![Part::text(text)], false);
    }
    if let Some(input) = top.node("input", 16)? {
        match &input.kind {
            Kind::String(text) => request.push(Role::User, vec![Part::text(text.as_ref())], false),
            _ => {
                for (index, item) in input.items().iter().enumerate() {
                    self::item(&mut request, item, At::Index(&At::Top("input"), index))?;
                }
            }
        }
    }
    request.tools = top.items("tools", 2)?.iter().map(tool).collect();
    request.tool_choice = top.node("tool_choice", 3)?.map_or(ToolChoice::Unset, |choice| tool_choice(&choice));
    request.parallel_tool_calls = top.bool("parallel_tool_calls")?;
    if let Some(text) = top.node("text", 2)? {
        request.output = text.get("format").map_or(Output::Text, output);
        request.verbosity = text.str("verbosity").map(str::to_owned);
    }
    if let Some(reasoning) = top.node("reasoning", 1)? {
        request.reasoning.effort = reasoning.str("effort").map(str::to_owned);
        request.reasoning.summary = reasoning.str("summary").map(str::to_owned);
    }
    request.max_output_tokens = top.u32("max_output_tokens", 1, u32::MAX)?;
    request.temperature = top.f64("temperature")?;
    request.top_p = top.f64("top_p")?;
    request.top_logprobs = top.u32("top_logprobs", 0, 20)?;
    let included = top.items("include", 1)?;
    let wanted = included.iter().any(|one| one.as_str() == Some(LOGPROBS));
    request.logprobs = wanted || request.top_logprobs.is_some();
    request.service_tier = top.string("service_tier")?.map(Into::into);
    let (user, safety) = (top.loose_string("user"), top.loose_string("safety_identifier"));
    // One of them names the end user to every API.
    request.unknown.extend((safety.is_some() && user.is_some() && user != safety).then(|| "user".to_owned()));
    request.user = safety.or(user).map(Into::into);
    request.metadata = top.metadata()?.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    request.stream = top.bool("stream")?.unwrap_or(false);
    request.usage_wanted = true;
    request.extra = top.extra(&KNOWN);
    let only_logprobs = !included.is_empty() && included.iter().all(|one| one.as_str() == Some(LOGPROBS));
    request.extra.retain(|(name, _)| name != "safety_identifier" && !(name == "include" && only_logprobs));
    Ok(request)
}

fn item(request: &mut Request, item: &Node<'_>, at: At<'_>) -> Result<(), DecodeError> {
    if let Some(parts) = model_parts(item) {
        request.push(Role::Assistant, parts, true);
        return Ok(());
    }
    match item.str("type") {
        Some("message") | None => {
            let role = match item.str("role") {
                Some("user") => Role::User,
                Some("system") => Role::System,
                Some("developer") => Role::Developer,
                _ => return Err(At::Field(&at, "role").error("is none of the known roles")),
            };
            let parts = item.get("content").map(parts).unwrap_or_default();
            request.messages.push(Message { role, parts, name: None });
        }
        Some("function_call_output" | "custom_tool_call_output") => {
            let content = item.get("output").map(parts).unwrap_or_default();
            let result = Content::ToolResult {
                call_id: item.str("call_id").unwrap_or_default().to_owned(),
                name: None,
                content: content.into_iter().map(|part| part.content).collect(),
                is_error: false,
            };
            request.push(Role::Tool, vec![Part::new(result)], true);
        }
        // Tools are not to be lost, and those in here (scripts that call tools) have no place in other APIs. So would be
        // what an item refers to, and what the client reports of the provider's own tools.
        Some(kind) if NATIVE.contains(&kind) || kind.ends_with("_output") => {
            let message = format!("`{kind}` is understood by models of the Responses API only");
            return Err(At::Field(&at, "type").error(&message));
        }
        Some(_) => {
            let raw = Content::Raw { origin: Format::OpenaiResponses, json: item.raw.to_owned() };
            request.push(Role::Assistant, vec![Part::new(raw)], true);
        }
    }
    Ok(())
}

fn tool(node: &Node<'_>) -> Tool {
    let raw = |name: &str| node.get(name).map(|value| value.raw.to_owned());
    let kind = match node.str("type") {
        Some("function") => {
            ToolKind::Function { parameters: raw("parameters"), strict: node.get("strict").and_then(Node::as_bool) }
        }
        Some("custom") => ToolKind::Custom { format: raw("format") },
        _ => ToolKind::Hosted { origin: Format::OpenaiResponses, json: node.raw.to_owned() },
    };
    let hosted = matches!(kind, ToolKind::Hosted { .. });
    Tool {
        name: node.str("name").or_else(|| node.str("type")).unwrap_or_default().to_owned(),
        description: node.str("description").map(str::to_owned).filter(|_| !hosted),
        kind,
        cache: None,
    }
}

fn tool_choice(choice: &Node<'_>) -> ToolChoice {
    match (choice.as_str(), choice.str("type")) {
        (Some("none"), _) => ToolChoice::None,
        (Some("required"), _) => ToolChoice::Required,
        (Some(_), _) => ToolChoice::Auto,
        (None, Some("allowed_tools")) => ToolChoice::Allowed {
            names: choice
                .get("tools")
                .map_or(&[][..], Node::items)
                .iter()
                .filter_map(|tool| tool.str("name").or_else(|| tool.str("type")).map(str::to_owned))
                .collect(),
            required: choice.str("mode") == Some("required"),
        },
        (None, kind) => match choice.str("name").or(kind) {
            Some(name) => ToolChoice::Named(name.to_owned()),
            None => ToolChoice::Auto,
        },
    }
}

fn output(format: &Node<'_>) -> Output {
    match format.str("type") {
        Some("json_object") => Output::JsonObject,
        Some("json_schema") => Output::JsonSchema {
            name: format.str("name").unwrap_or("answer").to_owned(),
            description: format.str("description").map(str::to_owned),
            schema: format.get("schema").map_or("{}", |schema| schema.raw).to_owned(),
            strict: format.get("strict").and_then(Node::as_bool),
        },
        _ => Output::Text,
    }
}
