//! What the benches share: requests and answers of a stated size, a config with everything on, a provider that answers at
//! once.

pub mod canned;
pub mod traffic;

/// Why a bench cannot run.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;
