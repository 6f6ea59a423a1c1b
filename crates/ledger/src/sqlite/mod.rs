//! The store in a SQLite file: what SQL needs to know of SQLite.

mod cells;
mod keys;
mod lock;
mod reader;
mod retention;
mod schema;
mod state;
mod store;
mod view;
mod words;

pub(crate) use reader::SqliteReader;
pub(crate) use state::StateStore;
pub(crate) use store::{Settings, Store};
