//! Which ledger a command reads: the file that was named, or the one of the config.

use crate::exit::Failed;
use crate::load::ConfigArg;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use tierway_config::Config;
use tierway_ledger::Reader;

/// Where the records are.
#[derive(clap::Args)]
pub(crate) struct StoreArg {
    #[command(flatten)]
    config: ConfigArg,
    /// The ledger's file [default: the one of the config]
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
}

/// A ledger, and the config that goes with it when there is one.
pub(crate) struct Source {
    pub(crate) reader: Reader,
    pub(crate) config: Option<Config>,
}

impl StoreArg {
    /// Opens it. With `--db` a config is welcome, but not needed: it knows the order of the tiers.
    pub(crate) fn open(&self) -> Result<Source, Failed> {
        let config = match &self.db {
            Some(_) if !self.config.path().exists() => None,
            _ => Some(self.config.load()?),
        };
        let of_config = config.as_ref().map(|config| config.ledger.path.clone());
        let path = self.db.clone().or(of_config).unwrap_or_default();
        let reader = Reader::open(&path).map_err(Failed::told)?;
        Ok(Source { reader, config })
    }
}

impl StoreArg {
    /// Opens the ledger of the usual config where there is one, else that of `other`.
    pub(crate) fn open_beside(&self, other: &Config) -> Result<Source, Failed> {
        if self.db.is_some() || self.config.path().exists() {
            return self.open();
        }
        let reader = Reader::open(other.ledger.path.as_path()).map_err(Failed::told)?;
        Ok(Source { reader, config: None })
    }
}

/// Now, Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
