//! The running gateway: a config put to work, and swapped while it runs.

use crate::accounts::{Accounts, Alarms, Terms};
use crate::app::{App, Face, Live};
use crate::error::GatewayError;
use crate::keys::desk::{ConfigKeys, KeyDesk, Known, Watch, reread};
use crate::keys::{Digest, KeyEntry, Keys};
use crate::metrics::Metrics;
use crate::otlp::Telemetry;
use crate::quality::Looking;
use crate::server::{Hurry, Server};
use crate::setup::{bounds, ledger_options, location, scope, server_options, setup, tls, unclaimed_number};
use crate::shared::Link;
use crate::store::{Recorder, Store};
use crate::tls::Tls;
use crate::upstreams::{Upstreams, WithoutKey, foreign};
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tierway::{CutOff, IdSource, Router, RouterBuilder, Setup, SystemClock};
use tierway_config::Config;
use tierway_decide::Caller;
use tierway_ledger::{Leadership, Ledger, Location, Options, Replica};

/// A ledger that takes longer has a problem that it says itself.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);

/// One record is written in a moment; where another process has the ledger, whoever asked at the command line need not wait.
const DESK_CLOSES_WITHIN: Duration = Duration::from_secs(1);

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
        let known = Known::read(ground.keys(config), &location)?;
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
        let desk = Arc::new(KeyDesk::new(location, known, accounts, replica.leadership(), &live));
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
    /// When a provider or the certificate cannot be used, or it takes out the last key, so that everybody could come in; then the
    /// old config stays in force.
    pub fn reload(&self, config: &Config) -> Result<(), GatewayError> {
        let Some(first) = self.workers.first() else { return Ok(()) };
        let tls = tls(config)?;
        let prepared = Prepared::after(config, first.load().router.setup())?;
        let mut quality = self.quality.lock().unwrap_or_else(PoisonError::into_inner);
        self.keys.desk().reload(self.ground.keys(config), prepared.setup.table.ladder(), |keys| {
            if keys.is_open() && !self.is_open() {
                return Err(GatewayError::LastKey);
            }
            match (quality.as_ref(), config.quality.sample) {
                (Some(looking), _) => looking.reload(config, self.ground.router(&prepared)?.build()),
                (None, Some(_)) => *quality = self.ground.looking(&prepared, self.leadership())?,
                (None, None) => {}
            }
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

    /// Counts a config that was read while serving: it is in force, or was refused, here or before it came here.
    pub fn count_reload(&self, good: bool) {
        self.ground.metrics.reloaded(good);
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
        let metrics = Arc::new(if config.shared.is_some() { Metrics::sharing() } else { Metrics::default() });
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
                key: key.name.as_str().into(),
                team: key.team.as_str().into(),
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
                tiers: config.table.ladder().tiers().iter().map(|tier| tier.name.to_string()).collect(),
                metrics: self.metrics.clone(),
                alarms: self.alarms.clone(),
                webhook: config.budgets.webhook.clone(),
            }),
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
