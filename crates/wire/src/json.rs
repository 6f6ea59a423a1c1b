//! Reads JSON text in place: strings without escapes are borrowed, every value knows the text it was.
//!
//! [`Cursor`] walks bytes for the hot path, [`Node`] is a small tree for decoding. Both read text that something else
//! found to be JSON (`splice::Fields`, a provider); on other text they give nothing or nonsense, but never panic and never
//! take more than [`MAX_NODES`] values or [`MAX_DEPTH`] levels.

use crate::{DecodeError, MOST_TOKENS};
use std::borrow::Cow;
use std::fmt;

/// Levels that a [`Node`] opens; what lies deeper stays unread text.
pub(crate) const MAX_DEPTH: u8 = 64;

/// The most values in one tree. A value takes 48 bytes, so a tree stays under 50 MB whatever the text.
const MAX_NODES: u32 = 1 << 20;

/// Whether a provider's text is JSON at all: what is carried on unread must not break what it is written into.
pub(crate) fn check(text: &str) -> Result<(), DecodeError> {
    let read = serde_json::from_str::<serde::de::IgnoredAny>(text);
    read.map(drop).map_err(|error| DecodeError::body(format!("not valid JSON: {error}")))
}

/// A place in JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is no white space.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// A string without its quotes, escapes as they came.
    fn string(&mut self) -> Option<&'a str> {
        self.eat(b'"')?;
        let start = self.at;
        let end = start + string_length(self.text.as_bytes().get(start..)?)?;
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// Passes over one value and gives its text. No recursion, so depth costs nothing.
    pub(crate) fn skip(&mut self) -> Option<&'a str> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => {
                self.string()?;
            }
            b'{' | b'[' => {
                let mut depth = 0usize;
                loop {
                    match self.text.as_bytes().get(self.at)? {
                        b'"' => {
                            self.string()?;
                            continue;
                        }
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        break;
                    }
                }
            }
            b',' | b':' | b'}' | b']' => return None,
            _ => {
                let rest = &self.text.as_bytes()[start..];
                let end =
                    rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
                self.at = start + end.unwrap_or(rest.len());
            }
        }
        self.text.get(start..self.at)
    }

    /// Calls `each` with every key (escapes as they came); it has to pass over the value.
    pub(crate) fn object(&mut self, mut each: impl FnMut(&'a str, &mut Self) -> Option<()>) -> Option<()> {
        self.eat(b'{')?;
        if self.eat(b'}').is_some() {
            return Some(());
        }
        loop {
            let key = self.string()?;
            self.eat(b':')?;
            each(key, self)?;
            if self.eat(b',').is_none() {
                return self.eat(b'}');
            }
        }
    }

    /// Calls `each` at every element; it has to pass over it.
    pub(crate) fn array(&mut self, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.eat(b'[')?;
        if self.eat(b']').is_some() {
            return Some(());
        }
        loop {
            each(self)?;
            if self.eat(b',').is_none() {
                return self.eat(b']');
            }
        }
    }
}

