//! What people said: of a pair on the review page, of an answer they got.

use super::{Feedback, FeedbackSum};
use crate::codes::Code;
use crate::state::sql::all;
use crate::value::Value::{Integer, Real, Text};
use crate::{LedgerError, State};
use tierway_decide::RequestId;
use tierway_decide::quality::Preference;

/// Every method fails with what the database says.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
impl State {
    /// Writes down what a person said of a pair; a second word of the same person replaces the first.
    pub fn label(&mut self, id: RequestId, reviewer: &str, word: Preference, at_ms: i64) -> Result<(), LedgerError> {
        let sql = "INSERT INTO labels (id, reviewer, at_ms, word) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (id, reviewer) DO UPDATE SET at_ms = excluded.at_ms, word = excluded.word";
        let values = [Integer(id.as_i64()), Text(reviewer), Integer(at_ms), Integer(word.code())];
        self.statements().change(sql, &values).map(|_| ())
    }

    /// Writes down what a caller said; a second word about the same request replaces the first.
    pub fn keep_feedback(&mut self, feedback: &Feedback) -> Result<(), LedgerError> {
        let sql = "INSERT INTO feedback (id, key, at_ms, score, comment) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, score = excluded.score, comment = excluded.comment";
        let values = [
            Integer(feedback.id.as_i64()),
            Text(&feedback.key),
            Integer(feedback.at_ms),
            Real(feedback.score),
            Text(&feedback.comment),
        ];
        self.statements().change(sql, &values).map(|_| ())
    }

    /// What callers said of requests of a span, by the tier that answered.
    pub fn feedback(&mut self, from_ms: i64, to_ms: i64) -> Result<Vec<FeedbackSum>, LedgerError> {
        let db = self.statements();
        let sql = format!(
            "SELECT coalesce({}, ''), count(*), avg(feedback.score)
            FROM feedback LEFT JOIN calls ON calls.id = feedback.id
            WHERE feedback.id >= ?1 AND feedback.id < ?2 GROUP BY 1 ORDER BY count(*) DESC",
            db.served_tier()
        );
        let span = [from_ms, to_ms].map(|ms| Integer(RequestId::first_at(ms).as_i64()));
        all(db, &sql, &span, |row| Ok(FeedbackSum { tier: row.text(0)?, count: row.count(1)?, mean: row.double(2)? }))
    }
}
