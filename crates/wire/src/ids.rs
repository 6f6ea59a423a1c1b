//! Small things that several encoders need: ids that fit, instructions folded into a user turn.

use crate::neutral::{Content, Message, Part, Request, Role, ToolKind};
use crate::options::Changes;
use crate::splice::{Edit, Fields};
use crate::write::Obj;
use crate::{EncodeOptions, Format, SystemRole};
use std::borrow::Cow;

/// The id, or when it is too long or has signs that some APIs refuse, a short stand-in that is the same every time, so that
/// a call and its result still meet.
pub(crate) fn fitting_id(id: &str, most: usize) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if id.len() <= most && !id.is_empty() && id.bytes().all(plain) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(format!("call_{:016x}", digest(id)))
}

/// A number that stands for a text, the same every time (FNV-1a, 64 bits): no secret is kept by it.
pub(crate) fn digest(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// OpenAI refuses longer names of users; Anthropic's may be four times as long.
const MAX_USER: usize = 64;

/// The end user's name for OpenAI's APIs.
pub(crate) fn fitting_user<'r>(request: &'r Request, changes: &mut Changes) -> Option<Cow<'r, str>> {
    let user = request.user.as_deref()?;
    if user.chars().count() <= MAX_USER {
        return Some(Cow::Borrowed(user));
    }
    changes.changed("user", format!("OpenAI takes {MAX_USER} characters; a digest stands for it"));
    Some(Cow::Owned(format!("user_{:016x}", digest(user))))
}

/// The messages as a target may get them: where its model knows no system role, instructions stand in a user's turn.
pub(crate) fn messages_for<'r>(
    request: &'r Request,
    options: &EncodeOptions,
    changes: &mut Changes,
) -> Cow<'r, [Message]> {
    match options.system_role {
        SystemRole::None => Cow::Owned(fold_instructions(&request.messages, changes)),
        _ => Cow::Borrowed(&request.messages),
    }
}

/// Instructions become the head of the first user turn, for models that know no system role.
fn fold_instructions(messages: &[Message], changes: &mut Changes) -> Vec<Message> {
    let is_instruction = |message: &&Message| matches!(message.role, Role::System | Role::Developer);
    let instructions: Vec<Part> =
        messages.iter().filter(is_instruction).flat_map(|message| message.parts.clone()).collect();
    let mut rest: Vec<Message> = messages.iter().filter(|message| !is_instruction(message)).cloned().collect();
    if instructions.is_empty() {
        return rest;
    }
    changes.moved("system", "the model takes no system role; instructions stand in the first user turn");
    match rest.iter_mut().find(|message| message.role == Role::User) {
        Some(user) => {
            user.parts.splice(0..0, instructions);
        }
        None => rest.insert(0, Message { role: Role::User, parts: instructions, name: None }),
    }
    rest
}

/// A tool call's arguments as a JSON object: what the model wrote when it is one, else wrapped.
pub(crate) fn arguments_object(arguments: &str) -> Cow<'_, str> {
    let text = arguments.trim();
    if text.is_empty() {
        return Cow::Borrowed("{}");
    }
    if text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(Obj::new().str("input", arguments).end())
}

/// The schema of a tool that takes free text, for APIs whose tools take objects only.
pub(crate) const FREE_TEXT_SCHEMA: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}"#;

/// What is asked for in words where an API has no JSON mode.
pub(crate) const JSON_INSTRUCTION: &str =
    "Answer with one JSON object and nothing else: no text around it, no code fence.";

/// What a model is asked that continues no partial answer.
pub(crate) const GO_ON: &str = "Continue exactly where you stopped.";

/// What is said of that.
pub(crate) const GO_ON_NOTE: &str = "the model continues no partial turn; a request to go on was added";

/// Names of the request's tools that take free text.
pub(crate) fn custom_tools(request: &Request) -> Vec<String> {
    let custom = request.tools.iter().filter(|tool| matches!(tool.kind, ToolKind::Custom { .. }));
    custom.map(|tool| tool.name.clone()).collect()
}

/// A schema for tools that name none.
pub(crate) const EMPTY_SCHEMA: &str = r#"{"type":"object","properties":{}}"#;

/// The schema with the type that some APIs want to be told; others take an empty one.
pub(crate) fn object_schema(schema: &str) -> Cow<'_, str> {
    match Fields::parse(schema.as_bytes()) {
        Ok(fields) if fields.get("type").is_none() => {
            let typed = fields.apply(&[Edit::Set("type", "\"object\"".into())]);
            String::from_utf8_lossy(&typed).into_owned().into()
        }
        _ => schema.into(),
    }
}

/// Reasoning of one API that travels to a client of another inside the one field that clients send back untouched: the
/// signature. Written by the answer's encoder, read by the next request's decoder.
pub(crate) struct Carried;

const CARRIED: &str = "tierway1";

impl Carried {
    /// The signature to show to the client.
    pub(crate) fn write(
        signature: Option<&str>,
        encrypted: Option<&str>,
        id: Option<&str>,
        origin: Format,
        native: Format,
    ) -> Option<String> {
        if origin == native {
            return signature.map(str::to_owned);
        }
        let (kind, proof) = match (signature, encrypted) {
            (_, Some(encrypted)) => ("e", encrypted),
            (Some(signature), None) => ("s", signature),
            (None, None) => return None,
        };
        Some(format!("{CARRIED}.{}.{kind}.{}.{proof}", origin.name(), id.unwrap_or_default()))
    }

    /// The reasoning that a client sent back.
    pub(crate) fn read(text: String, signature: Option<&str>, native: Format) -> Content {
        let carried = signature.and_then(|signature| {
            let mut pieces = signature.splitn(5, '.');
            if pieces.next()? != CARRIED {
                return None;
            }
            let name = pieces.next()?;
            let origin = Format::named(name)?;
            let encrypted = pieces.next()? == "e";
            let id = Some(pieces.next()?.to_owned()).filter(|id| !id.is_empty());
            Some((origin, encrypted, id, pieces.next()?.to_owned()))
        });
        match carried {
            Some((origin, true, id, proof)) => {
                Content::Reasoning { text, signature: None, encrypted: Some(proof), id, origin }
            }
            Some((origin, false, id, proof)) => {
                Content::Reasoning { text, signature: Some(proof), encrypted: None, id, origin }
            }
            None => Content::Reasoning {
                text,
                signature: signature.map(str::to_owned),
                encrypted: None,
                id: None,
                origin: native,
            },
        }
    }
}

/// The tool that a call named, for APIs whose results say the name and not (only) the id.
pub(crate) fn called_tool<'r>(request: &'r Request, call_id: &str) -> Option<&'r str> {
    request.messages.iter().flat_map(|message| &message.parts).find_map(|part| match &part.content {
        Content::ToolCall { id, name, .. } if id == call_id => Some(name.as_str()),
        _ => None,
    })
}

/// All text of a tool's result; what else it holds goes to the second place.
pub(crate) fn result_text(content: &[Content]) -> (String, Vec<&Content>) {
    let mut text = String::new();
    let mut rest = Vec::new();
    for content in content {
        match content {
            Content::Text { text: more, .. } => {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(more);
            }
            other => rest.push(other),
        }
    }
    (text, rest)
}
