//! From an error reply of any provider to a [`FailureKind`].
//!
//! Statuses, codes and types decide wherever the provider gives one. Message texts are looked at only for what some
//! servers say in no other way: that the prompt is too long, or that the model is not there.

use super::FailureKind;
use serde_json::Value;
use std::borrow::Cow;

/// What an error reply says, in one shape for all providers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorReply {
    /// HTTP status; 200 for an error inside a stream.
    pub status: u16,
    /// The provider's machine-readable code (`rate_limit_exceeded`, `RESOURCE_EXHAUSTED`), or empty.
    pub code: String,
    /// The provider's type (`overloaded_error`, `invalid_request_error`), or empty.
    pub error_type: String,
    /// Its text, for the caller that asked; never for a log.
    pub message: String,
    /// The field at fault, where named.
    pub param: Option<String>,
    /// A pause named in the body (Gemini's `retryDelay`).
    pub retry_after_ms: Option<u64>,
}

impl ErrorReply {
    /// Reads an error body: OpenAI and its like, Anthropic, Gemini (also inside a list), Ollama, FastAPI. A body in no
    /// known shape gives empty fields.
    #[must_use]
    pub fn read(status: u16, body: &[u8]) -> Self {
        let mut reply = Self { status, ..Self::default() };
        let Ok(whole) = serde_json::from_slice::<Value>(body) else { return reply };
        let whole = whole.get(0).unwrap_or(&whole);
        let error = match whole.get("error") {
            Some(Value::String(text)) => {
                reply.message.clone_from(text);
                return reply;
            }
            Some(error @ Value::Object(_)) => error,
            // Responses API: the whole failed answer, or a bare `error` event with the fields at the top.
            _ => whole.pointer("/response/error").unwrap_or(whole),
        };
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        reply.error_type = text("type");
        reply.message = text("message");
        if reply.message.is_empty() {
            reply.message = whole.get("detail").map(fastapi).unwrap_or_default();
        }
        reply.code = match error.get("code") {
            Some(Value::String(code)) => code.clone(),
            _ => text("status"),
        };
        reply.param = error.get("param").and_then(Value::as_str).map(str::to_owned);
        if status == 200
            && let Some(code) = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok())
            && (400..600).contains(&code)
        {
            reply.status = code; // OpenRouter and Gemini carry the status inside the stream
        }
        reply.retry_after_ms = error.get("details").and_then(Value::as_array).and_then(|details| {
            details.iter().find_map(|detail| detail.get("retryDelay")?.as_str().and_then(seconds_ms))
        });
        reply
    }

    /// The code or type, for records: whichever says more.
    #[must_use]
    pub fn word(&self) -> &str {
        if self.code.is_empty() { &self.error_type } else { &self.code }
    }

    /// What went wrong. `header_retry_after_ms`: see [`retry_after_ms`]; the body's own pause counts where there is none.
    #[must_use]
    pub fn kind(&self, header_retry_after_ms: Option<u64>) -> FailureKind {
        let retry_after_ms = header_retry_after_ms.or(self.retry_after_ms);
        self.by_word(retry_after_ms).or_else(|| self.by_message()).unwrap_or_else(|| self.by_status(retry_after_ms))
    }

    fn by_word(&self, retry_after_ms: Option<u64>) -> Option<FailureKind> {
        [&self.code, &self.error_type].into_iter().find_map(|word| {
            Some(match lower(word).as_ref() {
                "context_length_exceeded" | "string_above_max_length" | "model_context_window_exceeded" => {
                    FailureKind::ContextTooLong
                }
                "content_filter"
                | "content_policy_violation"
                | "responsibleaipolicyviolation"
                | "prohibited_content"
                | "cyber_policy" => FailureKind::ContentFilter,
                "insufficient_quota"
                | "credit_balance_exhausted"
                | "billing_error"
                | "billing_hard_limit_reached"
                | "insufficient_credits" => FailureKind::QuotaExhausted,
                "rate_limit_exceeded"
                | "rate_limit_error"
                | "slow_down"
                | "resource_exhausted"
                | "too_many_requests"
                | "tokens"
                | "requests"
                    if self.status != 503 =>
                {
                    FailureKind::RateLimited { retry_after_ms }
                }
                "overloaded_error" | "engine_overloaded" | "server_overloaded" | "unavailable" => {
                    FailureKind::Overloaded { retry_after_ms }
                }
                "model_not_found" | "deploymentnotfound" => FailureKind::ModelNotFound,
                "invalid_api_key"
                | "authentication_error"
                | "permission_error"
                | "unauthenticated"
                | "permission_denied"
                | "invalid_authentication" => FailureKind::Unauthorized,
                "request_too_large" => FailureKind::BodyTooLarge,
                "api_error" | "server_error" | "internal_error" | "internal" if self.status < 500 => {
                    FailureKind::ServerError { status: 500 }
                }
                "timeout_error" | "deadline_exceeded" => FailureKind::ServerError { status: 504 },
                "not_found_error" | "not_found" if lower(&self.message).contains("model") => FailureKind::ModelNotFound,
                _ => return None,
            })
        })
    }

    fn by_message(&self) -> Option<FailureKind> {
        // What compatible servers, Anthropic and Gemini say with a bare 400 or 404; compared in lower case.
        const TOO_LONG: [&str; 9] = [
            "maximum context length",
            "prompt is too long",
            "exceeds the maximum number of tokens",
            "exceed context limit",
            "exceeds the available context size",
            "context window",
            "input length and `max_tokens` exceed",
            // Bedrock, by model.
            "input is too long",
            "too many input tokens",
        ];
        // Bedrock's, for models that are not there or not to be had under this id.
        const NO_MODEL: [&str; 2] = ["model identifier is invalid", "with on-demand throughput isn"];
        const NO_CREDIT: [&str; 2] = ["credit balance is too low", "insufficient credits"];
        let message = lower(&self.message);
        match self.status {
            400 | 413 | 422 if TOO_LONG.iter().any(|text| message.contains(text)) => Some(FailureKind::ContextTooLong),
            400 if NO_CREDIT.iter().any(|text| message.contains(text)) => Some(FailureKind::QuotaExhausted),
            400 if message.contains("api key not valid") => Some(FailureKind::Unauthorized),
            400 if NO_MODEL.iter().any(|text| message.contains(text)) => Some(FailureKind::ModelNotFound),
            404 if message.contains("model") => Some(FailureKind::ModelNotFound),
            _ => None,
        }
    }

    const fn by_status(&self, retry_after_ms: Option<u64>) -> FailureKind {
        match self.status {
            401 | 403 => FailureKind::Unauthorized,
            402 => FailureKind::QuotaExhausted,
            // 424: the model behind the provider failed (Bedrock).
            408 | 424 => FailureKind::ServerError { status: self.status },
            413 => FailureKind::BodyTooLarge,
            409 | 425 | 429 => FailureKind::RateLimited { retry_after_ms },
            503 | 529 => FailureKind::Overloaded { retry_after_ms },
            200..=299 => FailureKind::InBand,
            400..=499 => FailureKind::BadRequest { status: self.status },
            // Redirects are never followed: a provider that answers with one is misconfigured.
            _ => FailureKind::ServerError { status: self.status },
        }
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) { text.to_ascii_lowercase().into() } else { text.into() }
}

