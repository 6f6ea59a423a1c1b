//! Reads what routing needs from a Chat Completions request.
//!
//! Strict on what decides (messages, roles, parts, tools, limits); everything else is left for the provider to judge.

use crate::json::{At, Kind, Node};
use crate::splice::Fields;
use crate::top::Top;
use crate::{DecodeError, Format, Outline, OutputForm, Part, Role, ToolOutline, Turn};
use std::borrow::Cow;

/// OpenAI's own bound for `n`.
const MAX_ANSWERS: u32 = 128;

/// Reads a request once for its top level and once for its messages.
///
/// # Errors
/// When the body breaks the API's rules in something that routing depends on; the error names the field.
pub fn outline(body: &[u8]) -> Result<(Outline<'_>, Fields<'_>), DecodeError> {
    let fields = Fields::parse(body)?;
    let top = Top(&fields);
    top.numbers(&["temperature", "top_p", "presence_penalty", "frequency_penalty"])?;
    let requested_model = top.model()?;
    let stream = top.bool("stream")?.unwrap_or(false);
    let (turns, bound_to_model) = turns(&top)?;
    let outline = Outline {
        format: Format::OpenaiChat,
        requested_model,
        stream,
        usage_wanted: usage_wanted(&top, stream)?,
        turns,
        tools: tools(&top)?,
        tool_forced: tool_forced(&top)?,
        output: output_form(&top)?,
        max_output_tokens: max_output_tokens(&top)?,
        speaks: crate::strangers::wants_sound(top.0.get("modalities")),
        answers: top.u32("n", 1, MAX_ANSWERS)?.unwrap_or(1),
        effort: effort(&top)?,
        user: top.loose_string("safety_identifier").or_else(|| top.loose_string("user")),
        metadata: top.metadata()?,
        bound_to_model,
        fields: top.names(),
        body_bytes: body.len(),
    };
    Ok((outline, fields))
}

fn usage_wanted(top: &Top<'_, '_>, stream: bool) -> Result<bool, DecodeError> {
    let at = At::Top("stream_options");
    let Some(options) = top.node("stream_options", 1)? else {
        return Ok(false);
    };
    if !stream {
        return Err(at.error("is only allowed when `stream` is true"));
    }
    let options = options.want_object(at)?;
    options.get("include_usage").map_or(Ok(false), |node| node.want_bool(At::Field(&at, "include_usage")))
}

fn max_output_tokens(top: &Top<'_, '_>) -> Result<Option<u32>, DecodeError> {
    let old = top.u32("max_tokens", 1, u32::MAX)?;
    let new = top.u32("max_completion_tokens", 1, u32::MAX)?;
    if old.is_some() && new.is_some() {
        return Err(At::Top("max_tokens").error("and `max_completion_tokens` exclude each other; keep the second"));
    }
    Ok(new.or(old))
}

fn effort<'a>(top: &Top<'_, 'a>) -> Result<Option<Cow<'a, str>>, DecodeError> {
    if let Some(effort) = top.string("reasoning_effort")? {
        return Ok(Some(effort));
    }
    // OpenRouter's form; an object of another shape decides nothing.
    let reasoning = top.node("reasoning", 1)?;
    Ok(reasoning.and_then(|mut node| node.take("effort")).and_then(Node::into_string))
}

fn output_form(top: &Top<'_, '_>) -> Result<OutputForm, DecodeError> {
    let at = At::Top("response_format");
    let Some(format) = top.node("response_format", 2)? else {
        return Ok(OutputForm::Text);
    };
    let format = format.want_object(at)?;
    match format.str("type") {
        Some("text") => Ok(OutputForm::Text),
        Some("json_object") => Ok(OutputForm::JsonObject),
        Some("json_schema") => match format.get("json_schema") {
            Some(Node { kind: Kind::Object(_), .. }) => Ok(OutputForm::JsonSchema),
            _ => Err(At::Field(&at, "json_schema").missing("give an object with `name` and `schema`")),
        },
        _ => Err(At::Field(&at, "type").error("has to be `text`, `json_object` or `json_schema`")),
    }
}

fn tools<'a>(top: &Top<'_, 'a>) -> Result<Vec<ToolOutline<'a>>, DecodeError> {
    let mut tools = Vec::new();
    for (index, tool) in top.items("tools", 3)?.into_iter().enumerate() {
        let at = At::Top("tools");
        tools.push(self::tool(tool, At::Index(&at, index))?);
    }
    for (index, function) in top.items("functions", 2)?.into_iter().enumerate() {
        let at = At::Top("functions");
        let bytes = function.raw.len();
        tools.push(ToolOutline { name: name(function, At::Index(&at, index))?, bytes });
    }
    Ok(tools)
}

