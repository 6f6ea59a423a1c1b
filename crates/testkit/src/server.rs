//! The fake upstream itself: accepts, writes down, answers or fails.

use crate::answer::{Answer, Finish, Reply, answer, echo};
use crate::api::{Api, Refusal, Streamed, embed};
use crate::body::{Piece, Scripted, Switch, Wire};
use crate::cloud::{self, Cloud, Framing};
use crate::fault::{Fault, Plan};
use crate::record::{Ended, Record, Seen, Watch};
use crate::traits::{Pace, Traits};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};

/// Requests larger than this are refused with 413.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
/// Lets what was written reach the client before the connection breaks.
const BEFORE_BREAK: Duration = Duration::from_millis(25);

/// How a fake upstream is set up.
#[derive(Clone, Debug, Default)]
pub struct UpstreamConfig {
    /// Port on loopback; 0 for a free one.
    pub port: u16,
    /// The only key that is accepted; none: any, or no key.
    pub key: Option<String>,
    /// Models with traits of their own; all others go by their names.
    pub models: HashMap<String, Traits>,
    /// Unknown top-level fields are accepted, as compatible servers (vLLM, Ollama) do.
    pub lenient: bool,
    /// Instead of the echo: what a model says to a request, given its model name and the question. For the demo.
    pub voice: Option<fn(model: &str, question: &str) -> String>,
}

/// A provider on a loopback port. Dropped, it is gone: its port is closed and every connection with it.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    config: UpstreamConfig,
    traits: Mutex<HashMap<String, Traits>>,
    plans: Mutex<HashMap<String, (Plan, u64)>>,
    calls: Mutex<HashMap<String, (usize, usize)>>,
    prefixes: Mutex<HashSet<(String, String)>>,
    record: Arc<Record>,
    cloud: Cloud,
    replies: AtomicU64,
    connections: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upstream {
    /// Starts one on a free port, taking any key.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(UpstreamConfig::default()).await
    }

    /// Starts one.
    ///
    /// # Errors
    /// When the port cannot be opened.
    #[expect(clippy::unused_async, reason = "it needs a runtime to be in; async says so")]
    pub async fn start_with(config: UpstreamConfig) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, config.port).into())?;
        let listener = socket.listen(1_024)?;
        let address = listener.local_addr()?;
        let traits = Mutex::new(config.models.clone());
        let shared = Arc::new(Shared {
            config,
            traits,
            plans: Mutex::default(),
            calls: Mutex::default(),
            prefixes: Mutex::default(),
            record: Arc::new(Record::new()),
            cloud: Cloud::default(),
            replies: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How a model fails from now on; its calls are counted from 0 again. `*`: every model without a plan of its own,
    /// counted together.
    pub fn plan(&self, model: &str, plan: Plan) {
        self.shared.set_plan(model, plan);
    }

    /// What a model takes and how it behaves from now on.
    pub fn traits(&self, model: &str, traits: Traits) {
        lock(&self.shared.traits).insert(model.to_owned(), traits);
    }

    /// All requests so far, in the order they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.record.all()
    }

    /// Requests so far that named this model.
    #[must_use]
    pub fn calls_of(&self, model: &str) -> Vec<Seen> {
        self.shared.record.of(model)
    }

    /// Waits until the requests so far are as wanted, and gives them.
    pub async fn until(&self, wanted: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        self.shared.record.until(wanted).await
    }

    /// Forgets the requests that are over.
    pub fn forget(&self) {
        self.shared.record.clear();
    }

    /// Milliseconds since it started: the clock of [`Seen`].
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.shared.record.now_ms()
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Relaxed)
    }

    /// Closes the port and every connection, and waits until that is done; the address can be taken again.
    pub async fn stop(mut self) -> SocketAddr {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
        self.address
    }

    /// Serves until the task is stopped.
    pub async fn serve(mut self) {
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await; // out of descriptors: let some close
            continue;
        };
        let _ = stream.set_nodelay(true);
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            shared.connections.fetch_add(1, Relaxed);
            let _count = Count(Arc::clone(&shared));
            let switch = Switch::default();
            let wire = TokioIo::new(Wire { stream, switch: switch.clone() });
            let service = service_fn(move |request| handle(Arc::clone(&shared), switch.clone(), request));
            // An error here is a client that left or a fault that was asked for.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(wire, service).await;
        });
    }
}

