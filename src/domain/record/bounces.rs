//! The bounces that may speak against an address: per day the first and the last, for the newest days.
//!
//! Days rather than a bare list, because one bad hour can bring dozens: they would push out the bounce of yesterday that a
//! conviction needs. Within a day only the ends can matter: a pair 24 hours apart spans two days, and the hold counts from the last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Fact, Join};
use crate::domain::cell::Cell;
use crate::domain::time::Timestamp;

/// How many days with bounces are kept; 25 h doubled five times passes 30 days, so six already reach the longest hold.
pub const DAYS_KEPT: usize = 8;

/// One fresh hard bounce of recipient or ambiguous scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bounce {
    /// When, and which event.
    #[serde(rename = "f")]
    pub fact: Fact,
    /// Whether the words say that the recipient is not found.
    #[serde(rename = "n", default, skip_serializing_if = "std::ops::Not::not")]
    pub not_found: bool,
    /// Whether the words speak of the recipient at all; else the bounce is ambiguous.
    #[serde(rename = "r", default, skip_serializing_if = "std::ops::Not::not")]
    pub of_recipient: bool,
    /// The cell it came in: without a control there it proves nothing.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
}

/// The bounces of an address, those that say `not found` apart from the others: only the former can convict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounces {
    #[serde(rename = "n", default, skip_serializing_if = "BTreeMap::is_empty")]
    not_found: BTreeMap<i64, Day>,
    #[serde(rename = "o", default, skip_serializing_if = "BTreeMap::is_empty")]
    others: BTreeMap<i64, Day>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Day {
    #[serde(rename = "f")]
    first: Bounce,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    last: Option<Bounce>,
}

const DAY_MICROS: i64 = 86_400 * 1_000_000;

impl Bounces {
    /// The history that knows one bounce.
    pub fn of(bounce: Bounce) -> Self {
        let mut bounces = Self::default();
        let day = bounce.fact.at.micros().div_euclid(DAY_MICROS);
        let days = if bounce.not_found { &mut bounces.not_found } else { &mut bounces.others };
        days.insert(day, Day { first: bounce, last: None });
        bounces
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.not_found.is_empty() && self.others.is_empty()
    }

    /// All kept bounces not earlier than `proof`, oldest first. At the same instant the bounce counts: providers' clocks tick in
    /// seconds, and a hold is the smaller mistake.
    pub fn after(&self, proof: Option<Timestamp>) -> Vec<&Bounce> {
        let mut all: Vec<&Bounce> = ends(&self.not_found).chain(ends(&self.others)).collect();
        all.retain(|b| proof.is_none_or(|p| b.fact.at >= p));
        all.sort();
        all
    }
}

fn ends(days: &BTreeMap<i64, Day>) -> impl Iterator<Item = &Bounce> {
    days.values().flat_map(|d| std::iter::once(&d.first).chain(d.last.as_ref()))
}

impl Join for Bounces {
    fn join(&mut self, other: &Self) -> bool {
        join_days(&mut self.not_found, &other.not_found) | join_days(&mut self.others, &other.others)
    }
}

fn join_days(mine: &mut BTreeMap<i64, Day>, other: &BTreeMap<i64, Day>) -> bool {
    if other.is_empty() {
        return false;
    }
    let before = mine.clone();
    mine.join(other);
    // Dropping the oldest day is safe: newer days never vanish, so it can never come back into the newest few.
    while mine.len() > DAYS_KEPT {
        mine.pop_first();
    }
    *mine != before
}

impl Join for Day {
    fn join(&mut self, other: &Self) -> bool {
        let mut all: Vec<Bounce> = vec![self.first.clone(), other.first.clone()];
        all.extend(self.last.iter().chain(&other.last).cloned());
        all.sort();
        all.dedup();
        let first = all.swap_remove(0);
        let last = all.into_iter().max();
        let joined = Self { first, last };
        let changed = joined != *self;
        *self = joined;
        changed
    }
}
