//! The record: the facts known of an address and of a subject, each a join, so that order and repetition cannot matter.
//!
//! Every event becomes a small record of its own ([`fold()`]) and is joined into what is there. A join takes, fact by fact, the
//! latest or the newest few; it is commutative, associative and idempotent, and the property tests hold it to that.

mod address;
mod bounces;
mod fold;
mod subject;

pub use address::{AddressRecord, EVERY_STREAM, Override, OverrideAction};
pub use bounces::{Bounce, Bounces, DAYS_KEPT};
pub use fold::{Delta, IDENTITY_KEPT, Keys, cell, event_time, fold, is_stale};
pub use subject::{Claim, Consent, SubjectRecord};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ids::EventKey;
use super::time::Timestamp;

/// Something that was so at a time, and the event that says it. The later one wins; at the same instant the greater key, so that
/// two readers agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    /// When.
    pub at: Timestamp,
    /// The event that says so.
    pub event: EventKey,
}

impl Fact {
    /// Whether this still stands although `answer` was said. Only what is later ends it: at the same instant it stands, because mail to
    /// someone who left is the worse mistake.
    pub fn stands(self, answer: Option<Self>) -> bool {
        answer.is_none_or(|answer| answer.at <= self.at)
    }
}

/// Takes another's knowledge in. Commutative, associative, idempotent.
pub trait Join {
    /// Joins `other` into `self`; tells whether that changed anything.
    fn join(&mut self, other: &Self) -> bool;
}

/// The join of a total order: the greater wins.
fn take_greater<T: Ord + Clone>(mine: &mut T, other: &T) -> bool {
    let greater = *other > *mine;
    if greater {
        mine.clone_from(other);
    }
    greater
}

impl Join for Option<Fact> {
    fn join(&mut self, other: &Self) -> bool {
        take_greater(self, other)
    }
}

impl<K: Ord + Clone, V: Join + Clone> Join for std::collections::BTreeMap<K, V> {
    fn join(&mut self, other: &Self) -> bool {
        let mut changed = false;
        for (key, value) in other {
            changed |= match self.get_mut(key) {
                Some(mine) => mine.join(value),
                None => self.insert(key.clone(), value.clone()).is_none(),
            };
        }
        changed
    }
}

impl Join for Fact {
    fn join(&mut self, other: &Self) -> bool {
        take_greater(self, other)
    }
}

impl Serialize for Fact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.at.micros(), self.event).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Fact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (micros, event) = <(i64, EventKey)>::deserialize(deserializer)?;
        Ok(Self { at: Timestamp::from_micros(micros), event })
    }
}
