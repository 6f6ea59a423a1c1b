//! Samples and what was found about them.

use super::{Compared, Pair, Sample, SampleCounts, SampleText, Shadowed, Spent, Verdict};
use crate::codes::Code;
use crate::state::sql::{Columns, all, number, one, optional};
use crate::value::Value::{Integer, Null, Real, Text};
use crate::{LedgerError, State};
use tierway_decide::quality::{CellKey, Comparison, Judged, Kind, Preference};
use tierway_decide::{RequestId, Usd};

/// What [`judged`] reads.
const JUDGED: &str = "kind, task_type, tier, one, other, weight, cost,
    (SELECT word FROM labels WHERE labels.id = samples.id ORDER BY at_ms DESC LIMIT 1), done_ms,
    CASE WHEN judge = '' THEN 1 ELSE 0 END";

/// What [`pair`] reads after those.
const PAIR: &str = "id, format, judge, why, cheap_model, baseline_model, request, cheap_answer, baseline_answer,
    cheap_tokens, baseline_tokens, chance";

/// Every method fails with what the database says.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
impl State {
    /// Keeps a sample that waits for its verdict. One that is there already stays as it is.
    pub fn keep_sample(&mut self, sample: &Sample) -> Result<(), LedgerError> {
        let text = sample.text.as_ref();
        let side = |cheap: bool| sample.kind.served_cheap() == cheap;
        let model = |cheap| Text(if side(cheap) { &sample.served_model } else { "" });
        let tokens = |cheap| if side(cheap) { number(sample.served_tokens) } else { Null };
        let answer = |cheap| optional(text.filter(|_| side(cheap)), |text| Text(&text.served));
        let sql =
            "INSERT INTO samples (id, taken_ms, kind, task_type, complexity, tier, cheap_model, baseline_model, format,
                key, chance, weight, state, why, judge, cheap_tokens, baseline_tokens, cost, request, cheap_answer,
                baseline_answer, text_until_ms)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, '', '', ?13, ?14, 0, ?15, ?16, ?17, ?18)
            ON CONFLICT (id) DO NOTHING";
        let values = [
            Integer(sample.id.as_i64()),
            Integer(sample.taken_ms),
            Integer(sample.kind.code()),
            Integer(sample.task_type.code()),
            Integer(sample.complexity.code()),
            Text(&sample.tier),
            model(true),
            model(false),
            Text(&sample.format),
            Text(&sample.key),
            Real(sample.chance),
            Real(sample.weight),
            tokens(true),
            tokens(false),
            optional(text, |text| Text(&text.request)),
            answer(true),
            answer(false),
            optional(text, |text| Integer(text.until_ms)),
        ];
        self.statements().change(sql, &values).map(|_| ())
    }

    /// Writes down what was found; false when the sample has a verdict already, or was given up.
    pub fn judge_sample(&mut self, id: RequestId, verdict: &Verdict) -> Result<bool, LedgerError> {
        let sql =
            "UPDATE samples SET state = 1, done_ms = ?2, one = ?3, other = ?4, judge = ?5, shadow_id = ?7, cost = ?8,
                why = CASE WHEN text_until_ms IS NULL AND ?5 <> '' THEN '' ELSE ?6 END,
                cheap_model = CASE WHEN kind IN (0, 3) THEN cheap_model ELSE ?9 END,
                baseline_model = CASE WHEN kind IN (0, 3) THEN ?9 ELSE baseline_model END,
                cheap_tokens = CASE WHEN kind IN (0, 3) THEN cheap_tokens ELSE ?10 END,
                baseline_tokens = CASE WHEN kind IN (0, 3) THEN ?10 ELSE baseline_tokens END,
                cheap_answer = CASE WHEN text_until_ms IS NULL THEN NULL WHEN kind IN (0, 3) THEN ?11 ELSE ?12 END,
                baseline_answer = CASE WHEN text_until_ms IS NULL THEN NULL WHEN kind IN (0, 3) THEN ?12 ELSE ?11 END
            WHERE id = ?1 AND state = 0";
        let values = [
            Integer(id.as_i64()),
            Integer(verdict.done_ms),
            Integer(verdict.comparison.one.code()),
            Integer(verdict.comparison.other.code()),
            Text(&verdict.judge),
            Text(&verdict.why),
            optional(verdict.shadow, |id| Integer(id.as_i64())),
            Integer(verdict.cost.picos()),
            Text(&verdict.shadow_model),
            number(verdict.shadow_tokens),
            Text(&verdict.served_answer),
            Text(&verdict.shadow_answer),
        ];
        Ok(self.statements().change(sql, &values)? > 0)
    }

    /// Gives a sample up; `cost` was paid all the same.
    pub fn give_up_sample(&mut self, id: RequestId, why: &str, cost: Usd, at_ms: i64) -> Result<(), LedgerError> {
        let sql = "UPDATE samples SET state = 2, why = ?2, cost = ?3, done_ms = ?4 WHERE id = ?1 AND state = 0";
        let values = [Integer(id.as_i64()), Text(why), Integer(cost.picos()), Integer(at_ms)];
        self.statements().change(sql, &values).map(|_| ())
    }

    /// Gives up the samples that wait without texts: who had those in memory is gone.
    pub fn give_up_lost_samples(&mut self, now_ms: i64) -> Result<(), LedgerError> {
        let sql = "UPDATE samples SET state = 2, why = 'the router stopped before it was judged', done_ms = ?1
            WHERE state = 0 AND request IS NULL";
        self.statements().change(sql, &[Integer(now_ms)]).map(|_| ())
    }

    /// Samples that wait and whose texts are there, the oldest first: what a restart goes on with.
    pub fn waiting_samples(&mut self, limit: usize) -> Result<Vec<Sample>, LedgerError> {
        let sql =
            "SELECT id, taken_ms, kind, task_type, complexity, tier, cheap_model, baseline_model, format, key, chance,
                weight, cheap_tokens, baseline_tokens, request, cheap_answer, baseline_answer, text_until_ms
            FROM samples WHERE state = 0 AND request IS NOT NULL ORDER BY id LIMIT ?1";
        all(self.statements(), sql, &[number(limit as u64)], waiting)
    }

    /// Verdicts that were reached in a span, in that order, with the last word of people.
    pub fn verdicts(&mut self, from_ms: i64, to_ms: i64) -> Result<Vec<Judged>, LedgerError> {
        let sql = format!(
            "SELECT {JUDGED} FROM samples WHERE state = 1 AND done_ms >= ?1 AND done_ms < ?2 ORDER BY done_ms, id"
        );
        all(self.statements(), &sql, &[Integer(from_ms), Integer(to_ms)], judged)
    }

    /// The last so many verdicts, summed up by what was compared and what came out.
    pub fn compared(&mut self, last: u64) -> Result<Vec<Compared>, LedgerError> {
        let sql = "SELECT task_type, tier, cheap_model, baseline_model, coalesce(word, one), coalesce(word, other), sum(weight)
            FROM (SELECT task_type, tier, cheap_model, baseline_model, one, other, weight,
                    (SELECT word FROM labels WHERE labels.id = samples.id ORDER BY at_ms DESC LIMIT 1) AS word
                FROM samples WHERE state = 1 ORDER BY done_ms DESC, id DESC LIMIT ?1) AS newest
            GROUP BY 1, 2, 3, 4, 5, 6";
        all(self.statements(), sql, &[number(last)], |row| {
            Ok(Compared {
                task_type: row.coded(0)?,
                tier: row.text(1)?,
                models: [row.text(2)?, row.text(3)?],
                comparison: Comparison { one: row.coded(4)?, other: row.coded(5)? },
                weight: row.double(6)?,
            })
        })
    }

    /// What became of the samples that were taken in a span.
    pub fn sample_counts(&mut self, from_ms: i64, to_ms: i64) -> Result<SampleCounts, LedgerError> {
        let sql = "SELECT state, count(*) FROM samples WHERE taken_ms >= ?1 AND taken_ms < ?2 GROUP BY state";
        let counts = all(self.statements(), sql, &[Integer(from_ms), Integer(to_ms)], |row| {
            Ok((row.integer(0)?, row.count(1)?))
        })?;
        let of = |state| counts.iter().find(|(at, _)| *at == state).map_or(0, |(_, count)| *count);
        Ok(SampleCounts { waiting: of(0), judged: of(1), given_up: of(2) })
    }

    /// What looking at the samples cost that were taken since a moment.
    pub fn quality_spent(&mut self, from_ms: i64) -> Result<Spent, LedgerError> {
        let sql = "SELECT CAST(coalesce(sum(cost), 0) AS bigint), count(*) FILTER (WHERE cost > 0),
                coalesce(sum(1.0 / chance), 0.0), min(taken_ms)
            FROM samples WHERE taken_ms >= ?1";
        let spent = one(self.statements(), sql, &[Integer(from_ms)], |row| {
            Ok(Spent {
                cost: Usd::from_picos(row.integer(0)?),
                looks: row.count(1)?,
                eligible: row.double(2)?,
                first_ms: row.opt_integer(3)?,
            })
        });
        Ok(spent?.unwrap_or_default())
    }

    /// Requests of a span that went down and were answered by the baseline tier, too, the newest first.
    pub fn shadowed(&mut self, from_ms: i64, to_ms: i64, limit: usize) -> Result<Vec<Shadowed>, LedgerError> {
        let sql = "SELECT id, task_type, baseline_tokens, chance FROM samples
            WHERE state = 1 AND kind IN (0, 3) AND baseline_tokens IS NOT NULL AND id >= ?1 AND id < ?2
            ORDER BY id DESC LIMIT ?3";
        let [from, to] = [from_ms, to_ms].map(|ms| Integer(RequestId::first_at(ms).as_i64()));
        all(self.statements(), sql, &[from, to, number(limit as u64)], |row| {
            Ok(Shadowed {
                id: RequestId::from_i64(row.integer(0)?),
                task_type: row.coded(1)?,
                baseline_tokens: row.count(2)?,
                chance: row.double(3)?,
            })
        })
    }

    /// One judged pair.
    pub fn pair(&mut self, id: RequestId) -> Result<Option<Pair>, LedgerError> {
        let sql = format!("SELECT {JUDGED}, {PAIR} FROM samples WHERE state = 1 AND id = ?1");
        one(self.statements(), &sql, &[Integer(id.as_i64())], pair)
    }

    /// Judged pairs with texts that nobody has labelled, those first where the judge was of two minds.
    pub fn unlabelled(&mut self, limit: usize) -> Result<Vec<RequestId>, LedgerError> {
        let sql = "SELECT id FROM samples WHERE state = 1 AND request IS NOT NULL AND judge <> ''
                AND NOT EXISTS (SELECT 1 FROM labels WHERE labels.id = samples.id)
            ORDER BY abs(one - other) DESC, done_ms DESC LIMIT ?1";
        all(self.statements(), sql, &[number(limit as u64)], |row| row.integer(0).map(RequestId::from_i64))
    }

    /// Every judged pair with texts, in the order in which they were judged: for learning from.
    pub fn pairs_with_texts(&mut self, from_ms: i64) -> Result<Vec<Pair>, LedgerError> {
        let sql = format!(
            "SELECT {JUDGED}, {PAIR} FROM samples WHERE state = 1 AND request IS NOT NULL AND done_ms >= ?1
            ORDER BY done_ms, id"
        );
        all(self.statements(), &sql, &[Integer(from_ms)], pair)
    }

    /// Forgets texts whose time is over, and gives up samples that still wait for what is gone.
    pub fn forget_texts(&mut self, now_ms: i64) -> Result<u64, LedgerError> {
        let sql =
            "UPDATE samples SET request = NULL, cheap_answer = NULL, baseline_answer = NULL, text_until_ms = NULL,
                why = CASE WHEN state = 0 THEN 'its texts were forgotten before it was judged'
                    WHEN state = 1 AND judge <> '' THEN '' ELSE why END,
                state = CASE WHEN state = 0 THEN 2 ELSE state END
            WHERE text_until_ms < ?1";
        self.statements().change(sql, &[Integer(now_ms)])
    }
}

