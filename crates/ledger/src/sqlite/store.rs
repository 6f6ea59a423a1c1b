//! Writes groups of records into a SQLite file.

use super::{WRITE, cells, connect, lock::WriterLock, retention, schema, words};
use crate::cells::{Dimensions, Known, Sums};
use crate::row::{self, Scratch};
use crate::value::Value;
use crate::words::Words;
use crate::{Durability, LedgerError};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tierway_decide::{CallRecord, RequestId};

/// How long the writer waits for who holds a lock: as long as those do who keep verdicts and keys in the same file, each of whose
/// changes is synced to the disk. Another program (a backup, a shell) gets no longer either.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages in the write-ahead log after which SQLite moves them into the database: 16 MB; fewer, larger syncs.
const CHECKPOINT_PAGES: i64 = 4096;
/// The write-ahead log is cut back to this size after a burst.
const WAL_KEPT_BYTES: i64 = 64 << 20;

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) durability: Durability,
    pub(crate) max_bytes: Option<u64>,
}

/// The file that groups are written into. One per database, held by the [`WriterLock`].
pub(crate) struct Store {
    path: PathBuf,
    settings: Settings,
    _lock: WriterLock,
    /// None after an error that spoiled it; opened anew by the next group.
    open: Option<Open>,
    /// Reused between rows.
    scratch: Scratch,
}

struct Open {
    db: Connection,
    words: Words,
    known: Known,
    /// Which file it is, whatever its name.
    identity: Option<(u64, u64)>,
}

/// Which file is at a path; none where there is none.
#[cfg(unix)]
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
pub(super) fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}

impl Store {
    pub(crate) fn open(path: &Path, settings: Settings) -> Result<Self, LedgerError> {
        let mut store = Self::closed(path, settings)?;
        store.open = Some(Open::new(path, settings)?);
        Ok(store)
    }

    /// Takes the lock; the database is opened by the first group.
    pub(crate) fn closed(path: &Path, settings: Settings) -> Result<Self, LedgerError> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|cause| LedgerError::Create { path: parent.into(), cause })?;
        }
        let lock = WriterLock::take(path)?;
        Ok(Self { path: path.into(), settings, _lock: lock, open: None, scratch: Scratch::default() })
    }

    /// Writes a group in one transaction: all of it, or on an error nothing. Gives the places of records that were
    /// refused, each by itself, because their id is taken.
    pub(crate) fn write(&mut self, group: &[Box<CallRecord>], give_way: impl Fn()) -> Result<Vec<usize>, LedgerError> {
        if self.open.is_none() {
            self.open = Some(Open::new(&self.path, self.settings)?);
        }
        let Some(open) = &mut self.open else { return Ok(Vec::new()) };
        let cause = match open.write(group, &mut self.scratch, &self.path, give_way) {
            Ok(refused) => {
                open.words.committed();
                open.known.committed();
                return Ok(refused);
            }
            Err(cause) => cause,
        };
        open.words.rolled_back();
        open.known.rolled_back();
        if !cause.keeps_connection() {
            self.open = None;
        }
        Err(cause)
    }

    /// The newest row; none in an empty ledger, or one that is not open.
    pub(crate) fn newest(&self) -> Result<Option<RequestId>, LedgerError> {
        let Some(open) = &self.open else { return Ok(None) };
        let newest = open.db.query_row("SELECT max(id) FROM calls", (), |row| row.get::<_, Option<i64>>(0));
        let newest = newest.map_err(|cause| LedgerError::from_sqlite(&self.path, cause))?;
        Ok(newest.map(RequestId::from_i64))
    }

    /// Takes a step towards forgetting what came before a day (since 1970, UTC): rows and sums by the hour; sums by
    /// the day stay. True when there is more to do.
    pub(crate) fn forget_before(&mut self, day: i64) -> Result<bool, LedgerError> {
        let Some(open) = &mut self.open else { return Ok(false) };
        retention::step(&mut open.db, day).map_err(|cause| LedgerError::from_sqlite(&self.path, cause))
    }

    /// Goes on with whatever file is at the path now, when somebody has moved the one that is written.
    pub(crate) fn follow_path(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.identity != identity(&self.path)) {
            tracing::error!(path = %self.path.display(), "the ledger's file was moved or replaced; going on with a new one");
            self.open = None;
        }
    }

    /// Moves the write-ahead log into the database, so that a power cut loses nothing that was written before.
    pub(crate) fn checkpoint(&self) -> Result<(), LedgerError> {
        self.move_log("PASSIVE")
    }

    /// Leaves one file behind, without a write-ahead log.
    pub(crate) fn close(self) -> Result<(), LedgerError> {
        self.move_log("TRUNCATE")
    }

    fn move_log(&self, how: &str) -> Result<(), LedgerError> {
        let Some(open) = &self.open else { return Ok(()) };
        let moved = open.db.pragma(None, "wal_checkpoint", how, |_| Ok(()));
        moved.map_err(|cause| LedgerError::from_sqlite(&self.path, cause))
    }
}

