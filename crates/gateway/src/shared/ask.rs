//! What one request asks the shared database for, and what that says.

use super::ahead::{Count, Extra, MOST, portion};
use super::books::Book;
use super::pace::{Filling, Limits, PLACES, Pace, TOKENS};
use super::{Changed, Shared};
use redis::Value;
use std::sync::Arc;
use tierway_decide::Usd;
use tierway_decide::rate::Standing;

/// Everything that a request needs, from all who pay for it.
pub(crate) struct Ask {
    parts: Vec<Part>,
    tokens: u64,
    /// A new request; otherwise more money for one that is under way.
    is_new: bool,
    /// For how many more to take ahead.
    wanted: i64,
    filling: Vec<Filling>,
}

/// What it needs from one of them.
pub(crate) struct Part {
    pace: Arc<Pace>,
    limits: Limits,
    /// Its purse, the budget, what is known to be spent of it, and what is wanted.
    purse: Option<Wanted>,
    extras: Extras,
}

/// What is taken ahead of each bound of one payer.
#[derive(Clone, Copy, Default)]
struct Extras {
    pace: [Extra; 3],
    money: Extra,
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
    /// Nothing was taken, because of this part. What was asked, where this replica has just given back what it held of that
    /// itself: asked again it may fit.
    Refused(usize, Why, Option<Box<Ask>>),
}

/// How one payer stands after a request was let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    /// Spent of its budget.
    pub(crate) spent: Usd,
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

impl Part {
    pub(crate) fn new(pace: Arc<Pace>, limits: Limits, purse: Option<Wanted>) -> Self {
        Self { pace, limits, purse, extras: Extras::default() }
    }

    fn take_ahead(&self, needs: [i64; 3]) -> Option<Granted> {
        let standings = self.pace.take_ahead(self.limits, needs)?;
        let spent = self.purse.as_ref();
        let spent = spent.map(|wanted| wanted.book.take_ahead(wanted.limit, wanted.worst, wanted.known));
        if spent == Some(None) {
            self.pace.put_back(self.limits, needs);
            return None;
        }
        Some(Granted { spent: spent.flatten().unwrap_or(Usd::ZERO), standings })
    }

    fn put_back(&self, needs: [i64; 3]) {
        self.pace.put_back(self.limits, needs);
        if let Some(wanted) = &self.purse {
            wanted.book.put_back(wanted.worst);
        }
    }

    /// More than there is when nobody else has anything.
    fn is_too_large(&self, why: &Why) -> bool {
        match why {
            Why::Tokens { wait_ms } => wait_ms.is_none(),
            Why::Money { spent, .. } => self.purse.as_ref().is_some_and(|wanted| *spent + wanted.worst > wanted.limit),
            Why::Requests { .. } | Why::Active => false,
        }
    }

    /// Nothing is held any longer for requests to come. Tells it, as others may be waiting for it; false when
    /// there is nothing to tell.
    fn keep_nothing(&self, shared: &Shared) -> bool {
        let mut changed = Vec::new();
        self.pace.keep_nothing();
        if self.pace.is_untold() {
            changed.push(Changed::Pace(&self.pace));
        }
        if let Some(wanted) = self.purse.as_ref().filter(|wanted| wanted.book.keep_ahead(0)) {
            changed.push(Changed::Book(&wanted.book));
        }
        shared.tell(&changed);
        !changed.is_empty()
    }
}

impl Ask {
    /// What a new request needs.
    pub(crate) const fn new(parts: Vec<Part>, tokens: u64) -> Self {
        Self { parts, tokens, is_new: true, wanted: 0, filling: Vec::new() }
    }

    /// More money for one that is under way.
    pub(crate) const fn more(parts: Vec<Part>) -> Self {
        Self { parts, tokens: 0, is_new: false, wanted: 0, filling: Vec::new() }
    }

    /// Requests, tokens and places.
    fn needs(&self) -> [i64; 3] {
        [1, i64::try_from(self.tokens).unwrap_or(i64::MAX), 1]
    }

