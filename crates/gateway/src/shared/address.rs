//! Where the database is, and how it is spoken to: its certificate, its password. None of it is ever shown.

use super::line::Stream;
use redis::{Client, ConnectionAddr, TlsCertificates};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tierway_config::SharedConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// For the lines of workers; [`client`] makes that of the keeper.
pub(super) struct Address {
    client: Client,
    tls: Option<TlsConnector>,
}

/// A client for an address; nothing is connected yet.
///
/// # Errors
/// What is wrong with it; without the URL, which may hold a password.
pub(super) fn client(config: &SharedConfig, url: &str) -> Result<Client, String> {
    let client = Client::open(url).map_err(|error| error.category().to_owned())?;
    let Some(path) = &config.ca_file else { return Ok(client) };
    if !is_tls(&client) {
        return Err("ca_file is for an address with TLS, rediss:// or valkeys://".into());
    }
    let (pem, _) = authorities(path)?;
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem) };
    Client::build_with_tls(url, certificates).map_err(|error| error.category().to_owned())
}

fn is_tls(client: &Client) -> bool {
    matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. })
}

fn authorities(path: &Path) -> Result<(Vec<u8>, Vec<CertificateDer<'static>>), String> {
    let pem = std::fs::read(path).map_err(|error| format!("ca_file {}: {error}", path.display()))?;
    let all: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    if all.is_empty() {
        return Err(format!("ca_file {} holds no certificate as PEM", path.display()));
    }
    Ok((pem, all))
}

/// Checks certificates against the authorities of the file alone, or those that the machine trusts.
fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    let known = match ca_file {
        Some(path) => authorities(path)?.1,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(known);
    Ok(TlsConnector::from(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())))
}

impl Address {
    /// # Errors
    /// A file of authorities that is none.
    pub(super) fn new(client: Client, config: &SharedConfig) -> Result<Self, String> {
        let tls = is_tls(&client).then(|| connector(config.ca_file.as_deref())).transpose()?;
        Ok(Self { client, tls })
    }

    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let said = |error: std::io::Error| error.to_string();
        let (host, port) = match self.client.get_connection_info().addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => (host, *port),
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => {
                return Ok(Box::new(tokio::net::UnixStream::connect(path).await.map_err(said)?));
            }
            _ => return Err("an address of another kind".into()),
        };
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(said)?;
        stream.set_nodelay(true).map_err(said)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
        Ok(Box::new(tls.connect(name, stream).await.map_err(said)?))
    }

    /// What a connection begins with; each is answered.
    pub(super) fn greetings(&self) -> Vec<Vec<u8>> {
        let settings = self.client.get_connection_info().redis_settings();
        let mut all = Vec::new();
        if let Some(password) = settings.password() {
            let mut auth = redis::cmd("AUTH");
            settings.username().into_iter().for_each(|user| _ = auth.arg(user));
            all.push(auth.arg(password).get_packed_command());
        }
        if settings.db() != 0 {
            all.push(redis::cmd("SELECT").arg(settings.db()).get_packed_command());
        }
        all
    }
}
