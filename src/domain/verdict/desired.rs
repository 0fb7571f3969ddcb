//! The desired state of a user at a destination: only what is durable. A hold is not; a wave is one message and a cohort to pull.

use serde::{Deserialize, Serialize};

use super::decide::{streams_left, user_row};
use super::{Answer, Proof, Question, Reason, View};
use crate::domain::ids::AppId;
use crate::domain::policy::{Class, Policy};
use crate::domain::time::Timestamp;

/// Suppressed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredState {
    /// The destination should not mail the user.
    Suppressed,
    /// The destination may.
    Sendable,
}

/// What a destination should hold about one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Suppressed or not.
    pub state: DesiredState,
    /// Why; `ok` when nothing stands against the user.
    pub reason: Reason,
    /// Since when the reason holds; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Streams the user left while the others may go on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsubscribed: Vec<String>,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Proof>,
}

impl Desired {
    /// What a destination holds of a user it was never told of: nothing stands against them.
    pub fn blank() -> Self {
        Self {
            state: DesiredState::Sendable,
            reason: Reason::Ok,
            since: None,
            unsubscribed: Vec::new(),
            evidence: Vec::new(),
        }
    }
}

/// What a destination that serves `app` (or the whole team) should hold about the user of this view.
pub fn desired(view: &View, app: Option<&AppId>, policy: &Policy, now: Timestamp) -> Desired {
    let question = Question { app: app.cloned(), stream: None, class: Class::Marketing };
    let row = user_row(&question, view, policy, now);
    let suppressed = row.answer == Answer::Suppressed;
    let left = view.address.iter().flat_map(|record| streams_left(record, now));
    let unsubscribed = left.map(ToString::to_string).collect();
    Desired {
        state: if suppressed { DesiredState::Suppressed } else { DesiredState::Sendable },
        reason: if suppressed { row.reason } else { Reason::Ok },
        since: suppressed.then(|| row.evidence.first().map(|(f, _)| f.at)).flatten(),
        unsubscribed,
        evidence: if suppressed {
            row.evidence.iter().map(|(f, kind)| Proof { event: f.event.public(), kind: *kind, at: f.at }).collect()
        } else {
            Vec::new()
        },
    }
}
