//! Features as few bytes, to be kept with a call record.
//!
//! Layout: version, one bit for each counter that is not 0, those counters, then the n-gram ids as gaps (7 bits a byte).

use super::{COUNTERS, Features, MAX_GRAMS};

/// Changes whenever a counter or the hashing changes: old bytes are refused rather than misread.
pub const FEATURE_VERSION: u8 = 1;

const BITMAP: usize = COUNTERS.div_ceil(8);
/// No features take more bytes: a gap takes at most three. One more is written to and not kept.
const MOST: usize = 1 + BITMAP + COUNTERS + 3 * MAX_GRAMS + 1;

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
        let (bitmap, rest) = bytes[1..].split_at_mut(BITMAP);
        let mut at = 0;
        for (bits, counters) in bitmap.iter_mut().zip(self.counters.chunks(8)) {
            for (bit, counter) in counters.iter().enumerate() {
                // Written in any case, kept or not without a guess: about every other counter is 0.
                let some = u8::from(*counter != 0);
                *bits |= some << bit;
                rest[at] = *counter;
                at += usize::from(some);
            }
        }
        at += pack_gaps(&self.grams[..self.grams.len().min(MAX_GRAMS)], &mut rest[at..]);
        bytes[..1 + BITMAP + at].to_vec()
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

/// Writes the gaps between n-grams; gives the bytes that they take.
fn pack_gaps(grams: &[u16], mut bytes: &mut [u8]) -> usize {
    // Seven bits a byte, as if all of them took two bytes: worked out for many at once.
    let mut twos = [0u16; MAX_GRAMS];
    let mut largest = 0;
    twos[..grams.len()].copy_from_slice(grams);
    for ((two, gram), before) in twos.iter_mut().zip(grams).skip(1).zip(grams) {
        *two = gram - before;
    }
    for gap in &mut twos[..grams.len()] {
        largest = largest.max(*gap);
        let more = if *gap > 0x7f { 0x80 } else { 0 };
        *gap = *gap & 0x7f | more | (*gap & 0x3f80) << 1;
    }
    if largest > 0x3fff {
        return pack_wide_gaps(grams, bytes);
    }
    let room = bytes.len();
    for two in &twos[..grams.len()] {
        // About as many take one byte as two: both are written, the second one kept or not without a guess.
        let Some(place) = bytes.first_chunk_mut() else { break };
        *place = two.to_le_bytes();
        bytes = &mut bytes[1 + usize::from(*two >> 7 & 1)..];
    }
    room - bytes.len()
}

/// The same where a gap may take three bytes: in short texts only, whose n-grams are few.
fn pack_wide_gaps(grams: &[u16], bytes: &mut [u8]) -> usize {
    let (mut at, mut last) = (0, 0);
    for gram in grams {
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
    at
}
