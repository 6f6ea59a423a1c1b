//! Prices and what a call costs: the one place where money is computed.

use crate::Usd;
use serde::{Deserialize, Serialize};
use tierway_wire::{ServiceTier, Usage};

/// Prices of one model from one day on, per token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Price {
    /// First day it holds (days since 1970-01-01, UTC); 0 for always.
    pub from_day: i32,
    /// A plain input token.
    pub input: Usd,
    /// An input token read from the cache; none: as plain input.
    pub cached_input: Option<Usd>,
    /// An input token written to the five-minute cache; none: as plain input.
    pub cache_write_5m: Option<Usd>,
    /// An input token written to the one-hour cache; none: as the five-minute one.
    pub cache_write_1h: Option<Usd>,
    /// An output token, reasoning included.
    pub output: Usd,
    /// An audio token in; none: as plain input.
    pub audio_input: Option<Usd>,
    /// An audio token out; none: as plain output.
    pub audio_output: Option<Usd>,
    /// Any output token of an answer that was thought about, where the provider charges those more (Qwen); none: as plain.
    pub reasoning_output: Option<Usd>,
    /// Prices for requests whose whole input is longer than a limit; they hold for all tokens of the request.
    pub over: Vec<LongPrice>,
    /// Prices under other terms: a service tier, an hour of the day. Each is whole, and has no variants of its own.
    pub variants: Vec<Variant>,
}

/// A price under other terms than the usual ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// When it holds.
    pub terms: Terms,
    /// What is charged then.
    pub price: Price,
}

/// When a variant of a price holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Terms {
    /// The answer reports this service tier: `flex`, `priority`, `batch`, `fast`.
    ServiceTier(String),
    /// Between two times of the day.
    Hours {
        /// First minute after midnight, UTC.
        from_minute: u16,
        /// First minute in which it no longer holds; below `from_minute` when midnight lies between.
        to_minute: u16,
        /// Not on Saturdays and Sundays (UTC).
        weekdays_only: bool,
    },
}

/// Prices above an input length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LongPrice {
    /// Holds when the input has more tokens than this.
    pub input_tokens: u64,
    /// A plain input token.
    pub input: Usd,
    /// A cached one; none: as plain input.
    pub cached_input: Option<Usd>,
    /// A written one; none: as plain input.
    pub cache_write_5m: Option<Usd>,
    /// Written for an hour.
    pub cache_write_1h: Option<Usd>,
    /// An output token.
    pub output: Usd,
    /// Any output token of an answer that was thought about; none: as plain output.
    pub reasoning_output: Option<Usd>,
}

/// The most that a call can take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Most {
    /// Input, however it is charged.
    pub input_tokens: u64,
    /// Output, reasoning included.
    pub output_tokens: u64,
    /// Its prompt may be written to a cache for an hour.
    pub kept_an_hour: bool,
    /// Sound may go in or out.
    pub sound: bool,
}

/// Prices of one model over time, oldest first; at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceHistory(pub Vec<Price>);

impl PriceHistory {
    /// The price in force on a day (days since 1970-01-01). Before the first one, the first one.
    #[must_use]
    pub fn on_day(&self, day: i32) -> Option<&Price> {
        self.0.iter().rev().find(|price| price.from_day <= day).or_else(|| self.0.first())
    }

    /// What a call with this usage costs: at its time, under the service tier that the answer reports.
    #[must_use]
    pub fn cost(&self, unix_ms: i64, usage: &Usage) -> Option<Usd> {
        Some(self.at(unix_ms, usage.service_tier)?.cost(usage))
    }

    /// The most that a call can cost: its input all plain, written to a cache or heard, its output all plain, thought about
    /// or spoken, whichever is dearest, and whatever service tier of the two answers.
    #[must_use]
    pub fn worst(&self, unix_ms: i64, asked: ServiceTier, most: &Most) -> Option<Usd> {
        let Most { input_tokens, output_tokens, kept_an_hour, sound } = *most;
        let if_so = |may: bool, tokens: u64| if may { tokens } else { 0 };
        let plain = Usage { input_tokens, output_tokens, ..Usage::default() };
        let inputs = [
            plain,
            Usage { cache_write_5m_tokens: input_tokens, ..plain },
            Usage { cache_write_1h_tokens: if_so(kept_an_hour, input_tokens), ..plain },
            Usage { audio_input_tokens: if_so(sound, input_tokens), ..plain },
        ];
        let with_outputs = |input: Usage| {
            let thought = Usage { reasoning_tokens: output_tokens, ..input };
            [input, thought, Usage { audio_output_tokens: if_so(sound, output_tokens), ..input }]
        };
        let ways = inputs.into_iter().flat_map(with_outputs);
        let prices = [self.at(unix_ms, asked)?, self.at(unix_ms, ServiceTier::Standard)?];
        prices.iter().flat_map(|price| ways.clone().map(|usage| price.cost(&usage))).max()
    }

