//! Questions to a ledger, beside those who write into it.

use super::link::Link;
use super::schema;
use super::url::PostgresUrl;
use super::view::{Begun, PostgresView};
use crate::LedgerError;
use crate::ask::View;
use std::time::Duration;

/// How long beginning and ending a question may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Questions look up by key or read sums in ranges. Compiling a statement takes longer than any of them, and no estimate made
/// for a small table may have a large one read from end to end. Sums of months have room in memory, and starting helpers for
/// them takes longer than it saves.
const SETTINGS: &str =
    "SET jit = off; SET enable_seqscan = off; SET work_mem = '32MB'; SET max_parallel_workers_per_gather = 0";

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
        let begun = match Begun::begin(&self.link, LIMIT) {
            Ok(begun) => begun,
            Err(_) => {
                // PostgreSQL was restarted since the last question, or something between us and it.
                self.link = connect(&self.url)?;
                Begun::begin(&self.link, LIMIT)?
            }
        };
        let answer = question(&mut PostgresView::of(&self.link, begun));
        let ended = self.link.run(LIMIT, self.link.client().batch_execute("ROLLBACK"));
        let answer = answer?;
        ended.map(|()| answer)
    }
}

fn connect(url: &PostgresUrl) -> Result<Link, LedgerError> {
    let link = Link::connect(url)?;
    schema::readable(&link, schema::NEWEST)?;
    link.run(LIMIT, link.client().batch_execute(SETTINGS)).map(|()| link)
}
