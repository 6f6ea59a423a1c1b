//! Trains, calibrates and measures the predictor on judged outcomes (pure).
//!
//! In: the text of outcome files and a ladder of models. Out: a model to embed, evidence to serve with, and tables.
//! Deterministic: every draw has a seed. It refuses to promise what the data do not prove.

pub mod calibrate;
pub mod eval;
pub mod game;
pub mod grams;
pub mod heads;
pub mod labels;
pub mod linear;
pub mod logistic;
mod manner;
pub mod metrics;
pub mod misrouted;
pub mod order;
mod outcome;
pub mod plot;
mod proof;
pub mod split;
pub mod summary;
pub mod table;
pub mod train;
pub mod trees;

pub use outcome::{Answer, Outcome, OutcomeError, request_body};
