//! One tierway process with its config and ledger, in a directory of its own.

use crate::common::PROGRAM;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A debug build on a busy machine starts well within this.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    said: Receiver<String>,
}

impl Process {
    /// Starts one and waits until it listens.
    pub(crate) fn start(config: &Path) -> Self {
        let program = std::env::var_os("TIERWAY_BIN").map_or(PROGRAM.into(), PathBuf::from);
        let mut command = Command::new(program);
        command.args(["serve", "--workers", "2", "--config"]).arg(config);
        command.env_remove("TIERWAY_LISTEN").env_remove("TIERWAY_LEDGER").env("RUST_LOG", "error");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = lines(child.stderr.take().unwrap());
        let mut process = Self { child, address: SocketAddr::from(([0; 4], 0)), said };
        let line = process.hear("listens on http://");
        process.address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
        process
    }

    /// Waits for a line with these words on stderr.
    pub(crate) fn hear(&self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut before = String::new();
        loop {
            match self.said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => before = before + &line + "\n",
                Err(RecvTimeoutError::Timeout) => panic!("did not say `{words}` in time, but:\n{before}"),
                Err(RecvTimeoutError::Disconnected) => panic!("ended without `{words}`:\n{before}"),
            }
        }
    }

    /// No chance to write anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks it to stop and waits until it did.
    pub(crate) fn stop(self) {
        self.signal("-TERM");
        self.ends_well();
    }

    /// Waits until it stopped, as it was told.
    pub(crate) fn ends_well(mut self) {
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}:\n{}", self.said.iter().collect::<Vec<_>>().join("\n"));
    }

    /// Resident memory in KiB, open files, threads.
    pub(crate) fn size(&self) -> [u64; 3] {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count() as u64;
        [field("RssAnon:"), files, field("Threads:")]
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (said, heard) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if said.send(line).is_err() {
                return;
            }
        }
    });
    heard
}

/// Writes a config for providers at these addresses: `standard` is served by the first and then by the second.
pub(crate) fn config(dir: &Path, providers: [&str; 2], listen: &str, more: &str) -> PathBuf {
    let provider = |name: &str, url: &str| {
        format!(
            "[providers.{name}]\nkind = \"openai_compatible\"\nbase_url = \"{url}/v1\"\nfirst_byte_ms = 1000\nbetween_chunks_ms = 500\n"
        )
    };
    let target = |name: &str, weight: u32| {
        format!(
            r#"{{ provider = "{name}", model = "m", weight = {weight}, context_window = 128000, parameters = {{ prefill = true }}, price = {{ input = 1.0, output = 2.0 }} }},"#
        )
    };
    let text = format!(
        "{}{}[server]\nlisten = \"{listen}\"\ngrace_seconds = 10\n[[tiers]]\nname = \"standard\"\ntargets = [{}{}]\n[routing]\nbaseline = \"standard\"\n{more}",
        provider("first", providers[0]),
        provider("second", providers[1]),
        target("first", 1),
        target("second", 0),
    );
    let path = dir.join("tierway.toml");
    std::fs::write(&path, text).unwrap();
    path
}
