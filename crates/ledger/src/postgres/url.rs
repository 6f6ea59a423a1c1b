//! The address of a PostgreSQL. It may hold a password, so it is never shown as it is.

use crate::LedgerError;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How long connecting may take, for each address of the host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Sent bytes that nobody acknowledges for so long: the other side is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// `postgres://user:password@host:port/database?parameters`. Shown without user, password and parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(Arc<str>);

/// How the connection is protected.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// Not at all: a socket or address of this machine, or `sslmode=disable`.
    Off,
    /// Encrypted, and the server's certificate has to be right: by the public authorities, or by those in a file.
    Checked { authorities: Option<PathBuf> },
}

impl PostgresUrl {
    /// Takes what looks like a URL, in whatever case and of whatever kind, or like libpq's `host=… password=…`: it may hold a
    /// password, and is never a path.
    #[must_use]
    pub fn recognize(text: &str) -> Option<Self> {
        (text.contains("://") || text.contains("password=")).then(|| Self::new(text))
    }

    /// Takes what was given for a URL. Whether it is right, and one of PostgreSQL at all, is found when it is used.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        let written = text.split_once("://").map(|(scheme, rest)| format!("{}://{rest}", scheme.to_ascii_lowercase()));
        Self(written.unwrap_or_else(|| text.to_owned()).into())
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// [`LedgerError::BadUrl`].
    pub fn check(&self) -> Result<(), LedgerError> {
        self.parse().map(|_| ())
    }

    pub(super) fn parse(&self) -> Result<(Config, Tls), LedgerError> {
        let bad = |cause: &str| LedgerError::BadUrl { cause: cause.into() };
        if !["postgres://", "postgresql://"].iter().any(|scheme| self.0.starts_with(scheme)) {
            let quoted = self.0.starts_with(['"', '\'']);
            let hint = if quoted { "it begins with a quote, which belongs to none" } else { "a file has no `://`" };
            return Err(bad(&format!("it is not one of PostgreSQL, and {hint}")));
        }
        // The first one ends the password, so what is left of a password with one in it would count, and be shown, as the host.
        if self.0.matches('@').count() > 1 {
            return Err(bad("it has more than one `@`; one in the password is written %40"));
        }
        let (rest, mode, authorities) = self.without_tls();
        // What the parser says may quote a part of a password that is not written as it should be.
        let mut config: Config =
            rest.parse().map_err(|_| bad("it does not read as a URL, or has a parameter that is not known"))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(bad("it names no host"));
        }
        let tls = match mode.as_deref() {
            Some("disable") => Tls::Off,
            None if authorities.is_none() && is_local(&config) => Tls::Off,
            None | Some("require" | "verify-ca" | "verify-full") => Tls::Checked { authorities },
            Some(_) => return Err(bad("sslmode is neither disable nor require (which checks the certificate)")),
        };
        config.ssl_mode(if tls == Tls::Off { SslMode::Disable } else { SslMode::Require });
        config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(UNACKNOWLEDGED);
        config.keepalives_idle(UNACKNOWLEDGED).keepalives_interval(Duration::from_secs(5)).keepalives_retries(3);
        if config.get_application_name().is_none() {
            config.application_name("tierway");
        }
        Ok((config, tls))
    }

    /// Without the parameters of TLS, which are ours to read: `sslmode` and `sslrootcert`.
    fn without_tls(&self) -> (String, Option<String>, Option<PathBuf>) {
        let Some((before, parameters)) = self.0.rsplit_once('?') else { return (self.0.to_string(), None, None) };
        let (mut mode, mut authorities, mut others) = (None, None, Vec::new());
        for parameter in parameters.split('&') {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value.to_owned()),
                Some(("sslrootcert", value)) => authorities = Some(PathBuf::from(value)),
                _ => others.push(parameter),
            }
        }
        let rest = if others.is_empty() { before.to_owned() } else { format!("{before}?{}", others.join("&")) };
        (rest, mode, authorities)
    }
}

fn is_local(config: &Config) -> bool {
    config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
        && config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
            #[cfg(unix)]
            Host::Unix(_) => true,
        })
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok((config, _)) = self.parse() else { return f.write_str("postgres://(unreadable)") };
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            #[cfg(unix)]
            Some(Host::Unix(folder)) => folder.display().to_string(),
            None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
        write!(f, "postgres://{host}:{port}/{database}")
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "cases read better without a borrow")]
    fn check(url: &str, shown: &str, tls: Option<Tls>) {
        let parsed = PostgresUrl::recognize(url).unwrap();
        assert_eq!((parsed.to_string(), format!("{parsed:?}")), (shown.to_owned(), shown.to_owned()), "{url}");
        assert_eq!(parsed.parse().ok().map(|(_, tls)| tls), tls, "{url}");
        if let Err(error) = parsed.check() {
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn user_and_password_are_never_shown_and_tls_is_checked_unless_it_stays_on_the_machine() {
        let checked = || Some(Tls::Checked { authorities: None });
        check("postgres://u:s3cret@db.example:6432/app", "postgres://db.example:6432/app", checked());
        check("postgresql://u:s3cret@db.example/app?sslmode=require", "postgres://db.example:5432/app", checked());
        check("postgres://u:s3cret@db.example/app?sslmode=disable", "postgres://db.example:5432/app", Some(Tls::Off));
        check("postgres://u:s3cret@127.0.0.1/app", "postgres://127.0.0.1:5432/app", Some(Tls::Off));
        check("postgres:///app?host=/run/pg&user=u&port=9", "postgres:///run/pg:9/app", Some(Tls::Off));
        let own = Some(Tls::Checked { authorities: Some("/etc/ca.pem".into()) });
        check("postgres://u@db/app?sslrootcert=/etc/ca.pem&connect_timeout=3", "postgres://db:5432/app", own);
        check("postgres://u:s3cret@db/app?sslmode=prefer", "postgres://(unreadable)", None);
        check("postgres://u:s3cret?@db/app", "postgres://db:5432/app", checked());
        check("postgres://u:s3cret?@db/app?sslmode=disable", "postgres://db:5432/app", Some(Tls::Off));
        check("postgres://u:s3cret@db:port/app", "postgres://(unreadable)", None);
        check("postgres://u:s3cret@db/app?nonsense=s3cret", "postgres://(unreadable)", None);
        check("postgres:///app?user=u", "postgres://(unreadable)", None);
        check(" Postgres://u:s3cret@db/app", "postgres://db:5432/app", checked());
        check("mysql://u:s3cret@db/app", "postgres://(unreadable)", None);
        check("\"postgres://u:s3cret@db/app\"", "postgres://(unreadable)", None);
        check("postgres://u:p@s3cret@db/app", "postgres://(unreadable)", None);
        check("postgres://u:p@s3cret/x@db/app", "postgres://(unreadable)", None);
        check("host=db user=u password=s3cret", "postgres://(unreadable)", None);
    }

    #[test]
    fn a_path_is_no_url() {
        assert_eq!(PostgresUrl::recognize("/var/lib/tierway.db"), None);
        assert_eq!(PostgresUrl::recognize("postgres.db"), None);
    }
}
