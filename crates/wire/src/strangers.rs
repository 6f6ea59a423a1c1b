//! What a request says that only its own API understands, where it is to be said in another one.
//!
//! Fields inside of messages and tools that have no neutral meaning are named, so that their loss can be told. A part of
//! what the user says is never lost in this way: a target that cannot take it is refused. Top-level fields are not looked
//! at here; they stand in [`Request::extra`].

use crate::json::{Kind, Node};
use crate::neutral::{Content, Request, Role};
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
    ("tools[]", &["type", "function", "custom", "cache_control"]),
    ("tools[].function", &["name", "description", "parameters", "strict"]),
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
        Format::Gemini | Format::OllamaChat => &[],
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
                    if known.is_some_and(|known| !known.contains(&name.as_ref())) {
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

/// Refuses a target that would get only a part of what the user, or the instructions, say.
///
/// # Errors
/// For a part of theirs that only its origin understands, and when nothing else is said at all.
pub(crate) fn refuse(format: Format, request: &Request) -> Result<(), EncodeError> {
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
