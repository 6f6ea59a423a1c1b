//! One suite for every store: what it promises it promises in a SQLite file and in PostgreSQL. What only one of them can
//! meet (a file that is moved away, a server that is killed) is tested for that one, beside the rest.
//!
//! Needs an installed PostgreSQL (Debian: `apt-get install postgresql`); starts one of its own and touches no other.
#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, may fail loudly")]

mod asking;
mod auditing;
mod folding;
mod judging;
mod keeping;
mod keys;
mod migrating;
mod replicas;
mod schema;
mod scratch;
mod spending;
#[path = "../synthetic/mod.rs"]
mod synthetic;
mod tls;
mod writing;
