//! The bytes that plain words consist of, and what may make such a word longer: one look-up tells all of a byte.

/// One of the small letters a to z.
pub(super) const SMALL: u8 = 1;
/// One of the capitals A to Z.
pub(super) const CAPITAL: u8 = 2;
/// A vowel, or y.
pub(super) const VOWEL: u8 = 4;
/// Behind a letter it belongs to the same word; of what is not ASCII, perhaps.
pub(super) const IN_WORDS: u8 = 8;
/// One of the digits 0 to 9.
pub(super) const DIGIT: u8 = 16;
/// The low line that joins parts of a name.
pub(super) const JOINT: u8 = 32;
/// A sign of ASCII that is never part of a word.
pub(super) const SIGN: u8 = 64;

/// A word can begin with it and be plain.
pub(super) const LETTER: u8 = SMALL | CAPITAL;
/// It belongs to a word wherever it stands.
pub(super) const IN_NAMES: u8 = LETTER | DIGIT | JOINT;

const CLASSES: [u8; 256] = {
    let (mut classes, mut at) = ([0; 256], 0);
    while at < classes.len() {
        let byte = at as u8;
        classes[at] = match byte {
            b'a'..=b'z' => SMALL | IN_WORDS,
            b'A'..=b'Z' => CAPITAL | IN_WORDS,
            b'0'..=b'9' => DIGIT | IN_WORDS,
            b'_' => JOINT | IN_WORDS,
            b'\'' | 0x80.. => IN_WORDS,
            _ if byte.is_ascii_punctuation() => SIGN,
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

/// The small letter of a letter.
#[inline]
pub(super) const fn lower(letter: u8) -> u8 {
    letter | 0x20
}
