//! How long canaries take to arrive, learned, and how long one is therefore waited for.
//!
//! A histogram whose buckets grow by a tenth: it holds every arrival in a bounded space, whatever their number, two of them add up in any
//! order, and a quantile read from it is at most a tenth too long and never too short (above one second).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Arrivals that must be known before a timeout is learned from them: fewer have no 99.9 % quantile.
pub const ENOUGH: u64 = 1_000;

/// Nobody is called late before this, however fast all others were.
const SHORTEST: Duration = Duration::from_secs(60);

/// Buckets: from one second to 1.1^149 of them, which is 17 days.
const BUCKETS: usize = 150;

/// The upper edge of each bucket, in milliseconds.
const EDGES: [u64; BUCKETS] = {
    let mut edges = [1_000; BUCKETS];
    let mut i = 1;
    while i < BUCKETS {
        edges[i] = edges[i - 1] * 11 / 10;
        i += 1;
    }
    edges
};

/// How long arrivals took: how many in which bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Delays(BTreeMap<u16, u64>);

impl Delays {
    /// Counts an arrival. One that took longer than the last bucket counts as that long.
    pub fn add(&mut self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let bucket = EDGES.partition_point(|edge| *edge < millis).min(BUCKETS - 1);
        *self.0.entry(u16::try_from(bucket).unwrap_or(u16::MAX)).or_default() += 1;
    }

    /// How many arrivals are known.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The time within which this share (in thousandths) of them arrived; `None` when none is known.
    pub fn quantile(&self, thousandths: u64) -> Option<Duration> {
        let rank = (self.count() * thousandths).div_ceil(1_000).max(1);
        let mut below = 0;
        let bucket = self.0.iter().find(|(_, n)| {
            below += **n;
            below >= rank
        });
        bucket.and_then(|(bucket, _)| EDGES.get(usize::from(*bucket))).map(|edge| Duration::from_millis(*edge))
    }

    /// How long a canary is waited for: what 99.9 % took, once [`ENOUGH`] are known and never longer than `ceiling`; the ceiling until then.
    pub fn timeout(&self, ceiling: Duration) -> Duration {
        let learned = self.quantile(999).filter(|_| self.count() >= ENOUGH);
        learned.map_or(ceiling, |learned| learned.max(SHORTEST).min(ceiling))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quantile_is_never_too_short_and_at_most_a_tenth_too_long(
            mut took in prop::collection::vec(1_000..1_000_000_u64, 1..400),
            thousandths in 1..1_001_u64,
        ) {
            let mut delays = Delays::default();
            took.iter().for_each(|millis| delays.add(Duration::from_millis(*millis)));
            took.sort_unstable();
            let rank = (took.len() * usize::try_from(thousandths).unwrap()).div_ceil(1_000).max(1);
            let (truth, told) = (took[rank - 1], delays.quantile(thousandths).unwrap().as_millis() as u64);
            prop_assert!(truth <= told && told * 10 <= truth * 11 , "{truth} told as {told}");
            let text = serde_json::to_string(&delays).unwrap();
            prop_assert_eq!(serde_json::from_str::<Delays>(&text).unwrap(), delays);
        }
    }

    #[test]
    fn the_ceiling_holds_until_enough_are_known_and_afterwards_too() {
        let (mut delays, ceiling) = (Delays::default(), Duration::from_secs(1_800));
        for n in 0..ENOUGH {
            assert_eq!(delays.timeout(ceiling), ceiling, "after {n}");
            delays.add(Duration::from_secs(100));
        }
        let learned = delays.timeout(ceiling);
        assert!(learned >= Duration::from_secs(100) && learned <= Duration::from_secs(110), "{learned:?}");
        assert_eq!(delays.timeout(Duration::from_secs(70)), Duration::from_secs(70));
        // One in a thousand does not move it, two do.
        delays.add(Duration::from_secs(90_000));
        assert_eq!(delays.timeout(ceiling), learned);
        delays.add(Duration::MAX);
        assert_eq!(delays.timeout(ceiling), ceiling);
    }

    #[test]
    fn who_arrives_at_once_is_waited_for_all_the_same() {
        let mut delays = Delays::default();
        (0..ENOUGH).for_each(|_| delays.add(Duration::ZERO));
        assert_eq!(delays.timeout(Duration::from_secs(600)), SHORTEST);
    }
}
