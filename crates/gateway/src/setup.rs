//! A config in the words of those who do the work: router, server, ledger. Opens and starts nothing.

use crate::app::Bounds;
use crate::error::GatewayError;
use crate::evidence::predictor;
use crate::keys::Scope;
use crate::server::ServerOptions;
use crate::tls::{Tls, TlsError};
use std::time::Duration;
use tierway::{ProviderAccount, Queue, Setup};
use tierway_config::{Config, KeyScope};
use tierway_decide::breaker::BreakerRules;
use tierway_decide::dispatch::{DispatchLimits, Hedging, StreamRecovery};
use tierway_decide::room::RoomLimits;
use tierway_ledger::{CLAIMED, Durability, Location, Options, PostgresUrl};

/// A target gets at least this many retries whatever its traffic, or a quiet one could never be retried.
const RETRY_RESERVE: u16 = 10;

/// Processes that an id has room for.
const PROCESSES: u16 = 1_024;

/// The part of a config that decides.
///
/// # Errors
/// See [`predictor`](crate::predictor).
pub fn setup(config: &Config) -> Result<Setup, GatewayError> {
    let dispatch = &config.dispatch;
    let rules = BreakerRules {
        failures_in_a_row: dispatch.breaker_failures,
        probe_interval_ms: u64::from(dispatch.breaker_open_ms),
        ..BreakerRules::default()
    };
    let retry_share_mille = u16::try_from(dispatch.retry_budget_percent * 10).unwrap_or(u16::MAX);
    let mut setup =
        Setup::new(config.table.clone(), predictor(config)?).with_health(rules, retry_share_mille, RETRY_RESERVE);
    setup.choosing = setup.table.choosing(setup.predictor.proven_shortfall());
    setup.balance = dispatch.balance;
    setup.assumed_output = config.budgets.assume_output_tokens;
    setup.limits = DispatchLimits {
        max_attempts: dispatch.max_attempts,
        max_retries: dispatch.max_retries,
        max_continues: dispatch.max_continues,
        patience_ms: u64::from(dispatch.patience_ms),
        max_wait_ms: u64::from(dispatch.max_wait_ms),
        stream_recovery: if dispatch.continue_streams { StreamRecovery::Continue } else { StreamRecovery::Error },
        ..DispatchLimits::until(u64::from(dispatch.deadline_ms))
    };
    let hedging = dispatch.hedge_after_ms.map_or(Hedging::Percentile95, |ms| Hedging::After(ms.into()));
    setup.hedging = dispatch.hedge.then_some(hedging);
    setup.hold_back = Duration::from_millis(dispatch.hold_back_ms.into());
    setup.queue = Queue { most: dispatch.queue as usize, within: Duration::from_millis(dispatch.queue_ms.into()) };
    let limited = config.providers.iter().filter(|provider| provider.limits != RoomLimits::default());
    let account =
        |provider: &tierway_config::ProviderConfig| (provider.name.clone(), ProviderAccount::new(provider.limits));
    let setup = setup.with_accounts(limited.map(account).collect());
    Ok(setup)
}

/// Asks what replicas share, where a config names it: what should be known of it before it is relied upon.
///
/// # Errors
/// [`GatewayError::SharedAddress`] and [`GatewayError::Shared`]. That it cannot be reached now is none.
pub fn check_shared(config: &Config) -> Result<Option<String>, GatewayError> {
    let Some(shared) = &config.shared else { return Ok(None) };
    let url = shared.url.resolve(&tierway_config::environment).map_err(GatewayError::SharedAddress)?;
    url.map_or(Ok(None), |url| crate::shared::check(shared, url.expose()).map_err(GatewayError::Shared))
}

/// Reads the certificate of a config, where it has one.
///
/// # Errors
/// See [`TlsError`].
pub fn check_certificate(config: &Config) -> Result<(), TlsError> {
    tls(config).map(drop)
}

pub(crate) fn tls(config: &Config) -> Result<Option<Tls>, TlsError> {
    config.server.tls.as_ref().map(|tls| Tls::load(&tls.cert_file, &tls.key_file)).transpose()
}

pub(crate) const fn scope(scope: KeyScope) -> Scope {
    match scope {
        KeyScope::Client => Scope::Client,
        KeyScope::Read => Scope::Read,
        KeyScope::Admin => Scope::Admin,
    }
}

pub(crate) fn server_options(config: &Config, workers: usize) -> ServerOptions {
    ServerOptions {
        listen: config.server.listen,
        admin_listen: config.server.admin_listen,
        workers,
        grace: Duration::from_secs(config.server.grace_seconds.into()),
        // An idle connection is no request: allow a few for each.
        max_connections: (config.server.max_concurrent as usize).div_ceil(workers).saturating_mul(4),
        header_timeout: Duration::from_millis(config.server.header_timeout_ms.into()),
        write_timeout: Duration::from_millis(config.server.write_timeout_ms.into()),
    }
}

pub(crate) fn bounds(config: &Config, workers: usize) -> Bounds {
    Bounds {
        max_body_bytes: usize::try_from(config.server.max_body_bytes).unwrap_or(usize::MAX),
        max_active: (config.server.max_concurrent as usize).div_ceil(workers),
        body_timeout: Duration::from_millis(config.server.body_timeout_ms.into()),
    }
}

/// Where the records of a config are. Reads the environment or a file where the config says so.
///
/// # Errors
/// [`GatewayError::LedgerAddress`], or [`GatewayError::Ledger`] for an address that no database can have.
pub fn location(config: &Config) -> Result<Location, GatewayError> {
    let Some(url) = config.ledger.url.resolve(&tierway_config::environment)? else {
        return Ok(Location::Sqlite(config.ledger.path.clone()));
    };
    let url = PostgresUrl::new(url.expose());
    url.check()?;
    Ok(Location::Postgres(url))
}

pub(crate) fn ledger_options(config: &Config) -> Options {
    let durability = if config.ledger.strict { Durability::Strict } else { Durability::Relaxed };
    let queue = config.ledger.queue as usize;
    let keep_days = Some(config.ledger.retention_days);
    Options { durability, queue, keep_days, begin_without_store: true, ..Options::default() }
}

/// A random number of those that nobody gives out: it tells the ids of this process from those of others on the same
/// ledger. Should two take the same, the ledger refuses the second record of an id and says so.
pub(crate) fn unclaimed_number(location: &Location) -> Result<u16, GatewayError> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(|error| GatewayError::Random(error.to_string()))?;
    let first = if matches!(location, Location::Postgres(_)) { CLAIMED } else { 0 };
    Ok(first + u16::from_le_bytes(bytes) % (PROCESSES - first))
}
