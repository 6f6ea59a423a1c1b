//! One connection, for a thread that may wait. It refuses to be used by two, and to wait for ever.

use super::url::{PostgresUrl, Tls};
use crate::LedgerError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long connecting may take in all, with logging in.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A server that takes connections and says nothing is left alone for so long: whoever needs it next, one after another at a
/// start, learns at once what the first one waited for.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// The server that was silent last, and when that was known.
static SILENT: Mutex<Option<(PostgresUrl, Instant)>> = Mutex::new(None);
/// The oldest PostgreSQL that is supported.
const OLDEST: i32 = 140_000;

pub(super) struct Link {
    client: Client,
    /// Drives the connection, only while somebody waits for it. None only while being dropped.
    runtime: Option<Runtime>,
    place: String,
}

impl Link {
    pub(super) fn connect(url: &PostgresUrl) -> Result<Self, LedgerError> {
        Self::connect_within(url, CONNECT_LIMIT)
    }

    fn connect_within(url: &PostgresUrl, limit: Duration) -> Result<Self, LedgerError> {
        let silent = SILENT.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if silent.is_some_and(|(silent, known)| silent == *url && known.elapsed() < LEFT_ALONE) {
            return Err(LedgerError::Unreachable {
                place: url.to_string(),
                cause: "it did not answer just now".into(),
            });
        }
        let (config, tls) = url.parse()?;
        let place = url.to_string();
        let unreachable = |cause: String| LedgerError::Unreachable { place: place.clone(), cause };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(LedgerError::Thread)?;
        let tls = match tls {
            Tls::Off => None,
            Tls::Checked { authorities } => Some(connector(authorities.as_deref())?),
        };
        let connecting = async {
            match tls {
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    tokio::spawn(connection);
                    Ok(client)
                }
                Some(tls) => {
                    let (client, connection) = config.connect(tls).await?;
                    tokio::spawn(connection);
                    Ok(client)
                }
            }
        };
        let connected = runtime.block_on(async { tokio::time::timeout(limit, connecting).await });
        let client = connected
            .map_err(|_| {
                *SILENT.lock().unwrap_or_else(PoisonError::into_inner) = Some((url.clone(), Instant::now()));
                unreachable(format!("no answer within {} seconds", limit.as_secs()))
            })?
            .map_err(|cause: Error| LedgerError::from_postgres(&place, &cause))?;
        let link = Self { client, runtime: Some(runtime), place };
        link.is_suitable()?;
        Ok(link)
    }

    /// Works with the connection until it is done, or has taken too long: then the link should not be used again.
    pub(super) fn run<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, LedgerError> {
        let Some(runtime) = &self.runtime else { return Err(self.slow(limit)) };
        let done = runtime.block_on(async { tokio::time::timeout(limit, work).await });
        done.map_err(|_| self.slow(limit))?.map_err(|cause| LedgerError::from_postgres(&self.place, &cause))
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Where it leads, without user and password.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    fn slow(&self, limit: Duration) -> LedgerError {
        let cause = format!("no answer within {} seconds", limit.as_secs());
        LedgerError::Unreachable { place: self.place.clone(), cause }
    }

    fn is_suitable(&self) -> Result<(), LedgerError> {
        let unsuitable = |cause| Err(LedgerError::Unsuitable { place: self.place.clone(), cause });
        let sql = "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), \
                   current_setting('server_encoding')";
        let said = self.run(CONNECT_LIMIT, self.client.query_typed_one(sql, &[]))?;
        let (number, version, encoding): (i32, &str, &str) = (said.get(0), said.get(1), said.get(2));
        if number < OLDEST {
            return unsuitable(format!("is PostgreSQL {version}; tierway needs version 14 or later"));
        }
        if encoding != "UTF8" {
            let mend = "make the database with ENCODING 'UTF8' TEMPLATE template0";
            return unsuitable(format!("has the encoding {encoding}, which cannot hold all texts; {mend}"));
        }
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Does not wait, so a link may end anywhere, also on a thread that serves requests.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// TLS that trusts the public authorities, or those in a file of PEM.
fn connector(authorities: Option<&Path>) -> Result<MakeRustlsConnect, LedgerError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let bad = |cause: String| LedgerError::BadUrl { cause: format!("sslrootcert {}: {cause}", path.display()) };
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| bad(error.to_string()))?;
                roots.add(certificate).map_err(|error| bad(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(bad("no certificate in it".into()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| LedgerError::BadUrl { cause: error.to_string() })?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn a_server_that_says_nothing_is_waited_for_once() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = PostgresUrl::new(&format!("postgres://u@{}/d", silent.local_addr().unwrap()));
        let said = |limit| Link::connect_within(&url, limit).err().unwrap().to_string();
        assert!(said(Duration::from_millis(50)).contains("no answer within"));
        assert!(said(CONNECT_LIMIT).contains("it did not answer just now"));
    }
}
