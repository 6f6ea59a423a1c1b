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

use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// What a connection may do.
const READ: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY;
const WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_CREATE);

/// Connects to a file. `patience`: how long a statement waits for others that hold a lock.
fn connect(path: &Path, flags: OpenFlags, patience: Duration) -> rusqlite::Result<Connection> {
    // One thread at a time uses each connection.
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(patience)?;
    Ok(db)
}
