//! The bytes that plain words consist of, and what may make such a word longer: one look-up tells all of a byte.

/// One of the small letters a to z.
pub(super) const SMALL: u8 = 1;
/// One of the capitals A to Z.
pub(super) const CAPITAL: u8 = 2;
/// A vowel, or y.
pub(super) const VOWEL: u8 = 4;
/// Behind a letter it belongs to the same word; of what is not ASCII, perhaps.
pub(super) const IN_WORDS: u8 = 8;

const CLASSES: [u8; 256] = {
    let (mut classes, mut at) = ([0; 256], 0);
    while at < classes.len() {
        let byte = at as u8;
        classes[at] = match byte {
            b'a'..=b'z' => SMALL | IN_WORDS,
            b'A'..=b'Z' => CAPITAL | IN_WORDS,
            b'0'..=b'9' | b'_' | b'\'' | 0x80.. => IN_WORDS,
            _ => 0,
        };
        if matches!(byte.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y') {
            classes[at] |= VOWEL;
        }
        at += 1;
    }
    classes
};

/// All that a byte is.
#[inline]
pub(super) const fn class(byte: u8) -> u8 {
    CLASSES[byte as usize]
}

/// Whether a word can begin with it and be plain.
#[inline]
pub(super) const fn is_letter(byte: u8) -> bool {
    class(byte) & (SMALL | CAPITAL) != 0
}

/// The small letter of a [letter](is_letter).
#[inline]
pub(super) const fn lower(letter: u8) -> u8 {
    letter | 0x20
}
