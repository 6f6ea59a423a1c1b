//! Where runs of like bytes end in a text, 64 bytes at a time.
//!
//! How long the next word is can hardly be guessed, so no byte is asked for by itself: what all of them are is worked out
//! with vectors, and the places where that changes are bits of a number.

/// What a run of bytes is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Parts of letters beyond ASCII.
    Foreign,
    /// Letters a to z, small or large.
    Word,
    /// Digits.
    Digits,
    /// Spaces, tabs and line ends.
    Space,
    /// Everything else.
    Sign,
}

impl Kind {
    /// Number of kinds.
    pub(crate) const COUNT: usize = Self::Sign as usize + 1;

    #[inline]
    const fn of(byte: u8) -> Self {
        KINDS[byte as usize]
    }

    /// The same as a number, by reckoning that vectors can do.
    #[inline]
    fn number(byte: u8) -> u8 {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        let space = (byte == b' ') | (byte == b'\n') | (byte == b'\r') | (byte == b'\t');
        let which = |is_one: bool, kind: Self| u8::from(is_one) * kind as u8;
        let known = which(letter, Self::Word) | which(digit, Self::Digits) | which(space, Self::Space);
        known | which((known == 0) & (byte < 0x80), Self::Sign)
    }
}

const KINDS: [Kind; 256] = {
    let (mut kinds, mut at) = ([Kind::Foreign; 256], 0);
    while at < 0x80 {
        kinds[at] = match at as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => Kind::Word,
            b'0'..=b'9' => Kind::Digits,
            b' ' | b'\n' | b'\r' | b'\t' => Kind::Space,
            _ => Kind::Sign,
        };
        at += 1;
    }
    kinds
};

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Calls `found` for each run, in order, with the place where it starts and its length.
#[inline]
pub(crate) fn each(text: &[u8], mut found: impl FnMut(Kind, usize, usize)) {
    let Some(&first) = text.first() else { return };
    let (mut start, mut before) = (0, Kind::number(first));
    let (blocks, tail) = text.as_chunks();
    let mut padded = [0; BLOCK];
    padded[..tail.len()].copy_from_slice(tail);
    for (at, block) in blocks.iter().chain([&padded]).enumerate() {
        let mut changes = changes(&mut before, block);
        if at == blocks.len() {
            changes &= (1 << tail.len()) - 1;
        }
        while changes != 0 {
            let end = at * BLOCK + changes.trailing_zeros() as usize;
            found(Kind::of(text[start]), start, end.wrapping_sub(start));
            start = end;
            changes &= changes - 1;
        }
    }
    found(Kind::of(text[start]), start, text.len() - start);
}

const EACH: u64 = 0x0101_0101_0101_0101;

/// A bit for each byte that is of another kind than the one before it, the first one's being `before`.
#[inline]
fn changes(before: &mut u8, block: &[u8; BLOCK]) -> u64 {
    let mut kinds = [0; BLOCK];
    for (kind, byte) in kinds.iter_mut().zip(block) {
        *kind = Kind::number(*byte);
    }
    let (mut changes, mut last) = (0, u64::from(*before) << 56);
    for (at, eight) in kinds.as_chunks().0.iter().enumerate() {
        let eight = u64::from_le_bytes(*eight);
        let differs = eight ^ (eight << 8 | last >> 56);
        // The lowest bit of each byte that is not 0; the product brings them together in its highest byte.
        let bits = (differs + 0x7f * EACH) >> 7 & EACH;
        changes |= (bits.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * at);
        last = eight;
    }
    *before = kinds[BLOCK - 1];
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;

    /// The runs of a text, byte by byte.
    fn one_by_one(text: &[u8]) -> Vec<(Kind, Range<usize>)> {
        let mut runs: Vec<(Kind, Range<usize>)> = Vec::new();
        for (at, byte) in text.iter().enumerate() {
            match runs.last_mut() {
                Some((kind, run)) if *kind == Kind::of(*byte) => run.end = at + 1,
                _ => runs.push((Kind::of(*byte), at..at + 1)),
            }
        }
        runs
    }

    #[track_caller]
    fn check(text: &[u8]) {
        let mut runs = Vec::new();
        each(text, |kind, start, length| runs.push((kind, start..start + length)));
        assert_eq!(runs, one_by_one(text), "{text:?}");
    }

    #[test]
    fn every_byte_ends_the_runs_that_it_should() {
        for byte in 0..=u8::MAX {
            assert_eq!(Kind::number(byte), Kind::of(byte) as u8, "{byte}");
            for other in [b'm', b'7', b' ', b'.', 0xc3] {
                check(&[other, byte, byte, other]);
            }
        }
    }

    #[test]
    fn runs_go_on_from_block_to_block() {
        check(b"");
        for length in [1, 63, 64, 65, 127, 128, 129, 300] {
            check(&vec![b'a'; length]);
            check(&[vec![b'a'; length - 1], vec![b' ']].concat());
            check(&b"ab 1, ".repeat(length));
        }
    }
}
