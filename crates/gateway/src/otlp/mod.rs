//! Traces and metrics by OTLP over HTTP, as JSON, named by the GenAI semantic conventions.
//!
//! Off unless an endpoint is configured: then each finished record is copied into a bounded queue, and one thread turns what
//! it finds there into spans and histograms and posts them every few seconds. A collector that is slow or gone costs
//! telemetry, never an answer: what does not fit is dropped and counted. No prompt, no answer, no user goes there. The JSON
//! encoding of OTLP needs no generated code and no exporter: `opentelemetry` with its SDK and `prost` would be the heaviest
//! dependency of this program.

mod meter;
mod names;
mod span;

use crate::error::GatewayError;
use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use http::{HeaderName, HeaderValue};
use meter::Meter;
use names::Names;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tierway_config::{Config, TelemetryConfig};
use tierway_decide::CallRecord;
use tierway_providers::Poster;

/// Records that may wait to be sent.
const QUEUE: usize = 8_192;
/// Records in one message.
const BATCH: usize = 512;
const EVERY: Duration = Duration::from_secs(5);
/// How often the thread looks whether it shall end.
const LOOK: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_secs(5);
const JSON: &str = "application/json";

/// The sender of telemetry. Dropped, it sends what is waiting and ends.
pub(crate) struct Telemetry {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: ArrayQueue<Box<CallRecord>>,
    closing: AtomicBool,
    dropped: AtomicU64,
    /// Of 2^32 requests, so many are traced.
    traced: u64,
}

impl Telemetry {
    /// Starts the thread; connects when there is something to send. None without an endpoint.
    pub(crate) fn start(config: &Config) -> Result<Option<Self>, GatewayError> {
        let Some(telemetry) = &config.telemetry else { return Ok(None) };
        let failed = |cause: &dyn std::fmt::Display| GatewayError::Telemetry { cause: cause.to_string() };
        let post = |path: &str| {
            let address = format!("{}/v1/{path}", telemetry.endpoint.as_str().trim_end_matches('/'));
            Poster::new(&address, headers(telemetry).map_err(|cause| failed(&cause))?, TIMEOUT)
                .map_err(|error| failed(&error))
        };
        let sender = Sender {
            traces: post("traces")?,
            metrics: post("metrics")?,
            names: Names::from_env(std::env::var("OTEL_SEMCONV_STABILITY_OPT_IN").ok().as_deref()),
            providers: names::providers(config),
            meter: Meter::new(nanos(SystemTime::now())),
            troubled: false,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 2^32")]
        let traced = (telemetry.trace_share * f64::from(u32::MAX) + 1.0) as u64;
        let shared = Arc::new(Shared {
            queue: ArrayQueue::new(QUEUE),
            closing: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            traced,
        });
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(GatewayError::Thread)?;
        let theirs = shared.clone();
        let thread = std::thread::Builder::new().name("telemetry".into());
        let thread = thread.spawn(move || runtime.block_on(run(&theirs, sender))).map_err(GatewayError::Thread)?;
        Ok(Some(Self { shared, thread: Some(thread) }))
    }

    /// Takes a copy of a record along.
    pub(crate) fn offer(&self, record: &CallRecord) {
        // A copy is dear, and a collector that is away leaves no room for any.
        if self.shared.queue.is_full() || self.shared.queue.push(Box::new(record.clone())).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// `name=value,name=value`, as `OTEL_EXPORTER_OTLP_HEADERS` has it.
fn headers(telemetry: &TelemetryConfig) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let secret = telemetry.headers.resolve(&tierway_config::environment).map_err(|error| error.to_string())?;
    let Some(secret) = secret else { return Ok(Vec::new()) };
    let pairs = secret.expose().split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let mut value = HeaderValue::from_str(value.trim()).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::try_from(name.trim()).ok()?, value))
    });
    pairs.collect::<Option<_>>().ok_or_else(|| "its headers want the form `name=value,name=value`".into())
}

struct Sender {
    traces: Poster,
    metrics: Poster,
    names: Names,
    providers: BTreeMap<String, &'static str>,
    meter: Meter,
    /// The last message was not taken: said once, until one is taken again.
    troubled: bool,
}

async fn run(shared: &Shared, mut sender: Sender) {
    loop {
        let mut waited = Duration::ZERO;
        while waited < EVERY && shared.queue.len() < BATCH && !shared.closing.load(Ordering::SeqCst) {
            tokio::time::sleep(LOOK).await;
            waited += LOOK;
        }
        let closing = shared.closing.load(Ordering::SeqCst);
        sender.send(shared).await;
        if closing && (shared.queue.is_empty() || sender.troubled) {
            return;
        }
    }
}

impl Sender {
    async fn send(&mut self, shared: &Shared) {
        let mut spans = Vec::new();
        for _ in 0..BATCH {
            let Some(record) = shared.queue.pop() else { break };
            self.meter.count(&record, &self.providers);
            if span::coin(record.id) < shared.traced {
                spans.extend(span::of(&record, &self.providers));
            }
        }
        if !spans.is_empty() {
            let scope = json!({"scope": scope(), "spans": spans});
            let message = json!({"resourceSpans": [{"resource": resource(), "scopeSpans": [scope]}]});
            let posted = self.traces.post(JSON, Bytes::from(message.to_string())).await;
            self.say(posted.err().map(|error| error.to_string()), shared);
        }
        if let Some(metrics) = self.meter.message(self.names, nanos(SystemTime::now())) {
            let scope = json!({"scope": scope(), "metrics": metrics});
            let message = json!({"resourceMetrics": [{"resource": resource(), "scopeMetrics": [scope]}]});
            let posted = self.metrics.post(JSON, Bytes::from(message.to_string())).await;
            if posted.is_ok() {
                self.meter.taken();
            }
            self.say(posted.err().map(|error| error.to_string()), shared);
        }
    }

    fn say(&mut self, trouble: Option<String>, shared: &Shared) {
        match trouble {
            Some(error) if !self.troubled => {
                tracing::warn!(error, "telemetry is not being taken; requests are served as before");
                self.troubled = true;
            }
            Some(_) => {}
            None => {
                if std::mem::take(&mut self.troubled) {
                    let dropped = shared.dropped.load(Ordering::Relaxed);
                    tracing::info!(dropped, "telemetry is being taken again");
                }
            }
        }
    }
}

fn resource() -> Value {
    json!({"attributes": [attribute("service.name", "tierway"), attribute("service.version", env!("CARGO_PKG_VERSION"))]})
}

fn scope() -> Value {
    json!({"name": "tierway", "version": env!("CARGO_PKG_VERSION")})
}

/// A text as an attribute.
fn attribute(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// OTLP's JSON has 64-bit numbers as texts.
fn number(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

/// Unix milliseconds as the text of their nanoseconds.
fn nanos_of(unix_ms: i64) -> String {
    (i128::from(unix_ms) * 1_000_000).to_string()
}

fn nanos(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}
