//! Tools of a neutral request, as Chat Completions has them.

use crate::ids::FREE_TEXT_SCHEMA;
use crate::neutral::{Request, Tool, ToolChoice, ToolKind};
use crate::options::Changes;
use crate::write::{Arr, Obj, quoted};
use crate::{EncodeOptions, Format};

/// Writes the tools and which of them is to be called.
pub(super) fn tools(body: &mut Obj, request: &Request, options: &EncodeOptions, changes: &mut Changes) {
    let mut list = Arr::new();
    for tool in &request.tools {
        if tool.cache.is_some() && !options.cache_marks {
            changes.dropped("cache_control", "the target caches by itself or not at all");
        }
        match &tool.kind {
            ToolKind::Hosted { origin: Format::OpenaiChat, json } => list.push(json),
            ToolKind::Hosted { .. } => {
                changes.dropped(format!("tools.{}", tool.name), "this tool is run by another provider");
            }
            _ => list.push(&self::tool(tool, options, changes)),
        }
    }
    if list.is_empty() {
        changes.no_choice(request);
        return;
    }
    body.raw("tools", &list.end());
    if let Some(parallel) = request.parallel_tool_calls {
        body.bool("parallel_tool_calls", parallel);
    }
    let named = |name: &str| {
        let custom = options.custom_tools
            && request.tools.iter().any(|tool| tool.name == name && matches!(tool.kind, ToolKind::Custom { .. }));
        let kind = if custom { "custom" } else { "function" };
        Obj::new().str("type", kind).raw(kind, &Obj::new().str("name", name).end()).end()
    };
    let forced = match &request.tool_choice {
        ToolChoice::Unset => return,
        ToolChoice::Auto => {
            body.str("tool_choice", "auto");
            return;
        }
        ToolChoice::None => {
            body.str("tool_choice", "none");
            return;
        }
        ToolChoice::Allowed { names, required } => {
            let tools = Arr::of(names.iter().map(|name| named(name)));
            let mode = if *required { "required" } else { "auto" };
            let allowed = Obj::new().str("mode", mode).raw("tools", &tools).end();
            Obj::new().str("type", "allowed_tools").raw("allowed_tools", &allowed).end()
        }
        ToolChoice::Required => quoted("required"),
        ToolChoice::Named(name) => named(name),
    };
    if options.forced_tool_choice {
        body.raw("tool_choice", &forced);
    } else {
        body.str("tool_choice", "auto");
        changes.changed("tool_choice", "the model cannot be forced to call a tool; it decides");
    }
}

fn tool(tool: &Tool, options: &EncodeOptions, changes: &mut Changes) -> String {
    let mut inner = Obj::new();
    inner.str("name", &tool.name).opt_str("description", tool.description.as_deref());
    let kind = match &tool.kind {
        ToolKind::Custom { .. } if !options.custom_tools => {
            changes.changed(format!("tools.{}", tool.name), "free text became one string argument");
            inner.raw("parameters", FREE_TEXT_SCHEMA);
            "function"
        }
        ToolKind::Custom { format } => {
            inner.opt_raw("format", format.as_deref());
            "custom"
        }
        ToolKind::Function { parameters, strict } => {
            inner.opt_raw("parameters", parameters.as_deref());
            if let Some(strict) = strict {
                inner.bool("strict", *strict);
            }
            "function"
        }
        ToolKind::Hosted { .. } => "function",
    };
    let mut outer = Obj::new();
    outer.str("type", kind).raw(kind, &inner.end());
    if options.cache_marks {
        outer.opt_raw("cache_control", tool.cache.as_deref());
    }
    outer.end()
}
