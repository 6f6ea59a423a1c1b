//! Whatever a client asks for is found in what the provider gets, or is named among the adaptations, or is refused: for
//! every option, every API that clients speak and every API that is spoken to providers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use tierway_wire::neutral::{
    Content, Message, Output, Part, ReasoningAsk, Request, Role, Source, Tool, ToolChoice, ToolKind,
};
use tierway_wire::splice::Fields;
use tierway_wire::{EncodeOptions, Format, decode_request, encode_request};

const INBOUND: [Format; 3] = [Format::OpenaiChat, Format::OpenaiResponses, Format::AnthropicMessages];

/// One thing that can be asked for, and how it is recognized in what the provider got: its body, read back and as text.
struct Option_ {
    name: &'static str,
    set: fn(&mut Request),
    found: fn(&Request, &str) -> bool,
}

const fn option(name: &'static str, set: fn(&mut Request), found: fn(&Request, &str) -> bool) -> Option_ {
    Option_ { name, set, found }
}

/// A word that stands nowhere by chance.
const MARK: &str = "zq42mark";

fn marked(_: &Request, body: &str) -> bool {
    body.contains(MARK)
}

fn user(content: Content) -> Message {
    Message { role: Role::User, parts: vec![Part::text("see this"), Part::new(content)], name: None }
}

fn assistant(content: Content) -> Message {
    Message { role: Role::Assistant, parts: vec![Part::text("well"), Part::new(content)], name: None }
}

fn data(mime: &str) -> Source {
    Source::Data { mime: mime.to_owned(), data: MARK.to_owned() }
}

fn link() -> Source {
    Source::Url(format!("https://example.org/{MARK}"))
}

