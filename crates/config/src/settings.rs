//! `[server]`, `[budgets]`, `[shared]`, `[dispatch]`, `[ledger]`, `[report]`: plain settings.

use crate::problem::shown;
use crate::provider::{KeySource, named};
use crate::reader::{Origin, Section, quoted};
use crate::weekly::{self, WeeklyConfig};
use jiff::tz::{Offset, TimeZone};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tierway_decide::balance::Balance;

/// `[server]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where reports, records and metrics are; none: where it listens.
    pub admin_listen: Option<SocketAddr>,
    /// HTTPS instead of HTTP.
    pub tls: Option<TlsConfig>,
    /// Largest request body in bytes.
    pub max_body_bytes: u64,
    /// Requests in work at once.
    pub max_concurrent: u32,
    /// Longest wait for the head of a request.
    pub header_timeout_ms: u32,
    /// Longest wait for its body.
    pub body_timeout_ms: u32,
    /// Longest time that a client may take none of its answer.
    pub write_timeout_ms: u32,
    /// Time that running requests get on shutdown.
    pub grace_seconds: u32,
}

/// `[server.tls]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificate chain, PEM.
    pub cert_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
}

/// `[dispatch]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchConfig {
    /// Longest time for one request.
    pub deadline_ms: u32,
    /// Upstream calls at most.
    pub max_attempts: u32,
    /// Repeated calls at most.
    pub max_retries: u32,
    /// Share of a target's calls that may be retries.
    pub retry_budget_percent: u32,
    /// Pause accepted before a dearer tier is asked.
    pub patience_ms: u32,
    /// Pause accepted when there is nowhere else to go.
    pub max_wait_ms: u32,
    /// How targets share traffic.
    pub balance: Balance,
    /// Ask a second target when the first is late.
    pub hedge: bool,
    /// When it is late; none: its own 95th percentile.
    pub hedge_after_ms: Option<u32>,
    /// Continue a broken stream where possible; else end with an error.
    pub continue_streams: bool,
    /// Continuations of one answer at most.
    pub max_continues: u32,
    /// Hold the first bytes back this long.
    pub hold_back_ms: u32,
    /// Requests that may wait for room at one provider's account.
    pub queue: u32,
    /// How long each may.
    pub queue_ms: u32,
    /// Failures in a row that open the breaker.
    pub breaker_failures: u32,
    /// Time until a probe.
    pub breaker_open_ms: u32,
}

/// `[budgets]`
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetConfig {
    /// Where days begin.
    pub zone: TimeZone,
    /// Share of a budget from which on its holder steps down.
    pub step_down_at: f64,
    /// Share of a budget that is said aloud when it is spent.
    pub alarm_at: f64,
    /// Where that is posted.
    pub webhook: KeySource,
    /// Output that is reserved for a request that states no bound; none: the most that the model can give.
    pub assume_output_tokens: Option<u32>,
}

/// `[shared]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedConfig {
    /// Where the URL of a Redis comes from; it may hold a password.
    pub url: KeySource,
    /// PEM of the authorities that its certificate is checked against; none: those of the machine.
    pub ca_file: Option<PathBuf>,
    /// What the names of everything in it begin with.
    pub prefix: String,
    /// Longest wait for an answer.
    pub timeout_ms: u32,
    /// How many replicas there are, until they could be counted.
    pub replicas: u32,
}

/// `[ledger]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerConfig {
    /// The SQLite file, unless there is a URL.
    pub path: PathBuf,
    /// Where the URL of a PostgreSQL comes from.
    pub url: KeySource,
    /// Hold the last bytes of an answer until its record is on disk.
    pub strict: bool,
    /// Days that rows are kept.
    pub retention_days: u32,
    /// Records that may wait for the disk.
    pub queue: u32,
}

impl LedgerConfig {
    /// Records into a file, whatever the config says.
    pub fn use_file(&mut self, path: PathBuf) {
        (self.path, self.url) = (path, KeySource::None);
    }
}

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of formats")]
pub enum ReportFormat {
    #[default]
    Text,
    Json,
    Csv,
    Html,
}

/// `[report]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportConfig {
    /// Period in days.
    pub days: u32,
    /// Form.
    pub format: ReportFormat,
    /// The weekly report, where it is wanted.
    pub weekly: Option<WeeklyConfig>,
}

