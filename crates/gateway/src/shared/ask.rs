//! What one request asks the shared database for, and what that says.

use super::ahead::{Count, Extra, FEWEST, MOST, portion};
use super::books::Book;
use super::pace::{Filling, Limits, PLACES, Pace, TOKENS};
use super::{Changed, Shared};
use redis::Value;
use std::sync::Arc;
use std::time::Duration;
use tierway_decide::Usd;
use tierway_decide::rate::Standing;
use tokio::sync::watch;

/// Everything that a request needs, from all who pay for it.
pub(crate) struct Ask {
    parts: Vec<Part>,
    tokens: u64,
    /// A new request; otherwise more money for one that is under way.
    is_new: bool,
}

/// It is asked in a session, and waits for its answer.
pub(super) struct Asked {
    ask: Ask,
    session: u64,
    /// For how many more to take ahead, and of what.
    wanted: i64,
    extras: Vec<Extras>,
    filling: Vec<Filling>,
}

/// What it needs from one of them.
pub(crate) struct Part {
    pace: Arc<Pace>,
    limits: Limits,
    /// Its purse, the budget, what is known to be spent of it, and what is wanted.
    purse: Option<Wanted>,
}

/// What is taken ahead of each bound of one payer.
#[derive(Clone, Copy)]
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
    pub(crate) const fn new(pace: Arc<Pace>, limits: Limits, purse: Option<Wanted>) -> Self {
        Self { pace, limits, purse }
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

    /// Where another request is about to bring what this one could have.
    fn coming(&self, needs: [i64; 3]) -> Option<watch::Receiver<bool>> {
        let coming = self.pace.coming(self.limits, needs)?;
        self.purse.as_ref().is_none_or(|wanted| wanted.book.may_have(wanted.limit, wanted.worst)).then_some(coming)
    }

    /// What is held for requests to come goes back where it was taken under other limits; gives what is needed beside the rest.
    fn extras(&self, needs: [i64; 3]) -> Extras {
        let held = self.pace.held(self.limits);
        let pace = [0, 1, 2].map(|at| Extra { need: needs[at], held: held[at] });
        let money = self.purse.as_ref();
        let money = money.map(|wanted| Extra { need: wanted.worst.picos(), held: wanted.book.held(wanted.limit) });
        Extras { pace, money: money.unwrap_or_default() }
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
        if self.pace.known().is_untold() {
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
        Self { parts, tokens, is_new: true }
    }

    /// More money for one that is under way.
    pub(crate) const fn more(parts: Vec<Part>) -> Self {
        Self { parts, tokens: 0, is_new: false }
    }

    /// Requests, tokens and places.
    fn needs(&self) -> [i64; 3] {
        [1, i64::try_from(self.tokens).unwrap_or(i64::MAX), 1]
    }

    /// Takes all of it from what this replica holds for requests to come, one for each part; or nothing.
    pub(crate) fn take_ahead(&self) -> Option<Vec<Granted>> {
        self.try_ahead().ok()
    }

    /// The same, or which part holds too little.
    fn try_ahead(&self) -> Result<Vec<Granted>, &Part> {
        let needs = self.needs();
        let mut taken = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let Some(granted) = part.take_ahead(needs) else {
                self.parts[..taken.len()].iter().for_each(|part| part.put_back(needs));
                return Err(part);
            };
            taken.push(granted);
        }
        Ok(taken)
    }

    /// Takes all of it from what other requests are about to bring. None as soon as nobody brings what is missing, or after
    /// this long: then it asks itself.
    pub(crate) async fn take_coming(&self, longest: Duration) -> Option<Vec<Granted>> {
        let taking = async {
            loop {
                let lacking = match self.try_ahead() {
                    Ok(granted) => return Some(granted),
                    Err(lacking) => lacking,
                };
                lacking.coming(self.needs())?.wait_for(|is_coming| !is_coming).await.ok()?;
            }
        };
        tokio::time::timeout(longest, taking).await.ok().flatten()
    }

    /// It is about to be asked in this session, also for what others will need, unless another request does that.
    pub(super) fn begin(self, session: u64) -> Asked {
        let extras: Vec<_> = self.parts.iter().map(|part| part.extras(self.needs())).collect();
        let (mut wanted, mut filling) = (0, Vec::new());
        let is_exact = |extras: &Extras| extras.pace.iter().chain([&extras.money]).all(|extra| extra.is_exact());
        let demand = self.parts.iter().map(|part| part.pace.demand()).min().unwrap_or(0);
        if self.is_new && demand >= FEWEST && extras.iter().all(is_exact) {
            filling.extend(self.parts.iter().map_while(|part| part.pace.fill()));
            if filling.len() == self.parts.len() {
                wanted = demand.min(MOST);
            } else {
                filling.clear();
            }
        }
        let asked = Asked { ask: self, session, wanted, extras, filling };
        for (part, extras) in asked.parts() {
            if let Some(Wanted { book, limit, .. }) = &part.purse {
                book.ask(session, extras.money.asked(wanted), *limit);
            }
            if let Some(pace) = asked.ask.place(part) {
                pace.known().tally.ask(session, extras.pace[PLACES].asked(wanted));
            }
        }
        asked
    }

    /// Where it takes a place among requests in work.
    fn place<'a>(&self, part: &'a Part) -> Option<&'a Pace> {
        (self.is_new && part.limits[PLACES].is_some()).then_some(&*part.pace)
    }
}

