//! All of it from one store into another.

use crate::state::sql::Statements;
use crate::{LedgerError, State};

/// Tables, with the columns by which a row is known; numbered ones say so.
const TABLES: [(&str, &str, bool); 6] = [
    (
        "samples",
        "id, taken_ms, kind, task_type, complexity, tier, cheap_model, baseline_model, format, key, chance, weight, state, why,
        done_ms, judge, one, other, shadow_id, cheap_tokens, baseline_tokens, cost, request, cheap_answer, baseline_answer,
        text_until_ms",
        false,
    ),
    ("labels", "id, reviewer, at_ms, word", false),
    ("feedback", "id, key, at_ms, score, comment", false),
    ("cell_changes", "version, at_ms, task_type, tier, was, state, author, why, verdicts, quality, low, high", true),
    ("alarms", "id, at_ms, task_type, tier, words, delivered", true),
    ("evidence_versions", "version, at_ms, author, why, outcomes, in_force, evidence", true),
];

/// Copies what the target does not have; gives how many rows. Rows whose numbers the target gave to rows of its own stay
/// behind: its own history goes on.
pub(crate) fn copy(from: &mut State, to: &mut dyn Statements) -> Result<u64, LedgerError> {
    let mut copied = 0;
    for (table, columns, numbered) in TABLES {
        let count = columns.split(',').count();
        let marks: Vec<String> = (1..=count).map(|at| format!("?{at}")).collect();
        let insert = format!("INSERT INTO {table} ({columns}) VALUES ({}) ON CONFLICT DO NOTHING", marks.join(", "));
        from.statements().ask(&format!("SELECT {columns} FROM {table} ORDER BY 1"), &[], &mut |fields| {
            let values = (0..count).map(|at| fields.get(at)).collect::<Result<Vec<_>, _>>()?;
            copied += to.change(&insert, &values)?;
            Ok(())
        })?;
        if numbered {
            to.number_on(table, columns.split(',').next().unwrap_or_default())?;
        }
    }
    Ok(copied)
}
