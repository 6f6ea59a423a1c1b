//! Questions to a ledger, beside those who write into it.

use super::link::Link;
use super::schema;
use super::url::PostgresUrl;
use super::view::PostgresView;
use crate::LedgerError;
use crate::ask::View;
use std::time::Duration;

/// How long beginning and ending a question may take.
const LIMIT: Duration = Duration::from_secs(10);

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

pub(crate) struct PostgresReader {
    url: PostgresUrl,
    link: Link,
}

impl PostgresReader {
    pub(crate) fn open(url: PostgresUrl) -> Result<Self, LedgerError> {
        let link = connect(&url)?;
        Ok(Self { url, link })
    }

    /// Every question sees one state of the ledger, whatever is written meanwhile.
    pub(crate) fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut dyn View) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        if self.begin().is_err() {
            // PostgreSQL was restarted since the last question, or something between us and it.
            self.link = connect(&self.url)?;
            self.begin()?;
        }
        let answer = question(&mut PostgresView::new(&self.link));
        let ended = self.link.run(LIMIT, self.link.client().batch_execute("ROLLBACK"));
        let answer = answer?;
        ended.map(|()| answer)
    }

    fn begin(&self) -> Result<(), LedgerError> {
        self.link.run(LIMIT, self.link.client().batch_execute(BEGIN))
    }
}

fn connect(url: &PostgresUrl) -> Result<Link, LedgerError> {
    let link = Link::connect(url)?;
    let place = || link.place().to_owned();
    match schema::version(&link)? {
        0 => Err(LedgerError::Missing { place: place() }),
        found if found < schema::NEWEST => {
            Err(LedgerError::OlderSchema { place: place(), found: found.into(), known: schema::NEWEST.into() })
        }
        _ => Ok(link),
    }
}