/// The pause that reply headers ask for: `retry-after-ms`, or `retry-after` as seconds or as an HTTP date (RFC 9110,
/// sections 5.6.7 and 10.2.3). `header` looks up a name in lower case; `now_unix_ms` is the wall clock, for dates only.
/// A date in the past is 0; what cannot be read is none.
#[must_use]
pub fn retry_after_ms<'h>(header: impl Fn(&str) -> Option<&'h str>, now_unix_ms: i64) -> Option<u64> {
    if let Some(ms) = header("retry-after-ms").and_then(|text| decimal_ms(text, 1.0)) {
        return Some(ms);
    }
    let text = header("retry-after")?.trim();
    seconds_ms(text).or_else(|| {
        let at_ms = http_date_s(text)?.checked_mul(1_000)?;
        u64::try_from(at_ms.saturating_sub(now_unix_ms)).ok().or(Some(0))
    })
}

/// `"2"`, `"0.5"`, `"32s"`.
fn seconds_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    decimal_ms(text.strip_suffix('s').unwrap_or(text), 1_000.0)
}

fn decimal_ms(text: &str, ms_per_unit: f64) -> Option<u64> {
    let ms = text.trim().parse::<f64>().ok()? * ms_per_unit;
    // Longer than a year is no pause but a mistake.
    (0.0..=3.2e10).contains(&ms).then_some(ms.ceil() as u64)
}