pub(crate) fn server(root: &Section<'_, '_>, base: &Path) -> ServerConfig {
    let section = root.table("server");
    let listen = listen(&section);
    let admin_listen =
        section.text("admin_listen").and_then(|text| address(&section, "admin_listen", None, &text.text));
    if admin_listen.is_some_and(|admin| admin == listen && admin.port() != 0) {
        section.problem(
            "admin_listen",
            "`admin_listen` and `listen` in [server] are the same address; leave one of them out",
        );
    }
    ServerConfig {
        listen,
        admin_listen,
        tls: section.has("tls").then(|| tls(&section.table("tls"), base)),
        max_body_bytes: u64::from(section.int32("max_body_mb")) << 20,
        max_concurrent: section.int32("max_concurrent"),
        header_timeout_ms: section.int32("header_timeout_ms"),
        body_timeout_ms: section.int32("body_timeout_ms"),
        write_timeout_ms: section.int32("write_timeout_ms"),
        grace_seconds: section.int32("grace_seconds"),
    }
}

fn tls(section: &Section<'_, '_>, base: &Path) -> TlsConfig {
    let file = |name: &str| {
        section.require(name);
        base.join(section.text(name).map(|path| path.text).unwrap_or_default())
    };
    TlsConfig { cert_file: file("cert_file"), key_file: file("key_file") }
}

fn listen(section: &Section<'_, '_>) -> SocketAddr {
    let fallback = SocketAddr::from(([127, 0, 0, 1], 8484));
    let Some(text) = section.text_or_env("listen", Some(LISTEN_VARIABLE)) else { return fallback };
    address(section, "listen", Some(LISTEN_VARIABLE), &text.text).unwrap_or(fallback)
}

pub(crate) const LISTEN_VARIABLE: &str = "TIERWAY_LISTEN";

/// `variable`: what may have replaced the file's value.
fn address(section: &Section<'_, '_>, name: &str, variable: Option<&str>, text: &str) -> Option<SocketAddr> {
    let address = text.replace("localhost:", "127.0.0.1:").parse().ok();
    if address.is_none() {
        let takes = "it takes an address and a port, such as \"127.0.0.1:8484\" or \"0.0.0.0:8484\"";
        section.problem_of_value(name, variable, &format!("is {}; {takes}", shown(text)));
    }
    address
}

pub(crate) fn dispatch(root: &Section<'_, '_>) -> DispatchConfig {
    let section = root.table("dispatch");
    DispatchConfig {
        deadline_ms: section.int32("deadline_ms"),
        max_attempts: section.int32("max_attempts"),
        max_retries: section.int32("max_retries"),
        retry_budget_percent: section.int32("retry_budget_percent"),
        patience_ms: section.int32("patience_ms"),
        max_wait_ms: section.int32("max_wait_ms"),
        balance: balance(root, &section),
        hedge: section.flag("hedge"),
        hedge_after_ms: section.opt_int32("hedge_after_ms"),
        continue_streams: section.string("stream_recovery") != "error",
        max_continues: section.int32("max_continues"),
        hold_back_ms: section.int32("hold_back_ms"),
        queue: section.int32("queue"),
        queue_ms: section.int32("queue_ms"),
        breaker_failures: section.int32("breaker_failures"),
        breaker_open_ms: section.int32("breaker_open_ms"),
    }
}

/// Share of the requests that explore under `balance = "learned"`, per cent: enough to hear of a change within some thousand
/// requests, few enough that a worse target costs little.
const EXPLORE_PERCENT: u32 = 10;

fn balance(root: &Section<'_, '_>, section: &Section<'_, '_>) -> Balance {
    let learned = section.string("balance") == "learned";
    if !learned && section.has("explore_percent") {
        let message = "`explore_percent` in [dispatch] is for `balance = \"learned\"`; set that, or leave it out";
        section.problem("explore_percent", message);
    }
    if learned && !root.table("quality").has("sample") {
        let message = "`balance = \"learned\"` in [dispatch] learns from the verdicts of [quality]; set `sample` there";
        section.problem("balance", message);
    }
    match section.string("balance").as_str() {
        "in_order" => Balance::InOrder,
        "least_busy" => Balance::LeastInFlight,
        "latency" => Balance::Latency,
        "price" => Balance::Price,
        "learned" => {
            let percent = section.opt_int32("explore_percent").unwrap_or(EXPLORE_PERCENT);
            Balance::Learned { explore_percent: u8::try_from(percent).unwrap_or(100) }
        }
        _ => Balance::Weighted,
    }
}

pub(crate) fn budgets(root: &Section<'_, '_>, base: &Path) -> BudgetConfig {
    let section = root.table("budgets");
    BudgetConfig {
        zone: zone(&section),
        step_down_at: section.share("step_down_at"),
        alarm_at: section.share("alarm_at"),
        webhook: named(&section, "webhook", base),
        assume_output_tokens: section.opt_int32("assume_output_tokens"),
    }
}

