//! `tierway serve`: the gateway, until it is told to stop.

mod watch;

use crate::exit::{Done, Failed, LOG, say, tell, warn};
use crate::load::{ConfigArg, warn_of_missing_keys};
use crate::recalibrate::Recalibration;
use crate::stopping::Stopping;
use crate::weekly::Schedule;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tierway_config::Config;
use tierway_gateway::Gateway;
use tokio::signal::unix::{Signal, SignalKind, signal};
use watch::Watch;

#[derive(clap::Args, Clone)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Worker threads, one core each [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Logs as JSON lines, from the first to the last. The variable `RUST_LOG` chooses what is logged: `warn` by default, `info`
    /// adds a line for every request
    #[arg(long)]
    log_json: bool,
}

pub(crate) fn run(args: &Args) -> Done {
    start_logs(args.log_json);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(serve(args));
    // A report in the making is made at the next start.
    runtime.shutdown_background();
    done
}

async fn serve(args: &Args) -> Done {
    // Before anything else: a supervisor may reload or stop what it has only just started.
    let mut stopping = Stopping::new()?;
    let hang_up = signal(SignalKind::hangup())?;
    let asked = args.clone();
    let started = tokio::select! {
        started = tokio::task::spawn_blocking(move || start(&asked)) => started,
        () = stopping.wanted() => {
            tell("stopped before it listened");
            return Ok(());
        }
    };
    let Started { config, gateway, watch, recalibration } =
        started.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()))?;
    greet(&config, &gateway, args.log_json);
    until_stopped((&mut stopping, hang_up), &args.config, config, &gateway, watch, recalibration).await;
    tell("stopping; requests in progress may finish (Ctrl-C again ends now)");
    stopping.stop(gateway).await.map_err(Failed::told)
}

/// A gateway that listens, and what it was made from.
struct Started {
    config: Config,
    gateway: Gateway,
    watch: Watch,
    recalibration: Recalibration,
}

/// May wait for a database.
fn start(args: &Args) -> Result<Started, Failed> {
    let mut watch = Watch::begin(&args.config.place());
    let config = args.config.load()?;
    watch.follow(&config);
    let recalibration = Recalibration::new(&config);
    warn_of_missing_keys(&config);
    let shared = is_taken(config.server.listen);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let gateway = Gateway::start(&config, args.workers.map_or(cores, usize::from)).map_err(Failed::told)?;
    if shared {
        warn(
            "another process listens at this address, too: until one of them stops, each gets a share of the requests",
        );
    }
    Ok(Started { config, gateway, watch, recalibration })
}

