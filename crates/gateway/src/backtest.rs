//! The log under another config: rows of a ledger, decided again one after the other.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use tierway::Setup;
use tierway_decide::backtest::Backtest;
use tierway_decide::replay::{Conversations, Kept, Looked, Under};
use tierway_decide::{CallRecord, Pins, Usd};
use tierway_ledger::{Figures, LedgerError, Reader, Span};

/// An answer that is lost weighs as much as so many baseline answers cost: quality before money, when requests are ranked.
const ANSWERS_FOR_ONE: u64 = 10;

/// Replays every request of a span, which has these totals, under `setup`. `each` hears after every row how many were read.
///
/// # Errors
/// What the database says. A row that cannot be read is counted as one without features.
pub fn backtest(
    reader: &mut Reader,
    (span, totals): (Span, &Figures),
    setup: &Setup,
    keys: &BTreeMap<String, Pins>,
    most_requests: usize,
    mut each: impl FnMut(u64),
) -> Result<Backtest, LedgerError> {
    let mut sum = Backtest::new(answer_worth(totals), most_requests);
    let key_pins = |name: &str| keys.get(name).copied();
    let under = Under { table: &setup.table, predictor: &setup.predictor, key_pins: &key_pins };
    let mut conversations = Conversations::default();
    reader.each(span, |stored| {
        match stored {
            Ok(stored) => one(&stored.call, setup, under, &mut conversations, &mut sum),
            Err(_) => sum.keep(Kept::NoFeatures),
        }
        each(sum.read);
        ControlFlow::Continue(())
    })?;
    Ok(sum)
}

fn one(call: &CallRecord, setup: &Setup, under: Under<'_>, conversations: &mut Conversations, sum: &mut Backtest) {
    let policy = setup.table.session();
    let session = conversations.find(call, policy);
    let looked = Looked::at(call, under, session);
    let decided = looked.and_then(|looked| Ok((looked.decide(&setup.table, &setup.choosing, call)?, looked)));
    match decided {
        Err(why) => sum.keep(why),
        Ok((outcome, looked)) => {
            conversations.remember(call, &outcome, policy);
            sum.add(call, looked.prediction(), &outcome, setup.table.ladder());
        }
    }
}

/// See [`Backtest::new`].
pub(crate) fn answer_worth(totals: &Figures) -> Usd {
    let calls = i64::try_from(totals.savings.priced_calls.max(1)).unwrap_or(i64::MAX);
    Usd::from_picos(totals.savings.baseline.picos() / calls).times(ANSWERS_FOR_ONE)
}
