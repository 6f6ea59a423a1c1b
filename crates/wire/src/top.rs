//! Checked reading of a request's top-level fields; null counts as missing everywhere.

use crate::DecodeError;
use crate::json::{At, Kind, Node};
use crate::splice::Fields;
use std::borrow::Cow;

/// A name and its value.
pub(crate) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

pub(crate) struct Top<'f, 'a>(pub(crate) &'f Fields<'a>);

impl<'a> Top<'_, 'a> {
    pub(crate) fn node(&self, name: &str, depth: u8) -> Result<Option<Node<'a>>, DecodeError> {
        match self.0.get(name) {
            None | Some("null") => Ok(None),
            Some(text) => Node::parse_strict(text, depth).map(Some),
        }
    }

    pub(crate) fn string(&self, name: &str) -> Result<Option<Cow<'a, str>>, DecodeError> {
        self.node(name, 0)?.map(|node| node.want_string(At::Top(name))).transpose()
    }

    /// Strings that decide nothing here: of another type they are left to the provider to refuse.
    pub(crate) fn loose_string(&self, name: &str) -> Option<Cow<'a, str>> {
        self.string(name).ok().flatten()
    }

    pub(crate) fn bool(&self, name: &str) -> Result<Option<bool>, DecodeError> {
        self.node(name, 0)?.map(|node| node.want_bool(At::Top(name))).transpose()
    }

    /// Sampling parameters decide nothing here, but what is no number is a mistake of the caller that no provider has to see.
    pub(crate) fn numbers(&self, names: &[&'static str]) -> Result<(), DecodeError> {
        for name in names {
            if let Some(node) = self.node(name, 0)?
                && !matches!(node.kind, Kind::Number)
            {
                return Err(node.wrong(At::Top(name), "a number"));
            }
        }
        Ok(())
    }

    pub(crate) fn u32(&self, name: &str, least: u32, most: u32) -> Result<Option<u32>, DecodeError> {
        self.node(name, 0)?.map(|node| node.want_u32(At::Top(name), least, most)).transpose()
    }

    pub(crate) fn items(&self, name: &str, depth: u8) -> Result<Vec<Node<'a>>, DecodeError> {
        Ok(self.node(name, depth)?.map(|node| node.want_items(At::Top(name))).transpose()?.unwrap_or_default())
    }

    pub(crate) fn model(&self) -> Result<Cow<'a, str>, DecodeError> {
        let model = self.string("model")?.ok_or_else(|| {
            At::Top("model").missing("name `auto`, a tier or a model; GET /v1/models lists what there is")
        })?;
        if model.is_empty() { Err(At::Top("model").error("must not be empty")) } else { Ok(model) }
    }

    /// Flat metadata: what is no string is left out, because rules match strings only.
    pub(crate) fn metadata(&self) -> Result<Vec<Pair<'a>>, DecodeError> {
        let Some(node) = self.node("metadata", 2)? else {
            return Ok(Vec::new());
        };
        let node = node.want_object(At::Top("metadata"))?;
        let pairs = node.fields().iter().filter_map(|(key, value)| Some((key.clone(), value.clone().into_string()?)));
        Ok(pairs.collect())
    }

    pub(crate) fn f64(&self, name: &str) -> Result<Option<f64>, DecodeError> {
        let node = self.node(name, 0)?;
        node.map(|node| node.as_f64().ok_or_else(|| node.wrong(At::Top(name), "a number"))).transpose()
    }

    pub(crate) fn i64(&self, name: &str) -> Result<Option<i64>, DecodeError> {
        let node = self.node(name, 0)?;
        node.map(|node| node.raw.parse().map_err(|_| node.wrong(At::Top(name), "a whole number"))).transpose()
    }

    /// A field's JSON text.
    pub(crate) fn raw(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|text| *text != "null").map(str::to_owned)
    }

    /// All fields that are not among the known ones, and not null.
    pub(crate) fn extra(&self, known: &[&str]) -> Vec<(String, String)> {
        let unknown = self.0.iter().filter(|(name, value)| *value != "null" && !known.contains(&name.as_ref()));
        unknown.map(|(name, value)| (name.clone().into_owned(), value.to_owned())).collect()
    }

    pub(crate) fn names(&self) -> Vec<Cow<'a, str>> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }
}
