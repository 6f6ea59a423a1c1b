//! What is reserved for one request on one machine.

use super::Holder;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use tierway::{BoxFuture, Denied, Hold, Need, Refusal};
use tierway_decide::budget::Held;
use tierway_decide::{RejectWhy, Usd};
use tierway_wire::ApiError;

/// A reservation with each holder. Dropped without an end it goes back whole: the request cost nothing.
pub(crate) struct LocalHold {
    taken: Vec<Taken>,
    tokens: u64,
    settled: bool,
}

struct Taken {
    holder: Arc<Holder>,
    held: Option<Held>,
}

impl LocalHold {
    /// Takes what a request needs from all of them, or nothing.
    pub(super) fn take<'a>(holders: impl Iterator<Item = &'a Arc<Holder>>, need: Need) -> Result<Self, Denied> {
        let mut hold = Self { taken: Vec::with_capacity(2), tokens: need.tokens, settled: false };
        for holder in holders {
            if holder.allowance.budget.is_some() && need.money.is_none() {
                return Err(unpriced());
            }
            holder.hurry(need.tokens)?;
            hold.taken.push(Taken { holder: holder.clone(), held: None });
            let held = holder.pay(need.money.unwrap_or(Usd::ZERO))?;
            if let Some(taken) = hold.taken.last_mut() {
                taken.held = held;
            }
        }
        Ok(hold)
    }

    fn end(&mut self, paid: Usd, tokens: u64) {
        self.settled = true;
        for Taken { holder, held } in &self.taken {
            holder.correct_tokens(self.tokens, tokens);
            if let Some(held) = held {
                holder.settle(held, paid);
            }
        }
    }
}

/// A model that the client named and nobody knows the price of: it would be free.
fn unpriced() -> Denied {
    let message = "this model has no known price, so that no budget could hold; ask for `auto` or a priced model, or have its operator state a price";
    let refusal = Refusal::caller(ApiError::new(403, message).with_code("model_without_price"));
    Denied { refusal, why: RejectWhy::OverBudget }
}

impl Hold for LocalHold {
    fn extend(&mut self, more: Usd) -> BoxFuture<'_, bool> {
        let fits = self.taken.iter_mut().all(|taken| match (&mut taken.held, taken.holder.money()) {
            (Some(held), Some((budget, purse, window))) => purse.extend(held, budget.limit, window, more),
            _ => true,
        });
        Box::pin(std::future::ready(fits))
    }

    /// The limits that are nearest to their end, under the names that OpenAI's clients know.
    fn head(&self, headers: &mut HeaderMap) {
        let names = [
            ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
            ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
        ];
        for (at, [limit_name, remaining_name, reset_name]) in names.into_iter().enumerate() {
            let speeds = self.taken.iter().filter_map(|taken| taken.holder.speeds()[at]);
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

impl Drop for LocalHold {
    fn drop(&mut self) {
        if !self.settled {
            for taken in &self.taken {
                taken.holder.unhurry_request();
            }
            self.end(Usd::ZERO, 0);
        }
    }
}
