//! `tierway serve`: the gateway, until it is told to stop.

use crate::exit::{Done, Failed, say};
use crate::load::ConfigArg;
use crate::recalibrate::Recalibration;
use crate::weekly::Schedule;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
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
    let watch = Watch::new(args.config.path(), read, &config);
    let recalibration = Recalibration::new(&config);
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
    runtime.block_on(until_stopped(&args.config, config, &gateway, watch, recalibration))?;
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
async fn until_stopped(
    arg: &ConfigArg,
    mut config: Config,
    gateway: &Gateway,
    mut watch: Watch,
    mut recalibration: Recalibration,
) -> std::io::Result<()> {
    let mut week = Schedule::new(&config);
    let leadership = gateway.leadership();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => {
                watch.look();
                config = reload(arg, gateway, &mut watch).unwrap_or(config);
            }
            () = tokio::time::sleep(LOOK_EVERY) => {
                if watch.has_changed() | recalibration.has_changed(&config).await {
                    config = reload(arg, gateway, &mut watch).unwrap_or(config);
                }
                // Of several processes one makes it.
                if leadership.leads() {
                    week.look(&config).await;
                    recalibration.look(&config).await;
                }
            }
        }
    }
}

/// The config and the files of its certificate, as they were read.
struct Watch {
    files: Vec<PathBuf>,
    read: Vec<Stamp>,
    settling: Vec<Stamp>,
}

impl Watch {
    fn new(path: &Path, stamp: Stamp, config: &Config) -> Self {
        let mut watch = Self { files: vec![path.to_owned()], read: vec![stamp], settling: vec![stamp] };
        watch.follow(config);
        watch
    }

    /// Names the files of a config, which was just read.
    fn follow(&mut self, config: &Config) {
        let tls = config.server.tls.iter().flat_map(|tls| [tls.cert_file.clone(), tls.key_file.clone()]);
        let files: Vec<_> = self.files.iter().take(1).cloned().chain(tls).collect();
        if files != self.files {
            self.files = files;
            let stamps = self.stamps();
            self.read.splice(1.., stamps.into_iter().skip(1));
            self.settling.clone_from(&self.read);
        }
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.files.iter().map(|file| Stamp::of(file)).collect()
    }

    /// What is there now is read.
    fn look(&mut self) {
        self.read = self.stamps();
        self.settling.clone_from(&self.read);
    }

    /// Whether there is something new, which is then taken for read.
    fn has_changed(&mut self) -> bool {
        let now = self.stamps();
        // The same at two looks: nobody is in the middle of writing it.
        let changed = now != self.read && now == self.settling;
        if changed {
            self.read.clone_from(&now);
        }
        self.settling = now;
        changed
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
fn reload(arg: &ConfigArg, gateway: &Gateway, watch: &mut Watch) -> Option<Config> {
    let reloaded = match arg.load() {
        Ok(config) => gateway.reload(&config).map(|()| config).map_err(|error| error.to_string()),
        Err(Failed::Told(problems)) => Err(problems),
        Err(Failed::Silent | Failed::HadEnough) => Err("the config cannot be read".to_owned()),
    };
    match reloaded {
        Ok(config) => {
            watch.follow(&config);
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
    let scheme = |beyond: bool| if beyond && config.server.tls.is_some() { "https" } else { "http" };
    let url = format!("{}://{}", scheme(true), gateway.address());
    let admin = gateway.admin_address().map(|admin| format!("{}://{admin}", scheme(!admin.ip().is_loopback())));
    say(format_args!("tierway {} listens on {url}", env!("CARGO_PKG_VERSION")));
    say(format_args!("  OpenAI clients:  base_url = \"{url}/v1\", model = \"auto\""));
    say(format_args!("  dashboard:       {}/dashboard", admin.as_ref().unwrap_or(&url)));
    say(format_args!("  tiers:           {} (baseline: {})", tiers.join(" < "), ladder.tier(ladder.baseline()).name));
    if let Ok(location) = tierway_gateway::location(config) {
        say(format_args!("  records:         {location}"));
    }
    let keys = if gateway.is_open() { "none; everybody who reaches this address may ask" } else { "asked for" };
    say(format_args!("  keys:            {keys}"));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    fn config(dir: &Path) -> Config {
        let text = "[server]\ntls = { cert_file = \"c.pem\", key_file = \"k.pem\" }\n[providers.openai]\nkind = \"openai\"\n\
            [[tiers]]\nname = \"standard\"\ntargets = [\"openai/gpt-4o\"]\n";
        tierway_config::parse(text, dir.join("t.toml").to_str().unwrap(), &|_| None).unwrap()
    }

    #[test]
    fn a_change_of_config_certificate_or_key_is_seen_once_it_has_settled() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.toml");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        ["t.toml", "c.pem", "k.pem"].iter().for_each(|name| write(name, "a"));
        let mut watch = Watch::new(&path, Stamp::of(&path), &config(dir.path()));
        assert!(!watch.has_changed());
        for name in ["t.toml", "c.pem", "k.pem"] {
            write(name, "longer");
            assert!(!watch.has_changed(), "{name}: it may still be written");
            assert!(watch.has_changed() && !watch.has_changed(), "{name}");
        }
    }
}
