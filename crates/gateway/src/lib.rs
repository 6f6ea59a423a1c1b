//! HTTP in front of the router: routes, keys, bounds, metrics, and a shutdown that loses nothing.
//!
//! Chooses no model and reads no file: it is handed a checked config, and can be handed another while it runs.

mod accounts;
mod api;
mod app;
mod backtest;
mod body;
mod credentials;
mod curve;
mod dashboard;
mod error;
mod evidence;
mod explain;
mod exposition;
mod feedback;
mod gateway;
mod health;
mod health_watch;
mod keys;
mod metrics;
mod models;
mod otlp;
mod patience;
mod pins;
mod quality;
mod quality_report;
mod reporting;
mod saved;
mod server;
mod setup;
mod shared;
mod store;
mod tls;
mod upstreams;
mod views;
mod webhook;
mod weekly;

pub use backtest::backtest;
pub use error::GatewayError;
pub use evidence::predictor;
pub use explain::{Again, Names, tiers_asked};
pub use gateway::{Desk, Gateway};
pub use keys::{
    Digest, KeyError, add_key, check_policy, key_json, key_pins, new_secret, parse_until, revoke_key, rotate_key,
};
pub use quality_report::{QualityReport, Standing, report as quality_report};
pub use reporting::report;
pub use saved::shadows;
pub use server::Hurry;
pub use setup::{check_certificate, check_shared, location, setup};
pub use tls::TlsError;
pub use webhook::post_webhook;
pub use weekly::weekly;
