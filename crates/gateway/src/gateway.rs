//! The running gateway: a config put to work, and swapped while it runs.

use crate::accounts::{Accounts, Alarms, Terms};
use crate::app::{App, Bounds, Face, Live};
use crate::evidence::predictor;
use crate::keys::desk::{ConfigKeys, KeyDesk, Known, Watch, reread};
use crate::keys::{Digest, KeyEntry, Keys, Scope};
use crate::metrics::Metrics;
use crate::otlp::Telemetry;
use crate::quality::Looking;
use crate::server::{Hurry, Server, ServerOptions};
use crate::shared::Link;
use crate::store::{Recorder, Store};
use crate::tls::{Tls, TlsError};
use crate::upstreams::{Upstreams, WithoutKey, foreign};
use arc_swap::ArcSwap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tierway::{CutOff, IdSource, ProviderAccount, Queue, Router, RouterBuilder, Setup, SystemClock};
use tierway_config::{Config, KeyScope};
use tierway_decide::Caller;
use tierway_decide::breaker::BreakerRules;
use tierway_decide::dispatch::{DispatchLimits, Hedging, StreamRecovery};
use tierway_decide::room::RoomLimits;
use tierway_ledger::{CLAIMED, Durability, Leadership, Ledger, LedgerError, Location, Options, Replica};
use tierway_providers::EndpointError;

/// A target gets at least this many retries whatever its traffic, or a quiet one could never be retried.
const RETRY_RESERVE: u16 = 10;

/// A ledger that takes longer has a problem that it says itself.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);

/// One record is written in a moment; where another process has the ledger, whoever asked at the command line need not wait.
const DESK_CLOSES_WITHIN: Duration = Duration::from_secs(1);

/// Why a gateway cannot start, or a new config cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Somebody else listens there, or we may not.
    #[error("cannot listen on {address}: {cause}; choose another address with `[server] listen` or TIERWAY_LISTEN")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The evidence of the config cannot be used.
    #[error("evidence, {place}: {cause}")]
    Evidence {
        /// Its file, or its version in the ledger.
        place: String,
        /// Why.
        cause: String,
    },
    /// A provider of the config cannot be used.
    #[error("provider `{provider}`: {cause}")]
    Provider {
        /// Its name.
        provider: String,
        /// Why.
        cause: EndpointError,
    },
    /// The collector of telemetry cannot be used.
    #[error("[telemetry]: {cause}")]
    Telemetry {
        /// Why.
        cause: String,
    },
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// Nobody says where the ledger is.
    #[error("[ledger] url: {0}")]
    LedgerAddress(#[from] tierway_config::KeyError),
    /// Nobody says where that is what replicas share.
    #[error("[shared] url: {0}")]
    SharedAddress(tierway_config::KeyError),
    /// That cannot be an address of it.
    #[error("[shared] url cannot be used ({0}); write redis://:password@host:6379/0, or rediss:// for TLS")]
    Shared(String),
    /// The system gives no randomness.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// A config at work.
pub struct Gateway {
    server: Server,
    workers: Vec<Arc<ArcSwap<Live>>>,
    tls: Option<Tls>,
    ground: Ground,
    keys: Watch,
    /// To what replicas share.
    link: Option<Link>,
    /// Looks at how good the answers were; none while the config does not want it.
    quality: Mutex<Option<Looking>>,
    replica: Replica,
    ledger: Arc<Ledger>,
}

/// A router with its ledger and without a door: for one request from the command line.
pub struct Desk {
    live: Live,
    ledger: Arc<Ledger>,
}

/// A config made ready once for all workers: what decides, and who is asked.
struct Prepared<'c> {
    config: &'c Config,
    setup: Arc<Setup>,
    upstreams: Upstreams,
}

/// What outlives a reload.
struct Ground {
    /// Where the ledger is, whatever a later config says.
    location: Location,
    metrics: Arc<Metrics>,
    alarms: Arc<Alarms>,
    store: Store,
    recorder: Arc<Recorder>,
    clock: Arc<SystemClock>,
    ids: Arc<IdSource>,
    cut_off: Arc<CutOff>,
}

