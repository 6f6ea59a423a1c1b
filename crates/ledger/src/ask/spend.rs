//! What somebody spent since a moment.

use super::{Order, View, answerable};
use crate::LedgerError;
use crate::cells::{Apart, Cube, HOUR_MS, Piece, pieces, savings_of};
use crate::queries::Payer;
use crate::row::column;
use std::ops::ControlFlow;
use tierway_decide::{RequestId, Usd};

/// The end of time, in hours: no request is later.
pub(super) const NEVER: i64 = RequestId::EPOCH_MS / HOUR_MS + (1 << 41) / HOUR_MS;

/// Keys and teams from the sums, but for a first hour that is not whole; users, of whom no sums are kept, from the rows.
pub(crate) fn spent(view: &mut dyn View, payer: &Payer, from_ms: i64) -> Result<Usd, LedgerError> {
    let from_ms = from_ms.max(0);
    let first_whole = from_ms.div_euclid(HOUR_MS) + i64::from(from_ms.rem_euclid(HOUR_MS) > 0);
    let (of_key, name) = match payer {
        Payer::User(user) => return rows(view, column::USER, user, (from_ms, NEVER * HOUR_MS)),
        Payer::Key(key) => (true, key),
        Payer::Team(team) => (false, team),
    };
    let (dimension, at) = if of_key { ("key", column::KEY) } else { ("team", column::TEAM) };
    let mut sum = Usd::ZERO;
    let words = view.spelling()?.words();
    let number = words.get(name);
    if number.is_none() && words.is_full() {
        // One of the others, whom sums do not tell apart.
        return rows(view, at, name, (from_ms, NEVER * HOUR_MS));
    }
    // Without a number it has spent nothing.
    if let Some(number) = number {
        let pieces = pieces(Cube::Callers, answerable(view, (first_whole, NEVER))?);
        let theirs: Vec<_> = pieces.map(|piece| Piece { only: Some((dimension, number)), ..piece }).collect();
        view.sums(&theirs, Apart::MONEY, &mut |cell| {
            sum += savings_of(cell)?.paid_in_all();
            Ok(())
        })?;
    }
    Ok(sum + rows(view, at, name, (from_ms, first_whole * HOUR_MS))?)
}

fn rows(view: &mut dyn View, at: usize, name: &str, (from_ms, to_ms): (i64, i64)) -> Result<Usd, LedgerError> {
    if from_ms >= to_ms {
        return Ok(Usd::ZERO);
    }
    let spelling = view.spelling()?;
    let [from, to] = [from_ms, to_ms].map(|ms| RequestId::first_at(ms).as_i64());
    let mut sum = 0i64;
    view.rows(from..to, Order::OldestFirst, &mut |fields| {
        // A row that somebody else wrote into counts as far as it can be read; `audit` names it.
        let is_theirs = match fields.get(at)? {
            crate::value::Value::Text(text) => text == name,
            word => spelling.text(word).as_deref() == Some(name),
        };
        if is_theirs {
            for money in [column::PAID, column::CLASSIFIER_PAID] {
                sum = sum.saturating_add(fields.get(money)?.integer().unwrap_or(0));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Usd::from_picos(sum))
}
