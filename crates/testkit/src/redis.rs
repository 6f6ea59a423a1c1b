//! A Redis of a test's own: on a free loopback port, keeps nothing on disk, gone with the process that started it.
//!
//! Needs `redis-server` (6.2 or later) or `valkey-server` in the path. Nothing of an installed server is touched.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Its password, to see that it is never shown.
pub const PASSWORD: &str = "only-for-redis";
/// How long starting may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// A running server. Ends when dropped, and when its process ends in any way.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    server: Option<Child>,
    /// Words of its command line beyond ours.
    settings: Vec<String>,
}

impl Redis {
    /// Starts one.
    ///
    /// # Errors
    /// What is missing and how to install it.
    pub fn start() -> Result<Self, String> {
        Self::start_with(&[])
    }

    /// Starts one that speaks TLS alone, with a certificate and its key (PEM).
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_tls(certificate: &Path, key: &Path) -> Result<Self, String> {
        let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
        Self::start_with(&["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-auth-clients", "no"])
    }

    /// Starts one with more settings, as words of its command line.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(settings: &[&str]) -> Result<Self, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let settings = settings.iter().map(|word| (*word).to_owned()).collect();
        let mut redis = Self { port: free.map_err(|error| error.to_string())?.port(), server: None, settings };
        redis.restart()?;
        Ok(redis)
    }

    /// Starts it again on the same port, empty, after [`Self::kill`] or as it is.
    ///
    /// # Errors
    /// When it does not come up in time.
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill();
        let port = self.port.to_string();
        let tls = self.speaks_tls();
        let [plain, encrypted] = if tls { ["0", port.as_str()] } else { [port.as_str(), "0"] };
        let begin = |program: &str| {
            // The shell ends the server when nobody holds its input any longer.
            let script = "\"$@\" & cat > /dev/null; kill -9 $!";
            let mut command = Command::new("sh");
            command.args(["-c", script, "redis", program, "--bind", "127.0.0.1", "--port", plain, "--save", ""]);
            command.args(["--appendonly", "no", "--requirepass", PASSWORD]);
            if tls {
                command.args(["--tls-port", encrypted]);
            }
            command.args(&self.settings);
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        };
        let found = |program: &&&str| {
            Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let program = ["redis-server", "valkey-server"].iter().find(found);
        let program = program.ok_or("redis-server is missing: install it (Debian: apt-get install redis-server)")?;
        self.server = Some(begin(program).map_err(|error| format!("{program}: {error}"))?);
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if begun.elapsed() > LIMIT {
                return Err(format!("{program} does not listen on port {port} after {LIMIT:?}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Kills it, as `kill -9` would.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.stdin.take());
            let _ = server.wait();
        }
    }

    /// Runs a script in it, of one without TLS; gives the number that it returns.
    ///
    /// # Errors
    /// What the server said instead.
    pub fn eval(&self, script: &str) -> Result<i64, String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        let mut ask = |words: &[&str]| {
            let count = words.len();
            let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
            let call = format!("*{}\r\n{words}", count);
            stream.write_all(call.as_bytes()).map_err(|error| error.to_string())?;
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).map_err(|error| error.to_string())?;
            Ok::<_, String>(line.trim().to_owned())
        };
        ask(&["AUTH", PASSWORD])?;
        let said = ask(&["EVAL", script, "0"])?;
        said.strip_prefix(':').and_then(|number| number.parse().ok()).ok_or(said)
    }

    /// Closes all connections but so many of the oldest, as a server does with those that are idle; gives how many those were.
    ///
    /// # Errors
    /// What the server said instead.
    pub fn close_all_but(&self, oldest: usize) -> Result<usize, String> {
        let said = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(said)?;
        let mut reader = BufReader::new(stream.try_clone().map_err(said)?);
        let mut ask = |words: &str| {
            stream.write_all(format!("{words}\r\n").as_bytes()).map_err(said)?;
            let mut line = String::new();
            reader.read_line(&mut line).map_err(said)?;
            let length = line.strip_prefix('$').and_then(|length| length.trim().parse::<usize>().ok());
            let mut text = vec![0; length.map_or(0, |length| length + 2)];
            reader.read_exact(&mut text).map_err(said)?;
            if line.starts_with('-') { Err(line) } else { Ok(String::from_utf8_lossy(&text).into_owned()) }
        };
        ask(&format!("AUTH {PASSWORD}"))?;
        let list = ask("CLIENT LIST")?;
        let id = |line: &str| line.strip_prefix("id=")?.split(' ').next()?.parse::<u64>().ok();
        let mut ids: Vec<_> = list.lines().filter_map(id).collect();
        ids.sort_unstable();
        // The newest is the one that asks.
        ids.pop();
        let closed = ids.split_off(oldest.min(ids.len()));
        closed.iter().try_for_each(|id| ask(&format!("CLIENT KILL ID {id}")).map(drop))?;
        Ok(closed.len())
    }

    fn speaks_tls(&self) -> bool {
        self.settings.iter().any(|word| word == "--tls-cert-file")
    }

    /// Where it is, with its password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at("127.0.0.1")
    }

    /// The same under another name of this machine.
    #[must_use]
    pub fn url_at(&self, host: &str) -> String {
        let scheme = if self.speaks_tls() { "rediss" } else { "redis" };
        format!("{scheme}://:{PASSWORD}@{host}:{}/0", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