impl Gateway {
    /// Opens the ledger, binds the address, starts the workers. Connects to no provider.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub fn start(config: &Config, workers: usize) -> Result<Self, GatewayError> {
        let location = location(config)?;
        let replica = Replica::join(&location)?;
        let (ground, ledger) =
            Ground::open(config, location.clone(), Options::default().close_within, replica.number())?;
        let prepared = Prepared::first(config)?;
        let mut state = KeyDesk::open(&location);
        let known = Known::read(ground.keys(config), state.as_mut());
        let link = ground.link(config)?;
        let accounts = Arc::new(Accounts::new(ground.clock.clone(), link.as_ref().map(|link| link.shared().clone())));
        let keys = known.keys(prepared.setup.table.ladder(), &accounts);
        reread(&accounts, &keys, &location, false);
        let keys = Arc::new(keys);
        let tls = tls(config)?;
        let (workers, admin) = (workers.max(1), config.server.admin_listen.is_some());
        let quality = ground.looking(&prepared, replica.leadership())?;
        let mut live = Vec::new();
        for _ in 0..workers + usize::from(admin) {
            live.push(Arc::new(ArcSwap::from_pointee(ground.live(&prepared, &keys, quality.as_ref())?)));
        }
        let options = server_options(config, workers);
        let bounds = bounds(config, workers);
        let face = |worker: usize| match admin {
            false => Face::Both,
            true if worker < workers => Face::Clients,
            true => Face::Operators,
        };
        let desk = Arc::new(KeyDesk::new(location, state, known, accounts, replica.leadership(), &live));
        let app = |worker: usize| {
            let (metrics, store) = (ground.metrics.clone(), ground.store.clone());
            let app = App::new(live[worker].clone(), metrics, bounds, ground.cut_off.clone());
            Arc::new(app.with_store(store).with_desk(desk.clone()).with_face(face(worker)))
        };
        let server = Server::start(&options, tls.as_ref(), app)?;
        let keys = Watch::start(desk).map_err(GatewayError::Thread)?;
        let setup = prepared.setup.clone();
        let ready = std::thread::Builder::new().name("rules".into()).spawn(move || setup.table.rules().make_ready());
        ready.map_err(GatewayError::Thread)?;
        if let Some(link) = &link {
            link.shared().watch(prepared.setup);
        }
        Ok(Self { server, workers: live, tls, ground, keys, link, quality: Mutex::new(quality), replica, ledger })
    }

    /// Where operators read, if that is a place of its own.
    #[must_use]
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.server.admin_address()
    }

    /// Nobody needs a key: neither the config nor the ledger has one.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.workers.first().is_none_or(|worker| worker.load().keys.is_open())
    }

    /// Whether this process does what only one of several should.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        self.replica.leadership()
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Waits until everything that was recorded so far can be read.
    ///
    /// # Errors
    /// When records could not be written in time.
    pub fn flush(&self) -> Result<(), GatewayError> {
        Ok(self.ledger.flush(FLUSH_WITHIN)?)
    }

    /// Takes a new config, and the certificate anew: requests in progress finish on the old ones. Addresses, workers and
    /// ledger stay as they are, and so does whether TLS is spoken.
    ///
    /// # Errors
    /// When a provider or the certificate cannot be used; then the old config stays in force.
    pub fn reload(&self, config: &Config) -> Result<(), GatewayError> {
        let Some(first) = self.workers.first() else { return Ok(()) };
        let tls = tls(config)?;
        let prepared = Prepared::after(config, first.load().router.setup())?;
        let mut quality = self.quality.lock().unwrap_or_else(PoisonError::into_inner);
        match (quality.as_ref(), config.quality.sample) {
            (Some(looking), _) => looking.reload(config, self.ground.router(&prepared)?.build()),
            (None, Some(_)) => *quality = self.ground.looking(&prepared, self.leadership())?,
            (None, None) => {}
        }
        self.keys.desk().reload(self.ground.keys(config), prepared.setup.table.ladder(), |keys| {
            let live = |_| self.ground.live(&prepared, keys, quality.as_ref());
            let fresh: Result<Vec<_>, _> = self.workers.iter().map(live).collect();
            for (worker, live) in self.workers.iter().zip(fresh?) {
                worker.store(Arc::new(live));
            }
            match (&self.tls, &tls) {
                (Some(shown), Some(fresh)) => shown.show(fresh),
                (None, None) => {}
                _ => tracing::warn!("[server.tls] came or went; that takes a restart"),
            }
            if let Some(link) = &self.link {
                link.shared().watch(prepared.setup.clone());
            }
            Ok(())
        })
    }

    /// Cuts a stop short: nobody waits for requests in progress any more. Records are written all the same.
    #[must_use]
    pub fn hurry(&self) -> Hurry {
        self.server.hurry()
    }

    /// Stops accepting, lets requests finish, writes every record.
    ///
    /// # Errors
    /// When records could not be written.
    pub fn stop(self) -> Result<(), GatewayError> {
        let Self { server, workers, ground, keys, link, quality, ledger, .. } = self;
        server.stop();
        if let Some(looking) = quality.into_inner().unwrap_or_else(PoisonError::into_inner) {
            looking.stop();
        }
        drop((workers, ground, keys, link));
        Ok(ledger.close()?)
    }
}

