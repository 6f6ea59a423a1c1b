//! The store in a PostgreSQL that many processes share: what SQL needs to know of PostgreSQL.

mod cells;
mod configs;
mod copy;
mod days;
mod keys;
mod link;
mod locks;
mod migrate;
mod partitions;
mod questions;
mod reader;
mod replica;
mod schema;
mod state;
mod statements;
mod store;
mod url;
mod view;

pub use configs::{ConfigStore, ConfigVersion};
pub(crate) use reader::PostgresReader;
pub(crate) use replica::Presence;
pub(crate) use state::StateStore;
pub(crate) use store::Store;
pub use url::PostgresUrl;
