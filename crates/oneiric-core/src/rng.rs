//! Chance as an argument.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The only source of randomness.
pub trait Rng: Send + Sync + fmt::Debug {
    /// 64 uniformly distributed bits.
    fn next_u64(&self) -> u64;
}

const _: fn(&dyn Rng) = |_| {};

/// A generator whose whole sequence follows from its seed: for tests, the simulator and replays.
///
/// SplitMix64 (Steele, Lea, Flood 2014); never for secrets.
#[derive(Debug)]
pub struct SeededRng(AtomicU64);

impl SeededRng {
    /// The sequence that belongs to `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Rng for SeededRng {
    fn next_u64(&self) -> u64 {
        const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Maps 64 random bits to `[0, 1)` with all 53 bits of an `f64`.
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_one_sequence() {
        let (a, b) = (SeededRng::new(42), SeededRng::new(42));
        let of = |r: &SeededRng| (0..8).map(|_| r.next_u64()).collect::<Vec<_>>();
        assert_eq!(of(&a), of(&b));
        // First output of SplitMix64 for seed 0, from the reference implementation.
        assert_eq!(SeededRng::new(0).next_u64(), 0xE220_A839_7B1D_CDAF);
        assert!(unit(u64::MAX) < 1.0 && unit(0) == 0.0);
    }
}
