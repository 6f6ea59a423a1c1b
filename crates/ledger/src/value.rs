//! A value of a column, and a row of them, whichever database they come from.

use crate::LedgerError;
use crate::varint::Garbled;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// A value is not of the type, or in the range, that its column should have: somebody wrote into the row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unfit;

impl<'a> Value<'a> {
    pub(crate) const fn integer(self) -> Result<i64, Unfit> {
        match self {
            Self::Integer(number) => Ok(number),
            _ => Err(Unfit),
        }
    }

    /// A number that is no less than 0 and fits.
    pub(crate) fn number<T: TryFrom<i64>>(self) -> Result<T, Unfit> {
        T::try_from(self.integer()?).map_err(|_| Unfit)
    }

    pub(crate) const fn blob(self) -> Result<&'a [u8], Unfit> {
        match self {
            Self::Blob(bytes) => Ok(bytes),
            _ => Err(Unfit),
        }
    }

    pub(crate) const fn text(self) -> Result<&'a str, Unfit> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err(Unfit),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "was written from an f32")]
    pub(crate) const fn real(self) -> Result<f32, Unfit> {
        match self {
            Self::Real(number) => Ok(number as f32),
            _ => Err(Unfit),
        }
    }

    pub(crate) const fn double(self) -> Result<f64, Unfit> {
        match self {
            Self::Real(number) => Ok(number),
            _ => Err(Unfit),
        }
    }

    /// None for null.
    pub(crate) fn optional<T>(self, read: impl FnOnce(Self) -> Result<T, Unfit>) -> Result<Option<T>, Unfit> {
        if self == Self::Null { Ok(None) } else { read(self).map(Some) }
    }
}

/// A row of a database.
pub(crate) trait Fields {
    /// The value of a column.
    ///
    /// # Errors
    /// What the database says; not that the value is an unfit one.
    fn get(&self, at: usize) -> Result<Value<'_>, LedgerError>;

    /// The values of columns of a sum from one on, all of them integers. Reports read some ten thousand sums: a row that has
    /// them in a row gives them at once.
    ///
    /// # Errors
    /// As [`Self::get`]; [`LedgerError::BadSum`] where one is no integer.
    fn integers(&self, from: usize, into: &mut [i64]) -> Result<(), LedgerError> {
        for (column, number) in (from..).zip(into) {
            let integer = self.get(column)?.integer();
            *number = integer.map_err(|unfit| LedgerError::BadSum { cause: unfit.at(column) })?;
        }
        Ok(())
    }
}

impl Unfit {
    /// As the error of a column.
    pub(crate) const fn at(self, column: usize) -> Garbled {
        Garbled { at: column }
    }
}
