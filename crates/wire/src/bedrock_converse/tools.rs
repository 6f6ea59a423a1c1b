//! `toolConfig`: tools, those of earlier calls included, and which of them is to be called.

use super::turns::Said;
use crate::ids::{EMPTY_SCHEMA, FREE_TEXT_SCHEMA, object_schema};
use crate::neutral::{Content, Output, Request, Tool, ToolChoice, ToolKind};
use crate::write::{Arr, Obj};
use crate::{EncodeError, Format, Structured};

impl Said<'_> {
    /// Writes tools and their choice; true when the model is forced to call one. `structured_tool` stands in for a schema.
    pub(super) fn tools(
        &mut self,
        body: &mut Obj,
        request: &Request,
        structured_tool: Option<&str>,
    ) -> Result<bool, EncodeError> {
        let mut list = Arr::new();
        // Where tools are forbidden, a call that is forced for its schema must find no other.
        let forbidden = structured_tool.is_some() && request.tool_choice == ToolChoice::None;
        let offered = if forbidden { Vec::new() } else { self.offered(request) };
        for tool in offered {
            match &tool.kind {
                ToolKind::Hosted { origin: Format::BedrockConverse, json } => list.push(json),
                ToolKind::Hosted { .. } => {
                    self.changes.dropped(format!("tools.{}", tool.name), "this tool is run by another provider");
                }
                _ => list.push(&self.specification(tool)),
            }
            let mark = tool.cache.as_deref();
            if mark.is_some() && self.maker.takes_marks() && !self.maker.takes_all_marks() {
                self.changes.dropped("tools.cache_control", "this model takes no marks behind tools");
            } else if let Some(point) = mark.and_then(|mark| self.cache_point(mark)) {
                list.push(&point);
            }
        }
        let other_tools = !list.is_empty();
        if let (Some(name), Output::JsonSchema { description, schema, .. }) = (structured_tool, &request.output) {
            let description = description.as_deref().unwrap_or("Gives the final answer in the form that is wanted.");
            list.push(&specification(name, Some(description), &object_schema(schema), None));
            self.changes.changed("response_format", "the schema became a tool that the model has to call");
        }
        if list.is_empty() && request.tool_choice != ToolChoice::None {
            self.changes.no_choice(request);
        }
        if list.is_empty() {
            for name in called(request) {
                self.changes
                    .changed("tools", "the API wants tools beside earlier calls of them; their names stand there");
                list.push(&specification(name, None, EMPTY_SCHEMA, None));
            }
            if !list.is_empty() {
                body.raw("toolConfig", &Obj::new().raw("tools", &list.end()).end());
            }
            return Ok(false);
        }
        let choice = self.choice(request, structured_tool, other_tools)?;
        let mut config = Obj::new();
        config.raw("tools", &list.end()).opt_raw("toolChoice", choice.as_deref());
        body.raw("toolConfig", &config.end());
        Ok(choice.is_some_and(|choice| choice != AUTO))
    }

    /// The tools that the model may call, as far as the API can say that.
    fn offered<'r>(&mut self, request: &'r Request) -> Vec<&'r Tool> {
        let all = || request.tools.iter();
        match &request.tool_choice {
            ToolChoice::None if request.tools.is_empty() => Vec::new(),
            ToolChoice::None if called(request).next().is_some() => {
                self.changes.changed("tool_choice", "the API cannot forbid tools; the model decides");
                all().collect()
            }
            ToolChoice::None => {
                self.changes.changed("tool_choice", "the API cannot forbid tools, so none are offered");
                Vec::new()
            }
            ToolChoice::Allowed { names, .. } => {
                let allowed: Vec<&Tool> = all().filter(|tool| names.contains(&tool.name)).collect();
                if allowed.len() < request.tools.len() {
                    self.changes.changed("tool_choice", "tools that are not allowed were left out");
                }
                allowed
            }
            ToolChoice::Named(name) if self.forces() && !self.maker.takes_named_tool() => {
                if request.tools.len() > 1 {
                    self.changes.changed("tool_choice", "the model is forced to the one tool that is offered");
                }
                all().filter(|tool| tool.name == *name).collect()
            }
            _ => all().collect(),
        }
    }

    /// Some tool can be forced.
    fn forces(&self) -> bool {
        self.options.forced_tool_choice && self.maker.takes_any()
    }

    fn choice(
        &mut self,
        request: &Request,
        structured_tool: Option<&str>,
        other_tools: bool,
    ) -> Result<Option<String>, EncodeError> {
        let named = |name: &str| Some(Obj::new().raw("tool", &Obj::new().str("name", name).end()).end());
        let any = || Some(ANY.to_owned());
        if let Some(name) = structured_tool {
            if !self.forces() {
                return Err(EncodeError::new(
                    "response_format",
                    "the model can neither be held to a schema nor forced to call a tool that has it",
                ));
            }
            return Ok(if other_tools || !self.maker.takes_named_tool() { any() } else { named(name) });
        }
        Ok(match &request.tool_choice {
            ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. }
                if !self.forces() =>
            {
                self.changes.changed("tool_choice", "the model cannot be forced to call a tool; it decides");
                Some(AUTO.to_owned())
            }
            ToolChoice::Named(name) if self.maker.takes_named_tool() => named(name),
            ToolChoice::Named(_) | ToolChoice::Required | ToolChoice::Allowed { required: true, .. } => any(),
            ToolChoice::Auto | ToolChoice::Allowed { required: false, .. } => Some(AUTO.to_owned()),
            ToolChoice::Unset | ToolChoice::None => None,
        })
    }

    fn specification(&mut self, tool: &Tool) -> String {
        let (schema, strict) = match &tool.kind {
            ToolKind::Function { parameters, strict } => (parameters.as_deref().unwrap_or(EMPTY_SCHEMA), *strict),
            ToolKind::Custom { .. } | ToolKind::Hosted { .. } => {
                self.changes.changed(format!("tools.{}", tool.name), "free text became one string argument");
                (FREE_TEXT_SCHEMA, None)
            }
        };
        let held = self.options.structured == Structured::Native && self.maker.takes_schema();
        if strict == Some(true) && !held {
            self.changes.dropped("tools.strict", "the model cannot be held to a tool's schema");
        }
        let strict = strict.filter(|strict| *strict && held);
        specification(&tool.name, tool.description.as_deref(), &object_schema(schema), strict)
    }
}

const AUTO: &str = r#"{"auto":{}}"#;
const ANY: &str = r#"{"any":{}}"#;

fn specification(name: &str, description: Option<&str>, schema: &str, strict: Option<bool>) -> String {
    let mut inner = Obj::new();
    inner.str("name", name).opt_str("description", description.filter(|text| !text.is_empty()));
    inner.raw("inputSchema", &Obj::new().raw("json", schema).end());
    if let Some(strict) = strict {
        inner.bool("strict", strict);
    }
    Obj::new().raw("toolSpec", &inner.end()).end()
}

/// Tools that were called in the conversation, each once.
fn called(request: &Request) -> impl Iterator<Item = &str> {
    let mut names: Vec<&str> = Vec::new();
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        if let Content::ToolCall { name, .. } = &part.content
            && !names.contains(&name.as_str())
        {
            names.push(name);
        }
    }
    names.into_iter()
}
