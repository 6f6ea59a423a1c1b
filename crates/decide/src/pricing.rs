//! Prices and what a call costs: the one place where money is computed.

use crate::Usd;
use serde::{Deserialize, Serialize};
use tierway_wire::Usage;

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
    /// Prices for requests whose whole input is longer than a limit; they hold for all tokens of the request.
    pub over: Vec<LongPrice>,
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
}

impl Price {
    /// What a call with this usage costs.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Usd {
        let long =
            self.over.iter().filter(|long| usage.input_tokens > long.input_tokens).max_by_key(|long| long.input_tokens);
        let (input, cached, write_5m, write_1h, output) = match long {
            Some(long) => (long.input, long.cached_input, long.cache_write_5m, long.cache_write_1h, long.output),
            None => (self.input, self.cached_input, self.cache_write_5m, self.cache_write_1h, self.output),
        };
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
