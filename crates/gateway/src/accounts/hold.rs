//! What is reserved for one request, here and where replicas share it.

use super::{Holder, remote};
use crate::shared::{Book, Changed};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use tierway::{BoxFuture, Denied, Hold, Need, Refusal};
use tierway_decide::budget::Held;
use tierway_decide::rate::Standing;
use tierway_decide::{RejectWhy, Usd};
use tierway_ledger::Payer;
use tierway_wire::ApiError;

/// A reservation with each holder. Dropped without an end it goes back whole: the request cost nothing.
pub(crate) struct AccountHold {
    taken: Vec<Taken>,
    tokens: u64,
    /// All replicas together allowed it; otherwise this one did by itself.
    by_all: bool,
    settled: bool,
}

pub(super) struct Taken {
    pub(super) holder: Arc<Holder>,
    pub(super) held: Option<Held>,
    /// The budget's window as replicas share it.
    pub(super) book: Option<Arc<Book>>,
    /// Requests and tokens a minute, as all replicas together have them.
    pub(super) standings: [Option<Standing>; 2],
}

impl AccountHold {
    /// Takes what a request needs from all of them, or nothing, without asking other replicas.
    pub(super) fn take<'a>(holders: impl Iterator<Item = &'a Arc<Holder>>, need: Need) -> Result<Self, Denied> {
        let mut hold = Self { taken: Vec::with_capacity(2), tokens: need.tokens, by_all: false, settled: false };
        for holder in holders {
            holder.hurry(need.tokens)?;
            hold.taken.push(Taken { holder: holder.clone(), held: None, book: None, standings: [None; 2] });
            let paid = holder.pay(need.money.unwrap_or(Usd::ZERO))?;
            if let (Some(taken), Some((held, book))) = (hold.taken.last_mut(), paid) {
                (taken.held, taken.book) = (Some(held), book);
            }
        }
        Ok(hold)
    }

    /// What all replicas together have allowed, for this request or ahead.
    pub(super) const fn granted(taken: Vec<Taken>, tokens: u64) -> Self {
        Self { taken, tokens, by_all: true, settled: false }
    }

    fn end(&mut self, paid: Usd, tokens: u64) {
        self.settled = true;
        let (mut told, mut changed) = (None, Vec::new());
        for Taken { holder, held, book, .. } in &self.taken {
            if self.by_all {
                holder.correct_shared_tokens(self.tokens, tokens);
            } else {
                holder.correct_tokens(self.tokens, tokens);
            }
            holder.leave();
            if let Some(held) = held {
                holder.settle(held, paid);
            }
            let Some(shared) = &holder.shared else { continue };
            told = Some(shared);
            if holder.speed.pace.is_due() {
                changed.push(Changed::Pace(&holder.speed.pace));
            }
            if let (Some(book), Some(held)) = (book, held) {
                book.settle(held.amount(), paid);
                // Of users the ledger keeps no sums: what is lost of theirs nobody reads again.
                if book.is_due() || matches!(holder.payer, Payer::User(_)) {
                    changed.push(Changed::Book(book));
                }
            }
        }
        if let Some(shared) = told {
            shared.tell(&changed);
        }
    }

    /// From this replica's part of what is left: with all holders, or with none.
    fn extend_alone(&mut self, more: Usd) -> bool {
        for at in 0..self.taken.len() {
            if !self.taken[at].extend_alone(more) {
                self.taken[..at].iter_mut().for_each(|taken| taken.give_back(more));
                return false;
            }
        }
        true
    }
}

impl Taken {
    fn extend_alone(&mut self, more: Usd) -> bool {
        let Self { holder, held, book, .. } = self;
        let (Some(held), Some((budget, purse, _))) = (held, holder.money()) else { return true };
        if !purse.extend(held, Some(budget.limit), more) {
            return false;
        }
        let shared = book.as_ref().is_none_or(|book| holder.share(book, budget, more));
        if !shared {
            purse.take_back(held, more);
        }
        shared
    }

    /// What [`Self::extend_alone`] took.
    fn give_back(&mut self, more: Usd) {
        let (Some(held), Some((_, purse, _))) = (&mut self.held, self.holder.money()) else { return };
        purse.take_back(held, more);
        if let Some(book) = &self.book {
            book.settle(more, Usd::ZERO);
        }
    }
}

/// A model that the client named and nobody knows the price of: it would be free.
pub(super) fn unpriced() -> Denied {
    let message = "this model has no known price, so that no budget could hold; ask for `auto` or a priced model, or have its operator state a price";
    let refusal = Refusal::caller(ApiError::new(403, message).with_code("model_without_price"));
    Denied { refusal, why: RejectWhy::OverBudget }
}

impl Hold for AccountHold {
    fn extend(&mut self, more: Usd) -> BoxFuture<'_, bool> {
        let shared =
            self.taken.iter().filter(|taken| taken.book.is_some()).find_map(|taken| taken.holder.shared.clone());
        let Some(shared) = shared.filter(|shared| shared.is_up()) else {
            return Box::pin(std::future::ready(self.extend_alone(more)));
        };
        Box::pin(async move {
            match remote::extend(&shared, &mut self.taken, more).await {
                Some(fits) => fits,
                None => self.extend_alone(more),
            }
        })
    }

    /// The limits that are nearest to their end, under the names that OpenAI's clients know.
    fn head(&self, headers: &mut HeaderMap) {
        let names = [
            ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
            ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
        ];
        for (at, [limit_name, remaining_name, reset_name]) in names.into_iter().enumerate() {
            let speeds = self.taken.iter().filter_map(|taken| {
                let limit = [taken.holder.allowance.rpm, taken.holder.allowance.tpm][at];
                limit.zip(taken.standings[at]).or_else(|| taken.holder.speeds()[at])
            });
            let Some((limit, standing)) = speeds.min_by_key(|(_, standing)| standing.remaining) else { continue };
            for (name, value) in [
                (limit_name, limit.to_string()),
                (remaining_name, standing.remaining.to_string()),
                (reset_name, format!("{}ms", standing.reset_ms)),
            ] {
                if let Ok(value) = HeaderValue::try_from(value) {
                    headers.insert(HeaderName::from_static(name), value);
                }
            }
        }
    }

    fn settle(mut self: Box<Self>, paid: Usd, tokens: u64) {
        self.end(paid, tokens);
    }
}

impl Drop for AccountHold {
    fn drop(&mut self) {
        if !self.settled {
            // With all replicas a request counts once it was let in.
            for taken in self.taken.iter().filter(|_| !self.by_all) {
                taken.holder.unhurry_request();
            }
            self.end(Usd::ZERO, 0);
        }
    }
}
