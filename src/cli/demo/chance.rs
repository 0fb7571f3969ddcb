//! The demo's own dice: the same story every time, in an order that nobody planned.

/// SplitMix64 (Steele, Lea and Flood, 2014). For a story, not for secrets.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Dice that always fall the same way for one seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; the bias is far below anything a story shows.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// An index into something of this length.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// Puts the items into another order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// Sends about one in ten twice, and everything in another order.
    pub fn disorder<T: Clone>(&mut self, items: &mut Vec<T>) {
        for at in 0..items.len() {
            if self.below(10) == 0 {
                items.push(items[at].clone());
            }
        }
        self.shuffle(items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disorder_loses_nobody_and_repeats_some() {
        let mut items: Vec<u32> = (0..1_000).collect();
        Chance::new(1).disorder(&mut items);
        assert!((1_050..1_150).contains(&items.len()), "{}", items.len());
        assert!(items.windows(2).any(|pair| pair[0] > pair[1]));
        items.sort_unstable();
        items.dedup();
        assert_eq!(items, (0..1_000).collect::<Vec<_>>());
    }
}
