//! Makes random requests and answers that a format can say in full.

use tierway_wire::neutral::{
    Answer, Choice, Content, Delta, Event, Finish, Message, Output, Part, Request, Role, Source, Tool, ToolChoice,
    ToolKind,
};
use tierway_wire::{Format, ServiceTier, Usage};

use Format::{AnthropicMessages, BedrockConverse, Gemini, OllamaChat, OpenaiChat, OpenaiResponses};

/// A source of chance that proptest can shrink.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    rolls: Vec<u16>,
    texts: Vec<String>,
    at: usize,
}

impl Dice {
    pub(crate) fn new(rolls: Vec<u16>, texts: Vec<String>) -> Self {
        Self { rolls, texts, at: 0 }
    }

    fn roll(&mut self, sides: u16) -> u16 {
        self.at += 1;
        self.rolls[self.at % self.rolls.len()] % sides
    }

    fn yes(&mut self) -> bool {
        self.roll(2) == 1
    }

    fn text(&mut self) -> String {
        let at = self.roll(6);
        self.texts[usize::from(at)].clone()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.yes().then(|| make(self))
    }

    fn pick<T: Clone>(&mut self, among: &[T]) -> T {
        among[usize::from(self.roll(u16::try_from(among.len()).unwrap()))].clone()
    }

    fn object(&mut self) -> String {
        let mut map = serde_json::Map::new();
        for at in 0..self.roll(3) {
            let value = if self.yes() { self.text().into() } else { self.roll(999).into() };
            map.insert(format!("{}{at}", self.text()), value);
        }
        serde_json::Value::Object(map).to_string()
    }

    fn share(&mut self) -> f64 {
        f64::from(self.roll(100)) / 100.0
    }
}

/// What a format can say.
fn one_of(format: Format, formats: &[Format]) -> bool {
    formats.contains(&format)
}

