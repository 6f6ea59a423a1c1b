//! Configs in PostgreSQL, from which replicas serve that have no file of their own. Each version is kept whole and the newest
//! is in force; going back to an older one is a new version with its text. It refuses to know what a config means.

use super::schema;
use super::state::StateStore;
use super::url::PostgresUrl;
use crate::LedgerError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// One version of a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigVersion {
    /// Higher is newer.
    pub version: i64,
    /// When it was put here, Unix milliseconds.
    pub at_ms: i64,
    /// What whoever put it here said about it.
    pub why: String,
}

/// The configs of a database. Every question waits for the database: ask on a thread that may wait.
pub struct ConfigStore(StateStore);

/// Every method fails with what the database says.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
impl ConfigStore {
    /// Opens it; what it needs is made when it is not there.
    pub fn open(url: PostgresUrl) -> Result<Self, LedgerError> {
        StateStore::open(url).map(Self)
    }

    /// Opens it for questions alone; nothing is made, so that what was never put here is [`LedgerError::Missing`], or
    /// [`LedgerError::OlderSchema`] beside a ledger of old.
    pub fn open_to_read(url: PostgresUrl) -> Result<Self, LedgerError> {
        StateStore::open_to_read_since(url, schema::CONFIGS).map(Self)
    }

    /// Puts a config in force; gives its version.
    pub fn push(&mut self, config: &str, why: &str, now_ms: i64) -> Result<i64, LedgerError> {
        let sql = "INSERT INTO config_versions (at_ms, why, config) VALUES ($1, $2, $3) RETURNING version";
        self.0.transact(async |client| {
            let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
                [(&now_ms, Type::INT8), (&why, Type::TEXT), (&config, Type::TEXT)];
            Ok(client.query_typed_one(sql, &values).await?.get(0))
        })
    }

    /// The number of the version in force; none before the first.
    pub fn newest(&mut self) -> Result<Option<i64>, LedgerError> {
        let sql = "SELECT max(version) FROM config_versions";
        self.0.transact(async |client| Ok(client.query_typed_one(sql, &[]).await?.get(0)))
    }

    /// The text of a version; none when there is no such version.
    pub fn text(&mut self, version: i64) -> Result<Option<String>, LedgerError> {
        let sql = "SELECT config FROM config_versions WHERE version = $1";
        self.0.transact(async |client| {
            let found = client.query_typed_opt(sql, &[(&version, Type::INT8)]).await?;
            Ok(found.map(|row| row.get(0)))
        })
    }

    /// All versions, the newest first.
    pub fn versions(&mut self) -> Result<Vec<ConfigVersion>, LedgerError> {
        let sql = "SELECT version, at_ms, why FROM config_versions ORDER BY version DESC";
        self.0.transact(async |client| Ok(client.query_typed(sql, &[]).await?.iter().map(version).collect()))
    }
}

fn version(row: &Row) -> ConfigVersion {
    ConfigVersion { version: row.get(0), at_ms: row.get(1), why: row.get(2) }
}
