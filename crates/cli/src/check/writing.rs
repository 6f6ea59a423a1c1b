//! Whether `serve` could write where a config wants its records and reports. Leaves nothing behind.

use std::fs::OpenOptions;
use std::path::Path;
use tierway_config::Config;
use tierway_ledger::{LedgerError, Location, Reader};

/// The setting that names a place, and what is wrong with the place.
pub(super) fn faults(config: &Config) -> Vec<(&'static str, String)> {
    // An address that cannot be read is said elsewhere; a PostgreSQL may be away while a config is checked.
    let ledger = match tierway_gateway::location(config) {
        Ok(Location::Sqlite(path)) => ledger(&path).map(|why| ("ledger.path", why)),
        _ => None,
    };
    let weekly = config.report.weekly.as_ref().and_then(|weekly| weekly.folder.as_deref());
    let weekly = weekly.and_then(folder).map(|why| ("report.folder", why));
    ledger.into_iter().chain(weekly).collect()
}

/// The folder of the ledger that is not there yet, and made when it is served: it may be a slip.
pub(super) fn missing_folder(config: &Config) -> Option<String> {
    let Ok(Location::Sqlite(path)) = tierway_gateway::location(config) else { return None };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())?;
    Some(format!("there is no folder {}; `tierway serve` makes it", folder.display()))
}

/// What keeps a file from being a ledger that is written.
pub(crate) fn ledger(path: &Path) -> Option<String> {
    match Reader::open(path) {
        // Made, or upgraded, when it is served.
        Err(LedgerError::Missing { .. } | LedgerError::OlderSchema { .. }) | Ok(_) => {}
        Err(error) => return Some(error.to_string()),
    }
    if path.exists()
        && let Err(error) = OpenOptions::new().append(true).open(path)
    {
        return Some(format!("{} cannot be written: {error}", path.display()));
    }
    // SQLite keeps files beside it.
    folder(path.parent().unwrap_or(Path::new("")))
}

/// What keeps files from being made in a folder, which is made where it is missing.
fn folder(path: &Path) -> Option<String> {
    let there = path.ancestors().find(|folder| folder.as_os_str().is_empty() || folder.exists())?;
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let error = tempfile::tempfile_in(there).err()?;
    Some(format!("nothing can be written into {}: {error}", there.display()))
}
