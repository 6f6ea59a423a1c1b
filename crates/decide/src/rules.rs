//! Hard rules: a pattern that names a tier.
//!
//! All patterns are compiled once and looked for together, in one pass over each text, in time linear in its length and
//! without a length cap. Refuses patterns that would match every request: such a rule is a typo, not a route.
//! Pure; does not decide who overrides whom, only which rule speaks first.

mod confirmation;
mod openings;

use crate::{RuleHit, TierId};
use confirmation::Confirmation;
use openings::Openings;
use regex_automata::util::prefilter::Prefilter;
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind, PatternSet, meta};
use regex_syntax::hir::{Hir, HirKind, Look};
use std::borrow::Cow;
use std::fmt;
use std::slice;
use std::str::FromStr;
use tierway_wire::{Outline, Part, Role};

/// Where a rule looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The texts of the last user message.
    #[default]
    LastUser,
    /// The texts of all messages, tool results and instructions included.
    AllMessages,
    /// System and developer instructions.
    System,
    /// The value of a request header, by its name in lower case.
    Header(String),
    /// The value of one metadata field.
    Metadata(String),
    /// The names of the tools on offer.
    Tools,
}

/// One hard route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, unique in its set.
    pub name: String,
    /// The pattern, in the syntax of the `regex` crate. Each text part of a message is looked at by itself.
    pub pattern: String,
    /// Where requests go that match.
    pub tier: TierId,
    /// Why, in the operator's words.
    pub reason: String,
    /// Where it looks.
    pub scope: Scope,
    /// Nothing overrides it.
    pub locked: bool,
    /// Tell capitals from small letters.
    pub case_sensitive: bool,
}

/// The rule that speaks for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleMatch<'a> {
    /// Its place in the set as configured.
    pub index: usize,
    /// The rule.
    pub rule: &'a Rule,
}

/// A scope that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope `{0}`; use `last_user`, `all_messages`, `system`, `tools`, `header:NAME` or `metadata:KEY`")]
pub struct UnknownScope(pub String);

/// A rule that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule `{name}`: {problem}")]
pub struct RuleError {
    /// Place of the rule in the set.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub problem: RuleProblem,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleProblem {
    /// Another rule has this name.
    #[error("another rule has the same name; give each its own")]
    SameName,
    /// The pattern does not parse.
    #[error("bad pattern at character {column}: {cause}")]
    Syntax {
        /// Where, in characters from 1.
        column: usize,
        /// What the parser says.
        cause: String,
    },
    /// The pattern matches texts that hold nothing of it.
    #[error("the pattern matches every text, even an empty one; write out what it should find")]
    MatchesAll,
    /// The compiled pattern would be too large.
    #[error("compiled, the patterns take more than {limit} bytes; use smaller repetition counts")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
}

/// Bytes that the compiled patterns of one scope may take together: `\w{100}` fits, `\w{10000}` does not.
const COMPILED_LIMIT: usize = 16 << 20;
/// Bytes of the cache that the search over all patterns fills as it goes, per thread; a full cache starts afresh.
const CACHE_BYTES: usize = 4 << 20;

/// Rules in order. Locked ones are asked before the others, so that nothing in front of them shields a request.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    texts: Option<Group>,
    tools: Option<Group>,
    headers: Vec<(String, Group)>,
    metadata: Vec<(String, Group)>,
}

/// Rules that look at the same strings, best rank first, compiled into one search.
#[derive(Clone, Debug)]
struct Group {
    /// Tells most texts apart without a search.
    openings: Option<Openings>,
    /// Finds candidates: all patterns, without Unicode word boundaries (see [`relaxed`]).
    candidates: meta::Regex,
    members: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    rule: usize,
    /// What confirms a candidate, where the search left something out of the pattern.
    confirmation: Option<Confirmation>,
}

impl<'a> RuleMatch<'a> {
    /// As far as it decides.
    #[must_use]
    pub fn hit(&self) -> RuleHit<'a> {
        let Rule { name, reason, tier, locked, .. } = self.rule;
        RuleHit { name, why: reason, tier: *tier, locked: *locked }
    }
}

