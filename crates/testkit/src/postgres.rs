//! A PostgreSQL of a test's own: made from nothing on a free loopback port, gone with the process that started it.
//!
//! Needs `initdb` and `postgres` of version 14 or later, in the path or where Debian puts them. PostgreSQL refuses to run as
//! root, so root runs it as `postgres`, or else as `nobody`. Nothing of an installed server is touched.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The password of [`USER`], to see that it is never shown.
pub const PASSWORD: &str = "only-for-tests";
const USER: &str = "tierway";
/// In the folder of one that speaks TLS.
const CERTIFICATE: &str = "server.pem";
const KEY: &str = "server.key";
/// How long starting may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Debian's way of keeping several versions beside each other.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A running server. Ends when dropped, and when its process ends in any way.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    programs: PathBuf,
    /// Whom it runs as, when we are root.
    runs_as: Option<&'static str>,
    server: Option<Child>,
    /// Reads from us until we are gone, then stops the server and removes its folder.
    guard: Child,
    databases: AtomicU32,
}

impl Postgres {
    /// Makes a server and starts it.
    ///
    /// # Errors
    /// What is missing and how to install it, or what a step said.
    pub fn start() -> Result<Self, String> {
        Self::start_with(None)
    }

    /// The same with a certificate and its key (PEM): it speaks TLS to who wants it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_tls(certificate: &str, key: &str) -> Result<Self, String> {
        Self::start_with(Some((certificate, key)))
    }

    fn start_with(tls: Option<(&str, &str)>) -> Result<Self, String> {
        let programs = programs()?;
        let runs_as = runs_as()?;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tierway-postgres-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        // The other user has to reach it.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
        let password = folder.join("password");
        fs::write(&password, PASSWORD).map_err(|error| error.to_string())?;
        if let Some((certificate, key)) = tls {
            fs::write(folder.join(CERTIFICATE), certificate).map_err(|error| error.to_string())?;
            fs::write(folder.join(KEY), key).map_err(|error| error.to_string())?;
            let private = fs::Permissions::from_mode(0o600);
            fs::set_permissions(folder.join(KEY), private).map_err(|error| error.to_string())?;
        }
        if let Some(user) = runs_as {
            run(Command::new("chown").args(["-R", user]).arg(&folder))?;
        }
        let mut initdb = as_user(runs_as, &programs.join("initdb"));
        initdb.args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--username", USER]);
        run(initdb.arg("--pwfile").arg(&password).arg("--pgdata").arg(folder.join("data")))?;
        let guard = guard(&folder)?;
        let databases = AtomicU32::new(0);
        let mut server = Self { folder, port: free_port()?, programs, runs_as, server: None, guard, databases };
        server.restart()?;
        Ok(server)
    }

    /// Starts it again on the same port, after [`Self::kill`] or as it is.
    ///
    /// # Errors
    /// What the server said when it does not come up within a minute.
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill();
        let begun = Instant::now();
        loop {
            let log = fs::File::options().create(true).append(true).open(self.folder.join("log"));
            let log = log.map_err(|error| error.to_string())?;
            let mut start = as_user(self.runs_as, &self.programs.join("postgres"));
            start.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
            start.args(["-p", &self.port.to_string(), "-h", "127.0.0.1"]);
            // What a crash of the machine would lose does not matter here; what a killed server loses does.
            for setting in ["fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=64MB"] {
                start.args(["-c", setting]);
            }
            if self.folder.join(CERTIFICATE).exists() {
                let [certificate, key] = [CERTIFICATE, KEY].map(|name| self.folder.join(name).display().to_string());
                for setting in [format!("ssl_cert_file={certificate}"), format!("ssl_key_file={key}"), "ssl=on".into()]
                {
                    start.args(["-c", &setting]);
                }
            }
            start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let mut server = start.spawn().map_err(|error| error.to_string())?;
            // One that was killed may still hold its memory for a moment: then this one ends, and the next try succeeds.
            while server.try_wait().is_ok_and(|ended| ended.is_none()) && begun.elapsed() < LIMIT {
                if self.sql(&self.url("postgres"), "SELECT 1").is_ok() {
                    self.server = Some(server);
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            if begun.elapsed() > LIMIT {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(format!("PostgreSQL did not start within a minute; it said: {log}"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Kills it, as `kill -9` or the machine's memory guard would.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Where a database is, with user and password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database; gives its URL.
    ///
    /// # Errors
    /// What the server said.
    pub fn database(&self) -> Result<String, String> {
        self.copy(&self.url("template1"))
    }

    /// Makes a database with the content of another one, to which nobody may be connected.
    ///
    /// # Errors
    /// What the server said.
    pub fn copy(&self, url: &str) -> Result<String, String> {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let original = url.rsplit('/').next().unwrap_or_default();
        let make = format!("CREATE DATABASE {name} TEMPLATE {original}");
        // Copies of one database take turns, and a connection that has just ended counts for a moment.
        let begun = Instant::now();
        loop {
            match self.sql(&self.url("postgres"), &make) {
                Err(error) if error.contains("being accessed") && begun.elapsed() < LIMIT => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                made => return made.map(|_| self.url(&name)),
            }
        }
    }

    /// Runs SQL in a database; gives what it says, columns parted by `|`.
    ///
    /// # Errors
    /// What the server said.
    pub fn sql(&self, url: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new("psql");
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "-v", "ON_ERROR_STOP=1"]);
        psql.args([url, "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut psql = psql.spawn().map_err(|error| format!("psql: {error}; {INSTALL}"))?;
        if let Some(mut input) = psql.stdin.take() {
            input.write_all(sql.as_bytes()).map_err(|error| error.to_string())?;
        }
        let said = psql.wait_with_output().map_err(|error| error.to_string())?;
        if said.status.success() {
            return Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned());
        }
        Err(String::from_utf8_lossy(&said.stderr).into_owned())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

const INSTALL: &str = "install PostgreSQL 14 or later (Debian: apt-get install postgresql)";

/// The folder of `initdb` and `postgres`: the newest that Debian has, or that of the path.
fn programs() -> Result<PathBuf, String> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    let debian = newest.map(|version| Path::new(DEBIAN).join(version.to_string()).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = debian.into_iter().chain(std::env::split_paths(&path));
    let found = all.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
    found.ok_or_else(|| format!("initdb and postgres are missing: {INSTALL}"))
}

/// None when we are somebody ourselves.
fn runs_as() -> Result<Option<&'static str>, String> {
    if run(Command::new("id").arg("-u"))? != "0" {
        return Ok(None);
    }
    let known = |user: &&&str| run(Command::new("id").args(["-u", user])).is_ok();
    let user = ["postgres", "nobody"].iter().find(known);
    user.copied().map(Some).ok_or_else(|| "PostgreSQL does not run as root, and there is no other user".into())
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--clear-groups"]).arg(program).current_dir("/");
    command
}

fn guard(folder: &Path) -> Result<Child, String> {
    let script =
        "cat > /dev/null; read -r pid < \"$1/data/postmaster.pid\" && kill -QUIT \"$pid\"; sleep 0.3; rm -rf \"$1\"";
    let mut guard = Command::new("sh");
    guard.args(["-c", script, "guard"]).arg(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    guard.spawn().map_err(|error| error.to_string())
}

fn free_port() -> Result<u16, String> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.map(|address| address.port()).map_err(|error| error.to_string())
}

fn run(command: &mut Command) -> Result<String, String> {
    let said = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&said.stderr)))
}
