//! The whole config: read, checked, put together.

use crate::across::Parts;
use crate::callers::{self, Allowance, Bounds, ClientKey};
use crate::catalogue::Prices;
use crate::day;
use crate::environment::environment;
use crate::problem::{Problem, Problems, shown};
use crate::provider::{self, KeyError, ProviderConfig};
use crate::quality::{self, QualityConfig};
use crate::reader::{Origin, Reader, Section, Setting};
use crate::routing::{EvidenceSource, Routing};
use crate::rule::{self, ConfigTest};
use crate::settings::{self, BudgetConfig, DispatchConfig, LedgerConfig, ReportConfig, ServerConfig, SharedConfig};
use crate::telemetry::{self, TelemetryConfig};
use crate::tier::{self, Known, TierNames};
use std::collections::BTreeMap;
use std::path::Path;
use tierway_decide::{Ladder, Pins, RouteTable, RuleSet, TableError, Target, Tier};
use toml::de::DeTable;

/// A config that holds together.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file, as the user named it.
    pub file: String,
    /// What `decide` reads.
    pub table: RouteTable,
    /// `[server]`
    pub server: ServerConfig,
    /// `[providers.NAME]`, in the order of the file.
    pub providers: Vec<ProviderConfig>,
    /// `[[keys]]`; empty, and none in the ledger: everybody may ask.
    pub keys: Vec<ClientKey>,
    /// `[teams.NAME]`
    pub teams: BTreeMap<String, Bounds>,
    /// What users may spend, of those that have such bounds.
    pub user_allowances: BTreeMap<String, Allowance>,
    /// `[budgets]`
    pub budgets: BudgetConfig,
    /// `[shared]`; none: each process keeps its own.
    pub shared: Option<SharedConfig>,
    /// `[dispatch]`
    pub dispatch: DispatchConfig,
    /// `[ledger]`
    pub ledger: LedgerConfig,
    /// `[report]`
    pub report: ReportConfig,
    /// `[quality]`
    pub quality: QualityConfig,
    /// `[telemetry]`; none: nothing is sent.
    pub telemetry: Option<TelemetryConfig>,
    /// Evidence to load, if any.
    pub evidence: Option<EvidenceSource>,
    /// `[[tests]]`
    pub tests: Vec<ConfigTest>,
    /// Prices and facts of models, for pass-through models that are in no tier.
    pub prices: Prices,
    /// What works but should be looked at.
    pub warnings: Vec<Problem>,
    /// Every value in force and where it comes from, in the order of reading.
    pub settings: Vec<Setting>,
}

/// A provider whose key is not to be had now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingKey {
    /// The provider.
    pub provider: String,
    /// Where its section is.
    pub line: usize,
    /// Tiers that need it; empty: it is only a spare.
    pub tiers: Vec<String>,
    /// What is wrong.
    pub error: KeyError,
}

/// A configured model that its provider switches off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// The tier that it serves.
    pub tier: String,
    /// `provider/model`.
    pub target: String,
    /// The announced day, `YYYY-MM-DD`.
    pub last_day: String,
    /// Days until then; negative when it is past.
    pub days_left: i32,
}

impl std::fmt::Display for Shutdown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tier, target, last_day, days_left } = self;
        match days_left {
            ..0 => write!(f, "{target} (tier {tier}) was switched off on {last_day}; name a current model"),
            0 => write!(f, "{target} (tier {tier}) is switched off today; name a current model"),
            1 => write!(f, "{target} (tier {tier}) is switched off tomorrow, {last_day}; name a current model"),
            _ => write!(
                f,
                "{target} (tier {tier}) is switched off on {last_day}, in {days_left} days; plan its successor"
            ),
        }
    }
}

