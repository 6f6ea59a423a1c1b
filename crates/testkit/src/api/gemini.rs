//! Google Gemini `generateContent`, refusing what Google's JSON reader refuses: any name that it does not know.

use super::{GeminiCall, Refusal, Streamed, text_of};
use crate::answer::{Answer, Ask, Finish, Reply, Role, Tool, ToolChoice};
use crate::traits::Traits;
use serde_json::{Value, json};

const FIELDS: &[&str] = &[
    "contents",
    "systemInstruction",
    "system_instruction",
    "generationConfig",
    "generation_config",
    "tools",
    "toolConfig",
    "tool_config",
    "safetySettings",
    "safety_settings",
    "cachedContent",
    "cached_content",
    "labels",
    "model",
];
const CONFIG: &[&str] = &[
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "presencePenalty",
    "frequencyPenalty",
    "seed",
    "responseLogprobs",
    "logprobs",
    "thinkingConfig",
    "responseModalities",
    "speechConfig",
    "mediaResolution",
    "enableEnhancedCivicAnswers",
    "imageConfig",
];
const PART: &[&str] = &[
    "text",
    "inlineData",
    "inline_data",
    "fileData",
    "file_data",
    "functionCall",
    "functionResponse",
    "thought",
    "thoughtSignature",
    "thought_signature",
    "executableCode",
    "codeExecutionResult",
    "videoMetadata",
    "mediaResolution",
];
/// What Google's older `parameters` and `responseSchema` know of JSON schema.
const SCHEMA: &[&str] = &[
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];

fn known(value: &Value, names: &[&str], place: &str) -> Result<(), Refusal> {
    super::known_fields(value, names).map_err(|name| {
        Refusal::bad(format!("Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field."))
    })
}

fn either<'a>(value: &'a Value, camel: &str, snake: &str) -> Option<&'a Value> {
    value.get(camel).or_else(|| value.get(snake)).filter(|found| !found.is_null())
}

pub(super) fn read(model: &str, how: GeminiCall, body: &Value, traits: &Traits) -> Result<Ask, Refusal> {
    if how == GeminiCall::CountTokens {
        known(body, &["contents", "generateContentRequest"], "request")?;
    } else {
        known(body, FIELDS, "request")?;
    }
    let config = either(body, "generationConfig", "generation_config").cloned().unwrap_or_else(|| json!({}));
    known(&config, CONFIG, "generation_config")?;
    let sampled = ["temperature", "topP", "topK"].iter().find(|name| config.get(**name).is_some_and(|v| !v.is_null()));
    if let Some(name) = sampled.filter(|_| traits.no_sampling) {
        return Err(Refusal::bad(format!("{name} is not supported by this model.")));
    }
    if let Some(schema) = config.get("responseSchema") {
        plain_schema(schema, "generation_config.response_schema")?;
    }
    let (turns, images) = turns(body)?;
    let tools = tools(body)?;
    let mode = body.pointer("/toolConfig/functionCallingConfig/mode").and_then(Value::as_str).unwrap_or("AUTO");
    let choice = match mode {
        "AUTO" | "VALIDATED" => ToolChoice::Auto,
        "NONE" => ToolChoice::None,
        "ANY" => match body.pointer("/toolConfig/functionCallingConfig/allowedFunctionNames/0").and_then(Value::as_str)
        {
            Some(name) => ToolChoice::Named(name.to_owned()),
            None => ToolChoice::Any,
        },
        other => {
            return Err(Refusal::bad(format!(
                "Invalid value at 'tool_config.function_calling_config.mode': \"{other}\""
            )));
        }
    };
    let budget = config.pointer("/thinkingConfig/thinkingBudget").and_then(Value::as_i64).unwrap_or(0);
    let schema = config.get("responseJsonSchema").or_else(|| config.get("responseSchema")).cloned();
    let as_json = text_of(&config, "responseMimeType") == "application/json";
    if schema.is_some() && !as_json {
        return Err(Refusal::bad("response_schema needs response_mime_type application/json"));
    }
    Ok(Ask {
        model: model.to_owned(),
        stream: matches!(how, GeminiCall::Sse | GeminiCall::List),
        turns,
        images,
        tool_bytes: body.get("tools").map_or(0, |tools| tools.to_string().len() as u64),
        tools,
        choice,
        parallel: true,
        json_object: as_json && schema.is_none(),
        schema,
        answers: config.get("candidateCount").and_then(Value::as_u64).unwrap_or(1),
        max_tokens: config.get("maxOutputTokens").and_then(Value::as_u64),
        reasons: budget != 0 || config.pointer("/thinkingConfig/thinkingLevel").is_some(),
        ..Ask::default()
    })
}

fn turns(body: &Value) -> Result<(Vec<(Role, String)>, u64), Refusal> {
    let contents = body.get("contents").and_then(Value::as_array).filter(|contents| !contents.is_empty());
    let contents =
        contents.ok_or_else(|| Refusal::bad("* GenerateContentRequest.contents: contents is not specified"))?;
    let (mut turns, mut images) = (Vec::new(), 0);
    if let Some(system) = either(body, "systemInstruction", "system_instruction") {
        turns.push((Role::System, parts(system, "system_instruction", &mut images)?));
    }
    for (at, content) in contents.iter().enumerate() {
        known(content, &["role", "parts"], &format!("contents[{at}]"))?;
        let role = match text_of(content, "role") {
            "" | "user" => Role::User,
            "model" => Role::Assistant,
            _ => return Err(Refusal::bad("Please use a valid role: user, model.")),
        };
        let is_result = content.pointer("/parts/0/functionResponse").is_some();
        let text = parts(content, &format!("contents[{at}]"), &mut images)?;
        turns.push((if is_result { Role::Tool } else { role }, text));
    }
    Ok((turns, images))
}

