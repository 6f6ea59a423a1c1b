//! `[[rules]]` and `[[tests]]`: hard routes, and requests that show where they lead.

use crate::problem::{did_you_mean, shown};
use crate::reader::{Section, Text};
use crate::tier::TierNames;
use std::borrow::Cow;
use tierway_decide::{Rule, RuleProblem, RuleSet, Scope, TierId};
use tierway_wire::{Format, Outline, OutputForm, Part, Role, ToolOutline, Turn};

pub(crate) fn rules(root: &Section<'_, '_>, tiers: &TierNames) -> RuleSet {
    let mut rules = Vec::new();
    let mut sections = Vec::new();
    for section in root.only_tables("rules") {
        for name in ["name", "pattern", "tier"] {
            section.require(name);
        }
        let pattern = section.text("pattern");
        if pattern.as_ref().is_some_and(|pattern| pattern.text.contains('\u{8}')) {
            let message =
                "holds a backspace: that is what `\\b` means in double quotes; write it in single quotes, '\\bword\\b'";
            section.problem("pattern", format!("the pattern of {} {message}", section.title));
        }
        let name = section.string("name");
        if name == "none" || section.has("name") && name.is_empty() {
            let message = "a name is not empty, and tests mean by `rule = \"none\"` that no rule matches";
            section.problem("name", format!("a rule cannot be named {}: {message}", shown(&name)));
        }
        let rule = Rule {
            name,
            pattern: pattern.as_ref().map(|pattern| pattern.text.clone()).unwrap_or_default(),
            tier: tiers.tier(&section, "tier").unwrap_or(TierId(0)),
            reason: section.string("reason"),
            scope: scope(&section),
            locked: section.flag("locked"),
            case_sensitive: section.flag("case_sensitive"),
        };
        if pattern.is_some() {
            rules.push(rule);
            sections.push(section);
        }
    }
    match RuleSet::new(rules) {
        Ok(set) => set,
        Err(errors) => {
            for error in errors {
                let Some(section) = sections.get(error.index) else { continue };
                report(section, &error.name, &error.problem);
            }
            RuleSet::default()
        }
    }
}

fn report(section: &Section<'_, '_>, name: &str, problem: &RuleProblem) {
    let (field, about) = match problem {
        RuleProblem::SameName => ("name", format!("two rules are named {}; give each its own name", shown(name))),
        other => ("pattern", format!("{}: {other}", section.title)),
    };
    if section.has(field) {
        section.problem(field, about);
    }
}

fn scope(section: &Section<'_, '_>) -> Scope {
    let Some(text) = section.text("scope") else { return Scope::default() };
    text.text.parse().unwrap_or_else(|error: tierway_decide::UnknownScope| {
        section.problem("scope", error.to_string());
        Scope::default()
    })
}

/// A request and where it has to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigTest {
    /// Its name, or its prompt.
    pub name: String,
    /// The conversation.
    pub messages: Vec<(Role, String)>,
    /// Request headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Request metadata.
    pub metadata: Vec<(String, String)>,
    /// Names of tools on offer.
    pub tools: Vec<String>,
    /// The rule that has to decide: `Some(None)` when none may match.
    pub rule: Option<Option<String>>,
    /// The tier that has to be chosen.
    pub tier: Option<TierId>,
    /// Its line in the config.
    pub line: usize,
}

impl ConfigTest {
    /// The request as the router sees it.
    #[must_use]
    pub fn outline(&self) -> Outline<'_> {
        let turn = |(role, text): &'_ (Role, String)| (*role, text.len());
        let bytes = self.messages.iter().map(turn).map(|(_, len)| len).sum();
        Outline {
            format: Format::OpenaiChat,
            requested_model: "auto".into(),
            stream: false,
            usage_wanted: true,
            turns: self.messages.iter().map(|(role, text)| as_turn(*role, text)).collect(),
            tools: self.tools.iter().map(|name| ToolOutline { name: name.as_str().into(), bytes: 0 }).collect(),
            tool_forced: false,
            output: OutputForm::Text,
            max_output_tokens: None,
            speaks: false,
            answers: 1,
            effort: None,
            user: None,
            metadata: self.metadata.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect(),
            bound_to_model: false,
            fields: Vec::new(),
            body_bytes: bytes,
        }
    }

    /// A request header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

fn as_turn(role: Role, text: &str) -> Turn<'_> {
    let text = Cow::Borrowed(text);
    let part = if role == Role::Tool { Part::ToolResult { text, is_error: false } } else { Part::Text(text) };
    Turn { role, parts: vec![part] }
}

pub(crate) fn tests(root: &Section<'_, '_>, tiers: &TierNames) -> Vec<ConfigTest> {
    let rule_names = root.names_in("rules");
    root.only_tables("tests").iter().map(|section| test(section, tiers, &rule_names)).collect()
}

fn test(section: &Section<'_, '_>, tiers: &TierNames, rule_names: &[String]) -> ConfigTest {
    let messages = messages(section);
    let own_name = section.text("name").map(|name| name.text);
    let last = messages.last().map(|(_, text)| text.clone()).unwrap_or_default();
    if !section.has("rule") && !section.has("tier") {
        section.reader.problem(section.at, format!("{} expects nothing; give `rule` or `tier`", section.title));
    }
    let pairs = |name| section.text_map(name).into_iter().map(|(key, value): (Text, Text)| (key.text, value.text));
    ConfigTest {
        name: own_name.unwrap_or(last),
        headers: pairs("headers").map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
        metadata: pairs("metadata").collect(),
        tools: section.texts("tools").into_iter().map(|name| name.text).collect(),
        rule: section.text("rule").map(|rule| expected_rule(section, rule, rule_names)),
        tier: tiers.tier(section, "tier"),
        line: section.reader.line(section.at),
        messages,
    }
}

fn expected_rule(section: &Section<'_, '_>, rule: Text, names: &[String]) -> Option<String> {
    if rule.text == "none" {
        return None;
    }
    if !names.contains(&rule.text) {
        let known =
            if names.is_empty() { "there are none".to_owned() } else { format!("known rules: {}", names.join(", ")) };
        let hint = did_you_mean(&rule.text, names.iter().map(String::as_str));
        section.reader.problem(rule.at, format!("no rule {}; {hint}{known}, or \"none\"", shown(&rule.text)));
    }
    Some(rule.text)
}

fn messages(section: &Section<'_, '_>) -> Vec<(Role, String)> {
    let listed: Vec<_> = section.only_tables("messages").iter().map(message).collect();
    match section.text("prompt") {
        Some(_) if section.has("messages") => {
            section
                .problem("messages", format!("{} has `prompt` and also `messages`; keep one of both", section.title));
            listed
        }
        Some(prompt) => vec![(Role::User, prompt.text)],
        None => {
            if !section.has("messages") && !section.has("prompt") {
                section
                    .reader
                    .problem(section.at, format!("{} has no `prompt` and no `messages`; give one", section.title));
            }
            listed
        }
    }
}

fn message(section: &Section<'_, '_>) -> (Role, String) {
    section.require("role");
    section.require("content");
    let role = match section.string("role").as_str() {
        "system" => Role::System,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => Role::User,
    };
    (role, section.string("content"))
}
