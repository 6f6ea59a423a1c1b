//! The store of call records: schema, batched writer, queries.
//!
//! A record is [offered](Ledger::offer) and forgotten: the door is a bounded queue that never makes anyone wait, and one
//! thread commits groups. Only this crate knows SQL. It refuses to store text of prompts (but that of quality samples, where
//! `text_days` lets it, for so long), to decide anything, and to stop serving because a disk is full: what cannot be written
//! waits, then is counted, and is said loudly.

mod ask;
mod audit;
mod bounds;
mod cells;
mod checksum;
mod codes;
mod detail;
mod engine;
mod error;
mod figures;
mod folding;
mod histogram;
mod ledger;
mod migrate;
mod packed;
mod postgres;
mod queries;
mod reader;
mod replica;
mod row;
mod sqlite;
mod state;
mod ticket;
mod value;
mod varint;
mod words;
mod writer;

pub use audit::{Audit, MOST_PROBLEMS, Problem};
pub use bounds::MOST_TEXT_BYTES;
pub use codes::ReasonKind;
pub use engine::Location;
pub use error::LedgerError;
pub use figures::Figures;
pub use histogram::Histogram;
pub use ledger::{Counters, Durability, Ledger, Options};
pub use migrate::{Migrated, migrate};
pub use postgres::{ConfigStore, ConfigVersion, PostgresUrl};
pub use queries::{Bill, Filter, Line, OWN, Page, Payer, Point, Route, Span, Step, Summary};
pub use reader::{Reader, StoredCall};
pub use replica::{CLAIMED, Leadership, Replica};
pub use state::{KeyPolicy, KeySecret, NewKey, State, StoredKey, quality};
pub use ticket::{NotRecorded, Ticket};
pub use varint::Garbled;
