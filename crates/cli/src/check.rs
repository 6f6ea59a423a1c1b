//! `tierway check`: is this config what its author meant? Validates it, looks for its keys, runs its tests.

mod writing;

pub(crate) use writing::ledger as unwritable_ledger;

use crate::exit::{Done, Failed, say};
use crate::load::{ConfigArg, Unread, setup};
use crate::store::now_ms;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::io::{self, Write};
use std::sync::Arc;
use tierway::decide::Decision;
use tierway::{Call, Router, Setup};
use tierway_config::{Config, ConfigTest, Origin};
use tierway_decide::day_of;
use tierway_gateway::GatewayError;
use tierway_ledger::{LedgerError, Location, Reader};
use tierway_wire::Format;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Print every value in force and where it comes from
    #[arg(long)]
    show: bool,
    /// Do not look for what only the machine that serves has: keys of providers, room for records (on a build machine)
    #[arg(long)]
    no_keys: bool,
}

/// Days ahead in which a shutdown is announced.
const SHUTDOWN_NOTICE_DAYS: i32 = 90;

pub(crate) fn run(args: &Args) -> Done {
    let config = args.config.read().map_err(|unread| match unread {
        Unread::Bad(problems) => {
            say(&problems);
            say(format_args!("{} to mend", counted(problems.0.len(), "problem")));
            Failed::Silent
        }
        Unread::Away(why) => Failed::told(why),
    })?;
    for warning in &config.warnings {
        say(format_args!("warning: {warning}"));
    }
    if args.show {
        show(&config)?;
    }
    let mut faults = 0;
    for shutdown in config.shutdowns(today(), SHUTDOWN_NOTICE_DAYS) {
        say(format_args!("WARNING: {shutdown}"));
    }
    expired_keys(&config);
    if !args.no_keys {
        unreached(&config);
        faults += missing_keys(&config)
            + unread_secrets(&config)
            + unlocated(&config)
            + unwritable(&config)
            + unshared(&config);
    }
    if let Err(error) = tierway_gateway::check_certificate(&config) {
        say(format_args!("{}: {error}", config.place("server.tls.cert_file")));
        faults += 1;
    }
    faults += match setup(&config, None) {
        Ok(setup) => {
            unused_target(&config, &setup);
            run_tests(&config, setup)
        }
        Err(Failed::Told(why)) => {
            let untested = if config.tests.is_empty() { "" } else { "; its tests were not run" };
            say(format_args!("{}: {why}{untested}", config.place("routing.evidence")));
            1
        }
        Err(failed) => return Err(failed),
    };
    if faults > 0 {
        return Err(Failed::Silent);
    }
    say(summary(&config));
    Ok(())
}

/// Evidence brings its own target with it.
fn unused_target(config: &Config, setup: &Setup) {
    let Some(evidence) = setup.predictor.evidence() else { return };
    let (wanted, proven) = (config.table.quality_target(), evidence.promise.quality);
    if (wanted - proven).abs() > 1e-9 {
        let place = config.place("routing.quality_target");
        say(format_args!(
            "warning: {place}: {wanted} is not used: the evidence is for {proven}; `tierway calibrate --quality {wanted}` makes another"
        ));
    }
}

