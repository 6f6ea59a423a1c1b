//! Exports as the admin APIs give them: pages of buckets of results. One page, a list of pages, or pages one after the
//! other as a loop of `curl` leaves them.

use super::{Biller, ExportError, Used, day};
use serde::Deserialize;
use serde_json::Value;
use tierway_decide::Usd;

type Row = (String, String, Used);

/// Cents to dollars.
const CENTS: f64 = 100.0;

#[derive(Deserialize)]
struct Page {
    data: Vec<Bucket>,
}

/// One hour or day. OpenAI's begin at Unix seconds, Anthropic's at a time in words.
#[derive(Deserialize)]
struct Bucket {
    start_time: Option<i64>,
    starting_at: Option<String>,
    #[serde(default)]
    results: Vec<Value>,
}

pub(super) fn read(text: &str) -> Result<(Biller, Vec<Row>), ExportError> {
    let mut rows = Vec::new();
    let mut biller = None;
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let value = value.map_err(|error| ExportError::Unknown(error.to_string()))?;
        let pages = if let Value::Array(pages) = value { pages } else { vec![value] };
        for page in pages {
            let page: Page = serde_json::from_value(page).map_err(|error| ExportError::Unknown(error.to_string()))?;
            for bucket in page.data {
                let (of, day) = opened(&bucket, rows.len() + 1)?;
                if *biller.get_or_insert(of) != of {
                    return Err(ExportError::Unknown("pages of two providers".into()));
                }
                for result in &bucket.results {
                    let (model, used) = result_of(of, result, rows.len() + 1)?;
                    rows.push((day.clone(), model, used));
                }
            }
        }
    }
    Ok((biller.ok_or(ExportError::Empty)?, rows))
}

/// Whose bucket it is, and its day.
fn opened(bucket: &Bucket, line: usize) -> Result<(Biller, String), ExportError> {
    if let Some(seconds) = bucket.start_time {
        let of = seconds.checked_mul(1_000).and_then(day);
        let bad =
            || ExportError::BadValue { line, column: "start_time", value: seconds.to_string(), wanted: "Unix seconds" };
        return Ok((Biller::Openai, of.ok_or_else(bad)?));
    }
    let text = bucket.starting_at.clone().unwrap_or_default();
    let of = text.parse::<jiff::Timestamp>().ok().and_then(|time| day(time.as_millisecond()));
    let bad = || ExportError::BadValue {
        line,
        column: "starting_at",
        value: text.clone(),
        wanted: "a time such as 2026-03-02T00:00:00Z",
    };
    Ok((Biller::Anthropic, of.ok_or_else(bad)?))
}

fn result_of(biller: Biller, result: &Value, line: usize) -> Result<(String, Used), ExportError> {
    let model = [&result["model"], &result["line_item"]].into_iter().find_map(Value::as_str);
    let model = model.ok_or(ExportError::NoModel { line })?;
    let model = model.split(',').next().unwrap_or(model).trim().to_owned();
    let count = |value: &Value| value.as_u64();
    let used = match biller {
        Biller::Openai if result.get("amount").is_some() => {
            Used { cost: result["amount"]["value"].as_f64().map(Usd::from_f64), ..Used::default() }
        }
        Biller::Openai => Used {
            requests: count(&result["num_model_requests"]),
            input_tokens: count(&result["input_tokens"]),
            cached_input_tokens: count(&result["input_cached_tokens"]),
            output_tokens: count(&result["output_tokens"]),
            cost: None,
        },
        Biller::Anthropic if result.get("amount").is_some() => {
            let cents = &result["amount"];
            let cents = cents.as_f64().or_else(|| cents.as_str()?.parse().ok());
            Used { cost: cents.map(|cents| Usd::from_f64(cents / CENTS)), ..Used::default() }
        }
        Biller::Anthropic => {
            let written = &result["cache_creation"];
            let parts = [
                &result["uncached_input_tokens"],
                &result["cache_read_input_tokens"],
                &written["ephemeral_5m_input_tokens"],
                &written["ephemeral_1h_input_tokens"],
            ];
            Used {
                requests: None,
                input_tokens: count(parts[0]).map(|_| parts.into_iter().filter_map(count).sum()),
                cached_input_tokens: count(parts[1]),
                output_tokens: count(&result["output_tokens"]),
                cost: None,
            }
        }
    };
    Ok((model, used))
}
