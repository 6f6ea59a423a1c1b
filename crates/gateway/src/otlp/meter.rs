//! Histograms of upstream calls, and dollars: cumulative since the start, in bounded series.

use super::attribute;
use super::names::Names;
use super::span::operation;
use crate::metrics::{MOST_FOREIGN, SECONDS, outcome};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tierway_decide::{AttemptEnd, CallRecord, Usd};

/// Series of each kind; models beyond that count together.
const MOST_SERIES: usize = 4_096;
const OTHER: &str = "(other)";
/// Provider and model of what was paid to decide: the record does not say who was asked.
const DECIDING: [&str; 2] = ["(tierway)", "(classifier)"];
/// Powers of four, as the conventions advise.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u8 = 2;

/// Operation, provider, model, and either how it ended (empty: well) or which tokens.
type Series = (&'static str, String, String, String);

#[derive(Default)]
struct Histogram {
    buckets: [u64; 15],
    count: u64,
    sum: f64,
}

impl Histogram {
    fn add(&mut self, bounds: &[f64; 14], value: f64) {
        let at = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        self.buckets[at] += 1;
        self.count += 1;
        self.sum += value;
    }
}

pub(super) struct Meter {
    began: u128,
    seconds: BTreeMap<Series, Histogram>,
    tokens: BTreeMap<Series, Histogram>,
    dollars: BTreeMap<Series, f64>,
    changed: bool,
}

impl Meter {
    pub(super) const fn new(began: u128) -> Self {
        Self { began, seconds: BTreeMap::new(), tokens: BTreeMap::new(), dollars: BTreeMap::new(), changed: false }
    }

    pub(super) fn count(&mut self, record: &CallRecord, providers: &BTreeMap<String, &'static str>) {
        if record.classifier_paid != Usd::ZERO {
            self.changed = true;
            let [provider, model] = DECIDING.map(str::to_owned);
            *self.dollars.entry((operation(record), provider, model, String::new())).or_default() +=
                record.classifier_paid.as_f64();
        }
        for attempt in &record.attempts {
            self.changed = true;
            let provider = providers.get(attempt.provider.as_str()).copied().unwrap_or(&attempt.provider);
            let end = if attempt.end == AttemptEnd::Ok { "".into() } else { outcome(&attempt.end) };
            let most = if record.tier.is_empty() { MOST_FOREIGN } else { MOST_SERIES };
            let mut series: Series =
                (operation(record), provider.to_owned(), attempt.model.to_string(), end.into_owned());
            if self.seconds.len() >= most && !self.seconds.contains_key(&series) {
                series.2 = OTHER.to_owned();
            }
            let (operation, model) = (series.0, series.2.clone());
            let key = |last: &str| (operation, provider.to_owned(), model.clone(), last.to_owned());
            self.seconds.entry(series).or_default().add(&SECONDS, f64::from(attempt.took_ms) / 1e3);
            if !attempt.usage.is_empty() {
                for (name, tokens) in [("input", attempt.usage.input_tokens), ("output", attempt.usage.output_tokens)] {
                    self.tokens.entry(key(name)).or_default().add(&TOKENS, tokens as f64);
                }
            }
            if let Some(paid) = attempt.paid {
                *self.dollars.entry(key("")).or_default() += paid.as_f64();
            }
        }
    }

    /// A message was taken: the next one waits for a change.
    pub(super) const fn taken(&mut self) {
        self.changed = false;
    }

    /// The metrics of a message; none when nothing has changed since the last one that was taken.
    pub(super) fn message(&self, names: Names, now: u128) -> Option<Vec<Value>> {
        if !self.changed {
            return None;
        }
        let seconds = self.seconds.iter().map(|(series, sum)| {
            let error = (!series.3.is_empty()).then(|| attribute("error.type", &series.3));
            self.point(series, error, sum, &SECONDS, now)
        });
        let mut metrics = vec![histogram(names.duration, "s", &seconds.collect::<Vec<_>>())];
        let [input, output] = names.tokens;
        let tokens = |kind: &str| -> Vec<Value> {
            let of_kind = self.tokens.iter().filter(|(series, _)| series.3 == kind);
            // Where both kinds share a name, an attribute tells them apart.
            let kind = (input == output).then(|| attribute("gen_ai.token.type", kind));
            of_kind.map(|(series, sum)| self.point(series, kind.clone(), sum, &TOKENS, now)).collect()
        };
        if input == output {
            metrics.push(histogram(input, "{token}", &[tokens("input"), tokens("output")].concat()));
        } else {
            metrics.push(histogram(input, "{token}", &tokens("input")));
            metrics.push(histogram(output, "{token}", &tokens("output")));
        }
        let dollars = self.dollars.iter().map(|(series, dollars)| {
            json!({
                "attributes": attributes(series), "startTimeUnixNano": self.began.to_string(),
                "timeUnixNano": now.to_string(), "asDouble": dollars,
            })
        });
        let points: Vec<_> = dollars.collect();
        metrics.push(json!({
            "name": "tierway.cost", "unit": "USD", "description": "Paid for upstream calls with a known price, and to decide",
            "sum": {"aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points},
        }));
        Some(metrics)
    }

    fn point(&self, series: &Series, more: Option<Value>, sum: &Histogram, bounds: &[f64; 14], now: u128) -> Value {
        let mut attributes = attributes(series);
        attributes.extend(more);
        json!({
            "attributes": attributes, "startTimeUnixNano": self.began.to_string(), "timeUnixNano": now.to_string(),
            "count": sum.count.to_string(), "sum": sum.sum, "explicitBounds": bounds,
            "bucketCounts": sum.buckets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

fn attributes((operation, provider, model, _): &Series) -> Vec<Value> {
    vec![
        attribute("gen_ai.operation.name", operation),
        attribute("gen_ai.provider.name", provider),
        attribute("gen_ai.request.model", model),
    ]
}

fn histogram(name: &str, unit: &str, points: &[Value]) -> Value {
    json!({"name": name, "unit": unit, "histogram": {"aggregationTemporality": CUMULATIVE, "dataPoints": points}})
}
