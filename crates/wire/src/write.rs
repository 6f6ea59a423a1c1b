//! Writes JSON text, with pieces that are JSON text already.

/// An object being written.
pub(crate) struct Obj(String);

/// An array being written.
pub(crate) struct Arr(String);

impl Obj {
    pub(crate) fn new() -> Self {
        Self("{".to_owned())
    }

    /// Goes on with an object that lacks its closing brace.
    pub(crate) const fn resume(text: String) -> Self {
        Self(text)
    }

    /// A field whose value is JSON text.
    pub(crate) fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        quote(&mut self.0, name);
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    pub(crate) fn str(&mut self, name: &str, value: &str) -> &mut Self {
        self.raw(name, "");
        quote(&mut self.0, value);
        self
    }

    pub(crate) fn num(&mut self, name: &str, value: impl Into<i128>) -> &mut Self {
        let value: i128 = value.into();
        self.raw(name, &value.to_string())
    }

    pub(crate) fn float(&mut self, name: &str, value: f64) -> &mut Self {
        self.raw(name, &serde_json::Value::from(value).to_string())
    }

    pub(crate) fn bool(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    pub(crate) fn null(&mut self, name: &str) -> &mut Self {
        self.raw(name, "null")
    }

    pub(crate) fn opt_str(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.str(name, value);
        }
        self
    }

    /// `metadata`: what the client noted down, where it did.
    pub(crate) fn metadata(&mut self, pairs: &[(String, String)]) -> &mut Self {
        if pairs.is_empty() {
            return self;
        }
        let mut object = Self::new();
        for (key, value) in pairs {
            object.str(key, value);
        }
        self.raw("metadata", &object.end())
    }

    /// The string, or null.
    pub(crate) fn str_or_null(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.str(name, value),
            None => self.null(name),
        }
    }

    pub(crate) fn opt_raw(&mut self, name: &str, json: Option<&str>) -> &mut Self {
        if let Some(json) = json {
            self.raw(name, json);
        }
        self
    }

    pub(crate) fn all_raw<'f>(&mut self, fields: impl IntoIterator<Item = &'f (String, String)>) {
        for (name, json) in fields {
            self.raw(name, json);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    /// Both objects' fields as one object.
    pub(crate) fn join(&mut self, other: &mut Self) -> String {
        if !self.is_empty() && !other.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&other.0[1..]);
        self.end()
    }

    pub(crate) fn end(&mut self) -> String {
        let mut text = std::mem::take(&mut self.0);
        text.push('}');
        text
    }
}

impl Arr {
    pub(crate) fn new() -> Self {
        Self("[".to_owned())
    }

    pub(crate) fn push(&mut self, json: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(json);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    pub(crate) fn end(&mut self) -> String {
        let mut text = std::mem::take(&mut self.0);
        text.push(']');
        text
    }

    pub(crate) fn of(items: impl IntoIterator<Item = String>) -> String {
        let mut array = Self::new();
        for item in items {
            array.push(&item);
        }
        array.end()
    }

    pub(crate) fn of_strings<'s>(items: impl IntoIterator<Item = &'s String>) -> String {
        Self::of(items.into_iter().map(|item| quoted(item)))
    }
}

/// JSON text of a string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote(&mut out, text);
    out
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(key in any::<String>(), value in any::<String>(), number: i64) {
            let text = Obj::new().str(&key, &value).num("n", number).raw("a", &Arr::of([quoted(&value)])).end();
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assume!(key != "n" && key != "a");
            prop_assert_eq!(read, serde_json::json!({key: value, "n": number, "a": [value]}));
        }
    }
}
