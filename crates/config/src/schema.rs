//! Every section and field of a config: type, bounds, default, unit, meaning.
//!
//! The one table behind reading, "did you mean", `check --show` and `docs/config.md`, so that these cannot disagree.

mod sections;

pub use sections::*;
use std::fmt::Write as _;

/// A section: what may stand in it.
#[derive(Debug)]
pub struct Spec {
    /// How it is written: `[server]`, `[[tiers]]`, `price = { .. }`.
    pub title: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
}

/// One field.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its default as written in TOML; none: required, or left out has a meaning of its own (see its doc).
    pub default: Option<&'static str>,
    /// Meaning, unit included.
    pub doc: &'static str,
}

/// What a field takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A string.
    Text,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A whole number within bounds, both included.
    Int {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A number above 0 and at most 1.
    Share,
    /// US dollars, not negative, exact decimals.
    Dollars,
    /// `true` or `false`.
    Flag,
    /// A list of strings.
    Texts,
    /// A table of strings with names of the user's own.
    TextMap,
    /// A table.
    Table(&'static Spec),
    /// A list of tables.
    Tables(&'static Spec),
    /// A list of tables, or of strings in short form.
    TablesOrTexts(&'static Spec),
    /// Tables with names of the user's own.
    Named(&'static Spec),
}

impl Spec {
    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Kind {
    /// In words, for messages and the reference.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Text => "a string".into(),
            Self::Choice(words) => {
                format!("one of {}", words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", "))
            }
            Self::Int { min, max } => format!("a whole number from {min} to {max}"),
            Self::Share => "a number above 0 and at most 1".into(),
            Self::Dollars => "dollars, such as 0.15".into(),
            Self::Flag => "true or false".into(),
            Self::Texts => "a list of strings".into(),
            Self::TextMap => "a table of strings".into(),
            Self::Table(_) => "a table".into(),
            Self::Tables(_) => "a list of tables".into(),
            Self::TablesOrTexts(_) => "a list of tables or strings".into(),
            Self::Named(_) => "tables with names of your own".into(),
        }
    }

    const fn inner(&self) -> Option<&'static Spec> {
        match self {
            Self::Table(spec) | Self::Tables(spec) | Self::TablesOrTexts(spec) | Self::Named(spec) => Some(spec),
            _ => None,
        }
    }
}

/// Every section that can be reached from the root, each once, in the order of the reference.
#[must_use]
pub fn all_sections() -> Vec<&'static Spec> {
    let mut found: Vec<&'static Spec> = vec![&ROOT];
    let mut at = 0;
    while let Some(spec) = found.get(at).copied() {
        for inner in spec.fields.iter().filter_map(|field| field.kind.inner()) {
            if !found.iter().any(|known| std::ptr::eq(*known, inner)) {
                found.push(inner);
            }
        }
        at += 1;
    }
    found
}

/// The reference of all fields as Markdown tables: the generated part of `docs/config.md`.
#[must_use]
pub fn reference() -> String {
    let mut out = String::new();
    for spec in all_sections().into_iter().skip(1) {
        let _ = write!(out, "## `{}`\n\n{}\n\n", spec.title, spec.doc);
        out.push_str("| field | takes | default | meaning |\n| --- | --- | --- | --- |\n");
        for field in spec.fields {
            let default = field.default.map_or("–".to_owned(), |text| format!("`{text}`"));
            let (kind, doc) = (field.kind.words(), field.doc.replace('|', "\\|"));
            let _ = writeln!(out, "| `{}` | {kind} | {default} | {doc} |", field.name);
        }
        out.push('\n');
    }
    out
}
