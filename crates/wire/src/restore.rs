//! Undoes in an answer what an encoder did to its request: a tool that stood in for a JSON schema, tools of free text that
//! went out as functions.

use crate::Context;
use crate::json::Node;
use crate::neutral::{Answer, BlockKind, Content, Delta, Event, Finish};

impl Context {
    /// Gives a whole answer the form that the client asked for.
    pub(crate) fn restore(&self, answer: &mut Answer) {
        for choice in &mut answer.choices {
            let mut answered = false;
            for part in &mut choice.parts {
                let Content::ToolCall { name, arguments, custom, .. } = &mut part.content else { continue };
                own_name(&self.renamed_tools, name);
                if self.structured_tool.as_ref() == Some(name) {
                    answered = true;
                    part.content = Content::text(std::mem::take(arguments));
                } else if self.custom_tools.contains(name) {
                    *custom = true;
                    *arguments = free_text(arguments);
                }
            }
            if answered && choice.finish == Finish::ToolCalls {
                choice.finish = Finish::Stop;
            }
        }
    }
}

/// A tool's own name, where the model knows it by another.
pub(crate) fn own_name(renamed: &[(String, String)], name: &mut String) {
    if let Some((_, own)) = renamed.iter().find(|(there, _)| there == name) {
        name.clone_from(own);
    }
}

/// The text in `{"input":"..."}`, or what came when it is something else.
fn free_text(arguments: &str) -> String {
    let node = Node::parse(arguments, 1).ok();
    node.and_then(|node| node.str("input").map(str::to_owned)).unwrap_or_else(|| arguments.to_owned())
}

/// The same for a stream.
#[derive(Debug)]
pub(crate) struct Restore {
    structured_tool: Option<String>,
    custom_tools: Vec<String>,
    renamed_tools: Vec<(String, String)>,
    answers: Vec<(u32, u32)>,
    /// Free text is known only when its JSON is whole.
    held: Vec<((u32, u32), String)>,
}

impl Restore {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            structured_tool: context.structured_tool.clone(),
            custom_tools: context.custom_tools.clone(),
            renamed_tools: context.renamed_tools.clone(),
            answers: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Rewrites the events from that place on.
    pub(crate) fn apply(&mut self, from: usize, events: &mut Vec<Event>) {
        if self.structured_tool.is_none() && self.custom_tools.is_empty() && self.renamed_tools.is_empty() {
            return;
        }
        for event in events.split_off(from.min(events.len())) {
            self.event(event, events);
        }
    }

    fn event(&mut self, mut event: Event, out: &mut Vec<Event>) {
        match &mut event {
            Event::BlockStart { choice, block, kind } => {
                if let BlockKind::ToolCall { name, custom, .. } = kind {
                    own_name(&self.renamed_tools, name);
                    if self.structured_tool.as_ref() == Some(name) {
                        self.answers.push((*choice, *block));
                        *kind = BlockKind::Text;
                    } else if self.custom_tools.contains(name) {
                        *custom = true;
                        self.held.push(((*choice, *block), String::new()));
                    }
                }
            }
            Event::Delta { choice, block, delta: delta @ Delta::Arguments(_) } => {
                let place = (*choice, *block);
                let Delta::Arguments(text) = delta else { return };
                if self.answers.contains(&place) {
                    *delta = Delta::Text(std::mem::take(text));
                } else if let Some((_, held)) = self.held.iter_mut().find(|(of, _)| *of == place) {
                    held.push_str(text);
                    return;
                }
            }
            Event::BlockStop { choice, block } => {
                if let Some(at) = self.held.iter().position(|(of, _)| *of == (*choice, *block)) {
                    let (_, held) = self.held.swap_remove(at);
                    let delta = Delta::Arguments(free_text(&held));
                    out.push(Event::Delta { choice: *choice, block: *block, delta });
                }
            }
            Event::Finish { choice, finish }
                if *finish == Finish::ToolCalls && self.answers.iter().any(|(of, _)| of == choice) =>
            {
                *finish = Finish::Stop;
            }
            _ => {}
        }
        out.push(event);
    }
}
