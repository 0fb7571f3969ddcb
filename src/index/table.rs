//! The table: open addressing over 128-bit words, each an address's key with its glance in the lowest two bits.
//!
//! Keys are keyed hashes already, so their bits are used as they are. A table is at most four fifths full and grows by half: 20 to 30
//! bytes per address.

use std::hash::{DefaultHasher, Hasher};
use std::sync::{PoisonError, RwLock};

use crate::domain::ids::{AddressKey, TeamId};
use crate::domain::verdict::Glance;

/// Locks are held for one probe; so many shards keep writers and readers out of each other's way, and a growing table small.
const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 10;

/// The two bits of the word that hold the glance.
const GLANCE: u128 = 0b11;

/// All shards.
pub(super) struct Shards(Box<[RwLock<Table>]>);

#[derive(Default)]
struct Table {
    /// Zero: empty. A glance is never zero, so neither is a word in use.
    words: Vec<u128>,
    used: usize,
}

/// The word of an address of a team, its glance left zero. The team is mixed in, so that one table serves all of them.
pub(super) fn slot_key(team: &TeamId, key: AddressKey) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(team.as_str().as_bytes());
        u128::from(hasher.finish())
    };
    (u128::from_be_bytes(key.0) ^ (half(0) << 64 | half(1))) & !GLANCE
}

impl Default for Shards {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| RwLock::default()).collect())
    }
}

impl Shards {
    /// The glance at a word.
    pub(super) fn get(&self, key: u128) -> Option<Glance> {
        self.shard(key).read().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    /// Sets the glance of a word.
    pub(super) fn set(&self, key: u128, glance: Glance) {
        self.shard(key).write().unwrap_or_else(PoisonError::into_inner).set(key, bits(glance));
    }

    /// Addresses held, and bytes taken.
    pub(super) fn size(&self) -> (usize, usize) {
        self.0.iter().fold((0, 0), |(used, bytes), shard| {
            let table = shard.read().unwrap_or_else(PoisonError::into_inner);
            (used + table.used, bytes + table.words.capacity() * size_of::<u128>() + size_of::<RwLock<Table>>())
        })
    }

    fn shard(&self, key: u128) -> &RwLock<Table> {
        // The highest bits choose the shard, those below them the slot.
        let shard = usize::try_from(key >> (128 - SHARD_BITS)).unwrap_or(0);
        &self.0[shard % SHARDS]
    }
}

impl Table {
    fn get(&self, key: u128) -> Option<Glance> {
        if self.words.is_empty() {
            return None;
        }
        let mut slot = self.slot(key);
        loop {
            let word = self.words[slot];
            if word == 0 {
                return None;
            }
            if word & !GLANCE == key {
                return glance(word);
            }
            slot = self.next(slot);
        }
    }

    fn set(&mut self, key: u128, glance: u128) {
        if (self.used + 1) * 5 > self.words.len() * 4 {
            self.grow();
        }
        let mut slot = self.slot(key);
        loop {
            let word = self.words[slot];
            if word == 0 {
                self.used += 1;
            }
            if word == 0 || word & !GLANCE == key {
                self.words[slot] = key | glance;
                return;
            }
            slot = self.next(slot);
        }
    }

    fn grow(&mut self) {
        let larger = (self.words.len() + self.words.len() / 2).max(16);
        let words = std::mem::replace(&mut self.words, vec![0; larger]);
        for word in words.into_iter().filter(|w| *w != 0) {
            let mut slot = self.slot(word & !GLANCE);
            while self.words[slot] != 0 {
                slot = self.next(slot);
            }
            self.words[slot] = word;
        }
    }

    /// Scales the 64 bits below the shard's onto the table, so that its length need not be a power of two.
    fn slot(&self, key: u128) -> usize {
        let bits = (key >> (64 - SHARD_BITS)) & u128::from(u64::MAX);
        usize::try_from((bits * self.words.len() as u128) >> 64).unwrap_or(0)
    }

    fn next(&self, slot: usize) -> usize {
        if slot + 1 == self.words.len() { 0 } else { slot + 1 }
    }
}

fn bits(glance: Glance) -> u128 {
    match glance {
        Glance::Ok => 1,
        Glance::NotRelay => 2,
        Glance::Ask => 3,
    }
}

fn glance(word: u128) -> Option<Glance> {
    match word & GLANCE {
        1 => Some(Glance::Ok),
        2 => Some(Glance::NotRelay),
        3 => Some(Glance::Ask),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> AddressKey {
        let digest = ring::digest::digest(&ring::digest::SHA256, &n.to_be_bytes());
        AddressKey::from_slice(&digest.as_ref()[..16]).unwrap()
    }

    #[test]
    fn holds_what_it_was_told_last_and_nothing_else() {
        let (shards, team) = (Shards::default(), TeamId::new("T"));
        for n in 0..100_000 {
            shards.set(slot_key(&team, key(n)), Glance::Ok);
        }
        for n in (0..100_000).step_by(3) {
            shards.set(slot_key(&team, key(n)), Glance::Ask);
        }
        for n in 0..100_000 {
            let want = if n % 3 == 0 { Glance::Ask } else { Glance::Ok };
            assert_eq!(shards.get(slot_key(&team, key(n))), Some(want), "{n}");
        }
        for n in 100_000..110_000 {
            assert_eq!(shards.get(slot_key(&team, key(n))), None);
        }
        assert_eq!(shards.get(slot_key(&TeamId::new("U"), key(1))), None, "another team's address is another address");
        let (used, bytes) = shards.size();
        assert_eq!(used, 100_000);
        assert!(bytes / used <= 64, "{} bytes per address", bytes / used);
    }
}
