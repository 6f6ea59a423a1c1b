//! Text in, checked tables out.
//!
//! Reads `tierway.toml` and what it names, and gives a [`Config`] that the rest can rely on, or [every problem](Problems)
//! with file, line, cause and mend. Refuses what it does not understand: unknown fields, tiers, rules and providers that
//! do not exist, keys written into the file. The only crate that knows file syntax; it opens no connection.

mod across;
mod base_url;
mod callers;
pub mod catalogue;
mod config;
pub mod day;
mod decimal;
mod environment;
pub mod init;
mod problem;
mod provider;
mod quality;
mod reader;
mod routing;
mod rule;
pub mod schema;
mod secret;
mod settings;
mod telemetry;
mod tier;
mod weekly;

pub use base_url::{BaseUrl, BaseUrlError};
pub use callers::{Allowance, Bounds, ClientKey, KeyScope};
pub use config::{Config, MissingKey, Shutdown, load, parse, read_text};
pub use environment::environment;
pub use problem::{Problem, Problems};
pub use provider::{KeyError, KeyHeader, KeySource, ProviderConfig, ProviderKind};
pub use quality::QualityConfig;
pub use reader::{Origin, Setting};
pub use routing::EvidenceSource;
pub use rule::ConfigTest;
pub use secret::Secret;
pub use settings::{
    BudgetConfig, DispatchConfig, LedgerConfig, ReportConfig, ReportFormat, ServerConfig, SharedConfig, TlsConfig,
};
pub use telemetry::TelemetryConfig;
pub use weekly::{WeekTime, WeeklyConfig};
