//! The form that an answer has to have, and whether one has it: JSON by its schema, tools called as they are declared, all of
//! it there. What an answer is worth is for others to say.

use crate::neutral::{Answer, Choice, Content, Finish, Output, Request, ToolChoice, ToolKind};
use serde_json::Value;
use std::cell::Cell;

/// What a request wants of the form of its answer.
#[derive(Clone, Debug, Default)]
pub struct Form {
    json: Option<Wanted>,
    tools: Vec<(String, Arguments)>,
    /// Some tools are run by the provider: their names and arguments are its own business.
    is_hosted: bool,
    /// A tool has to be called.
    must_call: bool,
    max_output_tokens: Option<u32>,
}

/// JSON as the answer.
#[derive(Clone, Debug)]
enum Wanted {
    Object,
    /// A schema that cannot be read asks for nothing.
    Schema(Value),
}

/// What a tool is called with.
#[derive(Clone, Debug)]
enum Arguments {
    Json(Option<Value>),
    Text,
}

impl Form {
    /// The form that this request asks for.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let read = |json: &str| serde_json::from_str(json).ok();
        let json = match &request.output {
            Output::Text => None,
            Output::JsonObject => Some(Wanted::Object),
            Output::JsonSchema { schema, .. } => Some(Wanted::Schema(read(schema).unwrap_or_default())),
        };
        let mut form = Self {
            json,
            must_call: matches!(
                request.tool_choice,
                ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. }
            ),
            max_output_tokens: request.max_output_tokens,
            ..Self::default()
        };
        for tool in &request.tools {
            let arguments = match &tool.kind {
                ToolKind::Function { parameters, .. } => Arguments::Json(parameters.as_deref().and_then(read)),
                ToolKind::Custom { .. } => Arguments::Text,
                ToolKind::Hosted { .. } => {
                    form.is_hosted = true;
                    continue;
                }
            };
            form.tools.push((tool.name.clone(), arguments));
        }
        form
    }

    /// JSON is wanted.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json.is_some()
    }

    /// The text of an answer has the form. Free text always has.
    #[must_use]
    pub fn text_fits(&self, text: &str) -> bool {
        let Some(wanted) = &self.json else { return true };
        let Ok(value) = serde_json::from_str::<Value>(text.trim()) else { return false };
        match wanted {
            Wanted::Object => value.is_object(),
            Wanted::Schema(schema) => Schema::new(schema).fits(&value),
        }
    }

    /// A tool is called as it was declared. No arguments at all stand for an empty object.
    #[must_use]
    pub fn call_fits(&self, name: &str, arguments: &str) -> bool {
        let Some((_, declared)) = self.tools.iter().find(|(tool, _)| tool == name) else { return self.is_hosted };
        let Arguments::Json(schema) = declared else { return true };
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        let Ok(value) = serde_json::from_str::<Value>(arguments) else { return false };
        schema.as_ref().is_none_or(|schema| Schema::new(schema).fits(&value))
    }

    /// The answer verifiably does not do: nothing in it, refused, cut off, no JSON or another than the schema's, a tool
    /// called with what it does not take or not called at all. Cut at the very bound that the request set is as it wanted.
    #[must_use]
    pub fn is_broken(&self, answer: &Answer) -> bool {
        let spent = answer.usage.map(|usage| usage.output_tokens);
        let bound = self.max_output_tokens.map(u64::from);
        let at_bound = bound.is_some_and(|bound| spent.is_none_or(|spent| spent >= bound));
        answer.choices.is_empty() || answer.choices.iter().any(|choice| self.is_choice_broken(choice, at_bound))
    }

    fn is_choice_broken(&self, choice: &Choice, at_bound: bool) -> bool {
        match &choice.finish {
            // In the background: it is not there yet.
            Finish::Failed(why) if matches!(why.as_str(), "queued" | "in_progress") => return false,
            Finish::ContentFilter | Finish::ContextFull | Finish::Failed(_) => return true,
            Finish::Length => return !at_bound,
            Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls | Finish::Pause => {}
        }
        let (mut text, mut called, mut other) = (String::new(), false, false);
        for part in &choice.parts {
            match &part.content {
                Content::Text { text: more, .. } => text.push_str(more),
                Content::ToolCall { name, arguments, .. } => {
                    called = true;
                    if !self.call_fits(name, arguments) {
                        return true;
                    }
                }
                Content::Refusal(_) => return true,
                Content::Reasoning { .. } => {}
                _ => other = true,
            }
        }
        if called || other {
            return false;
        }
        self.must_call || text.trim().is_empty() || !self.text_fits(&text)
    }
}