/// Seconds since 1970 of an HTTP date in any of its three forms: weekday, day, month, year and time in any order that
/// can be told apart.
fn http_date_s(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let (mut month, mut clock, mut numbers) = (None, None, Vec::new());
    for token in text.split([' ', ',', '-']).filter(|token| !token.is_empty()) {
        if token.contains(':') {
            let mut parts =
                token.split(':').map(|part| part.parse::<i64>().ok().filter(|part| (0..=60).contains(part)));
            clock = Some(parts.next()?? * 3_600 + parts.next()?? * 60 + parts.next()??);
        } else if let Ok(number) = token.parse::<i64>() {
            numbers.push(number);
        } else if let Some(at) = MONTHS.iter().position(|name| token.eq_ignore_ascii_case(name)) {
            month = i64::try_from(at + 1).ok();
        }
    }
    let (&[day, year], Some(month), Some(clock)) = (numbers.as_slice(), month, clock) else { return None };
    let year = match year {
        0..=69 => year + 2_000,
        70..=99 => year + 1_900,
        _ => year,
    };
    ((1..=31).contains(&day) && (1970..=9999).contains(&year))
        .then(|| days_since_1970(year, month, day) * 86_400 + clock)
}

/// `detail` as FastAPI gives it: a text, or a list of what is wrong where (`{"loc": ["body", "n"], "msg": "..."}`).
fn fastapi(detail: &Value) -> String {
    let one = |item: &Value| {
        let place = item.get("loc").and_then(Value::as_array).into_iter().flatten();
        let place: Vec<_> = place.map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned)).collect();
        let words = item.get("msg").and_then(Value::as_str).unwrap_or_default();
        if place.is_empty() { words.to_owned() } else { format!("{}: {words}", place.join(".")) }
    };
    match detail {
        Value::Array(items) => items.iter().map(one).collect::<Vec<_>>().join("; "),
        _ => detail.as_str().unwrap_or_default().to_owned(),
    }
}

