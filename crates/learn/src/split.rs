//! Who learns, who proves: by a hash of the id, so that an outcome keeps its side when the file grows.

use tierway_decide::Chance;

/// FNV-1a of an id, mixed.
#[must_use]
pub fn hash(id: &str) -> u64 {
    let hash =
        id.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Chance::new(hash).bits()
}

/// A share of 0 to 1 that an id always has.
#[must_use]
pub fn share(id: &str) -> f64 {
    (hash(id) >> 11) as f64 / (1u64 << 53) as f64
}

/// `0..n` in a random order of that seed.
#[must_use]
pub fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    let mut chance = Chance::new(seed);
    for at in (1..n).rev() {
        order.swap(at, chance.up_to(at as u64) as usize);
    }
    order
}