fn tool<'a>(tool: Node<'a>, at: At<'_>) -> Result<ToolOutline<'a>, DecodeError> {
    let bytes = tool.raw.len();
    let mut tool = tool.want_object(at)?;
    let kind = tool.take("type").ok_or_else(|| At::Field(&at, "type").missing("`function`, most often"))?;
    let kind = kind.want_string(At::Field(&at, "type"))?;
    let name = match kind.as_ref() {
        "function" | "custom" => {
            let at = At::Field(&at, &kind);
            let inner = tool.take(&kind).ok_or_else(|| at.missing("an object with the tool's `name`"))?;
            name(inner, at)?
        }
        _ => kind,
    };
    Ok(ToolOutline { name, bytes })
}

fn name<'a>(node: Node<'a>, at: At<'_>) -> Result<Cow<'a, str>, DecodeError> {
    let at_name = At::Field(&at, "name");
    let name = node.want_object(at)?.take("name").ok_or_else(|| at_name.missing("the tool's name"))?;
    let name = name.want_string(at_name)?;
    if name.is_empty() { Err(at_name.error("must not be empty")) } else { Ok(name) }
}

fn tool_forced(top: &Top<'_, '_>) -> Result<bool, DecodeError> {
    let at = At::Top("tool_choice");
    if let Some(choice) = top.node("tool_choice", 3)? {
        return match &choice.kind {
            Kind::String(word) => match word.as_ref() {
                "none" | "auto" => Ok(false),
                "required" | "any" => Ok(true),
                _ => Err(at.error("has to be `none`, `auto`, `required` or an object that names a tool")),
            },
            Kind::Object(_) => match choice.str("type") {
                Some("allowed_tools") => {
                    Ok(choice.get("allowed_tools").and_then(|allowed| allowed.str("mode")) == Some("required"))
                }
                Some(_) => Ok(true),
                None => Err(At::Field(&at, "type").missing("`function`, most often")),
            },
            _ => Err(choice.wrong(at, "a string or an object")),
        };
    }
    Ok(top.node("function_call", 1)?.is_some_and(|choice| matches!(choice.kind, Kind::Object(_))))
}

fn turns<'a>(top: &Top<'_, 'a>) -> Result<(Vec<Turn<'a>>, bool), DecodeError> {
    let at = At::Top("messages");
    let messages = top.node("messages", 8)?.ok_or_else(|| at.missing("an array with at least one message"))?;
    let messages = messages.want_items(at)?;
    if messages.is_empty() {
        return Err(at.error("must hold at least one message"));
    }
    let mut turns = Vec::with_capacity(messages.len());
    let mut bound = false;
    for (index, message) in messages.into_iter().enumerate() {
        let (turn, turn_bound) = turn(message, At::Index(&at, index))?;
        turns.push(turn);
        bound |= turn_bound;
    }
    Ok((turns, bound))
}

fn turn<'a>(message: Node<'a>, at: At<'_>) -> Result<(Turn<'a>, bool), DecodeError> {
    let mut message = message.want_object(at)?;
    let at_role = At::Field(&at, "role");
    let role = match message.str("role") {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        Some(_) => {
            return Err(at_role.error("has to be `system`, `developer`, `user`, `assistant`, `tool` or `function`"));
        }
        None => return Err(at_role.missing("say who speaks, as in \"user\"")),
    };
    let mut parts = Vec::new();
    if role == Role::Assistant {
        for field in ["reasoning_content", "reasoning"] {
            parts.extend(message.take(field).and_then(Node::into_string).map(Part::Reasoning));
        }
    }
    content(&mut message, role, at, &mut parts)?;
    let mut bound = false;
    if role == Role::Assistant {
        parts.extend(message.take("refusal").and_then(Node::into_string).map(Part::Refusal));
        bound |= ["reasoning_details", "thinking_blocks"]
            .iter()
            .any(|field| message.get(field).is_some_and(|node| !node.items().is_empty()));
        bound |= tool_calls(&mut message, at, &mut parts)?;
    }
    Ok((Turn { role, parts }, bound))
}

