//! What can be decided about two answers without a judge: form, tool calls, short exact answers.
//!
//! A check decides only where there is nothing to argue about; everything else goes to the judge.

use super::answers::Said;
use serde_json::Value;
use std::cell::Cell;
use tierway_decide::quality::Preference;
use tierway_wire::OutputForm;

/// Answers up to this length may be compared letter by letter, as numbers or single words are.
const SHORT: usize = 80;

/// What the form of an answer has to be.
pub(crate) struct Wanted {
    pub(crate) output: OutputForm,
    pub(crate) schema: Option<Value>,
    /// Names of the tools on offer.
    pub(crate) tools: Vec<String>,
}

/// The verdict, and how it was reached; none where only a judge can tell.
pub(crate) fn check(wanted: &Wanted, cheap: &Said, baseline: &Said) -> Option<(Preference, &'static str)> {
    let by_form = |good: fn(&Wanted, &Said) -> bool, why| match (good(wanted, cheap), good(wanted, baseline)) {
        (true, false) => Some((Preference::Cheap, why)),
        (false, true) => Some((Preference::Baseline, why)),
        _ => None,
    };
    by_form(|_, said| !said.is_empty(), "only one of both is an answer")
        .or_else(|| by_form(calls_are_good, "only one of both calls tools as they are declared"))
        .or_else(|| by_form(form_is_good, "only one of both has the form that was asked for"))
        .or_else(|| same(wanted, cheap, baseline))
}

fn calls_are_good(wanted: &Wanted, said: &Said) -> bool {
    let good = |(name, arguments): &(String, String)| {
        wanted.tools.contains(name) && (arguments.is_empty() || serde_json::from_str::<Value>(arguments).is_ok())
    };
    said.calls.iter().all(good)
}

fn form_is_good(wanted: &Wanted, said: &Said) -> bool {
    if !said.calls.is_empty() || wanted.output == OutputForm::Text {
        return true;
    }
    let Ok(value) = serde_json::from_str::<Value>(said.text.trim()) else { return false };
    value.is_object() && wanted.schema.as_ref().is_none_or(|schema| Schema::new(schema).fits(&value))
}

fn same(wanted: &Wanted, cheap: &Said, baseline: &Said) -> Option<(Preference, &'static str)> {
    let value = |text: &str| serde_json::from_str::<Value>(text.trim()).ok();
    if !cheap.calls.is_empty() || !baseline.calls.is_empty() {
        let calls = |said: &Said| -> Vec<_> {
            let mut calls: Vec<_> = said
                .calls
                .iter()
                .map(|(name, arguments)| (name.clone(), value(arguments).map(|v| v.to_string())))
                .collect();
            calls.sort();
            calls
        };
        return (calls(cheap) == calls(baseline)).then_some((Preference::Tie, "both make the same tool calls"));
    }
    if wanted.output != OutputForm::Text {
        return (value(&cheap.text) == value(&baseline.text)).then_some((Preference::Tie, "both give the same JSON"));
    }
    let short = cheap.text.len() <= SHORT && baseline.text.len() <= SHORT;
    let alike = short && plain(&cheap.text) == plain(&baseline.text) && !plain(&cheap.text).is_empty();
    (alike).then_some((Preference::Tie, "both give the same short answer"))
}

/// Words and numbers without what does not matter: case, punctuation around words, thousands separators, nought after a
/// decimal point.
fn plain(text: &str) -> String {
    let word = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '-' && c != '%').to_lowercase();
        match word.replace(',', "").parse::<f64>() {
            Ok(number) if number.is_finite() => number.to_string(),
            _ => word,
        }
    };
    text.split_whitespace().map(word).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
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
    listed.is_none_or(|known| known.contains(value)) && schema.get("const").is_none_or(|only| only == value)
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
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    let known = |name: &str| properties.and_then(|properties| properties.get(name));
    required.into_iter().all(|name| object.contains_key(name))
        && object.iter().all(|(name, value)| known(name).map_or(!closed, |schema| fits(value, schema)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Preference::{Baseline, Cheap, Tie};
    use serde_json::json;

    fn said(text: &str) -> Said {
        Said { text: text.into(), calls: Vec::new() }
    }

    fn called(name: &str, arguments: &str) -> Said {
        Said { text: String::new(), calls: vec![(name.into(), arguments.into())] }
    }

    #[track_caller]
    fn check_text(cheap: &str, baseline: &str, want: Option<Preference>) {
        let wanted = Wanted { output: OutputForm::Text, schema: None, tools: Vec::new() };
        assert_eq!(check(&wanted, &said(cheap), &said(baseline)).map(|(word, _)| word), want, "{cheap:?} {baseline:?}");
    }

    #[test]
    fn short_answers_are_compared_as_people_would() {
        check_text("Lima.", "lima", Some(Tie));
        check_text("1,200.0", "1200", Some(Tie));
        check_text("42", "41", None);
        check_text("-5", "5", None);
        check_text("", "yes", Some(Baseline));
        check_text("yes", " ", Some(Cheap));
        check_text("", "", None);
        check_text(&"long ".repeat(40), &"long ".repeat(40), None);
    }

    #[track_caller]
    fn check_json(cheap: &str, baseline: &str, want: Option<Preference>) {
        let schema = json!({"type": "object", "required": ["n"], "additionalProperties": false, "$defs": {
            "kind": {"enum": ["a", "b"]}}, "properties": {"n": {"type": "integer"}, "kinds": {"type": ["array", "null"],
            "items": {"$ref": "#/$defs/kind"}}, "x": {"anyOf": [{"const": 1}, {"type": "string"}]}}});
        let wanted = Wanted { output: OutputForm::JsonSchema, schema: Some(schema), tools: Vec::new() };
        assert_eq!(check(&wanted, &said(cheap), &said(baseline)).map(|(word, _)| word), want, "{cheap} {baseline}");
    }

    #[test]
    fn json_has_to_follow_its_schema() {
        let good = r#"{"n": 1}"#;
        check_json(good, r#"{ "n":1 }"#, Some(Tie));
        check_json(good, r#"{"n": 2}"#, None);
        for bad in [
            "no",
            r#"[1]"#,
            r#"{"n": 1.5}"#,
            r#"{}"#,
            r#"{"n": 1, "more": 2}"#,
            r#"{"n": 1, "kinds": ["c"]}"#,
            r#"{"n": 1, "x": 2}"#,
        ] {
            check_json(bad, good, Some(Baseline));
            check_json(good, bad, Some(Cheap));
        }
        check_json(r#"{"n": 1, "kinds": ["a"], "x": "y"}"#, r#"{"n": 1, "kinds": null, "x": 1}"#, None);
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

    #[test]
    fn tool_calls_are_the_same_or_wrong_or_for_a_judge() {
        let wanted = Wanted { output: OutputForm::Text, schema: None, tools: vec!["find".into()] };
        let of = |cheap: &Said, baseline: &Said| check(&wanted, cheap, baseline).map(|(word, _)| word);
        assert_eq!(of(&called("find", r#"{"q": 1}"#), &called("find", r#"{"q":1}"#)), Some(Tie));
        assert_eq!(of(&called("find", r#"{"q": 1}"#), &called("find", r#"{"q": 2}"#)), None);
        assert_eq!(of(&called("find", r#"{"q": "#), &called("find", r#"{"q": 2}"#)), Some(Baseline));
        assert_eq!(of(&called("seek", "{}"), &called("find", "{}")), Some(Baseline));
        assert_eq!(of(&called("find", "{}"), &said("I do not know")), None);
    }
}
