//! Bedrock's Converse and ConverseStream, by Amazon's description of the service; what single makers' models refuse, as the
//! user guide says it.

use super::{Refusal, Streamed, text_of, tool_name_ok};
use crate::answer::{Answer, Ask, Finish, Reply, Role, Tool, ToolChoice};
use crate::traits::{Prefill, Thinks, Traits};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const FIELDS: &[&str] = &[
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "outputConfig",
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "requestMetadata",
    "serviceTier",
];

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::bad(message)
}

/// The only field of a union.
fn only<'v>(union: &'v Value, known: &[&str], place: &str) -> Result<(&'v str, &'v Value), Refusal> {
    let fields = union.as_object().filter(|fields| fields.len() == 1);
    let (name, value) =
        fields.and_then(|fields| fields.iter().next()).ok_or_else(|| bad(format!("{place} must set one field")))?;
    if known.contains(&name.as_str()) { Ok((name, value)) } else { Err(bad(format!("{place}: unknown field {name}"))) }
}

fn fields_of(value: &Value, known: &[&str], place: &str) -> Result<(), Refusal> {
    super::known_fields(value, known).map_err(|name| bad(format!("{place}: extraneous key [{name}] is not permitted")))
}

/// Some models take what others refuse.
struct Maker<'m>(&'m str);

impl Maker<'_> {
    fn is(&self, names: &[&str]) -> bool {
        self.0.split('.').take(2).any(|piece| names.contains(&piece))
    }
}

pub(super) fn read(model: &str, stream: bool, body: &Value, traits: &Traits) -> Result<Ask, Refusal> {
    fields_of(body, FIELDS, "#")?;
    let maker = Maker(model);
    let mut content = Conversation { maker: &maker, images: 0, names: Vec::new(), has_tools: false };
    let turns = content.turns(body)?;
    let (images, has_tools) = (content.images, content.has_tools);
    let config = &body["toolConfig"];
    if has_tools && config.is_null() {
        return Err(bad("The toolConfig field must be defined when using toolUse and toolResult content blocks."));
    }
    let (tools, choice) = tools(config, &maker, traits)?;
    let max_tokens = inference(&body["inferenceConfig"], traits)?;
    let more = &body["additionalModelRequestFields"];
    let reasons = match &more["thinking"] {
        Value::Null => text_of(&more["reasoningConfig"], "type") == "enabled",
        thinking => text_of(thinking, "type") != "disabled",
    };
    if !more["reasoningConfig"].is_null() && !maker.is(&["amazon"]) {
        return Err(bad("extraneous key [reasoningConfig] is not permitted"));
    }
    let ask = Ask {
        model: model.to_owned(),
        stream,
        turns,
        images,
        tool_bytes: config.get("tools").map_or(0, |tools| tools.to_string().len() as u64),
        tools,
        choice,
        parallel: true,
        schema: schema(&body["outputConfig"], &maker)?,
        answers: 1,
        max_tokens,
        stream_usage: true,
        reasons: reasons && (traits.thinks != Thinks::Never || maker.is(&["amazon"])),
        cache_marked: body.to_string().contains("\"cachePoint\""),
        ..Ask::default()
    };
    if ask.partial().is_some() && (traits.prefill == Prefill::Rejects || !maker.is(&["anthropic", "amazon"])) {
        return Err(bad("A conversation must end with a user message. Try again with a conversation that does."));
    }
    Ok(ask)
}

fn inference(config: &Value, traits: &Traits) -> Result<Option<u64>, Refusal> {
    if config.is_null() {
        return Ok(None);
    }
    fields_of(config, &["maxTokens", "temperature", "topP", "stopSequences"], "#/inferenceConfig")?;
    for name in ["temperature", "topP"] {
        let value = &config[name];
        if !value.is_null() && (traits.no_sampling || !value.as_f64().is_some_and(|value| (0.0..=1.0).contains(&value)))
        {
            return Err(bad(format!("#/inferenceConfig/{name}: {value} is not taken")));
        }
    }
    let stops = config["stopSequences"].as_array().into_iter().flatten();
    if stops.filter_map(Value::as_str).any(|stop| stop.trim().is_empty()) {
        return Err(bad("#/inferenceConfig/stopSequences: must contain non-whitespace"));
    }
    match config.get("maxTokens") {
        None => Ok(None),
        Some(limit) => limit.as_u64().filter(|limit| *limit > 0).map(Some).ok_or_else(|| bad("maxTokens: not valid")),
    }
}

