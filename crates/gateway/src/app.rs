//! What one worker serves: the routes, and the bounds that hold before a request is looked at.

use crate::body::{Active, Outgoing, discard, read_body};
use crate::keys::desk::KeyDesk;
use crate::keys::{Keys, Scope};
use crate::metrics::Metrics;
use crate::quality::Shared;
use crate::store::Store;
use crate::{api, dashboard, feedback, health, models};
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tierway::{Call, CutOff, Refusal, Reply, ReplyBody, Router};
use tierway_decide::Caller;
use tierway_decide::quality::Rules;
use tierway_wire::{ApiError, Format};

/// Bounds of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Largest request body in bytes.
    pub(crate) max_body_bytes: usize,
    /// Requests in progress; more are told to come back.
    pub(crate) max_active: usize,
    /// How long a client may take to send the body of a request.
    pub(crate) body_timeout: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { max_body_bytes: 16 * 1024 * 1024, max_active: 20_000, body_timeout: Duration::from_secs(30) }
    }
}

/// What may change on reload, swapped as a whole.
#[derive(Clone)]
pub(crate) struct Live {
    /// Decides and calls.
    pub(crate) router: Router,
    /// Who may come in.
    pub(crate) keys: Arc<Keys>,
    /// Where orders about quality go; none while nothing is looked at.
    pub(crate) quality: Option<Arc<Shared>>,
    /// What is asked of each kind of work.
    pub(crate) rules: Rules,
}

/// A call, and the config it is served by.
type Admitted = (Call, Arc<Live>);

/// What is served at a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// Everything.
    Both,
    /// What clients ask: models, and whether it is well.
    Clients,
    /// What operators read: reports, records, metrics, dashboard, and whether it is well.
    Operators,
}

impl Face {
    fn serves(self, path: &str) -> bool {
        let within = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        match self {
            Self::Both => true,
            Self::Clients => !within(&["/api/", "/dashboard", "/metrics", "/openapi.json"]),
            Self::Operators => !within(&["/v1/"]),
        }
    }

    fn elsewhere(self) -> Reply {
        let message = match self {
            Self::Operators => "models are asked at the router's other address, `[server] listen` in its config",
            Self::Both | Self::Clients => {
                "reports, records, metrics and dashboard are at another address, `[server] admin_listen` in the router's config"
            }
        };
        Refusal::caller(ApiError::new(404, message).with_code("unknown_url")).reply(Format::OpenaiChat)
    }
}

/// One worker's application.
pub(crate) struct App {
    face: Face,
    pub(crate) live: Arc<ArcSwap<Live>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) store: Option<Store>,
    pub(crate) desk: Option<Arc<KeyDesk>>,
    pub(crate) active: Active,
    pub(crate) bounds: Bounds,
    pub(crate) cut_off: Arc<CutOff>,
}

impl App {
    /// An application that serves what `live` holds at the time of each request.
    #[must_use]
    pub(crate) fn new(live: Arc<ArcSwap<Live>>, metrics: Arc<Metrics>, bounds: Bounds, cut_off: Arc<CutOff>) -> Self {
        let active = Active::default();
        metrics.watch(active.clone());
        Self { face: Face::Both, live, metrics, store: None, desk: None, active, bounds, cut_off }
    }

    /// With a store to read reports and records from.
    #[must_use]
    pub(crate) fn with_store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// With a desk where keys can be changed.
    #[must_use]
    pub(crate) fn with_desk(mut self, desk: Arc<KeyDesk>) -> Self {
        self.desk = Some(desk);
        self
    }

    /// With a part of what there is.
    #[must_use]
    pub(crate) fn with_face(mut self, face: Face) -> Self {
        self.face = face;
        self
    }

    /// Serves one HTTP request. Never fails: whatever is wrong is said in the reply.
    pub(crate) async fn serve(&self, request: Request<Incoming>) -> Result<Response<Outgoing>, Infallible> {
        let path = request.uri().path();
        let guard = self.active.enter(self.bounds.max_active);
        let reply = match &guard {
            Some(_) => self.route(request).await,
            // Busy is not ill: whoever watches it must not restart it for that.
            None if matches!(path, "/healthz" | "/readyz") => self.other(request).await,
            None => {
                self.metrics.refused(503);
                let refusal = overloaded(format_of(path));
                discard(request.into_body(), &self.bounds);
                refusal
            }
        };
        let mut response = Response::new(Outgoing::new(reply.body, guard));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        Ok(response)
    }

    async fn route(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path();
        if !self.face.serves(path) {
            discard(request.into_body(), &self.bounds);
            return self.face.elsewhere();
        }
        match path {
            "/v1/chat/completions" | "/v1/messages" | "/v1/responses" => self.serve_call(Ask::Chat, request).await,
            "/v1/messages/count_tokens" => self.serve_call(Ask::CountTokens, request).await,
            "/v1/embeddings" => self.serve_call(Ask::Embeddings, request).await,
            _ => self.other(request).await,
        }
    }

