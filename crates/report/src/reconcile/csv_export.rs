//! Exports as the consoles save them: comma- or tab-separated, the first line names the columns.

use super::{Biller, ExportError, Used, day};
use csv::{ReaderBuilder, StringRecord};
use tierway_decide::Usd;

type Row = (String, String, Used);

/// Columns of one shape: which name tells it, and where each figure is.
struct Shape {
    biller: Biller,
    /// Without this column it is another shape.
    mark: &'static str,
    day: &'static str,
    model: &'static [&'static str],
    requests: Option<&'static str>,
    /// Added up.
    input: &'static [&'static str],
    cached: Option<&'static str>,
    output: Option<&'static str>,
    cost: Option<&'static str>,
}

const SHAPES: [Shape; 4] = [
    Shape {
        biller: Biller::Openai,
        mark: "num_model_requests",
        day: "start_time",
        model: &["model"],
        requests: Some("num_model_requests"),
        input: &["input_tokens"],
        cached: Some("input_cached_tokens"),
        output: Some("output_tokens"),
        cost: None,
    },
    Shape {
        biller: Biller::Openai,
        mark: "amount_value",
        day: "start_time",
        model: &["line_item"],
        requests: None,
        input: &[],
        cached: None,
        output: None,
        cost: Some("amount_value"),
    },
    Shape {
        biller: Biller::Anthropic,
        mark: "usage_output_tokens",
        day: "usage_date_utc",
        model: &["model_version", "model"],
        requests: None,
        input: &[
            "usage_input_tokens_no_cache",
            "usage_input_tokens_cache_write_5m",
            "usage_input_tokens_cache_write_1h",
            "usage_input_tokens_cache_write",
            "usage_input_tokens_cache_read",
        ],
        cached: Some("usage_input_tokens_cache_read"),
        output: Some("usage_output_tokens"),
        cost: None,
    },
    Shape {
        biller: Biller::Anthropic,
        mark: "cost_usd",
        day: "usage_date_utc",
        model: &["model_version", "model"],
        requests: None,
        input: &[],
        cached: None,
        output: None,
        cost: Some("cost_usd"),
    },
];

pub(super) fn read(text: &str) -> Result<(Biller, Vec<Row>), ExportError> {
    let first = text.lines().next().unwrap_or_default();
    let delimiter = if first.contains('\t') { b'\t' } else { b',' };
    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let heads = reader.headers().map_err(|error| ExportError::Unknown(error.to_string()))?.clone();
    let place = |name: &str| heads.iter().position(|head| head.trim().eq_ignore_ascii_case(name));
    let shape = SHAPES.iter().find(|shape| place(shape.mark).is_some() && place(shape.day).is_some());
    let shape = shape
        .ok_or_else(|| ExportError::Unknown(format!("its columns: {}", first.chars().take(200).collect::<String>())))?;
    let mut rows = Vec::new();
    for (line, record) in (2usize..).zip(reader.records()) {
        let record = record.map_err(|error| ExportError::Unknown(error.to_string()))?;
        let cells = Cells { record: &record, place: &place, line };
        if let Some(row) = cells.row(shape)? {
            rows.push(row);
        }
    }
    Ok((shape.biller, rows))
}

struct Cells<'a> {
    record: &'a StringRecord,
    place: &'a dyn Fn(&str) -> Option<usize>,
    line: usize,
}

impl Cells<'_> {
    /// None for a line without figures: exports have one for every quiet day.
    fn row(&self, shape: &Shape) -> Result<Option<Row>, ExportError> {
        let count = |column: Option<&'static str>| column.map_or(Ok(None), |column| self.count(column));
        let mut used = Used {
            requests: count(shape.requests)?,
            input_tokens: None,
            cached_input_tokens: count(shape.cached)?,
            output_tokens: count(shape.output)?,
            cost: shape.cost.map_or(Ok(None), |column| self.dollars(column))?,
        };
        for column in shape.input {
            if let Some(count) = self.count(column)? {
                used.input_tokens = Some(used.input_tokens.unwrap_or(0) + count);
            }
        }
        if used == Used::default() {
            return Ok(None);
        }
        let model =
            shape.model.iter().find_map(|column| self.text(column)).ok_or(ExportError::NoModel { line: self.line })?;
        // Lines of costs name what was charged: `gpt-4o-2024-08-06, input`.
        let model = model.split(',').next().unwrap_or(model).trim();
        Ok(Some((self.day(shape.day)?, model.to_owned(), used)))
    }

    fn text(&self, column: &str) -> Option<&str> {
        self.record.get((self.place)(column)?).map(str::trim).filter(|text| !text.is_empty())
    }

    fn bad(&self, column: &'static str, wanted: &'static str) -> ExportError {
        ExportError::BadValue {
            line: self.line,
            column,
            value: self.text(column).unwrap_or_default().to_owned(),
            wanted,
        }
    }

    fn count(&self, column: &'static str) -> Result<Option<u64>, ExportError> {
        let Some(text) = self.text(column) else { return Ok(None) };
        text.replace(',', "").parse().map(Some).map_err(|_| self.bad(column, "a count"))
    }

    fn dollars(&self, column: &'static str) -> Result<Option<Usd>, ExportError> {
        let Some(text) = self.text(column) else { return Ok(None) };
        let dollars: f64 = text.trim_start_matches('$').parse().map_err(|_| self.bad(column, "dollars"))?;
        Ok(Some(Usd::from_f64(dollars)))
    }

    /// Unix seconds, or a date with or without a time.
    fn day(&self, column: &'static str) -> Result<String, ExportError> {
        let text = self.text(column).unwrap_or_default();
        let of_seconds = text.parse::<i64>().ok().and_then(|seconds| day(seconds.checked_mul(1_000)?));
        let of_date = || text.get(..10)?.parse::<jiff::civil::Date>().ok().map(|date| date.to_string());
        of_seconds.or_else(of_date).ok_or_else(|| self.bad(column, "Unix seconds or a date"))
    }
}
