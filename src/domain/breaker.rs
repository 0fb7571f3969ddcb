//! The breaker: when so many users would change at once that the fault is more likely ours than theirs.

use std::time::Duration;

/// The span over which changes are counted.
pub const WINDOW: Duration = Duration::from_secs(3_600);

/// When a destination stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaker {
    /// The share of known users, from 0 to 1, that may change within [`WINDOW`].
    pub share: f64,
    /// So many changes are never too many, however few users are known.
    pub at_least: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { share: 0.05, at_least: 100 }
    }
}

impl Breaker {
    /// Whether so few changes need no look at how many users there are.
    pub fn is_quiet(&self, changed: u64) -> bool {
        changed < self.at_least
    }

    /// Whether `changed` of `known` users within the window are too many.
    pub fn trips(&self, changed: u64, known: u64) -> bool {
        !self.is_quiet(changed) && changed as f64 > self.share * known as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_trips_above_the_share_and_never_below_the_least() {
        let breaker = Breaker { share: 0.05, at_least: 100 };
        for (changed, known, trips) in [
            (0, 0, false),
            (99, 0, false),
            (99, 100, false),
            (100, 0, true),
            (100, 1_999, true),
            (100, 2_000, false),
            (101, 2_000, true),
            (500_000, 10_000_000, false),
            (500_001, 10_000_000, true),
        ] {
            assert_eq!(breaker.trips(changed, known), trips, "{changed} of {known}");
        }
        assert!(!Breaker { share: 1.0, at_least: 1 }.trips(10, 10), "a share of 1 never trips");
    }
}