fn schema(config: &Value, maker: &Maker<'_>) -> Result<Option<Value>, Refusal> {
    if config.is_null() {
        return Ok(None);
    }
    fields_of(config, &["textFormat", "effort"], "#/outputConfig")?;
    let Some(format) = config.get("textFormat") else { return Ok(None) };
    if maker.is(&["amazon", "meta", "cohere"]) {
        return Err(bad("This model doesn't support the outputConfig.textFormat field. Remove it and try again."));
    }
    let text = text_of(&format["structure"]["jsonSchema"], "schema");
    let schema = serde_json::from_str(text).map_err(|_| bad("jsonSchema.schema: not a JSON schema"))?;
    if text_of(format, "type") == "json_schema" { Ok(Some(schema)) } else { Err(bad("textFormat.type: not valid")) }
}

fn tools(config: &Value, maker: &Maker<'_>, traits: &Traits) -> Result<(Vec<Tool>, ToolChoice), Refusal> {
    if config.is_null() {
        return Ok((Vec::new(), ToolChoice::Auto));
    }
    fields_of(config, &["tools", "toolChoice"], "#/toolConfig")?;
    let list = config["tools"].as_array().filter(|list| !list.is_empty());
    let mut tools = Vec::new();
    for tool in list.ok_or_else(|| bad("#/toolConfig/tools: expected minimum item count: 1"))? {
        match only(tool, &["toolSpec", "cachePoint"], "Tool")? {
            ("cachePoint", point) => {
                if !maker.is(&["anthropic"]) {
                    return Err(bad("This model takes no cachePoint behind tools"));
                }
                cache_point(point, maker)?;
            }
            (_, tool) => tools.push(specification(tool)?),
        }
    }
    let choice = match config.get("toolChoice") {
        None => ToolChoice::Auto,
        Some(choice) => match only(choice, &["auto", "any", "tool"], "ToolChoice")? {
            ("any", _) if maker.is(&["anthropic", "amazon", "mistral"]) => ToolChoice::Any,
            ("tool", tool) if maker.is(&["anthropic", "amazon"]) => {
                let name = text_of(tool, "name");
                if !tools.iter().any(|tool| tool.name == name) {
                    return Err(bad(format!("toolChoice.tool.name: there is no {name}")));
                }
                ToolChoice::Named(name.to_owned())
            }
            ("auto", _) => ToolChoice::Auto,
            (other, _) => {
                return Err(bad(format!("This model doesn't support the toolConfig.toolChoice.{other} field.")));
            }
        },
    };
    if traits.no_forced_tool && choice != ToolChoice::Auto {
        return Err(bad("This model doesn't support the toolConfig.toolChoice field."));
    }
    Ok((tools, choice))
}

fn specification(tool: &Value) -> Result<Tool, Refusal> {
    fields_of(tool, &["name", "description", "inputSchema", "strict"], "ToolSpecification")?;
    let name = text_of(tool, "name");
    let schema = &tool["inputSchema"]["json"];
    if !tool_name_ok(name) || tool.get("description").is_some_and(|text| text.as_str().is_none_or(str::is_empty)) {
        return Err(bad(format!("ToolSpecification {name}: name or description are not valid")));
    }
    if text_of(schema, "type") != "object" {
        return Err(bad("The value at toolConfig.tools.toolSpec.inputSchema.json.type must be one of: object."));
    }
    Ok(Tool { name: name.to_owned(), schema: schema.clone() })
}

fn cache_point(point: &Value, maker: &Maker<'_>) -> Result<(), Refusal> {
    fields_of(point, &["type", "ttl"], "CachePointBlock")?;
    if !maker.is(&["anthropic", "amazon"]) {
        return Err(bad("You invoked an unsupported model or your request did not allow prompt caching."));
    }
    if text_of(point, "type") != "default" || maker.is(&["amazon"]) && text_of(point, "ttl") == "1h" {
        return Err(bad("cachePoint: type or ttl are not valid"));
    }
    Ok(())
}

struct Conversation<'m> {
    maker: &'m Maker<'m>,
    images: u64,
    /// Of documents.
    names: Vec<String>,
    has_tools: bool,
}

/// What one turn says.
#[derive(Default)]
struct Turn {
    text: String,
    calls: Vec<String>,
    results: Vec<String>,
}

