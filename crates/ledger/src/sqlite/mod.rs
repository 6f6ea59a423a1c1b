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

use crate::LedgerError;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// What a connection may do.
const READ: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY;
const WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_CREATE);

/// SQLite says of a folder only that it cannot be opened.
fn refuse_folder(path: &Path) -> Result<(), LedgerError> {
    if path.is_dir() { Err(LedgerError::Folder { path: path.into() }) } else { Ok(()) }
}

/// A file that is surely somebody else's. What cannot be looked at now is judged when it is opened to be written.
fn refuse_foreign(path: &Path) -> Result<(), LedgerError> {
    let Ok(db) = connect(path, READ, Duration::ZERO) else { return Ok(()) };
    match schema::version(&db, path) {
        Err(error @ (LedgerError::NotALedger { .. } | LedgerError::NoDatabase { .. })) => Err(error),
        _ => Ok(()),
    }
}

/// Connects to a file that nobody can change, such as one of a backup.
fn connect_immutable(path: &Path, patience: Duration) -> rusqlite::Result<Connection> {
    use std::fmt::Write as _;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = String::from("file://");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => write!(uri, "%{byte:02X}").unwrap_or_default(),
        }
    }
    connect(Path::new(&(uri + "?immutable=1")), READ | OpenFlags::SQLITE_OPEN_URI, patience)
}

/// Connects to a file. `patience`: how long a statement waits for others that hold a lock.
fn connect(path: &Path, flags: OpenFlags, patience: Duration) -> rusqlite::Result<Connection> {
    // One thread at a time uses each connection.
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(patience)?;
    Ok(db)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_can_change_is_read_whatever_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a b%41?x=1&#\u{e9}.db");
        let db = connect(&path, WRITE, Duration::ZERO).unwrap();
        db.execute_batch("PRAGMA user_version = 7; CREATE TABLE one (x);").unwrap();
        drop(db);
        let db = connect_immutable(&path, Duration::ZERO).unwrap();
        assert_eq!(db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)), Ok(7));
        assert!(db.execute_batch("CREATE TABLE two (x)").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
