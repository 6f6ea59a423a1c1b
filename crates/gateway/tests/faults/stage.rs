//! A gateway with three fake providers behind it, a client in front of it, and a look at everything afterwards.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tierway_decide::{AttemptEnd, CallRecord, RequestId};
use tierway_gateway::Gateway;
use tierway_ledger::Reader;
use tierway_testkit::{Plan, Prefill, Seen, Traits, Upstream};

/// `standard` is served by the primary and, as a fallback only, by the same model at another provider; `large` is a dearer
/// tier with a larger window.
pub(crate) const MODEL: &str = "m";
pub(crate) const LARGE: &str = "large-m";

/// What differs from stage to stage.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    /// Lines for `[dispatch]`.
    pub(crate) dispatch: &'static str,
    pub(crate) first_byte_ms: u32,
    /// The primary is said to accept a partial answer.
    pub(crate) primary_continues: bool,
    /// The fallback is said to accept a partial answer ...
    pub(crate) fallback_continues: bool,
    /// ... and what it really does with one.
    pub(crate) fallback_prefill: Prefill,
    /// The dearer tier may be asked to go on as well.
    pub(crate) large_continues: bool,
    /// There is nobody but the primary.
    pub(crate) alone: bool,
    /// The API that providers speak.
    pub(crate) provider: &'static str,
}

impl Default for Set {
    fn default() -> Self {
        Self {
            dispatch: "",
            first_byte_ms: 1_500,
            primary_continues: false,
            fallback_continues: true,
            fallback_prefill: Prefill::Continues,
            large_continues: false,
            alone: false,
            provider: "openai_chat",
        }
    }
}

pub(crate) struct Stage {
    pub(crate) primary: Upstream,
    pub(crate) fallback: Upstream,
    pub(crate) large: Upstream,
    gateway: Gateway,
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    dir: tempfile::TempDir,
}

/// What the client got.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
    pub(crate) finish: String,
    /// The end mark of the stream.
    pub(crate) done: bool,
    /// The error, in the body or inside the stream.
    pub(crate) error: Option<Value>,
    pub(crate) usage: Value,
    /// Names in the `model` field, as they came.
    pub(crate) models: Vec<String>,
    pub(crate) ms: u128,
    pub(crate) first_content_ms: Option<u128>,
    pub(crate) garbled: bool,
}

impl Stage {
    pub(crate) async fn open(set: Set) -> Self {
        let [primary, fallback, large] =
            [Upstream::start().await.unwrap(), Upstream::start().await.unwrap(), Upstream::start().await.unwrap()];
        let traits = |prefill| Traits { prefill, answer_tokens: 30, ..Traits::default() };
        primary.traits(MODEL, traits(if set.primary_continues { Prefill::Continues } else { Prefill::Rejects }));
        fallback.traits(MODEL, traits(set.fallback_prefill));
        large.traits(LARGE, Traits { window: 1_000_000, ..traits(Prefill::Continues) });
        let dir = tempfile::tempdir().unwrap();
        let text = config(&set, [&primary, &fallback, &large], dir.path());
        let config = tierway_config::parse(&text, "faults.toml", &|_| None).unwrap();
        let gateway = Gateway::start(&config, 1).unwrap();
        let url = format!("http://{}/v1/chat/completions", gateway.address());
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { primary, fallback, large, gateway, url, client, dir }
    }

    pub(crate) fn primary_fails(&self, plan: Plan) {
        self.primary.plan(MODEL, plan);
    }

    /// Asks for the tier and reads to the end.
    pub(crate) async fn ask(&self, stream: bool, question: &str) -> Answer {
        let mut body = json!({"model": "standard", "messages": [{"role": "user", "content": question}]});
        if stream {
            body["stream"] = json!(true);
            body["stream_options"] = json!({"include_usage": true});
        }
        self.send(&body).await
    }

