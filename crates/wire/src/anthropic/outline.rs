//! Reads what routing needs from a Messages request.

use crate::json::{At, Kind, Node};
use crate::splice::Fields;
use crate::top::Top;
use crate::{DecodeError, Format, Outline, OutputForm, Part, Role, ToolOutline, Turn};
use std::borrow::Cow;

/// Reads a request once for its top level and once for its messages.
///
/// # Errors
/// When the body breaks the API's rules in something that routing depends on; the error names the field.
pub fn outline(body: &[u8]) -> Result<(Outline<'_>, Fields<'_>), DecodeError> {
    let (outline, fields) = outline_to_count(body)?;
    if outline.max_output_tokens.is_none() {
        return Err(At::Top("max_tokens").missing("the most tokens to write; this API demands it"));
    }
    Ok((outline, fields))
}

/// The same for a request to count tokens, which names no output limit.
///
/// # Errors
/// As for [`outline`].
pub fn outline_to_count(body: &[u8]) -> Result<(Outline<'_>, Fields<'_>), DecodeError> {
    let fields = Fields::parse(body)?;
    let top = Top(&fields);
    top.numbers(&["temperature", "top_p", "top_k"])?;
    let requested_model = top.model()?;
    let mut turns = Vec::new();
    let mut bound_to_model = false;
    system(&top, &mut turns)?;
    messages(&top, &mut turns, &mut bound_to_model)?;
    let config = top.node("output_config", 3)?;
    let max_output_tokens = top.u32("max_tokens", 1, u32::MAX)?;
    let mut metadata = top.metadata()?;
    let user = metadata.iter().position(|(key, _)| key == "user_id").map(|at| metadata.swap_remove(at).1);
    let outline = Outline {
        format: Format::AnthropicMessages,
        requested_model,
        stream: top.bool("stream")?.unwrap_or(false),
        usage_wanted: true,
        turns,
        tools: tools(&top)?,
        tool_forced: tool_forced(&top)?,
        output: output_form(&top, config.as_ref())?,
        max_output_tokens,
        speaks: false,
        answers: 1,
        effort: config.and_then(|mut config| config.take("effort")).and_then(Node::into_string),
        user,
        metadata,
        bound_to_model,
        fields: top.names(),
        body_bytes: body.len(),
    };
    Ok((outline, fields))
}

fn system<'a>(top: &Top<'_, 'a>, turns: &mut Vec<Turn<'a>>) -> Result<(), DecodeError> {
    let at = At::Top("system");
    let Some(node) = top.node("system", 4)? else {
        return Ok(());
    };
    let parts = match node.kind {
        Kind::String(text) => vec![Part::Text(text)],
        Kind::Array(items) => {
            let mut parts = Vec::with_capacity(items.len());
            for (index, mut item) in items.into_iter().enumerate() {
                let at = At::Index(&at, index);
                let text = item.take("text").ok_or_else(|| At::Field(&at, "text").missing("the block's text"))?;
                parts.push(Part::Text(text.want_string(At::Field(&at, "text"))?));
            }
            parts
        }
        _ => return Err(node.wrong(at, "a string or an array of text blocks")),
    };
    turns.push(Turn { role: Role::System, parts });
    Ok(())
}

fn messages<'a>(top: &Top<'_, 'a>, turns: &mut Vec<Turn<'a>>, bound: &mut bool) -> Result<(), DecodeError> {
    let at = At::Top("messages");
    let messages = top.node("messages", 10)?.ok_or_else(|| at.missing("an array with at least one message"))?;
    let messages = messages.want_items(at)?;
    if messages.is_empty() {
        return Err(at.error("must hold at least one message"));
    }
    for (index, message) in messages.into_iter().enumerate() {
        let at = At::Index(&at, index);
        let mut message = message.want_object(at)?;
        let at_role = At::Field(&at, "role");
        let role = match message.str("role") {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            Some(_) => return Err(at_role.error("has to be `user` or `assistant`")),
            None => return Err(at_role.missing("say who speaks, as in \"user\"")),
        };
        let at_content = At::Field(&at, "content");
        let content = message.take("content").ok_or_else(|| at_content.missing("a string or an array of blocks"))?;
        match content.kind {
            Kind::String(text) => turns.push(Turn { role, parts: vec![Part::Text(text)] }),
            Kind::Array(items) => blocks(items, role, at_content, turns, bound)?,
            _ => return Err(content.wrong(at_content, "a string or an array of content blocks")),
        }
    }
    Ok(())
}

