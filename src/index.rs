//! The sendability index: in memory, for the many addresses of whom there is nothing to say, so that asking costs no store.
//!
//! It is a cache of the store. It knows up to which number of the log it stands and when it was last sure of that; when it is not sure,
//! it does not answer, and the store is asked. Commits of this process enter it before they are acknowledged; those of other replicas
//! and of commands it reads from the log.

mod follow;
mod table;

pub use follow::follow;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use self::table::{Shards, slot_key};
use crate::domain::ids::{AddressKey, TeamId};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Glance;

/// How old the index's certainty may be before the store is asked instead.
pub const STALE_AFTER: Duration = Duration::from_secs(2);

/// The index. Shared by reference.
#[derive(Default)]
pub struct Index {
    shards: Shards,
    /// Held while the index moves in the log; never while the store is read.
    moving: Mutex<()>,
    cursor: AtomicI64,
    /// The end of the last commit of this process that was not taken in, because one before it was missing: nothing is certain before it.
    missed: AtomicI64,
    sure_at: AtomicI64,
    loaded: AtomicBool,
}

/// What a commit changed.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// The head before it.
    pub before: i64,
    /// The head after it.
    pub after: i64,
    /// Every address whose glance it may have changed.
    pub glances: Vec<(TeamId, AddressKey, Glance)>,
}

/// An answer of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What it knows; `None`: nobody ever spoke of the address.
    pub glance: Option<Glance>,
    /// When it was last sure to be up to date.
    pub as_of: Timestamp,
    /// Where in the log it stands.
    pub cursor: i64,
}

impl Index {
    /// Looks an address up; `None` when the index is not loaded or not fresh enough to be believed at `now`.
    pub fn look(&self, team: &TeamId, key: AddressKey, now: Timestamp) -> Option<Look> {
        if !self.loaded.load(Ordering::Acquire) {
            return None;
        }
        let as_of = Timestamp::from_micros(self.sure_at.load(Ordering::Acquire));
        if now.since(as_of) > STALE_AFTER {
            return None;
        }
        let cursor = self.cursor.load(Ordering::Acquire);
        Some(Look { glance: self.shards.get(slot_key(team, key)), as_of, cursor })
    }

    /// Takes in a commit of this process. Only one that follows on what the index knows: between the two another replica may have
    /// committed, and then the log must be read.
    pub fn apply(&self, commit: &Commit, now: Timestamp) {
        let _moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.loaded.load(Ordering::Acquire) {
            return;
        }
        let cursor = self.cursor.load(Ordering::Acquire);
        if cursor != commit.before {
            // Behind: until the log has been read, nothing here can be believed. Ahead: this commit was read from it already.
            if cursor < commit.before {
                self.missed.fetch_max(commit.after, Ordering::AcqRel);
                self.sure_at.store(0, Ordering::Release);
            }
            return;
        }
        self.take_in(commit.after, &commit.glances, now);
    }

    /// Moves from `from` to `to` with what was read from the store in between; false when the index has moved meanwhile, and what was
    /// read may be older than what it knows.
    fn advance(&self, from: i64, to: i64, glances: &[(TeamId, AddressKey, Glance)], sure_at: Timestamp) -> bool {
        let _moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        if self.cursor.load(Ordering::Acquire) != from {
            return false;
        }
        self.take_in(to, glances, sure_at);
        true
    }

    /// Moves to `to`. Sure again only with every commit that was acknowledged: who asks after his 200 gets an answer that knows of it.
    fn take_in(&self, to: i64, glances: &[(TeamId, AddressKey, Glance)], sure_at: Timestamp) {
        for (team, key, glance) in glances {
            self.shards.set(slot_key(team, *key), *glance);
        }
        self.cursor.store(to, Ordering::Release);
        if to >= self.missed.load(Ordering::Acquire) {
            self.sure_at.fetch_max(sure_at.micros(), Ordering::AcqRel);
        }
    }

    /// Where in the log it stands.
    pub fn cursor(&self) -> i64 {
        self.cursor.load(Ordering::Acquire)
    }

    /// Whether it has been loaded.
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// When it was last sure to be up to date.
    pub fn sure_at(&self) -> Timestamp {
        Timestamp::from_micros(self.sure_at.load(Ordering::Acquire))
    }

    /// How many addresses it holds, and the bytes it takes for them.
    pub fn size(&self) -> (usize, usize) {
        self.shards.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: AddressKey = AddressKey([7; 16]);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_750_000_000 + seconds)
    }

    fn team() -> TeamId {
        TeamId::new("team")
    }

    /// Loaded, and sure of the log up to 10.
    fn index() -> Index {
        let index = Index::default();
        index.cursor.store(10, Ordering::Release);
        index.loaded.store(true, Ordering::Release);
        assert!(index.advance(10, 10, &[(team(), KEY, Glance::Ok)], at(0)));
        index
    }

    fn commit(before: i64, after: i64, glances: &[Glance]) -> Commit {
        Commit { before, after, glances: glances.iter().map(|glance| (team(), KEY, *glance)).collect() }
    }

    #[test]
    fn a_commit_that_overtakes_another_leaves_the_index_unsure_until_it_is_in() {
        let index = index();
        let suppressed = [Glance::Ask];
        index.apply(&commit(11, 12, &suppressed), at(1));
        assert_eq!(index.look(&team(), KEY, at(1)), None);
        index.apply(&commit(10, 11, &[]), at(1));
        assert_eq!(
            (index.cursor(), index.look(&team(), KEY, at(1))),
            (11, None),
            "the twelfth is acknowledged and not in"
        );
        assert!(index.advance(11, 11, &[], at(1)), "read before the twelfth was there");
        assert_eq!(index.look(&team(), KEY, at(1)), None);
        assert!(index.advance(11, 12, &[(team(), KEY, Glance::Ask)], at(1)));
        let look = index.look(&team(), KEY, at(1)).unwrap();
        assert_eq!((look.glance, look.cursor, look.as_of), (Some(Glance::Ask), 12, at(1)));
        index.apply(&commit(12, 13, &[Glance::Ok]), at(2));
        assert_eq!(index.look(&team(), KEY, at(2)).unwrap().as_of, at(2));
    }
}