    /// The price of a call: at its time, and under the service tier that the answer reports.
    ///
    /// A tier that the price has no terms for is charged the usual price. A service tier goes before the hour of the day:
    /// no provider combines the two.
    #[must_use]
    pub fn at(&self, unix_ms: i64, service_tier: ServiceTier) -> Option<&Price> {
        let minutes = unix_ms.div_euclid(60_000);
        let day = i32::try_from(minutes.div_euclid(MINUTES_PER_DAY)).ok()?;
        let usual = self.on_day(day)?;
        let by_tier = usual.variants.iter().find(|variant| match &variant.terms {
            Terms::ServiceTier(name) => name == service_tier.name(),
            Terms::Hours { .. } => false,
        });
        let variant = by_tier.or_else(|| usual.variants.iter().find(|variant| variant.terms.hold_at(minutes)));
        Some(variant.map_or(usual, |variant| &variant.price))
    }
}

const MINUTES_PER_DAY: i64 = 24 * 60;

impl Terms {
    /// Whether this minute (since 1970-01-01 UTC) lies in the hours of the terms.
    fn hold_at(&self, minutes: i64) -> bool {
        let Self::Hours { from_minute, to_minute, weekdays_only } = self else { return false };
        let (from, to) = (i64::from(*from_minute), i64::from(*to_minute));
        let of_day = minutes.rem_euclid(MINUTES_PER_DAY);
        // 1970-01-01 was a Thursday: counted from Monday, day 0 is 3.
        let weekend = (minutes.div_euclid(MINUTES_PER_DAY) + 3).rem_euclid(7) >= 5;
        let inside = if from <= to { (from..to).contains(&of_day) } else { of_day >= from || of_day < to };
        inside && !(*weekdays_only && weekend)
    }
}

impl Price {
    /// What a call with this usage costs.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Usd {
        let long =
            self.over.iter().filter(|long| usage.input_tokens > long.input_tokens).max_by_key(|long| long.input_tokens);
        let (input, cached, write_5m, write_1h) = match long {
            Some(long) => (long.input, long.cached_input, long.cache_write_5m, long.cache_write_1h),
            None => (self.input, self.cached_input, self.cache_write_5m, self.cache_write_1h),
        };
        let (plain_output, thought_output) = match long {
            Some(long) => (long.output, long.reasoning_output),
            None => (self.output, self.reasoning_output),
        };
        let output = thought_output.filter(|_| usage.reasoning_tokens > 0).unwrap_or(plain_output);
        let write_5m = write_5m.unwrap_or(input);
        input.times(usage.plain_input_tokens())
            + cached.unwrap_or(input).times(usage.cached_input_tokens)
            + write_5m.times(usage.cache_write_5m_tokens)
            + write_1h.unwrap_or(write_5m).times(usage.cache_write_1h_tokens)
            + self.audio_input.unwrap_or(input).times(usage.audio_input_tokens)
            + output.times(usage.plain_output_tokens())
            + self.audio_output.unwrap_or(output).times(usage.audio_output_tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_no_less_than_what_any_usage_costs() {
        let usd = |picos| Some(Usd::from_picos(picos));
        let price = Price {
            input: Usd::from_picos(10),
            cached_input: usd(1),
            cache_write_5m: usd(12),
            cache_write_1h: usd(20),
            output: Usd::from_picos(50),
            audio_input: usd(100),
            audio_output: usd(200),
            reasoning_output: usd(70),
            ..Price::default()
        };
        let prices = PriceHistory(vec![price]);
        let (input_tokens, output_tokens) = (3, 2);
        let worst = |kept_an_hour, sound| {
            let most = Most { input_tokens, output_tokens, kept_an_hour, sound };
            prices.worst(0, ServiceTier::Standard, &most).unwrap().picos()
        };
        let usage = Usage { input_tokens, output_tokens, ..Usage::default() };
        assert_eq!(worst(false, false), 3 * 12 + 2 * 70);
        assert_eq!(worst(true, false), 3 * 20 + 2 * 70);
        assert_eq!(worst(true, true), 3 * 100 + 2 * 200);
        let written = Usage { cache_write_1h_tokens: 3, reasoning_tokens: 1, ..usage };
        assert_eq!(prices.cost(0, &written).unwrap().picos(), worst(true, false));
        let spoken = Usage { audio_input_tokens: 3, audio_output_tokens: 2, ..usage };
        assert_eq!(prices.cost(0, &spoken).unwrap().picos(), worst(false, true));
    }
}