fn parts(content: &Value, place: &str, images: &mut u64) -> Result<String, Refusal> {
    let list = content.get("parts").and_then(Value::as_array).filter(|parts| !parts.is_empty());
    let list =
        list.ok_or_else(|| Refusal::bad(format!("* GenerateContentRequest.{place}.parts: must not be empty")))?;
    let mut text = String::new();
    for part in list {
        known(part, PART, &format!("{place}.parts"))?;
        text.push_str(text_of(part, "text"));
        *images += u64::from(either(part, "inlineData", "inline_data").is_some());
        if let Some(call) = part.get("functionCall").filter(|call| !call.get("args").is_none_or(Value::is_object)) {
            return Err(Refusal::bad(format!("Invalid value at '{place}.parts.function_call.args': {call}")));
        }
        if let Some(result) = part.get("functionResponse").filter(|result| !result["response"].is_object()) {
            return Err(Refusal::bad(format!("Invalid value at '{place}.parts.function_response.response': {result}")));
        }
    }
    Ok(text)
}

fn tools(body: &Value) -> Result<Vec<Tool>, Refusal> {
    let mut tools = Vec::new();
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        let declared = either(tool, "functionDeclarations", "function_declarations").and_then(Value::as_array);
        for function in declared.into_iter().flatten() {
            known(
                function,
                &["name", "description", "parameters", "parametersJsonSchema", "response", "behavior"],
                "tools.function_declarations",
            )?;
            if let Some(schema) = function.get("parameters") {
                plain_schema(schema, "tools.function_declarations.parameters")?;
            }
            let schema = function.get("parametersJsonSchema").or_else(|| function.get("parameters"));
            tools
                .push(Tool { name: text_of(function, "name").to_owned(), schema: schema.cloned().unwrap_or_default() });
        }
    }
    Ok(tools)
}

fn plain_schema(schema: &Value, place: &str) -> Result<(), Refusal> {
    known(schema, SCHEMA, place)?;
    for inner in schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(_, inner)| inner) {
        plain_schema(inner, place)?;
    }
    schema.get("items").map_or(Ok(()), |inner| plain_schema(inner, place))
}

pub(super) fn error(status: u16, message: &str) -> Value {
    let word = match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    };
    json!({"error": {"code": status, "message": message, "status": word}})
}

fn usage(reply: &Reply) -> Value {
    let mut usage = json!({"promptTokenCount": reply.input_tokens,
        "candidatesTokenCount": reply.output_tokens - reply.reasoning_tokens,
        "totalTokenCount": reply.input_tokens + reply.output_tokens});
    if reply.reasoning_tokens > 0 {
        usage["thoughtsTokenCount"] = json!(reply.reasoning_tokens);
    }
    if reply.cached_tokens > 0 {
        usage["cachedContentTokenCount"] = json!(reply.cached_tokens);
    }
    usage
}

fn finish(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop | Finish::Tools => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Filter => "SAFETY",
    }
}

fn calls(answer: &Answer) -> Vec<Value> {
    answer.calls.iter().map(|call| json!({"functionCall": {"name": call.name, "args": call.arguments}})).collect()
}

fn envelope(ask: &Ask, reply: &Reply, candidates: &Value) -> Value {
    json!({"candidates": candidates, "modelVersion": ask.model, "responseId": format!("fake{}", reply.id)})
}

pub(super) fn whole(ask: &Ask, reply: &Reply) -> Value {
    let candidate = |(index, answer): (usize, &Answer)| {
        let mut parts = calls(answer);
        if parts.is_empty() {
            parts.push(json!({"text": answer.text()}));
        }
        json!({"content": {"role": "model", "parts": parts}, "finishReason": finish(answer), "index": index})
    };
    let mut whole = envelope(ask, reply, &reply.answers.iter().enumerate().map(candidate).collect());
    whole["usageMetadata"] = usage(reply);
    whole
}

pub(super) fn streamed(how: GeminiCall, ask: &Ask, reply: &Reply) -> Streamed {
    let answer = reply.first();
    let event =
        |whole: Value| if how == GeminiCall::List { whole.to_string() } else { format!("data: {whole}\r\n\r\n") };
    let say = |part: Value| {
        event(envelope(ask, reply, &json!([{"content": {"role": "model", "parts": [part]}, "index": 0}])))
    };
    let mut content: Vec<String> = answer.tokens.iter().map(|token| say(json!({ "text": token }))).collect();
    content.extend(calls(answer).into_iter().map(say));
    let last =
        json!([{"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": finish(answer), "index": 0}]);
    let mut last = envelope(ask, reply, &last);
    last["usageMetadata"] = usage(reply);
    let mut streamed = Streamed { head: Vec::new(), content, tail: vec![event(last)] };
    if how == GeminiCall::List {
        for (at, piece) in streamed.content.iter_mut().chain(&mut streamed.tail).enumerate() {
            piece.insert_str(0, if at == 0 { "[" } else { ",\r\n" });
        }
        streamed.tail.push("]".to_owned());
    }
    streamed
}
