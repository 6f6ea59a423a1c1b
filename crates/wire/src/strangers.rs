//! What a request says that only its own API understands, where it is to be said in another one.
//!
//! Fields inside of messages and tools that have no neutral meaning are named, so that their loss can be told. A part of
//! what the user says is never lost in this way: a target that cannot take it is refused. Top-level fields are not looked
//! at here; they stand in [`Request::extra`].

use crate::json::{Kind, Node};
use crate::neutral::{Content, Request, Role, Tool, ToolChoice, ToolKind};
use crate::options::Changes;
use crate::splice::Fields;
use crate::{EncodeError, Format};

/// Names of one request that are kept at most: the rest is as wrong as these.
const MAX_NAMES: usize = 16;

/// Objects below the top level, by their place, and the fields of theirs that have a neutral meaning or none worth
/// telling (ids and states of items that the provider gave).
type Table = &'static [(&'static str, &'static [&'static str])];

const CHAT: Table = &[
    (
        "messages[]",
        &[
            "role",
            "content",
            "name",
            "refusal",
            "tool_calls",
            "tool_call_id",
            "function_call",
            "annotations",
            "reasoning",
            "reasoning_content",
            "reasoning_details",
            "thinking_blocks",
        ],
    ),
    ("messages[].content[]", &["type", "text", "image_url", "input_audio", "file", "refusal", "cache_control"]),
    ("messages[].content[].image_url", &["url", "detail"]),
    ("messages[].content[].input_audio", &["data", "format"]),
    ("messages[].content[].file", &["file_id", "file_data", "filename"]),
    ("messages[].tool_calls[]", &["id", "type", "index", "function", "custom", "extra_content"]),
    ("tools[]", &["type", "function", "custom", "cache_control"]),
    ("tools[].function", &["name", "description", "parameters", "strict"]),
    ("tool_choice", &["type", "function", "custom", "allowed_tools", "name"]),
    ("reasoning", &["effort", "max_tokens", "enabled"]),
    ("response_format", &["type", "json_schema"]),
    ("response_format.json_schema", &["name", "description", "schema", "strict"]),
    ("stream_options", &["include_usage", "include_obfuscation"]),
];

const RESPONSES: Table = &[
    (
        "input[]",
        &[
            "type",
            "id",
            "status",
            "role",
            "content",
            "call_id",
            "name",
            "arguments",
            "input",
            "output",
            "summary",
            "encrypted_content",
        ],
    ),
    (
        "input[].content[]",
        &[
            "type",
            "text",
            "annotations",
            "logprobs",
            "refusal",
            "image_url",
            "detail",
            "file_id",
            "file_data",
            "file_url",
            "filename",
            "input_audio",
        ],
    ),
    ("tools[]", &["type", "name", "description", "parameters", "strict", "format"]),
    ("text", &["format", "verbosity"]),
    ("text.format", &["type", "name", "description", "schema", "strict"]),
    ("reasoning", &["effort", "summary"]),
    ("stream_options", &["include_obfuscation"]),
];

const MESSAGES: Table = &[
    ("messages[]", &["role", "content"]),
    (
        "messages[].content[]",
        &[
            "type",
            "text",
            "citations",
            "cache_control",
            "source",
            "title",
            "id",
            "name",
            "input",
            "caller",
            "tool_use_id",
            "content",
            "is_error",
            "thinking",
            "signature",
            "data",
        ],
    ),
    ("system[]", &["type", "text", "cache_control"]),
    ("tools[]", &["type", "name", "description", "input_schema", "strict", "cache_control"]),
    ("tool_choice", &["type", "name", "disable_parallel_tool_use"]),
    ("thinking", &["type", "budget_tokens", "display"]),
    ("output_config", &["effort", "format"]),
    ("metadata", &["user_id"]),
];

const fn table(format: Format) -> Table {
    match format {
        Format::OpenaiChat => CHAT,
        Format::OpenaiResponses => RESPONSES,
        Format::AnthropicMessages => MESSAGES,
        // No client speaks them.
        Format::Gemini | Format::OllamaChat | Format::BedrockConverse => &[],
    }
}

/// Places of fields below the top level that have no neutral meaning, each named once.
pub(crate) fn unknown_fields(format: Format, fields: &Fields<'_>) -> Vec<String> {
    let mut walk = Walk { table: table(format), place: String::new(), found: Vec::new() };
    for (name, json) in fields.iter() {
        walk.place.clone_from(&name.clone().into_owned());
        if walk.leads_on()
            && let Ok(node) = Node::parse(json, 6)
        {
            walk.value(&node);
        }
    }
    walk.found
}

struct Walk {
    table: Table,
    place: String,
    found: Vec<String>,
}

impl Walk {
    fn leads_on(&self) -> bool {
        self.table.iter().any(|(place, _)| place.starts_with(self.place.as_str()))
    }

    /// The inside of one level further down.
    fn within(&mut self, step: &str, look: impl FnOnce(&mut Self)) {
        let from = self.place.len();
        self.place.push_str(step);
        if self.leads_on() {
            look(self);
        }
        self.place.truncate(from);
    }