impl RuleSet {
    /// Compiles rules. Their order is their precedence.
    ///
    /// # Errors
    /// Every rule that cannot be, not only the first.
    pub fn new(rules: Vec<Rule>) -> Result<Self, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut hirs = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            let mut fail = |problem| errors.push(RuleError { index, name: rule.name.clone(), problem });
            if rules[..index].iter().any(|earlier| earlier.name == rule.name) {
                fail(RuleProblem::SameName);
            }
            match parse(rule) {
                Ok(hir) => hirs.push(hir),
                Err(problem) => fail(problem),
            }
        }
        if !errors.is_empty() {
            errors.extend(rules.iter().enumerate().filter_map(|(index, rule)| too_large(index, rule)));
            errors.sort_by_key(|error| error.index);
            return Err(errors);
        }
        Self::grouped(rules, &hirs).map_err(|error| vec![error])
    }

    fn grouped(rules: Vec<Rule>, hirs: &[Hir]) -> Result<Self, RuleError> {
        let group = |wanted: &dyn Fn(&Scope) -> bool| Group::new(&rules, hirs, wanted);
        let mut headers = Vec::new();
        for name in scope_names(&rules, |scope| if let Scope::Header(name) = scope { Some(name) } else { None }) {
            headers.extend(group(&|scope| *scope == Scope::Header(name.clone()))?.map(|group| (name.clone(), group)));
        }
        let mut metadata = Vec::new();
        for key in scope_names(&rules, |scope| if let Scope::Metadata(key) = scope { Some(key) } else { None }) {
            metadata.extend(group(&|scope| *scope == Scope::Metadata(key.clone()))?.map(|group| (key.clone(), group)));
        }
        let texts = group(&|scope| matches!(scope, Scope::LastUser | Scope::AllMessages | Scope::System))?;
        let tools = group(&|scope| *scope == Scope::Tools)?;
        Ok(Self { rules, texts, tools, headers, metadata })
    }

    /// Compiles now what else the first candidate of each pattern would wait for, a millisecond and more. For a thread on
    /// which nobody waits; what is not ready in time is compiled on the way.
    pub fn make_ready(&self) {
        let named = self.headers.iter().chain(&self.metadata).map(|(_, group)| group);
        let members = self.texts.iter().chain(&self.tools).chain(named).flat_map(|group| &group.members);
        members.filter_map(|member| member.confirmation.as_ref()).for_each(Confirmation::make_ready);
    }

    /// All rules in their order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule that decides for this request: the first locked one that matches, else the first of the others.
    ///
    /// `header` gives the value of a request header by its name in lower case.
    #[must_use]
    pub fn first_match<'h>(
        &self,
        outline: &Outline<'_>,
        header: &dyn Fn(&str) -> Option<&'h str>,
    ) -> Option<RuleMatch<'_>> {
        let mut best = Best::default();
        if let Some(group) = &self.texts {
            self.look_at_texts(group, outline, &mut best);
        }
        if let Some(group) = &self.tools {
            for tool in &outline.tools {
                self.look(group, &tool.name, |_| true, &mut best);
            }
        }
        for (name, group) in &self.headers {
            if let Some(value) = header(name) {
                self.look(group, value, |_| true, &mut best);
            }
        }
        for (key, group) in &self.metadata {
            for (_, value) in outline.metadata.iter().filter(|(name, _)| name == key) {
                self.look(group, value, |_| true, &mut best);
            }
        }
        best.rule.map(|index| RuleMatch { index, rule: &self.rules[index] })
    }

    fn look_at_texts(&self, group: &Group, outline: &Outline<'_>, best: &mut Best) {
        let scopes = |wanted: Scope| group.members.iter().any(|member| self.rules[member.rule].scope == wanted);
        let (all, system) = (scopes(Scope::AllMessages), scopes(Scope::System));
        let last_user = outline
            .turns
            .iter()
            .rposition(|turn| turn.role == Role::User && turn.parts.iter().any(|part| matches!(part, Part::Text(_))));
        for (at, turn) in outline.turns.iter().enumerate() {
            let (is_last, is_system) = (Some(at) == last_user, turn.role == Role::System);
            if !(all || is_last || system && is_system) {
                continue;
            }
            for part in &turn.parts {
                let (text, own) = match part {
                    Part::Text(text) => (text, true),
                    Part::Refusal(text) | Part::ToolResult { text, .. } => (text, false),
                    _ => continue,
                };
                let applies = |scope: &Scope| match scope {
                    Scope::LastUser => is_last && own,
                    Scope::System => is_system,
                    _ => true,
                };
                self.look(group, text, applies, best);
            }
        }
    }

    /// Looks for all rules of a group in one text. `applies` tells whether a scope covers this text.
    fn look(&self, group: &Group, text: &str, applies: impl Fn(&Scope) -> bool, best: &mut Best) {
        if best.is_certain(self, group) {
            return;
        }
        // Most texts hold no candidate at all, which is told faster than which ones there are.
        let Some(from) = group.openings.as_ref().map_or(Some(0), |openings| openings.first(text)) else { return };
        let input = Input::new(text).range(from..);
        if !group.candidates.is_match(input.clone()) {
            return;
        }
        let mut found = PatternSet::new(group.members.len());
        group.candidates.which_overlapping_matches(&input, &mut found);
        for pattern in found.iter() {
            let member = &group.members[pattern.as_usize()];
            let rule = &self.rules[member.rule];
            let better = best.rule.is_none_or(|best| rank(&self.rules, member.rule) < rank(&self.rules, best));
            if better
                && applies(&rule.scope)
                && member.confirmation.as_ref().is_none_or(|whole| whole.matches(text, from))
            {
                best.rule = Some(member.rule);
                return;
            }
        }
    }
}

