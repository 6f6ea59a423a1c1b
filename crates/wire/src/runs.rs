//! Where runs of like bytes end in a text, 64 bytes at a time.
//!
//! How long the next word is can hardly be guessed, so no byte is asked for by itself: what all of them are is worked out
//! with vectors, and the places where that changes are bits of a number.

use std::ops::Range;

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
        let sign = !(letter | digit | space) & (byte < 0x80);
        let which = |is_one: bool, kind: Self| u8::from(is_one) * kind as u8;
        which(letter, Self::Word) + which(digit, Self::Digits) + which(space, Self::Space) + which(sign, Self::Sign)
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

/// Calls `found` for each run, in order.
#[inline]
pub(crate) fn each(text: &[u8], mut found: impl FnMut(Kind, Range<usize>)) {
    let Some((_, others)) = text.split_first() else { return };
    let (blocks, tail) = others.as_chunks();
    let (mut start, mut from) = (0, 1);
    let mut end_runs = |mut changes: u64, from: usize| {
        while changes != 0 {
            let end = from + changes.trailing_zeros() as usize;
            found(Kind::of(text[start]), start..end);
            start = end;
            changes &= changes - 1;
        }
    };
    for (block, before) in blocks.iter().zip(text.as_chunks().0) {
        end_runs(changes(before, block), from);
        from += BLOCK;
    }
    // In what is left, equal bytes stand where the text has ended.
    let (mut block, mut before) = ([0; BLOCK], [0; BLOCK]);
    block[..tail.len()].copy_from_slice(tail);
    before[..tail.len()].copy_from_slice(&text[from - 1..][..tail.len()]);
    end_runs(changes(&before, &block), from);
    found(Kind::of(text[start]), start..text.len());
}

/// A bit for each byte that is of another kind than the one before it.
#[inline]
fn changes(before: &[u8; BLOCK], bytes: &[u8; BLOCK]) -> u64 {
    let mut changed = [0; BLOCK];
    for at in 0..BLOCK {
        changed[at] = u8::from(Kind::number(bytes[at]) != Kind::number(before[at]));
    }
    // The product brings the lowest bits of eight bytes together in its highest byte.
    let bits = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    changed.as_chunks().0.iter().rev().fold(0, |all, eight| all << 8 | bits(eight))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        each(text, |kind, run| runs.push((kind, run)));
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
