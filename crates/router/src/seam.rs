//! The seams of a router: who answers ([`Provider`]), who keeps the record ([`Sink`]), what time it is ([`Clock`]). One more,
//! who looks at answers afterwards, has a module of its own ([`crate::Witness`]).

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Body;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tierway_decide::CallRecord;
use tierway_wire::Format;

/// A future behind a seam.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Bytes as a provider sends them.
pub type WireBody = Pin<Box<dyn Body<Data = Bytes, Error = BrokenBody> + Send>>;

/// The connection broke in the middle of a body.
#[derive(Debug, thiserror::Error)]
#[error("the connection broke in the middle of the answer: {0}")]
pub struct BrokenBody(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// One upstream API: connects, sends, receives. Never picks a model, never retries, never reads what it carries.
/// Calls overlap, so implementations hold no per-request state. Dropping the future or the body cancels the upstream call.
pub trait Provider: Send + Sync {
    /// Sends one request; done when the head of the answer is there.
    fn send(&self, request: WireRequest) -> BoxFuture<'_, Result<WireAnswer, SendError>>;

    /// Takes the credentials out of words of this API that a client is going to read: some APIs quote them in their errors.
    fn mask_credentials(&self, _words: &mut String) {}
}

/// What is asked of the upstream API, by which its path is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An answer to a conversation.
    Chat,
    /// How many tokens a conversation has.
    CountTokens,
    /// Vectors for texts.
    Embeddings,
}

/// A request that is ready for the wire.
#[derive(Debug)]
pub struct WireRequest {
    /// What is asked.
    pub operation: Operation,
    /// The API of the body.
    pub format: Format,
    /// The model, for APIs that name it in the path.
    pub model: String,
    /// A stream is wanted, for APIs that say so in the path.
    pub stream: bool,
    /// Headers of the client that may be forwarded; no credentials among them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// The head of an answer, and its body as it comes.
pub struct WireAnswer {
    /// HTTP status.
    pub status: StatusCode,
    /// HTTP headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: WireBody,
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection, or none in time.
    #[error("cannot connect to {provider}: {cause}")]
    Connect {
        /// The provider's name in the config.
        provider: String,
        /// What the system said; without addresses of other callers or keys.
        cause: String,
    },
    /// There is a connection, but its certificate or handshake was refused: trying again is no use.
    #[error("no TLS with {provider}: {cause}; see its base_url and certificate")]
    Tls {
        /// The provider's name in the config.
        provider: String,
        /// What was wrong with it.
        cause: String,
    },
    /// The connection broke before the head of the answer.
    #[error("{provider} closed the connection before it answered: {cause}")]
    Broken {
        /// The provider's name in the config.
        provider: String,
        /// What the system said.
        cause: String,
    },
    /// There is nothing to show who asks.
    #[error("no credentials for {provider}: {cause}")]
    NoCredentials {
        /// The provider's name in the config.
        provider: String,
        /// What went wrong; not what they hold.
        cause: String,
    },
    /// The request cannot be put on the wire.
    #[error("cannot write the request for {provider}: {cause}")]
    Unsendable {
        /// The provider's name in the config.
        provider: String,
        /// Why.
        cause: String,
    },
}

/// Resolves when the end of an answer may go out: true when its record is on disk, false when nobody waits for it any longer.
pub type Held = BoxFuture<'static, bool>;

/// Takes finished records. Must not block: a full queue drops and counts.
pub trait Sink: Send + Sync {
    /// Offers one record, in the box in which it was made.
    fn offer(&self, record: Box<CallRecord>);

    /// Offers the record of an answer whose last bytes have not gone out. They wait for what is returned; a sink that
    /// promises nothing lets them go.
    fn offer_before_end(&self, record: Box<CallRecord>) -> Option<Held> {
        self.offer(record);
        None
    }
}

/// The time, as an argument for everything below.
pub trait Clock: Send + Sync {
    /// Milliseconds since some fixed moment; never goes back.
    fn monotonic_ms(&self) -> u64;
    /// Microseconds since the same moment, for the time it takes to decide.
    fn monotonic_us(&self) -> u64;
    /// Milliseconds since 1970-01-01T00:00:00Z; may jump.
    fn unix_ms(&self) -> i64;
    /// Waits.
    fn sleep(&self, pause: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's own clock.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn unix_ms(&self) -> i64 {
        now_ms()
    }

    fn sleep(&self, pause: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(pause))
    }
}

/// The time by the machine's clock: milliseconds since 1970-01-01T00:00:00Z, 0 before that.
#[must_use]
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
