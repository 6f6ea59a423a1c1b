//! Keys of clients in PostgreSQL.

use super::state::StateStore;
use crate::LedgerError;
use crate::state::{KeySecret, NewKey, StoredKey, with_secrets};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error};

impl StateStore {
    pub(crate) fn keys_revision(&mut self) -> Result<i64, LedgerError> {
        self.transact(async |client| revision(client).await)
    }

    pub(crate) fn keys(&mut self) -> Result<(i64, Vec<StoredKey>), LedgerError> {
        self.transact(async |client| {
            client.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            read(client).await
        })
    }

    pub(crate) fn add_key(&mut self, key: &NewKey<'_>, now_ms: i64) -> Result<bool, LedgerError> {
        Ok(self.put_keys(&[StoredKey::new(key, now_ms)])? > 0)
    }

    pub(crate) fn revoke_key(&mut self, name: &str, now_ms: i64) -> Result<bool, LedgerError> {
        self.change(async |client| {
            let sql = "UPDATE keys SET revoked_ms = $2 WHERE name = $1 AND revoked_ms IS NULL";
            Ok(client.execute(sql, &[&name, &now_ms]).await? > 0)
        })
    }

    pub(crate) fn rotate_key(
        &mut self,
        name: &str,
        digest: [u8; 32],
        until_ms: i64,
        now_ms: i64,
    ) -> Result<bool, LedgerError> {
        self.change(async |client| {
            let sql = "SELECT FROM keys WHERE name = $1 AND revoked_ms IS NULL FOR UPDATE";
            if client.query_opt(sql, &[&name]).await?.is_none() {
                return Ok(false);
            }
            client.execute("DELETE FROM key_secrets WHERE key = $1 AND expires_ms <= $2", &[&name, &now_ms]).await?;
            let sql = "UPDATE key_secrets SET expires_ms = least(expires_ms, $2) WHERE key = $1";
            client.execute(sql, &[&name, &until_ms]).await?;
            add_secret(client, name, &KeySecret { digest, created_ms: now_ms, expires_ms: None }).await?;
            Ok(true)
        })
    }

    pub(crate) fn put_keys(&mut self, keys: &[StoredKey]) -> Result<usize, LedgerError> {
        let mut put = 0;
        self.change(async |client| {
            for key in keys {
                let sql = "INSERT INTO keys (name, policy, created_ms, expires_ms, revoked_ms) \
                           VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
                let policy = key.policy_json();
                let values: [&(dyn ToSql + Sync); 5] =
                    [&key.name, &policy, &key.created_ms, &key.expires_ms, &key.revoked_ms];
                if client.execute(sql, &values).await? > 0 {
                    put += 1;
                    for secret in &key.secrets {
                        add_secret(client, &key.name, secret).await?;
                    }
                }
            }
            Ok(put > 0)
        })?;
        Ok(put)
    }

    /// One change in one transaction; when it changed something, the revision rises with it.
    fn change(&mut self, change: impl AsyncFnOnce(&Client) -> Result<bool, Error>) -> Result<bool, LedgerError> {
        self.transact(async |client| {
            let changed = change(client).await?;
            if changed {
                client.batch_execute("UPDATE revisions SET revision = revision + 1 WHERE kind = 'keys'").await?;
            }
            Ok(changed)
        })
    }
}

async fn revision(client: &Client) -> Result<i64, Error> {
    Ok(client.query_one("SELECT revision FROM revisions WHERE kind = 'keys'", &[]).await?.get(0))
}

async fn add_secret(client: &Client, key: &str, secret: &KeySecret) -> Result<(), Error> {
    let sql = "INSERT INTO key_secrets (digest, key, created_ms, expires_ms) VALUES ($1, $2, $3, $4)";
    let digest = secret.digest.as_slice();
    client.execute(sql, &[&digest, &key, &secret.created_ms, &secret.expires_ms]).await.map(|_| ())
}

async fn read(client: &Client) -> Result<(i64, Vec<StoredKey>), Error> {
    let sql = "SELECT name, policy, created_ms, expires_ms, revoked_ms FROM keys ORDER BY name COLLATE \"C\"";
    let mut keys = Vec::new();
    for row in client.query(sql, &[]).await? {
        keys.push(StoredKey {
            name: row.get(0),
            policy: serde_json::from_str(row.get(1)).ok(),
            created_ms: row.get(2),
            expires_ms: row.get(3),
            revoked_ms: row.get(4),
            secrets: Vec::new(),
        });
    }
    // Digests of another length open nothing.
    let sql = "SELECT key, digest, created_ms, expires_ms FROM key_secrets WHERE length(digest) = 32 \
               ORDER BY created_ms, digest";
    let mut secrets = Vec::new();
    for row in client.query(sql, &[]).await? {
        let mut digest = [0; 32];
        digest.copy_from_slice(row.get(1));
        secrets.push((row.get(0), KeySecret { digest, created_ms: row.get(2), expires_ms: row.get(3) }));
    }
    Ok((revision(client).await?, with_secrets(keys, secrets)))
}
