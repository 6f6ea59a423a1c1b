//! What one request asks the shared database for, and what that says.

use super::books::{Book, Pace};
use super::{Changed, Shared};
use redis::Value;
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
    pub(super) fn write(&self, script: &str, session: &str, alive: &str, out: &mut Vec<u8>) {
        let mut call = redis::cmd("EVALSHA");
        call.arg(script).arg(2 * self.parts.len());
        for part in &self.parts {
            call.arg(&part.pace.name).arg(part.purse.as_ref().map_or(&part.pace.name, |wanted| &wanted.book.name));
        }
        call.arg(session).arg(self.tokens).arg(i32::from(self.is_new));
        for part in &self.parts {
            for bound in [part.rpm, part.tpm, part.max_concurrent] {
                call.arg(bound.unwrap_or(0));
            }
            match &part.purse {
                None => call.arg(-1).arg(0).arg(0).arg(0).arg(0),
                Some(Wanted { book, limit, known, worst }) => {
                    call.arg(limit.picos()).arg(worst.picos()).arg(book.base()).arg(known.picos()).arg(book.keep_s)
                }
            };
        }
        call.arg(alive);
        call.write_packed_command(out);
    }

    /// It is about to be asked in this session.
    pub(super) fn begin(&self, session: u64) {
        for part in &self.parts {
            if let Some(Wanted { book, limit, worst, .. }) = &part.purse {
                book.ask(session, *worst, *limit);
            }
            if let Some(pace) = self.place(part) {
                pace.tally().ask(session, 1);
            }
        }
    }

    /// Nothing was taken.
    fn refused(&self, session: u64) {
        for part in &self.parts {
            if let Some(Wanted { book, worst, .. }) = &part.purse {
                book.refused(session, *worst);
            }
            if let Some(pace) = self.place(part) {
                pace.tally().refused(session, 1);
            }
        }
    }

    /// Where it takes a place among requests in work.
    fn place<'a>(&self, part: &'a Part) -> Option<&'a Pace> {
        (self.is_new && part.max_concurrent.is_some()).then_some(&*part.pace)
    }
}

/// What was taken for a request. Dropped before anybody keeps it, it is given back: who asked has left.
pub(crate) struct Grant {
    ask: Ask,
    granted: Vec<Granted>,
    shared: Arc<Shared>,
}

impl Grant {
    /// Counts what was taken in this session as taken by this replica.
    fn new(ask: Ask, session: u64, granted: Vec<Granted>, shared: &Arc<Shared>) -> Self {
        for (part, granted) in ask.parts.iter().zip(&granted) {
            if let Some(wanted) = &part.purse {
                wanted.book.granted(session, wanted.worst);
                wanted.book.heard(granted.base, granted.spent.picos(), granted.reserved, shared.replicas());
            }
            if let Some(pace) = ask.place(part) {
                pace.tally().granted(session, 1);
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
                wanted.book.settle(wanted.worst, Usd::ZERO);
                changed.push(Changed::Book(&wanted.book));
            }
            if self.ask.is_new {
                if let Some(pace) = self.ask.place(part) {
                    pace.leave();
                }
                part.pace.correct(part.tpm.unwrap_or(0), self.ask.tokens, 0);
                changed.push(Changed::Pace(&part.pace));
            }
        }
        self.shared.tell(&changed);
    }
}

impl Answer {
    /// Figures as words, as the script gives them. None when it is no answer of the script.
    pub(super) fn read(text: &str, ask: Ask, session: u64, shared: &Arc<Shared>) -> Option<Self> {
        let mut words = text.split(' ');
        if figure(words.next()?)? == 1 {
            let figures = words.map(figure).collect::<Option<Vec<_>>>()?;
            let all: Vec<_> = figures.chunks_exact(EACH).map(granted).collect();
            return (all.len() == ask.parts.len()).then(|| Self::Granted(Grant::new(ask, session, all, shared)));
        }
        let part = usize::try_from(figure(words.next()?)? - 1).ok()?;
        let (word, first) = (words.next()?, figure(words.next()?)?);
        let wait_ms = u64::try_from(first).ok();
        let why = match word {
            "requests" => Why::Requests { wait_ms },
            "tokens" => Why::Tokens { wait_ms },
            "active" => Why::Active,
            "money" => Why::Money { spent: Usd::from_picos(first), reserved: Usd::from_picos(figure(words.next()?)?) },
            _ => return None,
        };
        ask.refused(session);
        Some(Self::Refused(part, why))
    }
}

fn granted(figures: &[i64]) -> Granted {
    let standing = |at: usize| {
        let remaining = u64::try_from(figures[at]).ok()?;
        Some(Standing { remaining, reset_ms: u64::try_from(figures[at + 1]).ok()? })
    };
    Granted {
        spent: Usd::from_picos(figures[0]),
        reserved: figures[1],
        base: figures[2],
        standings: [standing(3), standing(5)],
    }
}

fn figure(word: &str) -> Option<i64> {
    word.parse().ok()
}

/// A number, as the server sends it or as text.
pub(super) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::BulkString(text) => figure(std::str::from_utf8(text).ok()?),
        _ => None,
    }
}
