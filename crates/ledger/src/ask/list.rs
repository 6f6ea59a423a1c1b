//! Lists of requests, the newest first, in bounded time however rare the match.
//!
//! Ids are ordered by time, so a page begins where the last one ended. Hours in which the sums know no match are
//! skipped without looking at a row; what sums cannot tell (users, sessions, rules) is looked for in so many rows.

use super::{Looked, Search, View, first_of};
use crate::LedgerError;
use crate::cells::HOUR_MS;
use crate::queries::{Filter, Page, Span};
use crate::row;
use tierway_decide::RequestId;

/// Rows that one question looks at: some 30 ms.
const MOST_ROWS: usize = 50_000;
/// Hours, or days, that one question looks into.
const MOST_PIECES: usize = 200;

pub(crate) fn page(
    view: &mut dyn View,
    filter: &Filter,
    span: Span,
    before: Option<RequestId>,
    limit: usize,
) -> Result<Page, LedgerError> {
    let spelling = view.spelling()?;
    let search = Search::new(&spelling.words(), filter);
    // Before the first kept hour there are sums, but no rows.
    let kept = view.first_kept_hour()?.max(0);
    let first = RequestId::first_at(span.from_ms.max(kept * HOUR_MS)).as_i64();
    // Everything from here on was looked at.
    let mut end = RequestId::first_at(span.to_ms).as_i64().min(before.map_or(i64::MAX, RequestId::as_i64));
    let (mut calls, mut rows_left, limit) = (Vec::new(), MOST_ROWS, limit.max(1));
    for _ in 0..MOST_PIECES {
        let Some((hour, past)) = search.busy(view, first, end)? else { return Ok(Page { calls, next: None }) };
        let from = first_of(hour).max(first);
        let most = (rows_left, limit - calls.len());
        let Looked { from, rows } = view.search(from..end.min(first_of(past)), &search, most, &mut |fields| {
            calls.push(row::read(fields, &spelling)?.call);
            Ok(())
        })?;
        end = from;
        rows_left = rows_left.saturating_sub(rows);
        if calls.len() == limit || rows_left == 0 {
            break;
        }
    }
    let next = (end > first).then(|| RequestId::from_i64(end));
    Ok(Page { calls, next })
}
