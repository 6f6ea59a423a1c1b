//! The config of a command: the file that was named, or the usual one, or the built-in example.

use crate::exit::{Failed, say};
use std::path::{Path, PathBuf};
use tierway::Setup;
use tierway_config::{Config, EvidenceSource};

/// The file that is looked for when none is named.
const USUAL: &str = "tierway.toml";

/// Days ahead in which every command says that a model will be switched off; `check` says it earlier.
const SHUTDOWN_NOTICE_DAYS: i32 = 30;

/// Where the config is.
#[derive(clap::Args)]
pub(crate) struct ConfigArg {
    /// The config file
    #[arg(long, short, value_name = "FILE", env = "TIERWAY_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigArg {
    /// The file that counts.
    pub(crate) fn path(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(USUAL))
    }

    /// Reads and checks it; warnings go to stderr.
    pub(crate) fn load(&self) -> Result<Config, Failed> {
        let config = tierway_config::load(self.path()).map_err(Failed::told)?;
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
        if self.config.is_some() || self.path().exists() {
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
