//! How far plain letters go on in a text, eight bytes at a time.
//!
//! Most of most texts is words of the letters a to z; whoever walks over a prompt gets over them in one step each.

const EACH: u64 = 0x0101_0101_0101_0101;
const TOP: u64 = 0x80 * EACH;

/// How many of the letters a to z, small or large, a text begins with.
#[inline]
#[must_use]
pub fn letters(text: &[u8]) -> usize {
    run(text, |eight| others(eight | (0x20 * EACH)), u8::is_ascii_alphabetic)
}

/// How many of the small letters a to z a text begins with.
#[inline]
#[must_use]
pub fn small_letters(text: &[u8]) -> usize {
    run(text, others, u8::is_ascii_lowercase)
}

#[inline]
fn run(text: &[u8], others: impl Fn(u64) -> u64, is_one: impl Fn(&u8) -> bool) -> usize {
    // Most words end within the first eight bytes: those take no loop.
    let Some((eight, mut rest)) = text.split_first_chunk() else {
        return text.iter().take_while(|byte| is_one(byte)).count();
    };
    let first = others(u64::from_le_bytes(*eight));
    if first != 0 {
        return first.trailing_zeros() as usize / 8;
    }
    while let Some((eight, after)) = rest.split_first_chunk() {
        let others = others(u64::from_le_bytes(*eight));
        if others != 0 {
            return text.len() - rest.len() + others.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    text.len() - rest.len() + rest.iter().take_while(|byte| is_one(byte)).count()
}

/// The top bit of each byte that is no small letter. No sum of two bytes reaches into the next one.
const fn others(eight: u64) -> u64 {
    let low = eight & !TOP;
    let from_a = low + (0x80 - b'a' as u64) * EACH;
    let beyond_z = low + (0x7f - b'z' as u64) * EACH;
    (!from_a | beyond_z | eight) & TOP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_told_apart() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut text = [b'm'; 20];
                text[at] = byte;
                let want = |is_one: fn(&u8) -> bool| text.iter().take_while(|byte| is_one(byte)).count();
                assert_eq!(letters(&text), want(u8::is_ascii_alphabetic), "{byte} at {at}");
                assert_eq!(small_letters(&text), want(u8::is_ascii_lowercase), "{byte} at {at}");
            }
        }
        assert_eq!(letters(b""), 0);
    }
}