    pub(crate) async fn send(&self, body: &Value) -> Answer {
        let began = Instant::now();
        let request = Request::post(&self.url).body(Full::from(body.to_string())).unwrap();
        let (head, mut body) = self.client.request(request).await.unwrap().into_parts();
        let mut answer = Answer { status: head.status.as_u16(), headers: head.headers, ..Answer::default() };
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                answer.garbled = true;
                break;
            };
            bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
            if answer.first_content_ms.is_none() && String::from_utf8_lossy(&bytes).contains("answers") {
                answer.first_content_ms = Some(began.elapsed().as_millis());
            }
        }
        answer.ms = began.elapsed().as_millis();
        answer.read(&String::from_utf8_lossy(&bytes));
        answer
    }

    pub(crate) fn streaming(&self, question: &str) -> Value {
        json!({"model": "standard", "stream": true, "messages": [{"role": "user", "content": question}]})
    }

    /// Starts a request and leaves it open.
    pub(crate) async fn begin(&self, body: &Value) -> Open {
        self.begin_at("/v1/chat/completions", body).await
    }

    pub(crate) async fn begin_at(&self, path: &str, body: &Value) -> Open {
        self.asking(path, body).await
    }

    /// The same, as a request that can be waited for elsewhere.
    pub(crate) fn asking(&self, path: &str, body: &Value) -> impl Future<Output = Open> + use<> {
        // A client of its own: a shared pool might keep the connection.
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let url = self.url.replace("/v1/chat/completions", path);
        let request = Request::post(url).body(Full::from(body.to_string())).unwrap();
        async move { Open(client.request(request).await.unwrap()) }
    }

    /// Stops the gateway, which writes every record.
    pub(crate) fn stop(self) -> Stopped {
        let Self { gateway, dir, .. } = self;
        // It waits for connections that are just being made; the other situations go on meanwhile.
        tokio::task::block_in_place(|| gateway.stop()).unwrap();
        Stopped(dir)
    }

    /// Stops the gateway and reads the rows of these answers.
    pub(crate) fn rows(self, ids: &[String]) -> Vec<CallRecord> {
        self.stop().rows(ids)
    }

    pub(crate) fn row(self, answer: &Answer) -> CallRecord {
        self.rows(&[answer.id()]).remove(0)
    }

    /// How often each provider was called: primary, fallback, large.
    pub(crate) fn calls(&self) -> [usize; 3] {
        [self.primary.seen().len(), self.fallback.seen().len(), self.large.seen().len()]
    }
}

/// What is left of a gateway.
pub(crate) struct Stopped(tempfile::TempDir);

impl Stopped {
    fn reader(&self) -> Reader {
        Reader::open(self.0.path().join("faults.db").as_path()).unwrap()
    }

    pub(crate) fn rows(&self, ids: &[String]) -> Vec<CallRecord> {
        let mut reader = self.reader();
        let row = |id: &String| reader.call(id.parse::<RequestId>().unwrap()).unwrap().unwrap().call;
        ids.iter().map(row).collect()
    }

    /// The newest row: that of a request whose client never heard its id.
    pub(crate) fn last_row(&self) -> CallRecord {
        let mut last = None;
        let each = |row: Result<tierway_ledger::StoredCall, _>| {
            last = Some(row.unwrap().call);
            ControlFlow::Continue(())
        };
        self.reader().each(tierway_ledger::Span::ALL, each).unwrap();
        last.unwrap()
    }
}

/// A reply that is still coming.
pub(crate) struct Open(http::Response<hyper::body::Incoming>);

impl Open {
    /// Waits for the next bytes.
    pub(crate) async fn read(&mut self) -> Option<Bytes> {
        self.0.body_mut().frame().await?.unwrap().into_data().ok()
    }

