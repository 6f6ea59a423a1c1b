//! One model as the catalogue writes it, and what that means to the rest.

use super::Facts;
use crate::day;
use crate::decimal::{self, Per};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use tierway_decide::pricing::{LongPrice, Price, PriceHistory, Terms, Variant};
use tierway_decide::{Capabilities, Limits, MaxTokensField, ParameterRules, Reasoning, Sampling, Thinking, Usd};
use tierway_wire::Needs;

/// Which ids mean a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ids {
    pub(super) provider: String,
    pub(super) model: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) aliases: Vec<String>,
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub(super) rules: Vec<IdRule>,
}

/// A rule for ids that are not listed; its texts are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct IdRule {
    pub(super) prefix: Option<String>,
    pub(super) suffix: Option<String>,
    pub(super) contains: Option<String>,
    pub(super) then: Option<String>,
    pub(super) without: Vec<String>,
}

/// A line of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Model {
    #[serde(flatten)]
    pub(super) ids: Ids,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) api: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) prices: Vec<Period>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) context_window: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_input: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_output: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shutdown: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) capabilities: Option<Abilities>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parameters: Option<Takes>,
}

/// Prices from one day on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Period {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    #[serde(flatten)]
    pub(super) amounts: Amounts,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) over: Vec<Over>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) service_tiers: BTreeMap<String, TierPrices>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hours: Vec<Hours>,
}

/// Dollars per million tokens by kind of token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Amounts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cached_input: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_write_5m: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_write_1h: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audio_input: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audio_output: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_output: Option<Amount>,
}

/// Prices above an input length; kinds that are not named keep the price below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Over {
    pub(super) input_tokens: u64,
    #[serde(flatten)]
    pub(super) amounts: Amounts,
}

/// Prices of a service tier; kinds that are not named keep the usual price.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TierPrices {
    #[serde(flatten)]
    pub(super) amounts: Amounts,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) over: Vec<Over>,
}

/// Prices in some hours of the day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Hours {
    utc: String,
    weekdays: bool,
    #[serde(flatten)]
    amounts: Amounts,
}

/// What a model can do; absent is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Abilities {
    pub(super) vision: Option<bool>,
    pub(super) tools: Option<bool>,
    pub(super) json_schema: Option<bool>,
    pub(super) streaming: Option<bool>,
    pub(super) audio: Option<bool>,
    pub(super) pdf: Option<bool>,
}

/// Which parameters a model takes; absent is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Takes {
    pub(super) sampling: Option<Sampling>,
    pub(super) penalties: Option<bool>,
    pub(super) reasoning: Option<Reasoning>,
    pub(super) efforts: Option<Vec<String>>,
    pub(super) thinking: Option<Thinking>,
    pub(super) system_role: Option<bool>,
    pub(super) max_tokens_field: Option<MaxTokensField>,
    pub(super) stop: Option<bool>,
    pub(super) forced_tool_choice: Option<bool>,
    pub(super) prefill: Option<bool>,
}

/// Dollars per million tokens, kept as dollars per token. Written as a decimal string, so that nothing is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amount(pub(super) Usd);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        decimal::usd(&text, Per::Million).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.times(1_000_000))
    }
}

impl Model {
    /// This, and what `base` knows where this says nothing.
    pub(super) fn over(&self, base: Option<Self>) -> Self {
        let base = base.unwrap_or_default();
        let own = self.clone();
        Self {
            prices: if own.prices.is_empty() { base.prices } else { own.prices },
            api: own.api.or(base.api),
            kind: own.kind.or(base.kind),
            context_window: own.context_window.or(base.context_window),
            max_input: own.max_input.or(base.max_input),
            max_output: own.max_output.or(base.max_output),
            shutdown: own.shutdown.or(base.shutdown),
            capabilities: own.capabilities.or(base.capabilities),
            parameters: own.parameters.or(base.parameters),
            ids: own.ids,
        }
    }

    /// What this means to the rest.
    pub(super) fn facts(&self, source: String) -> Facts {
        let prices: Vec<Price> = self.prices.iter().filter_map(Period::price).collect();
        Facts {
            prices: (!prices.is_empty()).then_some(PriceHistory(prices)),
            limits: Limits {
                context_window: self.context_window,
                max_output: self.max_output,
                max_input: self.max_input,
                ..Limits::default()
            },
            capabilities: self.capabilities.unwrap_or_default().known(),
            parameters: ParameterRules {
                known: self.parameters.is_some(),
                responses_only: self.api.as_deref() == Some("responses"),
                ..self.parameters.clone().unwrap_or_default().known()
            },
            shutdown: self.shutdown.clone(),
            source,
        }
    }
}

impl Abilities {
    fn known(self) -> Capabilities {
        let unknown = Capabilities::default();
        Capabilities {
            vision: self.vision.unwrap_or(unknown.vision),
            tools: self.tools.unwrap_or(unknown.tools),
            json_schema: self.json_schema.unwrap_or(unknown.json_schema),
            streaming: self.streaming.unwrap_or(unknown.streaming),
            audio: self.audio.unwrap_or(unknown.audio),
            files: self.pdf.unwrap_or(unknown.files),
            guessed: Needs {
                vision: self.vision.is_none(),
                tools: self.tools.is_none(),
                json_schema: self.json_schema.is_none(),
                audio: self.audio.is_none(),
                files: self.pdf.is_none(),
                streaming: self.streaming.is_none(),
            },
        }
    }
}