fn summary(config: &Config) -> String {
    let ladder = config.table.ladder();
    let tier = |tier: &tierway::decide::Tier| match tier.name == ladder.tier(ladder.baseline()).name {
        true => format!("{} (baseline)", tier.name),
        false => tier.name.to_string(),
    };
    let tiers = ladder.tiers().iter().map(tier).collect::<Vec<_>>().join(" < ");
    let providers = counted(config.providers.len(), "provider");
    let rules = counted(config.table.rules().rules().len(), "rule");
    let tests = counted(config.tests.len(), "test");
    format!("{}: good. tiers {tiers}; {providers}, {rules}, {tests} passed", config.file)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Keys that are not to be had: a fault where a tier needs them.
fn missing_keys(config: &Config) -> usize {
    let missing = config.missing_keys(&tierway_config::environment);
    for key in &missing {
        let (file, line, provider, error) = (&config.file, key.line, &key.provider, &key.error);
        if key.tiers.is_empty() {
            say(format_args!("warning: {file}:{line}: provider `{provider}` (in no tier): {error}"));
        } else {
            let tiers = key.tiers.join(", ");
            say(format_args!("{file}:{line}: provider `{provider}` (tiers {tiers}): {error}"));
        }
    }
    missing.iter().filter(|key| !key.tiers.is_empty()).count()
}

/// Addresses and headers that are kept like keys and are not to be had.
fn unread_secrets(config: &Config) -> usize {
    let env = tierway_config::environment;
    let weekly = config.report.weekly.as_ref().map(|weekly| ("[report] webhook", &weekly.webhook));
    let telemetry = config.telemetry.as_ref().map(|telemetry| ("[telemetry] headers", &telemetry.headers));
    let budgets = Some(("[budgets] webhook", &config.budgets.webhook));
    let shared = config.shared.as_ref().map(|shared| ("[shared] url", &shared.url));
    let sources = [Some(("[quality] webhook", &config.quality.webhook)), budgets, weekly, telemetry, shared];
    let unread = sources.into_iter().flatten().filter_map(|(what, source)| Some((what, source.resolve(&env).err()?)));
    let all: Vec<_> = unread.collect();
    for (what, error) in &all {
        say(format_args!("{}: {what}: {error}", config.file));
    }
    all.len()
}

/// An address of the ledger that is none.
fn unlocated(config: &Config) -> usize {
    let Err(error) = tierway_gateway::location(config) else { return 0 };
    say(format_args!("{}: {error}", config.place("ledger.url")));
    1
}

/// Places that `serve` will write to and cannot.
fn unwritable(config: &Config) -> usize {
    if let Some(why) = writing::missing_folder(config) {
        say(format_args!("warning: {}: {why}", config.place("ledger.path")));
    }
    let faults = writing::faults(config);
    for (setting, why) in &faults {
        say(format_args!("{}: {why}", config.place(setting)));
    }
    faults.len()
}

/// That the ledger's PostgreSQL is away now is no fault of the config, and no good news either.
fn unreached(config: &Config) {
    let Ok(Location::Postgres(url)) = tierway_gateway::location(config) else { return };
    match Reader::open(Location::Postgres(url)) {
        // Made, or upgraded, when it is served.
        Ok(_) | Err(LedgerError::Missing { .. } | LedgerError::OlderSchema { .. }) => {}
        Err(error) => say(format_args!("warning: {}: {error}", config.place("ledger.url"))),
    }
}

/// What is wrong with what replicas share. That it is away now is no fault: they serve without it.
fn unshared(config: &Config) -> usize {
    match tierway_gateway::check_shared(config) {
        Ok(None) => 0,
        Ok(Some(why)) => {
            say(format_args!("warning: {}: [shared] {why}", config.place("shared.url")));
            0
        }
        // Said with the other secrets that cannot be read.
        Err(GatewayError::SharedAddress(_)) => 0,
        Err(error) => {
            say(format_args!("{}: {error}", config.place("shared.url")));
            1
        }
    }
}

/// Keys that open nothing any more: nobody is harmed, but whoever uses one is.
fn expired_keys(config: &Config) {
    let now_ms = now_ms();
    for key in config.keys.iter().filter(|key| key.expires_ms.is_some_and(|until_ms| until_ms <= now_ms)) {
        let place = config.place(&format!("keys.{}.expires", key.name));
        say(format_args!("warning: {place}: key `{}` has expired; take it out, or set another day", key.name));
    }
}

/// Runs the tests of the config; says those that fail and how many they are.
fn run_tests(config: &Config, setup: Setup) -> usize {
    let router = Router::builder(Arc::new(setup)).build();
    let mut failed = 0;
    for test in &config.tests {
        if let Err(why) = run_test(&router, config, test) {
            failed += 1;
            say(format_args!("{}:{}: test \"{}\": {why}", config.file, test.line, shortened(&test.name)));
        }
    }
    if failed > 0 {
        say(format_args!("{failed} of {} tests failed", config.tests.len()));
    }
    failed
}

fn run_test(router: &Router, config: &Config, test: &ConfigTest) -> Result<(), String> {
    let outline = test.outline();
    if let Some(expected) = &test.rule {
        let hit = config.table.rules().first_match(&outline, &|name| test.header(name));
        let got = hit.map(|hit| hit.rule.name.as_str());
        if got != expected.as_deref() {
            let name = |rule: Option<&str>| rule.map_or("no rule".to_owned(), |rule| format!("rule `{rule}`"));
            return Err(format!("{} matches, expected {}", name(got), name(expected.as_deref())));
        }
    }
    let Some(expected) = test.tier else { return Ok(()) };
    let mut call = Call::new(Format::OpenaiChat, "");
    call.headers = headers(test)?;
    let decision = router.decide(&call, &outline).map_err(|refusal| refusal.error.message.clone())?.decision;
    judge(&decision, expected, config)
}

fn judge(decision: &Decision, expected: tierway::decide::TierId, config: &Config) -> Result<(), String> {
    let name = |tier| &config.table.ladder().tier(tier).name;
    if decision.tier == expected {
        return Ok(());
    }
    Err(format!(
        "goes to tier `{}` ({}), expected `{}`",
        name(decision.tier),
        decision.reason.summary(),
        name(expected)
    ))
}

fn headers(test: &ConfigTest) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &test.headers {
        let bad = |_| format!("`{name}` with this value is no HTTP header");
        let value = HeaderValue::from_str(value).map_err(|error| bad(error.to_string()))?;
        headers.insert(HeaderName::try_from(name).map_err(|error| bad(error.to_string()))?, value);
    }
    Ok(headers)
}

/// One value a line, with its origin; sections apart.
fn show(config: &Config) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut section = "";
    for setting in &config.settings {
        let own = setting.path.split('.').next().unwrap_or_default();
        if own != section && !section.is_empty() {
            writeln!(out)?;
        }
        section = own;
        let origin = match &setting.origin {
            Origin::Line(line) => format!("{}:{line}", config.file),
            Origin::Environment(name) => format!("environment {name}"),
            Origin::Default => "default".into(),
            Origin::Catalogue(source) => source.clone(),
        };
        writeln!(out, "{} = {}  # {origin}", setting.path, setting.value)?;
    }
    Ok(())
}

fn shortened(name: &str) -> String {
    let line = name.lines().next().unwrap_or_default();
    match line.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// Days since 1970-01-01, UTC.
pub(crate) fn today() -> i32 {
    day_of(now_ms())
}
