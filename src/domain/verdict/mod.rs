//! The verdict: may this address be mailed, and why. Pure: the record, what surrounds it, the policy and the time go in.

mod decide;
mod desired;
mod gate;
mod glance;
mod hold;

pub use decide::{Moment, decide};
pub use desired::{Desired, DesiredState, desired};
pub use gate::{Gate, GateNow, InForce, gate};
pub use glance::{Glance, glance, subject_asks};
pub use hold::{Standing, candidates, standing};

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::event::Kind;
use super::ids::{AddressKey, AppId, Esp, EventKey, StreamName, SubKey};
use super::policy::Class;
use super::record::{AddressRecord, SubjectRecord};
use super::time::Timestamp;

/// The four answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// May be mailed.
    Sendable,
    /// Not now, and not for good.
    Hold,
    /// Not any more.
    Suppressed,
    /// We know nothing of it.
    Unknown,
}

/// The closed set of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are defined, each with its rule, in the README's table of verdicts")]
pub enum Reason {
    Erased,
    AccountDeleted,
    Superseded,
    ConsentRevoked,
    ForwardingDisabled,
    Complaint,
    Unsubscribed,
    RecipientGone,
    EspSuppressed,
    WaveOpen,
    SenderFault,
    RelayIncident,
    RecentBounce,
    AmbiguousBounce,
    Released,
    ForwardingEnabled,
    Ok,
    NotSeen,
    NotRelay,
}

impl Reason {
    /// Every reason, in the order of the table.
    pub const ALL: [Self; 19] = [
        Self::Erased,
        Self::AccountDeleted,
        Self::Superseded,
        Self::ConsentRevoked,
        Self::ForwardingDisabled,
        Self::Complaint,
        Self::Unsubscribed,
        Self::RecipientGone,
        Self::EspSuppressed,
        Self::WaveOpen,
        Self::SenderFault,
        Self::RelayIncident,
        Self::RecentBounce,
        Self::AmbiguousBounce,
        Self::Released,
        Self::ForwardingEnabled,
        Self::Ok,
        Self::NotSeen,
        Self::NotRelay,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Erased => "erased",
            Self::AccountDeleted => "account_deleted",
            Self::Superseded => "superseded",
            Self::ConsentRevoked => "consent_revoked",
            Self::ForwardingDisabled => "forwarding_disabled",
            Self::Complaint => "complaint",
            Self::Unsubscribed => "unsubscribed",
            Self::RecipientGone => "recipient_gone",
            Self::EspSuppressed => "esp_suppressed",
            Self::WaveOpen => "wave_open",
            Self::SenderFault => "sender_fault",
            Self::RelayIncident => "relay_incident",
            Self::RecentBounce => "recent_bounce",
            Self::AmbiguousBounce => "ambiguous_bounce",
            Self::Released => "released",
            Self::ForwardingEnabled => "forwarding_enabled",
            Self::Ok => "ok",
            Self::NotSeen => "not_seen",
            Self::NotRelay => "not_relay",
        }
    }

    /// Whether Apple itself said so: nothing passes these.
    pub fn is_apples_word(self) -> bool {
        matches!(self, Self::AccountDeleted | Self::ConsentRevoked | Self::ForwardingDisabled)
    }
}

/// How far a reason reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// This user.
    User,
    /// One ESP's own list.
    Esp,
    /// One stream.
    Stream,
    /// One cell.
    Cell,
}

/// What is asked beside the address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Question {
    /// For which app; without it, a revocation counts when every app known of the subject is revoked.
    pub app: Option<AppId>,
    /// On which stream, with the ESP it sends through.
    pub stream: Option<(StreamName, Esp)>,
    /// For what; missing means marketing.
    pub class: Class,
}

/// What is known of the address asked about.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Its record.
    pub address: Option<AddressRecord>,
    /// The subject whose claim to it is newest, and the subject's record.
    pub subject: Option<(SubKey, SubjectRecord)>,
    /// Whether its domain proves a relay address.
    pub on_relay_domain: bool,
    /// When address or subject was erased, from the tombstone.
    pub erased_at: Option<Timestamp>,
    /// What surrounds it.
    pub around: Surroundings,
}

/// What the rest of the mail says about this address's bounces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Its bounces that have a control in their cell and lie in no wave: only these can convict.
    pub controlled: BTreeSet<EventKey>,
    /// Limits of cells and streams that are in force.
    pub limits: Vec<Limit>,
    /// The team's streams that send mail, each with its ESP; when each of them is limited, nothing can be sent at all.
    pub ways: BTreeMap<StreamName, Esp>,
}

/// A reason that reaches further than one user, or only to one way of sending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// How far it reaches.
    pub scope: Reach,
    /// The ESP, for `esp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub esp: Option<Esp>,
    /// The stream, for `stream` and `cell`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamName>,
    /// The app, where only one of several is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppId>,
    /// Why.
    pub reason: Reason,
    /// The wave behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<String>,
}

/// One event that speaks for the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Its public id.
    pub event: String,
    /// What it was.
    pub kind: Kind,
    /// When.
    pub at: Timestamp,
}

/// The answer to "may I send to this address?". Never a bare Boolean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The answer.
    pub verdict: Answer,
    /// What to do with the message asked about.
    pub send: bool,
    /// The first reason of the table that applies.
    pub reason: Reason,
    /// How far that reason reaches.
    pub scope: Reach,
    /// Reasons that hold for other ways of sending too.
    pub limits: Vec<Limit>,
    /// How fresh the answer is (not when the evidence happened).
    pub as_of: Timestamp,
    /// Until when it may be used without asking again.
    pub valid_until: Timestamp,
    /// What it rests on, newest first.
    pub evidence: Vec<Proof>,
    /// Where in the log it stands.
    pub cursor: String,
    /// The policy that decided.
    pub policy_version: String,
}

/// Whom a verdict is about, for feeds and batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The address.
    pub key: AddressKey,
    /// Its subject, when known.
    pub sub: Option<SubKey>,
}