fn waiting(row: &Columns<'_>) -> Result<Sample, LedgerError> {
    let kind: Kind = row.coded(2)?;
    let served = usize::from(!kind.served_cheap());
    Ok(Sample {
        id: RequestId::from_i64(row.integer(0)?),
        taken_ms: row.integer(1)?,
        kind,
        task_type: row.coded(3)?,
        complexity: row.coded(4)?,
        tier: row.text(5)?,
        served_model: row.text(6 + served)?,
        format: row.text(8)?,
        key: row.text(9)?,
        chance: row.double(10)?,
        weight: row.double(11)?,
        served_tokens: row.opt_count(12 + served)?.unwrap_or_default(),
        text: Some(SampleText {
            request: row.text(14)?,
            served: row.opt_text(15 + served)?.unwrap_or_default(),
            until_ms: row.integer(17)?,
        }),
    })
}

fn judged(row: &Columns<'_>) -> Result<Judged, LedgerError> {
    Ok(Judged {
        kind: row.coded(0)?,
        cell: CellKey { task_type: row.coded(1)?, tier: row.text(2)? },
        comparison: Comparison { one: row.coded(3)?, other: row.coded(4)? },
        weight: row.double(5)?,
        cost: Usd::from_picos(row.integer(6)?),
        person: row.opt_coded::<Preference>(7)?,
        at_ms: row.integer(8)?,
        certain: row.flag(9)?,
    })
}

fn pair(row: &Columns<'_>) -> Result<Pair, LedgerError> {
    let Judged { kind, cell, comparison, person, .. } = judged(row)?;
    let texts = row.opt_text(16)?.zip(row.opt_text(17)?).zip(row.opt_text(18)?);
    Ok(Pair {
        id: RequestId::from_i64(row.integer(10)?),
        kind,
        cell,
        format: row.text(11)?,
        comparison,
        judge: row.text(12)?,
        why: row.text(13)?,
        models: [row.text(14)?, row.text(15)?],
        tokens: [row.opt_count(19)?, row.opt_count(20)?],
        chance: row.double(21)?,
        texts: texts.map(|((request, cheap), baseline)| [request, cheap, baseline]),
        person,
    })
}
