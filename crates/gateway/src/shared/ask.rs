//! What one request asks the shared database for, and what that says.

use super::books::{Book, Pace};
use super::{Changed, Shared};
use redis::{Pipeline, Value};
use std::sync::Arc;
use tierway_decide::Usd;
use tierway_decide::rate::Standing;

/// Everything that a request needs, from all who pay for it.
pub(crate) struct Ask {
    pub(crate) parts: Vec<Part>,
    pub(crate) tokens: u64,
    /// A new request; otherwise more money for one that is under way.
    pub(crate) is_new: bool,
}

/// What it needs from one of them.
pub(crate) struct Part {
    pub(crate) pace: Arc<Pace>,
    pub(crate) rpm: Option<u32>,
    pub(crate) tpm: Option<u32>,
    pub(crate) max_concurrent: Option<u32>,
    /// Its purse, the budget, what is known to be spent of it, and what is wanted.
    pub(crate) purse: Option<Wanted>,
}

pub(crate) struct Wanted {
    pub(crate) book: Arc<Book>,
    pub(crate) limit: Usd,
    pub(crate) known: Usd,
    pub(crate) worst: Usd,
}

/// What became of it.
pub(crate) enum Answer {
    /// All of it was taken.
    Granted(Grant),
    /// Nothing was taken, because of this part.
    Refused(usize, Why),
}

/// How one payer stands after a request was let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    /// Spent of its budget.
    pub(crate) spent: Usd,
    reserved: i64,
    base: i64,
    /// Requests and tokens a minute.
    pub(crate) standings: [Option<Standing>; 2],
}

/// Why one of them does not let a request in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Requests { wait_ms: Option<u64> },
    Tokens { wait_ms: Option<u64> },
    Active,
    Money { spent: Usd, reserved: Usd },
}

/// Figures of each part in an answer.
const EACH: usize = 7;

impl Ask {
    /// One call of the script.
    pub(super) fn write(&self, pipe: &mut Pipeline, script: &str, me: &str, alive: &str) {
        let call = pipe.cmd("EVALSHA").arg(script).arg(2 * self.parts.len());
        for part in &self.parts {
            call.arg(&part.pace.name).arg(part.purse.as_ref().map_or(&part.pace.name, |wanted| &wanted.book.name));
        }
        call.arg(me).arg(self.tokens).arg(i32::from(self.is_new));
        for part in &self.parts {
            for bound in [part.rpm, part.tpm, part.max_concurrent] {
                call.arg(bound.unwrap_or(0));
            }
            match &part.purse {
                None => call.arg(-1).arg(0).arg(0).arg(0).arg(0),
                Some(Wanted { book, limit, known, worst }) => {
                    book.under(*limit);
                    call.arg(limit.picos()).arg(worst.picos()).arg(book.base()).arg(known.picos()).arg(book.keep_s)
                }
            };
        }
        call.arg(alive);
    }
}

/// What was taken for a request. Dropped before anybody keeps it, it is given back: who asked has left.
pub(crate) struct Grant {
    ask: Ask,
    granted: Vec<Granted>,
    shared: Arc<Shared>,
}

impl Grant {
    /// Counts what was taken as taken by this replica.
    fn new(ask: Ask, granted: Vec<Granted>, shared: &Arc<Shared>) -> Self {
        for (part, granted) in ask.parts.iter().zip(&granted) {
            if let Some(wanted) = &part.purse {
                wanted.book.share.granted(wanted.worst);
                wanted.book.heard(granted.base, granted.spent.picos(), granted.reserved, shared.replicas());
            }
            if ask.is_new && part.max_concurrent.is_some() {
                part.pace.enter(None);
            }
        }
        Self { ask, granted, shared: shared.clone() }
    }

    /// Takes it over; one for each part.
    pub(crate) fn keep(mut self) -> Vec<Granted> {
        self.ask.parts.clear();
        std::mem::take(&mut self.granted)
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        let mut changed = Vec::new();
        for part in &self.ask.parts {
            if let Some(wanted) = &part.purse {
                wanted.book.share.settle(wanted.worst, Usd::ZERO);
                changed.extend(Changed::book(&wanted.book));
            }
            if self.ask.is_new {
                if part.max_concurrent.is_some() {
                    part.pace.leave();
                }
                part.pace.correct(part.tpm.unwrap_or(0), self.ask.tokens, 0);
                changed.extend(Changed::pace(&part.pace));
            }
        }
        self.shared.tell(changed);
    }
}

impl Answer {
    /// None when it is no answer of the script.
    pub(super) fn read(value: &Value, ask: Ask, shared: &Arc<Shared>) -> Option<Self> {
        let Value::Array(values) = value else { return None };
        let (first, rest) = values.split_first()?;
        if number(first)? == 1 {
            let all = rest.chunks_exact(EACH).map(granted).collect::<Option<_>>()?;
            return Some(Self::Granted(Grant::new(ask, all, shared)));
        }
        let part = usize::try_from(number(rest.first()?)? - 1).ok()?;
        let wait_ms = u64::try_from(number(rest.get(2)?)?).ok();
        let why = match rest.get(1)? {
            Value::BulkString(word) => match &**word {
                b"requests" => Why::Requests { wait_ms },
                b"tokens" => Why::Tokens { wait_ms },
                b"active" => Why::Active,
                b"money" => Why::Money {
                    spent: Usd::from_picos(number(rest.get(2)?)?),
                    reserved: Usd::from_picos(number(rest.get(3)?)?),
                },
                _ => return None,
            },
            _ => return None,
        };
        Some(Self::Refused(part, why))
    }
}

fn granted(figures: &[Value]) -> Option<Granted> {
    let standing = |at: usize| {
        let remaining = u64::try_from(number(&figures[at])?).ok()?;
        Some(Standing { remaining, reset_ms: u64::try_from(number(&figures[at + 1])?).ok()? })
    };
    Some(Granted {
        spent: Usd::from_picos(number(&figures[0])?),
        reserved: number(&figures[1])?,
        base: number(&figures[2])?,
        standings: [standing(3), standing(5)],
    })
}

/// A number, as the server sends it or as text.
pub(super) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}
