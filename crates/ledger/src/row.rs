//! A row as the record that it was, and a record as the row that it will be.

use crate::cells::Dimensions;
use crate::codes::{Code, ReasonKind, rule_of};
use crate::value::{Fields, Unfit, Value};
use crate::words::{OTHERS_ID, Spelling, Word};
use crate::{LedgerError, StoredCall, checksum, detail};
use tierway_decide::{CallRecord, MAX_TIERS, Name, Prediction, RequestId, Usd};
use tierway_wire::{ServiceTier, Usage};

/// The columns of a row, in the order of [`read`] and [`put`].
pub(crate) const COLUMNS: &str = "id, flags, status, http_status, reason, complexity, task_type, abstain, attempts, \
format, key, team, requested_model, tier, served_tier, provider, served_model, rule, finish, \"user\", session, \
input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, \
paid, classifier_paid, baseline, cheapest, score, first_byte_ms, total_ms, decide_us, detail, checksum";

/// Places of columns in [`COLUMNS`].
pub(crate) mod column {
    pub(crate) const ID: usize = 0;
    pub(crate) const STATUS: usize = 2;
    pub(crate) const REASON: usize = 4;
    pub(crate) const COMPLEXITY: usize = 5;
    pub(crate) const TASK_TYPE: usize = 6;
    pub(crate) const ATTEMPTS: usize = 8;
    pub(crate) const FIRST_WORD: usize = 9;
    pub(crate) const KEY: usize = 10;
    pub(crate) const TEAM: usize = 11;
    pub(crate) const TIER: usize = 13;
    pub(crate) const SERVED_TIER: usize = 14;
    pub(crate) const PROVIDER: usize = 15;
    pub(crate) const SERVED_MODEL: usize = 16;
    pub(crate) const RULE: usize = 17;
    pub(crate) const LAST_WORD: usize = 18;
    pub(crate) const USER: usize = 19;
    pub(crate) const SESSION: usize = 20;
    pub(crate) const PAID: usize = 26;
    pub(crate) const CLASSIFIER_PAID: usize = 27;
    pub(crate) const TOTAL_MS: usize = 32;
    pub(crate) const DETAIL: usize = 34;
    pub(crate) const CHECKSUM: usize = 35;
}

/// Buffers that are used again for every row.
#[derive(Default)]
pub(crate) struct Scratch {
    detail: Vec<u8>,
    columns: Vec<u8>,
}

/// The texts of a record that are numbered, in the order of their columns.
pub(crate) fn words_of(call: &CallRecord) -> [Word<'_>; 10] {
    // A model on no tier is one that the request named.
    let served_model = if call.served_tier.is_empty() { Word::invented } else { Word::known };
    [
        Word::known(&call.format),
        Word::known(&call.key),
        Word::known(&call.team),
        Word::invented(&call.requested_model),
        Word::known(&call.tier),
        Word::known(&call.served_tier),
        Word::known(&call.provider),
        served_model(&call.served_model),
        Word::known(rule_of(&call.reason).0),
        Word::known(&call.finish),
    ]
}

/// Gives all values of a record in the order of [`COLUMNS`] to `put`, and its checksum back. `word` numbers a text, or
/// leaves it as it is.
pub(crate) fn put<'a, E>(
    call: &'a CallRecord,
    scratch: &mut Scratch,
    mut word: impl FnMut(Word<'a>) -> Result<Value<'a>, E>,
    mut put: impl FnMut(Value) -> Result<(), E>,
) -> Result<i64, E> {
    let checksum = checksum_of(call, scratch);
    for number in [
        call.id.as_i64(),
        flags(call),
        call.status.code(),
        i64::from(call.http_status),
        ReasonKind::of(&call.reason).code(),
        call.prediction.complexity.code(),
        call.prediction.task_type.code(),
        call.prediction.abstain.code(),
        signed(call.attempts.len() as u64),
    ] {
        put(Value::Integer(number))?;
    }
    for text in words_of(call) {
        put(word(text)?)?;
    }
    put(Value::Text(&call.user))?;
    put(Value::Text(&call.session))?;
    for tokens in [
        call.usage.input_tokens,
        call.usage.cached_input_tokens,
        call.usage.cache_write_5m_tokens,
        call.usage.output_tokens,
        call.usage.reasoning_tokens,
    ] {
        put(Value::Integer(signed(tokens)))?;
    }
    for money in [call.paid, Some(call.classifier_paid), call.baseline, call.cheapest] {
        put(money.map_or(Value::Null, |money| Value::Integer(money.picos())))?;
    }
    put(Value::Real(f64::from(call.prediction.score_strong)))?;
    put(call.first_byte_ms.map_or(Value::Null, |ms| Value::Integer(i64::from(ms))))?;
    put(Value::Integer(i64::from(call.total_ms)))?;
    put(Value::Integer(i64::from(call.decide_us)))?;
    put(Value::Blob(&scratch.detail))?;
    put(Value::Integer(checksum))?;
    Ok(checksum)
}

/// The checksum that the row of a record has.
pub(crate) fn checksum_of(call: &CallRecord, scratch: &mut Scratch) -> i64 {
    scratch.detail.clear();
    detail::pack(&mut scratch.detail, call, rule_of(&call.reason).1);
    checksum::of(call, &scratch.detail, &mut scratch.columns)
}