    pub(crate) async fn read_all(&mut self) -> String {
        let mut all = Vec::new();
        while let Some(bytes) = self.read().await {
            all.extend_from_slice(&bytes);
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    pub(crate) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// Walks away. Gives the request id.
    pub(crate) fn leave(self) -> String {
        self.0.headers()["x-tierway-request-id"].to_str().unwrap().to_owned()
    }
}

fn config(set: &Set, [primary, fallback, large]: [&Upstream; 3], dir: &std::path::Path) -> String {
    let provider = |name: &str, upstream: &Upstream| {
        format!(
            "[providers.{name}]\nkind = \"openai_compatible\"\nformat = \"{}\"\nbase_url = \"{}/v1\"\nfirst_byte_ms = {}\nbetween_chunks_ms = 800\n",
            set.provider,
            upstream.url(),
            set.first_byte_ms
        )
    };
    let others = if set.alone {
        String::new()
    } else {
        format!(
            r#"{{ provider = "second", model = "{MODEL}", weight = 0, context_window = 128000, parameters = {{ prefill = {} }}, price = {{ input = 3.0, output = 4.0 }} }},"#,
            set.fallback_continues
        )
    };
    let dearer = if set.alone {
        String::new()
    } else {
        format!(
            r#"
[[tiers]]
name = "large"
targets = [{{ provider = "third", model = "{LARGE}", context_window = 1000000, parameters = {{ prefill = {} }}, price = {{ input = 10.0, output = 20.0 }} }}]
"#,
            set.large_continues
        )
    };
    format!(
        r#"{}{}{}
[server]
listen = "127.0.0.1:0"
grace_seconds = 1
[[tiers]]
name = "standard"
targets = [
  {{ provider = "first", model = "{MODEL}", weight = 1, context_window = 128000, parameters = {{ prefill = {} }}, price = {{ input = 1.0, output = 2.0 }} }},
  {others}
]
{dearer}
[routing]
baseline = "standard"
[dispatch]
{}
[ledger]
path = "{}/faults.db"
"#,
        provider("first", primary),
        provider("second", fallback),
        provider("third", large),
        set.primary_continues,
        set.dispatch,
        dir.display()
    )
}

impl Answer {
    fn read(&mut self, text: &str) {
        if self.headers.get("content-type").is_some_and(|kind| kind.to_str().unwrap().starts_with("text/event-stream"))
        {
            for data in text.lines().filter_map(|line| line.strip_prefix("data:")) {
                match data.trim() {
                    "[DONE]" => self.done = true,
                    data => match serde_json::from_str(data) {
                        Ok(event) => self.hear(&event, "delta"),
                        Err(_) => self.garbled = true,
                    },
                }
            }
        } else {
            match serde_json::from_str(text) {
                Ok(body) => self.hear(&body, "message"),
                Err(_) => self.garbled = true,
            }
        }
    }

    fn hear(&mut self, event: &Value, part: &str) {
        if let Some(error) = event.get("error") {
            self.error = Some(error.clone());
        }
        let choice = &event["choices"][0];
        self.text.push_str(choice[part]["content"].as_str().unwrap_or_default());
        self.finish.push_str(choice["finish_reason"].as_str().unwrap_or_default());
        if let Some(model) = event["model"].as_str().filter(|model| self.models.last().is_none_or(|last| last != model))
        {
            self.models.push(model.to_owned());
        }
        if event["usage"].is_object() {
            self.usage = event["usage"].clone();
        }
    }

    pub(crate) fn id(&self) -> String {
        self.headers["x-tierway-request-id"].to_str().unwrap().to_owned()
    }

    /// A whole, unbroken answer to this question in one voice.
    pub(crate) fn is_whole(&self, question: &str) -> bool {
        let (head, tail) = (format!("answers: {question} "), " w29");
        self.status == 200
            && self.error.is_none()
            && !self.garbled
            && self.finish == "stop"
            && self.text.contains(&head)
            && self.text.ends_with(tail)
            && self.text.matches("answers:").count() == 1
    }

    /// The client cannot take this for a success.
    pub(crate) fn is_clear_error(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error["message"].is_string() && error.get("code").is_some())
            && !self.done
            && self.finish.is_empty()
    }

    pub(crate) fn code(&self) -> &str {
        self.error.as_ref().and_then(|error| error["code"].as_str()).unwrap_or_default()
    }
}

/// Names of the ends of all attempts.
pub(crate) fn ends(row: &CallRecord) -> Vec<String> {
    let name = |end: &AttemptEnd| match end {
        AttemptEnd::Http { status, .. } => format!("http {status}"),
        other => serde_json::to_value(other).unwrap()["kind"].as_str().unwrap().to_owned(),
    };
    row.attempts.iter().map(|attempt| format!("{} {}", attempt.provider, name(&attempt.end))).collect()
}

/// Waits long enough for a call to have ended on the upstream's side, and gives it.
pub(crate) async fn ended(upstream: &Upstream) -> Seen {
    let over = |seen: &[Seen]| seen.last().is_some_and(|seen| seen.ended != tierway_testkit::Ended::Open);
    let waited = tokio::time::timeout(Duration::from_secs(10), upstream.until(over)).await;
    waited.expect("the upstream call never ended").pop().unwrap()
}

/// What a Messages client made of a stream, as its SDK does.
#[derive(Debug, Default)]
pub(crate) struct Message {
    starts: usize,
    /// Texts of the blocks; none where a block was not stopped or its number is not the next.
    blocks: Vec<String>,
    stopped_blocks: usize,
    stop_reason: String,
    pub(crate) output_tokens: u64,
    stops: usize,
    wrong: Vec<String>,
}

impl Message {
    pub(crate) fn read(text: &str) -> Self {
        let mut message = Self::default();
        for data in text.lines().filter_map(|line| line.strip_prefix("data:")) {
            let event: Value = serde_json::from_str(data).unwrap();
            let index = event["index"].as_u64().unwrap_or_default() as usize;
            match event["type"].as_str().unwrap() {
                "message_start" => message.starts += 1,
                "content_block_start" if index == message.blocks.len() => message.blocks.push(String::new()),
                "content_block_delta" if index + 1 == message.blocks.len() => {
                    message.blocks[index].push_str(event["delta"]["text"].as_str().unwrap());
                }
                "content_block_stop" if index + 1 == message.blocks.len() => message.stopped_blocks += 1,
                "message_delta" => {
                    message.stop_reason.push_str(event["delta"]["stop_reason"].as_str().unwrap());
                    message.output_tokens = event["usage"]["output_tokens"].as_u64().unwrap();
                }
                "message_stop" => message.stops += 1,
                "ping" => {}
                _ => message.wrong.push(data.to_owned()),
            }
        }
        message
    }

    /// One message of one block of the whole text.
    pub(crate) fn is_whole(&self, question: &str) -> bool {
        self.wrong.is_empty()
            && [self.starts, self.blocks.len(), self.stopped_blocks, self.stops] == [1; 4]
            && self.stop_reason == "end_turn"
            && self.blocks[0].contains(&format!("answers: {question} "))
            && self.blocks[0].ends_with(" w29")
            && self.blocks[0].matches("answers:").count() == 1
    }
}
