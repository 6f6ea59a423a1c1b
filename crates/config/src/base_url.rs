//! The address of a provider, checked.

use std::fmt;
use std::net::IpAddr;

/// `https://host[:port][/path]`; plain `http` only to this machine unless allowed. No user, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

/// An address that cannot be used. Messages never quote the address: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// No scheme that is spoken.
    #[error("begins with neither `https://` nor `http://`")]
    Scheme,
    /// No host.
    #[error("has no host after the `//`")]
    Host,
    /// A port that is none.
    #[error("has a port that is no number from 1 to 65535")]
    Port,
    /// User and password.
    #[error("holds a user or password; keys come from `key_env`, `key_file` or `key_command`")]
    Credentials,
    /// Query or fragment.
    #[error("has a `?` or `#` part; give only what stands before the API's own path")]
    Query,
    /// Characters that no address has.
    #[error("holds blanks or characters that no address has")]
    Characters,
    /// Plain http to another machine.
    #[error(
        "is plain http to another machine, so prompts and key would travel unprotected; use https, or set `allow_http = true`"
    )]
    PlainHttp,
}

impl BaseUrl {
    /// Checks an address; slashes at its end go.
    ///
    /// # Errors
    /// See [`BaseUrlError`].
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, BaseUrlError> {
        let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(BaseUrlError::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(BaseUrlError::Query);
        }
        if !rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
            return Err(BaseUrlError::Characters);
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            return Err(BaseUrlError::Credentials);
        }
        let host = host(authority)?;
        if !secure && !allow_http && !is_loopback(host) {
            return Err(BaseUrlError::PlainHttp);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// The address without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl BaseUrl {
    /// Host and port as written, without the scheme.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.split('/').nth(2).unwrap_or_default()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn host(authority: &str) -> Result<&str, BaseUrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(BaseUrlError::Host)?;
            (host, after.strip_prefix(':'))
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    if port.is_some_and(|port| port.parse::<u16>().ok().is_none_or(|port| port == 0)) {
        return Err(BaseUrlError::Port);
    }
    if host.is_empty() { Err(BaseUrlError::Host) } else { Ok(host) }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        use BaseUrlError as E;
        for (text, want) in [
            ("https://api.openai.com/v1/", Ok("https://api.openai.com/v1")),
            ("http://127.0.0.1:11434/v1", Ok("http://127.0.0.1:11434/v1")),
            ("http://localhost", Ok("http://localhost")),
            ("http://[::1]:80", Ok("http://[::1]:80")),
            ("http://10.0.0.1", Err(E::PlainHttp)),
            ("http://localhost.evil.example", Err(E::PlainHttp)),
            ("api.openai.com", Err(E::Scheme)),
            ("ftp://x", Err(E::Scheme)),
            ("https://", Err(E::Host)),
            ("https:///v1", Err(E::Host)),
            ("https://u:p@x", Err(E::Credentials)),
            ("https://x:99999", Err(E::Port)),
            ("https://x:", Err(E::Port)),
            ("https://x/v1?key=1", Err(E::Query)),
            ("https://x y", Err(E::Characters)),
        ] {
            assert_eq!(BaseUrl::parse(text, false).as_ref().map(BaseUrl::as_str).map_err(|e| *e), want, "{text}");
        }
        assert!(BaseUrl::parse("http://10.0.0.1", true).is_ok());
    }
}
