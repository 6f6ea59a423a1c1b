//! HTTP in front of the router: routes, keys, bounds, metrics, and a shutdown that loses nothing.
//!
//! Reads no config file and chooses no model: it is handed a [`Live`] that it can swap while it runs.

mod api;
mod app;
mod body;
mod health;
mod keys;
mod metrics;
mod models;
mod pins;
mod server;
mod store;

pub use app::{App, Bounds, Live};
pub use keys::{KeyEntry, Keys, Scope};
pub use metrics::Metrics;
pub use server::{Server, ServerOptions};
pub use store::{Recorder, Store};
