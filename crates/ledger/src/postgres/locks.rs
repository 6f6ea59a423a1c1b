//! Numbers of PostgreSQL's advisory locks: who has one does what only one may do at a time. Those of a session last until
//! its connection ends in any way, those of a transaction until that ends.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

/// Begins a transaction in which only we are at a lock; waits for who is.
pub(super) async fn begin(client: &Client, lock: i32) -> Result<(), Error> {
    client.batch_execute("BEGIN").await?;
    let sql = "SELECT pg_advisory_xact_lock($1, $2)";
    client.query_typed(sql, &[(&CLASS, Type::INT4), (&lock, Type::INT4)]).await.map(|_| ())
}

/// Takes a lock that nobody has; false when somebody does. `sql`: which kind of it.
async fn take(client: &Client, sql: &str, lock: i32) -> Result<bool, Error> {
    Ok(client.query_typed_one(sql, &[(&CLASS, Type::INT4), (&lock, Type::INT4)]).await?.get(0))
}

/// Takes it until the connection ends.
pub(super) async fn take_for_session(client: &Client, lock: i32) -> Result<bool, Error> {
    take(client, "SELECT pg_try_advisory_lock($1, $2)", lock).await
}

/// Takes it until the open transaction ends.
pub(super) async fn take_for_transaction(client: &Client, lock: i32) -> Result<bool, Error> {
    take(client, "SELECT pg_try_advisory_xact_lock($1, $2)", lock).await
}

/// First half of all our locks: "tier" in ASCII.
const CLASS: i32 = 0x7469_6572;

/// Makes or upgrades the schema (transaction).
pub(super) const SCHEMA: i32 = 0;
/// Makes partitions (transaction).
pub(super) const PARTITIONS: i32 = 1;
/// Forgets old rows (transaction).
pub(super) const RETENTION: i32 = 2;
/// Claims a number of a process (transaction).
pub(super) const PROCESSES: i32 = 3;
/// Leads in background work (session).
pub(super) const LEADER: i32 = 4;
/// Folds days that are over (transaction).
pub(super) const FOLDING: i32 = 5;
/// Is the writer of a number (session): this and the number.
pub(super) const WRITERS: i32 = 1_000;
