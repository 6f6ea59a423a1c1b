//! Reads what routing needs from a Responses request.

use crate::json::{At, Kind, Node};
use crate::splice::Fields;
use crate::top::Top;
use crate::{DecodeError, Format, Outline, OutputForm, Part, Role, ToolOutline, Turn};
use std::borrow::Cow;

/// Reads a request once for its top level and once for its input.
///
/// # Errors
/// When the body breaks the API's rules in something that routing depends on; the error names the field.
pub fn outline(body: &[u8]) -> Result<(Outline<'_>, Fields<'_>), DecodeError> {
    let fields = Fields::parse(body)?;
    let top = Top(&fields);
    top.numbers(&["temperature", "top_p"])?;
    let requested_model = top.model()?;
    let mut turns = Vec::new();
    let mut bound_to_model = top.raw("previous_response_id").is_some() || top.raw("conversation").is_some();
    if let Some(text) = top.string("instructions")? {
        turns.push(Turn { role: Role::System, parts: vec![Part::Text(text)] });
    }
    input(&top, &mut turns, &mut bound_to_model)?;
    let reasoning = top.node("reasoning", 1)?;
    let outline = Outline {
        format: Format::OpenaiResponses,
        requested_model,
        stream: top.bool("stream")?.unwrap_or(false),
        usage_wanted: true,
        turns,
        tools: tools(&top)?,
        tool_forced: tool_forced(&top)?,
        output: output_form(&top)?,
        max_output_tokens: top.u32("max_output_tokens", 1, u32::MAX)?,
        speaks: false,
        answers: 1,
        effort: reasoning.and_then(|mut node| node.take("effort")).and_then(Node::into_string),
        user: top.loose_string("safety_identifier").or_else(|| top.loose_string("user")),
        metadata: top.metadata()?,
        bound_to_model,
        fields: top.names(),
        body_bytes: body.len(),
    };
    Ok((outline, fields))
}

fn input<'a>(top: &Top<'_, 'a>, turns: &mut Vec<Turn<'a>>, bound: &mut bool) -> Result<(), DecodeError> {
    let at = At::Top("input");
    // Stored prompts and continued conversations may bring their own input.
    let Some(input) = top.node("input", 10)? else {
        return if *bound || top.raw("prompt").is_some() {
            Ok(())
        } else {
            Err(at.missing("a string or an array of items"))
        };
    };
    match input.kind {
        Kind::String(text) => turns.push(Turn { role: Role::User, parts: vec![Part::Text(text)] }),
        Kind::Array(items) => {
            if items.is_empty() && !*bound {
                return Err(at.error("must hold at least one item"));
            }
            for (index, item) in items.into_iter().enumerate() {
                self::item(item, At::Index(&at, index), turns, bound)?;
            }
        }
        _ => return Err(input.wrong(at, "a string or an array of items")),
    }
    Ok(())
}

fn item<'a>(item: Node<'a>, at: At<'_>, turns: &mut Vec<Turn<'a>>, bound: &mut bool) -> Result<(), DecodeError> {
    let mut item = item.want_object(at)?;
    let kind = item.take("type").and_then(Node::into_string);
    let kind = kind.as_deref().unwrap_or(if item.get("role").is_some() { "message" } else { "" });
    match kind {
        "message" => return message(item, at, turns),
        "function_call" | "custom_tool_call" => {
            let at_name = At::Field(&at, "name");
            let name = item.take("name").ok_or_else(|| at_name.missing("the tool's name"))?.want_string(at_name)?;
            let arguments = item.take("arguments").or_else(|| item.take("input")).and_then(Node::into_string);
            let call = Part::ToolCall { name, arguments: arguments.unwrap_or_default() };
            join(turns, Role::Assistant, vec![call]);
        }
        "function_call_output" | "custom_tool_call_output" => {
            let at_id = At::Field(&at, "call_id");
            item.take("call_id").ok_or_else(|| at_id.missing("the id of the call"))?.want_string(at_id)?;
            let at_output = At::Field(&at, "output");
            let output = item.take("output").ok_or_else(|| at_output.missing("what the tool gave back"))?;
            let mut parts = Vec::new();
            content(output, Role::Tool, at_output, &mut parts)?;
            join(turns, Role::Tool, parts);
        }
        "reasoning" => {
            *bound |= item.get("encrypted_content").is_some() || item.get("id").is_some();
            let texts = item.take("summary").map_or_else(Vec::new, |node| match node.kind {
                Kind::Array(items) => items,
                _ => Vec::new(),
            });
            let texts = texts.into_iter().filter_map(|mut text| text.take("text")?.into_string());
            join(turns, Role::Assistant, texts.map(Part::Reasoning).collect());
        }
        "" => return Err(At::Field(&at, "type").missing("`message`, most often")),
        // Items that the provider made (searches, code runs, references) mean something to it alone.
        _ => *bound = true,
    }
    Ok(())
}

/// What the model did in one go is one turn, however many items it takes; so are the results of one round.
fn join<'a>(turns: &mut Vec<Turn<'a>>, role: Role, parts: Vec<Part<'a>>) {
    match turns.last_mut() {
        Some(last) if last.role == role => last.parts.extend(parts),
        _ => turns.push(Turn { role, parts }),
    }
}

