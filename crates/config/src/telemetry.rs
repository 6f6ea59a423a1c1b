//! `[telemetry]`: where traces and metrics go.

use crate::base_url::{BaseUrl, BaseUrlError};
use crate::provider::{KeySource, named};
use crate::reader::Section;
use std::path::Path;

/// A collector that speaks OTLP over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryConfig {
    /// Everything before `/v1/traces`.
    pub endpoint: BaseUrl,
    /// Where the headers are found that it wants.
    pub headers: KeySource,
    /// Share of requests that are traced, above 0 and at most 1.
    pub trace_share: f64,
}

pub(crate) fn read(root: &Section<'_, '_>, base: &Path) -> Option<TelemetryConfig> {
    let section = root.table("telemetry");
    let headers = named(&section, "headers", base);
    let trace_share = section.share("trace_share");
    let Some(text) = section.text("endpoint") else {
        if section.has("headers") {
            section.problem("headers", "`headers` in [telemetry] does nothing without an `endpoint`");
        }
        return None;
    };
    // Collectors in the same cluster rarely speak TLS; a key must not go there in the open.
    match BaseUrl::parse(&text.text, headers == KeySource::None) {
        Ok(endpoint) => Some(TelemetryConfig { endpoint, headers, trace_share }),
        Err(BaseUrlError::PlainHttp) => {
            let message = "is plain http to another machine, so its headers would travel unprotected; use https";
            section.problem("endpoint", format!("`endpoint` in [telemetry] {message}"));
            None
        }
        Err(why) => {
            section.problem("endpoint", format!("`endpoint` in [telemetry] {why}"));
            None
        }
    }
}
