//! The state of a PostgreSQL ledger: a connection of its own, for rare and exact changes.

use super::link::Link;
use super::schema;
use super::url::PostgresUrl;
use crate::LedgerError;
use std::time::Duration;
use tokio_postgres::{Client, Error};

/// How long a question or change may take; it waits for others that change the same.
const LIMIT: Duration = Duration::from_secs(10);

/// What is said here was promised to somebody: a key that was revoked, money that was spent.
const TO_CHANGE: &str = "SET synchronous_commit = on";
/// Whoever only asks changes nothing, whatever the user may do.
const TO_READ: &str = "SET default_transaction_read_only = on";

/// What a connection is for.
#[derive(Clone, Copy)]
enum Purpose {
    Change,
    /// Needs a schema of this version at least.
    Read(i32),
}

pub(crate) struct StateStore {
    url: PostgresUrl,
    purpose: Purpose,
    link: Link,
    /// The link has nothing under way.
    good: bool,
}

impl StateStore {
    pub(crate) fn open(url: PostgresUrl) -> Result<Self, LedgerError> {
        Self::open_for(url, Purpose::Change)
    }

    /// Opens it for questions alone: nothing is made or upgraded, and every change is refused by PostgreSQL.
    pub(crate) fn open_to_read(url: PostgresUrl) -> Result<Self, LedgerError> {
        Self::open_for(url, Purpose::Read(schema::NEWEST))
    }

    /// The same for questions about what came with a version of the schema.
    pub(super) fn open_to_read_since(url: PostgresUrl, version: i32) -> Result<Self, LedgerError> {
        Self::open_for(url, Purpose::Read(version))
    }

    fn open_for(url: PostgresUrl, purpose: Purpose) -> Result<Self, LedgerError> {
        let link = connect(&url, purpose)?;
        Ok(Self { url, purpose, link, good: true })
    }

    /// One question or change in one transaction: all of it, or on an error nothing.
    pub(super) fn transact<T>(
        &mut self,
        work: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, LedgerError> {
        if !self.good || self.begin().is_err() {
            // PostgreSQL was restarted since the last time, or something between us and it.
            self.link = connect(&self.url, self.purpose)?;
            self.begin()?;
        }
        let client = self.link.client();
        let done = self.link.run(LIMIT, async {
            let done = work(client).await;
            client.batch_execute(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
            done
        });
        // What took too long is still under way there; the next COMMIT on this link would let a half of it stand.
        self.good = !matches!(done, Err(LedgerError::Unreachable { .. }));
        done
    }

    /// Where it is, without user and password.
    pub(super) fn place(&self) -> &str {
        self.link.place()
    }

    fn begin(&self) -> Result<(), LedgerError> {
        self.link.run(LIMIT, self.link.client().batch_execute("BEGIN"))
    }
}

fn connect(url: &PostgresUrl, purpose: Purpose) -> Result<Link, LedgerError> {
    let link = Link::connect(url)?;
    let settings = match purpose {
        Purpose::Change => schema::upgrade(&link).map(|()| TO_CHANGE),
        Purpose::Read(version) => schema::readable(&link, version).map(|()| TO_READ),
    }?;
    link.run(LIMIT, link.client().batch_execute(settings)).map(|()| link)
}
