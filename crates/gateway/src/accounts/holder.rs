//! One key, team or user with its bounds and how they stand.

use super::Alarms;
use crate::metrics::Metrics;
use crate::shared::{Book, Pace, Part, Shared, Wanted, Why};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tierway::{Clock, Denied, Refusal, SystemClock};
use tierway_config::{Allowance, KeySource};
use tierway_decide::budget::{Budget, Calendar, Held, Purse, Short, Window};
use tierway_decide::rate::{Rate, Standing, TooFast};
use tierway_decide::{RejectWhy, TierId, Usd};
use tierway_ledger::Payer;

/// A request that waits for others to settle may try again so soon.
const SETTLING_MS: u64 = 1_000;

/// How budgets are kept, under one config.
pub(crate) struct Terms {
    pub(crate) zone: TimeZone,
    pub(crate) step_down_at: f64,
    pub(crate) alarm_at: f64,
    pub(crate) tiers: Vec<String>,
    pub(crate) metrics: Arc<Metrics>,
    /// Where marks that are reached go.
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) webhook: KeySource,
}

/// A purse, and which window of it was read from the ledger.
#[derive(Default)]
pub(crate) struct Filled {
    pub(crate) purse: Purse,
    read: AtomicI64,
    /// Its window as replicas share it.
    book: Mutex<Option<Arc<Book>>>,
}

impl Filled {
    pub(crate) fn is_read(&self, window: Window) -> bool {
        self.read.load(Ordering::Relaxed) == window.start_ms + 1
    }

    /// Any window of it was: nothing but what replicas tell is missing from a later one.
    fn was_read(&self) -> bool {
        self.read.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn set_read(&self, window: Window) {
        // Zero means never, and the window of a total begins there.
        self.read.store(window.start_ms + 1, Ordering::Relaxed);
    }
}

/// Requests and tokens a minute, and requests in work.
pub(crate) struct Speed {
    pub(crate) requests: Rate,
    pub(crate) tokens: Rate,
    pub(crate) pace: Arc<Pace>,
}

/// A reservation in a purse, and where replicas share it.
type Paid = (Held, Option<Arc<Book>>);

pub(crate) struct Holder {
    pub(crate) payer: Payer,
    pub(crate) allowance: Allowance,
    pub(crate) purse: Option<Arc<Filled>>,
    pub(crate) speed: Arc<Speed>,
    pub(crate) terms: Arc<Terms>,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) calendar: Arc<Calendar>,
    /// Where replicas share what is left.
    pub(crate) shared: Option<Arc<Shared>>,
}

impl Holder {
    /// The window that its budget is in now.
    pub(crate) fn window(&self) -> Option<Window> {
        let now = self.calendar.now(self.clock.unix_ms(), self.clock.monotonic_ms());
        let offset_ms = |unix_ms: i64| {
            let at = Timestamp::from_millisecond(unix_ms).unwrap_or_default();
            i64::from(self.terms.zone.to_offset(at).seconds()) * 1_000
        };
        Some(self.allowance.budget?.period.window(now, &offset_ms))
    }

    /// Budget, purse and window, where it has a budget.
    pub(super) fn money(&self) -> Option<(Budget, &Purse, Window)> {
        Some((self.allowance.budget?, &self.purse.as_ref()?.purse, self.window()?))
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.money().is_some_and(|(budget, purse, window)| purse.spent(window) >= budget.limit)
    }

    /// The tier that it has stepped down to, and why.
    pub(crate) fn step_down(&self) -> Option<(TierId, String)> {
        let (tier, (budget, purse, window)) = (self.allowance.step_down_to?, self.money()?);
        let spent = purse.spent(window);
        if spent.as_f64() < self.terms.step_down_at * budget.limit.as_f64() {
            return None;
        }
        let name = self.terms.tiers.get(usize::from(tier.0)).map_or("", String::as_str);
        let percent = (100.0 * spent.as_f64() / budget.limit.as_f64()).floor();
        Some((tier, format!("stepped down to {name}: {percent} % of {budget} of {} is spent", self.name())))
    }

    /// This replica's part of a limit, while it goes on alone.
    fn part(&self, limit: u32) -> u32 {
        self.shared.as_ref().map_or(limit, |shared| (limit / shared.replicas()).max(1))
    }

    /// Takes one request of so many tokens off its minute, and a place among those in work.
    pub(super) fn hurry(&self, tokens: u64) -> Result<(), Denied> {
        let now_ms = self.clock.monotonic_ms();
        if let Some(rpm) = self.allowance.rpm {
            let taken = self.speed.requests.take(self.part(rpm), 1, now_ms);
            taken.map_err(|fast| self.too_fast(fast, rpm, "requests", 1))?;
        }
        if let Some(tpm) = self.allowance.tpm {
            self.speed.tokens.take(self.part(tpm), tokens, now_ms).map_err(|fast| {
                self.unhurry_request();
                self.too_fast(fast, tpm, "tokens", tokens)
            })?;
        }
        if let Some(most) = self.allowance.max_concurrent
            && !self.speed.pace.enter(self.part(most))
        {
            self.unhurry_request();
            self.correct_tokens(tokens, 0);
            return Err(self.too_many());
        }
        Ok(())
    }

