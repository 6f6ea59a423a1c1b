//! Reads sections by their [`Spec`]: every value with its line and origin, every problem noted, none fatal.
//!
//! A getter always gives something to go on with (the default where the value is wrong), so that one run finds all
//! problems. Nothing that was read with problems leaves the crate.

use crate::decimal;
use crate::problem::{Problem, did_you_mean, nearest, shown};
use crate::schema::{Field, Kind, Spec};
use std::cell::RefCell;
use std::collections::BTreeSet;
use tierway_decide::Usd;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value in force comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the config file, from 1.
    Line(usize),
    /// An environment variable.
    Environment(&'static str),
    /// The default.
    Default,
    /// The built-in catalogue or an overlay, by its version.
    Catalogue(String),
}

/// One value in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its place: `server.listen`, `tiers.nano.targets.0.model`.
    pub path: String,
    /// The value as TOML; secrets hidden.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// One file being read.
pub(crate) struct Reader<'e> {
    file: String,
    line_starts: Vec<usize>,
    env: &'e dyn Fn(&str) -> Option<String>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    settings: RefCell<Vec<Setting>>,
}

/// A string and the byte where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) at: usize,
    pub(crate) text: String,
}

/// What a reader found.
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    pub(crate) settings: Vec<Setting>,
}

impl<'e> Reader<'e> {
    pub(crate) fn new(file: &str, text: &str, env: &'e dyn Fn(&str) -> Option<String>) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let (problems, warnings, settings) = Default::default();
        Self { file: file.to_owned(), line_starts, env, problems, warnings, settings }
    }

    /// The line of a byte, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    /// A variable of the environment; an empty one counts as none.
    pub(crate) fn env(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|text| !text.is_empty())
    }

    pub(crate) fn problem(&self, at: usize, message: impl Into<String>) {
        self.problems.borrow_mut().push(self.note(self.line(at), message.into()));
    }

    pub(crate) fn problem_of_file(&self, message: impl Into<String>) {
        self.problems.borrow_mut().push(self.note(0, message.into()));
    }

    pub(crate) fn warn(&self, at: usize, message: impl Into<String>) {
        self.warnings.borrow_mut().push(self.note(self.line(at), message.into()));
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    pub(crate) fn settle(&self, path: String, value: String, origin: Origin) {
        self.settings.borrow_mut().push(Setting { path, value, origin });
    }

    /// Everything found, problems in the order of lines.
    pub(crate) fn finish(self) -> Findings {
        let (mut problems, mut warnings) = (self.problems.into_inner(), self.warnings.into_inner());
        let mut settings = self.settings.into_inner();
        // A section may be read once for each of its targets; it is noted once.
        once(&mut problems, |problem| (problem.line, problem.message.clone()));
        once(&mut warnings, |warning| (warning.line, warning.message.clone()));
        once(&mut settings, |setting| setting.path.clone());
        problems.sort_by_key(|problem| problem.line);
        warnings.sort_by_key(|warning| warning.line);
        Findings { problems, warnings, settings }
    }

    fn note(&self, line: usize, message: String) -> Problem {
        Problem { file: self.file.clone(), line, message }
    }
}

fn once<T, K: Ord>(list: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let mut seen = BTreeSet::new();
    list.retain(|item| seen.insert(key(item)));
}

/// One section being read; absent sections read as all defaults.
#[derive(Clone)]
pub(crate) struct Section<'r, 'e> {
    pub(crate) reader: &'r Reader<'e>,
    spec: &'static Spec,
    table: Option<&'r DeTable<'r>>,
    /// Where it begins.
    pub(crate) at: usize,
    /// How it is called in messages.
    pub(crate) title: String,
    path: String,
}

type Item<'r> = (usize, &'r DeValue<'r>);

impl<'r, 'e> Section<'r, 'e> {
    /// The file as a whole.
    pub(crate) fn root(reader: &'r Reader<'e>, table: &'r Spanned<DeTable<'r>>) -> Self {
        let section = Self {
            reader,
            spec: &crate::schema::ROOT,
            table: Some(table.get_ref()),
            at: 0,
            title: "the file".into(),
            path: String::new(),
        };
        section.refuse_unknown();
        section
    }