struct Count(Arc<Shared>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

type Out = Response<Scripted>;

async fn handle(shared: Arc<Shared>, switch: Switch, request: Request<Incoming>) -> Result<Out, io::Error> {
    let (mut head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Err(io::ErrorKind::InvalidData.into()),
    };
    let query = head.uri.query().unwrap_or_default();
    if head.uri.path().starts_with("/_fake/") {
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        return shared.control(head.method.as_str(), head.uri.path(), host, &body);
    }
    let sent = without_keys(&head.headers);
    let (path, body, framed, locked_out) = match shared.cloud.enter(head.uri.path(), &mut head.headers, &body) {
        None => (head.uri.path().to_owned(), body, None, None),
        Some(Ok(inside)) => (inside.path, inside.body, inside.framed, None),
        Some(Err(refused)) => (head.uri.path().to_owned(), body, None, Some(refused)),
    };
    let api = Api::at(head.method.as_str(), &path, query);
    let json: Option<Value> = serde_json::from_slice(&body).ok();
    let model = match &api {
        Some(Api::Gemini { model, .. } | Api::Converse { model, .. }) => model.clone(),
        _ => json.as_ref().and_then(|json| json.get("model")?.as_str()).unwrap_or_default().to_owned(),
    };
    let (call, fault) = shared.next_fault(&model);
    let watch = shared.record.add(Seen {
        at_ms: shared.record.now_ms(),
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: query.split('&').filter(|pair| !pair.starts_with("key=")).collect::<Vec<_>>().join("&"),
        headers: sent,
        body,
        model: model.clone(),
        call,
        refused: None,
        first_content_ms: None,
        ended: Ended::Open,
    });
    if let Some((status, said)) = locked_out {
        watch.refused(&said.to_string());
        return respond_json(status, &said, watch);
    }
    let Some(api) = api else {
        return shared.refuse(&Api::Chat, &Refusal::coded(404, "unknown_url", "Unknown request URL"), watch);
    };
    let reply = shared.reply(&api, &model, json, &head.headers, query, fault, &switch, watch).await?;
    Ok(match framed {
        Some(framing) if reply.status() == StatusCode::OK => in_frames(framing, reply),
        _ => reply,
    })
}

fn in_frames(framing: Framing, reply: Out) -> Out {
    let mut reply = reply.map(|body| body.map(|piece| cloud::framed(framing, piece)));
    let kind = HeaderValue::from_static("application/vnd.amazon.eventstream");
    reply.headers_mut().insert(header::CONTENT_TYPE, kind);
    reply
}

fn without_keys(headers: &HeaderMap) -> Vec<(String, String)> {
    let secret = |name: &str| matches!(name, "authorization" | "x-api-key" | "x-goog-api-key" | "api-key" | "cookie");
    headers
        .iter()
        .map(|(name, value)| {
            let value = if secret(name.as_str()) { "***".into() } else { String::from_utf8_lossy(value.as_bytes()) };
            (name.as_str().to_owned(), value.into_owned())
        })
        .collect()
}

impl Shared {
    fn set_plan(&self, model: &str, plan: Plan) {
        lock(&self.plans).insert(model.to_owned(), (plan, self.record.now_ms()));
        lock(&self.calls).entry(model.to_owned()).or_default().1 = 0;
    }

    /// Numbers the call, for the record and for the plan (which counts from when it was set).
    fn next_fault(&self, model: &str) -> (usize, Fault) {
        let plans = lock(&self.plans);
        let (name, planned) = match plans.get(model) {
            Some(planned) => (model, Some(planned)),
            None => ("*", plans.get("*")),
        };
        let mut calls = lock(&self.calls);
        let of_model = calls.entry(model.to_owned()).or_default();
        let call = of_model.0;
        of_model.0 += 1;
        let of_plan = calls.entry(name.to_owned()).or_default();
        let step = of_plan.1;
        of_plan.1 += 1;
        let age = |since: u64| self.record.now_ms().saturating_sub(since);
        (call, planned.map_or(Fault::None, |(plan, since)| plan.at(step, age(*since))))
    }

    #[expect(clippy::too_many_arguments, reason = "one call, from the one place that has them")]
    async fn reply(
        &self,
        api: &Api,
        model: &str,
        json: Option<Value>,
        headers: &HeaderMap,
        query: &str,
        fault: Fault,
        switch: &Switch,
        watch: Watch,
    ) -> Result<Out, io::Error> {
        match &fault {
            Fault::Silent => std::future::pending::<()>().await,
            Fault::ResetBeforeHeaders => return break_off(watch, || switch.reset()),
            Fault::CloseBeforeHeaders => return break_off(watch, || ()),
            Fault::SlowHeaders { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Fault::Garbage => switch.noise(),
            Fault::Redirect { to } => {
                return respond(302, &[("location", to)], vec![Piece::Send(Bytes::new())], watch);
            }
            _ => {}
        }
        if let Some(refusal) = Api::refusal_of(&fault, model) {
            return self.refuse_with(api, &refusal, &fault, watch);
        }
        if let Some(refusal) = self.wrong_key(headers, query) {
            return self.refuse(api, &refusal, watch);
        }
        if matches!(api, Api::Models | Api::Tags) {
            return respond_json(200, &self.list(api), watch);
        }
        let Some(json) = json else {
            return self.refuse(api, &Refusal::bad("We could not parse the JSON body of your request."), watch);
        };
        let traits = lock(&self.traits).get(model).cloned().unwrap_or_else(|| Traits::of(model));
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let json = if self.config.lenient { known_only(api, json, &header, &traits) } else { json };
        let mut ask = match api.read(&json, &header, &traits) {
            Ok(ask) => ask,
            Err(refusal) => return self.refuse(api, &refusal, watch),
        };
        if *api == Api::Embeddings {
            return respond_json(200, &embed(&json), watch);
        }
        if ask.input_tokens() + ask.max_tokens.unwrap_or(0).min(traits.window / 2) > traits.window {
            let refusal = Api::refusal_of(&Fault::ContextTooLong, model).unwrap_or_else(|| Refusal::bad("too long"));
            return self.refuse(api, &refusal, watch);
        }
        let cached = !lock(&self.prefixes).insert((model.to_owned(), ask.prefix()));
        let mut reply =
            answer(&ask, &traits, cached, self.replies.fetch_add(1, Relaxed), &|ask| match self.config.voice {
                Some(voice) => voice(&ask.model, ask.question()),
                None => echo(ask, traits.answer_tokens),
            });
        bend(&mut reply, &fault);
        if ask.stream {
            ask.stream_usage &= !traits.no_usage;
            let pieces = stream_pieces(api, &api.streamed(&ask, &reply), &fault, traits.pace);
            return respond(200, &[("content-type", api.stream_type()), ("cache-control", "no-cache")], pieces, watch);
        }
        let mut whole = api.whole(&ask, &reply);
        if traits.no_usage {
            whole.as_object_mut().map(|whole| whole.shift_remove("usage"));
        }
        let pieces = whole_pieces(whole.to_string(), &fault, traits.pace, reply.output_tokens);
        respond(200, &[("content-type", "application/json")], pieces, watch)
    }

    fn wrong_key(&self, headers: &HeaderMap, query: &str) -> Option<Refusal> {
        let wanted = self.config.key.as_deref()?;
        let given = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = given("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let in_query = query.split('&').find_map(|pair| pair.strip_prefix("key="));
        let keys = [bearer, given("x-api-key"), given("x-goog-api-key"), given("api-key"), in_query];
        let right = keys.into_iter().flatten().any(|key| key == wanted);
        (!right).then(|| Refusal::coded(401, "invalid_api_key", "Incorrect API key provided."))
    }

    fn list(&self, api: &Api) -> Value {
        let traits = lock(&self.traits);
        let mut names: Vec<&String> = traits.keys().collect();
        names.sort();
        if *api == Api::Tags {
            return json!({"models": names.iter().map(|name| json!({"name": name, "model": name})).collect::<Vec<_>>()});
        }
        let model =
            |name: &&String| json!({"id": name, "object": "model", "created": 1_790_000_000u64, "owned_by": "fake"});
        json!({"object": "list", "data": names.iter().map(model).collect::<Vec<_>>()})
    }

    /// A refusal that the request itself deserves: noted, because in a test it mostly means a wrong translation.
    #[expect(clippy::unused_self, reason = "beside its siblings")]
    fn refuse(&self, api: &Api, refusal: &Refusal, watch: Watch) -> Result<Out, io::Error> {
        watch.refused(&refusal.message);
        respond_json(refusal.status, &api.error(refusal), watch)
    }

    #[expect(clippy::unused_self, reason = "beside its siblings")]
    fn refuse_with(&self, api: &Api, refusal: &Refusal, fault: &Fault, watch: Watch) -> Result<Out, io::Error> {
        let body = vec![Piece::Send(api.error(refusal).to_string().into())];
        let mut headers = vec![("content-type", "application/json")];
        if let Fault::RateLimit { retry_after: Some(pause) } = fault {
            headers.push(("retry-after", pause));
        }
        respond(refusal.status, &headers, body, watch)
    }

    /// `GET /_fake/requests`, `GET /_fake/requests/MODEL`, `PUT /_fake/plan/MODEL`, `PUT /_fake/traits/MODEL`,
    /// `POST /_fake/forget`: the same as the methods of [`Upstream`], for tests in other languages. Not written down.
    fn control(&self, method: &str, path: &str, host: &str, body: &Bytes) -> Result<Out, io::Error> {
        let done = || json!({"ok": true});
        let wrong = |error: &serde_json::Error| json!({ "error": error.to_string() });
        let (status, said) = match (method, path) {
            ("GET", "/_fake/requests") => (200, json!(self.record.all())),
            ("GET", path) if path.starts_with("/_fake/requests/") => {
                (200, json!(self.record.of(path.trim_start_matches("/_fake/requests/"))))
            }
            ("POST", "/_fake/forget") => {
                self.record.clear();
                (200, done())
            }
            ("PUT", path) if path.starts_with("/_fake/plan/") => match serde_json::from_slice(body) {
                Ok(plan) => {
                    self.set_plan(path.trim_start_matches("/_fake/plan/"), plan);
                    (200, done())
                }
                Err(error) => (400, wrong(&error)),
            },
            ("PUT", path) if path.starts_with("/_fake/traits/") => match serde_json::from_slice(body) {
                Ok(traits) => {
                    lock(&self.traits).insert(path.trim_start_matches("/_fake/traits/").to_owned(), traits);
                    (200, done())
                }
                Err(error) => (400, wrong(&error)),
            },
            ("GET", path) if path.starts_with("/_fake/google/service-account/") => {
                let lives = path.rsplit('/').next().and_then(|text| text.parse().ok()).unwrap_or(3_600);
                (200, cloud::service_account(&format!("http://{host}"), lives))
            }
            ("POST", path) if path.starts_with("/_fake/google/token/") => {
                match self.cloud.token(body, &format!("http://{host}{path}")) {
                    Ok(token) => (200, token),
                    Err(error) => (400, json!({ "error": error })),
                }
            }
            _ => (404, json!({"error": "GET requests[/MODEL], PUT plan/MODEL, PUT traits/MODEL, POST forget"})),
        };
        respond_json(status, &said, Watch::nobody())
    }
}

/// Drops top-level fields that the API does not know, one after the other.
fn known_only(api: &Api, mut json: Value, header: &dyn Fn(&str) -> Option<String>, traits: &Traits) -> Value {
    while let Err(refusal) = api.read(&json, header, traits) {
        let unknown = refusal
            .param
            .filter(|_| refusal.message.starts_with("Unrecognized") || refusal.message.starts_with("Unknown"));
        let removed = unknown.and_then(|name| json.as_object_mut()?.shift_remove(&name));
        if removed.is_none() {
            break;
        }
    }
    json
}

/// Faults that change the answer rather than its way to the client.
fn bend(reply: &mut Reply, fault: &Fault) {
    let cut = |answer: &mut Answer, after: usize, finish: Finish| {
        answer.tokens.truncate(after);
        answer.calls.clear();
        answer.finish = finish;
    };
    match fault {
        Fault::Empty => reply.answers.iter_mut().for_each(|answer| cut(answer, 0, Finish::Stop)),
        Fault::ContentFilterFinish { after } => {
            reply.answers.iter_mut().for_each(|answer| cut(answer, *after, Finish::Filter));
        }
        _ => {}
    }
}

fn break_off(mut watch: Watch, how: impl FnOnce()) -> Result<Out, io::Error> {
    how();
    watch.broken();
    Err(io::ErrorKind::ConnectionAborted.into())
}

fn respond_json(status: u16, body: &Value, watch: Watch) -> Result<Out, io::Error> {
    respond(status, &[("content-type", "application/json")], vec![Piece::Send(body.to_string().into())], watch)
}

fn respond(status: u16, headers: &[(&str, &str)], pieces: Vec<Piece>, watch: Watch) -> Result<Out, io::Error> {
    let mut response = Response::builder()
        .status(StatusCode::from_u16(status).map_err(io::Error::other)?)
        .header("x-request-id", "req_fake")
        .header("request-id", "req_fake");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    if status == 302 {
        response = response.header(header::CONNECTION, "close");
    }
    response.body(Scripted::new(pieces, watch)).map_err(io::Error::other)
}

/// A streamed reply with its fault.
fn stream_pieces(api: &Api, streamed: &Streamed, fault: &Fault, pace: Pace) -> Vec<Piece> {
    let say = |text: &String| Piece::Send(Bytes::from(text.clone()));
    let content = |text: &String| Piece::Content(Bytes::from(text.clone()));
    let mut pieces = Vec::new();
    match fault {
        Fault::NotTheApi => return vec![Piece::Send("<html>It works!</html>".into())],
        Fault::SilentAfterHeaders => return vec![Piece::Hang],
        Fault::Huge { bytes } => pieces.push(Piece::Send(format!(": {}\n\n", " ".repeat(*bytes)).into())),
        Fault::SlowFirstToken { ms } => pieces.push(Piece::Wait(Duration::from_millis(*ms))),
        _ => pieces.push(Piece::Wait(pace.first())),
    }
    pieces.extend(streamed.head.iter().map(say));
    let pause = match fault {
        Fault::SlowChunks { ms } => Duration::from_millis(*ms),
        _ => pace.tokens(1),
    };
    for (at, event) in streamed.content.iter().enumerate() {
        if let Some(end) = breaks_at(api, fault, at) {
            pieces.extend(end);
            if !matches!(fault, Fault::Malformed { .. }) {
                return pieces;
            }
        }
        if !pause.is_zero() {
            pieces.push(Piece::Wait(pause));
        }
        pieces.push(content(event));
    }
    // A fault that was set for later than the answer is long happens at its end.
    if let Some(end) = breaks_at(api, fault, usize::MAX) {
        pieces.extend(end);
        return pieces;
    }
    if *fault != Fault::MissingEnd {
        pieces.extend(streamed.tail.iter().map(say));
    }
    pieces
}

/// What happens instead of the content event at this place.
fn breaks_at(api: &Api, fault: &Fault, at: usize) -> Option<Vec<Piece>> {
    let due = |after: usize| after == at || (at == usize::MAX && after > 0);
    match fault {
        Fault::Cut { after } if due(*after) => Some(vec![Piece::Wait(BEFORE_BREAK), Piece::Break]),
        Fault::Stall { after } if due(*after) => Some(vec![Piece::Hang]),
        Fault::InBand { after } if due(*after) => Some(vec![Piece::Send(api.in_band().into())]),
        Fault::Malformed { after } if *after == at => Some(vec![Piece::Send(api.malformed().into())]),
        _ => None,
    }
}

/// A whole reply with its fault.
fn whole_pieces(body: String, fault: &Fault, pace: Pace, output_tokens: u64) -> Vec<Piece> {
    let half: String = body.chars().take(body.chars().count() / 2).collect();
    let half = Piece::Content(half.into());
    match fault {
        Fault::NotTheApi => vec![Piece::Send("<html>It works!</html>".into())],
        Fault::SilentAfterHeaders => vec![Piece::Hang],
        Fault::Says { body } => vec![Piece::Content(body.clone().into())],
        Fault::Cut { .. } => vec![half, Piece::Wait(BEFORE_BREAK), Piece::Break],
        Fault::Stall { .. } => vec![half, Piece::Hang],
        Fault::Malformed { .. } | Fault::MissingEnd => vec![half],
        Fault::Huge { bytes } => vec![Piece::Send(" ".repeat(*bytes).into()), Piece::Content(body.into())],
        Fault::SlowFirstToken { ms } => {
            vec![Piece::Wait(Duration::from_millis(*ms)), Piece::Content(body.into())]
        }
        _ => {
            let pause = pace.first() + pace.tokens(output_tokens);
            if pause.is_zero() {
                vec![Piece::Content(body.into())]
            } else {
                vec![Piece::Wait(pause), Piece::Content(body.into())]
            }
        }
    }
}
