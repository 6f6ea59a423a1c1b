//! What one process of several says to PostgreSQL: that its number is in use, and that it would lead.

use super::link::Link;
use super::url::PostgresUrl;
use super::{locks, schema};
use crate::LedgerError;
use crate::replica::CLAIMED;
use std::time::Duration;
use tokio_postgres::types::Type;

/// How long one question may take; then PostgreSQL counts as away, and we do not lead.
const LIMIT: Duration = Duration::from_secs(5);

/// A connection that holds the leader's lock, or would like to.
pub(crate) struct Presence {
    link: Link,
    leads: bool,
}

impl Presence {
    pub(crate) fn open(url: &PostgresUrl) -> Result<Self, LedgerError> {
        let link = Link::connect(url)?;
        schema::upgrade(&link)?;
        Ok(Self { link, leads: false })
    }

    /// The number that was out of use for the longest time, at least for a day; none when all are in use.
    pub(crate) fn claim(&self) -> Result<Option<u16>, LedgerError> {
        let client = self.link.client();
        let claim = format!(
            "INSERT INTO processes (number, seen) \
             SELECT free.number, now() FROM generate_series(0, {CLAIMED} - 1) AS free (number) \
             LEFT JOIN processes ON processes.number = free.number \
             WHERE processes.seen IS NULL OR processes.seen < now() - interval '1 day' \
             ORDER BY processes.seen NULLS FIRST, free.number LIMIT 1 \
             ON CONFLICT (number) DO UPDATE SET seen = excluded.seen RETURNING number"
        );
        let number = self.link.run(LIMIT, async {
            locks::begin(client, locks::PROCESSES).await?;
            let claimed = client.query_typed_opt(&claim, &[]).await?;
            client.batch_execute("COMMIT").await?;
            Ok(claimed.map(|row| row.get::<_, i16>(0)))
        })?;
        Ok(number.and_then(|number| u16::try_from(number).ok()))
    }

    /// Says that a number is still in use.
    pub(crate) fn keep(&self, number: u16) -> Result<(), LedgerError> {
        let client = self.link.client();
        let sql = "INSERT INTO processes (number, seen) VALUES ($1, now()) \
                   ON CONFLICT (number) DO UPDATE SET seen = excluded.seen";
        let number = i16::try_from(number).unwrap_or(i16::MAX);
        self.link.run(LIMIT, client.query_typed(sql, &[(&number, Type::INT2)])).map(|_| ())
    }

    /// Whether we lead from now on: we have the lock, and the connection that has it lives.
    pub(crate) fn leads(&mut self) -> Result<bool, LedgerError> {
        let client = self.link.client();
        let had = self.leads;
        self.leads = self.link.run(LIMIT, async {
            if had {
                return Ok(client.query_typed_one("SELECT true", &[]).await?.get(0));
            }
            locks::take_for_session(client, locks::LEADER).await
        })?;
        Ok(self.leads)
    }
}
