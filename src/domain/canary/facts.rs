//! What is known of one canary: a join of facts, so that neither their order nor their repetition matters.
//!
//! Of each kind of fact the earliest is kept. Nothing is decided here: [`super::State`] is computed when it is asked for.

use serde::{Deserialize, Serialize};

use crate::domain::event::{Kind, Scope};
use crate::domain::record::Join;
use crate::domain::time::Timestamp;

/// An instant as facts keep it: in microseconds, none lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(i64);

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        Self(at.micros())
    }
}

impl Instant {
    /// As everywhere else.
    pub fn at(self) -> Timestamp {
        Timestamp::from_micros(self.0)
    }
}

/// Where a canary was found. In the order in which one is believed: what somebody fetched out of the spam was spam.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Folder {
    /// Among the spam.
    Spam,
    /// In another folder, put there by a rule of the mailbox.
    Other,
    /// Where a person would see it.
    Inbox,
}

impl Folder {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Other => "other",
            Self::Spam => "spam",
        }
    }
}

/// That it was read in the mailbox behind its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Arrival {
    /// When the mailbox received it.
    pub at: Instant,
    /// Where it lay.
    pub folder: Folder,
}

/// That somebody refused it, read by the rules for bounces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub at: Instant,
    /// The rule that decided, such as `apple.unauthorized_sender`.
    pub rule: String,
    /// For good or for now.
    pub kind: Kind,
    /// Whose fault.
    pub scope: Scope,
    /// SMTP reply code.
    pub code: Option<u16>,
    /// Enhanced status code (RFC 3463).
    pub status: Option<String>,
    /// The words, without any address.
    pub text: Option<String>,
}

impl Refusal {
    /// Whether it is more than a delay: what was refused for now may come through a moment later.
    pub fn is_for_good(&self) -> bool {
        self.kind == Kind::HardBounce
    }

    /// Whether the provider itself would not pass it on, as with an address on its suppression list: nobody behind it was asked.
    pub fn is_of_provider(&self) -> bool {
        self.scope == Scope::Esp
    }
}

/// All that is known of one canary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// It was written down.
    pub planned: Option<Instant>,
    /// The conversation with the submission server began: from here on it may have left.
    pub sending: Option<Instant>,
    /// The submission server took it.
    pub accepted: Option<Instant>,
    /// The connection was lost when it may have been taken.
    pub uncertain: Option<Instant>,
    /// It surely did not leave.
    pub not_sent: Option<Instant>,
    /// Somebody refused it.
    pub refused: Option<Refusal>,
    /// The provider says that the next hop took it.
    pub delivered: Option<Instant>,
    /// It was found in its mailbox.
    pub arrived: Option<Arrival>,
    /// How long after the sending it is waited for, in microseconds: what was learned when it was planned.
    pub patience: Option<i64>,
}

/// The earliest wins.
fn take_lesser<T: Ord + Clone>(mine: &mut Option<T>, other: &Option<T>) -> bool {
    let lesser = match (&mine, other) {
        (None, Some(_)) => true,
        (Some(mine), Some(other)) => other < mine,
        (_, None) => false,
    };
    if lesser {
        mine.clone_from(other);
    }
    lesser
}

impl Join for Facts {
    fn join(&mut self, other: &Self) -> bool {
        let each = [
            take_lesser(&mut self.planned, &other.planned),
            take_lesser(&mut self.sending, &other.sending),
            take_lesser(&mut self.accepted, &other.accepted),
            take_lesser(&mut self.uncertain, &other.uncertain),
            take_lesser(&mut self.not_sent, &other.not_sent),
            take_lesser(&mut self.refused, &other.refused),
            take_lesser(&mut self.delivered, &other.delivered),
            take_lesser(&mut self.arrived, &other.arrived),
            take_lesser(&mut self.patience, &other.patience),
        ];
        each.contains(&true)
    }
}