impl Open {
    fn new(path: &Path, settings: Settings) -> Result<Self, LedgerError> {
        let sqlite = |cause| LedgerError::from_sqlite(path, cause);
        let mut db = connect(path, WRITE, BUSY_TIMEOUT).map_err(sqlite)?;
        schema::version(&db, path)?;
        configure(&db, settings).map_err(sqlite)?;
        schema::upgrade(&mut db, path)?;
        let words = words::begin(&db).map_err(sqlite)?;
        Ok(Self { db, words, known: Known::default(), identity: identity(path) })
    }

    fn write(
        &mut self,
        group: &[Box<CallRecord>],
        scratch: &mut Scratch,
        path: &Path,
        give_way: impl Fn(),
    ) -> Result<Vec<usize>, LedgerError> {
        let sqlite = |cause| LedgerError::from_sqlite(path, cause);
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
        let (mut refused, mut sums) = (Vec::new(), Sums::default());
        {
            let mut insert = transaction.prepare_cached(&insert_call()).map_err(sqlite)?;
            let insert_word = transaction.prepare_cached("INSERT INTO words (id, text) VALUES (?1, ?2)");
            let mut insert_word = insert_word.map_err(sqlite)?;
            for (place, call) in group.iter().enumerate() {
                let checksum = bind(&mut insert, call, &mut self.words, &mut insert_word, scratch).map_err(sqlite)?;
                match insert.raw_execute() {
                    Ok(_) => sums.add(call, checksum, Dimensions::of(call, &self.words)),
                    Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                        refused.push(place);
                    }
                    Err(cause) => return Err(sqlite(cause)),
                }
                give_way();
            }
        }
        cells::write(&transaction, &mut self.known, sums, path)?;
        transaction.commit().map_err(sqlite)?;
        Ok(refused)
    }
}

/// What the file itself remembers. `auto_vacuum` has to be set before the first table is made.
pub(super) fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "journal_mode", "WAL")
}

/// Settings of the writer's connection.
fn configure(db: &Connection, settings: Settings) -> rusqlite::Result<()> {
    prepare(db)?;
    // NORMAL never damages the file; what a power cut may take is bounded by the checkpoints. FULL syncs every group.
    let synchronous = if settings.durability == Durability::Strict { "FULL" } else { "NORMAL" };
    db.pragma_update(None, "synchronous", synchronous)?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "journal_size_limit", WAL_KEPT_BYTES)?;
    if let Some(most) = settings.max_bytes {
        let page: u64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        db.pragma(None, "max_page_count", (most / page).max(1), |_| Ok(()))?;
    }
    Ok(())
}

fn insert_call() -> String {
    let marks = vec!["?"; row::column::CHECKSUM + 1].join(",");
    format!("INSERT INTO calls ({}) VALUES ({marks})", row::COLUMNS)
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Binds all values of a row; gives its checksum.
fn bind(
    insert: &mut CachedStatement,
    call: &CallRecord,
    words: &mut Words,
    insert_word: &mut CachedStatement,
    scratch: &mut Scratch,
) -> rusqlite::Result<i64> {
    let mut place = 0;
    row::put(
        call,
        scratch,
        |word| words::word(words, word, insert_word),
        |value| {
            place += 1;
            insert.raw_bind_parameter(place, value)
        },
    )
}
