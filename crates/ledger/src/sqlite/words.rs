//! The table of numbered texts.

use crate::value::Value;
use crate::words::{OTHERS, OTHERS_ID, Spelling, Word, Words};
use rusqlite::{CachedStatement, Connection};

/// For the writer: makes sure of the text that stands for all others.
pub(crate) fn begin(db: &Connection) -> rusqlite::Result<Words> {
    db.execute("INSERT OR IGNORE INTO words (id, text) VALUES (?1, ?2)", (OTHERS_ID, OTHERS))?;
    Ok(spelling(db)?.words())
}

pub(crate) fn spelling(db: &Connection) -> rusqlite::Result<Spelling> {
    let mut rows = db.prepare_cached("SELECT id, text FROM words")?;
    let texts = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<_>, _>>()?;
    Ok(Spelling::of(texts))
}

/// What a column holds for a text: its number, a new one if need be; `insert` adds `(id, text)` to the table.
pub(crate) fn word<'a>(
    words: &mut Words,
    Word { text, most }: Word<'a>,
    insert: &mut CachedStatement,
) -> rusqlite::Result<Value<'a>> {
    if let Some(id) = words.get(text) {
        return Ok(Value::Integer(id));
    }
    if words.count() >= most {
        return Ok(Value::Text(text));
    }
    // One writer, and no word is ever deleted: the count is the next free number.
    let id = i64::try_from(words.count()).unwrap_or(i64::MAX);
    insert.execute((id, text))?;
    words.add(text, id);
    Ok(Value::Integer(id))
}
