//! Which ledger a command reads: the file that was named, or the one of the config.

use crate::exit::{Failed, say};
use crate::load::ConfigArg;
use crate::output::Inputs;
pub(crate) use tierway::now_ms;
use tierway_config::Config;
use tierway_ledger::{Location, Reader, State, StoredKey};

/// Where the records are.
#[derive(clap::Args)]
pub(crate) struct StoreArg {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// The ledger's file or `postgres://…` [default: the one of the config]
    #[arg(long, value_name = "FILE")]
    db: Option<String>,
}

/// A ledger, and the config that goes with it when there is one.
pub(crate) struct Source {
    pub(crate) reader: Reader,
    pub(crate) location: Location,
    pub(crate) config: Option<Config>,
}

impl Source {
    /// Keys that are kept there; none, which is said, where they cannot be read.
    pub(crate) fn keys(&self) -> Vec<StoredKey> {
        let read = State::open_to_read(self.location.clone()).and_then(|mut state| state.keys());
        read.map(|(_, keys)| keys).unwrap_or_else(|error| {
            say(format_args!("warning: keys of the ledger cannot be read: {error}"));
            Vec::new()
        })
    }

    /// What must not be overwritten.
    pub(crate) fn inputs(&self) -> Inputs {
        Inputs::default().config(self.config.as_ref()).ledger(&self.location)
    }
}

impl StoreArg {
    /// Where it is, and the config where there is one. With `--db` a config is welcome, but not needed: it knows the order
    /// of the tiers.
    pub(crate) fn locate(&self) -> Result<(Location, Option<Config>), Failed> {
        let config = self.config.load_if_any()?;
        if self.db.is_none() && config.is_none() {
            let message = "there is no tierway.toml here; `tierway init` writes one, `--config FILE` names another, \
                           and `--db FILE` a ledger that needs none";
            return Err(Failed::told(message));
        }
        Ok((location(self.db.as_deref(), config.as_ref())?, config))
    }

    /// What another command has to be told to find the same one. Never an address with a password: that has to be given again.
    pub(crate) fn again(&self) -> String {
        let quoted =
            |text: &str| match text.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter)) {
                true => text.to_owned(),
                false => format!("'{}'", text.replace('\'', "'\\''")),
            };
        match self.db.as_deref() {
            None => String::new(),
            Some(url) if url.contains("://") => " --db URL".into(),
            Some(file) => format!(" --db {}", quoted(file)),
        }
    }

    /// Opens it.
    pub(crate) fn open(&self) -> Result<Source, Failed> {
        let (location, config) = self.locate()?;
        let reader = Reader::open(location.clone()).map_err(Failed::told)?;
        Ok(Source { reader, location, config })
    }
}

impl StoreArg {
    /// Opens the ledger of the usual config where there is one, else that of `other`.
    pub(crate) fn open_beside(&self, other: &Config) -> Result<Source, Failed> {
        let config = self.config.load_if_any()?;
        let location = location(self.db.as_deref(), Some(config.as_ref().unwrap_or(other)))?;
        let reader = Reader::open(location.clone()).map_err(Failed::told)?;
        Ok(Source { reader, location, config })
    }
}

/// The store that `--db` names, or else that of the config.
pub(crate) fn location(db: Option<&str>, config: Option<&Config>) -> Result<Location, Failed> {
    match (db, config) {
        (None, Some(config)) => tierway_gateway::location(config).map_err(Failed::told),
        (db, _) => {
            let location = Location::from(db.unwrap_or_default());
            if let Location::Postgres(url) = &location {
                url.check().map_err(Failed::told)?;
            }
            Ok(location)
        }
    }
}
