//! What every client may count on, through a running gateway in front of the strict fake of every provider: odd but
//! valid requests end as they would at the provider itself, and nobody gets a part of another's answer.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

mod cache;
mod door;
mod many;
mod money;
mod no_answer;
mod odd;
mod vectors;
