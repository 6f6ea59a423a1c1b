//! The text of what a view asks for: one statement for all of it, so that a question has few round trips.

use crate::ask::{Search, Test};
use crate::cells::{Apart, COLUMNS, DIMENSIONS, FIRST_MONEY, NUMBERS, Piece};
use crate::row::{self, column};
use crate::value::Value;

/// Rows with some ids ($1).
pub(super) fn rows_of() -> String {
    // One look into the index of one partition for each, whatever the planner thinks of it.
    let (columns, wanted) = (row::COLUMNS, "SELECT * FROM calls WHERE id = wanted.number");
    format!(
        "SELECT {columns}, spelled FROM unnest($1) AS wanted (number) CROSS JOIN LATERAL ({wanted} LIMIT 1) AS found"
    )
}

/// The newest rows, at most $3, of each of some ranges (from $1, before $2).
pub(super) fn newest_of() -> String {
    let (columns, wanted) = (row::COLUMNS, "SELECT * FROM calls WHERE id >= wanted.first AND id < wanted.past");
    format!(
        "SELECT {columns}, spelled FROM unnest($1, $2) AS wanted (first, past) \
         CROSS JOIN LATERAL ({wanted} ORDER BY id DESC LIMIT $3) AS found"
    )
}

/// The last id and the number of the newest $3 rows of a range (from $1, before $2).
pub(super) const NEWEST: &str = "SELECT min(id), count(*) FROM \
                                 (SELECT id FROM calls WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT $3) AS newest";

/// The newest rows that match, at most $3, of a range (from $1, before $2). With the texts of $4 and on.
pub(super) fn matching(search: &Search) -> (String, Vec<Value<'_>>) {
    let mut texts = Vec::new();
    let names: Vec<_> = row::COLUMNS.split(", ").collect();
    let (tier, served) = (names[column::TIER], names[column::SERVED_TIER]);
    let answered = format!("CASE WHEN {served} = {} THEN {tier} ELSE {served} END", search.no_tier);
    let of_columns = search.tests.iter().map(|(at, test)| (names[*at], test));
    let conditions: String = of_columns
        .chain(search.tier.iter().map(|test| (answered.as_str(), test)))
        .map(|(name, test)| format!(" AND {}", condition(name, test, &mut texts)))
        .collect();
    let columns = row::COLUMNS;
    let sql = format!(
        "SELECT {columns}, spelled FROM calls WHERE id >= $1 AND id < $2{conditions} ORDER BY id DESC LIMIT $3"
    );
    (sql, texts)
}

fn condition<'a>(column: &str, test: &'a Test, texts: &mut Vec<Value<'a>>) -> String {
    let mut text = |text: &'a str| {
        texts.push(Value::Text(text));
        texts.len() + 3
    };
    match test {
        Test::Number(wanted) => format!("{column} = {wanted}"),
        Test::Neither([one, other]) => format!("{column} NOT IN ({one}, {other})"),
        Test::AtLeast(least) => format!("{column} >= {least}"),
        Test::Text(wanted) => format!("{column} = ${}", text(wanted)),
        Test::Word(number, wanted) => {
            format!("({column} = {number} OR ({column} < 0 AND spelled[-({column})] = ${}))", text(wanted))
        }
    }
}

/// Cells of some pieces, summed up over all dimensions that are not to be told apart. Histograms come one
/// after the other with [`NEXT`](crate::histogram::NEXT) ($1) between them.
pub(super) fn sums(pieces: &[Piece], apart: Apart) -> String {
    let some: Vec<_> = pieces.iter().map(|piece| format!("SELECT * FROM cells WHERE {}", piece.condition())).collect();
    let column = |(at, name): (usize, &str)| {
        if at < DIMENSIONS {
            if apart.dimensions.contains(&name) { name.to_owned() } else { "-1::smallint".to_owned() }
        } else if at < FIRST_MONEY {
            format!("sum({name})::bigint")
        } else if at < DIMENSIONS + NUMBERS {
            // As elsewhere: money beyond what a number holds is cut.
            format!("least(sum({name}), {})::bigint", i64::MAX)
        } else if apart.histograms {
            format!("string_agg({name}, $1)")
        } else {
            // Nothing, of the right type.
            "substring($1 for 0)".to_owned()
        }
    };
    let columns: Vec<_> = COLUMNS.split(", ").enumerate().map(column).collect();
    format!(
        "SELECT {} FROM ({}) AS cell GROUP BY {}",
        columns.join(", "),
        some.join(" UNION ALL "),
        apart.dimensions.join(", ")
    )
}
