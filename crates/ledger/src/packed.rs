//! The cells of one cube and day in one blob: a report of a month reads some hundred of these instead of ten thousand rows.
//!
//! One after the other, each: the dimensions that are not the blob's, the numbers, the two histograms, as [`varint`] writes
//! them. It refuses what it cannot read to its end.

use crate::ask::EachCell;
use crate::cells::{DIMENSIONS, NUMBERS, Place, numbers};
use crate::value::{Fields, Value};
use crate::varint::{self, Garbled, Input};
use crate::{Figures, Histogram, LedgerError};

/// How it is packed.
const VERSION: u8 = 1;
/// Cube, grain and start are those of the blob.
const OF_BLOB: usize = 3;
const HISTOGRAMS: usize = 2;

/// A blob without cells.
pub(crate) fn empty() -> Vec<u8> {
    vec![VERSION]
}

/// Adds a cell.
pub(crate) fn put(out: &mut Vec<u8>, place: &Place, figures: &Figures) {
    let dimensions = place.columns().into_iter().skip(OF_BLOB);
    dimensions.chain(numbers(figures)).for_each(|number| varint::put_signed(out, number));
    let mut histogram = Vec::new();
    for one in [&figures.total, &figures.first_byte] {
        histogram.clear();
        one.pack(&mut histogram);
        varint::put_bytes(out, &histogram);
    }
}

/// Whether [`each`] would show all cells of a blob, and whoever merges them take each of their histograms. Little work beside
/// that of reading them: no number is put together.
pub(crate) fn check(blob: &[u8]) -> Result<(), Garbled> {
    let mut input = begin(blob)?;
    while input.finish().is_err() {
        input.skip(DIMENSIONS - OF_BLOB + NUMBERS)?;
        for _ in 0..HISTOGRAMS {
            Histogram::check_packed(input.bytes()?)?;
        }
    }
    Ok(())
}

/// Shows the cells of a blob as rows of [`crate::cells::COLUMNS`].
pub(crate) fn each(blob: &[u8], of: [i64; OF_BLOB], each: &mut EachCell<'_>) -> Result<(), LedgerError> {
    let bad = |cause| LedgerError::BadSum { cause };
    let mut input = begin(blob).map_err(bad)?;
    let mut cell = Cell { numbers: [0; DIMENSIONS + NUMBERS], histograms: [&[]; HISTOGRAMS] };
    cell.numbers[..OF_BLOB].copy_from_slice(&of);
    while input.finish().is_err() {
        for number in &mut cell.numbers[OF_BLOB..] {
            *number = input.signed().map_err(bad)?;
        }
        cell.histograms = [input.bytes().map_err(bad)?, input.bytes().map_err(bad)?];
        each(&cell)?;
    }
    Ok(())
}

/// The cells of a blob of a version that is known.
fn begin(blob: &[u8]) -> Result<Input<'_>, Garbled> {
    let mut input = Input::new(blob);
    if input.byte()? == VERSION { Ok(input) } else { Err(Garbled { at: 0 }) }
}

/// A cell as it is read: nothing of it is copied but its numbers.
struct Cell<'a> {
    numbers: [i64; DIMENSIONS + NUMBERS],
    histograms: [&'a [u8]; HISTOGRAMS],
}

impl Fields for Cell<'_> {
    fn get(&self, at: usize) -> Result<Value<'_>, LedgerError> {
        let histogram = || self.histograms.get(at - self.numbers.len()).map_or(Value::Null, |bytes| Value::Blob(bytes));
        Ok(self.numbers.get(at).map_or_else(histogram, |number| Value::Integer(*number)))
    }

    fn integers(&self, from: usize, into: &mut [i64]) -> Result<(), LedgerError> {
        let numbers = self.numbers.get(from..).and_then(|numbers| numbers.get(..into.len()));
        let numbers = numbers.ok_or(LedgerError::BadSum { cause: Garbled { at: from } })?;
        into.copy_from_slice(numbers);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::merge_figures;
    use proptest::prelude::*;

    /// Cells that nobody would have, with every number at its place.
    fn cells(seeds: &[i64]) -> Vec<(Place, Figures)> {
        let cell = |seed: &i64| {
            let mut numbers = (0..).map(|place: i64| seed.wrapping_mul(31).wrapping_add(place * 7));
            let [tier, provider, model, task_type, complexity, reason, team, key] =
                std::array::from_fn(|_| numbers.next().unwrap());
            let place = Place {
                cube: 1,
                grain: 1,
                start: 20_000,
                tier,
                provider,
                model,
                task_type,
                complexity,
                reason,
                team,
                key,
            };
            let mut figures = Figures::default();
            for count in figures.counts_mut() {
                *count = numbers.next().unwrap().unsigned_abs();
            }
            figures.savings.paid = tierway_decide::Usd::from_picos(numbers.next().unwrap());
            figures.total.add(seed.unsigned_abs() as u32);
            figures.first_byte.add(seed.unsigned_abs() as u32 / 2);
            (place, figures)
        };
        seeds.iter().map(cell).collect()
    }

    fn unpacked(blob: &[u8]) -> Result<Vec<(Place, Figures)>, LedgerError> {
        let mut found = Vec::new();
        each(blob, [1, 1, 20_000], &mut |row| {
            let mut figures = Figures::default();
            merge_figures(row, &mut figures)?;
            found.push((Place::read(row)?, figures));
            Ok(())
        })?;
        Ok(found)
    }

    proptest! {
        #[test]
        fn what_is_packed_is_what_is_read(seeds in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 0..8)) {
            let (mut blob, cells) = (empty(), cells(&seeds));
            cells.iter().for_each(|(place, figures)| put(&mut blob, place, figures));
            prop_assert_eq!(unpacked(&blob).unwrap(), cells);
            prop_assert!(check(&blob).is_ok());
            // Cut anywhere it is refused, or ends between two cells.
            for end in 0..blob.len() {
                let found = unpacked(&blob[..end]);
                prop_assert_eq!(check(&blob[..end]).is_ok(), found.is_ok());
                let cut = found.map_or(0, |found| found.len());
                prop_assert!(cut < seeds.len().max(1), "{end} of {}", blob.len());
            }
        }

        #[test]
        fn garbage_is_refused_not_trusted(mut blob in prop::collection::vec(any::<u8>(), 1..200), is_ours in any::<bool>()) {
            if is_ours {
                blob[0] = VERSION;
            }
            prop_assert_eq!(check(&blob).is_ok(), unpacked(&blob).is_ok());
        }
    }
}
