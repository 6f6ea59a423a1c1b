//! Changes a few top-level fields of a JSON object and leaves every other byte as it came.
//!
//! Order of keys steers models, integers above 2^53 and `1.0` must survive: so a body is never rebuilt from a map.

use crate::DecodeError;
use crate::json::twice;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A JSON object as its top-level fields, each value still the text it was.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    text: &'a str,
    fields: Vec<(Cow<'a, str>, &'a str)>,
}

/// One change to a top-level field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit<'e> {
    /// Replaces the value, or appends the field when it is missing. The value is JSON text.
    Set(&'e str, Cow<'e, str>),
    /// Takes the field out; nothing happens when it is missing.
    Remove(&'e str),
    /// Gives the field another name and keeps its place and value.
    Rename(&'e str, &'e str),
}

impl<'a> Fields<'a> {
    /// Reads the top level of an object.
    ///
    /// # Errors
    /// When the text is no UTF-8, no JSON, no object, or names a field twice (parsers disagree on which one counts).
    pub fn parse(body: &'a [u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(body).map_err(|error| {
            DecodeError::body(format!("the body is not valid UTF-8 (byte {})", error.valid_up_to()))
        })?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let fields = deserializer
            .deserialize_map(FieldsVisitor)
            .and_then(|fields| deserializer.end().map(|()| fields))
            .map_err(|error| DecodeError::body(format!("the body is not a JSON object: {error}")))?;
        if let Some(name) = twice(&fields) {
            return Err(DecodeError::field(name, format!("the field `{name}` is given twice")));
        }
        Ok(Self { text, fields })
    }

    /// The JSON text of a field's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// Names and values in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (&Cow<'a, str>, &'a str)> {
        self.fields.iter().map(|(name, value)| (name, *value))
    }

    /// The object with the edits made. Each field may be edited once.
    #[must_use]
    pub fn apply(&self, edits: &[Edit<'_>]) -> Vec<u8> {
        let grown: usize = edits
            .iter()
            .map(|edit| match edit {
                Edit::Set(name, value) => name.len() + value.len() + 4,
                Edit::Rename(_, to) => to.len(),
                Edit::Remove(_) => 0,
            })
            .sum();
        let mut out = Vec::with_capacity(self.text.len() + grown);
        let open = self.text.find('{').map_or(0, |at| at + 1);
        out.extend_from_slice(&self.text.as_bytes()[..open]);
        // `from`: first byte not yet dealt with; `first`: nothing written so far.
        let (mut from, mut first) = (open, true);
        for (at, (name, value)) in self.fields.iter().enumerate() {
            let start = value.as_ptr() as usize - self.text.as_ptr() as usize;
            let end = start + value.len();
            // What stands before the value: a comma (if not the first), white space, the key, a colon.
            let mut lead = &self.text[from..start];
            if first && at > 0 {
                lead = lead.trim_start().trim_start_matches(',');
            }
            from = end;
            let edit = edits.iter().find(|edit| edit.name() == name);
            let value = match edit {
                Some(Edit::Remove(_)) => continue,
                Some(Edit::Set(_, new)) => new,
                Some(Edit::Rename(..)) | None => *value,
            };
            if let Some(Edit::Rename(_, to)) = edit {
                out.extend_from_slice(&lead.as_bytes()[..lead.find('"').unwrap_or(0)]);
                push_key(&mut out, to);
            } else {
                out.extend_from_slice(lead.as_bytes());
            }
            out.extend_from_slice(value.as_bytes());
            first = false;
        }
        for edit in edits {
            if let Edit::Set(name, value) = edit
                && self.get(name).is_none()
            {
                if !first {
                    out.push(b',');
                }
                first = false;
                push_key(&mut out, name);
                out.extend_from_slice(value.as_bytes());
            }
        }
        out.extend_from_slice(&self.text.as_bytes()[from..]);
        out
    }
}

impl Edit<'_> {
    const fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Remove(name) | Self::Rename(name, _) => name,
        }
    }
}

/// Field names that we write are plain identifiers and need no escapes.
fn push_key(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::with_capacity(16);
        while let Some(key) = map.next_key::<Key<'de>>()? {
            fields.push((key.0, map.next_value::<&'de RawValue>()?.get()));
        }
        Ok(fields)
    }
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, edits: &[Edit<'_>], want: &str) {
        let fields = Fields::parse(body.as_bytes()).unwrap();
        let out = String::from_utf8(fields.apply(edits)).unwrap();
        assert_eq!(out, want);
        serde_json::from_str::<serde_json::Value>(&out).expect("still JSON");
    }

    #[test]
    fn untouched_bytes_stay_as_they_came() {
        let body = "{ \"seed\": 9007199254740993 ,\n \"t\":1.0, \"model\" : \"a\" }\n";
        check(body, &[], body);
        check(body, &[Edit::Set("model", "\"b\"".into())], &body.replace("\"a\"", "\"b\""));
    }

    #[test]
    fn fields_are_removed_renamed_and_appended_anywhere() {
        check(r#"{"a":1,"b":2,"c":3}"#, &[Edit::Remove("a")], r#"{"b":2,"c":3}"#);
        check(r#"{"a":1,"b":2,"c":3}"#, &[Edit::Remove("c"), Edit::Remove("b")], r#"{"a":1}"#);
        check(r#"{"a":1,"b":[",",{"a":0}]}"#, &[Edit::Rename("b", "d")], r#"{"a":1,"d":[",",{"a":0}]}"#);
        check("{}", &[Edit::Set("a", "1".into())], r#"{"a":1}"#);
        check(r#"{"a":1}"#, &[Edit::Remove("a"), Edit::Set("b", "{}".into())], r#"{"b":{}}"#);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in ["", "[]", "{", "{\"a\":1,\"a\":2}", "{} x", "nul", "{\"a\":01}"] {
            assert!(Fields::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Fields::parse(b"{\"a\":\"\xff\"}").is_err());
        let flood: String = (0..200_000).map(|name| format!("\"{}\":0,", name % 199_999)).collect();
        let error = Fields::parse(format!("{{{}}}", flood.trim_end_matches(',')).as_bytes()).unwrap_err();
        assert_eq!(error.message, "the field `0` is given twice");
    }
}