    /// Takes all of it from what this replica holds for requests to come, one for each part; or nothing.
    pub(crate) fn take_ahead(&self) -> Option<Vec<Granted>> {
        let needs = self.needs();
        let mut taken = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let Some(granted) = part.take_ahead(needs) else {
                self.parts[..taken.len()].iter().for_each(|part| part.put_back(needs));
                return None;
            };
            taken.push(granted);
        }
        Some(taken)
    }

    /// Asks for what others will need, too, unless another request is about to.
    fn want_ahead(&mut self) {
        let needs = self.needs();
        for part in &mut self.parts {
            let held = part.pace.held(part.limits);
            let extra = |need: i64, held: i64| Extra { need, held };
            part.extras.pace = [0, 1, 2].map(|at| extra(needs[at], held[at]));
            if let Some(Wanted { book, limit, worst, .. }) = &part.purse {
                part.extras.money = extra(worst.picos(), book.held(*limit));
            }
        }
        let mut exact = self.parts.iter().flat_map(|part| part.extras.pace.iter().chain([&part.extras.money]));
        if self.is_new && exact.all(|extra| extra.is_exact()) {
            self.filling = self.parts.iter().map_while(|part| part.pace.fill()).collect();
            if self.filling.len() == self.parts.len() {
                self.wanted = MOST;
            } else {
                self.filling.clear();
            }
        }
    }

    /// One call of the script.
    pub(super) fn write(&self, shared: &Shared, session: &str, out: &mut Vec<u8>) {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&shared.scripts.reserve.digest).arg(2 * self.parts.len());
        for part in &self.parts {
            call.arg(&part.pace.name).arg(part.purse.as_ref().map_or(&part.pace.name, |wanted| &wanted.book.name));
        }
        call.arg(session).arg(self.tokens).arg(i32::from(self.is_new));
        call.arg(self.wanted).arg(portion(shared.replicas()));
        for part in &self.parts {
            for bound in part.limits {
                call.arg(bound.unwrap_or(0));
            }
            match &part.purse {
                None => call.arg(-1).arg(0).arg(0).arg(0).arg(0),
                Some(Wanted { book, limit, known, worst }) => {
                    call.arg(limit.picos()).arg(worst.picos()).arg(book.base()).arg(known.picos()).arg(book.keep_s)
                }
            };
            for extra in part.extras.pace.iter().chain([&part.extras.money]) {
                call.arg(extra.held);
            }
        }
        call.arg(&shared.alive);
        call.write_packed_command(out);
    }

    /// It is about to be asked in this session.
    pub(super) fn begin(&mut self, session: u64) {
        self.want_ahead();
        for part in &self.parts {
            if let Some(Wanted { book, limit, .. }) = &part.purse {
                book.ask(session, part.extras.money.asked(self.wanted), *limit);
            }
            if let Some(pace) = self.place(part) {
                pace.ask(session, part.extras.pace[PLACES].asked(self.wanted));
            }
        }
    }

    /// Nothing was taken, because of one of them. Whether anything that this replica held went back for it.
    fn refused(&mut self, session: u64, (by, why): (usize, &Why), shared: &Shared) -> bool {
        for part in &self.parts {
            if let Some(Wanted { book, .. }) = &part.purse {
                book.refused(session, part.extras.money.asked(self.wanted));
            }
            if let Some(pace) = self.place(part) {
                pace.refused(session, part.extras.pace[PLACES].asked(self.wanted));
            }
        }
        self.filling.clear();
        // Nothing helps one that is too large for ever.
        self.parts.get(by).is_some_and(|part| !part.is_too_large(why) && part.keep_nothing(shared))
    }

    /// Where it takes a place among requests in work.
    fn place<'a>(&self, part: &'a Part) -> Option<&'a Pace> {
        (self.is_new && part.limits[PLACES].is_some()).then_some(&*part.pace)
    }
}

/// What was taken for a request. Dropped before anybody keeps it, it is given back: who asked has left.
pub(crate) struct Grant {
    ask: Ask,
    granted: Vec<Granted>,
    shared: Arc<Shared>,
}

impl Grant {
    /// Counts what was taken in this session as taken by this replica: what the request needs, and the worth of `count` more.
    fn new(mut ask: Ask, session: u64, count: i64, figures: &[i64], shared: &Arc<Shared>) -> Self {
        let counts = Count { came: count, wanted: ask.wanted, portion: portion(shared.replicas()) };
        let granted = ask.parts.iter().zip(figures.chunks_exact(EACH)).map(|(part, figures)| {
            let (spent, mut standings) = (figures[0], [standing(&figures[3..]), standing(&figures[5..])]);
            if let Some(Wanted { book, limit, .. }) = &part.purse {
                let left = limit.picos().saturating_sub(spent).saturating_sub(figures[1]);
                book.granted(session, *limit, part.extras.money, counts, left);
                book.heard(figures[2], spent, figures[1], shared.replicas());
            }
            if ask.is_new {
                standings = part.pace.granted(session, part.limits, part.extras.pace, counts, standings);
            }
            Granted { spent: Usd::from_picos(spent), standings }
        });
        let granted = granted.collect();
        ask.filling.clear();
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
                part.pace.correct(part.limits[TOKENS].unwrap_or(0), self.ask.tokens, 0);
                changed.push(Changed::Pace(&part.pace));
            }
        }
        self.shared.tell(&changed);
    }
}

impl Answer {
    /// Figures as words, as the script gives them. None when it is no answer of the script.
    pub(super) fn read(text: &str, mut ask: Ask, session: u64, shared: &Arc<Shared>) -> Option<Self> {
        let mut words = text.split(' ');
        let requests = figure(words.next()?)?;
        if requests > 0 {
            let figures = words.map(figure).collect::<Option<Vec<_>>>()?;
            let whole = figures.len() == EACH * ask.parts.len() && requests <= 1 + ask.wanted;
            return whole.then(|| Self::Granted(Grant::new(ask, session, requests - 1, &figures, shared)));
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
        let freed = ask.refused(session, (part, &why), shared);
        Some(Self::Refused(part, why, freed.then(|| Box::new(ask))))
    }
}

/// What is left of a minute, and when all of it is; none where there is no bound.
fn standing(figures: &[i64]) -> Option<Standing> {
    let remaining = u64::try_from(figures[0]).ok()?;
    Some(Standing { remaining, reset_ms: u64::try_from(figures[1]).ok()? })
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