fn message<'a>(mut item: Node<'a>, at: At<'_>, turns: &mut Vec<Turn<'a>>) -> Result<(), DecodeError> {
    let at_role = At::Field(&at, "role");
    let role = match item.str("role") {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system" | "developer") => Role::System,
        Some(_) => return Err(at_role.error("has to be `user`, `assistant`, `system` or `developer`")),
        None => return Err(at_role.missing("say who speaks, as in \"user\"")),
    };
    let at = At::Field(&at, "content");
    let said = item.take("content").ok_or_else(|| at.missing("a string or an array of content parts"))?;
    let mut parts = Vec::new();
    content(said, role, at, &mut parts)?;
    if role == Role::Assistant {
        join(turns, role, parts);
    } else {
        turns.push(Turn { role, parts });
    }
    Ok(())
}

fn content<'a>(node: Node<'a>, role: Role, at: At<'_>, parts: &mut Vec<Part<'a>>) -> Result<(), DecodeError> {
    let said = |text: Cow<'a, str>| {
        if role == Role::Tool { Part::ToolResult { text, is_error: false } } else { Part::Text(text) }
    };
    match node.kind {
        Kind::String(text) => parts.push(said(text)),
        Kind::Array(items) => {
            for (index, item) in items.into_iter().enumerate() {
                let at = At::Index(&at, index);
                let mut item = item.want_object(at)?;
                let at_type = At::Field(&at, "type");
                let kind = item.take("type").ok_or_else(|| at_type.missing("`input_text`, most often"))?;
                let kind = kind.want_string(at_type)?;
                let mut text = |name: &str| {
                    let at = At::Field(&at, name);
                    item.take(name).ok_or_else(|| at.missing("the part's text")).and_then(|node| node.want_string(at))
                };
                parts.push(match kind.as_ref() {
                    "input_text" | "output_text" | "text" => said(text("text")?),
                    "refusal" => Part::Refusal(text("refusal")?),
                    "input_image" => Part::Image,
                    "input_file" => Part::File,
                    "input_audio" => Part::Audio,
                    "summary_text" | "reasoning_text" => Part::Reasoning(text("text")?),
                    _ => {
                        return Err(at_type.error(
                            "has to be `input_text`, `input_image`, `input_file`, `input_audio`, `output_text` or `refusal`",
                        ));
                    }
                });
            }
        }
        _ => return Err(node.wrong(at, "a string or an array of content parts")),
    }
    Ok(())
}

fn tools<'a>(top: &Top<'_, 'a>) -> Result<Vec<ToolOutline<'a>>, DecodeError> {
    let at = At::Top("tools");
    let tools = top.items("tools", 2)?.into_iter().enumerate().map(|(index, tool)| {
        let at = At::Index(&at, index);
        let bytes = tool.raw.len();
        let mut tool = tool.want_object(at)?;
        let at_type = At::Field(&at, "type");
        let kind = tool.take("type").ok_or_else(|| at_type.missing("`function`, most often"))?.want_string(at_type)?;
        let at_name = At::Field(&at, "name");
        let name = match (tool.take("name"), kind.as_ref()) {
            (Some(name), _) => name.want_string(at_name)?,
            (None, "function" | "custom") => return Err(at_name.missing("the tool's name")),
            (None, _) => kind,
        };
        if name.is_empty() { Err(at_name.error("must not be empty")) } else { Ok(ToolOutline { name, bytes }) }
    });
    tools.collect()
}

fn tool_forced(top: &Top<'_, '_>) -> Result<bool, DecodeError> {
    let at = At::Top("tool_choice");
    let Some(choice) = top.node("tool_choice", 3)? else {
        return Ok(false);
    };
    match &choice.kind {
        Kind::String(word) => match word.as_ref() {
            "none" | "auto" => Ok(false),
            "required" => Ok(true),
            _ => Err(at.error("has to be `none`, `auto`, `required` or an object that names a tool")),
        },
        Kind::Object(_) => match choice.str("type") {
            Some("allowed_tools") => Ok(choice.str("mode") == Some("required")),
            Some(_) => Ok(true),
            None => Err(At::Field(&at, "type").missing("`function`, most often")),
        },
        _ => Err(choice.wrong(at, "a string or an object")),
    }
}

fn output_form(top: &Top<'_, '_>) -> Result<OutputForm, DecodeError> {
    let at = At::Top("text");
    let Some(text) = top.node("text", 2)? else {
        return Ok(OutputForm::Text);
    };
    let text = text.want_object(at)?;
    let at = At::Field(&at, "format");
    match text.get("format").map(|format| (format, format.str("type"))) {
        None | Some((_, Some("text"))) => Ok(OutputForm::Text),
        Some((_, Some("json_object"))) => Ok(OutputForm::JsonObject),
        Some((format, Some("json_schema"))) => match format.get("schema") {
            Some(_) => Ok(OutputForm::JsonSchema),
            None => Err(At::Field(&at, "schema").missing("the JSON schema of the answer")),
        },
        Some(_) => Err(At::Field(&at, "type").error("has to be `text`, `json_object` or `json_schema`")),
    }
}
