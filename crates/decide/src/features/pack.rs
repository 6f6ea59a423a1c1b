//! Features as few bytes, to be kept with a call record.
//!
//! Layout: version, one bit for each counter that is not 0, those counters, then the n-gram ids as gaps (7 bits a byte).

use super::{COUNTERS, Features, MAX_GRAMS};

/// Changes whenever a counter or the hashing changes: old bytes are refused rather than misread.
pub const FEATURE_VERSION: u8 = 1;

const BITMAP: usize = COUNTERS.div_ceil(8);
/// No features take more bytes: a gap takes at most three.
const MOST: usize = 1 + BITMAP + COUNTERS + 3 * MAX_GRAMS;

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
        let mut bytes = [0; MOST];
        bytes[0] = FEATURE_VERSION;
        let mut at = 1 + BITMAP;
        for (counter, byte) in self.counters.iter().enumerate().filter(|(_, byte)| **byte != 0) {
            bytes[1 + counter / 8] |= 1 << (counter % 8);
            bytes[at] = *byte;
            at += 1;
        }
        let mut last = 0;
        for gram in self.grams.iter().take(MAX_GRAMS) {
            let mut gap = gram - last;
            last = *gram;
            while gap > 0x7f {
                bytes[at] = (gap & 0x7f) as u8 | 0x80;
                at += 1;
                gap >>= 7;
            }
            bytes[at] = gap as u8;
            at += 1;
        }
        bytes[..at].to_vec()
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
