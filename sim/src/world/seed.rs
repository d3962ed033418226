//! Every chance of a simulation, drawn from its one seed.
//!
//! A [`Seed`] is split by label, so that a draw added in one place moves no draw in another. May use blake3; never
//! reads a clock or the machine's own randomness.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use grantd::env::Rng;

/// The seed of one simulation, or of a labelled part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of the part called `label`, number `n` of its kind.
    pub fn part(self, label: &str, n: u64) -> Seed {
        let mut hasher = blake3::Hasher::new_derive_key("grantd-sim 2026 seed of a part");
        hasher.update(&self.0.to_le_bytes());
        hasher.update(&n.to_le_bytes());
        hasher.update(label.as_bytes());
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        Seed(u64::from_le_bytes(bytes))
    }

    /// A stream of draws from this seed.
    pub fn dice(self) -> Dice {
        let mut hasher = blake3::Hasher::new_derive_key("grantd-sim 2026 stream of draws");
        hasher.update(&self.0.to_le_bytes());
        Dice(Box::new(hasher.finalize_xof()))
    }
}

/// A stream of draws.
pub struct Dice(Box<blake3::OutputReader>);

impl Dice {
    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// From 0 to `bound`, exclusive; 0 when the bound is 0. The bias is below 2^-32 for the bounds of a story.
    pub fn below(&mut self, bound: u64) -> u64 {
        let bits = self.bits();
        bits.checked_rem(bound).unwrap_or(0)
    }

    /// True in `percent` of 100 draws.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Whole milliseconds from `low` to `high`, both inclusive.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(low + self.below(high.saturating_sub(low) + 1))
    }

    /// A span from `low` to `high`, both inclusive, in whole milliseconds.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        low + self.millis(0, high.saturating_sub(low).as_millis() as u64)
    }

    /// One of `items`, which must not be empty.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }
}

/// A node's randomness: one stream for all its lives, so that a restarted node draws another boot id.
pub struct SimRng(Mutex<Dice>);

impl SimRng {
    pub fn new(seed: Seed) -> Self {
        Self(Mutex::new(seed.dice()))
    }
}

impl Rng for SimRng {
    fn fill(&self, buf: &mut [u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill(buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_one_seed_differ_and_repeat() {
        let seed = Seed(7);
        assert_ne!(seed.part("clock", 1), seed.part("clock", 2));
        assert_ne!(seed.part("clock", 1), seed.part("disk", 1));
        assert_ne!(seed.part("clock", 1), Seed(8).part("clock", 1));
        let draw = || {
            let mut dice = seed.part("clock", 1).dice();
            (dice.bits(), dice.below(10), dice.millis(3, 9))
        };
        assert_eq!(draw(), draw());
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut dice = Seed(1).dice();
        for _ in 0..1_000 {
            assert!(dice.below(3) < 3);
            let span = dice.millis(5, 7).as_millis();
            assert!((5..=7).contains(&span));
        }
        assert_eq!(dice.below(0), 0);
        assert!(!dice.percent(0));
        assert!(dice.percent(100));
    }

    #[test]
    fn node_randomness_goes_on_over_restarts() {
        let rng = SimRng::new(Seed(5));
        let rng: &dyn Rng = &rng;
        assert_ne!(rng.bytes16(), rng.bytes16());
    }
}
