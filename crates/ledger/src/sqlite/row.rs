//! A row as the record that it was, and whether it still says what was written.

use super::words::Spelling;
use crate::codes::{Code, ReasonKind};
use crate::{Garbled, LedgerError, StoredCall, checksum, detail};
use rusqlite::Row;
use std::path::Path;
use tierway_decide::{CallRecord, MAX_TIERS, Prediction, RequestId, Usd};
use tierway_wire::{ServiceTier, Usage};

/// The columns that [`read`] wants, in its order.
pub(crate) const COLUMNS: &str = "id, flags, status, http_status, reason, complexity, task_type, abstain, attempts, \
format, key, team, requested_model, tier, served_tier, provider, served_model, rule, finish, user, session, \
input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, \
paid, classifier_paid, baseline, cheapest, score, first_byte_ms, total_ms, decide_us, detail, checksum";

/// Where the checksum is.
pub(crate) const CHECKSUM: usize = 35;
/// Where the packed part is.
const DETAIL: usize = 34;

/// Reads one row of [`COLUMNS`].
pub(crate) fn read(row: &Row, spelling: &Spelling, path: &Path) -> Result<StoredCall, LedgerError> {
    let sqlite = |cause| LedgerError::from_sqlite(path, cause);
    let id = RequestId::from_i64(row.get(0).map_err(sqlite)?);
    let mut columns = Columns { row, place: 0 };
    let (mut call, reason, rule) = columns.call(spelling).map_err(|cause| match cause {
        Unreadable::Sqlite(cause @ rusqlite::Error::SqliteFailure(..)) => sqlite(cause),
        // A value of a wrong type or out of range: somebody wrote into the row.
        Unreadable::Sqlite(_) | Unreadable::Code => LedgerError::BadRow { id, cause: Garbled { at: columns.place } },
    })?;
    let bad = |cause| LedgerError::BadRow { id, cause };
    let wrong_type = |_| bad(Garbled { at: columns.place });
    let detail = row.get_ref(DETAIL).map_err(sqlite)?.as_blob().map_err(|_| bad(Garbled { at: 0 }))?;
    let why = detail::unpack(detail, &mut call).map_err(bad)?;
    call.reason = reason.with(rule, why);
    let (attempts, stored): (i64, i64) = (row.get(8).map_err(wrong_type)?, row.get(CHECKSUM).map_err(wrong_type)?);
    let checksum = checksum::of(&call, detail, &mut Vec::with_capacity(512));
    let intact = stored == checksum && usize::try_from(attempts) == Ok(call.attempts.len());
    Ok(StoredCall { call, intact })
}

/// Takes the columns of a row one after the other.
struct Columns<'a, 'row> {
    row: &'a Row<'row>,
    place: usize,
}

enum Unreadable {
    Sqlite(rusqlite::Error),
    Code,
}

impl From<rusqlite::Error> for Unreadable {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Sqlite(cause)
    }
}

impl Columns<'_, '_> {
    fn next<T: rusqlite::types::FromSql>(&mut self) -> Result<T, Unreadable> {
        let value = self.row.get(self.place)?;
        self.place += 1;
        Ok(value)
    }

    fn code<T: Code>(&mut self) -> Result<T, Unreadable> {
        let code = self.next()?;
        T::from_code(code).ok_or(Unreadable::Code)
    }

    fn tokens(&mut self) -> Result<u64, Unreadable> {
        let value: i64 = self.next()?;
        u64::try_from(value).map_err(|_| Unreadable::Code)
    }

    fn money(&mut self) -> Result<Option<Usd>, Unreadable> {
        Ok(self.next::<Option<i64>>()?.map(Usd::from_picos))
    }

    /// A column of `words`: a number, or the text itself.
    fn word(&mut self, spelling: &Spelling) -> Result<String, Unreadable> {
        let value = self.row.get_ref(self.place)?;
        self.place += 1;
        spelling.of(value).ok_or(Unreadable::Code)
    }

    /// Everything but the packed part; with the kind of its reason and its rule.
    fn call(&mut self, spelling: &Spelling) -> Result<(CallRecord, ReasonKind, String), Unreadable> {
        let id = RequestId::from_i64(self.next()?);
        let flags: i64 = self.next()?;
        let (status, http_status) = (self.code()?, self.next()?);
        let reason: ReasonKind = self.code()?;
        let prediction = Prediction {
            p_ok: [0.0; MAX_TIERS],
            score_strong: 0.0,
            complexity: self.code()?,
            task_type: self.code()?,
            novelty: 0.0,
            abstain: self.code()?,
            output_tokens: [0.0; MAX_TIERS],
            calibrated: flags & 4 != 0,
        };
        self.place += 1; // attempts: counted from the packed part
        let format = self.word(spelling)?;
        let (key, team, requested_model) = (self.word(spelling)?, self.word(spelling)?, self.word(spelling)?);
        let (tier, served_tier) = (self.word(spelling)?, self.word(spelling)?);
        let (provider, served_model) = (self.word(spelling)?, self.word(spelling)?);
        let (rule, finish) = (self.word(spelling)?, self.word(spelling)?);
        let (user, session) = (self.next()?, self.next()?);
        let usage = Usage {
            input_tokens: self.tokens()?,
            cached_input_tokens: self.tokens()?,
            cache_write_5m_tokens: self.tokens()?,
            output_tokens: self.tokens()?,
            reasoning_tokens: self.tokens()?,
            ..Usage::default()
        };
        let (paid, classifier_paid) = (self.money()?, Usd::from_picos(self.next()?));
        let (baseline, cheapest) = (self.money()?, self.money()?);
        let prediction = Prediction { score_strong: self.next()?, ..prediction };
        let (first_byte_ms, total_ms, decide_us) = (self.next()?, self.next()?, self.next()?);
        let call = CallRecord {
            id,
            key,
            team,
            user,
            session,
            format,
            stream: flags & 1 != 0,
            requested_model,
            tier,
            served_tier,
            provider,
            served_model,
            reason: reason.with(String::new(), String::new()),
            raised_from: String::new(),
            rejected: Vec::new(),
            prediction,
            features: Vec::new(),
            table_version: 0,
            adapted: Vec::new(),
            attempts: Vec::new(),
            usage,
            asked_service_tier: ServiceTier::Standard,
            usage_estimated: flags & 2 != 0,
            paid,
            classifier_paid,
            baseline,
            cheapest,
            http_status,
            status,
            finish,
            first_byte_ms,
            total_ms,
            decide_us,
        };
        Ok((call, reason, rule))
    }
}
