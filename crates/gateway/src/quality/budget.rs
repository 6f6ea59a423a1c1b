//! A day's money for looking, and the rate that makes it last.
//!
//! What is in the store counts, whoever wrote it, and what this process paid for looks that are not written yet, or never
//! will be because the store failed.

use crate::metrics::Metrics;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tierway_config::Config;
use tierway_decide::quality::Design;
use tierway_decide::{DAY_MS, Usd};
use tierway_ledger::quality::Spent;

/// What a look is thought to cost before one was paid: two answers and two judgements of a mid-priced model.
const FIRST_COST: f64 = 0.01;
/// Fresh from the start there is nothing to go by: as if what came so far were all.
const FRESH_MS: f64 = 60_000.0;

/// Counts what looks cost as they pay, wherever they are.
pub(super) struct Purse {
    paid: AtomicI64,
    metrics: Arc<Metrics>,
}

impl Purse {
    pub(super) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { paid: AtomicI64::new(0), metrics })
    }

    pub(super) fn pay(&self, cost: Usd) {
        self.paid.fetch_add(cost.picos(), Ordering::Relaxed);
        self.metrics.quality_cost(cost);
    }

    fn paid(&self) -> Usd {
        Usd::from_picos(self.paid.load(Ordering::Relaxed))
    }
}

/// A day's money.
pub(super) struct Budget {
    purse: Arc<Purse>,
    day: i64,
    stored: Spent,
    /// What was paid before the day.
    before: Usd,
    /// Of what was paid since, that which is in the store.
    written: Usd,
}

impl Budget {
    pub(super) const fn new(purse: Arc<Purse>) -> Self {
        Self {
            purse,
            day: 0,
            stored: Spent { cost: Usd::ZERO, looks: 0, eligible: 0.0, first_ms: None },
            before: Usd::ZERO,
            written: Usd::ZERO,
        }
    }

    /// The store is another one from now on, without what was written.
    pub(super) const fn store_went(&mut self) {
        self.written = Usd::ZERO;
    }

    /// The day of a moment begins.
    pub(super) const fn day_start(now_ms: i64) -> i64 {
        now_ms.div_euclid(DAY_MS) * DAY_MS
    }

    /// Takes what the store has of the day.
    pub(super) fn refresh(&mut self, stored: Spent, now_ms: i64) {
        let day = now_ms.div_euclid(DAY_MS);
        if day != self.day {
            (self.day, self.before, self.written) = (day, self.purse.paid(), Usd::ZERO);
        }
        self.stored = stored;
    }

    /// A look was written down with what it cost.
    pub(super) fn settle(&mut self, cost: Usd) {
        self.written += cost;
        self.stored.cost += cost;
        self.stored.looks += u64::from(cost > Usd::ZERO);
    }

    /// Whether one more look can be paid for, beside those that are under way.
    pub(super) fn allows(&self, config: &Config, under_way: usize) -> bool {
        let left = config.quality.dollars_a_day.as_f64() - self.spent();
        left >= self.each() * (under_way + 1) as f64
    }

    /// The design for the rest of the day.
    pub(super) fn design(&self, config: &Config, now_ms: i64) -> Design {
        let Some(sample) = config.quality.sample else { return Design::new(0.0) };
        let seen = self.stored.eligible;
        let passed = self.stored.first_ms.map_or(0.0, |first| (now_ms - first).max(1) as f64);
        let left = (Self::day_start(now_ms) + DAY_MS - now_ms) as f64;
        let expected = if passed < FRESH_MS { seen } else { seen / passed * left };
        Design::within_budget(sample, config.quality.dollars_a_day.as_f64() - self.spent(), self.each(), expected)
    }

    fn spent(&self) -> f64 {
        (self.stored.cost + (self.purse.paid() - self.before - self.written).max(Usd::ZERO)).as_f64()
    }

    /// What a look costs, by those of today that were paid for; a first guess counts as one of them.
    fn each(&self) -> f64 {
        (self.stored.cost.as_f64() + FIRST_COST) / (self.stored.looks as f64 + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let text = "[providers.o]\nkind = \"openai\"\n[[tiers]]\nname = \"standard\"\ntargets = [\"openai/gpt-4o\"]\n\
            [quality]\nsample = 0.5\ndollars_a_day = 1.0\n"
            .replace("openai/gpt", "o/gpt");
        tierway_config::parse(&text, "t.toml", &|_| None).unwrap()
    }

    fn spent(cost: f64, looks: u64) -> Spent {
        Spent { cost: Usd::from_f64(cost), looks, eligible: 1_000.0, first_ms: Some(0) }
    }

    #[test]
    fn what_was_paid_counts_written_or_not_and_refusals_are_no_looks() {
        let purse = Purse::new(Arc::default());
        let mut budget = Budget::new(purse.clone());
        let config = config();
        budget.refresh(spent(0.89, 89), 1_000);
        assert!((budget.each() - 0.01).abs() < 1e-9);
        assert!(budget.allows(&config, 9) && !budget.allows(&config, 11));
        budget.settle(Usd::ZERO);
        assert!((budget.each() - 0.01).abs() < 1e-9, "a refusal made looks cheaper");
        // Under way, and then lost with the store: it was paid all the same.
        purse.pay(Usd::from_f64(0.1));
        budget.refresh(spent(0.89, 89), 2_000);
        assert!(!budget.allows(&config, 1));
        assert_eq!(budget.design(&config, 2_000).base(), budget.design(&config, 3_000).base());
        // The next day has money of its own.
        budget.refresh(Spent::default(), DAY_MS + 1);
        assert!(budget.allows(&config, 90) && budget.design(&config, DAY_MS + 1).base() == 0.5);
    }

    #[test]
    fn the_rate_is_what_the_rest_of_the_day_can_pay_for() {
        let mut budget = Budget::new(Purse::new(Arc::default()));
        // By noon 1,000 could have been looked at; half of the money is left for as many.
        budget.refresh(spent(0.5, 50), DAY_MS / 2);
        let base = budget.design(&config(), DAY_MS / 2).base();
        assert!((base - 0.5 / (0.01 * 1_000.0 * 2.0)).abs() < 1e-3, "{base}");
    }
}
