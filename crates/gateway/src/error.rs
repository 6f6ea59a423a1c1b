//! What keeps a gateway from starting, in words that say where to mend it.

use crate::tls::TlsError;
use std::io;
use std::net::SocketAddr;
use tierway_ledger::LedgerError;
use tierway_providers::EndpointError;

/// Why a gateway cannot start, or a new config cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Somebody else listens there, or we may not.
    #[error("cannot listen on {address}: {cause}; choose another address with {setting}")]
    Listen {
        /// What says where.
        setting: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The evidence of the config cannot be used.
    #[error("evidence, {place}: {cause}")]
    Evidence {
        /// Its file, or its version in the ledger.
        place: String,
        /// Why.
        cause: String,
    },
    /// A provider of the config cannot be used.
    #[error("provider `{provider}`: {cause}")]
    Provider {
        /// Its name.
        provider: String,
        /// Why.
        cause: EndpointError,
    },
    /// The collector of telemetry cannot be used.
    #[error("[telemetry]: {cause}")]
    Telemetry {
        /// Why.
        cause: String,
    },
    /// Nobody knows who may come in.
    #[error(
        "{cause}. Who may come in is not known: keys that `tierway keys add` made are gone with a file that is moved away; with [[keys]] in the config tierway starts all the same, for those alone"
    )]
    KeysUnread {
        /// What keeps the ledger's keys from being read.
        cause: LedgerError,
    },
    /// A new config has no keys, and the ledger has none; there was one.
    #[error(
        "the last key is taken out, so that everybody could come in; keep one, or restart if that is what you want"
    )]
    LastKey,
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// Nobody says where the ledger is.
    #[error("[ledger] url: {0}")]
    LedgerAddress(#[from] tierway_config::KeyError),
    /// Nobody says where that is what replicas share.
    #[error("[shared] url: {0}")]
    SharedAddress(tierway_config::KeyError),
    /// That cannot be an address of it.
    #[error("[shared] url cannot be used ({0}); write redis://:password@host:6379/0, or rediss:// for TLS")]
    Shared(String),
    /// The system gives no randomness.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}
