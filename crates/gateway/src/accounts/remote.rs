//! Reserving where several replicas share what is left: from what this one has taken ahead, or in one round trip for everything
//! that a request needs.

use super::hold::{AccountHold, Taken};
use super::holder::Holder;
use crate::shared::{Answer, Ask, Book, Granted, Shared};
use std::sync::Arc;
use tierway::{Denied, Need};
use tierway_decide::Usd;

/// What a request needs of all who pay for it.
pub(super) struct Wish {
    holders: Vec<Arc<Holder>>,
    /// The window that each of them pays from.
    books: Vec<Option<Arc<Book>>>,
    need: Need,
    ask: Ask,
}

impl Wish {
    pub(super) fn new(holders: Vec<Arc<Holder>>, need: Need) -> Self {
        let worst = need.money.unwrap_or(Usd::ZERO);
        let books: Vec<_> = holders.iter().map(|holder| holder.present_book()).collect();
        let parts = holders.iter().zip(&books).map(|(holder, book)| holder.ask(book.clone(), worst)).collect();
        Self { holders, books, need, ask: Ask::new(parts, need.tokens) }
    }

    /// Takes it from what this replica has taken ahead, without asking anybody. None where that is not enough: nothing is taken.
    pub(super) fn take_ahead(&mut self) -> Option<AccountHold> {
        let granted = self.ask.take_ahead()?;
        Some(self.hold(granted))
    }

    fn hold(&mut self, granted: Vec<Granted>) -> AccountHold {
        hold(std::mem::take(&mut self.holders), std::mem::take(&mut self.books), granted, self.need)
    }

    /// Takes all of it, or nothing: from what another request is about to bring, or by asking. Where nobody answers, from this
    /// replica's part.
    pub(super) async fn take(mut self, shared: &Arc<Shared>) -> Result<AccountHold, Denied> {
        if let Some(granted) = self.ask.take_coming(shared.timeout()).await {
            return Ok(self.hold(granted));
        }
        let Self { holders, books, need, ask } = self;
        match shared.ask(ask).await {
            Some(Answer::Granted(grant)) => Ok(hold(holders, books, grant.keep(), need)),
            Some(Answer::Refused(at, why, _)) => {
                let worst = need.money.unwrap_or(Usd::ZERO);
                let refused = holders.get(at).map(|holder| holder.denied(&why, need.tokens, worst));
                refused.map_or_else(|| AccountHold::take(holders.iter(), need), Err)
            }
            None => {
                // Only this answer is late: what others were granted meanwhile is there.
                let mut again = Self::new(holders, need);
                let held = if shared.is_up() { again.take_ahead() } else { None };
                held.map_or_else(|| AccountHold::take(again.holders.iter(), need), Ok)
            }
        }
    }
}

fn hold(holders: Vec<Arc<Holder>>, books: Vec<Option<Arc<Book>>>, granted: Vec<Granted>, need: Need) -> AccountHold {
    let worst = need.money.unwrap_or(Usd::ZERO);
    let each = holders.into_iter().zip(books).zip(granted);
    let taken = each.map(|((holder, book), granted)| {
        let held = book.as_ref().and_then(|book| holder.force(book.window, granted.spent, worst));
        Taken { holder, held, book, standings: granted.standings }
    });
    AccountHold::granted(taken.collect(), need.tokens)
}

/// Takes more money for a request that is under way; none when nobody answers.
pub(super) async fn extend(shared: &Arc<Shared>, taken: &mut [Taken], more: Usd) -> Option<bool> {
    let paying: Vec<_> = taken.iter_mut().filter(|taken| taken.book.is_some()).collect();
    let parts = paying.iter().map(|taken| taken.holder.ask(taken.book.clone(), more)).collect();
    match shared.ask(Ask::more(parts)).await? {
        Answer::Refused(..) => Some(false),
        Answer::Granted(grant) => {
            let _ = grant.keep();
            for taken in paying {
                if let (Some(held), Some((_, purse, _))) = (&mut taken.held, taken.holder.money()) {
                    purse.extend(held, None, more);
                }
            }
            Some(true)
        }
    }
}