    pub(super) fn unhurry_request(&self) {
        if let Some(rpm) = self.allowance.rpm {
            self.speed.requests.correct(self.part(rpm), 1, 0);
        }
    }

    pub(super) fn correct_tokens(&self, taken: u64, used: u64) {
        if let Some(tpm) = self.allowance.tpm {
            self.speed.tokens.correct(self.part(tpm), taken, used);
        }
    }

    /// The same where replicas share it.
    pub(super) fn correct_shared_tokens(&self, taken: u64, used: u64) {
        if let Some(tpm) = self.allowance.tpm {
            self.speed.pace.correct(tpm, taken, used);
        }
    }

    /// A request that had a place among those in work has ended.
    pub(super) fn leave(&self) {
        if self.allowance.max_concurrent.is_some() {
            self.speed.pace.leave();
        }
    }

    fn too_many(&self) -> Denied {
        let (name, most) = (self.name(), self.allowance.max_concurrent.unwrap_or_default());
        let message = format!("{name} has {most} requests in progress, its limit; wait until one of them is done");
        let refusal = Refusal::over_rate(message, Some(SETTLING_MS)).with_code("too_many_requests_in_progress");
        Denied { refusal, why: RejectWhy::OverRate }
    }

    /// Its budget in its present window, where replicas share it.
    pub(super) fn book(&self, window: Window) -> Option<Arc<Book>> {
        let (shared, budget, filled) = (self.shared.as_ref()?, self.allowance.budget?, self.purse.as_ref()?);
        let mut book = filled.book.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(book) = book.as_ref().filter(|book| book.window.start_ms >= window.start_ms) {
            return Some(book.clone());
        }
        let name = shared.purse_name(self.kind(), self.plain_name(), budget.period.name(), window.start_ms);
        let fresh = Book::new(name, budget, window, (filled.purse.spent(window), filled.was_read()));
        Some(book.insert(shared.enter_book(fresh)).clone())
    }

    /// What a request needs of it, as far as all replicas have it. `book`: the window that it is paid from.
    pub(super) fn ask(&self, book: Option<Arc<Book>>, worst: Usd) -> Part {
        let purse = self.allowance.budget.zip(self.purse.as_ref()).zip(book).map(|((budget, filled), book)| {
            let known = filled.purse.spent(book.window);
            Wanted { book, limit: budget.limit, known, worst }
        });
        let Allowance { rpm, tpm, max_concurrent, .. } = self.allowance;
        Part::new(self.speed.pace.clone(), [rpm, tpm, max_concurrent], purse)
    }

    /// Its budget in the window of now, where replicas share it.
    pub(super) fn present_book(&self) -> Option<Arc<Book>> {
        self.book(self.window()?)
    }

    /// Counts what all replicas together have allowed.
    pub(super) fn force(&self, window: Window, spent: Usd, worst: Usd) -> Option<Held> {
        self.at_least(window, spent);
        Some(self.purse.as_ref()?.purse.force(window, worst))
    }

    /// Why all replicas together do not let a request in.
    pub(super) fn denied(&self, why: &Why, tokens: u64, worst: Usd) -> Denied {
        match *why {
            Why::Requests { wait_ms } => {
                self.too_fast(TooFast { wait_ms }, self.allowance.rpm.unwrap_or(0), "requests", 1)
            }
            Why::Tokens { wait_ms } => {
                self.too_fast(TooFast { wait_ms }, self.allowance.tpm.unwrap_or(0), "tokens", tokens)
            }
            Why::Active => self.too_many(),
            Why::Money { spent, reserved } => match self.money() {
                Some((budget, _, window)) => {
                    self.at_least(window, spent);
                    self.short(budget, window, Short { spent, reserved }, worst)
                }
                None => self.too_many(),
            },
        }
    }

    /// How its requests and tokens a minute stand, with the limit of each.
    pub(super) fn speeds(&self) -> [Option<(u32, Standing)>; 2] {
        let now_ms = self.clock.monotonic_ms();
        let of = |limit: Option<u32>, rate: &Rate| {
            limit.map(|limit| self.part(limit)).map(|limit| (limit, rate.standing(limit, now_ms)))
        };
        [of(self.allowance.rpm, &self.speed.requests), of(self.allowance.tpm, &self.speed.tokens)]
    }

    fn too_fast(&self, fast: TooFast, limit: u32, what: &str, count: u64) -> Denied {
        let name = self.name();
        let message = match fast.wait_ms {
            Some(ms) => format!(
                "{name} is at its {limit} {what} a minute; try again in {:.1} s",
                f64::from(u32::try_from(ms).unwrap_or(u32::MAX)) / 1e3
            ),
            None => {
                format!("this request has about {count} {what}, {name} may have {limit} a minute; ask for less at once")
            }
        };
        Denied { refusal: Refusal::over_rate(message, fast.wait_ms), why: RejectWhy::OverRate }
    }

