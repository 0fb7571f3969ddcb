//! Randomness that a test can repeat: a seed in, the same choices out.

use std::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, 2014): enough to choose moments and turns.
pub struct Chance(u64);

impl Chance {
    /// The choices of a seed.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a bound of 64 bits");
        usize::try_from(self.number() % bound).expect("below a usize")
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A span shorter than `longest`.
    pub fn shorter_than(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.below(1 << 16) as f64 / f64::from(1 << 16))
    }
}

mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_reaches_everything() {
        let draw = |seed| {
            let mut chance = Chance::of(seed);
            (0..64).map(|_| chance.below(8)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!((0..8).all(|n| draw(7).contains(&n)));
        let mut chance = Chance::of(1);
        assert!((0..100).all(|_| chance.shorter_than(Duration::from_millis(50)) < Duration::from_millis(50)));
        assert!((0..100).any(|_| chance.once_in(4)) && !(0..100).all(|_| chance.once_in(4)));
    }
}
