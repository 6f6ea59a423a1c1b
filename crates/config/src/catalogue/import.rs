//! Reads price lists that others publish, and writes them as an overlay.
//!
//! Two shapes: LiteLLM's map (`model_prices_and_context_window.json`: ids to dollars per token) and models.dev's `api.json`
//! (providers to models, dollars per million tokens). What has no price for input and output is left out and counted.

use super::model::{Abilities, Amount, Amounts, Ids, Model, Over, Period, Takes, TierPrices};
use crate::decimal::{self, Per};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tierway_decide::{Reasoning, Sampling, Usd};

/// An overlay, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The overlay file.
    pub overlay: String,
    /// Models in it.
    pub models: usize,
    /// Entries left out: no chat or embedding model, or no price.
    pub left_out: usize,
    /// The shape that was recognised: `LiteLLM`, `models.dev`.
    pub shape: &'static str,
}

/// A file that is no price list.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not JSON.
    #[error("it is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// None of the shapes.
    #[error(
        "it has neither LiteLLM's shape (model ids with `litellm_provider` and `input_cost_per_token`) nor that of models.dev \
         (providers with `models` that have `cost`)"
    )]
    Shape,
    /// No entry with a price.
    #[error("no entry has a price for input and output")]
    Empty,
}

/// Reads a price list and gives an overlay. `date`: the day it was fetched, kept in the overlay.
///
/// # Errors
/// See [`ImportError`].
pub fn import(text: &str, date: &str) -> Result<Imported, ImportError> {
    let document: Map<String, Value> = serde_json::from_str(text)?;
    let (shape, entries) = if document.values().any(|entry| entry.get("litellm_provider").is_some()) {
        ("LiteLLM", document.iter().map(|(id, entry)| litellm(id, entry)).collect::<Vec<_>>())
    } else if document.values().any(|provider| provider.get("models").is_some_and(Value::is_object)) {
        ("models.dev", document.iter().flat_map(|(id, provider)| models_dev_provider(id, provider)).collect())
    } else {
        return Err(ImportError::Shape);
    };
    let total = entries.len();
    let mut models: BTreeMap<(String, String), Model> = BTreeMap::new();
    for model in entries.into_iter().flatten() {
        models.entry((model.ids.provider.clone(), model.ids.model.clone())).or_insert(model);
    }
    if models.is_empty() {
        return Err(ImportError::Empty);
    }
    let lines: Vec<String> = models.values().filter_map(|model| serde_json::to_string(model).ok()).collect();
    let overlay =
        format!("{{\"version\":\"{date}\",\n\"source\":\"{shape}\",\n\"models\":[\n{}\n]}}\n", lines.join(",\n"));
    Ok(Imported { overlay, models: lines.len(), left_out: total - lines.len(), shape })
}

/// LiteLLM's names of providers that the catalogue calls otherwise. Names that are in neither list stay as they are.
const LITELLM_PROVIDERS: [(&str, &str); 11] = [
    ("gemini", "google"),
    ("dashscope", "qwen"),
    ("together_ai", "together"),
    ("fireworks_ai", "fireworks"),
    ("cohere_chat", "cohere"),
    ("bedrock_converse", "bedrock"),
    ("azure_ai", "azure"),
    ("text-completion-openai", "openai"),
    ("xai", "xai"),
    ("mistral", "mistral"),
    ("deepseek", "deepseek"),
];

fn litellm(id: &str, entry: &Value) -> Option<Model> {
    let mode = entry.get("mode").and_then(Value::as_str).unwrap_or("chat");
    let kind = match mode {
        "chat" | "responses" => "chat",
        "embedding" => "embedding",
        _ => return None,
    };
    let theirs = entry.get("litellm_provider")?.as_str()?;
    let ours = LITELLM_PROVIDERS.iter().find(|(name, _)| *name == theirs).map_or(theirs, |(_, ours)| ours);
    let model = id.strip_prefix(theirs).and_then(|rest| rest.strip_prefix('/')).unwrap_or(id);
    let amounts = litellm_amounts(entry, "")?;
    let service_tiers = [("batch", "_batches"), ("flex", "_flex"), ("priority", "_priority")]
        .into_iter()
        .filter_map(|(tier, suffix)| {
            Some((tier.to_owned(), TierPrices { amounts: litellm_amounts(entry, suffix)?, over: Vec::new() }))
        })
        .collect();
    let flag = |name: &str| entry.get(name).and_then(Value::as_bool);
    Some(Model {
        ids: Ids { provider: ours.to_owned(), model: model.to_owned(), ..Ids::default() },
        kind: Some(kind.to_owned()),
        api: (mode == "responses").then(|| "responses".to_owned()),
        prices: vec![Period { amounts, over: litellm_over(entry), service_tiers, ..Period::default() }],
        context_window: count(entry, "max_input_tokens"),
        max_input: None,
        max_output: count(entry, "max_output_tokens"),
        shutdown: entry
            .get("deprecation_date")
            .and_then(Value::as_str)
            .filter(|day| crate::day::parse(day).is_some())
            .map(str::to_owned),
        capabilities: Some(Abilities {
            vision: flag("supports_vision"),
            tools: flag("supports_function_calling"),
            json_schema: flag("supports_response_schema"),
            streaming: flag("supports_native_streaming"),
            audio: flag("supports_audio_input"),
            pdf: flag("supports_pdf_input"),
        }),
        parameters: None,
    })
}