fn content<'a>(message: &mut Node<'a>, role: Role, at: At<'_>, parts: &mut Vec<Part<'a>>) -> Result<(), DecodeError> {
    let at = At::Field(&at, "content");
    let Some(content) = message.take("content") else {
        // Null next to tool calls is the rule; an assistant turn of nothing is what agents replay after an empty answer.
        return match role {
            Role::Assistant => Ok(()),
            _ => Err(at.missing("a string or an array of content parts")),
        };
    };
    match content.kind {
        Kind::String(text) => parts.push(said(role, text)),
        Kind::Array(items) => {
            if items.is_empty() && role == Role::User {
                return Err(at.error("must hold at least one part"));
            }
            for (index, item) in items.into_iter().enumerate() {
                parts.push(part(item, role, At::Index(&at, index))?);
            }
        }
        _ => return Err(content.wrong(at, "a string or an array of content parts")),
    }
    Ok(())
}

fn said(role: Role, text: Cow<'_, str>) -> Part<'_> {
    if role == Role::Tool { Part::ToolResult { text, is_error: false } } else { Part::Text(text) }
}

fn part<'a>(part: Node<'a>, role: Role, at: At<'_>) -> Result<Part<'a>, DecodeError> {
    let mut part = part.want_object(at)?;
    let at_type = At::Field(&at, "type");
    let kind = part.take("type").ok_or_else(|| at_type.missing("`text`, most often"))?.want_string(at_type)?;
    let mut inner = |field: &str, wanted: &str| {
        let at = At::Field(&at, field);
        part.take(field).ok_or_else(|| at.missing(wanted))
    };
    Ok(match kind.as_ref() {
        "text" | "input_text" | "output_text" => {
            let text = inner("text", "the part's text")?;
            said(role, text.want_string(At::Field(&at, "text"))?)
        }
        "refusal" => {
            Part::Refusal(inner("refusal", "the text of the refusal")?.want_string(At::Field(&at, "refusal"))?)
        }
        "image_url" => {
            let image = inner("image_url", "an object with the picture's `url`")?;
            // Many servers take a bare string as well.
            if image.as_str().or_else(|| image.str("url")).is_none() {
                let at = At::Field(&at, "image_url");
                return Err(At::Field(&at, "url").missing("a link or a data URL"));
            }
            Part::Image
        }
        "input_audio" => {
            inner("input_audio", "an object with `data` and `format`")?.want_object(At::Field(&at, "input_audio"))?;
            Part::Audio
        }
        "audio_url" => Part::Audio,
        "file" => {
            inner("file", "an object with `file_id` or `file_data`")?.want_object(At::Field(&at, "file"))?;
            Part::File
        }
        "video_url" | "input_video" => Part::File,
        // Mistral's thinking chunks.
        "thinking" | "reasoning" => Part::Reasoning(part.take("text").and_then(Node::into_string).unwrap_or_default()),
        _ => return Err(at_type.error("has to be `text`, `image_url`, `input_audio`, `file` or `refusal`")),
    })
}

/// Adds the calls; true when one carries a provider's signature.
fn tool_calls<'a>(message: &mut Node<'a>, at: At<'_>, parts: &mut Vec<Part<'a>>) -> Result<bool, DecodeError> {
    let mut bound = false;
    if let Some(calls) = message.take("tool_calls") {
        let at = At::Field(&at, "tool_calls");
        for (index, call) in calls.want_items(at)?.into_iter().enumerate() {
            let at = At::Index(&at, index);
            let mut call = call.want_object(at)?;
            bound |= call.get("extra_content").is_some();
            let kind = if call.str("type") == Some("custom") { "custom" } else { "function" };
            let at = At::Field(&at, kind);
            let inner = call.take(kind).ok_or_else(|| at.missing("an object with the call's `name` and arguments"))?;
            parts.push(call_part(inner, at)?);
        }
    }
    if let Some(call) = message.take("function_call") {
        parts.push(call_part(call, At::Field(&at, "function_call"))?);
    }
    Ok(bound)
}

fn call_part<'a>(call: Node<'a>, at: At<'_>) -> Result<Part<'a>, DecodeError> {
    let mut call = call.want_object(at)?;
    let at_name = At::Field(&at, "name");
    let name = call.take("name").ok_or_else(|| at_name.missing("the tool's name"))?.want_string(at_name)?;
    let arguments = call.take("arguments").or_else(|| call.take("input"));
    let arguments = arguments.map_or(Cow::Borrowed(""), |node| match node.kind {
        Kind::String(text) => text,
        _ => Cow::Borrowed(node.raw),
    });
    Ok(Part::ToolCall { name, arguments })
}
