//! How sure savings are: what same tokens say, corrected by what the baseline tier really charged for sampled requests.
//!
//! One way for all that show it, and no look at the rows of a period: the baseline's bill comes from sums by tier and kind of
//! work, the correction from the newest shadows. Refuses to give an interval from a handful of shadows
//! ([`BaselineRatio`] says how many). Of a request that its client left, the sums hold what it cost here at most.

use std::collections::HashMap;
use tierway_decide::baseline_ratio::{BaselineRatio, Pair};
use tierway_decide::{DAY_MS, Ladder, Usd, savings};
use tierway_ledger::quality::Shadowed;
use tierway_ledger::{Bill, LedgerError, Reader, Span, State, Step};
use tierway_report::{Report, SavedBetween};
use tierway_wire::Usage;

/// Shadows that an interval rests on, at most: each costs a look at a row.
const MOST_SHADOWS: usize = 2_000;
/// Shadows of so long before the end of a period tell about it, however short it is.
const SHADOW_DAYS: i64 = 30;
/// The chance that an interval holds, at every look.
const CONFIDENCE: f64 = 0.95;

/// What shadows say of the baseline's bill, for one ladder.
pub(crate) struct Sure<'a> {
    ratio: BaselineRatio,
    baseline: &'a str,
}

/// Requests that tell about the savings of a span, the newest first.
///
/// # Errors
/// What the database says.
pub fn shadows(state: &mut State, span: Span) -> Result<Vec<Shadowed>, LedgerError> {
    let since = span.from_ms.min(span.to_ms.saturating_sub(SHADOW_DAYS * DAY_MS));
    state.shadowed(since, span.to_ms, MOST_SHADOWS)
}

impl<'a> Sure<'a> {
    /// Learns from shadows; none while they are too few.
    pub(crate) fn of(
        reader: &mut Reader,
        shadows: &[Shadowed],
        ladder: &'a Ladder,
    ) -> Result<Option<Self>, LedgerError> {
        let ids: Vec<_> = shadows.iter().map(|shadow| shadow.id).collect();
        let calls = reader.calls(&ids)?;
        let mut calls = calls.into_iter().peekable();
        let mut pairs = Vec::with_capacity(ids.len());
        for shadow in shadows {
            let Some(stored) = calls.next_if(|stored| stored.call.id == shadow.id) else { continue };
            // Reasoning of the baseline is in its tokens; that of the one that served is not the baseline's.
            let usage = Usage { output_tokens: shadow.baseline_tokens, reasoning_tokens: 0, ..stored.call.usage };
            let own = savings::counterfactual(ladder, ladder.baseline(), &usage, shadow.id.unix_ms());
            if let (Some(same_tokens), Some(found)) = (stored.call.baseline, own) {
                // Each stands for as many as it was drawn from: chances change with the budget and the config.
                let weight = 1.0 / shadow.chance;
                pairs.push(Pair { task_type: shadow.task_type, same_tokens, found, weight });
            }
        }
        let baseline = ladder.tier(ladder.baseline()).name.as_str();
        Ok(BaselineRatio::of(&pairs).map(|ratio| Self { ratio, baseline }))
    }

    /// Between what the savings of some hours or days lie, all together.
    pub(crate) fn between<'b>(&self, bills: impl IntoIterator<Item = &'b Bill>) -> SavedBetween {
        let (mut paid, mut certain, mut elsewhere) = (Usd::ZERO, Usd::ZERO, Vec::new());
        for bill in bills {
            paid += bill.paid;
            for (tier, task_type, amount) in &bill.baseline {
                if tier == self.baseline { certain += *amount } else { elsewhere.push((*task_type, *amount)) }
            }
        }
        elsewhere.sort_unstable_by_key(|(task_type, _)| *task_type);
        elsewhere.dedup_by(|(task, amount), (into, sum)| {
            let same = task == into;
            if same {
                *sum += *amount;
            }
            same
        });
        let bill = self.ratio.bill(&elsewhere, certain, CONFIDENCE);
        let less = |dollars: f64| Usd::from_f64(dollars) - paid;
        SavedBetween {
            value: less(bill.value),
            low: less(bill.low),
            high: less(bill.high),
            shadows: self.ratio.pairs() as u64,
            confidence: CONFIDENCE,
        }
    }
}

/// Tells a report how sure its savings are, in all and by day.
pub(crate) fn tell(
    report: &mut Report,
    reader: &mut Reader,
    shadows: &[Shadowed],
    ladder: &Ladder,
) -> Result<(), LedgerError> {
    let Some(sure) = Sure::of(reader, shadows, ladder)? else { return Ok(()) };
    let span = Span { from_ms: report.from_ms, to_ms: report.to_ms };
    let bills = reader.bills(span, Step::Day)?;
    report.saved_between = Some(sure.between(&bills));
    let bills = by_start(&bills);
    for day in &mut report.days {
        day.saved_between = bills.get(&day.start_ms).map(|bill| sure.between([*bill]));
    }
    Ok(())
}

/// Bills of hours or days by when they begin.
pub(crate) fn by_start(bills: &[Bill]) -> HashMap<i64, &Bill> {
    bills.iter().map(|bill| (bill.start_ms, bill)).collect()
}