    fn inner(
        &self,
        spec: &'static Spec,
        title: String,
        path: String,
        at: usize,
        table: Option<&'r DeTable<'r>>,
    ) -> Self {
        let section = Self { reader: self.reader, spec, table, at, title, path };
        section.refuse_unknown();
        section
    }

    /// Written in the file, and not only made of defaults.
    pub(crate) const fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Whether the file gives this field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.item(name).is_some()
    }

    /// Whether this kind of section has such a field at all.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.spec.field(name).is_some()
    }

    /// The names in a list of tables, without a word about what is wrong with it.
    pub(crate) fn names_in(&self, list: &str) -> Vec<String> {
        let array = self.item(list).and_then(|(_, value)| value.as_array());
        let tables = array.into_iter().flat_map(|array| array.iter()).filter_map(|item| item.get_ref().as_table());
        let name = |table: &DeTable<'_>| table.get("name").and_then(|name| name.get_ref().as_str().map(str::to_owned));
        tables.map(|table| name(table).unwrap_or_default()).collect()
    }

    /// The names of tables under a field, in alphabetical order.
    pub(crate) fn names_under(&self, name: &str) -> Vec<String> {
        let table = self.item(name).and_then(|(_, value)| value.as_table());
        table.into_iter().flat_map(|table| table.keys()).map(|key| key.get_ref().to_string()).collect()
    }

    /// Where a field stands, or else the section.
    pub(crate) fn at(&self, name: &str) -> usize {
        self.item(name).map_or(self.at, |(at, _)| at)
    }

    pub(crate) fn problem(&self, name: &str, message: impl Into<String>) {
        self.reader.problem(self.at(name), message);
    }

    /// What is wrong with the value of a field that an environment variable may replace: with the one that counted.
    pub(crate) fn problem_of_value(&self, name: &str, variable: Option<&str>, what: &str) {
        let of_variable = self.of_variable(variable, what);
        let of_file =
            || self.reader.note(self.reader.line(self.at(name)), format!("`{name}` in {} {what}", self.title));
        self.reader.problems.borrow_mut().push(of_variable.unwrap_or_else(of_file));
    }

    /// What should be looked at in such a field.
    pub(crate) fn warn_of_value(&self, name: &str, variable: Option<&str>, message: &str) {
        let of_file = || self.reader.note(self.reader.line(self.at(name)), message.to_owned());
        let warning = self.of_variable(variable, message).unwrap_or_else(of_file);
        self.reader.warnings.borrow_mut().push(warning);
    }

    /// Said of the environment, where the value came from there: the file is not to blame.
    fn of_variable(&self, variable: Option<&str>, what: &str) -> Option<Problem> {
        let variable = variable.filter(|variable| self.reader.env(variable).is_some())?;
        Some(Problem { file: format!("environment variable {variable}"), line: 0, message: what.to_owned() })
    }

    /// A field that has to be there.
    pub(crate) fn require(&self, name: &str) {
        if self.is_present() && !self.has(name) {
            let field = self.field(name);
            let takes = field.map(|field| field.kind.words()).unwrap_or_default();
            self.reader.problem(self.at, format!("`{name}` is missing in {}; it takes {takes}", self.title));
        }
    }

    /// A string, from the file or its default.
    pub(crate) fn text(&self, name: &str) -> Option<Text> {
        self.text_or_env(name, None)
    }

    /// A string that an environment variable may replace.
    pub(crate) fn text_or_env(&self, name: &str, variable: Option<&'static str>) -> Option<Text> {
        if let Some((variable, text)) = variable.and_then(|name| Some((name, self.reader.env(name)?))) {
            self.reader.settle(self.path_of(name), quoted(&text), Origin::Environment(variable));
            return Some(Text { at: self.at(name), text });
        }
        let field = self.field(name)?;
        let Some((at, value)) = self.item(name) else {
            let text = unquoted(self.default(field)?);
            return Some(Text { at: self.at, text });
        };
        let Some(text) = value.as_str() else {
            self.wrong_type(field, at, value);
            return None;
        };
        if let Kind::Choice(words) = field.kind
            && !words.contains(&text)
        {
            let meant = nearest(text, words.iter().copied());
            let hint = meant.map(|word| format!("did you mean \"{word}\"? ")).unwrap_or_default();
            let (title, takes) = (&self.title, field.kind.words());
            self.reader.problem(at, format!("`{name}` in {title} is {}; {hint}it takes {takes}", shown(text)));
            return self.default(field).map(|text| Text { at, text: unquoted(text) });
        }
        self.settle(name, quoted(text), at);
        Some(Text { at, text: text.to_owned() })
    }

    /// A string that is empty unless it is given.
    pub(crate) fn string(&self, name: &str) -> String {
        self.text(name).map(|text| text.text).unwrap_or_default()
    }

    /// A whole number, if given or by default.
    pub(crate) fn int(&self, name: &str) -> Option<u64> {
        let field = self.field(name)?;
        let Kind::Int { min, max } = field.kind else { return None };
        let default = || self.default(field).and_then(|text| text.parse().ok());
        let Some((at, value)) = self.item(name) else { return default() };
        let Some(number) = value.as_integer() else {
            self.wrong_type(field, at, value);
            return default();
        };
        match i128::from_str_radix(number.as_str(), number.radix()).ok().and_then(|number| u64::try_from(number).ok()) {
            Some(number) if (min..=max).contains(&number) => {
                self.settle(name, number.to_string(), at);
                Some(number)
            }
            _ => {
                let takes = field.kind.words();
                self.reader.problem(at, format!("`{name}` in {} is {number}; it takes {takes}", self.title));
                default()
            }
        }
    }

    /// A whole number of 32 bits with a default.
    pub(crate) fn int32(&self, name: &str) -> u32 {
        self.opt_int32(name).unwrap_or_default()
    }

    /// A whole number of 32 bits.
    pub(crate) fn opt_int32(&self, name: &str) -> Option<u32> {
        self.int(name).and_then(|number| u32::try_from(number).ok())
    }

    /// True or false, if given or by default.
    pub(crate) fn opt_flag(&self, name: &str) -> Option<bool> {
        let field = self.field(name)?;
        let default = || self.default(field).map(|text| text == "true");
        let Some((at, value)) = self.item(name) else { return default() };
        match value.as_bool() {
            Some(flag) => {
                self.settle(name, flag.to_string(), at);
                Some(flag)
            }
            None => {
                self.wrong_type(field, at, value);
                default()
            }
        }
    }

    /// True or false with a default.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.opt_flag(name).unwrap_or_default()
    }

    /// A share with a default.
    pub(crate) fn share(&self, name: &str) -> f64 {
        let Some(field) = self.field(name) else { return 1.0 };
        let default = || self.default(field).and_then(|text| text.parse().ok()).unwrap_or(1.0);
        let Some((at, value)) = self.item(name) else { return default() };
        let Some(text) = number_text(value) else {
            self.wrong_type(field, at, value);
            return default();
        };
        match text.parse::<f64>() {
            Ok(share) if share > 0.0 && share <= 1.0 => {
                self.settle(name, text, at);
                share
            }
            _ => {
                let hint = text.parse().ok().filter(|percent| (1.0..=100.0).contains(percent));
                let hint = hint.map(|percent: f64| format!("did you mean {}? ", percent / 100.0)).unwrap_or_default();
                let message = format!("`{name}` in {} is {text}; {hint}it takes {}", self.title, field.kind.words());
                self.reader.problem(at, message);
                default()
            }
        }
    }

    /// Dollars, if given: `places` decimals shift to the left when they become units of 1e-12.
    fn dollars(&self, name: &str, per: decimal::Per) -> Option<Usd> {
        let field = self.field(name)?;
        let Some((at, value)) = self.item(name) else {
            return self.default(field).and_then(|text| decimal::usd(text, per).ok());
        };
        let Some(text) = number_text(value) else {
            self.wrong_type(field, at, value);
            return None;
        };
        match decimal::usd(&text, per) {
            Ok(amount) => {
                self.settle(name, text, at);
                Some(amount)
            }
            Err(cause) => {
                self.reader.problem(at, format!("`{name}` in {} is {text}; {cause}", self.title));
                None
            }
        }
    }

    /// Dollars per million tokens, as dollars per token.
    pub(crate) fn price(&self, name: &str) -> Option<Usd> {
        self.dollars(name, decimal::Per::Million)
    }

    /// Plain dollars.
    pub(crate) fn amount(&self, name: &str) -> Option<Usd> {
        self.dollars(name, decimal::Per::One)
    }

    /// A list of strings; empty when not given.
    pub(crate) fn texts(&self, name: &str) -> Vec<Text> {
        self.opt_texts(name).unwrap_or_default()
    }

    /// A list of strings, when one is given.
    pub(crate) fn opt_texts(&self, name: &str) -> Option<Vec<Text>> {
        let (field, (at, value)) = (self.field(name)?, self.item(name)?);
        let Some(array) = value.as_array() else {
            self.wrong_type(field, at, value);
            return None;
        };
        let mut texts = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push(Text { at: item.span().start, text: text.to_owned() }),
                None => self.wrong_type(field, item.span().start, item.get_ref()),
            }
        }
        let list = texts.iter().map(|text| quoted(&text.text)).collect::<Vec<_>>().join(", ");
        self.settle(name, format!("[{list}]"), at);
        Some(texts)
    }

    /// A table of strings, in the order of the file.
    pub(crate) fn text_map(&self, name: &str) -> Vec<(Text, Text)> {
        let (Some(field), Some((at, value))) = (self.field(name), self.item(name)) else { return Vec::new() };
        let Some(table) = value.as_table() else {
            self.wrong_type(field, at, value);
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (key, value) in table {
            let key = Text { at: key.span().start, text: key.get_ref().to_string() };
            match value.get_ref().as_str() {
                Some(text) => entries.push((key, Text { at: value.span().start, text: text.to_owned() })),
                None => self.reader.problem(
                    value.span().start,
                    format!(
                        "`{}` of `{name}` in {} is {}; it takes a string",
                        key.text,
                        self.title,
                        type_words(value.get_ref())
                    ),
                ),
            }
        }
        entries.sort_by_key(|(key, _)| key.at);
        let list = entries.iter().map(|(key, _)| format!("{} = (hidden)", key.text)).collect::<Vec<_>>().join(", ");
        self.settle(name, format!("{{ {list} }}"), at);
        entries
    }

    /// A table; all defaults when it is not given.
    pub(crate) fn table(&self, name: &str) -> Self {
        let field = self.field(name);
        let spec = field.and_then(|field| if let Kind::Table(spec) = field.kind { Some(spec) } else { None });
        let spec = spec.unwrap_or(self.spec);
        let title = if self.path.is_empty() { format!("[{name}]") } else { format!("`{name}` of {}", self.title) };
        let path = self.path_of(name);
        match (field, self.item(name)) {
            (Some(field), Some((at, value))) => {
                let table = value.as_table();
                if table.is_none() {
                    self.wrong_type(field, at, value);
                }
                self.inner(spec, title, path, at, table)
            }
            _ => self.inner(spec, title, path, self.at, None),
        }
    }

    /// A list of tables; strings, where the field takes them, come apart.
    pub(crate) fn tables(&self, name: &str) -> Vec<Entry<'r, 'e>> {
        let (Some(field), Some((at, value))) = (self.field(name), self.item(name)) else { return Vec::new() };
        let (spec, texts) = match field.kind {
            Kind::Tables(spec) => (spec, false),
            Kind::TablesOrTexts(spec) => (spec, true),
            _ => return Vec::new(),
        };
        let Some(array) = value.as_array() else {
            self.wrong_type(field, at, value);
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let at = item.span().start;
            match item.get_ref() {
                DeValue::Table(table) => {
                    let own = table.get("name").and_then(|name| name.get_ref().as_str());
                    let label = own.map_or_else(|| (index + 1).to_string(), shown);
                    let title = match self.path.is_empty() {
                        true => format!("[[{name}]] {label}"),
                        false => format!("`{name}` {label} of {}", self.title),
                    };
                    let segment = own.map_or_else(|| index.to_string(), str::to_owned);
                    let path = format!("{}.{segment}", self.path_of(name));
                    entries.push(Entry::Table(self.inner(spec, title, path, at, Some(table))));
                }
                DeValue::String(text) if texts => {
                    self.reader.settle(
                        format!("{}.{index}", self.path_of(name)),
                        quoted(text),
                        Origin::Line(self.reader.line(at)),
                    );
                    entries.push(Entry::Text(Text { at, text: text.to_string() }));
                }
                other => self.wrong_type(field, at, other),
            }
        }
        entries
    }

    /// A list of tables and nothing else.
    pub(crate) fn only_tables(&self, name: &str) -> Vec<Self> {
        let tables = self.tables(name).into_iter();
        tables.filter_map(|entry| if let Entry::Table(section) = entry { Some(section) } else { None }).collect()
    }

    /// Tables with names of the user's own, in the order of the file.
    pub(crate) fn named(&self, name: &str) -> Vec<(Text, Self)> {
        let (Some(field), Some((at, value))) = (self.field(name), self.item(name)) else { return Vec::new() };
        let Kind::Named(spec) = field.kind else { return Vec::new() };
        let Some(table) = value.as_table() else {
            self.wrong_type(field, at, value);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (key, value) in table {
            let own = Text { at: key.span().start, text: key.get_ref().to_string() };
            let title = format!("[{name}.{}]", own.text);
            match value.get_ref().as_table() {
                Some(table) => {
                    let path = format!("{}.{}", self.path_of(name), own.text);
                    let section = self.inner(spec, title, path, own.at, Some(table));
                    sections.push((own, section));
                }
                None => {
                    let what = type_words(value.get_ref());
                    self.reader.problem(own.at, format!("{title} is {what}; it takes a table of fields"));
                }
            }
        }
        sections.sort_by_key(|(name, _)| name.at);
        sections
    }

    /// A value that the file does not give, as it came out.
    pub(crate) fn derived(&self, name: &str, value: String, origin: Origin) {
        self.reader.settle(self.path_of(name), value, origin);
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        let field = self.spec.field(name);
        debug_assert!(field.is_some(), "`{name}` is not in the schema of {}", self.spec.title);
        field
    }

    fn item(&self, name: &str) -> Option<Item<'r>> {
        self.table?.get(name).map(|value| (value.span().start, value.get_ref()))
    }

    /// The default as written in the schema; noted as a value in force.
    fn default(&self, field: &Field) -> Option<&'static str> {
        let default = field.default?;
        self.reader.settle(self.path_of(field.name), default.to_owned(), Origin::Default);
        Some(default)
    }

    fn settle(&self, name: &str, value: String, at: usize) {
        self.reader.settle(self.path_of(name), value, Origin::Line(self.reader.line(at)));
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn wrong_type(&self, field: &Field, at: usize, value: &DeValue<'_>) {
        let (name, what, takes) = (field.name, type_words(value), field.kind.words());
        let message = match field.kind {
            _ if !self.path.is_empty() => format!("`{name}` in {} is {what}; it takes {takes}", self.title),
            Kind::Tables(_) => format!("`{name}` is {what}; it takes {takes}, each begun by [[{name}]]"),
            _ => format!("`{name}` is {what}; it takes {takes}, as in [{name}]"),
        };
        self.reader.problem(at, message);
    }

    fn refuse_unknown(&self) {
        for key in self.table.into_iter().flat_map(|table| table.keys()) {
            let name = key.get_ref();
            if self.spec.field(name).is_some() {
                continue;
            }
            let at = key.span().start;
            if let Some(message) = crate::provider::literal_key_message(self.spec, name) {
                self.reader.problem(at, message);
                continue;
            }
            let known = || self.spec.fields.iter().map(|field| field.name);
            let hint = did_you_mean(name, known());
            let list = known().collect::<Vec<_>>().join(", ");
            let what = if self.path.is_empty() { "section" } else { "field" };
            let place = if self.path.is_empty() { String::new() } else { format!(" in {}", self.title) };
            self.reader.problem(at, format!("unknown {what} {}{place}; {hint}known {what}s: {list}", shown(name)));
        }
    }
}

/// One entry of a list.
pub(crate) enum Entry<'r, 'e> {
    Table(Section<'r, 'e>),
    Text(Text),
}

/// A value as it is written in TOML.
pub(crate) fn quoted(text: &str) -> String {
    let shown = if crate::problem::looks_secret(text) { "(hidden)" } else { text };
    toml::Value::from(shown).to_string()
}

fn unquoted(default: &str) -> String {
    default.trim_matches('"').to_owned()
}

fn number_text(value: &DeValue<'_>) -> Option<String> {
    let integer = value.as_integer().filter(|number| number.radix() == 10).map(|number| number.as_str().to_owned());
    integer.or_else(|| value.as_float().map(|number| number.as_str().to_owned()))
}

fn type_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with decimals",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
