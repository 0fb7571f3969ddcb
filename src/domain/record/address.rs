//! The facts known of one address of one team.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bounces::Bounces;
use super::subject::Claim;
use super::{Fact, Join, take_greater};
use crate::domain::ids::{Esp, StreamName, SubKey};
use crate::domain::time::Timestamp;

/// The stream name that stands for all streams of the team.
pub const EVERY_STREAM: &str = "*";

/// Everything known of an address that a verdict may need. A join: see the module above.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRecord {
    /// The relay domain it is on, or `icloud.com` when Apple flagged it; absent for a real address.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub relay_domain: Option<String>,
    /// Apple said: forwarding on.
    #[serde(rename = "on", default, skip_serializing_if = "Option::is_none")]
    pub forwarding_on: Option<Fact>,
    /// Apple said: forwarding off.
    #[serde(rename = "off", default, skip_serializing_if = "Option::is_none")]
    pub forwarding_off: Option<Fact>,
    /// The latest complaint that names this address alone.
    #[serde(rename = "co", default, skip_serializing_if = "Option::is_none")]
    pub complaint: Option<Fact>,
    /// The latest unsubscription per stream.
    #[serde(rename = "un", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unsubscribed: BTreeMap<StreamName, Fact>,
    /// The latest new opt-in per stream.
    #[serde(rename = "in", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub opted_in: BTreeMap<StreamName, Fact>,
    /// The latest sign that an ESP's own list holds the address.
    #[serde(rename = "li", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub listed: BTreeMap<Esp, Fact>,
    /// The latest sign that it does not (a removal, or mail accepted through that ESP).
    #[serde(rename = "ul", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unlisted: BTreeMap<Esp, Fact>,
    /// The latest mail that the next hop accepted.
    #[serde(rename = "ok", default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Fact>,
    /// What may speak against it.
    #[serde(rename = "b", default, skip_serializing_if = "Bounces::is_empty")]
    pub bounces: Bounces,
    /// Whose address it is. The newest claim rules.
    #[serde(rename = "su", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub subjects: BTreeMap<SubKey, Claim>,
    /// An operator's latest decision of each kind.
    #[serde(rename = "op", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<OverrideAction, Override>,
}

/// What an operator can decide about an address. Nothing lifts a suppression by Apple's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideAction {
    /// Complaint, unsubscription, conviction and hold no longer count.
    Lift,
    /// Treat as unsubscribed from every stream.
    Suppress,
}

/// An operator's decision: since when, and until when it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Override {
    /// When it was decided, and the event that names who and why.
    #[serde(rename = "f")]
    pub fact: Fact,
    /// When it ends, in microseconds; absent: until decided anew.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub until_micros: Option<i64>,
}

impl Override {
    /// Whether it holds at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until_micros.is_none_or(|until| now.micros() < until)
    }
}

impl Join for Override {
    fn join(&mut self, other: &Self) -> bool {
        take_greater(self, other)
    }
}

impl AddressRecord {
    /// The subject whose claim to the address is newest.
    pub fn subject(&self) -> Option<SubKey> {
        self.subjects.iter().max_by_key(|(key, claim)| (**claim, **key)).map(|(key, _)| *key)
    }

    /// The latest proof that the address takes mail: an acceptance, or Apple's word that forwarding is on.
    pub fn proof(&self) -> Option<Timestamp> {
        self.accepted.max(self.forwarding_on).map(|f| f.at)
    }
}

impl Join for AddressRecord {
    fn join(&mut self, other: &Self) -> bool {
        // One address is on one domain; the greater only keeps the join total. No part is skipped: each `|` joins.
        take_greater(&mut self.relay_domain, &other.relay_domain)
            | self.forwarding_on.join(&other.forwarding_on)
            | self.forwarding_off.join(&other.forwarding_off)
            | self.complaint.join(&other.complaint)
            | self.unsubscribed.join(&other.unsubscribed)
            | self.opted_in.join(&other.opted_in)
            | self.listed.join(&other.listed)
            | self.unlisted.join(&other.unlisted)
            | self.accepted.join(&other.accepted)
            | self.bounces.join(&other.bounces)
            | self.subjects.join(&other.subjects)
            | self.overrides.join(&other.overrides)
    }
}
