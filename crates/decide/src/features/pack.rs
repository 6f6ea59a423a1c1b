//! Features as few bytes, to be kept with a call record.
//!
//! Layout: version, one bit for each counter that is not 0, those counters, then the n-gram ids as gaps (7 bits a byte).

use super::{COUNTERS, Features, MAX_GRAMS};

/// Changes whenever a counter or the hashing changes: old bytes are refused rather than misread.
pub const FEATURE_VERSION: u8 = 1;

const BITMAP: usize = COUNTERS.div_ceil(8);

/// Bytes that are not features of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// Written by another version.
    #[error("features of version {0}, this build reads version {FEATURE_VERSION}; the decision cannot be recomputed")]
    Version(u8),
    /// Cut or damaged.
    #[error("the stored features are damaged")]
    Damaged,
}

impl Features {
    /// As bytes, typically 300 to 600. [`Features::unpack`] gives back exactly the same features.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        let mut bytes = vec![0; 1 + BITMAP];
        bytes.reserve(COUNTERS + 2 * self.grams.len());
        bytes[0] = FEATURE_VERSION;
        for (at, counter) in self.counters.iter().enumerate().filter(|(_, counter)| **counter != 0) {
            bytes[1 + at / 8] |= 1 << (at % 8);
            bytes.push(*counter);
        }
        let mut last = 0;
        for gram in &self.grams {
            let mut gap = gram - last;
            last = *gram;
            while gap > 0x7f {
                bytes.push((gap & 0x7f) as u8 | 0x80);
                gap >>= 7;
            }
            bytes.push(gap as u8);
        }
        bytes
    }

    /// From bytes.
    ///
    /// # Errors
    /// Another version, or damaged bytes.
    pub fn unpack(bytes: &[u8]) -> Result<Self, UnpackError> {
        let (&version, rest) = bytes.split_first().ok_or(UnpackError::Damaged)?;
        if version != FEATURE_VERSION {
            return Err(UnpackError::Version(version));
        }
        let (bitmap, mut rest) = rest.split_at_checked(BITMAP).ok_or(UnpackError::Damaged)?;
        let mut features = Self::default();
        for (at, counter) in features.counters.iter_mut().enumerate() {
            if bitmap[at / 8] >> (at % 8) & 1 == 1 {
                (*counter, rest) = rest.split_first().map(|(byte, rest)| (*byte, rest)).ok_or(UnpackError::Damaged)?;
            }
        }
        let mut last = 0u16;
        while !rest.is_empty() {
            let mut gap = 0u16;
            for shift in [0, 7, 14] {
                let (&byte, after) = rest.split_first().ok_or(UnpackError::Damaged)?;
                rest = after;
                gap |= u16::from(byte & 0x7f).checked_shl(shift).ok_or(UnpackError::Damaged)?;
                if byte < 0x80 {
                    break;
                }
            }
            last = last.checked_add(gap).ok_or(UnpackError::Damaged)?;
            features.grams.push(last);
            if features.grams.len() > MAX_GRAMS {
                return Err(UnpackError::Damaged);
            }
        }
        Ok(features)
    }
}
