//! Samples, verdicts and what people said.

use super::StateStore;
use crate::LedgerError;
use crate::codes::Code;
use crate::state::quality::{Feedback, FeedbackSum, Pair, Sample, SampleCounts, SampleText, Shadowed, Spent, Verdict};
use rusqlite::{Row, params};
use tierway_decide::quality::{CellKey, Comparison, Judged, Kind, Preference};
use tierway_decide::{RequestId, Usd};

/// What [`judged`] reads.
const JUDGED: &str = "SELECT kind, task_type, tier, one, other, weight, cost,
    (SELECT word FROM labels WHERE labels.id = samples.id ORDER BY at_ms DESC LIMIT 1), done_ms, judge = ''
    FROM samples WHERE state = 1";

/// What [`pair`] reads.
const PAIR: &str = "SELECT kind, task_type, tier, one, other, weight, cost,
    (SELECT word FROM labels WHERE labels.id = samples.id ORDER BY at_ms DESC LIMIT 1), done_ms, judge = '',
    id, format, judge, why, cheap_model, baseline_model, request, cheap_answer, baseline_answer,
    cheap_tokens, baseline_tokens, chance FROM samples WHERE state = 1";

impl StateStore {
    pub(crate) fn keep_sample(&mut self, sample: &Sample) -> Result<(), LedgerError> {
        let up = !sample.kind.served_cheap();
        let text = sample.text.as_ref();
        let served = text.map(|text| text.served.as_str());
        let tokens = Some(signed(sample.served_tokens));
        self.write(|db| {
            db.prepare_cached(
                "INSERT INTO samples (id, taken_ms, kind, task_type, complexity, tier, cheap_model, baseline_model, format,
                    key, chance, weight, state, why, judge, cheap_tokens, baseline_tokens, cost, request, cheap_answer,
                    baseline_answer, text_until_ms)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, '', '', ?13, ?14, 0, ?15, ?16, ?17, ?18)
                ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![
                sample.id.as_i64(),
                sample.taken_ms,
                sample.kind.code(),
                sample.task_type.code(),
                sample.complexity.code(),
                sample.tier,
                if up { "" } else { &sample.served_model },
                if up { &sample.served_model } else { "" },
                sample.format,
                sample.key,
                sample.chance,
                sample.weight,
                if up { None } else { tokens },
                if up { tokens } else { None },
                text.map(|text| text.request.as_str()),
                if up { None } else { served },
                if up { served } else { None },
                text.map(|text| text.until_ms),
            ])
        })
    }

    pub(crate) fn judge_sample(&mut self, id: RequestId, verdict: &Verdict) -> Result<bool, LedgerError> {
        self.written(|db| {
            db.prepare_cached(
                "UPDATE samples SET state = 1, done_ms = ?2, one = ?3, other = ?4, judge = ?5, shadow_id = ?7, cost = ?8,
                    why = CASE WHEN text_until_ms IS NULL AND ?5 <> '' THEN '' ELSE ?6 END,
                    cheap_model = CASE WHEN kind IN (0, 3) THEN cheap_model ELSE ?9 END,
                    baseline_model = CASE WHEN kind IN (0, 3) THEN ?9 ELSE baseline_model END,
                    cheap_tokens = CASE WHEN kind IN (0, 3) THEN cheap_tokens ELSE ?10 END,
                    baseline_tokens = CASE WHEN kind IN (0, 3) THEN ?10 ELSE baseline_tokens END,
                    cheap_answer = CASE WHEN text_until_ms IS NULL THEN NULL WHEN kind IN (0, 3) THEN ?11 ELSE ?12 END,
                    baseline_answer = CASE WHEN text_until_ms IS NULL THEN NULL WHEN kind IN (0, 3) THEN ?12 ELSE ?11 END
                WHERE id = ?1 AND state = 0",
            )?
            .execute(params![
                id.as_i64(),
                verdict.done_ms,
                verdict.comparison.one.code(),
                verdict.comparison.other.code(),
                verdict.judge,
                verdict.why,
                verdict.shadow.map(RequestId::as_i64),
                verdict.cost.picos(),
                verdict.shadow_model,
                signed(verdict.shadow_tokens),
                verdict.served_answer,
                verdict.shadow_answer,
            ])
        })
        .map(|rows| rows > 0)
    }

    pub(crate) fn give_up_sample(&mut self, id: RequestId, why: &str, cost: Usd, at: i64) -> Result<(), LedgerError> {
        self.write(|db| {
            db.prepare_cached(
                "UPDATE samples SET state = 2, why = ?2, cost = ?3, done_ms = ?4 WHERE id = ?1 AND state = 0",
            )?
            .execute(params![id.as_i64(), why, cost.picos(), at])
        })
    }

    pub(crate) fn give_up_lost_samples(&mut self, now: i64) -> Result<(), LedgerError> {
        self.write(|db| {
            db.prepare_cached(
                "UPDATE samples SET state = 2, why = 'the router stopped before it was judged', done_ms = ?1
                WHERE state = 0 AND request IS NULL",
            )?
            .execute([now])
        })
    }

    pub(crate) fn waiting_samples(&mut self, limit: usize) -> Result<Vec<Sample>, LedgerError> {
        self.all(
            "SELECT id, taken_ms, kind, task_type, complexity, tier, cheap_model, baseline_model, format, key, chance,
                weight, cheap_tokens, baseline_tokens, request, cheap_answer, baseline_answer, text_until_ms
            FROM samples WHERE state = 0 AND request IS NOT NULL ORDER BY id LIMIT ?1",
            [signed(limit as u64)],
            |row| {
                let kind: Kind = coded(row, 2)?;
                let served = usize::from(!kind.served_cheap());
                let tokens: Option<i64> = row.get(12 + served)?;
                Ok(Sample {
                    id: RequestId::from_i64(row.get(0)?),
                    taken_ms: row.get(1)?,
                    kind,
                    task_type: coded(row, 3)?,
                    complexity: coded(row, 4)?,
                    tier: row.get(5)?,
                    served_model: row.get(6 + served)?,
                    format: row.get(8)?,
                    key: row.get(9)?,
                    chance: row.get(10)?,
                    weight: row.get(11)?,
                    served_tokens: tokens.unwrap_or_default().cast_unsigned(),
                    text: Some(SampleText {
                        request: row.get(14)?,
                        served: row.get::<_, Option<String>>(15 + served)?.unwrap_or_default(),
                        until_ms: row.get(17)?,
                    }),
                })
            },
        )
    }

    pub(crate) fn verdicts(&mut self, from: i64, to: i64) -> Result<Vec<Judged>, LedgerError> {
        self.all(&format!("{JUDGED} AND done_ms >= ?1 AND done_ms < ?2 ORDER BY done_ms, id"), [from, to], judged)
    }

    pub(crate) fn sample_counts(&mut self, from: i64, to: i64) -> Result<SampleCounts, LedgerError> {
        let counts = self.all(
            "SELECT state, count(*) FROM samples WHERE taken_ms >= ?1 AND taken_ms < ?2 GROUP BY state",
            [from, to],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?.cast_unsigned())),
        )?;
        let of = |state| counts.iter().find(|(at, _)| *at == state).map_or(0, |(_, count)| *count);
        Ok(SampleCounts { waiting: of(0), judged: of(1), given_up: of(2) })
    }

    pub(crate) fn quality_spent(&mut self, from: i64) -> Result<Spent, LedgerError> {
        let spent = self.one(
            "SELECT coalesce(sum(cost), 0), count(*) FILTER (WHERE cost > 0), coalesce(sum(1.0 / chance), 0.0), min(taken_ms)
            FROM samples WHERE taken_ms >= ?1",
            [from],
            |row| {
                let looks = row.get::<_, i64>(1)?.cast_unsigned();
                Ok(Spent { cost: Usd::from_picos(row.get(0)?), looks, eligible: row.get(2)?, first_ms: row.get(3)? })
            },
        );
        Ok(spent?.unwrap_or_default())
    }

    pub(crate) fn shadowed(&mut self, from: i64, to: i64, limit: usize) -> Result<Vec<Shadowed>, LedgerError> {
        self.all(
            "SELECT id, task_type, baseline_tokens, chance FROM samples
            WHERE state = 1 AND kind IN (0, 3) AND baseline_tokens IS NOT NULL AND id >= ?1 AND id < ?2
            ORDER BY id DESC LIMIT ?3",
            [RequestId::first_at(from).as_i64(), RequestId::first_at(to).as_i64(), signed(limit as u64)],
            |row| {
                Ok(Shadowed {
                    id: RequestId::from_i64(row.get(0)?),
                    task_type: coded(row, 1)?,
                    baseline_tokens: row.get::<_, i64>(2)?.cast_unsigned(),
                    chance: row.get(3)?,
                })
            },
        )
    }

    pub(crate) fn pair(&mut self, id: RequestId) -> Result<Option<Pair>, LedgerError> {
        self.one(&format!("{PAIR} AND id = ?1"), [id.as_i64()], pair)
    }

    pub(crate) fn unlabelled(&mut self, limit: usize) -> Result<Vec<RequestId>, LedgerError> {
        self.all(
            "SELECT id FROM samples WHERE state = 1 AND request IS NOT NULL AND judge <> ''
                AND NOT EXISTS (SELECT 1 FROM labels WHERE labels.id = samples.id)
            ORDER BY abs(one - other) DESC, done_ms DESC LIMIT ?1",
            [signed(limit as u64)],
            |row| row.get(0).map(RequestId::from_i64),
        )
    }

    pub(crate) fn pairs_with_texts(&mut self, from: i64) -> Result<Vec<Pair>, LedgerError> {
        self.all(&format!("{PAIR} AND request IS NOT NULL AND done_ms >= ?1 ORDER BY done_ms, id"), [from], pair)
    }

    pub(crate) fn label(&mut self, id: RequestId, who: &str, word: Preference, at: i64) -> Result<(), LedgerError> {
        self.write(|db| {
            db.prepare_cached(
                "INSERT INTO labels (id, reviewer, at_ms, word) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (id, reviewer) DO UPDATE SET at_ms = excluded.at_ms, word = excluded.word",
            )?
            .execute(params![id.as_i64(), who, at, word.code()])
        })
    }

    pub(crate) fn keep_feedback(&mut self, feedback: &Feedback) -> Result<(), LedgerError> {
        self.write(|db| {
            db.prepare_cached(
                "INSERT INTO feedback (id, key, at_ms, score, comment) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, score = excluded.score, comment = excluded.comment",
            )?
            .execute(params![feedback.id.as_i64(), feedback.key, feedback.at_ms, feedback.score, feedback.comment])
        })
    }

    pub(crate) fn feedback(&mut self, from: i64, to: i64) -> Result<Vec<FeedbackSum>, LedgerError> {
        let [from, to] = [from, to].map(|ms| RequestId::first_at(ms).as_i64());
        self.all(
            "SELECT coalesce((SELECT text FROM words WHERE id = served_tier), served_tier, ''), count(*), avg(feedback.score)
            FROM feedback LEFT JOIN calls ON calls.id = feedback.id
            WHERE feedback.id >= ?1 AND feedback.id < ?2 GROUP BY 1 ORDER BY count(*) DESC",
            [from, to],
            |row| {
                let count = row.get::<_, i64>(1)?.cast_unsigned();
                Ok(FeedbackSum { tier: row.get(0)?, count, mean: row.get(2)? })
            },
        )
    }

    pub(crate) fn forget_texts(&mut self, now: i64) -> Result<u64, LedgerError> {
        let path = self.path.clone();
        let forget = |db: &rusqlite::Connection| {
            db.prepare_cached(
                "UPDATE samples SET request = NULL, cheap_answer = NULL, baseline_answer = NULL, text_until_ms = NULL,
                    why = CASE WHEN state = 0 THEN 'its texts were forgotten before it was judged'
                        WHEN state = 1 AND judge <> '' THEN '' ELSE why END,
                    state = max(state, 2 * (state = 0))
                WHERE text_until_ms < ?1",
            )?
            .execute([now])
        };
        forget(&self.db).map(|rows| rows as u64).map_err(|cause| LedgerError::from_sqlite(&path, cause))
    }
}

