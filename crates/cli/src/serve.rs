//! `tierway serve`: the gateway, until it is told to stop.

use crate::exit::{Done, Failed, say};
use crate::load::ConfigArg;
use crate::weekly::Schedule;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tierway_config::Config;
use tierway_gateway::Gateway;
use tokio::signal::unix::{SignalKind, signal};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Worker threads, one core each [default: all cores]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Logs as JSON lines
    #[arg(long)]
    log_json: bool,
}

pub(crate) fn run(args: &Args) -> Done {
    start_logs(args.log_json);
    // Before it is read: a change from here on is seen as one.
    let read = Stamp::of(args.config.path());
    let config = args.config.load()?;
    for missing in config.missing_keys(&|name| std::env::var(name).ok()) {
        say(format_args!("warning: provider `{}`: {}", missing.provider, missing.error));
    }
    let shared = is_taken(config.server.listen);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let gateway = Gateway::start(&config, args.workers.unwrap_or(cores)).map_err(Failed::told)?;
    if shared {
        say(
            "warning: another process listens at this address, too: until one of them stops, each gets a share of the requests",
        );
    }
    greet(&config, &gateway);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(until_stopped(&args.config, config, &gateway, read))?;
    say("tierway: stopping; requests in progress may finish");
    let stopped = gateway.stop().map_err(Failed::told);
    // A report in the making is made at the next start.
    runtime.shutdown_background();
    stopped
}

/// Somebody listens there already. A port can be shared so that one tierway takes over from another without a gap; who does
/// not mean that has to be told, since nothing fails.
pub(crate) fn is_taken(address: SocketAddr) -> bool {
    address.port() != 0 && TcpListener::bind(address).is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

/// How often it is looked whether the config has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits for SIGTERM or Ctrl-C; SIGHUP, or a change of the file, has the config read again.
async fn until_stopped(arg: &ConfigArg, mut config: Config, gateway: &Gateway, mut read: Stamp) -> std::io::Result<()> {
    let mut week = Schedule::new(&config);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut settling = read;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => {
                read = Stamp::of(arg.path());
                config = reload(arg, gateway).unwrap_or(config);
            }
            () = tokio::time::sleep(LOOK_EVERY) => {
                let now = Stamp::of(arg.path());
                // The same at two looks: nobody is in the middle of writing it.
                if now != read && now == settling {
                    read = now;
                    config = reload(arg, gateway).unwrap_or(config);
                }
                settling = now;
                week.look(&config).await;
            }
        }
    }
}

/// What tells one content of a file from another; nothing while there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(Option<(SystemTime, u64)>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let read = std::fs::metadata(path).and_then(|file| Ok((file.modified()?, file.len())));
        Self(read.ok())
    }
}

/// A bad new config keeps the old one in force and says why.
fn reload(arg: &ConfigArg, gateway: &Gateway) -> Option<Config> {
    let reloaded = match arg.load() {
        Ok(config) => gateway.reload(&config).map(|()| config).map_err(|error| error.to_string()),
        Err(Failed::Told(problems)) => Err(problems),
        Err(Failed::Silent | Failed::HadEnough) => Err("the config cannot be read".to_owned()),
    };
    match reloaded {
        Ok(config) => {
            say(format_args!("tierway: {} is in force", arg.path().display()));
            Some(config)
        }
        Err(problems) => {
            say(format_args!("tierway: the old config stays in force; {problems}"));
            None
        }
    }
}

fn greet(config: &Config, gateway: &Gateway) {
    let ladder = config.table.ladder();
    let tiers: Vec<_> = ladder.tiers().iter().map(|tier| tier.name.as_str()).collect();
    let address = gateway.address();
    say(format_args!("tierway {} listens on http://{address}", env!("CARGO_PKG_VERSION")));
    say(format_args!("  OpenAI clients:  base_url = \"http://{address}/v1\", model = \"auto\""));
    say(format_args!("  dashboard:       http://{address}/dashboard"));
    say(format_args!("  tiers:           {} (baseline: {})", tiers.join(" < "), ladder.tier(ladder.baseline()).name));
    say(format_args!("  records:         {}", config.ledger.path.display()));
    if config.keys.is_empty() {
        say("  keys:            none; everybody who reaches this address may ask");
    }
}

/// Logs go to stderr; `RUST_LOG` chooses what, warnings by default.
fn start_logs(json: bool) {
    use std::io::IsTerminal;
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if json { logs.json().init() } else { logs.init() }
}
