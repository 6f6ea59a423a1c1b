//! What a copy from another store needs beyond what a writer does.

use super::cells;
use super::store::{LIMIT, Open, Store};
use crate::ask::Hour;
use crate::cells::{Known, Place};
use crate::words::{MOST_WORDS, Spelling};
use crate::{Figures, LedgerError};
use std::collections::{BTreeSet, HashMap};

/// Whose cells those are that were copied as they were.
const COPIED: i16 = -1;
/// Cells that are sent at a time.
const BATCH: usize = 4_096;

impl Store {
    /// Those of some ids that are there, with the checksums of their rows.
    pub(crate) fn taken(&mut self, ids: &[i64]) -> Result<HashMap<i64, i64>, LedgerError> {
        self.opened()?.checksums(ids)
    }

    /// Puts sums of days without rows, and says that their rows are gone. Twice is as good as once.
    pub(crate) fn put_forgotten(
        &mut self,
        sums: &[(Place, Figures)],
        hours: &[(i64, Hour)],
        spelling: &Spelling,
    ) -> Result<(), LedgerError> {
        let open = self.opened()?;
        let words = sums.iter().flat_map(|(place, _)| place.words()).filter(|word| *word > 0);
        let texts: HashMap<i64, String> = words.map(|word| (word, spelling.number(word))).collect();
        open.number_texts(&texts.values().map(String::as_str).collect::<BTreeSet<_>>(), MOST_WORDS)?;
        let mut renamed: HashMap<Place, Figures> = HashMap::new();
        for (place, figures) in sums {
            let place = place.with_words(|word| texts.get(&word).map_or(word, |text| open.words.number(text)));
            renamed.entry(place).or_default().merge(figures);
        }
        let client = open.link.client();
        let replace = open.link.run(LIMIT, cells::prepare(client, COPIED))?;
        let renamed: Vec<_> = renamed.into_iter().collect();
        for some in renamed.chunks(BATCH) {
            let sent = cells::Sent::new(&mut Known::default(), &some.iter().cloned().collect());
            open.link.run(LIMIT, sent.write(client, &replace))?;
        }
        let mut sent = cells::SentHours::default();
        hours.iter().for_each(|(hour, known)| sent.add(*hour, known.calls, known.digest));
        open.link.run(LIMIT, sent.write(client, COPIED, true, false))
    }

    fn opened(&mut self) -> Result<&mut Open, LedgerError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::new(&self.url, self.durability)?,
        };
        Ok(self.open.insert(open))
    }
}