/// The best rule so far.
#[derive(Default)]
struct Best {
    rule: Option<usize>,
}

impl Best {
    /// Nothing in this group could beat it.
    fn is_certain(&self, set: &RuleSet, group: &Group) -> bool {
        let first = group.members.first().map(|member| rank(&set.rules, member.rule));
        self.rule.is_some_and(|best| first.is_none_or(|first| rank(&set.rules, best) <= first))
    }
}

/// Locked rules first, then in order.
fn rank(rules: &[Rule], index: usize) -> (bool, usize) {
    (!rules[index].locked, index)
}

fn scope_names<'a>(rules: &'a [Rule], name: impl Fn(&'a Scope) -> Option<&'a String>) -> Vec<&'a String> {
    let mut names: Vec<_> = rules.iter().filter_map(|rule| name(&rule.scope)).collect();
    names.sort();
    names.dedup();
    names
}

impl Group {
    /// None when no rule is wanted.
    fn new(rules: &[Rule], hirs: &[Hir], wanted: &dyn Fn(&Scope) -> bool) -> Result<Option<Self>, RuleError> {
        let mut order: Vec<usize> = (0..rules.len()).filter(|index| wanted(&rules[*index].scope)).collect();
        order.sort_by_key(|index| rank(rules, *index));
        let Some(&first) = order.first() else { return Ok(None) };
        let patterns: Vec<Hir> = order.iter().map(|index| relaxed(&hirs[*index])).collect();
        let candidates = build(&patterns, Some(COMPILED_LIMIT)).map_err(|problem| {
            // The set does not tell which one: the first that is too large by itself, or else the last straw.
            let too_large = |pattern: &Hir| build(slice::from_ref(pattern), Some(COMPILED_LIMIT / 2)).is_err();
            let culprit = patterns.iter().position(too_large).unwrap_or(patterns.len() - 1);
            let index = order.get(culprit).copied().unwrap_or(first);
            RuleError { index, name: rules[index].name.clone(), problem }
        })?;
        let openings = Openings::of(&patterns);
        let member = |rule: usize| {
            let left_out = hirs[rule].properties().look_set().contains_word_unicode();
            Member { rule, confirmation: left_out.then(|| Confirmation::of(&hirs[rule])) }
        };
        Ok(Some(Self { openings, candidates, members: order.into_iter().map(member).collect() }))
    }
}

/// The problem of a rule that parses, but is too large by itself.
fn too_large(index: usize, rule: &Rule) -> Option<RuleError> {
    let problem = build(&[relaxed(&parse(rule).ok()?)], Some(COMPILED_LIMIT)).err()?;
    Some(RuleError { index, name: rule.name.clone(), problem })
}

