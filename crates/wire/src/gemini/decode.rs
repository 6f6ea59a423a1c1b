//! A `generateContent` request into the neutral form.

use crate::json::{At, Node};
use crate::neutral::{Content, Output, Part, Request, Role, Source, Tool, ToolChoice, ToolKind};
use crate::splice::Fields;
use crate::top::Top;
use crate::{DecodeError, Format};

const KNOWN: [&str; 6] = ["model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig"];

/// Reads a request. The model is the path's, so it is empty here unless the body names it.
///
/// # Errors
/// When a field has another type than the API says.
pub fn decode_request(fields: &Fields<'_>) -> Result<Request, DecodeError> {
    let top = Top(fields);
    let mut request = Request::new(Format::Gemini, top.loose_string("model").unwrap_or_default());
    if let Some(system) = top.node("systemInstruction", 6)? {
        request.push(Role::System, parts(&system), false);
    }
    for (index, content) in top.items("contents", 10)?.iter().enumerate() {
        let at = At::Top("contents");
        let at = At::Index(&at, index);
        let said = parts(content);
        match content.str("role") {
            Some("model") => request.push(Role::Assistant, said, true),
            Some("user" | "function") | None => {
                let is_result = |part: &Part| matches!(part.content, Content::ToolResult { .. });
                let (results, others): (Vec<_>, Vec<_>) = said.into_iter().partition(is_result);
                if !results.is_empty() {
                    request.push(Role::Tool, results, true);
                }
                if !others.is_empty() {
                    request.push(Role::User, others, false);
                }
            }
            Some(_) => return Err(At::Field(&at, "role").error("has to be `user` or `model`")),
        }
    }
    for group in top.items("tools", 4)? {
        tools(&group, &mut request);
    }
    if let Some(config) = top.node("toolConfig", 4)?.and_then(|mut config| config.take("functionCallingConfig")) {
        let names = config.get("allowedFunctionNames").map_or(&[][..], Node::items).iter();
        let names: Vec<String> = names.filter_map(|name| name.as_str().map(str::to_owned)).collect();
        request.tool_choice = match (config.str("mode"), names.as_slice()) {
            (Some("NONE"), _) => ToolChoice::None,
            (Some("ANY"), []) => ToolChoice::Required,
            (Some("ANY"), [name]) => ToolChoice::Named(name.clone()),
            (Some("ANY"), _) => ToolChoice::Allowed { names, required: true },
            _ => ToolChoice::Auto,
        };
    }
    if let Some(config) = top.node("generationConfig", 2)? {
        generation(&config, &mut request);
    }
    request.usage_wanted = true;
    request.extra = top.extra(&KNOWN);
    Ok(request)
}

fn tools(group: &Node<'_>, request: &mut Request) {
    for (name, value) in group.fields() {
        if name != "functionDeclarations" {
            request.tools.push(Tool {
                name: name.clone().into_owned(),
                description: None,
                kind: ToolKind::Hosted { origin: Format::Gemini, json: group.raw.to_owned() },
                cache: None,
            });
            continue;
        }
        for function in value.items() {
            let schema = function.get("parametersJsonSchema").or_else(|| function.get("parameters"));
            request.tools.push(Tool {
                name: function.str("name").unwrap_or_default().to_owned(),
                description: function.str("description").map(str::to_owned),
                kind: ToolKind::Function { parameters: schema.map(|schema| schema.raw.to_owned()), strict: None },
                cache: None,
            });
        }
    }
}

