//! Money that a key, team or user may spend in a period: reserved before a call, settled after it.
//!
//! The worst case of a request is taken from the [`Purse`] before anybody is called, and what it really cost is put in
//! its place when it ends. So requests that come at once cannot spend the same dollar, and a purse is never overdrawn by
//! more than what the estimate of input tokens was short of. Where several processes spend from one budget and cannot ask
//! each other, each has its [`Share`] of what was left.
//!
//! Pure: the time is an argument, and [`Calendar`] says which one to believe.

mod calendar;
mod purse;
mod share;

pub use calendar::{Calendar, Period, Window};
pub use purse::{Held, Purse, Short};
pub use share::Share;

use crate::Usd;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// So much money in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Budget {
    /// How much.
    pub limit: Usd,
    /// In which time.
    pub period: Period,
}

/// Not a budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no budget; write dollars and a period: `50/month`, `2.50/day`, `100/week`, `1000/total`")]
pub struct NotABudget(String);

impl FromStr for Budget {
    type Err = NotABudget;

    fn from_str(text: &str) -> Result<Self, NotABudget> {
        let read = || {
            let (amount, period) = text.trim().split_once('/')?;
            let limit = dollars(amount.trim().strip_prefix('$').unwrap_or(amount.trim()))?;
            let period = Period::ALL.into_iter().find(|known| known.name() == period.trim())?;
            Some(Self { limit, period })
        };
        read().ok_or_else(|| NotABudget(text.to_owned()))
    }
}

impl TryFrom<String> for Budget {
    type Error = NotABudget;

    fn try_from(text: String) -> Result<Self, NotABudget> {
        text.parse()
    }
}

impl From<Budget> for String {
    fn from(budget: Budget) -> Self {
        budget.to_string()
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.limit, self.period.name())
    }
}

/// `12`, `0.5`, at most twelve places, at least the smallest unit.
fn dollars(text: &str) -> Option<Usd> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 12 || !digits(whole) || !digits(part) {
        return None;
    }
    let picos: i64 = format!("{whole}{part:0<12}").parse().ok()?;
    (picos > 0).then_some(Usd::from_picos(picos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_and_written() {
        for (text, want) in [
            ("50/month", Some("50/month")),
            ("$2.50 / day", Some("2.5/day")),
            ("0.000000000001/total", Some("0.000000000001/total")),
            ("1000/week", Some("1000/week")),
            ("0/day", None),
            ("-1/day", None),
            ("50", None),
            ("50/year", None),
            ("./day", None),
            ("1e3/day", None),
            ("99999999999/day", None),
        ] {
            let got: Option<Budget> = text.parse().ok();
            assert_eq!(got.map(|budget| budget.to_string()).as_deref(), want, "{text}");
        }
    }
}