/// Results of tools become a turn of their own, as in the other APIs.
fn blocks<'a>(
    items: Vec<Node<'a>>,
    role: Role,
    at: At<'_>,
    turns: &mut Vec<Turn<'a>>,
    bound: &mut bool,
) -> Result<(), DecodeError> {
    if items.is_empty() && role == Role::User {
        return Err(at.error("must hold at least one block"));
    }
    let (mut results, mut parts) = (Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let at = At::Index(&at, index);
        let mut item = item.want_object(at)?;
        let at_type = At::Field(&at, "type");
        let kind = item.take("type").ok_or_else(|| at_type.missing("`text`, most often"))?.want_string(at_type)?;
        match kind.as_ref() {
            "tool_result" => tool_result(item, at, &mut results)?,
            _ => parts.extend(block(&kind, item, at, bound)?),
        }
    }
    if !results.is_empty() {
        turns.push(Turn { role: Role::Tool, parts: results });
    }
    if !parts.is_empty() || role == Role::Assistant {
        turns.push(Turn { role, parts });
    }
    Ok(())
}

fn block<'a>(kind: &str, mut item: Node<'a>, at: At<'_>, bound: &mut bool) -> Result<Option<Part<'a>>, DecodeError> {
    let mut field = |name: &str| {
        let at = At::Field(&at, name);
        item.take(name).ok_or_else(|| at.missing("this block needs it")).and_then(|node| node.want_string(at))
    };
    Ok(Some(match kind {
        "text" => Part::Text(field("text")?),
        "thinking" => {
            *bound |= field("signature").is_ok_and(|signature| !signature.is_empty());
            Part::Reasoning(field("thinking")?)
        }
        "tool_use" => {
            let name = field("name")?;
            let arguments = item.take("input").map_or("{}", |input| input.raw);
            Part::ToolCall { name, arguments: Cow::Borrowed(arguments) }
        }
        "image" => {
            source(&item, at)?;
            Part::Image
        }
        "document" => {
            source(&item, at)?;
            Part::File
        }
        // Everything else was made by the provider itself and means something to it alone.
        _ => {
            *bound = true;
            return Ok(None);
        }
    }))
}

fn source(item: &Node<'_>, at: At<'_>) -> Result<(), DecodeError> {
    match item.get("source") {
        Some(Node { kind: Kind::Object(_), .. }) => Ok(()),
        Some(other) => Err(other.wrong(At::Field(&at, "source"), "an object")),
        None => Err(At::Field(&at, "source").missing("an object of type `base64`, `url` or `file`")),
    }
}

fn tool_result<'a>(mut item: Node<'a>, at: At<'_>, results: &mut Vec<Part<'a>>) -> Result<(), DecodeError> {
    let at_id = At::Field(&at, "tool_use_id");
    item.take("tool_use_id").ok_or_else(|| at_id.missing("the id of the call"))?.want_string(at_id)?;
    let is_error = item.get("is_error").and_then(Node::as_bool).unwrap_or(false);
    let at = At::Field(&at, "content");
    match item.take("content").map(|content| (content.what(), content.kind)) {
        None => results.push(Part::ToolResult { text: Cow::Borrowed(""), is_error }),
        Some((_, Kind::String(text))) => results.push(Part::ToolResult { text, is_error }),
        Some((_, Kind::Array(items))) => {
            for mut item in items {
                match item.str("type") {
                    Some("image") => results.push(Part::Image),
                    Some("document") => results.push(Part::File),
                    _ => {
                        let text = item.take("text").and_then(Node::into_string).unwrap_or_default();
                        results.push(Part::ToolResult { text, is_error });
                    }
                }
            }
        }
        Some((what, _)) => return Err(at.error(format!("has to be a string or an array of blocks, not {what}"))),
    }
    Ok(())
}

fn tools<'a>(top: &Top<'_, 'a>) -> Result<Vec<ToolOutline<'a>>, DecodeError> {
    let at = At::Top("tools");
    let tools = top.items("tools", 2)?.into_iter().enumerate().map(|(index, tool)| {
        let at = At::Index(&at, index);
        let bytes = tool.raw.len();
        let mut tool = tool.want_object(at)?;
        let at_name = At::Field(&at, "name");
        // Sets of remote tools have a type and no name.
        let name = tool.take("name").or_else(|| tool.take("type"));
        let name = name.ok_or_else(|| at_name.missing("the tool's name"))?.want_string(at_name)?;
        if name.is_empty() { Err(at_name.error("must not be empty")) } else { Ok(ToolOutline { name, bytes }) }
    });
    tools.collect()
}

fn tool_forced(top: &Top<'_, '_>) -> Result<bool, DecodeError> {
    let at = At::Top("tool_choice");
    let Some(choice) = top.node("tool_choice", 1)? else {
        return Ok(false);
    };
    match choice.want_object(at)?.str("type") {
        Some("auto" | "none") => Ok(false),
        Some("any" | "tool") => Ok(true),
        _ => Err(At::Field(&at, "type").error("has to be `auto`, `any`, `tool` or `none`")),
    }
}

fn output_form(top: &Top<'_, '_>, config: Option<&Node<'_>>) -> Result<OutputForm, DecodeError> {
    let old = top.node("output_format", 1)?;
    let format = config.and_then(|config| config.get("format")).or(old.as_ref());
    Ok(if format.is_some_and(|format| format.str("type") == Some("json_schema")) {
        OutputForm::JsonSchema
    } else {
        OutputForm::Text
    })
}