impl Takes {
    fn known(self) -> ParameterRules {
        let unknown = ParameterRules::default();
        ParameterRules {
            known: unknown.known,
            sampling: self.sampling.unwrap_or(unknown.sampling),
            reasoning: self.reasoning.unwrap_or(unknown.reasoning),
            efforts: self.efforts.unwrap_or(unknown.efforts),
            system_role: self.system_role.unwrap_or(unknown.system_role),
            max_tokens_field: self.max_tokens_field.unwrap_or(unknown.max_tokens_field),
            stop: self.stop.unwrap_or(unknown.stop),
            forced_tool_choice: self.forced_tool_choice.unwrap_or(unknown.forced_tool_choice),
            prefill: self.prefill.unwrap_or(unknown.prefill),
            penalties: self.penalties.unwrap_or(unknown.penalties),
            thinking: self.thinking.unwrap_or(unknown.thinking),
            responses_only: unknown.responses_only,
        }
    }
}

impl Period {
    /// None when the input has no price, or the day is none.
    fn price(&self) -> Option<Price> {
        let from_day = match &self.from {
            Some(text) => day::parse(text)?,
            None => 0,
        };
        let usual = Layers { amounts: self.amounts, over: &self.over, named: None };
        let mut variants = Vec::new();
        for (name, tier) in &self.service_tiers {
            let price = Layers { named: Some((tier.amounts, &tier.over)), ..usual }.price()?;
            variants.push(Variant { terms: Terms::ServiceTier(name.clone()), price });
        }
        for hours in &self.hours {
            let price = Layers { named: Some((hours.amounts, &[])), ..usual }.price()?;
            variants.push(Variant { terms: hours.terms()?, price });
        }
        Some(Price { from_day, variants, ..usual.price()? })
    }
}

impl Hours {
    fn terms(&self) -> Option<Terms> {
        let minute = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            Some(hour.parse::<u16>().ok()? * 60 + minute.parse::<u16>().ok()?)
        };
        let (from, to) = self.utc.split_once('-')?;
        Some(Terms::Hours { from_minute: minute(from)?, to_minute: minute(to)?, weekdays_only: self.weekdays })
    }
}

/// The usual amounts, and those of a service tier over them.
#[derive(Clone, Copy)]
struct Layers<'p> {
    amounts: Amounts,
    over: &'p [Over],
    named: Option<(Amounts, &'p [Over])>,
}

impl Layers<'_> {
    fn price(self) -> Option<Price> {
        let base = self.amounts_above(0);
        let mut limits: Vec<u64> = self.over.iter().map(|over| over.input_tokens).collect();
        limits.extend(self.named.iter().flat_map(|(_, over)| over.iter().map(|over| over.input_tokens)));
        limits.sort_unstable();
        limits.dedup();
        let over =
            limits.into_iter().map(|limit| long_price(limit, &self.amounts_above(limit))).collect::<Option<_>>()?;
        Some(Price {
            input: amount(base.input)?,
            // Embedding models give no output.
            output: amount(base.output).unwrap_or(Usd::ZERO),
            cached_input: amount(base.cached_input),
            cache_write_5m: amount(base.cache_write_5m),
            cache_write_1h: amount(base.cache_write_1h),
            audio_input: amount(base.audio_input),
            audio_output: amount(base.audio_output),
            reasoning_output: amount(base.reasoning_output),
            over,
            ..Price::default()
        })
    }

    /// What holds for input of more than `limit` tokens. A kind that the service tier names leaves the usual prices
    /// behind, long ones included.
    fn amounts_above(&self, limit: u64) -> Amounts {
        let usual = above(self.amounts, self.over, limit);
        let Some((named, over)) = self.named else { return usual };
        let tier = above(named, over, limit);
        tier.or(usual)
    }
}

fn above(amounts: Amounts, over: &[Over], limit: u64) -> Amounts {
    let passed = over.iter().filter(|over| over.input_tokens <= limit).max_by_key(|over| over.input_tokens);
    passed.map_or(amounts, |over| over.amounts.or(amounts))
}

impl Amounts {
    fn or(self, other: Self) -> Self {
        Self {
            input: self.input.or(other.input),
            cached_input: self.cached_input.or(other.cached_input),
            cache_write_5m: self.cache_write_5m.or(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.or(other.cache_write_1h),
            output: self.output.or(other.output),
            audio_input: self.audio_input.or(other.audio_input),
            audio_output: self.audio_output.or(other.audio_output),
            reasoning_output: self.reasoning_output.or(other.reasoning_output),
        }
    }
}

fn long_price(input_tokens: u64, amounts: &Amounts) -> Option<LongPrice> {
    Some(LongPrice {
        input_tokens,
        input: amount(amounts.input)?,
        output: amount(amounts.output).unwrap_or(Usd::ZERO),
        cached_input: amount(amounts.cached_input),
        cache_write_5m: amount(amounts.cache_write_5m),
        cache_write_1h: amount(amounts.cache_write_1h),
        reasoning_output: amount(amounts.reasoning_output),
    })
}

fn amount(amount: Option<Amount>) -> Option<Usd> {
    amount.map(|amount| amount.0)
}
