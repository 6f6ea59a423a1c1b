//! The config of a command: the file or database that was named, or the usual file, or the built-in example.

use crate::exit::{Failed, say, warn};
use std::fmt;
use std::path::{Path, PathBuf};
use tierway::Setup;
use tierway_config::{Config, EvidenceSource, Problems};
use tierway_ledger::{ConfigStore, LedgerError, PostgresUrl};

/// The file that is looked for when none is named.
const USUAL: &str = "tierway.toml";

/// The variable that names another one.
const VARIABLE: &str = "TIERWAY_CONFIG";

/// Days ahead in which every command says that a model will be switched off; `check` says it earlier.
const SHUTDOWN_NOTICE_DAYS: i32 = 30;

/// Where the config is.
#[derive(clap::Args, Clone)]
pub(crate) struct ConfigArg {
    // Not clap's `env`: it takes an empty variable for an empty argument, and shows a password.
    /// The config: a file, or `postgres://…` where `tierway config push` put one [env: TIERWAY_CONFIG] [default: tierway.toml]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A file, or a database that holds versions of a config.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Database(PostgresUrl),
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        path.to_str().and_then(PostgresUrl::recognize).map_or_else(|| Self::File(path.clone()), Self::Database)
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

/// The configs of a database for who only asks: nothing is made there.
pub(crate) fn configs(url: &PostgresUrl) -> Result<ConfigStore, Unread> {
    match ConfigStore::open_to_read(url.clone()) {
        Err(LedgerError::Missing { .. } | LedgerError::OlderSchema { .. }) => Err(holds_none(url)),
        opened => opened.map_err(Unread::from),
    }
}

fn holds_none(url: &PostgresUrl) -> Unread {
    Unread::Away(format!("{url} holds no config yet; put one there with `tierway config push FILE`"))
}

/// The version in force in a database.
fn newest(url: &PostgresUrl) -> Result<Config, Unread> {
    let mut store = configs(url)?;
    let Some(version) = store.newest()? else { return Err(holds_none(url)) };
    let text = store.text(version)?.unwrap_or_default();
    parse(&text, &format!("config version {version}")).map_err(Unread::Bad)
}

/// Reads a config that is no file. Files that it names are looked for in the working directory.
pub(crate) fn parse(text: &str, name: &str) -> Result<Config, Problems> {
    tierway_config::parse(text, name, &tierway_config::environment)
}

impl ConfigArg {
    /// Where the config is that counts.
    pub(crate) fn place(&self) -> Place {
        self.named().unwrap_or_else(|| Place::File(USUAL.into()))
    }

    /// What somebody named, on the command line or in the environment.
    fn named(&self) -> Option<Place> {
        let of_variable = || std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        self.config.clone().or_else(of_variable).map(Place::from)
    }

    /// Reads and checks it, without a word about what works but should be looked at.
    pub(crate) fn read(&self) -> Result<Config, Unread> {
        match self.place() {
            Place::Database(url) => newest(&url),
            Place::File(path) => tierway_config::load(&path).map_err(|mut problems| {
                if self.config.is_none() && path != Path::new(USUAL) && !path.exists() {
                    problems
                        .0
                        .iter_mut()
                        .for_each(|problem| problem.message.push_str(&format!("; {VARIABLE} names it")));
                }
                Unread::Bad(problems)
            }),
        }
    }

    /// Reads and checks it; warnings go to stderr.
    pub(crate) fn load(&self) -> Result<Config, Failed> {
        let config = self.read().map_err(Failed::told)?;
        for warning in &config.warnings {
            warn(warning);
        }
        for shutdown in config.shutdowns(crate::check::today(), SHUTDOWN_NOTICE_DAYS) {
            warn(shutdown);
        }
        Ok(config)
    }

    /// Like [`Self::load`]; none where nobody named one and there is no file of the usual name.
    pub(crate) fn load_if_any(&self) -> Result<Option<Config>, Failed> {
        let wanted = self.named().is_some() || Path::new(USUAL).exists();
        wanted.then(|| self.load()).transpose()
    }

    /// Like [`Self::load`]; without a file, a ladder to decide with that calls nobody.
    pub(crate) fn load_or_example(&self) -> Result<Config, Failed> {
        if let Some(config) = self.load_if_any()? {
            return Ok(config);
        }
        say(format_args!("no {USUAL} here: the built-in example decides"));
        tierway_config::parse(EXAMPLE, "(built-in example)", &|_| None).map_err(Failed::told)
    }
}

/// Says which providers have no key: their calls fail, those of others do not.
pub(crate) fn warn_of_missing_keys(config: &Config) {
    for missing in config.missing_keys(&tierway_config::environment) {
        warn(format_args!("provider `{}`: {}", missing.provider, missing.error));
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