impl Config {
    /// Sections that differ from the config that a process started with, in what it cannot change while it serves: addresses,
    /// limits and times of the listeners, the ledger, the state that is shared, what is sent where. The certificate can be.
    #[must_use]
    pub fn fixed_at_start(&self, started: &Self) -> Vec<&'static str> {
        let server = |config: &Self| (ServerConfig { tls: None, ..config.server.clone() }, config.server.tls.is_some());
        let changed = [
            ("[server]", server(self) != server(started)),
            ("[ledger]", self.ledger != started.ledger),
            ("[shared]", self.shared != started.shared),
            ("[telemetry]", self.telemetry != started.telemetry),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(section, _)| section).collect()
    }

    /// The provider of that name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&ProviderConfig> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Where a setting stands, such as `routing.evidence`: file and line, or the file alone.
    #[must_use]
    pub fn place(&self, setting: &str) -> String {
        let origin = self.settings.iter().find(|known| known.path == setting).map(|known| &known.origin);
        match origin {
            Some(Origin::Line(line)) => format!("{}:{line}", self.file),
            Some(Origin::Environment(name)) => format!("environment variable {name}"),
            _ => self.file.clone(),
        }
    }

    /// Targets whose model is switched off already, or within `days` from `today` (days since 1970-01-01).
    #[must_use]
    pub fn shutdowns(&self, today: i32, days: i32) -> Vec<Shutdown> {
        let ladder = self.table.ladder();
        let targets = ladder.tiers().iter().flat_map(|tier| tier.targets.iter().map(move |target| (tier, target)));
        let near = |(tier, target): (&Tier, &Target)| {
            let last_day = target.shutdown.clone()?;
            let days_left = day::parse(&last_day)? - today;
            let (tier, target) = (tier.name.to_string(), format!("{}/{}", target.provider, target.model));
            (days_left <= days).then_some(Shutdown { tier, target, last_day, days_left })
        };
        targets.filter_map(near).collect()
    }

    /// Providers whose keys cannot be had. Looks at the environment and reads key files; runs no program.
    #[must_use]
    pub fn missing_keys(&self, env: &dyn Fn(&str) -> Option<String>) -> Vec<MissingKey> {
        let missing = |provider: &ProviderConfig| {
            let error = match provider.key.look(env) {
                Ok(key) => provider.refuses(key.as_ref()?)?,
                Err(error) => error,
            };
            let uses = |tier: &&Tier| tier.targets.iter().any(|target| target.provider == provider.name);
            let tiers = self.table.ladder().tiers().iter().filter(uses).map(|tier| tier.name.to_string()).collect();
            Some(MissingKey { provider: provider.name.clone(), line: provider.line, tiers, error })
        };
        self.providers.iter().filter_map(missing).collect()
    }
}

/// Reads a config from a file, with the environment of this process.
///
/// # Errors
/// [`Problems`]: the file cannot be read, or everything that is wrong with it.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let file = path.display().to_string();
    match read_text(path) {
        Ok(text) => parse(&text, &file, &environment),
        Err(error) => {
            let hint = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file; `tierway init` writes one".to_owned(),
                std::io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
                _ => error.to_string(),
            };
            Err(Problems(vec![Problem { file, line: 0, message: format!("cannot read the config: {hint}") }]))
        }
    }
}

/// Larger than any config: what has no end, such as a device, is refused.
const MOST_BYTES: u64 = 16 << 20;

/// The text of a config, unchecked.
///
/// # Errors
/// What the system says, and of a file that is too large.
pub fn read_text(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MOST_BYTES {
        let kind = std::io::ErrorKind::FileTooLarge;
        return Err(std::io::Error::new(kind, format!("it is larger than {} MB", MOST_BYTES >> 20)));
    }
    Ok(text)
}

/// Reads a config from text. Files that it names are looked for beside `file`.
///
/// # Errors
/// [`Problems`]: everything that is wrong.
pub fn parse(text: &str, file: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Problems> {
    let reader = Reader::new(file, text, env);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        reader.problem(at, explain(error, text));
    }
    // A file whose syntax is broken is not looked into further: what was meant is a guess.
    let config = if errors.is_empty() { read(&reader, &Section::root(&reader, &document), file) } else { None };
    let findings = reader.finish();
    match config {
        Some(mut config) if findings.problems.is_empty() => {
            config.warnings = findings.warnings;
            config.settings = findings.settings;
            Ok(config)
        }
        _ => Err(Problems(findings.problems)),
    }
}

/// What the parser says, in words for people who do not know TOML by heart.
fn explain(error: &toml::de::Error, text: &str) -> String {
    let said = error.message().replace('\n', ", ");
    let place = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    if ["invalid boolean", "invalid float", "invalid integer", "invalid date"].iter().any(|kind| said.starts_with(kind))
    {
        return "this value is no number and not `true` or `false`; a string stands in quotes".into();
    }
    if said.starts_with("duplicate key") {
        return format!("{} is given twice; keep one", shown(place));
    }
    if said.starts_with("missing escaped value") {
        return "a `\\` in double quotes has a meaning of its own; write patterns and paths in single quotes".into();
    }
    said
}

