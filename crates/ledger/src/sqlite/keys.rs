//! Keys of clients in SQLite.

use super::state::StateStore;
use crate::LedgerError;
use crate::state::{KeySecret, NewKey, StoredKey, with_secrets};
use rusqlite::{Connection, Transaction, TransactionBehavior};

impl StateStore {
    pub(crate) fn keys_revision(&self) -> Result<i64, LedgerError> {
        revision(&self.db).map_err(|cause| self.failed(cause))
    }

    pub(crate) fn keys(&mut self) -> Result<(i64, Vec<StoredKey>), LedgerError> {
        let path = self.path.clone();
        self.db.transaction().and_then(|view| read(&view)).map_err(|cause| LedgerError::from_sqlite(&path, cause))
    }

    pub(crate) fn add_key(&mut self, key: &NewKey<'_>, now_ms: i64) -> Result<bool, LedgerError> {
        Ok(self.put_keys(&[StoredKey::new(key, now_ms)])? > 0)
    }

    pub(crate) fn put_keys(&mut self, keys: &[StoredKey]) -> Result<usize, LedgerError> {
        let mut put = 0;
        self.change(|change| {
            for key in keys {
                let made = change.execute(
                    "INSERT OR IGNORE INTO keys (name, policy, created_ms, expires_ms, revoked_ms) \
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    (&key.name, key.policy_json(), key.created_ms, key.expires_ms, key.revoked_ms),
                )?;
                for secret in key.secrets.iter().filter(|_| made > 0) {
                    add_secret(change, &key.name, secret)?;
                }
                put += made;
            }
            Ok(put > 0)
        })?;
        Ok(put)
    }

    pub(crate) fn revoke_key(&mut self, name: &str, now_ms: i64) -> Result<bool, LedgerError> {
        self.change(|change| {
            let sql = "UPDATE keys SET revoked_ms = ?2 WHERE name = ?1 AND revoked_ms IS NULL";
            Ok(change.execute(sql, (name, now_ms))? > 0)
        })
    }

    pub(crate) fn rotate_key(
        &mut self,
        name: &str,
        digest: [u8; 32],
        until_ms: i64,
        now_ms: i64,
    ) -> Result<bool, LedgerError> {
        self.change(|change| {
            let sql = "SELECT count(*) FROM keys WHERE name = ?1 AND revoked_ms IS NULL";
            if change.query_row(sql, [name], |row| row.get::<_, i64>(0))? == 0 {
                return Ok(false);
            }
            change.execute("DELETE FROM key_secrets WHERE key = ?1 AND expires_ms <= ?2", (name, now_ms))?;
            let sql = "UPDATE key_secrets SET expires_ms = min(coalesce(expires_ms, ?2), ?2) WHERE key = ?1";
            change.execute(sql, (name, until_ms))?;
            add_secret(change, name, &KeySecret { digest, created_ms: now_ms, expires_ms: None })?;
            Ok(true)
        })
    }

    /// One change in one transaction; when it changed something, the revision rises with it.
    fn change(&mut self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<bool>) -> Result<bool, LedgerError> {
        let path = self.path.clone();
        let apply = || {
            let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let changed = change(&transaction)?;
            if changed {
                transaction.execute("UPDATE revisions SET revision = revision + 1 WHERE kind = 'keys'", [])?;
            }
            transaction.commit()?;
            Ok(changed)
        };
        apply().map_err(|cause| LedgerError::from_sqlite(&path, cause))
    }
}

fn revision(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT revision FROM revisions WHERE kind = 'keys'")?.query_row([], |row| row.get(0))
}

fn add_secret(change: &Transaction<'_>, key: &str, secret: &KeySecret) -> rusqlite::Result<()> {
    let sql = "INSERT INTO key_secrets (digest, key, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4)";
    change.execute(sql, (secret.digest, key, secret.created_ms, secret.expires_ms)).map(|_| ())
}

fn read(view: &Transaction<'_>) -> rusqlite::Result<(i64, Vec<StoredKey>)> {
    let keys = view
        .prepare("SELECT name, policy, created_ms, expires_ms, revoked_ms FROM keys ORDER BY name")?
        .query_map([], |row| {
            let policy: String = row.get(1)?;
            Ok(StoredKey {
                name: row.get(0)?,
                policy: serde_json::from_str(&policy).ok(),
                created_ms: row.get(2)?,
                expires_ms: row.get(3)?,
                revoked_ms: row.get(4)?,
                secrets: Vec::new(),
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut secrets =
        view.prepare("SELECT key, digest, created_ms, expires_ms FROM key_secrets ORDER BY created_ms")?;
    let secrets = secrets
        .query_map([], |row| {
            Ok((row.get(0)?, KeySecret { digest: row.get(1)?, created_ms: row.get(2)?, expires_ms: row.get(3)? }))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok((revision(view)?, with_secrets(keys, secrets)))
}