fn function(name: &str, strict: Option<bool>) -> Tool {
    let parameters = Some(r#"{"type":"object","properties":{"city":{"type":"string"}}}"#.to_owned());
    let kind = ToolKind::Function { parameters, strict };
    Tool { name: name.to_owned(), description: None, kind, cache: None }
}

/// A call of a tool and its result, in the middle of the conversation.
fn round(request: &mut Request, result: Content) {
    request.tools.push(function("look_up", None));
    let call = Content::ToolCall {
        id: "call_1".into(),
        name: "look_up".into(),
        arguments: r#"{"city":"Rome"}"#.into(),
        custom: false,
        signature: None,
    };
    request.messages.push(assistant(call));
    request.messages.push(Message { role: Role::Tool, parts: vec![Part::new(result)], name: None });
    request.messages.push(Message { role: Role::User, parts: vec![Part::text("and now?")], name: None });
}

fn result(content: Vec<Content>, is_error: bool) -> Content {
    Content::ToolResult { call_id: "call_1".into(), name: None, content, is_error }
}

/// Puts a turn of the assistant before the last one of the user.
fn before_last(request: &mut Request, message: Message) {
    let last = request.messages.len() - 1;
    request.messages.insert(last, message);
    request.messages.insert(last, Message { role: Role::User, parts: vec![Part::text("first")], name: None });
}

fn options() -> Vec<Option_> {
    let mut all = parameters();
    all.extend(contents());
    all.extend(tools());
    all
}

fn parameters() -> Vec<Option_> {
    vec![
        option("max_output_tokens", |r| r.max_output_tokens = Some(4_217), |_, body| body.contains("4217")),
        option("temperature", |r| r.temperature = Some(0.4217), |_, body| body.contains("0.4217")),
        option("top_p", |r| r.top_p = Some(0.4217), |_, body| body.contains("0.4217")),
        option("top_k", |r| r.top_k = Some(4_217), |_, body| body.contains("4217")),
        option("presence_penalty", |r| r.presence_penalty = Some(0.4217), |_, body| body.contains("0.4217")),
        option("frequency_penalty", |r| r.frequency_penalty = Some(0.4217), |_, body| body.contains("0.4217")),
        option("seed", |r| r.seed = Some(4_217), |_, body| body.contains("4217")),
        option("stop", |r| r.stop = vec![MARK.into()], marked),
        option("many stops", |r| r.stop = (0..9).map(|n| format!("s{n}")).collect(), |r, _| r.stop.len() == 9),
        option("n", |r| r.n = 3, |r, _| r.n == 3),
        option("logprobs", |r| r.logprobs = true, |r, _| r.logprobs),
        option(
            "top_logprobs",
            |r| (r.logprobs, r.top_logprobs) = (true, Some(7)),
            |r, _| r.logprobs && r.top_logprobs == Some(7),
        ),
        option("logit_bias", |r| r.logit_bias = Some(r#"{"4217":-100}"#.into()), |_, body| body.contains("4217")),
        option(
            "effort",
            |r| r.reasoning.effort = Some("high".into()),
            |r, body| r.reasoning.effort.as_deref() == Some("high") || body.contains("\"think\":\"high\""),
        ),
        option("budget", |r| r.reasoning.budget_tokens = Some(4_217), |_, body| body.contains("4217")),
        option(
            "reasoning off",
            |r| r.reasoning.enabled = Some(false),
            |r, body| {
                r.reasoning.enabled == Some(false)
                    || r.reasoning.effort.as_deref() == Some("none")
                    || body.contains("\"think\":false")
            },
        ),
        option(
            "reasoning on",
            |r| r.reasoning.enabled = Some(true),
            |r, body| r.reasoning != ReasoningAsk::default() || body.contains("includeThoughts"),
        ),
        option(
            "summary",
            |r| {
                r.reasoning.effort = Some("high".into());
                r.reasoning.enabled = Some(true);
                r.reasoning.summary = Some("detailed".into());
            },
            |r, body| r.reasoning.summary.is_some() || body.contains("includeThoughts"),
        ),
        option(
            "summary alone",
            |r| r.reasoning.summary = Some("detailed".into()),
            |r, body| r.reasoning.summary.is_some() || body.contains("includeThoughts"),
        ),
        option("verbosity", |r| r.verbosity = Some("low".into()), |r, _| r.verbosity.is_some()),
        option("service_tier", |r| r.service_tier = Some("flex".into()), |_, body| body.contains("flex")),
        option("user", |r| r.user = Some(MARK.into()), marked),
        option("metadata", |r| r.metadata = vec![("k".into(), MARK.into())], marked),
        option("extra", |r| r.extra = vec![("x_unheard_of".into(), format!("\"{MARK}\""))], marked),
        option("json object", |r| r.output = Output::JsonObject, |r, _| r.output != Output::Text),
        option("json schema", |r| r.output = schema(None), |_, body| body.contains(MARK)),
        option(
            "strict schema",
            |r| r.output = schema(Some(true)),
            |r, body| body.contains(MARK) && !matches!(r.output, Output::JsonObject | Output::Text),
        ),
    ]
}

fn schema(strict: Option<bool>) -> Output {
    let schema = format!(r#"{{"type":"object","properties":{{"{MARK}":{{"type":"string"}}}},"required":["{MARK}"]}}"#);
    Output::JsonSchema { name: "form".into(), description: None, schema, strict }
}

fn contents() -> Vec<Option_> {
    vec![
        option("system", |r| r.messages.insert(0, of(Role::System, MARK)), marked),
        option("developer", |r| r.messages.insert(0, of(Role::Developer, MARK)), marked),
        option("system in the middle", |r| r.messages.push(of(Role::System, MARK)), marked),
        option("speaker", |r| r.messages[0].name = Some(MARK.into()), marked),
        option("image", |r| r.messages.push(image(data("image/png"), None)), marked),
        option("image by link", |r| r.messages.push(image(link(), None)), marked),
        option(
            "image detail",
            |r| r.messages.push(image(data("image/png"), Some("low".into()))),
            |_, body| body.contains("low") || body.contains("LOW"),
        ),
        option("audio", |r| r.messages.push(user(Content::Audio { data: MARK.into(), format: "wav".into() })), marked),
        option("file", |r| r.messages.push(file(data("application/pdf"))), marked),
        option("file by link", |r| r.messages.push(file(link())), marked),
        option("file as text", |r| r.messages.push(file(Source::Text(MARK.into()))), marked),
        option(
            "uploaded file",
            |r| {
                let origin = r.origin;
                r.messages.push(file(Source::FileId { id: MARK.into(), origin }));
            },
            marked,
        ),
        option(
            "citations",
            |r| {
                let citations = Some(format!(r#"[{{"type":"url_citation","url":"{MARK}"}}]"#));
                before_last(r, assistant(Content::Text { text: "as said".into(), citations }));
            },
            marked,
        ),
        option("refusal", |r| before_last(r, assistant(Content::Refusal(MARK.into()))), marked),
        option(
            "reasoning of its own",
            |r| {
                let origin = r.origin;
                let (signature, encrypted) = (Some(MARK.to_owned()), Some(MARK.to_owned()));
                let text = "thought".to_owned();
                before_last(r, assistant(Content::Reasoning { text, signature, encrypted, id: None, origin }));
            },
            marked,
        ),
        option(
            "raw item",
            |r| {
                let origin = r.origin;
                before_last(r, assistant(Content::Raw { origin, json: format!(r#"{{"type":"{MARK}"}}"#) }));
            },
            marked,
        ),
        option(
            "cache mark",
            |r| r.messages[0].parts[0].cache = Some(r#"{"type":"ephemeral"}"#.into()),
            |_, body| body.contains("cache_control"),
        ),
    ]
}

fn of(role: Role, text: &str) -> Message {
    Message { role, parts: vec![Part::text(text)], name: None }
}

fn image(source: Source, detail: Option<String>) -> Message {
    user(Content::Image { source, detail })
}

fn file(source: Source) -> Message {
    user(Content::File { source, name: None })
}

fn tools() -> Vec<Option_> {
    vec![
        option("tool", |r| r.tools.push(function(MARK, None)), marked),
        option(
            "strict tool",
            |r| r.tools.push(function("t", Some(true))),
            |r, _| r.tools.iter().any(|tool| matches!(tool.kind, ToolKind::Function { strict: Some(true), .. })),
        ),
        option(
            "custom tool",
            |r| {
                let format = Some(format!(r#"{{"type":"grammar","definition":"{MARK}"}}"#));
                let (name, kind) = ("free".to_owned(), ToolKind::Custom { format });
                r.tools.push(Tool { name, description: None, kind, cache: None });
            },
            marked,
        ),
        option(
            "hosted tool",
            |r| {
                let kind = ToolKind::Hosted { origin: r.origin, json: format!(r#"{{"type":"{MARK}"}}"#) };
                r.tools.push(Tool { name: "web".into(), description: None, kind, cache: None });
            },
            marked,
        ),
        option(
            "required choice",
            |r| choose(r, ToolChoice::Required),
            |r, _| matches!(r.tool_choice, ToolChoice::Required | ToolChoice::Named(_)),
        ),
        option(
            "named choice",
            |r| choose(r, ToolChoice::Named("b".into())),
            |r, _| r.tool_choice == ToolChoice::Named("b".into()),
        ),
        option(
            "allowed choice",
            |r| choose(r, ToolChoice::Allowed { names: vec!["a".into()], required: true }),
            |r, _| !matches!(r.tool_choice, ToolChoice::Unset | ToolChoice::Auto),
        ),
        option(
            "no choice",
            |r| choose(r, ToolChoice::None),
            |r, _| r.tool_choice == ToolChoice::None || r.tools.is_empty(),
        ),
        option(
            "one call at a time",
            |r| {
                choose(r, ToolChoice::Auto);
                r.parallel_tool_calls = Some(false);
            },
            |r, _| r.parallel_tool_calls == Some(false),
        ),
        option("tool result", |r| round(r, result(vec![Content::text(MARK)], false)), marked),
        option(
            "image of a tool",
            |r| round(r, result(vec![Content::Image { source: data("image/png"), detail: None }], false)),
            marked,
        ),
        option(
            "failed tool",
            |r| round(r, result(vec![Content::text("it burns")], true)),
            |r, body| {
                let failed = |part: &Part| matches!(part.content, Content::ToolResult { is_error: true, .. });
                r.messages.iter().flat_map(|message| &message.parts).any(failed) || body.contains("rror")
            },
        ),
    ]
}

fn choose(request: &mut Request, choice: ToolChoice) {
    request.tools.extend([function("a", None), function("b", None)]);
    request.tool_choice = choice;
}

fn base(origin: Format) -> Request {
    let mut request = Request::new(origin, "m");
    request.max_output_tokens = (origin == Format::AnthropicMessages).then_some(100);
    request.messages.push(of(Role::User, "hello"));
    request
}

/// What became of one option between two APIs; none when it vanished.
fn fate(option: &Option_, from: Format, to: Format) -> Option<&'static str> {
    let options = EncodeOptions { same_model: from == to, max_output_tokens: Some(8_000), ..EncodeOptions::new("m") };
    let plain = encode_request(to, &base(from), &options).unwrap().adaptations;
    let mut request = base(from);
    (option.set)(&mut request);
    let Ok(encoded) = encode_request(to, &request, &options) else { return Some("refused") };
    let body = String::from_utf8(encoded.body.clone()).unwrap();
    let back = decode_request(to, &Fields::parse(&encoded.body).unwrap()).unwrap();
    if (option.found)(&back, &body) {
        return Some("there");
    }
    encoded.adaptations.iter().any(|adaptation| !plain.contains(adaptation)).then_some("said")
}

#[test]
fn no_option_vanishes_without_a_word() {
    let mut vanished = Vec::new();
    for option in options() {
        for from in INBOUND {
            for to in Format::ALL {
                if fate(&option, from, to).is_none() {
                    vanished.push(format!("{} from {} to {}", option.name, from.name(), to.name()));
                }
            }
        }
    }
    assert!(vanished.is_empty(), "{} vanish:\n{}", vanished.len(), vanished.join("\n"));
}