/// Yes and no of a record, as bits.
pub(crate) fn flags(call: &CallRecord) -> i64 {
    i64::from(call.stream) | i64::from(call.usage_estimated) << 1 | i64::from(call.prediction.calibrated) << 2
}

/// Token counts beyond what a column holds are cut; [`crate::bounds`] has cut them before.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The id and the checksum of a row.
pub(crate) fn identity(row: &dyn Fields) -> Result<(i64, i64), LedgerError> {
    let id = row.get(column::ID)?.integer().unwrap_or_default();
    let bad = |unfit: Unfit| LedgerError::BadRow { id: RequestId::from_i64(id), cause: unfit.at(column::CHECKSUM) };
    Ok((id, row.get(column::CHECKSUM)?.integer().map_err(bad)?))
}

/// The words that a row is summed by, with their numbers in its sums; of `call`, which the row is of.
pub(crate) fn summed_by(row: &dyn Fields, call: &CallRecord) -> Result<Dimensions, LedgerError> {
    // A text without a number was one of the others when it was summed, whatever number it got later.
    let number = |column: usize| {
        row.get(column).map(|value| match value {
            Value::Integer(number) => number,
            _ => OTHERS_ID,
        })
    };
    Ok(Dimensions {
        tier: number(if call.served_tier.is_empty() { column::TIER } else { column::SERVED_TIER })?,
        provider: number(column::PROVIDER)?,
        model: number(column::SERVED_MODEL)?,
        team: number(column::TEAM)?,
        key: number(column::KEY)?,
    })
}

/// Reads one row of [`COLUMNS`].
pub(crate) fn read(row: &dyn Fields, spelling: &Spelling) -> Result<StoredCall, LedgerError> {
    let id = RequestId::from_i64(row.get(column::ID)?.integer().unwrap_or_default());
    let mut columns = Columns { row, place: 0 };
    let (mut call, reason, rule) = columns.call(spelling).map_err(|cause| match cause {
        Unreadable::Store(error) => error,
        Unreadable::Unfit => LedgerError::BadRow { id, cause: Unfit.at(columns.place) },
    })?;
    let bad = |cause| LedgerError::BadRow { id, cause };
    let unfit = |column: usize| move |unfit: Unfit| bad(unfit.at(column));
    let detail = row.get(column::DETAIL)?.blob().map_err(unfit(column::DETAIL))?;
    let why = detail::unpack(detail, &mut call).map_err(bad)?;
    call.reason = reason.with(rule, why);
    let attempts = row.get(column::ATTEMPTS)?.integer().map_err(unfit(column::ATTEMPTS))?;
    let (_, stored) = identity(row)?;
    let checksum = checksum::of(&call, detail, &mut Vec::with_capacity(512));
    let intact = stored == checksum && usize::try_from(attempts) == Ok(call.attempts.len());
    Ok(StoredCall { call, intact })
}

/// Takes the columns of a row one after the other.
struct Columns<'a> {
    row: &'a dyn Fields,
    place: usize,
}

enum Unreadable {
    Store(LedgerError),
    Unfit,
}

impl From<LedgerError> for Unreadable {
    fn from(error: LedgerError) -> Self {
        Self::Store(error)
    }
}

impl From<Unfit> for Unreadable {
    fn from(_: Unfit) -> Self {
        Self::Unfit
    }
}

impl<'a> Columns<'a> {
    fn next(&mut self) -> Result<Value<'a>, Unreadable> {
        let value = self.row.get(self.place)?;
        self.place += 1;
        Ok(value)
    }

    fn number<T: TryFrom<i64>>(&mut self) -> Result<T, Unreadable> {
        Ok(self.next()?.number()?)
    }

    fn code<T: Code>(&mut self) -> Result<T, Unreadable> {
        T::from_code(self.number()?).ok_or(Unreadable::Unfit)
    }

    fn text(&mut self) -> Result<Name, Unreadable> {
        Ok(self.next()?.text()?.into())
    }

    fn money(&mut self) -> Result<Option<Usd>, Unreadable> {
        Ok(self.next()?.optional(Value::integer)?.map(Usd::from_picos))
    }

    /// A column of `words`: a number, or the text itself.
    fn word(&mut self, spelling: &Spelling) -> Result<Name, Unreadable> {
        spelling.text(self.next()?).ok_or(Unreadable::Unfit)
    }

    /// Everything but the packed part; with the kind of its reason and its rule.
    fn call(&mut self, spelling: &Spelling) -> Result<(CallRecord, ReasonKind, String), Unreadable> {
        let id = RequestId::from_i64(self.number()?);
        let flags: i64 = self.number()?;
        let (status, http_status) = (self.code()?, self.number()?);
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
        let (user, session) = (self.text()?, self.text()?);
        let usage = Usage {
            input_tokens: self.number()?,
            cached_input_tokens: self.number()?,
            cache_write_5m_tokens: self.number()?,
            output_tokens: self.number()?,
            reasoning_tokens: self.number()?,
            ..Usage::default()
        };
        let (paid, classifier_paid) = (self.money()?, Usd::from_picos(self.number()?));
        let (baseline, cheapest) = (self.money()?, self.money()?);
        let prediction = Prediction { score_strong: self.next()?.real()?, ..prediction };
        let first_byte_ms = self.next()?.optional(Value::number)?;
        let (total_ms, decide_us) = (self.number()?, self.number()?);
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
            raised_from: Name::default(),
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
        Ok((call, reason, rule.to_string()))
    }
}