    /// Takes the worst case of a request out of its purse; alone among several replicas, out of its share.
    pub(super) fn pay(&self, worst: Usd) -> Result<Option<Paid>, Denied> {
        let Some((budget, purse, window)) = self.money() else { return Ok(None) };
        let short = |short: Short| self.short(budget, window, short, worst);
        let held = purse.reserve(budget.limit, window, worst).map_err(short)?;
        let book = self.book(window);
        if let Some(book) = &book
            && !self.share(book, budget, worst)
        {
            purse.settle(&held, Usd::ZERO);
            let spent = purse.spent(window);
            return Err(short(Short { spent, reserved: purse.committed(window) - spent }));
        }
        Ok(Some((held, book)))
    }

    /// Takes so much from this replica's share; false when that is more than it has.
    pub(super) fn share(&self, book: &Book, budget: Budget, amount: Usd) -> bool {
        let spent = self.purse.as_ref().map_or(Usd::ZERO, |filled| filled.purse.spent(book.window));
        let (replicas, is_up) = self.shared.as_ref().map_or((1, false), |shared| (shared.replicas(), shared.is_up()));
        book.take(amount, budget.limit, spent, (replicas, is_up))
    }

    fn short(&self, budget: Budget, window: Window, short: Short, worst: Usd) -> Denied {
        let now = self.calendar.now(self.clock.unix_ms(), self.clock.monotonic_ms());
        let filled = window.end_ms.and_then(|end| Timestamp::from_millisecond(end).ok());
        let filled = filled.map_or("It is not filled again.".to_owned(), |at| format!("It is filled again at {at}."));
        let standing = format!(
            "the budget of {}, {budget} dollars, does not allow this request: {} are spent, {} reserved by requests in progress, and it may cost up to {worst}",
            self.name(),
            short.spent,
            short.reserved,
        );
        // Others may turn out cheaper than they could have been: that is soon known.
        let refusal = if short.spent + worst <= budget.limit {
            let message =
                format!("{standing}. Try again when those have ended, or state a smaller bound on the output.");
            Refusal::over_rate(message, Some(SETTLING_MS)).with_code("budget_reserved")
        } else {
            let message = format!("{standing}. {filled} A smaller bound on the output, or a cheaper tier, may fit.");
            let wait_ms = window.end_ms.map(|end| u64::try_from(end - now).unwrap_or(0));
            Refusal::over_budget(message, wait_ms)
        };
        self.terms.metrics.over_budget(self.kind(), self.plain_name());
        Denied { refusal, why: RejectWhy::OverBudget }
    }

    /// Puts what a request cost in the place of what it reserved.
    pub(super) fn settle(&self, held: &Held, paid: Usd) {
        if let Some(filled) = &self.purse {
            self.watch(filled.purse.settle(held, paid));
        }
    }

    /// All together have spent so much, as others say.
    pub(super) fn at_least(&self, window: Window, spent: Usd) {
        if let Some(filled) = &self.purse {
            let (was_read, spent) = (filled.is_read(window), filled.purse.at_least(window, spent));
            // What a new process learns of the time before it is no news.
            if was_read {
                self.watch(spent);
            }
        }
    }

    /// Says it aloud when a budget reaches one of its marks.
    fn watch(&self, (before, after): (Usd, Usd)) {
        let Some(budget) = self.allowance.budget else { return };
        for share in [self.terms.alarm_at, 1.0] {
            let mark = share * budget.limit.as_f64();
            if before.as_f64() < mark && after.as_f64() >= mark {
                let (holder, percent) = (self.name(), (share * 100.0).round());
                tracing::warn!(holder, %budget, spent = %after, "{percent} % of a budget is spent");
                self.terms.metrics.budget_alarm(self.kind(), self.plain_name(), percent);
                let words =
                    format!("tierway: {percent} % of the budget of {holder} is spent: {after} of {budget} dollars");
                self.terms.alarms.sound(words);
            }
        }
    }

    /// What is spent and reserved of what, for metrics.
    pub(crate) fn figures(&self) -> Option<(Budget, Usd, Usd)> {
        let (budget, purse, window) = self.money()?;
        let spent = purse.spent(window);
        Some((budget, spent, purse.committed(window) - spent))
    }

    pub(crate) fn kind(&self) -> &'static str {
        named(&self.payer).0
    }

    pub(crate) fn plain_name(&self) -> &str {
        named(&self.payer).1
    }

    fn name(&self) -> String {
        format!("{} `{}`", self.kind(), self.plain_name())
    }
}

/// What somebody is, and how it is called.
pub(super) fn named(payer: &Payer) -> (&'static str, &str) {
    match payer {
        Payer::Key(name) => ("key", name),
        Payer::Team(name) => ("team", name),
        Payer::User(name) => ("user", name),
    }
}
