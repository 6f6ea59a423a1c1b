//! The store in a SQLite file: the only place that knows SQL.

mod audit;
mod cells;
mod keys;
mod list;
mod lock;
mod reader;
mod retention;
mod row;
mod schema;
mod state;
mod store;
mod sums;
mod words;

pub(crate) use reader::SqliteReader;
pub(crate) use state::StateStore;
pub(crate) use store::{Settings, Store};