pub(crate) fn request(format: Format, dice: &mut Dice) -> Request {
    let model = if one_of(format, &[Gemini, BedrockConverse]) { "" } else { "m" };
    let mut request = Request::new(format, model);
    messages(&mut request, dice);
    tools(&mut request, dice);
    request.output = output(format, dice);
    reasoning(&mut request, dice);
    sampling(&mut request, dice);
    request.max_output_tokens = if format == AnthropicMessages || dice.yes() { Some(77) } else { None };
    if format == BedrockConverse {
        request.metadata = dice.maybe(|_| vec![("k".to_owned(), "v 1".to_owned())]).unwrap_or_default();
        request.service_tier = dice.maybe(|_| "flex".to_owned());
    }
    if one_of(format, &[OpenaiChat, OpenaiResponses]) {
        request.verbosity = dice.maybe(|_| "low".to_owned());
        request.metadata = dice.maybe(|dice| vec![("k".to_owned(), dice.text())]).unwrap_or_default();
    }
    if one_of(format, &[OpenaiChat, OpenaiResponses, AnthropicMessages]) {
        request.user = dice.maybe(Dice::text);
        request.service_tier = dice.maybe(|_| "auto".to_owned());
    }
    request.stream = !one_of(format, &[Gemini, BedrockConverse]) && dice.yes();
    request.usage_wanted = format != OpenaiChat || (request.stream && dice.yes());
    if dice.yes() {
        request.extra.push(("x_custom".to_owned(), r#"{"b":1.0,"a":[9007199254740993]}"#.to_owned()));
    }
    request
}

fn messages(request: &mut Request, dice: &mut Dice) {
    let format = request.origin;
    let message = |role, parts| Message { role, parts, name: None };
    if dice.yes() {
        request.messages.push(message(Role::System, vec![text(format, dice)]));
    }
    for turn in 0..=dice.roll(3) {
        let mut user = message(Role::User, user_parts(format, dice));
        if format == OpenaiChat {
            user.name = dice.maybe(|_| "ann".to_owned());
        }
        request.messages.push(user);
        if dice.yes() {
            let (parts, calls) = assistant_parts(format, dice, turn);
            request.messages.push(message(Role::Assistant, parts));
            if !calls.is_empty() {
                let results = calls.into_iter().map(|(id, name)| result(format, dice, id, name)).collect();
                request.messages.push(message(Role::Tool, results));
            }
        } else if matches!(format, AnthropicMessages | Gemini | BedrockConverse) {
            // These formats know alternating turns only.
            let parts = vec![text(format, dice)];
            request.messages.push(message(Role::Assistant, parts));
        }
    }
    if matches!(format, AnthropicMessages | Gemini | BedrockConverse)
        && request.messages.last().is_some_and(|last| last.role == Role::Tool)
    {
        request.messages.push(message(Role::User, vec![text(format, dice)]));
    }
}

fn text(format: Format, dice: &mut Dice) -> Part {
    let mut part = Part::text(prose(format, dice));
    if one_of(format, &[AnthropicMessages, BedrockConverse]) && dice.roll(4) == 0 {
        part.cache = Some(r#"{"type":"ephemeral","ttl":"1h"}"#.to_owned());
    }
    part
}

/// A text; Bedrock refuses blank ones.
fn prose(format: Format, dice: &mut Dice) -> String {
    if format == BedrockConverse { format!("a{}", dice.text()) } else { dice.text() }
}

fn user_parts(format: Format, dice: &mut Dice) -> Vec<Part> {
    let mut parts = vec![text(format, dice)];
    for _ in 0..dice.roll(3) {
        let data = Source::Data { mime: "image/png".to_owned(), data: "iVBORw0K".to_owned() };
        let link = Source::Url("https://example.org/a.png".to_owned());
        let pdf = Source::Data { mime: "application/pdf".to_owned(), data: "JVBERi0=".to_owned() };
        let name = match format {
            OpenaiChat | OpenaiResponses | AnthropicMessages => Some("a.pdf".to_owned()),
            // Plain, and each once.
            BedrockConverse => Some(format!("a{}", dice.at)),
            Gemini | OllamaChat => None,
        };
        let detailed = one_of(format, &[OpenaiChat, OpenaiResponses]);
        let content = match dice.roll(5) {
            0 if format != OllamaChat => Content::text(prose(format, dice)),
            1 if !one_of(format, &[OllamaChat, BedrockConverse]) => Content::Image { source: link, detail: None },
            2 if format != OllamaChat => Content::File { source: pdf, name },
            3 if one_of(format, &[OpenaiChat, OpenaiResponses, Gemini, BedrockConverse]) => {
                Content::Audio { data: "UklGRg==".to_owned(), format: dice.pick(&["wav".to_owned(), "mp3".to_owned()]) }
            }
            _ => Content::Image { source: data, detail: dice.maybe(|_| "low".to_owned()).filter(|_| detailed) },
        };
        parts.push(Part::new(content));
    }
    parts
}

fn reasoning_part(format: Format, dice: &mut Dice) -> Option<Part> {
    let (text, proof, id) = (dice.text(), dice.text(), "rs_1".to_owned());
    let (signature, encrypted, id) = match format {
        OpenaiChat | OllamaChat => (None, None, None),
        OpenaiResponses => (None, Some(proof), Some(id)),
        AnthropicMessages | Gemini | BedrockConverse => (Some(proof), None, None),
    };
    Some(Part::new(Content::Reasoning { text, signature, encrypted, id, origin: format }))
}

fn call(format: Format, dice: &mut Dice, id: String) -> Part {
    let custom = one_of(format, &[OpenaiChat, OpenaiResponses]) && dice.roll(4) == 0;
    let signature = dice.maybe(Dice::text).filter(|_| format == Gemini);
    let arguments = if custom { dice.text() } else { dice.object() };
    Part::new(Content::ToolCall { id, name: "look_up".to_owned(), arguments, custom, signature })
}

fn assistant_parts(format: Format, dice: &mut Dice, turn: u16) -> (Vec<Part>, Vec<(String, String)>) {
    let mut parts = Vec::new();
    if dice.yes() {
        parts.extend(reasoning_part(format, dice));
    }
    parts.push(Part::text(prose(format, dice)));
    let mut calls = Vec::new();
    for number in 0..dice.roll(3) {
        let id = format!("call_{turn}_{number}");
        parts.push(call(format, dice, id.clone()));
        calls.push((id, "look_up".to_owned()));
    }
    (parts, calls)
}

fn result(format: Format, dice: &mut Dice, call_id: String, name: String) -> Part {
    let mut content = vec![Content::text(prose(format, dice))];
    if one_of(format, &[OpenaiResponses, AnthropicMessages, BedrockConverse]) && dice.yes() {
        let source = Source::Data { mime: "image/png".to_owned(), data: "iVBORw0K".to_owned() };
        content.push(Content::Image { source, detail: None });
    }
    Part::new(Content::ToolResult {
        call_id,
        name: Some(name).filter(|_| one_of(format, &[Gemini, OllamaChat])),
        content,
        is_error: one_of(format, &[AnthropicMessages, Gemini, BedrockConverse]) && dice.yes(),
    })
}

fn tools(request: &mut Request, dice: &mut Dice) {
    let format = request.origin;
    for number in 0..dice.roll(3) {
        let custom = one_of(format, &[OpenaiChat, OpenaiResponses]) && dice.roll(4) == 0;
        let kind = if custom {
            ToolKind::Custom { format: dice.maybe(|_| r#"{"type":"text"}"#.to_owned()) }
        } else {
            ToolKind::Function {
                parameters: Some(format!(r#"{{"type":"object","properties":{}}}"#, dice.object())),
                strict: match format {
                    OpenaiChat | AnthropicMessages => dice.maybe(Dice::yes),
                    OpenaiResponses => Some(dice.yes()),
                    BedrockConverse => dice.maybe(|_| true),
                    Gemini | OllamaChat => None,
                },
            }
        };
        let cache = dice
            .maybe(|_| r#"{"type":"ephemeral"}"#.to_owned())
            .filter(|_| one_of(format, &[AnthropicMessages, BedrockConverse]));
        request.tools.push(Tool { name: format!("tool{number}"), description: dice.maybe(Dice::text), kind, cache });
    }
    // Bedrock wants tools beside calls of them.
    let called = request.messages.iter().any(|message| message.role == Role::Tool);
    if request.tools.is_empty() && format == BedrockConverse && called {
        let kind = ToolKind::Function { parameters: Some(r#"{"type":"object"}"#.to_owned()), strict: None };
        request.tools.push(Tool { name: "look_up".to_owned(), description: None, kind, cache: None });
    }
    if request.tools.is_empty() || format == OllamaChat {
        return;
    }
    let names: Vec<String> = request.tools.iter().map(|tool| tool.name.clone()).collect();
    request.tool_choice = match dice.roll(6) {
        0 => ToolChoice::Unset,
        1 if format != BedrockConverse => ToolChoice::None,
        2 => ToolChoice::Required,
        3 => ToolChoice::Named(names[0].clone()),
        4 if one_of(format, &[OpenaiChat, OpenaiResponses]) => ToolChoice::Allowed { names, required: dice.yes() },
        4 if format == Gemini && names.len() > 1 => ToolChoice::Allowed { names, required: true },
        _ => ToolChoice::Auto,
    };
    let can = match format {
        OpenaiChat | OpenaiResponses => true,
        AnthropicMessages => !matches!(request.tool_choice, ToolChoice::Unset | ToolChoice::None),
        _ => false,
    };
    request.parallel_tool_calls = dice.maybe(Dice::yes).filter(|_| can);
}

fn output(format: Format, dice: &mut Dice) -> Output {
    let rich = one_of(format, &[OpenaiChat, OpenaiResponses, BedrockConverse]);
    match dice.roll(3) {
        0 => Output::Text,
        1 if !one_of(format, &[AnthropicMessages, BedrockConverse]) => Output::JsonObject,
        _ => Output::JsonSchema {
            name: if rich { "form" } else { "answer" }.to_owned(),
            description: dice.maybe(Dice::text).filter(|_| rich),
            schema: format!(r#"{{"type":"object","properties":{}}}"#, dice.object()),
            strict: match format {
                OpenaiChat | OpenaiResponses => dice.maybe(Dice::yes),
                AnthropicMessages => Some(true),
                _ => None,
            },
        },
    }
}

fn reasoning(request: &mut Request, dice: &mut Dice) {
    let effort = dice.pick(&["low", "medium", "high"]).to_owned();
    let forced = matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
    match (request.origin, dice.roll(3)) {
        (_, 0) => {}
        (AnthropicMessages | BedrockConverse, _) if forced => {}
        // An effort goes with thinking there.
        (AnthropicMessages | BedrockConverse, 1) => {
            request.reasoning.enabled = Some(true);
            request.reasoning.effort = Some(effort);
        }
        (AnthropicMessages | BedrockConverse | OllamaChat, 2) => request.reasoning.enabled = Some(dice.yes()),
        (OpenaiResponses, 2) => {
            request.reasoning.summary = Some("auto".to_owned());
            request.reasoning.effort = Some(effort);
        }
        _ => request.reasoning.effort = Some(effort),
    }
}

fn sampling(request: &mut Request, dice: &mut Dice) {
    let format = request.origin;
    let thinks = request.reasoning.enabled == Some(true) || request.reasoning.effort.is_some();
    let claude = one_of(format, &[AnthropicMessages, BedrockConverse]);
    if !claude || !thinks {
        request.temperature = dice.maybe(Dice::share);
        request.top_p = dice.maybe(Dice::share).filter(|_| !claude || request.temperature.is_none());
        request.top_k = dice.maybe(|dice| u32::from(dice.roll(50))).filter(|_| format != OpenaiResponses);
    }
    if one_of(format, &[OpenaiChat, Gemini, OllamaChat]) {
        request.presence_penalty = dice.maybe(Dice::share);
        request.frequency_penalty = dice.maybe(Dice::share);
        request.seed = dice.maybe(|dice| -i64::from(dice.roll(999)) + 500);
    }
    if !claude && dice.yes() {
        request.logprobs = true;
        request.top_logprobs = Some(3);
    }
    if format == OpenaiChat {
        request.logit_bias = dice.maybe(|_| r#"{"50256":-100}"#.to_owned());
        request.n = 1 + u32::from(dice.roll(3));
    }
    if format == Gemini {
        request.n = 1 + u32::from(dice.roll(3));
    }
    if format != OpenaiResponses {
        request.stop = (0..dice.roll(4)).map(|number| format!("{}.{number}", dice.text())).collect();
    }
}

pub(crate) fn answer(format: Format, dice: &mut Dice) -> Answer {
    let choices = match format {
        OpenaiChat | Gemini => 1 + dice.roll(2),
        _ => 1,
    };
    Answer {
        origin: format,
        id: if one_of(format, &[OllamaChat, BedrockConverse]) { String::new() } else { "id_1".to_owned() },
        // Of those that are in the path only, the call knows.
        model: if format == BedrockConverse { "" } else { "model-1" }.to_owned(),
        choices: (0..choices).map(|number| choice(format, dice, number)).collect(),
        usage: Some(usage(format, dice)),
        service_tier: None,
    }
}

fn choice(format: Format, dice: &mut Dice, number: u16) -> Choice {
    let mut parts = Vec::new();
    if dice.yes() {
        parts.extend(reasoning_part(format, dice));
        if let (OpenaiChat | Gemini, Some(Part { content: Content::Reasoning { signature, .. }, .. })) =
            (format, parts.last_mut())
        {
            *signature = signature.take().filter(|_| format == Gemini);
        }
    }
    parts.push(Part::text(dice.text()));
    if one_of(format, &[OpenaiChat, OpenaiResponses]) && dice.roll(4) == 0 {
        parts.push(Part::new(Content::Refusal(dice.text())));
    }
    let calls = dice.roll(3);
    for at in 0..calls {
        let call = call(format, dice, format!("call_{number}_{at}"));
        parts.push(call);
    }
    let finish = match dice.roll(4) {
        _ if calls > 0 => Finish::ToolCalls,
        0 => Finish::Length,
        1 if format != OllamaChat => Finish::ContentFilter,
        2 if format == AnthropicMessages => {
            dice.pick(&[Finish::StopSequence(Some("END".to_owned())), Finish::Pause, Finish::ContextFull])
        }
        2 if format == BedrockConverse => {
            dice.pick(&[Finish::StopSequence(Some("END".to_owned())), Finish::StopSequence(None), Finish::ContextFull])
        }
        3 if format == BedrockConverse => Finish::Failed("malformed_tool_use".to_owned()),
        3 if format == Gemini => Finish::Failed("MALFORMED_FUNCTION_CALL".to_owned()),
        _ => Finish::Stop,
    };
    Choice { parts, finish, logprobs: None }
}

fn usage(format: Format, dice: &mut Dice) -> Usage {
    let mut roll = |can: bool| if can { u64::from(dice.roll(1_000)) } else { 0 };
    let cached = roll(format != OllamaChat);
    let short = roll(one_of(format, &[OpenaiChat, OpenaiResponses, AnthropicMessages, BedrockConverse]));
    let long = roll(one_of(format, &[AnthropicMessages, BedrockConverse]));
    let reasoning = roll(!one_of(format, &[OllamaChat, BedrockConverse]));
    let sound = one_of(format, &[OpenaiChat, Gemini]);
    Usage {
        input_tokens: roll(true) + cached + short + long,
        cached_input_tokens: cached,
        cache_write_5m_tokens: short,
        cache_write_1h_tokens: long,
        output_tokens: roll(true) + reasoning + 1,
        reasoning_tokens: reasoning,
        audio_input_tokens: roll(sound),
        audio_output_tokens: roll(sound),
        service_tier: ServiceTier::Standard,
    }
}

/// Cuts the deltas of a stream in two at random places.
pub(crate) fn split(events: Vec<Event>, dice: &mut Dice) -> Vec<Event> {
    let mut out = Vec::new();
    for event in events {
        let Event::Delta { choice, block, delta } = &event else {
            out.push(event);
            continue;
        };
        let make: fn(String) -> Delta = match delta {
            Delta::Text(_) => Delta::Text,
            Delta::Reasoning(_) => Delta::Reasoning,
            Delta::Arguments(_) => Delta::Arguments,
            _ => {
                out.push(event);
                continue;
            }
        };
        let (Delta::Text(text) | Delta::Reasoning(text) | Delta::Arguments(text)) = delta else { continue };
        let mut at = usize::from(dice.roll(40)).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        for piece in [&text[..at], &text[at..]].into_iter().filter(|piece| !piece.is_empty()) {
            out.push(Event::Delta { choice: *choice, block: *block, delta: make(piece.to_owned()) });
        }
    }
    out
}