fn litellm_amounts(entry: &Value, suffix: &str) -> Option<Amounts> {
    let amount = |name: &str| per_token(entry.get(format!("{name}{suffix}"))?);
    let amounts = Amounts {
        input: amount("input_cost_per_token"),
        output: amount("output_cost_per_token"),
        cached_input: amount("cache_read_input_token_cost"),
        cache_write_5m: amount("cache_creation_input_token_cost"),
        cache_write_1h: if suffix.is_empty() { amount("cache_creation_input_token_cost_above_1hr") } else { None },
        audio_input: amount("input_cost_per_audio_token"),
        audio_output: amount("output_cost_per_audio_token"),
        reasoning_output: None,
    };
    let embedding = entry.get("mode").and_then(Value::as_str) == Some("embedding");
    (amounts.input.is_some() && (amounts.output.is_some() || embedding)).then_some(amounts)
}

/// `.._above_200k_tokens` and the like.
fn litellm_over(entry: &Value) -> Vec<Over> {
    let mut limits: Vec<(u64, String)> = Vec::new();
    for name in entry.as_object().into_iter().flat_map(Map::keys) {
        let Some(suffix) = name.strip_prefix("input_cost_per_token_above_") else { continue };
        let Some(thousands) = suffix.strip_suffix("k_tokens").and_then(|count| count.parse::<u64>().ok()) else {
            continue;
        };
        limits.push((thousands * 1000, format!("_above_{suffix}")));
    }
    limits.sort();
    let amounts = |suffix: &str| {
        let amount = |name: &str| per_token(entry.get(format!("{name}{suffix}"))?);
        Amounts {
            input: amount("input_cost_per_token"),
            output: amount("output_cost_per_token"),
            cached_input: amount("cache_read_input_token_cost"),
            cache_write_5m: amount("cache_creation_input_token_cost"),
            ..Amounts::default()
        }
    };
    limits.iter().map(|(input_tokens, suffix)| Over { input_tokens: *input_tokens, amounts: amounts(suffix) }).collect()
}

/// A float of dollars per token; its noise below 1e-12 goes.
fn per_token(value: &Value) -> Option<Amount> {
    let dollars = value.as_f64().filter(|dollars| dollars.is_finite() && *dollars >= 0.0)?;
    Some(Amount(Usd::from_f64(dollars)))
}

fn count(entry: &Value, name: &str) -> Option<u32> {
    let count = entry.get(name)?.as_f64().filter(|count| *count >= 1.0 && *count <= f64::from(u32::MAX))?;
    format!("{count:.0}").parse().ok()
}

/// models.dev's names of providers that the catalogue calls otherwise.
const MODELS_DEV_PROVIDERS: [(&str, &str); 5] = [
    ("alibaba", "qwen"),
    ("togetherai", "together"),
    ("fireworks-ai", "fireworks"),
    ("amazon-bedrock", "bedrock"),
    ("google-generative-ai", "google"),
];

fn models_dev_provider(id: &str, provider: &Value) -> Vec<Option<Model>> {
    let ours = MODELS_DEV_PROVIDERS.iter().find(|(name, _)| *name == id).map_or(id, |(_, ours)| ours);
    let models = provider.get("models").and_then(Value::as_object);
    models.into_iter().flatten().map(|(id, entry)| models_dev(ours, id, entry)).collect()
}

fn models_dev(provider: &str, id: &str, entry: &Value) -> Option<Model> {
    let cost = entry.get("cost")?;
    let amounts = models_dev_amounts(cost);
    if amounts.input.is_none() || amounts.output.is_none() {
        return None;
    }
    let inputs: Vec<&str> = entry.pointer("/modalities/input")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let flag = |name: &str| entry.get(name).and_then(Value::as_bool);
    let limit = entry.get("limit").cloned().unwrap_or_default();
    Some(Model {
        ids: Ids { provider: provider.to_owned(), model: id.to_owned(), ..Ids::default() },
        kind: Some("chat".into()),
        api: None,
        prices: vec![Period { amounts, over: models_dev_over(cost), ..Period::default() }],
        context_window: count(&limit, "context"),
        max_input: count(&limit, "input"),
        max_output: count(&limit, "output"),
        shutdown: None,
        capabilities: Some(Abilities {
            vision: Some(inputs.contains(&"image")),
            tools: flag("tool_call"),
            json_schema: flag("structured_output"),
            streaming: None,
            audio: Some(inputs.contains(&"audio")),
            pdf: Some(inputs.contains(&"pdf")),
        }),
        parameters: Some(Takes {
            sampling: (flag("temperature") == Some(false)).then_some(Sampling::Never),
            reasoning: (flag("reasoning") == Some(false)).then_some(Reasoning::None),
            ..Takes::default()
        }),
    })
}

fn models_dev_amounts(cost: &Value) -> Amounts {
    let amount = |name: &str| per_million(cost.get(name)?);
    Amounts {
        input: amount("input"),
        output: amount("output"),
        cached_input: amount("cache_read"),
        cache_write_5m: amount("cache_write"),
        audio_input: amount("input_audio"),
        audio_output: amount("output_audio"),
        ..Amounts::default()
    }
}

fn models_dev_over(cost: &Value) -> Vec<Over> {
    let tiers = cost.get("tiers").and_then(Value::as_array);
    let mut over: Vec<Over> = tiers
        .into_iter()
        .flatten()
        .filter(|tier| tier.pointer("/tier/type").and_then(Value::as_str) == Some("context"))
        .filter_map(|tier| {
            Some(Over { input_tokens: tier.pointer("/tier/size")?.as_u64()?, amounts: models_dev_amounts(tier) })
        })
        .collect();
    if over.is_empty()
        && let Some(long) = cost.get("context_over_200k")
    {
        over.push(Over { input_tokens: 200_000, amounts: models_dev_amounts(long) });
    }
    over
}

fn per_million(value: &Value) -> Option<Amount> {
    let number = value.as_number()?.to_string();
    decimal::usd(&number, Per::Million).ok().map(Amount).or_else(|| Some(Amount(Usd::from_f64(value.as_f64()? / 1e6))))
}
