//! The config of a command: the file or database that was named, or the usual file, or the built-in example.

use crate::exit::{Failed, say};
use std::fmt;
use std::path::{Path, PathBuf};
use tierway::Setup;
use tierway_config::{Config, EvidenceSource, Problems};
use tierway_ledger::{ConfigStore, LedgerError, PostgresUrl};

/// The file that is looked for when none is named.
const USUAL: &str = "tierway.toml";

/// Days ahead in which every command says that a model will be switched off; `check` says it earlier.
const SHUTDOWN_NOTICE_DAYS: i32 = 30;

/// Where the config is.
#[derive(clap::Args, Clone)]
pub(crate) struct ConfigArg {
    /// The config: a file, or `postgres://…` where `tierway config push` put one
    #[arg(long, short, value_name = "FILE", env = "TIERWAY_CONFIG", hide_env_values = true, value_parser = |text: &str| Ok::<_, String>(Place::from(text)))]
    config: Option<Place>,
}

/// A file, or a database that holds versions of a config.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Database(PostgresUrl),
}

impl From<&str> for Place {
    fn from(text: &str) -> Self {
        PostgresUrl::recognize(text).map_or_else(|| Self::File(text.into()), Self::Database)
    }
}

/// Without user and password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Database(url) => url.fmt(f),
        }
    }
}

impl Place {
    fn read(&self) -> Result<Config, Unread> {
        match self {
            Self::File(path) => tierway_config::load(path).map_err(Unread::Bad),
            Self::Database(url) => newest(url),
        }
    }
}

/// Why there is no config.
pub(crate) enum Unread {
    /// It is there, and wrong.
    Bad(Problems),
    /// The database did not give one.
    Away(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(problems) => problems.fmt(f),
            Self::Away(why) => why.fmt(f),
        }
    }
}

impl From<LedgerError> for Unread {
    fn from(error: LedgerError) -> Self {
        Self::Away(error.to_string())
    }
}

/// The version in force in a database.
fn newest(url: &PostgresUrl) -> Result<Config, Unread> {
    let mut store = ConfigStore::open(url.clone())?;
    let Some(version) = store.newest()? else {
        let how = "put one there with `tierway config push FILE`";
        return Err(Unread::Away(format!("{url} holds no config yet; {how}")));
    };
    let text = store.text(version)?.unwrap_or_default();
    parse(&text, &format!("config version {version}")).map_err(Unread::Bad)
}

/// Reads a config that is no file. Files that it names are looked for in the working directory.
pub(crate) fn parse(text: &str, name: &str) -> Result<Config, Problems> {
    tierway_config::parse(text, name, &|name| std::env::var(name).ok())
}

impl ConfigArg {
    /// Where the config is that counts.
    pub(crate) fn place(&self) -> Place {
        self.config.clone().unwrap_or_else(|| Place::File(USUAL.into()))
    }

    /// Whether there is one; a database has to answer for itself.
    pub(crate) fn exists(&self) -> bool {
        match self.place() {
            Place::File(path) => path.exists(),
            Place::Database(_) => true,
        }
    }

    /// Reads and checks it.
    pub(crate) fn read(&self) -> Result<Config, Unread> {
        self.place().read()
    }

    /// Reads and checks it; warnings go to stderr.
    pub(crate) fn load(&self) -> Result<Config, Failed> {
        let config = self.read().map_err(Failed::told)?;
        for warning in &config.warnings {
            say(format_args!("warning: {warning}"));
        }
        for shutdown in config.shutdowns(crate::check::today(), SHUTDOWN_NOTICE_DAYS) {
            say(format_args!("WARNING: {shutdown}"));
        }
        Ok(config)
    }

    /// Like [`Self::load`]; without a file, a ladder to decide with that calls nobody.
    pub(crate) fn load_or_example(&self) -> Result<Config, Failed> {
        if self.config.is_some() || self.exists() {
            return self.load();
        }
        say(format_args!("no {USUAL} here: the built-in example decides"));
        tierway_config::parse(EXAMPLE, "(built-in example)", &|_| None).map_err(Failed::told)
    }
}

/// The classic ladder, priced as published when its models were new.
pub(crate) const EXAMPLE: &str = include_str!("../data/example.toml");

/// What decides under a config, with the evidence of this file instead of the config's own where one is named.
pub(crate) fn setup(config: &Config, evidence: Option<&Path>) -> Result<Setup, Failed> {
    tierway_gateway::setup(&with_evidence(config, evidence)).map_err(Failed::told)
}

/// The config with another file of evidence.
pub(crate) fn with_evidence(config: &Config, evidence: Option<&Path>) -> Config {
    let evidence = evidence.map(|path| EvidenceSource::File(path.to_owned())).or_else(|| config.evidence.clone());
    Config { evidence, ..config.clone() }
}