impl Asked {
    fn parts(&self) -> impl Iterator<Item = (&Part, &Extras)> {
        self.ask.parts.iter().zip(&self.extras)
    }

    /// One call of the script.
    pub(super) fn write(&self, shared: &Shared, session: &str, out: &mut Vec<u8>) {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&shared.scripts.reserve.digest).arg(2 * self.ask.parts.len());
        for part in &self.ask.parts {
            call.arg(&part.pace.name).arg(part.purse.as_ref().map_or(&part.pace.name, |wanted| &wanted.book.name));
        }
        call.arg(session).arg(self.ask.tokens).arg(i32::from(self.ask.is_new));
        call.arg(self.wanted).arg(portion(shared.replicas()));
        for (part, extras) in self.parts() {
            for bound in part.limits {
                call.arg(bound.unwrap_or(0));
            }
            match &part.purse {
                None => call.arg(-1).arg(0).arg(0).arg(0).arg(0),
                Some(Wanted { book, limit, known, worst }) => {
                    call.arg(limit.picos()).arg(worst.picos()).arg(book.base()).arg(known.picos()).arg(book.keep_s)
                }
            };
            for extra in extras.pace.iter().chain([&extras.money]) {
                call.arg(extra.held);
            }
        }
        call.arg(&shared.alive);
        call.write_packed_command(out);
    }

    /// What was taken in this session counts as taken by this replica: what the request needs, and the worth of so many more.
    fn granted(self, came: i64, figures: &[i64], shared: &Arc<Shared>) -> Grant {
        let counts = Count { came, wanted: self.wanted, portion: portion(shared.replicas()) };
        let granted = self.parts().zip(figures.chunks_exact(EACH)).map(|((part, extras), figures)| {
            let (spent, mut standings) = (figures[0], [standing(&figures[3..]), standing(&figures[5..])]);
            if let Some(Wanted { book, limit, .. }) = &part.purse {
                let left = limit.picos().saturating_sub(spent).saturating_sub(figures[1]);
                book.granted(self.session, *limit, extras.money, counts, left);
                book.heard(figures[2], spent, figures[1], shared.replicas());
            }
            if self.ask.is_new {
                standings = part.pace.granted(self.session, part.limits, extras.pace, counts, standings);
            }
            Granted { spent: Usd::from_picos(spent), standings }
        });
        let granted = granted.collect();
        // Who waits for what came along finds it.
        drop(self.filling);
        Grant { ask: self.ask, granted, shared: shared.clone() }
    }

    /// Nothing was taken, because of one of them. What was asked, where anything that this replica held itself went back for it.
    fn refused(self, (by, why): (usize, &Why), shared: &Shared) -> Option<Box<Ask>> {
        for (part, extras) in self.parts() {
            if let Some(Wanted { book, .. }) = &part.purse {
                book.refused(self.session, extras.money.asked(self.wanted));
            }
            if let Some(pace) = self.ask.place(part) {
                pace.known().tally.refused(self.session, extras.pace[PLACES].asked(self.wanted));
            }
        }
        // Nothing helps one that is too large for ever.
        let part = self.ask.parts.get(by).filter(|part| !part.is_too_large(why))?;
        part.keep_nothing(shared).then(|| Box::new(self.ask))
    }
}

/// What was taken for a request. Dropped before anybody keeps it, it is given back: who asked has left.
pub(crate) struct Grant {
    ask: Ask,
    granted: Vec<Granted>,
    shared: Arc<Shared>,
}

impl Grant {
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
    pub(super) fn read(text: &str, asked: Asked, shared: &Arc<Shared>) -> Option<Self> {
        let mut words = text.split(' ');
        let requests = figure(words.next()?)?;
        if requests > 0 {
            let figures = words.map(figure).collect::<Option<Vec<_>>>()?;
            let whole = figures.len() == EACH * asked.extras.len() && requests <= 1 + asked.wanted;
            return whole.then(|| Self::Granted(asked.granted(requests - 1, &figures, shared)));
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
        let again = asked.refused((part, &why), shared);
        Some(Self::Refused(part, why, again))
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

#[cfg(test)]
mod tests;