/// How many bytes of a string come before its closing quote.
pub(crate) fn string_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// The text of a JSON string's inside. A lone surrogate, which JSON can write and Unicode cannot, becomes U+FFFD.
pub(crate) fn unescape(raw: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', raw.as_bytes()) else {
        return Cow::Borrowed(raw);
    };
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut next = Some(first);
    while let Some(at) = next {
        out.push_str(&rest[..at]);
        let (letter, used) = escape(&rest.as_bytes()[at..]);
        out.push(letter);
        rest = rest.get(at + used..).unwrap_or_default();
        next = memchr::memchr(b'\\', rest.as_bytes());
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The letter that an escape stands for and the bytes it takes.
fn escape(bytes: &[u8]) -> (char, usize) {
    let letter = match bytes.get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unicode_escape(bytes),
        Some(other) if other.is_ascii() => char::from(*other),
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (letter, 2)
}

fn unicode_escape(bytes: &[u8]) -> (char, usize) {
    let unit = |from: usize| {
        let digits = std::str::from_utf8(bytes.get(from..from + 4)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let Some(high) = unit(2) else {
        return (char::REPLACEMENT_CHARACTER, 2);
    };
    if (0xd800..0xdc00).contains(&high)
        && bytes.get(6..8) == Some(b"\\u")
        && let Some(low @ 0xdc00..0xe000) = unit(8)
    {
        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

/// Reads one tree.
struct Reader {
    /// Values that may still come.
    left: u32,
    strict: bool,
    /// A field that was given twice.
    twice: Option<String>,
}

impl Reader {
    fn whole<'a>(&mut self, text: &'a str, depth: u8) -> Result<Node<'a>, DecodeError> {
        let node = self.read(&mut Cursor::new(text), depth.min(MAX_DEPTH));
        node.ok_or_else(|| match (&self.twice, self.left) {
            (Some(name), _) => DecodeError::field(name.clone(), format!("the field `{name}` is given twice")),
            (None, 0) => DecodeError::body(format!("the body holds more than {MAX_NODES} values")),
            (None, _) => DecodeError::body("the body is not valid JSON"),
        })
    }

    fn read<'a>(&mut self, cursor: &mut Cursor<'a>, depth: u8) -> Option<Node<'a>> {
        self.left = self.left.checked_sub(1)?;
        let first = cursor.peek()?;
        let start = cursor.at;
        let kind = match first {
            b'"' => Kind::String(unescape(cursor.string()?)),
            b'{' if depth > 0 => {
                let mut fields = Vec::new();
                cursor.object(|key, cursor| {
                    fields.push((unescape(key), self.read(cursor, depth - 1)?));
                    Some(())
                })?;
                if self.strict
                    && let Some(name) = twice(&fields)
                {
                    self.twice = Some(name.to_owned());
                    return None;
                }
                Kind::Object(fields)
            }
            b'[' if depth > 0 => {
                let mut items = Vec::new();
                cursor.array(|cursor| {
                    items.push(self.read(cursor, depth - 1)?);
                    Some(())
                })?;
                Kind::Array(items)
            }
            _ => match cursor.skip()? {
                "null" => Kind::Null,
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                raw if raw.starts_with(['{', '[']) => Kind::Deep,
                _ => Kind::Number,
            },
        };
        Some(Node { raw: cursor.text.get(start..cursor.at)?, kind })
    }
}

/// A name that stands twice. Compared pair by pair while that is quick, sorted when somebody sends a flood of names.
pub(crate) fn twice<'f, T>(fields: &'f [(Cow<'_, str>, T)]) -> Option<&'f str> {
    if fields.len() <= 32 {
        let mut names = fields.iter().enumerate();
        let again =
            |(at, (name, _)): &(usize, &(Cow<'_, str>, T))| fields[..*at].iter().any(|(other, _)| other == name);
        return names.find(again).map(|(_, (name, _))| name.as_ref());
    }
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// One value and the text it was.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) raw: &'a str,
    pub(crate) kind: Kind<'a>,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind<'a> {
    Null,
    Bool(bool),
    Number,
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    /// An array or object that lies too deep to be opened.
    Deep,
}

impl<'a> Node<'a> {
    /// Reads text that is known to be JSON and opens at most `depth` levels of it.
    pub(crate) fn parse(text: &'a str, depth: u8) -> Result<Self, DecodeError> {
        Reader { left: MAX_NODES, strict: false, twice: None }.whole(text, depth)
    }

    /// The same for requests: a field that is given twice is refused. Parsers disagree on which one counts, so a rule
    /// would look at one text and the provider answer another.
    pub(crate) fn parse_strict(text: &'a str, depth: u8) -> Result<Self, DecodeError> {
        Reader { left: MAX_NODES, strict: true, twice: None }.whole(text, depth)
    }

    /// A field that is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Object(fields) => {
                fields.iter().find(|(key, _)| key == name).map(|(_, node)| node).filter(|node| !node.is_null())
            }
            _ => None,
        }
    }

    /// Takes a field out of an object; null counts as missing.
    pub(crate) fn take(&mut self, name: &str) -> Option<Self> {
        match &mut self.kind {
            Kind::Object(fields) => {
                let (_, node) = fields.iter_mut().find(|(key, _)| key == name)?;
                let node = std::mem::replace(node, Node { raw: "null", kind: Kind::Null });
                (!node.is_null()).then_some(node)
            }
            _ => None,
        }
    }

    pub(crate) const fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) const fn as_bool(&self) -> Option<bool> {
        match self.kind {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A whole number from 0 on; `3.0` counts, `3.5` does not.
    pub(crate) fn as_u64(&self) -> Option<u64> {
        if !matches!(self.kind, Kind::Number) {
            return None;
        }
        self.raw.parse().ok().or_else(|| self.raw.strip_suffix(".0")?.parse().ok())
    }

    pub(crate) fn as_f64(&self) -> Option<f64> {
        if matches!(self.kind, Kind::Number) { self.raw.parse().ok() } else { None }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::Array(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn fields(&self) -> &[(Cow<'a, str>, Self)] {
        match &self.kind {
            Kind::Object(fields) => fields,
            _ => &[],
        }
    }

    /// A field's string, where it is one.
    pub(crate) fn str(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A field's whole number, where it is one.
    pub(crate) fn u64(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_u64()
    }

    /// A field that counts tokens, cut to what can be one.
    pub(crate) fn tokens(&self, name: &str) -> Option<u64> {
        self.u64(name).map(|tokens| tokens.min(MOST_TOKENS))
    }

    /// The string in it, where it is one.
    pub(crate) fn into_string(self) -> Option<Cow<'a, str>> {
        match self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, for error messages.
    pub(crate) const fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Number => "a number",
            Kind::String(_) => "a string",
            Kind::Array(_) => "an array",
            Kind::Object(_) => "an object",
            Kind::Deep => "a value nested too deeply",
        }
    }

    /// The string in it.
    pub(crate) fn want_string(self, at: At<'_>) -> Result<Cow<'a, str>, DecodeError> {
        match self.kind {
            Kind::String(text) => Ok(text),
            _ => Err(self.wrong(at, "a string")),
        }
    }

    /// The elements of an array.
    pub(crate) fn want_items(self, at: At<'_>) -> Result<Vec<Self>, DecodeError> {
        match self.kind {
            Kind::Array(items) => Ok(items),
            _ => Err(self.wrong(at, "an array")),
        }
    }

    /// Itself, when it is an object.
    pub(crate) fn want_object(self, at: At<'_>) -> Result<Self, DecodeError> {
        if matches!(self.kind, Kind::Object(_)) { Ok(self) } else { Err(self.wrong(at, "an object")) }
    }

    /// The boolean in it.
    pub(crate) fn want_bool(&self, at: At<'_>) -> Result<bool, DecodeError> {
        self.as_bool().ok_or_else(|| self.wrong(at, "a boolean"))
    }

    /// A whole number within bounds.
    pub(crate) fn want_u32(&self, at: At<'_>, least: u32, most: u32) -> Result<u32, DecodeError> {
        let number = self.as_u64().and_then(|number| u32::try_from(number).ok());
        number.filter(|number| (least..=most).contains(number)).ok_or_else(|| {
            let too_large = self.as_u64().is_some_and(|number| number > u64::from(most));
            let wanted = match most {
                u32::MAX if !too_large => format!("a whole number of at least {least}"),
                _ => format!("a whole number from {least} to {most}"),
            };
            match self.kind {
                Kind::Number => {
                    let shown: String = self.raw.chars().take(24).collect();
                    DecodeError::field(at.to_string(), format!("`{at}` has to be {wanted}, not {shown}"))
                }
                _ => self.wrong(at, &wanted),
            }
        })
    }

    /// The error that a value is of another type.
    pub(crate) fn wrong(&self, at: At<'_>, wanted: &str) -> DecodeError {
        DecodeError::field(at.to_string(), format!("`{at}` has to be {wanted}, not {}", self.what()))
    }
}

/// Where a value stands, for error messages; written out only when one is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'p> {
    /// A top-level field.
    Top(&'p str),
    /// A field of what stands there.
    Field(&'p At<'p>, &'p str),
    /// An element of what stands there.
    Index(&'p At<'p>, usize),
}

impl At<'_> {
    /// The error that something required is not there.
    pub(crate) fn missing(self, what: &str) -> DecodeError {
        DecodeError::field(self.to_string(), format!("`{self}` is missing: {what}"))
    }

    /// An error about this place.
    pub(crate) fn error(self, message: impl fmt::Display) -> DecodeError {
        DecodeError::field(self.to_string(), format!("`{self}` {message}"))
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top(name) => f.write_str(name),
            Self::Field(at, name) => write!(f, "{at}.{name}"),
            Self::Index(at, index) => write!(f, "{at}[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rebuilt(node: &Node<'_>) -> serde_json::Value {
        match &node.kind {
            Kind::Null => serde_json::Value::Null,
            Kind::Bool(value) => (*value).into(),
            Kind::Number => serde_json::from_str(node.raw).unwrap(),
            Kind::String(text) => text.as_ref().into(),
            Kind::Array(items) => items.iter().map(rebuilt).collect(),
            Kind::Object(fields) => {
                serde_json::Value::Object(fields.iter().map(|(key, node)| (key.to_string(), rebuilt(node))).collect())
            }
            Kind::Deep => serde_json::from_str(node.raw).unwrap(),
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_reads(value in any_json(), depth in 0u8..9, pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let node = Node::parse(&text, depth).unwrap();
            prop_assert_eq!(node.raw, text.trim());
            prop_assert_eq!(rebuilt(&node), value);
        }

        #[test]
        fn any_text_is_survived(text in any::<String>(), nested in "[\\[\\]{}\",:\\\\a1 ]{0,60}") {
            let _ = Node::parse(&text, MAX_DEPTH);
            let _ = Node::parse(&nested, MAX_DEPTH);
            let _ = unescape(&text);
        }
    }

    #[test]
    fn escapes_stand_for_letters() {
        assert_eq!(unescape(r#"a\n\"\\\/\u00e4\ud83d\ude00z"#), "a\n\"\\/ä😀z");
        assert_eq!(unescape(r"\ud83dx\ude00"), "\u{fffd}x\u{fffd}");
        assert!(matches!(unescape("plain ä"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_flood_of_values_is_refused() {
        let text = format!("[{}0]", "0,".repeat(MAX_NODES as usize));
        assert!(Node::parse(&text, 4).unwrap_err().message.contains("more than"));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Node::parse(&deep, MAX_DEPTH).is_ok());
    }
}