impl Conversation<'_> {
    fn turns(&mut self, body: &Value) -> Result<Vec<(Role, String)>, Refusal> {
        let mut turns = Vec::new();
        if let Some(system) = body.get("system") {
            turns.push((Role::System, self.blocks(system, "system", None)?.text));
        }
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        let messages = messages.ok_or_else(|| bad("A conversation must start with a user message."))?;
        let (mut open, mut last) = (Vec::<String>::new(), "assistant");
        for (at, message) in messages.iter().enumerate() {
            let place = format!("messages.{at}");
            fields_of(message, &["role", "content"], &place)?;
            let role = text_of(message, "role");
            if !["user", "assistant"].contains(&role) || role == last {
                return Err(bad(format!("{place}: roles must alternate between user and assistant, user first")));
            }
            last = role;
            let turn = self.blocks(&message["content"], &place, Some(role == "user"))?;
            if open.iter().any(|id| !turn.results.contains(id)) || turn.results.iter().any(|id| !open.contains(id)) {
                return Err(bad(format!(
                    "{place}: toolResult blocks {:?} do not match the toolUse blocks of the turn before: {open:?}",
                    turn.results
                )));
            }
            let spoke = match role {
                "assistant" => Role::Assistant,
                _ if !turn.results.is_empty() => Role::Tool,
                _ => Role::User,
            };
            open = turn.calls;
            turns.push((spoke, turn.text));
        }
        if open.is_empty() { Ok(turns) } else { Err(bad(format!("Expected toolResult blocks for {open:?}"))) }
    }

    /// `user`: none for instructions.
    fn blocks(&mut self, blocks: &Value, place: &str, user: Option<bool>) -> Result<Turn, Refusal> {
        let blocks = blocks.as_array().filter(|blocks| !blocks.is_empty());
        let blocks = blocks.ok_or_else(|| bad(format!("The content field at {place} is empty.")))?;
        let known: &[&str] = match user {
            None => &["text", "cachePoint"],
            Some(true) => &["text", "image", "document", "audio", "toolResult", "cachePoint"],
            Some(false) => &["text", "toolUse", "reasoningContent", "cachePoint"],
        };
        let mut turn = Turn::default();
        let mut documents = false;
        for block in blocks {
            match only(block, known, place)? {
                ("text", text) => turn.text.push_str(self.text(text, place)?),
                ("image", image) => self.image(image)?,
                ("audio", sound) => inline(sound, &["mp3", "wav", "ogg", "flac"])?,
                ("document", document) => {
                    documents = true;
                    self.document(document)?;
                }
                ("toolUse", call) => {
                    self.has_tools = true;
                    fields_of(call, &["toolUseId", "name", "input"], place)?;
                    if !call["input"].is_object() || !tool_name_ok(text_of(call, "name")) {
                        return Err(bad(format!("{place}.toolUse: name or input are not valid")));
                    }
                    turn.calls.push(id(call)?);
                }
                ("toolResult", result) => {
                    self.has_tools = true;
                    turn.results.push(self.result(result, place)?);
                }
                ("reasoningContent", thought) => {
                    let (kind, thought) = only(thought, &["reasoningText", "redactedContent"], place)?;
                    if kind == "reasoningText" && text_of(thought, "signature").is_empty() {
                        return Err(bad(format!("{place}.reasoningText.signature: Field required")));
                    }
                }
                (_, point) => cache_point(point, self.maker)?,
            }
        }
        if documents && turn.text.is_empty() {
            return Err(bad("When using documents, the request must include at least one text block"));
        }
        Ok(turn)
    }

    #[expect(clippy::unused_self, reason = "beside its siblings")]
    fn text<'v>(&self, text: &'v Value, place: &str) -> Result<&'v str, Refusal> {
        let text = text.as_str().filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| bad(format!("The text field in the ContentBlock object at {place} is blank.")))
    }

    fn image(&mut self, image: &Value) -> Result<(), Refusal> {
        self.images += 1;
        inline(image, &["png", "jpeg", "gif", "webp"])
    }

    fn document(&mut self, document: &Value) -> Result<(), Refusal> {
        let name = text_of(document, "name");
        let plain = |sign: char| sign.is_ascii_alphanumeric() || " -()[]".contains(sign);
        if name.is_empty() || name.len() > 200 || name.contains("  ") || !name.chars().all(plain) {
            return Err(bad(format!("The document file name {name} can only contain plain signs")));
        }
        if self.names.iter().any(|known| known == name) {
            return Err(bad("The conversation contains documents with the same name"));
        }
        self.names.push(name.to_owned());
        inline(document, &["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"])
    }

    fn result(&mut self, result: &Value, place: &str) -> Result<String, Refusal> {
        fields_of(result, &["toolUseId", "content", "status"], place)?;
        let rich = self.maker.is(&["anthropic", "amazon"]);
        if !rich && result.get("status").is_some() {
            return Err(bad("This model doesn't support the status field."));
        }
        for one in result["content"].as_array().ok_or_else(|| bad("toolResult.content: required"))? {
            match only(one, &["text", "json", "image", "document"], place)? {
                ("image", image) if rich => self.image(image)?,
                ("document", document) if rich => self.document(document)?,
                ("text", text) => {
                    self.text(text, place)?;
                }
                ("json", _) => {}
                (other, _) => return Err(bad(format!("This model takes no {other} in a toolResult"))),
            }
        }
        id(result)
    }
}