impl Desk {
    /// Opens the ledger and makes a router.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub fn open(config: &Config) -> Result<Self, GatewayError> {
        let (ground, ledger) = Ground::open(config, location(config)?, DESK_CLOSES_WITHIN, None)?;
        // Whoever has the command line needs no key.
        let live = ground.live(&Prepared::first(config)?, &Arc::default(), None)?;
        Ok(Self { live, ledger })
    }

    /// The router.
    #[must_use]
    pub const fn router(&self) -> &Router {
        &self.live.router
    }

    /// Writes every record.
    ///
    /// # Errors
    /// When records could not be written.
    pub fn close(self) -> Result<(), GatewayError> {
        drop(self.live);
        Ok(self.ledger.close()?)
    }
}

impl<'c> Prepared<'c> {
    /// At a start: a provider whose key is missing is left in, and refuses its calls.
    fn first(config: &'c Config) -> Result<Self, GatewayError> {
        let setup = Arc::new(setup(config)?);
        Ok(Self { config, setup, upstreams: Upstreams::prepare(config, WithoutKey::Serves)? })
    }

    /// In place of an earlier one, some of whose knowledge goes on ([`Setup::after`]).
    fn after(config: &'c Config, earlier: &Setup) -> Result<Self, GatewayError> {
        let upstreams = Upstreams::prepare(config, WithoutKey::Refused)?;
        let setup = setup(config)?.after(earlier);
        // Requests go on meanwhile, under the config before.
        setup.table.rules().make_ready();
        Ok(Self { config, setup: Arc::new(setup), upstreams })
    }
}

impl Ground {
    /// `number`: that of this process, where somebody gives them out.
    fn open(
        config: &Config,
        location: Location,
        close_within: Duration,
        number: Option<u16>,
    ) -> Result<(Self, Arc<Ledger>), GatewayError> {
        let number = number.map_or_else(|| unclaimed_number(&location), Ok)?;
        let ledger = Arc::new(Ledger::open(location.clone(), Options { close_within, ..ledger_options(config) })?);
        let metrics = Arc::new(Metrics::default());
        let store = Store::new(ledger.clone(), location.clone());
        let ground = Self {
            location,
            recorder: Arc::new(
                Recorder::new(metrics.clone(), Some(store.clone())).with_telemetry(Telemetry::start(config)?),
            ),
            metrics,
            alarms: Arc::default(),
            store,
            clock: Arc::default(),
            ids: Arc::new(IdSource::new(number)),
            cut_off: Arc::default(),
        };
        Ok((ground, ledger))
    }

    /// Begins to look at how good the answers are, where the config wants that.
    fn looking(&self, prepared: &Prepared<'_>, leadership: Leadership) -> Result<Option<Looking>, GatewayError> {
        let config = prepared.config;
        if config.quality.sample.is_none() {
            return Ok(None);
        }
        let router = self.router(prepared)?.build();
        let looking = Looking::start(config, router, self.metrics.clone(), self.location.clone(), leadership);
        looking.map(Some).map_err(GatewayError::Thread)
    }

