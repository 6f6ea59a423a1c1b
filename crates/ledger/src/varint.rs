//! Small numbers in few bytes, and how to read them back without trusting them.

/// Bytes that end too early, or are not what was expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cut short or garbled at byte {at}")]
pub struct Garbled {
    /// Where reading stopped.
    pub at: usize,
}

/// Bytes of the largest number.
const LONGEST: usize = 10;

pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Zigzag: small magnitudes of either sign stay small.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_str(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// A list of floats without its zeros at the end, bit by bit.
pub(crate) fn put_floats(out: &mut Vec<u8>, floats: &[f32]) {
    let len = floats.iter().rposition(|float| float.to_bits() != 0).map_or(0, |last| last + 1);
    put(out, len as u64);
    for float in &floats[..len] {
        out.extend_from_slice(&float.to_le_bytes());
    }
}

/// Reads what the functions above wrote.
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) const fn garbled(&self) -> Garbled {
        Garbled { at: self.at }
    }

    pub(crate) fn finish(&self) -> Result<(), Garbled> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.garbled()) }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Garbled> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.garbled())?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Garbled> {
        let taken = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.garbled())?;
        self.at += len;
        Ok(taken)
    }

    /// Passes over numbers that could be read.
    pub(crate) fn skip(&mut self, numbers: usize) -> Result<(), Garbled> {
        for _ in 0..numbers {
            let longest = self.bytes.iter().skip(self.at).take(LONGEST);
            let last = longest.copied().position(|byte| byte & 0x80 == 0).ok_or_else(|| self.garbled())?;
            self.at += last + 1;
        }
        Ok(())
    }

    pub(crate) fn number(&mut self) -> Result<u64, Garbled> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.garbled())
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Garbled> {
        let raw = self.number()?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Garbled> {
        let value = self.number()?;
        T::try_from(value).map_err(|_| self.garbled())
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Garbled> {
        let len = self.small()?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Result<String, Garbled> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| self.garbled())
    }

    pub(crate) fn float(&mut self) -> Result<f32, Garbled> {
        let bytes = self.take(4)?;
        let bytes = bytes.try_into().map_err(|_| self.garbled())?;
        Ok(f32::from_le_bytes(bytes))
    }

    pub(crate) fn floats<const N: usize>(&mut self) -> Result<[f32; N], Garbled> {
        let len: usize = self.small()?;
        let mut floats = [0.0; N];
        for float in floats.get_mut(..len).ok_or(Garbled { at: self.at })? {
            *float = self.float()?;
        }
        Ok(floats)
    }
}
