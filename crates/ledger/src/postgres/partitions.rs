//! A partition of `calls` for each day, UTC: made beside writers and readers, and dropped whole, so that forgetting frees
//! its space at once and leaves nothing to clean up.

use super::locks;
use crate::cells::{Cube, Grain, HOUR_MS, HOURS_PER_DAY};
use tierway_decide::RequestId;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

/// How long dropping may hold up others that want to read or write; then it is left for later.
const DROP_WAITS: &str = "200ms";
/// Hours whose sums go in one step.
const HOURS: i64 = 6;

/// The name of a day's partition.
const NAME: &str = "'calls_' || to_char(date '1970-01-01' + $1::integer, 'YYYYMMDD')";

/// Makes the partition of a day (since 1970), unless it is there.
pub(super) async fn ensure(client: &Client, day: i64) -> Result<(), Error> {
    let number = i32::try_from(day).unwrap_or(i32::MAX);
    let sql = format!(
        "SELECT name, to_regclass(name) IS NOT NULL, EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(name)) \
         FROM (SELECT {NAME} AS name) AS named"
    );
    locks::begin(client, locks::PARTITIONS).await?;
    let found = client.query_typed_one(&sql, &[(&number, Type::INT4)]).await?;
    let (name, exists, attached): (&str, bool, bool) = (found.get(0), found.get(1), found.get(2));
    if !attached {
        let [from, to] = [day, day + 1].map(|day| RequestId::first_at(day * HOURS_PER_DAY * HOUR_MS).as_i64());
        // Made apart and then attached: that waits for nobody, and nobody for it.
        let make = if exists { "" } else { &format!("CREATE TABLE {name} (LIKE calls INCLUDING ALL);") };
        let attach = format!("{make} ALTER TABLE calls ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})");
        client.batch_execute(&attach).await?;
    }
    client.batch_execute("COMMIT").await
}

/// One step towards forgetting what came before a day. True when there is more to do.
pub(super) async fn forget(client: &Client, before_day: i64) -> Result<bool, Error> {
    let before_hour = before_day * HOURS_PER_DAY;
    client.batch_execute(&format!("BEGIN; SET LOCAL lock_timeout = '{DROP_WAITS}'")).await?;
    let step = step(client, before_day, before_hour).await;
    let end = if step.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await?;
    match step {
        // Somebody reads for long: an export, a backup. There is another time.
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(false),
        done => done,
    }
}

async fn step(client: &Client, before_day: i64, before_hour: i64) -> Result<bool, Error> {
    if !locks::take_for_transaction(client, locks::RETENTION).await? {
        return Ok(false); // another replica is at it
    }
    let oldest = format!(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname ~ '^calls_[0-9]{{8}}$' AND relname < {NAME} \
         AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'calls'::regclass) ORDER BY relname LIMIT 2"
    );
    let day = i32::try_from(before_day).unwrap_or(i32::MIN);
    let old = client.query_typed(&oldest, &[(&day, Type::INT4)]).await?;
    // Said before they go: whoever reads meanwhile does not miss them.
    let expire = "UPDATE hours SET expired = true WHERE hour < $1 AND NOT expired";
    client.query_typed(expire, &[(&before_hour, Type::INT8)]).await?;
    if let Some(name) = old.first() {
        client.batch_execute(&format!("DROP TABLE {}", name.get::<_, &str>(0))).await?;
    }
    let mut more = old.len() > 1;
    for cube in [Cube::Routes, Cube::Callers] {
        let (cube, grain) = (cube.code(), Grain::Hours.code());
        let which = format!("cube = {cube} AND grain = {grain} AND start <");
        let oldest = format!("SELECT start FROM cells WHERE {which} {before_hour} ORDER BY start LIMIT 1");
        let Some(oldest) = client.query_typed_opt(&oldest, &[]).await? else { continue };
        let until = (i64::from(oldest.get::<_, i32>(0)) + HOURS).min(before_hour);
        client.batch_execute(&format!("DELETE FROM cells WHERE {which} {until}")).await?;
        more |= until < before_hour;
    }
    Ok(more)
}