    /// The connection to what replicas share, where the config names one.
    fn link(&self, config: &Config) -> Result<Option<Link>, GatewayError> {
        let Some(shared) = &config.shared else { return Ok(None) };
        let url = shared.url.resolve(&tierway_config::environment).map_err(GatewayError::SharedAddress)?;
        let Some(url) = url else { return Ok(None) };
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|error| GatewayError::Random(error.to_string()))?;
        let me = format!("{:016x}", u64::from_le_bytes(bytes));
        let link = Link::start(shared, url.expose(), me, self.clock.clone(), self.metrics.clone());
        link.map(Some).map_err(GatewayError::Shared)
    }

    /// What a config says of who may come in.
    fn keys(&self, config: &Config) -> ConfigKeys {
        let entries = config.keys.iter().map(|key| KeyEntry {
            secrets: vec![(Digest(key.sha256), key.expires_ms)],
            scope: scope(key.scope),
            caller: Caller {
                key: key.name.clone(),
                team: key.team.clone(),
                pins: key.pins,
                models: key.models.clone(),
            },
            allowance: key.allowance,
            bar: None,
        });
        ConfigKeys {
            entries: entries.collect(),
            teams: config.teams.clone(),
            users: config.user_allowances.clone(),
            terms: Arc::new(Terms {
                zone: config.budgets.zone.clone(),
                step_down_at: config.budgets.step_down_at,
                alarm_at: config.budgets.alarm_at,
                tiers: config.table.ladder().tiers().iter().map(|tier| tier.name.clone()).collect(),
                metrics: self.metrics.clone(),
                alarms: self.alarms.clone(),
                webhook: config.budgets.webhook.clone(),
            }),
            may_be_open: config.server.listen.ip().is_loopback() && matches!(self.location, Location::Sqlite(_)),
        }
    }

    /// What one worker serves under a config.
    fn live(&self, prepared: &Prepared<'_>, keys: &Arc<Keys>, quality: Option<&Looking>) -> Result<Live, GatewayError> {
        let config = prepared.config;
        let mut router = self.router(prepared)?;
        if let Some(looking) = quality.filter(|_| config.quality.sample.is_some()) {
            router = router.witness(looking.witness());
        }
        let quality = quality.map(Looking::shared);
        Ok(Live { router: router.build(), keys: keys.clone(), quality, rules: config.quality.rules })
    }

    /// A router with providers of its own, so that connections stay on its core.
    fn router(&self, prepared: &Prepared<'_>) -> Result<RouterBuilder, GatewayError> {
        let router = Router::builder(prepared.setup.clone())
            .sink(self.recorder.clone())
            .clock(self.clock.clone())
            .ids(self.ids.clone())
            .cut_off(self.cut_off.clone())
            .foreign(foreign(prepared.config));
        prepared.upstreams.add_to(router)
    }
}

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

fn tls(config: &Config) -> Result<Option<Tls>, TlsError> {
    config.server.tls.as_ref().map(|tls| Tls::load(&tls.cert_file, &tls.key_file)).transpose()
}

const fn scope(scope: KeyScope) -> Scope {
    match scope {
        KeyScope::Client => Scope::Client,
        KeyScope::Read => Scope::Read,
        KeyScope::Admin => Scope::Admin,
    }
}

fn server_options(config: &Config, workers: usize) -> ServerOptions {
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

fn bounds(config: &Config, workers: usize) -> Bounds {
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
    let location = Location::from(config.ledger.address(&tierway_config::environment)?.expose().as_str());
    if let Location::Postgres(url) = &location {
        url.check()?;
    }
    Ok(location)
}

fn ledger_options(config: &Config) -> Options {
    let durability = if config.ledger.strict { Durability::Strict } else { Durability::Relaxed };
    let queue = config.ledger.queue as usize;
    let keep_days = Some(config.ledger.retention_days);
    Options { durability, queue, keep_days, begin_without_store: true, ..Options::default() }
}

/// A random number of those that nobody gives out: it tells the ids of this process from those of others on the same
/// ledger. Should two take the same, the ledger refuses the second record of an id and says so.
fn unclaimed_number(location: &Location) -> Result<u16, GatewayError> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(|error| GatewayError::Random(error.to_string()))?;
    let first = if matches!(location, Location::Postgres(_)) { CLAIMED } else { 0 };
    Ok(first + u16::from_le_bytes(bytes) % (PROCESSES - first))
}

/// Processes that an id has room for.
const PROCESSES: u16 = 1_024;
