//! Gives a request the form that a target's API demands of every conversation, whoever wrote it: tools under names that it
//! takes, and results of tools right behind their calls. The names are undone in the answer ([`crate::restore`]).

use crate::Format;
use crate::ids::digest;
use crate::neutral::{Content, Message, Part, Request, Role, ToolChoice};
use crate::options::Changes;
use std::borrow::Cow;

/// OpenAI and Gemini refuse longer names of tools; Anthropic's and MCP's may be twice as long.
const MAX_NAME: usize = 64;

/// A tool's name at the target, and its own.
pub(crate) type Renamed = (String, String);

/// The request in that form, and the tools that go by another name there. Borrowed while nothing has to be done, which is
/// nearly always.
pub(crate) fn fitted<'r>(
    format: Format,
    request: &'r Request,
    changes: &mut Changes,
) -> (Cow<'r, Request>, Vec<Renamed>) {
    let mut request = Cow::Borrowed(request);
    let renamed = other_names(format, &request);
    if !renamed.is_empty() {
        rename(request.to_mut(), &renamed);
        for (there, own) in &renamed {
            changes
                .changed(format!("tools.{own}"), format!("the API takes no such name; the model knows it as {there}"));
        }
    }
    // The Responses API matches results with calls wherever they stand.
    if format != Format::OpenaiResponses && request.messages.iter().enumerate().any(|(at, _)| strays(&request, at)) {
        let messages = behind_their_calls(&request.messages);
        request.to_mut().messages = messages;
        changes.moved("messages", "results of tools stand behind their calls");
    }
    (request, renamed)
}

fn takes(format: Format, name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match format {
        Format::OllamaChat => true,
        Format::Gemini => {
            let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
            starts && name.len() <= MAX_NAME && name.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b':'))
        }
        _ => name.len() <= MAX_NAME && name.bytes().all(plain),
    }
}

/// Names for the tools that the API takes by no name of theirs: the same every time, so that a prompt stays the same.
fn other_names(format: Format, request: &Request) -> Vec<Renamed> {
    let own: Vec<&str> = request.tools.iter().filter(|tool| !tool.is_hosted()).map(|tool| &*tool.name).collect();
    let mut renamed: Vec<Renamed> = Vec::new();
    for name in own.iter().filter(|name| !name.is_empty() && !takes(format, name)) {
        let plain = |sign: char| if sign.is_ascii_alphanumeric() || sign == '-' { sign } else { '_' };
        let mut there: String = name.chars().map(plain).collect();
        if there.starts_with(|first: char| !first.is_ascii_alphabetic()) && !takes(format, "0") {
            there.insert_str(0, "t_");
        }
        if there.len() > MAX_NAME || own.contains(&there.as_str()) || renamed.iter().any(|(known, _)| *known == there) {
            let mark = format!("_{:016x}", digest(name));
            there.truncate(MAX_NAME - mark.len());
            there.push_str(&mark);
        }
        renamed.push((there, (*name).to_owned()));
    }
    renamed
}

fn rename(request: &mut Request, renamed: &[Renamed]) {
    let fit = |name: &mut String| {
        if let Some((there, _)) = renamed.iter().find(|(_, own)| own == name) {
            name.clone_from(there);
        }
    };
    request.tools.iter_mut().filter(|tool| !tool.is_hosted()).for_each(|tool| fit(&mut tool.name));
    match &mut request.tool_choice {
        ToolChoice::Named(name) => fit(name),
        ToolChoice::Allowed { names, .. } => names.iter_mut().for_each(fit),
        _ => {}
    }
    for part in request.messages.iter_mut().flat_map(|message| &mut message.parts) {
        match &mut part.content {
            Content::ToolCall { name, .. } | Content::ToolResult { name: Some(name), .. } => fit(name),
            _ => {}
        }
    }
}

/// The turn in which a call was made, of those before `at`.
fn call_of(messages: &[Message], at: usize, call_id: &str) -> Option<usize> {
    let calls = |message: &Message| {
        message.parts.iter().any(|part| matches!(&part.content, Content::ToolCall { id, .. } if id == call_id))
    };
    messages.get(..at)?.iter().rposition(calls)
}

/// The message holds a result whose call stands further back than the turn before.
fn strays(request: &Request, at: usize) -> bool {
    let messages = &request.messages;
    let results = messages.get(at).filter(|message| message.role == Role::Tool);
    let ids = results.into_iter().flat_map(|message| &message.parts).filter_map(Part::answers);
    ids.filter_map(|id| call_of(messages, at, id)).any(|call| call + 1 != at)
}

fn behind_their_calls(messages: &[Message]) -> Vec<Message> {
    // Results by the turn that they follow; none for those that nobody asked for, which stay where they are.
    let mut moved: Vec<(usize, Part)> = Vec::new();
    let mut kept: Vec<(usize, Message)> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let call = |part: &Part| part.answers().and_then(|id| call_of(messages, at, id));
        let (results, rest): (Vec<_>, Vec<_>) = message.parts.iter().cloned().partition(|part| call(part).is_some());
        moved.extend(results.into_iter().filter_map(|part| Some((call(&part)?, part))));
        if message.role != Role::Tool || !rest.is_empty() {
            kept.push((at, Message { parts: rest, ..message.clone() }));
        }
    }
    let mut out = Vec::with_capacity(messages.len());
    for (at, message) in kept {
        out.push(message);
        let results: Vec<Part> = moved.iter().filter(|(call, _)| *call == at).map(|(_, part)| part.clone()).collect();
        if !results.is_empty() {
            out.push(Message { role: Role::Tool, parts: results, name: None });
        }
    }
    out
}