/// Days of a Gregorian date (Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`).
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, want: FailureKind) {
        assert_eq!(ErrorReply::read(status, body.as_bytes()).kind(None), want, "{status} {body}");
    }

    #[test]
    fn every_provider_says_it_its_own_way() {
        use FailureKind::*;
        let limited = RateLimited { retry_after_ms: None };
        let overloaded = Overloaded { retry_after_ms: None };
        for (status, body, want) in [
            (429, r#"{"error":{"message":"m","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#, limited),
            (429, r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#, QuotaExhausted),
            (429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#, limited),
            (
                429,
                r#"[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"1.5s"}]}}]"#,
                RateLimited { retry_after_ms: Some(1_500) },
            ),
            (429, "", limited),
            (402, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#, QuotaExhausted),
            (529, r#"{"type":"error","error":{"type":"overloaded_error"}}"#, overloaded),
            (503, r#"{"error":{"code":503,"status":"UNAVAILABLE"}}"#, overloaded),
            (503, "<html>", overloaded),
            (500, r#"{"error":{"type":"server_error"}}"#, ServerError { status: 500 }),
            (504, "", ServerError { status: 504 }),
            (301, "", ServerError { status: 301 }),
            (400, r#"{"error":{"type":"invalid_request_error","code":"context_length_exceeded"}}"#, ContextTooLong),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Prompt is too long: 2 > 1"}}"#,
                ContextTooLong,
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (8).","status":"INVALID_ARGUMENT"}}"#,
                ContextTooLong,
            ),
            (
                400,
                r#"{"object":"error","message":"This model's maximum context length is 8 tokens","type":"BadRequestError","code":400}"#,
                ContextTooLong,
            ),
            (400, r#"{"error":{"code":"content_filter"}}"#, ContentFilter),
            (400, r#"{"error":{"type":"invalid_request_error","message":"bad role"}}"#, BadRequest { status: 400 }),
            (422, r#"{"detail":"bad"}"#, BadRequest { status: 422 }),
            (400, r#"{"message":"Input is too long for requested model."}"#, ContextTooLong),
            (400, r#"{"message":"The provided model identifier is invalid."}"#, ModelNotFound),
            (400, r#"{"message":"Malformed input request"}"#, BadRequest { status: 400 }),
            (424, r#"{"message":"The model returned an error"}"#, ServerError { status: 424 }),
            (429, r#"{"message":"Too many requests, please wait before trying again."}"#, limited),
            (503, r#"{"message":"Bedrock is unable to process your request."}"#, overloaded),
            (403, r#"{"message":"You don't have access to the model with the specified model ID."}"#, Unauthorized),
            (404, r#"{"error":{"code":"model_not_found"}}"#, ModelNotFound),
            (404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#, ModelNotFound),
            (404, r#"{"error":"model 'x' not found"}"#, ModelNotFound),
            (404, "", BadRequest { status: 404 }),
            (401, r#"{"error":{"code":"invalid_api_key"}}"#, Unauthorized),
            (400, r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}"#, Unauthorized),
            (403, "", Unauthorized),
            (413, r#"{"type":"error","error":{"type":"request_too_large"}}"#, BodyTooLarge),
            (200, r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#, overloaded),
            (200, r#"{"error":{"code":502,"message":"upstream"}}"#, ServerError { status: 502 }),
            (
                200,
                r#"{"type":"response.failed","response":{"error":{"code":"server_error"}}}"#,
                ServerError { status: 500 },
            ),
            (200, r#"{"error":{"message":"odd"}}"#, InBand),
        ] {
            check(status, body, want);
        }
    }

    #[test]
    fn fastapi_says_what_is_wrong_where() {
        for (body, want) in [
            (r#"{"detail":"bad"}"#, "bad"),
            (
                r#"{"detail":[{"loc":["body","messages",0,"role"],"msg":"field required"},{"msg":"too long"},{}]}"#,
                "body.messages.0.role: field required; too long; ",
            ),
        ] {
            assert_eq!(ErrorReply::read(422, body.as_bytes()).message, want);
        }
    }

    #[test]
    fn retry_after_is_seconds_milliseconds_or_a_date() {
        let now = 784_111_777_000 - 2_500; // 2.5 s before the example date of RFC 9110
        for (name, value, want) in [
            ("retry-after", "2", Some(2_000)),
            ("retry-after", "0.25", Some(250)),
            ("retry-after-ms", "1500", Some(1_500)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", Some(2_500)),
            ("retry-after", "Sunday, 06-Nov-94 08:49:37 GMT", Some(2_500)),
            ("retry-after", "Sun Nov  6 08:49:37 1994", Some(2_500)),
            ("retry-after", "Sun, 06 Nov 1993 08:49:37 GMT", Some(0)),
            ("retry-after", "soon", None),
            ("retry-after", "-3", None),
            ("retry-after", "1e99", None),
            ("retry-after", "", None),
        ] {
            let got = retry_after_ms(|asked| (asked == name).then_some(value), now);
            assert_eq!(got, want, "{name}: {value}");
        }
    }
}
