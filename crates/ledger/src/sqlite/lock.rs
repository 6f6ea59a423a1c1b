//! One writer for one file, told apart from readers, across processes.
//!
//! SQLite's own locks would let two tierways take turns; their rollups would overwrite each other. So the writer
//! holds an advisory lock on a file beside the database for as long as it lives; the system lets go of it when the
//! process ends in any way.

use super::{refuse_folder, refuse_foreign};
use crate::LedgerError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Held for as long as the writer lives.
#[derive(Debug)]
pub(crate) struct WriterLock(#[expect(dead_code, reason = "held for its lock")] File);

impl WriterLock {
    /// Takes the lock of a database, or says who has it.
    pub(crate) fn take(database: &Path) -> Result<Self, LedgerError> {
        // Before a lock is left beside it.
        refuse_folder(database)?;
        refuse_foreign(database)?;
        let path = lock_path(database);
        let create = |cause| LedgerError::Create { path: path.clone(), cause };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(create)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = file.read_to_string(&mut holder);
                let holder = if read.is_ok() && !holder.is_empty() { holder } else { "(unknown)".into() };
                return Err(LedgerError::InUse { path: database.into(), holder: holder.trim().into() });
            }
            Err(TryLockError::Error(cause)) => return Err(create(cause)),
        }
        // The id is only for people; a disk too full to hold it does not stop the lock.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self(file))
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.file_name().unwrap_or_default().to_os_string();
    name.push(".lock");
    database.with_file_name(name)
}