fn inline(media: &Value, formats: &[&str]) -> Result<(), Refusal> {
    let format = text_of(media, "format");
    let (_, bytes) = only(&media["source"], &["bytes"], "source")?;
    let data = bytes.as_str().and_then(|text| STANDARD.decode(text).ok()).filter(|data| !data.is_empty());
    if formats.contains(&format) && data.is_some() { Ok(()) } else { Err(bad(format!("{format}: not a valid file"))) }
}

fn id(block: &Value) -> Result<String, Refusal> {
    let id = text_of(block, "toolUseId");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if (1..=64).contains(&id.len()) && id.bytes().all(plain) {
        Ok(id.to_owned())
    } else {
        Err(bad(format!("toolUseId {id}")))
    }
}

pub(super) fn error(message: &str) -> Value {
    json!({ "message": message })
}

fn usage(reply: &Reply) -> Value {
    // Tokens of the cache come on top of the plain ones.
    let plain = reply.input_tokens - reply.cached_tokens - reply.cache_written_tokens;
    json!({"inputTokens": plain, "outputTokens": reply.output_tokens,
        "totalTokens": reply.input_tokens + reply.output_tokens,
        "cacheReadInputTokens": reply.cached_tokens, "cacheWriteInputTokens": reply.cache_written_tokens})
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Tools => "tool_use",
        Finish::Filter => "content_filtered",
    }
}

const THOUGHT: &str = "The stand-in thinks.";
const SIGNATURE: &str = "c2lnbmF0dXJl";

pub(super) fn whole(ask: &Ask, reply: &Reply) -> Value {
    let answer = reply.first();
    let mut content = Vec::new();
    if ask.reasons {
        content.push(json!({"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": SIGNATURE}}}));
    }
    if !answer.tokens.is_empty() {
        content.push(json!({"text": answer.text()}));
    }
    for call in &answer.calls {
        let id = format!("tooluse_{}", call.id);
        content.push(json!({"toolUse": {"toolUseId": id, "name": call.name, "input": call.arguments}}));
    }
    json!({"metrics": {"latencyMs": 7}, "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason(answer), "usage": usage(reply)})
}

/// One event as it stands before it is put into a frame.
pub(super) fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

pub(super) fn streamed(ask: &Ask, reply: &Reply) -> Streamed {
    let answer = reply.first();
    let delta = |at: usize, delta: Value| {
        event("contentBlockDelta", &json!({"contentBlockIndex": at, "delta": delta, "p": "abcd"}))
    };
    let stop = |at: usize| event("contentBlockStop", &json!({"contentBlockIndex": at, "p": "ab"}));
    let mut streamed = Streamed::default();
    streamed.head.push(event("messageStart", &json!({"role": "assistant", "p": "abc"})));
    let mut at = 0;
    if ask.reasons {
        streamed.head.push(delta(at, json!({"reasoningContent": {"text": THOUGHT}})));
        streamed.head.push(delta(at, json!({"reasoningContent": {"signature": SIGNATURE}})));
        streamed.head.push(stop(at));
        at += 1;
    }
    if !answer.tokens.is_empty() {
        streamed.content = answer.tokens.iter().map(|token| delta(at, json!({ "text": token }))).collect();
        streamed.tail.push(stop(at));
        at += 1;
    }
    for call in &answer.calls {
        let start = json!({"toolUse": {"toolUseId": format!("tooluse_{}", call.id), "name": call.name}});
        streamed.content.push(event("contentBlockStart", &json!({"contentBlockIndex": at, "start": start})));
        for piece in crate::answer::split(&call.arguments.to_string()) {
            streamed.content.push(delta(at, json!({"toolUse": {"input": piece}})));
        }
        streamed.content.push(stop(at));
        at += 1;
    }
    streamed.tail.push(event("messageStop", &json!({"stopReason": stop_reason(answer)})));
    streamed.tail.push(event("metadata", &json!({"usage": usage(reply), "metrics": {"latencyMs": 7}})));
    streamed
}
