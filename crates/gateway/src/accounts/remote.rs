//! Reserving where several replicas share what is left: one round trip for everything that a request needs.

use super::hold::{AccountHold, Taken};
use super::holder::Holder;
use crate::shared::{Answer, Ask, Shared};
use std::sync::Arc;
use tierway::{Denied, Need};
use tierway_decide::Usd;

/// Takes what a request needs from all of them, or nothing. Where nobody answers, from this replica's part.
pub(super) async fn take(shared: &Arc<Shared>, holders: Vec<Arc<Holder>>, need: Need) -> Result<AccountHold, Denied> {
    let worst = need.money.unwrap_or(Usd::ZERO);
    let books: Vec<_> = holders.iter().map(|holder| holder.present_book()).collect();
    let parts = holders.iter().zip(&books).map(|(holder, book)| holder.ask(book.clone(), worst)).collect();
    match shared.ask(Ask { parts, tokens: need.tokens, is_new: true }).await {
        Some(Answer::Granted(grant)) => {
            let each = holders.into_iter().zip(books).zip(grant.keep());
            let taken = each.map(|((holder, book), granted)| {
                let held = book.as_ref().and_then(|book| holder.force(book.window, granted.spent, worst));
                Taken { holder, held, book, standings: granted.standings }
            });
            Ok(AccountHold::granted(taken.collect(), need.tokens))
        }
        Some(Answer::Refused(at, why)) => {
            let refused = holders.get(at).map(|holder| holder.denied(&why, need.tokens, worst));
            refused.map_or_else(|| AccountHold::take(holders.iter(), need), Err)
        }
        None => AccountHold::take(holders.iter(), need),
    }
}

/// Takes more money for a request that is under way; none when nobody answers.
pub(super) async fn extend(shared: &Arc<Shared>, taken: &mut [Taken], more: Usd) -> Option<bool> {
    let paying: Vec<_> = taken.iter_mut().filter(|taken| taken.book.is_some()).collect();
    let parts = paying.iter().map(|taken| taken.holder.ask(taken.book.clone(), more)).collect();
    match shared.ask(Ask { parts, tokens: 0, is_new: false }).await? {
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