    async fn other(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path();
        let get = request.method() == Method::GET || request.method() == Method::HEAD;
        match path {
            "/healthz" if get => health::alive(),
            "/readyz" if get => health::ready(self),
            "/metrics" if get => match self.admit(request.headers(), Scope::Read) {
                Err(refusal) => refusal.reply(format_of(path)),
                Ok(_) => self.metrics.reply(self, request.headers()),
            },
            "/" if get => root(request.headers(), self.face),
            "/openapi.json" if get => json(StatusCode::OK, api::OPENAPI),
            _ if get && dashboard::has(path) => dashboard::file(path),
            "/v1/feedback" => feedback::serve(self, request).await,
            _ => match self.admit(request.headers(), Scope::Client) {
                Err(refusal) => refusal.reply(format_of(path)),
                Ok(caller) if get && path == "/v1/models" => models::list(self, &caller, request.headers()),
                Ok(caller) if get && path.starts_with("/v1/models/") => {
                    models::one(self, &caller, &path["/v1/models/".len()..], request.headers())
                }
                Ok(_) if path.starts_with("/api/v1/") => api::route(self, request).await,
                Ok(_) => not_found(request.method(), path),
            },
        }
    }

    async fn serve_call(&self, ask: Ask, request: Request<Incoming>) -> Reply {
        let format = format_of(request.uri().path());
        match self.call(format, request).await {
            Ok((call, live)) => match ask {
                Ask::Chat => live.router.chat(call).await,
                Ask::CountTokens => live.router.count_tokens(call).await,
                Ask::Embeddings => live.router.embed(call).await,
            },
            Err(refusal) => {
                self.metrics.refused(refusal.error.status);
                refusal.reply(format)
            }
        }
    }

    /// Everything before the router: who asks, how large, what the headers want.
    async fn call(&self, format: Format, request: Request<Incoming>) -> Result<Admitted, Refusal> {
        if request.method() != Method::POST {
            let message = format!("{} is asked with POST", request.uri().path());
            return Err(Refusal::caller(ApiError::new(405, message).with_code("method_not_allowed")));
        }
        let live = self.live.load_full();
        let (head, body) = request.into_parts();
        let caller = match live.keys.admit(&head.headers, Scope::Client) {
            Ok(caller) => caller,
            Err(refusal) => {
                discard(body, &self.bounds);
                return Err(refusal);
            }
        };
        let body = read_body(body, &head.headers, &self.bounds).await?;
        let account = live.keys.account(&caller);
        let mut call = crate::pins::call(format, body, head.headers, caller, live.router.setup().table.ladder())?;
        call.account = account;
        Ok((call, live))
    }

    pub(crate) fn admit(&self, headers: &HeaderMap, scope: Scope) -> Result<Arc<Caller>, Refusal> {
        self.live.load().keys.admit(headers, scope)
    }
}

/// What a request body is for.
#[derive(Clone, Copy)]
enum Ask {
    Chat,
    CountTokens,
    Embeddings,
}

/// The API that a path belongs to, for the shape of its errors.
pub(crate) fn format_of(path: &str) -> Format {
    match path {
        "/v1/messages" | "/v1/messages/count_tokens" => Format::AnthropicMessages,
        "/v1/responses" => Format::OpenaiResponses,
        _ => Format::OpenaiChat,
    }
}

fn overloaded(format: Format) -> Reply {
    let error = ApiError::new(503, "the router is at its limit of requests in progress; try again in a second");
    let mut reply = Refusal::caller(error.with_code("overloaded")).reply(format);
    reply.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

/// A browser is sent to the pages, everybody else is told where things are.
fn root(headers: &HeaderMap, face: Face) -> Reply {
    let accepts = |kind: &str| headers.get_all(ACCEPT).iter().any(|value| contains(value, kind));
    if accepts("text/html") && face.serves(dashboard::PATH) {
        let mut reply = json(StatusCode::FOUND, Bytes::new());
        reply.headers.insert(LOCATION, HeaderValue::from_static(dashboard::PATH));
        return reply;
    }
    let places = [("api", "/v1"), ("reports", "/api/v1"), ("dashboard", dashboard::PATH), ("openapi", "/openapi.json")];
    let served = places.into_iter().filter(|(_, path)| face.serves(&format!("{path}/")));
    let places: serde_json::Map<_, _> =
        served.chain([("health", "/healthz")]).map(|(name, path)| (name.to_owned(), path.into())).collect();
    json(StatusCode::OK, serde_json::Value::Object(places).to_string())
}

fn contains(value: &HeaderValue, text: &str) -> bool {
    value.to_str().is_ok_and(|value| value.contains(text))
}

fn not_found(method: &Method, path: &str) -> Reply {
    let known = "the API is at /v1 (chat/completions, responses, messages, messages/count_tokens, embeddings, models, feedback), records and reports at /api/v1, pages at /dashboard";
    let message = match path {
        "/v1/completions" => "the old completions API is not served; ask /v1/chat/completions".to_owned(),
        _ if path.starts_with("/v1/responses/") || path.starts_with("/v1/conversations") => {
            "tierway keeps no answers and no conversations; send the whole conversation with each request".to_owned()
        }
        _ => format!("there is nothing at {method} {}; {known}", path.chars().take(120).collect::<String>()),
    };
    Refusal::caller(ApiError::new(404, message).with_code("unknown_url")).reply(Format::OpenaiChat)
}

/// A reply of our own with a JSON body.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    with_type(status, "application/json", body)
}

pub(crate) fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Reply { status, headers, body: ReplyBody::from(body.into()) }
}