fn generation(config: &Node<'_>, request: &mut Request) {
    let small = |name: &str| config.u64(name).and_then(|number| u32::try_from(number).ok());
    let float = |name: &str| config.get(name).and_then(Node::as_f64);
    request.max_output_tokens = small("maxOutputTokens");
    request.temperature = float("temperature");
    request.top_p = float("topP");
    request.top_k = small("topK");
    request.presence_penalty = float("presencePenalty");
    request.frequency_penalty = float("frequencyPenalty");
    request.seed = config.get("seed").and_then(|seed| seed.raw.parse().ok());
    request.n = small("candidateCount").unwrap_or(1).max(1);
    request.logprobs = config.get("responseLogprobs").and_then(Node::as_bool).unwrap_or(false);
    request.top_logprobs = small("logprobs");
    let stops = config.get("stopSequences").map_or(&[][..], Node::items).iter();
    request.stop = stops.filter_map(|stop| stop.as_str().map(str::to_owned)).collect();
    let schema = config.get("responseJsonSchema").or_else(|| config.get("responseSchema"));
    request.output = match (schema, config.str("responseMimeType")) {
        (Some(schema), _) => Output::JsonSchema {
            name: "answer".to_owned(),
            description: None,
            schema: schema.raw.to_owned(),
            strict: None,
        },
        (None, Some("application/json")) => Output::JsonObject,
        _ => Output::Text,
    };
    if let Some(thinking) = config.get("thinkingConfig") {
        request.reasoning.effort = thinking.str("thinkingLevel").map(str::to_lowercase);
        match thinking.get("thinkingBudget").map(|budget| budget.raw) {
            Some("0") => request.reasoning.enabled = Some(false),
            Some("-1") => request.reasoning.enabled = Some(true),
            Some(number) => request.reasoning.budget_tokens = number.parse().ok(),
            None => {}
        }
    }
}

/// The parts of a content.
pub(super) fn parts(content: &Node<'_>) -> Vec<Part> {
    content.get("parts").map_or(&[][..], Node::items).iter().map(part).map(Part::new).collect()
}

/// One part.
pub(super) fn part(node: &Node<'_>) -> Content {
    let signature = node.str("thoughtSignature").map(str::to_owned);
    let raw = || Content::Raw { origin: Format::Gemini, json: node.raw.to_owned() };
    if let Some(text) = node.str("text") {
        return if node.get("thought").and_then(Node::as_bool) == Some(true) {
            Content::Reasoning { text: text.to_owned(), signature, encrypted: None, id: None, origin: Format::Gemini }
        } else {
            Content::text(text)
        };
    }
    if let Some(call) = node.get("functionCall") {
        return Content::ToolCall {
            id: call.str("id").unwrap_or_default().to_owned(),
            name: call.str("name").unwrap_or_default().to_owned(),
            arguments: call.get("args").map_or("{}", |args| args.raw).to_owned(),
            custom: false,
            signature,
        };
    }
    if let Some(result) = node.get("functionResponse") {
        return tool_result(result);
    }
    let inline = node.get("inlineData").or_else(|| node.get("inline_data"));
    if let Some((mime, data)) = inline.and_then(|inline| Some((inline.str("mimeType")?, inline.str("data")?))) {
        return media(mime, Source::Data { mime: mime.to_owned(), data: data.to_owned() }, data);
    }
    if let Some(file) = node.get("fileData") {
        let mime = file.str("mimeType").unwrap_or_default();
        let uri = file.str("fileUri").unwrap_or_default();
        // Files that lie with the provider have addresses of its own.
        let source = if uri.starts_with("https://generativelanguage.googleapis.com/") {
            Source::FileId { id: uri.to_owned(), origin: Format::Gemini }
        } else {
            Source::Url(uri.to_owned())
        };
        return media(mime, source, "");
    }
    raw()
}

fn media(mime: &str, source: Source, data: &str) -> Content {
    if mime.starts_with("image/") {
        return Content::Image { source, detail: None };
    }
    match mime.strip_prefix("audio/") {
        Some(format) if !data.is_empty() => {
            let format = if format == "mpeg" { "mp3" } else { format };
            Content::Audio { data: data.to_owned(), format: format.to_owned() }
        }
        _ => Content::File { source, name: None },
    }
}

fn tool_result(result: &Node<'_>) -> Content {
    let response = result.get("response");
    let field = |name: &str| {
        response
            .and_then(|response| response.get(name))
            .filter(|_| response.is_some_and(|response| response.fields().len() == 1))
    };
    let text = |node: &Node<'_>| node.as_str().unwrap_or(node.raw).to_owned();
    let (said, is_error) = match (field("error"), field("result").or_else(|| field("output"))) {
        (Some(error), _) => (text(error), true),
        (None, Some(result)) => (text(result), false),
        (None, None) => (response.map_or_else(String::new, |response| response.raw.to_owned()), false),
    };
    Content::ToolResult {
        call_id: result.str("id").or_else(|| result.str("name")).unwrap_or_default().to_owned(),
        name: result.str("name").map(str::to_owned),
        content: vec![Content::text(said)],
        is_error,
    }
}