/// None where replicas share nothing.
pub(crate) fn shared(root: &Section<'_, '_>, base: &Path) -> Option<SharedConfig> {
    let section = root.table("shared");
    let url = named(&section, "url", base);
    let (prefix, timeout_ms) = (section.string("prefix"), section.int32("timeout_ms"));
    if prefix.is_empty() || prefix.contains(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-') {
        let message = "it takes letters, digits and dashes";
        section.problem("prefix", format!("`prefix` in [shared] is {}; {message}", shown(&prefix)));
    }
    let replicas = section.int32("replicas");
    let ca_file = section.text("ca_file").map(|path| base.join(path.text));
    (url != KeySource::None).then_some(SharedConfig { url, ca_file, prefix, timeout_ms, replicas })
}

fn zone(section: &Section<'_, '_>) -> TimeZone {
    let text = section.string("zone");
    let offset = || {
        let (hours, minutes) = text.get(1..)?.split_once(':')?;
        let two = |text: &str| (text.len() == 2).then(|| text.parse::<i32>().ok()).flatten();
        let seconds = two(hours)? * 3_600 + two(minutes).filter(|minutes| *minutes < 60)? * 60;
        let seconds = match text.as_bytes().first()? {
            b'+' => seconds,
            b'-' => -seconds,
            _ => return None,
        };
        Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?))
    };
    let zone = if text == "UTC" { Some(TimeZone::UTC) } else { offset().or_else(|| TimeZone::get(&text).ok()) };
    zone.unwrap_or_else(|| {
        let message =
            "it takes \"UTC\", an offset such as \"+02:00\", or a name that this machine's time zone database has";
        section.problem("zone", format!("`zone` in [budgets] is {}; {message}", shown(&text)));
        TimeZone::UTC
    })
}

pub(crate) fn ledger(root: &Section<'_, '_>, base: &Path) -> LedgerConfig {
    let section = root.table("ledger");
    let url = ledger_url(&section, base);
    // A URL in the variable is not shown as a path would be.
    let variable = Some(LEDGER_VARIABLE).filter(|_| url == KeySource::None);
    let path = section.text_or_env("path", variable).map(|path| path.text).unwrap_or_default();
    if variable.is_some_and(|name| section.reader.env(name).is_some()) && is_source(&path) {
        let message =
            "says where an address is found, which only `url` in [ledger] may; give the address or the path itself";
        section.problem_of_value("path", variable, message);
    }
    if path.is_empty() {
        section.problem_of_value("path", variable, "is empty; name a file, such as \"tierway.db\"");
    }
    if path.contains('\u{fffd}') {
        section.problem_of_value("path", variable, "holds bytes that are no UTF-8 text; name another file");
    }
    if is_address(&path) {
        let mend = "say where it is found, as it holds a password: `url = \"env:NAME\"` or `url = \"file:PATH\"`";
        section.problem("path", format!("`path` in [ledger] is a URL, not a file; {mend}"));
    }
    LedgerConfig {
        path: base.join(path),
        url,
        strict: section.string("durability") == "strict",
        retention_days: section.int32("retention_days"),
        queue: section.int32("queue"),
    }
}

const LEDGER_VARIABLE: &str = "TIERWAY_LEDGER";

/// The variable wins over the file, whichever of the two it names.
fn ledger_url(section: &Section<'_, '_>, base: &Path) -> KeySource {
    match section.reader.env(LEDGER_VARIABLE) {
        Some(text) if is_address(&text) => {
            section.derived("url", quoted(&format!("env:{LEDGER_VARIABLE}")), Origin::Environment(LEDGER_VARIABLE));
            KeySource::Env(LEDGER_VARIABLE.into())
        }
        Some(_) => KeySource::None,
        None => named(section, "url", base),
    }
}

/// The address of a database, right or wrong, and never a path: it may hold a password.
fn is_address(text: &str) -> bool {
    text.contains("://") || text.contains("password=")
}

/// How the config says where something is found.
fn is_source(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

pub(crate) fn report(root: &Section<'_, '_>, base: &Path) -> ReportConfig {
    let section = root.table("report");
    let format = match section.string("format").as_str() {
        "json" => ReportFormat::Json,
        "csv" => ReportFormat::Csv,
        "html" => ReportFormat::Html,
        _ => ReportFormat::Text,
    };
    ReportConfig { days: section.int32("days"), format, weekly: weekly::read(&section, base) }
}