fn judged(row: &Row<'_>) -> rusqlite::Result<Judged> {
    Ok(Judged {
        at_ms: row.get(8)?,
        certain: row.get(9)?,
        kind: coded(row, 0)?,
        cell: CellKey { task_type: coded(row, 1)?, tier: row.get(2)? },
        comparison: Comparison { one: coded(row, 3)?, other: coded(row, 4)? },
        weight: row.get(5)?,
        cost: Usd::from_picos(row.get(6)?),
        person: row.get::<_, Option<i64>>(7)?.and_then(Preference::from_code),
    })
}

fn pair(row: &Row<'_>) -> rusqlite::Result<Pair> {
    let Judged { kind, cell, comparison, person, .. } = judged(row)?;
    let tokens = |at| row.get::<_, Option<i64>>(at).map(|tokens| tokens.map(i64::cast_unsigned));
    let text = |at| row.get::<_, Option<String>>(at);
    let texts = text(16)?.zip(text(17)?).zip(text(18)?).map(|((request, cheap), baseline)| [request, cheap, baseline]);
    Ok(Pair {
        id: RequestId::from_i64(row.get(10)?),
        kind,
        cell,
        format: row.get(11)?,
        comparison,
        judge: row.get(12)?,
        why: row.get(13)?,
        models: [row.get(14)?, row.get(15)?],
        tokens: [tokens(19)?, tokens(20)?],
        chance: row.get(21)?,
        texts,
        person,
    })
}

/// A member of a closed set by its number.
pub(super) fn coded<T: Code>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let code = row.get(at)?;
    T::from_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(at, code))
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
