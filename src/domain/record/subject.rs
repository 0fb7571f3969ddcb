//! The facts known of one subject (Apple's `sub`) of one team.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Fact, Join, take_greater};
use crate::domain::ids::{AddressKey, AppId};
use crate::domain::time::Timestamp;
use std::time::Duration;

/// Everything known of a subject that a verdict may need. A join.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// Consent, per app.
    #[serde(rename = "ap", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub apps: BTreeMap<AppId, Consent>,
    /// Apple said: the Apple Account was deleted. Terminal for this `sub`.
    #[serde(rename = "de", default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Fact>,
    /// The addresses the subject has had. The newest claim names the present epoch.
    #[serde(rename = "ad", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses: BTreeMap<AddressKey, Claim>,
}

/// Somebody's word that an address is a subject's. Word of the present address beats a mere mention, then the later beats the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim {
    /// Whether it says that this is the address the subject has now: an authorization or an import. Apple's notice about forwarding
    /// names an address without saying so.
    #[serde(rename = "p", default, skip_serializing_if = "std::ops::Not::not")]
    pub present: bool,
    /// When, and which event.
    #[serde(rename = "f")]
    pub fact: Fact,
}

impl Join for Claim {
    fn join(&mut self, other: &Self) -> bool {
        take_greater(self, other)
    }
}

/// Consent of one subject for one app.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The latest authorization with Apple (an identity token or a code exchange, never an app session).
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub authorized: Option<Fact>,
    /// The latest revocation.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Fact>,
}

impl Consent {
    /// The revocation that stands, if one does. A revocation up to `margin` before the authorization still wins: the two clocks
    /// differ, and mailing someone who left is the worse mistake.
    pub fn standing_revocation(&self, margin: Duration) -> Option<Fact> {
        let revoked = self.revoked?;
        let outlived = self.authorized.is_some_and(|a| a.at > revoked.at.plus(margin));
        (!outlived).then_some(revoked)
    }
}

impl SubjectRecord {
    /// The address of the present epoch.
    pub fn present(&self) -> Option<AddressKey> {
        self.addresses.iter().max_by_key(|(key, claim)| (**claim, **key)).map(|(key, _)| *key)
    }

    /// What says that an address of the subject, claimed by `own`, has been replaced: later word of another present address.
    pub fn replaced(&self, own: Claim) -> Option<Fact> {
        let newest = self.addresses.values().max().filter(|newest| newest.present)?;
        (newest.fact.at > own.fact.at).then_some(newest.fact)
    }

    /// The latest authorization for any app.
    pub fn authorized(&self) -> Option<Timestamp> {
        self.apps.values().filter_map(|c| c.authorized).max().map(|f| f.at)
    }
}

impl Join for Consent {
    fn join(&mut self, other: &Self) -> bool {
        self.authorized.join(&other.authorized) | self.revoked.join(&other.revoked)
    }
}

impl Join for SubjectRecord {
    fn join(&mut self, other: &Self) -> bool {
        self.apps.join(&other.apps) | self.deleted.join(&other.deleted) | self.addresses.join(&other.addresses)
    }
}
