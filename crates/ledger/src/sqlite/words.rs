//! Texts that repeat, as small numbers.
//!
//! Names of keys, teams, tiers, models and rules are few and on every row. The table is bounded: some of them come from
//! clients (`requested_model`), and nobody may fill our memory with inventions. When it is full, new texts are written
//! in full into their column.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection};
use std::collections::HashMap;

/// The most texts that are numbered.
pub(crate) const MOST_WORDS: usize = 10_000;

/// Stands in sums for all texts that came when the table was full.
const OTHERS: &str = "(others)";

/// What a column holds for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    Numbered(i64),
    Spelled(&'a str),
}

impl ToSql for Word<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Numbered(id) => id.to_sql(),
            Self::Spelled(text) => text.to_sql(),
        }
    }
}

/// The writer's side: text to number.
#[derive(Debug, Default)]
pub(crate) struct Words {
    ids: HashMap<Box<str>, i64>,
    /// Added by the transaction that is open: forgotten again when it is rolled back.
    fresh: Vec<Box<str>>,
}

impl Words {
    /// For the writer: makes sure of the text that stands for all others.
    pub(crate) fn begin(db: &Connection) -> rusqlite::Result<Self> {
        db.execute("INSERT OR IGNORE INTO words (id, text) VALUES (0, ?1)", [OTHERS])?;
        Self::load(db)
    }

    pub(crate) fn load(db: &Connection) -> rusqlite::Result<Self> {
        let mut rows = db.prepare("SELECT text, id FROM words")?;
        let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?.into_boxed_str(), row.get(1)?)))?;
        Ok(Self { ids: rows.collect::<Result<_, _>>()?, fresh: Vec::new() })
    }

    /// The number of a text, a new one if need be; `insert` adds `(id, text)` to the table.
    pub(crate) fn word<'a>(&mut self, text: &'a str, insert: &mut CachedStatement) -> rusqlite::Result<Word<'a>> {
        if let Some(id) = self.ids.get(text) {
            return Ok(Word::Numbered(*id));
        }
        if self.ids.len() >= MOST_WORDS {
            return Ok(Word::Spelled(text));
        }
        // One writer, and no word is ever deleted: the count is the next free number.
        let id = i64::try_from(self.ids.len()).unwrap_or(i64::MAX);
        insert.execute((id, text))?;
        self.ids.insert(text.into(), id);
        self.fresh.push(text.into());
        Ok(Word::Numbered(id))
    }

    /// The number that stands for a text in sums: its own, or that of all others.
    pub(crate) fn number(&self, text: &str) -> i64 {
        self.ids.get(text).copied().unwrap_or_default()
    }

    pub(crate) fn committed(&mut self) {
        self.fresh.clear();
    }

    pub(crate) fn rolled_back(&mut self) {
        for text in self.fresh.drain(..) {
            self.ids.remove(&text);
        }
    }
}

/// The reader's side: number to text. Read once; a number that it does not know yet has been added since.
#[derive(Debug, Default)]
pub(crate) struct Spelling(HashMap<i64, String>);

impl Spelling {
    pub(crate) fn load(db: &Connection) -> rusqlite::Result<Self> {
        let mut rows = db.prepare_cached("SELECT id, text FROM words")?;
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self(rows.collect::<Result<_, _>>()?))
    }

    /// The text of a number; the number itself in brackets when it has none.
    pub(crate) fn number(&self, id: i64) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| format!("({id})"))
    }

    /// The text of a column; none when it is no word at all.
    pub(crate) fn of(&self, value: ValueRef) -> Option<String> {
        match value {
            ValueRef::Integer(id) => self.0.get(&id).cloned(),
            ValueRef::Text(text) => std::str::from_utf8(text).ok().map(str::to_owned),
            _ => None,
        }
    }
}