fn parse(rule: &Rule) -> Result<Hir, RuleProblem> {
    let config = syntax::Config::new().case_insensitive(!rule.case_sensitive);
    let hir = syntax::parse_with(&rule.pattern, &config).map_err(|error| explain(&error))?;
    let on_text = matches!(rule.scope, Scope::LastUser | Scope::AllMessages | Scope::System);
    if on_text && hir.properties().minimum_len() == Some(0) {
        let regex = build(slice::from_ref(&hir), Some(COMPILED_LIMIT))?;
        if regex.is_match("~") || regex.is_match("x") {
            return Err(RuleProblem::MatchesAll);
        }
    }
    Ok(hir)
}

/// For finding out whether, and which: `limit` in bytes; none for patterns that were within the limit before.
fn build(hirs: &[Hir], limit: Option<usize>) -> Result<meta::Regex, RuleProblem> {
    build_as(MatchKind::All, hirs, limit)
}

fn build_as(kind: MatchKind, hirs: &[Hir], limit: Option<usize>) -> Result<meta::Regex, RuleProblem> {
    // Skipping ahead to a literal pays only where that is done with vectors; otherwise the automaton itself is faster.
    let literals = Prefilter::from_hirs_prefix(kind, hirs).filter(Prefilter::is_fast);
    let config = meta::Regex::config()
        .match_kind(kind)
        .auto_prefilter(false)
        .prefilter(literals)
        .nfa_size_limit(limit)
        .hybrid_cache_capacity(CACHE_BYTES);
    let too_large = |_| RuleProblem::TooLarge { limit: COMPILED_LIMIT };
    meta::Regex::builder().configure(config).build_many_from_hir(hirs).map_err(too_large)
}

/// The same pattern without Unicode word boundaries: it matches wherever the original does, and perhaps elsewhere.
/// A fast automaton cannot look around letters of several bytes; one that does not have to, runs on any text at full
/// speed. Patterns have no negation, so dropping an assertion can only widen them.
fn relaxed(hir: &Hir) -> Hir {
    rewritten(hir, &|part| matches!(part.kind(), HirKind::Look(look) if is_word_unicode(*look)).then(Hir::empty))
}

/// A pattern in which each part that has a replacement is replaced.
fn rewritten(hir: &Hir, replacement: &dyn Fn(&Hir) -> Option<Hir>) -> Hir {
    if let Some(part) = replacement(hir) {
        return part;
    }
    let all = |parts: &[Hir]| parts.iter().map(|part| rewritten(part, replacement)).collect();
    match hir.kind() {
        HirKind::Repetition(repetition) => {
            let mut repetition = repetition.clone();
            repetition.sub = Box::new(rewritten(&repetition.sub, replacement));
            Hir::repetition(repetition)
        }
        HirKind::Capture(capture) => rewritten(&capture.sub, replacement),
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)),
        _ => hir.clone(),
    }
}

const fn is_word_unicode(look: Look) -> bool {
    matches!(
        look,
        Look::WordUnicode
            | Look::WordUnicodeNegate
            | Look::WordStartUnicode
            | Look::WordEndUnicode
            | Look::WordStartHalfUnicode
            | Look::WordEndHalfUnicode
    )
}

fn explain(error: &regex_syntax::Error) -> RuleProblem {
    let (column, cause) = match error {
        regex_syntax::Error::Parse(error) => (error.span().start.column, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => (error.span().start.column, error.kind().to_string()),
        other => (1, other.to_string().lines().last().unwrap_or_default().to_owned()),
    };
    RuleProblem::Syntax { column, cause }
}

impl Scope {
    /// As written in a config.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::LastUser => "last_user".into(),
            Self::AllMessages => "all_messages".into(),
            Self::System => "system".into(),
            Self::Tools => "tools".into(),
            Self::Header(name) => format!("header:{name}").into(),
            Self::Metadata(key) => format!("metadata:{key}").into(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        match text.split_once(':') {
            Some(("header", name)) if !name.is_empty() => Ok(Self::Header(name.to_ascii_lowercase())),
            Some(("metadata", key)) if !key.is_empty() => Ok(Self::Metadata(key.to_owned())),
            None => match text {
                "last_user" => Ok(Self::LastUser),
                "all_messages" => Ok(Self::AllMessages),
                "system" => Ok(Self::System),
                "tools" => Ok(Self::Tools),
                _ => Err(UnknownScope(text.to_owned())),
            },
            Some(_) => Err(UnknownScope(text.to_owned())),
        }
    }
}
