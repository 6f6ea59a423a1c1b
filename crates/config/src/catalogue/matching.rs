//! Which model of the catalogue an id means.

use super::model::{IdRule, Ids};

/// How well an id fits: exact ids before rules, longer rules before shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// A rule with so many letters.
    Rule(usize),
    /// The id or an alias.
    Exact,
}

impl Ids {
    /// How well a lower-case id fits this model.
    pub(super) fn fit(&self, id: &str) -> Option<Fit> {
        if self.model.to_lowercase() == id || self.aliases.iter().any(|alias| alias.to_lowercase() == id) {
            return Some(Fit::Exact);
        }
        self.rules.iter().filter_map(|rule| rule.fit(id)).max().map(Fit::Rule)
    }
}

impl IdRule {
    /// The number of letters that the rule spells out, when it matches.
    fn fit(&self, id: &str) -> Option<usize> {
        if self.without.iter().any(|part| id.contains(part.as_str())) {
            return None;
        }
        let literal = match (&self.prefix, &self.suffix, &self.contains) {
            (Some(prefix), _, _) => {
                let rest = id.strip_prefix(prefix.as_str())?;
                let then = match self.then.as_deref() {
                    Some("date") => is_date(rest),
                    Some("digit") => rest.starts_with(|first: char| first.is_ascii_digit()),
                    _ => true,
                };
                then.then_some(prefix)?
            }
            (_, Some(suffix), _) => id.ends_with(suffix.as_str()).then_some(suffix)?,
            (_, _, Some(part)) => id.contains(part.as_str()).then_some(part)?,
            _ => return None,
        };
        Some(literal.len())
    }
}

/// `20261123` or `2026-11-23`.
fn is_date(text: &str) -> bool {
    let shape: String = text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    shape == "00000000" || shape == "0000-00-00"
}