fn read(reader: &Reader<'_>, root: &Section<'_, '_>, file: &str) -> Option<Config> {
    let base = Path::new(file).parent().unwrap_or(Path::new(""));
    let names = TierNames::read(root);
    let server = settings::server(root, base);
    let providers = provider::read(root, base);
    let prices = prices(root, base);
    let provider_names = root.names_under("providers");
    let tiers = tier::read(root, &Known { providers: &providers, provider_names, prices: &prices });
    let routing_section = root.table("routing");
    let routing = Routing::read(&routing_section, &names, base);
    let baseline = tier::baseline(&names, &routing_section);
    let baseline_id = baseline.as_ref().and_then(|name| names.id(name));
    let rules = rule::rules(root, &names);
    let users = callers::bounds(root, "users", &names, baseline_id);
    let spending = |(name, user): (&String, &Bounds)| {
        (user.allowance != Allowance::default()).then(|| (name.clone(), user.allowance))
    };
    let user_allowances = users.iter().filter_map(spending).collect();
    let users = users.into_iter().map(|(name, user)| (name, user.pins)).collect();
    let (budgets, shared) = (settings::budgets(root, base), settings::shared(root, base));
    let keys = callers::keys(root, &names, baseline_id);
    let teams = callers::bounds(root, "teams", &names, baseline_id);
    if keys.is_empty() && !server.listen.ip().is_loopback() {
        let message = "listens beyond this machine without [[keys]]: unless `tierway keys add` made some, everybody who reaches it spends your money";
        root.table("server").warn_of_value("listen", Some(settings::LISTEN_VARIABLE), message);
    }
    if keys.is_empty() && server.admin_listen.is_some_and(|admin| !admin.ip().is_loopback()) {
        let message = "shows all records beyond this machine without [[keys]]: unless `tierway keys add` made some, everybody who reaches it may read them";
        reader.warn(root.table("server").at("admin_listen"), message);
    }
    let (dispatch, ledger, report) =
        (settings::dispatch(root), settings::ledger(root, base), settings::report(root, base));
    let quality = quality::read(root, &names, base);
    let telemetry = telemetry::read(root, base);
    let parts = Parts { tiers: &tiers, names: &names, keys: &keys, teams: &teams, quality: &quality };
    parts.check(root);
    let tests = rule::tests(root, &names);
    let evidence = routing.evidence.clone();
    if !reader.is_clean() {
        return None;
    }
    let ladder = Ladder::new(tiers, &baseline?).map_err(|error| error.to_string());
    let table = ladder.and_then(|ladder| table(ladder, &routing, rules, users).map_err(|error| error.to_string()));
    let table = match table {
        Ok(table) => table,
        Err(message) => {
            reader.problem_of_file(message);
            return None;
        }
    };
    let (warnings, settings) = Default::default();
    let file = file.to_owned();
    Some(Config {
        file,
        table,
        server,
        providers,
        keys,
        teams,
        user_allowances,
        budgets,
        shared,
        dispatch,
        ledger,
        report,
        quality,
        telemetry,
        evidence,
        tests,
        prices,
        warnings,
        settings,
    })
}

fn prices(root: &Section<'_, '_>, base: &Path) -> Prices {
    let section = root.table("prices");
    let Some(path) = section.text("overlay") else { return Prices::default() };
    Prices::with_overlay(&base.join(&path.text)).unwrap_or_else(|error| {
        section.problem("overlay", format!("`overlay` in [prices] is {}: {error}", shown(&path.text)));
        Prices::default()
    })
}

fn table(
    ladder: Ladder,
    routing: &Routing,
    rules: RuleSet,
    users: BTreeMap<String, Pins>,
) -> Result<RouteTable, TableError> {
    let map = routing.complexity_map(&ladder);
    RouteTable::new(ladder)
        .with_rules(rules)?
        .with_policy(routing.policy)
        .with_complexity_map(map)?
        .with_classifier(routing.classifier.clone())?
        .with_session(routing.session)
        .with_escalate_on_broken(routing.escalate_on_broken)
        .with_quality_target(routing.quality_target)?
        .with_users(users)
}