/// How deep schemas are followed, and in how many steps; a schema that refers to itself needs neither to come to an end.
const DEEPEST: u32 = 64;
const MOST_STEPS: u32 = 20_000;

/// Holds values against a JSON schema, as far as structured output knows it: types, properties, required ones, no others,
/// items, enum, const, references within the schema. What else a schema says, what lies too deep and what takes too long is
/// left to the judge: it counts as followed.
struct Schema<'a> {
    root: &'a Value,
    steps: Cell<u32>,
}

impl<'a> Schema<'a> {
    const fn new(root: &'a Value) -> Self {
        Self { root, steps: Cell::new(0) }
    }

    fn fits(&self, value: &Value) -> bool {
        self.part_fits(value, self.root, 0)
    }

    fn part_fits(&self, value: &Value, schema: &Value, depth: u32) -> bool {
        self.steps.set(self.steps.get() + 1);
        if depth > DEEPEST || self.steps.get() > MOST_STEPS {
            return true;
        }
        let deeper = |value: &Value, schema: &Value| self.part_fits(value, schema, depth + 1);
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix('#').and_then(|path| self.root.pointer(path));
            return target.is_none_or(|target| deeper(value, target));
        }
        if let Some(any) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            return any.iter().any(|one| deeper(value, one));
        }
        let items = schema.get("items").zip(value.as_array());
        is_listed(value, schema)
            && is_typed(value, schema)
            && object_fits(value, schema, deeper)
            && items.is_none_or(|(of, all)| all.iter().all(|one| deeper(one, of)))
    }
}

fn is_listed(value: &Value, schema: &Value) -> bool {
    let listed = schema.get("enum").and_then(Value::as_array);
    listed.is_none_or(|known| known.iter().any(|one| same(one, value)))
        && schema.get("const").is_none_or(|only| same(only, value))
}

/// 1 and 1.0 are one number in JSON.
fn same(left: &Value, right: &Value) -> bool {
    left == right || left.as_f64().is_some_and(|left| Some(left) == right.as_f64())
}

fn is_typed(value: &Value, schema: &Value) -> bool {
    let of_type = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => true,
    };
    match schema.get("type") {
        Some(Value::Array(names)) => names.iter().any(of_type),
        Some(name) => of_type(name),
        None => true,
    }
}