    fn value(&mut self, node: &Node<'_>) {
        match &node.kind {
            Kind::Array(items) => self.within("[]", |walk| items.iter().for_each(|item| walk.value(item))),
            Kind::Object(fields) => {
                // What is run by its provider, or only its provider understands, is told as a whole.
                let known = self.table.iter().find(|(place, _)| *place == self.place).map(|(_, known)| *known);
                for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                    // A document's wish for citations, where text would have a list of them.
                    let wish = name == "citations" && matches!(value.kind, Kind::Object(_));
                    if wish || known.is_some_and(|known| !known.contains(&name.as_ref())) {
                        self.add(name);
                    }
                    self.within(&format!(".{name}"), |walk| walk.value(value));
                }
            }
            _ => {}
        }
    }

    /// The name goes into a header: one that does not fit there is not repeated.
    fn add(&mut self, name: &str) {
        let fits = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let place = format!("{}.{}", self.place, if fits { name } else { "?" });
        if self.found.len() < MAX_NAMES && !self.found.contains(&place) {
            self.found.push(place);
        }
    }
}

/// Tells the loss of them.
pub(crate) fn tell(request: &Request, changes: &mut Changes) {
    for place in &request.unknown {
        changes.dropped(place.clone(), "the target's API has no such field");
    }
}

/// Top-level fields that hold a part of the conversation which only a provider of that API can look up.
const KEPT_ELSEWHERE: [(Format, &str); 3] = [
    (Format::OpenaiResponses, "previous_response_id"),
    (Format::OpenaiResponses, "conversation"),
    (Format::OpenaiResponses, "prompt"),
];

/// Top-level fields that are tools run by the provider.
const HOSTED_TOOLS: [(Format, &str); 2] =
    [(Format::OpenaiChat, "web_search_options"), (Format::AnthropicMessages, "mcp_servers")];

/// Refuses a target for which the request would lose its meaning: one that would get only a part of what the user, or the
/// instructions, say, no tool at all of those on offer, or could not answer in the form that is wanted.
///
/// # Errors
/// Names the field at fault.
pub(crate) fn refuse(format: Format, request: &Request) -> Result<(), EncodeError> {
    if format != request.origin {
        refuse_fields(request)?;
        refuse_tools(format, request)?;
    }
    refuse_parts(format, request)
}

fn refuse_fields(request: &Request) -> Result<(), EncodeError> {
    let of = |name: &str| request.extra.iter().find(|(known, _)| known == name).map(|(_, json)| json.as_str());
    let origin = request.origin;
    for (_, name) in KEPT_ELSEWHERE.iter().filter(|(format, _)| *format == origin) {
        if of(name).is_some_and(|json| json != "null") {
            let reason = format!("only the {} provider that keeps it can look it up", origin.name());
            return Err(EncodeError::new(*name, reason));
        }
    }
    if origin == Format::OpenaiChat && wants_sound(of("modalities")) {
        return Err(EncodeError::new("modalities", "only openai_chat targets answer in sound"));
    }
    Ok(())
}

/// Whether a client of Chat Completions wants to hear the answer.
pub(crate) fn wants_sound(modalities: Option<&str>) -> bool {
    let list = modalities.and_then(|json| Node::parse(json, 1).ok());
    list.is_some_and(|list| list.items().iter().any(|one| one.as_str() == Some("audio")))
}

/// Some of several tools may stay behind, and are named; all of them may not, nor the one that has to be called.
fn refuse_tools(format: Format, request: &Request) -> Result<(), EncodeError> {
    let stays = |tool: &&Tool| matches!(&tool.kind, ToolKind::Hosted { origin, .. } if *origin != format);
    let field = |(origin, name): &&(Format, &str)| {
        let there = |(known, json): &(String, String)| known == name && !matches!(json.as_str(), "null" | "[]");
        *origin == request.origin && request.extra.iter().any(there)
    };
    let hosted = request.tools.iter().find(stays).map(|tool| tool.name.as_str());
    let hosted = hosted.or_else(|| HOSTED_TOOLS.iter().find(field).map(|(_, name)| *name));
    let (Some(hosted), origin) = (hosted, request.origin.name()) else { return Ok(()) };
    let left = || request.tools.iter().filter(|tool| !stays(tool));
    if left().next().is_none() {
        return Err(EncodeError::new("tools", format!("only {origin} targets run the tool `{hosted}`")));
    }
    match &request.tool_choice {
        ToolChoice::Named(name) if !left().any(|tool| tool.name == *name) => {
            Err(EncodeError::new("tool_choice", format!("only {origin} targets run the tool `{name}`")))
        }
        _ => Ok(()),
    }
}

fn refuse_parts(format: Format, request: &Request) -> Result<(), EncodeError> {
    let mut said = false;
    for message in &request.messages {
        for part in &message.parts {
            match &part.content {
                Content::Raw { origin, json } if *origin != format => {
                    if matches!(message.role, Role::User | Role::System | Role::Developer) {
                        let node = Node::parse(json, 1).ok();
                        let kind = node.as_ref().and_then(|node| node.str("type")).unwrap_or("no type");
                        let reason = format!("only {} targets understand a part of type `{kind}`", origin.name());
                        return Err(EncodeError::new("content", reason));
                    }
                }
                _ => said = true,
            }
        }
    }
    if said { Ok(()) } else { Err(EncodeError::new("messages", "they say nothing that the target's API can carry")) }
}
