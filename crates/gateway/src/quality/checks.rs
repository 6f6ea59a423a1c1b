//! What can be decided about two answers without a judge: form, tool calls, short exact answers.
//!
//! A check decides only where there is nothing to argue about; everything else goes to the judge.

use super::answers::Said;
use serde_json::Value;
use tierway_decide::quality::Preference;
use tierway_wire::Form;

/// Answers up to this length may be compared letter by letter, as numbers or single words are.
const SHORT: usize = 80;

/// The verdict, and how it was reached; none where only a judge can tell.
pub(crate) fn check(wanted: &Form, cheap: &Said, baseline: &Said) -> Option<(Preference, &'static str)> {
    let by_form = |good: fn(&Form, &Said) -> bool, why| match (good(wanted, cheap), good(wanted, baseline)) {
        (true, false) => Some((Preference::Cheap, why)),
        (false, true) => Some((Preference::Baseline, why)),
        _ => None,
    };
    by_form(|_, said| !said.is_empty(), "only one of both is an answer")
        .or_else(|| by_form(calls_are_good, "only one of both calls tools as they are declared"))
        .or_else(|| by_form(form_is_good, "only one of both has the form that was asked for"))
        .or_else(|| same(wanted, cheap, baseline))
}

fn calls_are_good(wanted: &Form, said: &Said) -> bool {
    said.calls.iter().all(|(name, arguments)| wanted.call_fits(name, arguments))
}

fn form_is_good(wanted: &Form, said: &Said) -> bool {
    !said.calls.is_empty() || wanted.text_fits(&said.text)
}

fn same(wanted: &Form, cheap: &Said, baseline: &Said) -> Option<(Preference, &'static str)> {
    let value = |text: &str| serde_json::from_str::<Value>(text.trim()).ok();
    if !cheap.calls.is_empty() || !baseline.calls.is_empty() {
        let call = |(name, arguments): &(String, String)| match arguments.trim() {
            "" => Some((name.clone(), String::new())),
            arguments => Some((name.clone(), value(arguments)?.to_string())),
        };
        // None where some cannot be read: what is no JSON is not the same because other text is none either.
        let calls = |said: &Said| -> Option<Vec<_>> {
            let mut calls: Vec<_> = said.calls.iter().map(call).collect::<Option<_>>()?;
            calls.sort();
            Some(calls)
        };
        let alike = calls(cheap).zip(calls(baseline)).is_some_and(|(cheap, baseline)| cheap == baseline);
        return alike.then_some((Preference::Tie, "both make the same tool calls"));
    }
    if wanted.is_json() {
        let alike = value(&cheap.text).zip(value(&baseline.text)).is_some_and(|(cheap, baseline)| cheap == baseline);
        return alike.then_some((Preference::Tie, "both give the same JSON"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use Preference::{Baseline, Cheap, Tie};
    use serde_json::json;
    use tierway_wire::Format;
    use tierway_wire::splice::Fields;

    /// What a Chat request with these fields wants.
    fn form(fields: &Value) -> Form {
        let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let request = request.to_string();
        let fields = Fields::parse(request.as_bytes()).unwrap();
        Form::of(&tierway_wire::decode_request(Format::OpenaiChat, &fields).unwrap())
    }

    fn said(text: &str) -> Said {
        Said { text: text.into(), calls: Vec::new() }
    }

    fn called(name: &str, arguments: &str) -> Said {
        Said { text: String::new(), calls: vec![(name.into(), arguments.into())] }
    }

    #[track_caller]
    fn check_text(cheap: &str, baseline: &str, want: Option<Preference>) {
        let wanted = Form::default();
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
        let wanted =
            form(&json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}}));
        assert_eq!(check(&wanted, &said(cheap), &said(baseline)).map(|(word, _)| word), want, "{cheap} {baseline}");
    }

    #[test]
    fn json_has_to_follow_its_schema() {
        let good = r#"{"n": 1}"#;
        check_json(good, r#"{ "n":1 }"#, Some(Tie));
        check_json(good, r#"{"n": 2}"#, None);
        check_json("I cannot", "no", None);
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

    #[test]
    fn tool_calls_are_the_same_or_wrong_or_for_a_judge() {
        let wanted = form(&json!({"tools": [{"type": "function", "function": {"name": "find"}}]}));
        let of = |cheap: &Said, baseline: &Said| check(&wanted, cheap, baseline).map(|(word, _)| word);
        assert_eq!(of(&called("find", r#"{"q": 1}"#), &called("find", r#"{"q":1}"#)), Some(Tie));
        assert_eq!(of(&called("find", r#"{"q": 1}"#), &called("find", r#"{"q": 2}"#)), None);
        assert_eq!(of(&called("find", r#"{"q": "#), &called("find", r#"{"q": 2}"#)), Some(Baseline));
        assert_eq!(of(&called("seek", "{}"), &called("find", "{}")), Some(Baseline));
        assert_eq!(of(&called("find", "{}"), &said("I do not know")), None);
        assert_eq!(of(&called("find", r#"{"q": "#), &called("find", "q = 2")), None);
        assert_eq!(of(&called("find", ""), &called("find", "")), Some(Tie));
    }
}
