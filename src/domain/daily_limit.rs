//! Which relay addresses come near Apple's 100 mails a day, in a bounded space and without remembering an address.
//!
//! "Each private relay email address has a daily limit of 100 emails" (Apple's private email relay page). Beyond it mail is refused, and that looks
//! like a fault of the recipient. Counted is with a count-min sketch: rows of small counters, picked by the bits of the address's keyed hash. An
//! estimate is never too low; with a million mails a day it is too high by about 8 in one row, and the least of four rows is taken.

use std::time::Duration;

use super::ids::AddressKey;
use super::time::Timestamp;

/// Mails that a relay address takes in 24 hours.
pub const APPLES_LIMIT: u32 = 100;

/// From here on somebody should know: 80 % of it.
pub const NEAR: u32 = 80;

/// Time is cut into slots of this length; a day is counted as the slots it touches, so as 24 to 30 hours.
const SLOT: Duration = Duration::from_secs(6 * 3_600);
const SLOTS: usize = 5;
const ROWS: usize = 4;
const WIDTH: usize = 1 << 17;

/// Counts of mail per address and slot: 2.5 MiB once the first is counted.
#[derive(Debug, Clone, Default)]
pub struct DailyCounts {
    slots: Vec<Slot>,
}

#[derive(Debug, Clone)]
struct Slot {
    /// Which slot since 1970 it counts.
    number: i64,
    counters: Vec<u8>,
}

impl DailyCounts {
    /// Counts a mail that was taken `at`. True when it is the one with which its address comes near the limit.
    pub fn add(&mut self, address: AddressKey, at: Timestamp) -> bool {
        let number = slot_of(at);
        let before = self.estimate(address, at);
        let oldest_counted =
            self.slots.iter().map(|slot| slot.number).max().map_or(number, |newest| newest - SLOTS as i64 + 1);
        if number < oldest_counted {
            return false;
        }
        let slot = self.slot(number);
        for place in places(address) {
            slot.counters[place] = slot.counters[place].saturating_add(1);
        }
        before < NEAR && self.estimate(address, at) >= NEAR
    }

    /// How many mails the address got in the day before `at`, at most; of those that were counted here.
    pub fn estimate(&self, address: AddressKey, at: Timestamp) -> u32 {
        let newest = slot_of(at);
        let counted = self.slots.iter().filter(|slot| (newest - SLOTS as i64 + 1..=newest).contains(&slot.number));
        let least = |slot: &Slot| places(address).map(|place| u32::from(slot.counters[place])).min().unwrap_or(0);
        counted.map(least).sum()
    }

    /// The slot of this number; it takes the place of the oldest, if there is no more room.
    fn slot(&mut self, number: i64) -> &mut Slot {
        let at = self.slots.iter().position(|slot| slot.number == number).unwrap_or_else(|| {
            let empty = Slot { number, counters: vec![0; ROWS * WIDTH] };
            match (0..self.slots.len()).min_by_key(|at| self.slots[*at].number).filter(|_| self.slots.len() == SLOTS) {
                Some(oldest) => {
                    self.slots[oldest] = empty;
                    oldest
                }
                None => {
                    self.slots.push(empty);
                    self.slots.len() - 1
                }
            }
        });
        &mut self.slots[at]
    }
}

fn slot_of(at: Timestamp) -> i64 {
    at.secs().div_euclid(i64::try_from(SLOT.as_secs()).unwrap_or(1))
}

/// One counter in each row. The key is a keyed hash already: its bits are as good as random, and nobody outside can aim at them.
fn places(address: AddressKey) -> impl Iterator<Item = usize> {
    let bits = u128::from_be_bytes(address.0);
    (0..ROWS).map(move |row| row * WIDTH + usize::try_from(bits >> (32 * row) & (WIDTH as u128 - 1)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + hours * 3_600)
    }

    fn key(n: u64) -> AddressKey {
        // Spread like a hash: an odd factor is a bijection.
        AddressKey((u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_be_bytes())
    }

    #[test]
    fn the_eightieth_mail_of_a_day_is_told_once() {
        let mut counts = DailyCounts::default();
        let told: Vec<u32> = (1..=120).filter(|_| counts.add(key(1), at(0))).collect();
        assert_eq!(told.len(), 1);
        assert_eq!(counts.estimate(key(1), at(0)), 120);
        assert_eq!(counts.estimate(key(1), at(31)), 0, "a day later it is forgotten");
        assert_eq!(counts.estimate(key(2), at(0)), 0);
    }

    #[test]
    fn what_is_spread_over_days_comes_near_nothing() {
        let mut counts = DailyCounts::default();
        assert!((0..24 * 30).all(|hour| (0..2).all(|_| !counts.add(key(1), at(hour)))), "48 a day");
        assert!(!counts.add(key(1), at(0)), "a report of a month ago");
    }

    #[test]
    fn a_hundred_thousand_others_do_not_raise_an_alarm() {
        let mut counts = DailyCounts::default();
        let alarms = (0..300_000).filter(|n| counts.add(key(n % 100_000 + 10), at(0))).count();
        assert_eq!(alarms, 0, "three mails each");
        for n in 1..NEAR {
            assert!(counts.estimate(key(1), at(0)) < n + 10, "the estimate is close");
            counts.add(key(1), at(0));
        }
        assert!(counts.estimate(key(1), at(0)) >= NEAR - 1, "and never too low");
    }
}
