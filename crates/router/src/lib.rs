//! The walk of one request: decide, call, relay, record. This crate is the library `tierway`.
mod seam;

pub use seam::{
    BoxFuture, BrokenBody, Clock, Operation, Provider, SendError, Sink, SystemClock, WireAnswer, WireBody, WireRequest,
};
