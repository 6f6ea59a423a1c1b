//! Texts that repeat, as small numbers.
//!
//! Names of keys, teams, tiers, models and rules are few and on every row. The table is bounded: some of them come from
//! clients (`requested_model`), and nobody may fill our memory with inventions. When it is full, new texts are written
//! in full into their row. Inventions fill half of it at most: what an operator names finds room all the same, since sums (and
//! with them budgets) tell apart only what has a number.

use crate::value::Value;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use tierway_decide::Name;

/// The most texts that are numbered.
pub(crate) const MOST_WORDS: usize = 20_000;

/// A text that a client may have invented is numbered only while there are fewer in all.
pub(crate) const MOST_INVENTED: usize = 10_000;

/// A text of a record that may be numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a> {
    pub(crate) text: &'a str,
    /// It gets a number while fewer texts than this have one.
    pub(crate) most: usize,
}

impl<'a> Word<'a> {
    /// What the operator named, or a provider.
    pub(crate) const fn known(text: &'a str) -> Self {
        Self { text, most: MOST_WORDS }
    }

    /// What a client may have invented.
    pub(crate) const fn invented(text: &'a str) -> Self {
        Self { text, most: MOST_INVENTED }
    }
}

/// Stands in sums for all texts that came when the table was full.
pub(crate) const OTHERS: &str = "(others)";
/// Its number.
pub(crate) const OTHERS_ID: i64 = 0;

/// The writer's side: text to number.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// The table is bounded and its hashes are seeded at random: texts that collide cost little, and nobody can know which do.
    ids: HashMap<Box<str>, i64, RandomState>,
    /// Added by the transaction that is open: forgotten again when it is rolled back.
    fresh: Vec<Box<str>>,
}

impl Words {
    pub(crate) fn of(ids: impl IntoIterator<Item = (Box<str>, i64)>) -> Self {
        Self { ids: ids.into_iter().collect(), fresh: Vec::new() }
    }

    pub(crate) fn get(&self, text: &str) -> Option<i64> {
        self.ids.get(text).copied()
    }

    /// Whether nothing more is numbered.
    pub(crate) fn is_full(&self) -> bool {
        self.count() >= MOST_WORDS
    }

    /// How many texts have a number.
    pub(crate) fn count(&self) -> usize {
        self.ids.len()
    }

    /// Knows a text that the open transaction has numbered.
    pub(crate) fn add(&mut self, text: &str, id: i64) {
        self.ids.insert(text.into(), id);
        self.fresh.push(text.into());
    }

    /// The number that stands for a text in sums: its own, or that of all others.
    pub(crate) fn number(&self, text: &str) -> i64 {
        self.get(text).unwrap_or(OTHERS_ID)
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
pub(crate) struct Spelling(HashMap<i64, Name>);

impl Spelling {
    pub(crate) fn of(texts: impl IntoIterator<Item = (i64, String)>) -> Self {
        Self(texts.into_iter().map(|(id, text)| (id, text.into())).collect())
    }

    /// The text of a number; the number itself in brackets when it has none.
    pub(crate) fn number(&self, id: i64) -> String {
        self.0.get(&id).map_or_else(|| format!("({id})"), Name::to_string)
    }

    /// The text of a column; none when it is no word at all.
    pub(crate) fn text(&self, value: Value) -> Option<Name> {
        match value {
            Value::Integer(id) => self.0.get(&id).cloned(),
            Value::Text(text) => Some(text.into()),
            _ => None,
        }
    }

    /// The side of the writer.
    pub(crate) fn words(&self) -> Words {
        Words::of(self.0.iter().map(|(id, text)| (text.as_str().into(), *id)))
    }
}