fn object_fits(value: &Value, schema: &Value, fits: impl Fn(&Value, &Value) -> bool) -> bool {
    let Some(object) = value.as_object() else { return true };
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let properties = schema.get("properties").and_then(Value::as_object);
    let closed =
        schema.get("additionalProperties") == Some(&Value::Bool(false)) && schema.get("patternProperties").is_none();
    let known = |name: &str| properties.and_then(|properties| properties.get(name));
    required.into_iter().all(|name| object.contains_key(name))
        && object.iter().all(|(name, value)| known(name).map_or(!closed, |schema| fits(value, schema)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splice::Fields;
    use crate::{Context, Format, decode_answer, decode_request};
    use serde_json::json;

    /// Whether a Chat answer with this message and finish is broken for a request with these fields.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "cases read better without a borrow")]
    fn check(asked: Value, message: Value, finish: &str, want: bool) {
        let mut request = json!({"model": "auto", "messages": [{"role": "user", "content": "x"}]});
        request.as_object_mut().unwrap().extend(asked.as_object().unwrap().clone());
        let request = request.to_string();
        let request = decode_request(Format::OpenaiChat, &Fields::parse(request.as_bytes()).unwrap()).unwrap();
        let answer = json!({"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 9}});
        let answer = decode_answer(Format::OpenaiChat, answer.to_string().as_bytes(), &Context::default()).unwrap();
        assert_eq!(Form::of(&request).is_broken(&answer), want, "{asked} {message} {finish}");
    }

    fn said(text: &str) -> Value {
        json!({"role": "assistant", "content": text})
    }

    fn called(name: &str, arguments: &str) -> Value {
        let call = json!([{"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}]);
        json!({"role": "assistant", "content": null, "tool_calls": call})
    }

    #[test]
    fn an_answer_is_there_and_whole() {
        let any = || json!({});
        check(any(), said("no idea"), "stop", false);
        check(any(), said("  "), "stop", true);
        check(any(), json!({"role": "assistant", "content": null, "refusal": "I will not"}), "stop", true);
        check(any(), said("I"), "content_filter", true);
        check(any(), said("I beg"), "length", true);
        check(json!({"max_tokens": 100}), said("I beg"), "length", true);
        check(json!({"max_tokens": 9}), said("I beg"), "length", false);
    }

    #[test]
    fn json_follows_what_was_asked() {
        let object = || json!({"response_format": {"type": "json_object"}});
        check(object(), said(r#"{"a":1}"#), "stop", false);
        check(object(), said("[1]"), "stop", true);
        check(object(), said(r#"Sure! {"a":1}"#), "stop", true);
        check(object(), said(r#"{"a":"#), "length", true);
        let schema = json!({"type": "object", "required": ["z"], "properties": {"z": {"type": "integer"}}});
        let by_schema =
            || json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}});
        check(by_schema(), said(r#"{"z":1}"#), "stop", false);
        check(by_schema(), said(r#"{"q":1}"#), "stop", true);
        check(by_schema(), said(r#"{"z":"one"}"#), "stop", true);
    }

    #[test]
    fn tools_are_called_as_declared() {
        let parameters = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}});
        let tools = json!([{"type": "function", "function": {"name": "f", "parameters": parameters}}]);
        let with = |choice: &str| json!({"tools": tools, "tool_choice": choice});
        check(with("auto"), called("f", r#"{"a":1}"#), "tool_calls", false);
        check(with("auto"), called("f", r#"{"b":1}"#), "tool_calls", true);
        check(with("auto"), called("f", r#"{"a":"#), "tool_calls", true);
        check(with("auto"), called("f", ""), "tool_calls", true);
        check(with("auto"), called("g", "{}"), "tool_calls", true);
        let open = json!({"type": "object", "patternProperties": {"^x": {}}, "additionalProperties": false, "properties": {"n": {"enum": [1]}}});
        let odd = json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": open}}]});
        check(odd, called("f", r#"{"x1":2,"n":1.0}"#), "tool_calls", false);
        check(with("auto"), said("I need no tool"), "stop", false);
        check(with("required"), said("I need no tool"), "stop", true);
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "cases read better without a borrow")]
    fn check_schema(schema: Value, value: Value, want: bool) {
        assert_eq!(Schema::new(&schema).fits(&value), want, "{schema} {value}");
    }

    #[test]
    fn a_schema_that_refers_to_itself_comes_to_an_end() {
        check_schema(json!({"anyOf": [{"$ref": "#"}]}), json!({}), true);
        check_schema(json!({"$ref": "#"}), json!({}), true);
        let pair = json!({"$ref": "#/$defs/a", "$defs": {
            "a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"oneOf": [{"$ref": "#/$defs/a"}]}}});
        check_schema(pair, json!([1]), true);
        // One that refers to itself for what is inside of a value, as lists and trees do.
        let tree = json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["n"],
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}}});
        check_schema(tree.clone(), json!({"n": 1, "next": {"n": 2, "next": null}}), true);
        check_schema(tree, json!({"n": 1, "next": {"next": null}}), false);
        // Two ways at each of forty levels, none of which fits: 2^40 ways.
        let mut levels = serde_json::Map::new();
        for level in 0..40 {
            let next = json!({"$ref": format!("#/$defs/{}", level + 1)});
            levels.insert(level.to_string(), json!({"anyOf": [next.clone(), next]}));
        }
        levels.insert("40".into(), json!({"type": "string"}));
        check_schema(json!({"$ref": "#/$defs/0", "$defs": levels}), json!(1), true);
    }
}
