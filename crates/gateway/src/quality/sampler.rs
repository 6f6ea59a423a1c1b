//! On the way of requests: says which answered ones are looked at. Takes no lock, asks nobody.

use super::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tierway::{Seen, Wanted, Witness};
use tierway_decide::quality::{Kind, Stratum};
use tierway_decide::{CallRecord, Ladder, Reason, RejectWhy, TierId};

/// The witness of one config.
pub(crate) struct Sampler(pub(crate) Arc<Shared>);

impl Witness for Sampler {
    fn wants(&self, decided: &CallRecord) -> Option<Wanted> {
        let config = self.0.config.load();
        let ladder = config.table.ladder();
        let (kind, cheap) = told(ladder, decided)?;
        let rule = match &decided.reason {
            Reason::Rule { rule, .. } => Some(rule.as_str()),
            _ => None,
        };
        if !config.quality.allows(&decided.key, &decided.team, rule) {
            return None;
        }
        let prediction = &decided.prediction;
        let verdicts = match kind {
            // No cell hangs on them.
            Kind::Rule => u64::MAX,
            _ => self.0.verdicts(prediction.task_type, cheap).load(Ordering::Relaxed),
        };
        let drawn = self.0.design().draw(decided.id, Stratum::of(prediction, cheap, verdicts))?;
        Some(Wanted { kind, cheap_tier: ladder.tier(cheap).name.clone(), drawn })
    }

    fn hear(&self, seen: Box<Seen>) {
        let config = self.0.config.load();
        let baseline = &config.table.ladder().tier(config.table.ladder().baseline()).name;
        let served = if seen.wanted.kind.served_cheap() { &seen.wanted.cheap_tier } else { baseline };
        // A fallback answered: that tells nothing about the tier that was meant.
        if seen.record.served_tier == *served {
            self.0.offer(seen);
        } else {
            self.0.unfit();
        }
    }
}

/// What a decided request can tell, and about which cheap tier. Only where the router had a choice: what a client or a
/// locked rule wanted is not the router's to compare, and may not even be shown to another tier.
fn told(ladder: &Ladder, decided: &CallRecord) -> Option<(Kind, TierId)> {
    let baseline = ladder.baseline();
    let tier = ladder.find(&decided.tier)?;
    match &decided.reason {
        Reason::Predicted | Reason::ModelAsked | Reason::SessionHeld if tier < baseline => Some((Kind::Down, tier)),
        Reason::Rule { .. } if tier < baseline => Some((Kind::Rule, tier)),
        Reason::Predicted | Reason::ModelAsked | Reason::SessionHeld | Reason::Abstained
            if tier == baseline && baseline.0 > 0 =>
        {
            Some((Kind::Up, TierId(0)))
        }
        Reason::QualityHeld if tier == baseline => {
            let held = decided.rejected.iter().find(|rejected| rejected.why == RejectWhy::QualityHeld)?;
            Some((Kind::Held, held.tier))
        }
        _ => None,
    }
}
