//! The part of an address after `?`. What it does not know it refuses: a misspelt filter must not show everything.

use super::refused;
use serde_json::{Map, Value};
use tierway::Refusal;
use tierway_ledger::{Filter, ReasonKind, Span, Step};

/// As on the command line: nobody has older records.
const MOST_DAYS: u32 = 36_500;
const USUAL_DAYS: u32 = 7;

/// Names and values that nobody asked for yet.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            decoded(name).zip(decoded(value))
        });
        let pairs: Option<Vec<_>> = pairs.collect();
        pairs.map(Self).ok_or_else(|| bad("the part after `?` is not percent-encoded UTF-8"))
    }

    /// The value of a name; an empty one counts as none.
    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1).filter(|value| !value.is_empty())
    }

    fn number(&mut self, name: &str, usual: u32, most: u32) -> Result<u32, Refusal> {
        let Some(text) = self.take(name) else { return Ok(usual) };
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| bad(format!("`{name}` is a whole number from 1 to {most}")))
    }

    /// `days=7`: the last so many days.
    pub(super) fn span(&mut self, now_ms: i64) -> Result<Span, Refusal> {
        Ok(Span::last_days(self.number("days", USUAL_DAYS, MOST_DAYS)?, now_ms))
    }

    /// `step=hour` or `step=day`.
    pub(super) fn step(&mut self) -> Result<Step, Refusal> {
        match self.take("step").as_deref() {
            None | Some("day") => Ok(Step::Day),
            Some("hour") => Ok(Step::Hour),
            Some(_) => Err(bad("`step` is `hour` or `day`")),
        }
    }

    /// `limit=50`, `before=ID`.
    pub(super) fn page(&mut self) -> Result<(usize, Option<tierway_decide::RequestId>), Refusal> {
        let limit = self.number("limit", 50, 500)?;
        let before = self.take("before").map(|id| id.parse()).transpose();
        Ok((limit as usize, before.map_err(|error| bad(format!("`before`: {error}")))?))
    }

    /// Everything else, as a filter. The router's own calls are left out, unless `own=true` or their reason asks for them.
    pub(super) fn filter(mut self) -> Result<Filter, Refusal> {
        let own = match self.take("own").as_deref() {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(_) => return Err(bad("`own` is `true` or `false`")),
        };
        self.0.retain(|(_, value)| !value.is_empty());
        let member = |(name, text): (String, String)| {
            let value = match name.as_str() {
                "slower_than_ms" => text.parse::<u32>().map_or(Value::String(text), Value::from),
                "retried" => match text.as_str() {
                    "true" | "1" => Value::Bool(true),
                    "false" | "0" => Value::Bool(false),
                    _ => Value::String(text),
                },
                _ => Value::String(text),
            };
            (name, value)
        };
        let members: Map<_, _> = self.0.into_iter().map(member).collect();
        let filter: Filter = serde_json::from_value(Value::Object(members)).map_err(|error| bad(error.to_string()))?;
        let asked_for_own = own || filter.reason.is_some_and(ReasonKind::is_own);
        Ok(Filter { of_clients: !asked_for_own, ..filter })
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), Refusal> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(bad(format!("unknown parameter `{}`", name.chars().take(60).collect::<String>()))),
        }
    }
}

fn bad(message: impl Into<String>) -> Refusal {
    refused(400, "bad_parameter", message)
}

pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                bytes.push(digit(high)? << 4 | digit(low)?);
                tail
            }
            (b'%', _) => return None,
            (b'+', tail) => {
                bytes.push(b' ');
                tail
            }
            (byte, tail) => {
                bytes.push(*byte);
                tail
            }
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, want: Result<Filter, &str>) {
        let got = Query::parse(query).and_then(Query::filter).map_err(|refusal| refusal.error.message);
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(got), Err(want)) => assert!(got.contains(want), "{got}"),
            (got, want) => panic!("{got:?}, wanted {want:?}"),
        }
    }

    #[test]
    fn filters_are_read_and_what_is_unknown_is_refused() {
        let of_clients = Filter { of_clients: true, ..Filter::default() };
        check("", Ok(of_clients.clone()));
        check("own=true", Ok(Filter::default()));
        check("own=maybe", Err("`own` is"));
        check("reason=judge", Ok(Filter { reason: Some(ReasonKind::Judge), ..Filter::default() }));
        check("tier=nano&model=", Ok(Filter { tier: Some("nano".into()), ..of_clients.clone() }));
        check("model=a%2Fb+c&retried=true&slower_than_ms=20", {
            Ok(Filter { model: Some("a/b c".into()), retried: true, slower_than_ms: Some(20), ..of_clients.clone() })
        });
        check("task_type=poetry", Err("unknown variant `poetry`"));
        check("teir=nano", Err("unknown field `teir`"));
        check("slower_than_ms=long", Err("invalid type"));
        check("retried=false", Ok(of_clients));
        check("retried=yes", Err("invalid type"));
        check("tier=%f", Err("percent-encoded"));
        check("tier=%ff", Err("percent-encoded"));
    }

    #[test]
    fn bounds_are_held() {
        for (query, right) in
            [("days=7", true), ("days=0", false), ("days=x", false), ("days=36500", true), ("days=36501", false)]
        {
            assert_eq!(Query::parse(query).and_then(|mut query| query.span(0)).is_ok(), right, "{query}");
        }
    }
}
