//! The router as a process, under load, while it is killed, reloaded, restarted, and while providers and clients misbehave.
//!
//! Short by default; `scripts/kill-test` and `scripts/soak` run the same for long and show the figures.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of it is tests, which show their figures"
)]

mod ahead;
mod budgets;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod configs;
mod costs;
mod keys;
mod kill;
mod load;
mod process;
mod refusals;
mod replicas;
mod restart;
mod shared;
mod soak;
mod stop;

/// A number from the environment, for the long runs.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}