/// Somebody listens there already. A port can be shared so that one tierway takes over from another without a gap; who does
/// not mean that has to be told, since nothing fails.
pub(crate) fn is_taken(address: SocketAddr) -> bool {
    address.port() != 0 && TcpListener::bind(address).is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

/// How often it is looked whether the config has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits for SIGTERM or Ctrl-C; SIGHUP, or a change of it, has the config read again.
async fn until_stopped(
    (stopping, mut hang_up): (&mut Stopping, Signal),
    arg: &ConfigArg,
    mut config: Config,
    gateway: &Gateway,
    mut watch: Watch,
    mut recalibration: Recalibration,
) {
    let started = config.clone();
    let mut failed: Option<FailedReload> = None;
    let mut week = Schedule::new(&config);
    let leadership = gateway.leadership();
    loop {
        let is_new = tokio::select! {
            () = stopping.wanted() => return,
            _ = hang_up.recv() => {
                watch.look();
                true
            }
            () = tokio::time::sleep(LOOK_EVERY) => {
                // Of several processes one makes it.
                if leadership.leads() {
                    week.look(&config).await;
                    recalibration.look(&config).await;
                }
                watch.has_changed().await | recalibration.has_changed(&config).await
            }
        };
        if !is_new && failed.as_ref().is_none_or(|failed| Instant::now() < failed.again_at) {
            continue;
        }
        match reload(arg, gateway, &mut watch, &started).await {
            Ok(taken) => {
                (config, failed) = (taken, None);
                recalibration.in_force();
            }
            Err(why) => failed = Some(FailedReload::after(failed.filter(|_| !is_new), why)),
        }
    }
}

/// A reload that failed. It is tried again although nothing changes: what it wants, such as a database or the file of a key,
/// may have been away for a moment, and nobody else would take up what is new.
struct FailedReload {
    why: String,
    pause: Duration,
    again_at: Instant,
}

impl FailedReload {
    const FIRST_PAUSE: Duration = Duration::from_secs(2);
    const LONGEST_PAUSE: Duration = Duration::from_secs(300);

    /// Says why, once for each reason. `before`: the try for the same change that failed before this one.
    fn after(before: Option<Self>, why: String) -> Self {
        let (pause, said) = match before {
            Some(before) => ((before.pause * 2).min(Self::LONGEST_PAUSE), before.why == why),
            None => (Self::FIRST_PAUSE, false),
        };
        if !said {
            warn(format_args!("the old config stays in force; {why}"));
        }
        Self { why, pause, again_at: Instant::now() + pause }
    }
}

/// A bad new config keeps the old one in force; one that changes what only a start can, says so.
async fn reload(arg: &ConfigArg, gateway: &Gateway, watch: &mut Watch, started: &Config) -> Result<Config, String> {
    let place = arg.clone();
    // A database may keep us waiting, and its client has a runtime of its own.
    let loaded = tokio::task::spawn_blocking(move || place.load()).await;
    let reloaded = match loaded {
        Ok(Ok(config)) => {
            // The keys of providers are read anew, too.
            warn_of_missing_keys(&config);
            gateway.reload(&config).map(|()| config).map_err(|error| error.to_string())
        }
        Ok(Err(Failed::Told(problems))) => Err(problems),
        Ok(Err(Failed::Silent | Failed::HadEnough)) | Err(_) => Err("the config cannot be read".to_owned()),
    };
    gateway.count_reload(reloaded.is_ok());
    let config = reloaded?;
    watch.follow(&config);
    match &config.fixed_at_start(started)[..] {
        [] => tell(format_args!("{} is in force", arg.place())),
        fixed => warn(format_args!(
            "{} is in force, but what it changes in {} takes a restart",
            arg.place(),
            fixed.join(" and ")
        )),
    }
    Ok(config)
}

/// Says where it is reached: to people as text, to programs as an event of the log.
fn greet(config: &Config, gateway: &Gateway, json: bool) {
    let ladder = config.table.ladder();
    let tiers: Vec<_> = ladder.tiers().iter().map(|tier| tier.name.as_str()).collect();
    let scheme = |beyond: bool| if beyond && config.server.tls.is_some() { "https" } else { "http" };
    let url = format!("{}://{}", scheme(true), gateway.address());
    let admin = gateway.admin_address().map(|admin| format!("{}://{admin}", scheme(!admin.ip().is_loopback())));
    let records = tierway_gateway::location(config).map(|location| location.to_string()).unwrap_or_default();
    let keys = if gateway.is_open() { "none; everybody who reaches this address may ask" } else { "asked for" };
    if json {
        let (version, dashboard) = (env!("CARGO_PKG_VERSION"), admin.as_ref().unwrap_or(&url));
        let tiers = tiers.join(" < ");
        tracing::info!(target: LOG, version, url, dashboard, tiers, records, keys, "listens on {url}");
        return;
    }
    say(format_args!("tierway {} listens on {url}", env!("CARGO_PKG_VERSION")));
    say(format_args!("  OpenAI clients:  base_url = \"{url}/v1\", model = \"auto\""));
    say(format_args!("  dashboard:       {}/dashboard", admin.as_ref().unwrap_or(&url)));
    say(format_args!("  tiers:           {} (baseline: {})", tiers.join(" < "), ladder.tier(ladder.baseline()).name));
    say(format_args!("  records:         {records}"));
    say(format_args!("  keys:            {keys}"));
}

/// Logs go to stderr; `RUST_LOG` chooses what, warnings by default. What `serve` says of itself is always in them.
fn start_logs(json: bool) {
    use std::io::IsTerminal;
    use tracing_subscriber::EnvFilter;
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    if let Ok(always) = format!("{LOG}=info").parse() {
        filter = filter.add_directive(always);
    }
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if json { logs.json().init() } else { logs.init() }
}
