//! Where runs of like bytes lie in a text, 64 bytes at a time.
//!
//! How long the next word is can hardly be guessed, so no byte and no run is asked for by itself: what all of a block's bytes are
//! is worked out with vectors, and is bits of a number from then on.

use wide::u8x16;

/// Bytes that are looked at together.
pub(crate) const BLOCK: usize = 64;

/// What the bytes of a block are, a bit for each, the first one lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// Parts of letters beyond ASCII.
    pub(crate) foreign: u64,
    /// Letters a to z, small or large.
    pub(crate) word: u64,
    /// Digits.
    pub(crate) digits: u64,
    /// Spaces, tabs and line ends.
    pub(crate) space: u64,
    /// Everything else.
    pub(crate) sign: u64,
}

/// The blocks of a text in order; the last one holds what is left, and nothing behind that.
pub(crate) fn blocks(text: &[u8]) -> impl Iterator<Item = Block> {
    let (whole, tail) = text.as_chunks();
    let mut padded = [0; BLOCK];
    padded[..tail.len()].copy_from_slice(tail);
    let mut last = Block::of(&padded);
    last.sign &= (1 << tail.len()) - 1;
    whole.iter().map(Block::of).chain([last])
}

impl Block {
    #[inline]
    fn of(bytes: &[u8; BLOCK]) -> Self {
        let mut block = Self::default();
        for (at, bytes) in bytes.as_chunks().0.iter().enumerate() {
            let bytes = u8x16::new(*bytes);
            let bits = |mask: u8x16| u64::from(mask.to_bitmask()) << (16 * at);
            let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
            block.foreign |= bits(bytes);
            block.word |= bits(between(bytes | u8x16::splat(0x20), b'a', b'z'));
            block.digits |= bits(between(bytes, b'0', b'9'));
            block.space |= bits(is(b' ') | is(b'\n') | is(b'\r') | is(b'\t'));
        }
        block.sign = !(block.foreign | block.word | block.digits | block.space);
        block
    }
}

/// All bits of each byte that lies between these two.
#[inline]
fn between(bytes: u8x16, least: u8, most: u8) -> u8x16 {
    let above = bytes - u8x16::splat(least);
    above.min(u8x16::splat(most - least)).simd_eq(above)
}

/// The bits of a block with each of them moved so many places on, from the block before where they lay at its end.
#[inline]
pub(crate) const fn moved(block: u64, before: u64, places: usize) -> u64 {
    block << places | before >> (BLOCK - places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8]) {
        let bit = |places: &[u8], is: &dyn Fn(&u8) -> bool| {
            places.iter().zip(0..).filter(|(byte, _)| is(byte)).fold(0, |bits, (_, at)| bits | 1 << at)
        };
        let want: Vec<Block> = (0..=text.len() / BLOCK)
            .map(|at| &text[at * BLOCK..text.len().min((at + 1) * BLOCK)])
            .map(|bytes| Block {
                foreign: bit(bytes, &|byte| !byte.is_ascii()),
                word: bit(bytes, &u8::is_ascii_alphabetic),
                digits: bit(bytes, &u8::is_ascii_digit),
                space: bit(bytes, &|byte| b" \n\r\t".contains(byte)),
                sign: bit(bytes, &|byte| {
                    byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b" \n\r\t".contains(byte)
                }),
            })
            .collect();
        assert_eq!(blocks(text).collect::<Vec<_>>(), want, "{text:?}");
    }

    #[test]
    fn every_byte_is_of_one_kind() {
        for byte in 0..=u8::MAX {
            check(&[b'm', byte, b' ']);
        }
    }

    #[test]
    fn the_last_block_holds_what_is_left() {
        for length in [0, 1, 63, 64, 65, 127, 128, 300] {
            check(&vec![b'a'; length]);
            check(&vec![b'?'; length]);
        }
    }
}
