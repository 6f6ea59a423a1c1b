//! A key as a client holds it: made here, shown once, kept nowhere.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// So that people and scanners for leaked secrets know what it is.
const PREFIX: &str = "tw_";

/// Crockford's base 32: a key stays whole under a double click and has no letters that look alike.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 256 random bits as a key. One that guesses a billion keys a second for a billion years finds none, so a fast digest
/// guards it as well as a slow one would.
///
/// # Errors
/// When the system gives no random numbers.
pub fn new_secret() -> Result<zeroize::Zeroizing<String>, getrandom::Error> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes)?;
    let mut key = zeroize::Zeroizing::new(String::with_capacity(PREFIX.len() + 52));
    key.push_str(PREFIX);
    let (mut held, mut bits) = (0u32, 0);
    for byte in *bytes {
        (held, bits) = (held << 8 | u32::from(byte), bits + 8);
        while bits >= 5 {
            bits -= 5;
            key.push(char::from(LETTERS[(held >> bits & 31) as usize]));
        }
    }
    key.push(char::from(LETTERS[(held << (5 - bits) & 31) as usize]));
    Ok(key)
}

/// What is kept of a key: its SHA-256. Compared in the same time wherever two differ.
#[derive(Clone, Copy, Debug, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of a key as the client sends it.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::hash::Hash for Digest {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_readable_and_never_the_same() {
        let keys: Vec<_> = (0..100).map(|_| new_secret().unwrap().to_string()).collect();
        for key in &keys {
            assert_eq!(key.len(), 55, "{key}");
            assert!(key.starts_with(PREFIX) && key.bytes().skip(3).all(|letter| LETTERS.contains(&letter)), "{key}");
        }
        let different: std::collections::HashSet<_> = keys.iter().map(|key| Digest::of(key)).collect();
        assert_eq!(different.len(), keys.len());
        // Each bit counts: no letter is always the same, but for the last, which holds one bit.
        for at in 3..55 {
            assert!(keys.iter().any(|key| key.as_bytes()[at] != keys[0].as_bytes()[at]), "letter {at}");
        }
    }
}
