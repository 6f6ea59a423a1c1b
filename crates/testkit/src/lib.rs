//! A fake upstream and other stand-ins, for tests and the demo.
//!
//! [`Upstream`] is a provider on a loopback port that speaks OpenAI Chat and Responses, Anthropic Messages, Gemini, Ollama
//! and embeddings. It is strict where the real provider is strict, so that a wrong translation is refused here as it would
//! be there; it writes down every request; and it fails on demand ([`Plan`], [`Fault`]) in the ways that providers fail.
//! Its answers are deterministic and echo the question, so that each of many streams can be checked for its own answer.
//!
//! [`StandIn`] is the demo's provider: the same server at the pace and length of real models, saying in every answer that
//! no model was asked.
//!
//! [`postgres::Postgres`] and [`redis::Redis`] are servers of a test's own; `Authority` (feature `tls`, which the demo does not
//! need) signs the certificates that they show.
//!
//! Refuses: any address but loopback. Knows nothing of routing.

mod answer;
mod api;
#[cfg(feature = "tls")]
mod authority;
mod body;
mod cloud;
mod fault;
mod judge;
#[cfg(unix)]
pub mod postgres;
mod record;
pub mod redis;
mod server;
mod stand_in;
mod traits;
mod watch;

#[cfg(feature = "tls")]
pub use authority::{Authority, Signed};
pub use cloud::{AWS_ACCESS_KEY_ID, AWS_REGION, AWS_SECRET_ACCESS_KEY};
pub use fault::{Fault, Plan};
pub use record::{Ended, Seen};
pub use server::{Upstream, UpstreamConfig};
pub use stand_in::{STAND_IN_MODELS, StandIn};
pub use traits::{Pace, Prefill, Thinks, Traits};
pub use watch::Watch;
