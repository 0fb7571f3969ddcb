//! The gate of a stream: what it should do now, whoever the recipient is.

use serde::{Deserialize, Serialize};

use super::{Limit, Reach, Reason};
use crate::domain::ids::StreamName;
use crate::domain::time::Timestamp;

/// What a stream should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Send.
    Open,
    /// Send to those alone whose own verdict says `sendable`: a wave is reopening.
    Trickle,
    /// Do not send.
    Closed,
}

/// A limit on a way of sending, with the time since when it is in force and what it asks of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The limit.
    pub limit: Limit,
    /// What it asks for.
    pub gate: Gate,
    /// Since when.
    pub since: Timestamp,
}

/// The gate, and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateNow {
    /// What to do.
    pub gate: Gate,
    /// Since when; `None` when nothing has ever been in the way.
    pub since: Option<Timestamp>,
    /// Why; `None` when nothing is in the way.
    pub because: Option<Reason>,
}

/// The gate of a stream under these limits. The narrowest rules; of equal ones the one that is in force longest.
///
/// Only what concerns the whole stream counts: one user's or one ESP's list has no part in it.
pub fn gate(stream: &StreamName, limits: &[InForce]) -> GateNow {
    let concerns = |l: &&InForce| {
        matches!(l.limit.scope, Reach::Stream | Reach::Cell)
            && l.limit.stream.as_ref() == Some(stream)
            && matches!(l.limit.reason, Reason::WaveOpen | Reason::SenderFault | Reason::RelayIncident)
    };
    let ruling = limits.iter().filter(concerns).max_by_key(|l| (l.gate, std::cmp::Reverse(l.since)));
    ruling.map_or(GateNow { gate: Gate::Open, since: None, because: None }, |l| GateNow {
        gate: l.gate,
        since: Some(l.since),
        because: Some(l.limit.reason),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_force(scope: Reach, stream: &str, reason: Reason, gate: Gate, since: i64) -> InForce {
        let stream = Some(StreamName::new(stream));
        let limit = Limit { scope, esp: None, stream, app: None, reason, wave: None };
        InForce { limit, gate, since: Timestamp::from_secs(since) }
    }

    #[test]
    fn it_is_open_unless_something_concerns_the_whole_stream() {
        let news = StreamName::new("news");
        let open = GateNow { gate: Gate::Open, since: None, because: None };
        assert_eq!(gate(&news, &[]), open);
        let others = [
            in_force(Reach::Cell, "receipts", Reason::WaveOpen, Gate::Closed, 1),
            in_force(Reach::User, "news", Reason::ConsentRevoked, Gate::Closed, 1),
            in_force(Reach::Stream, "news", Reason::Unsubscribed, Gate::Closed, 1),
            in_force(Reach::Esp, "news", Reason::EspSuppressed, Gate::Closed, 1),
        ];
        assert_eq!(gate(&news, &others), open);
    }

    #[test]
    fn the_narrowest_limit_rules_and_of_equal_ones_the_oldest() {
        let limits = [
            in_force(Reach::Cell, "news", Reason::WaveOpen, Gate::Trickle, 1),
            in_force(Reach::Cell, "news", Reason::RelayIncident, Gate::Closed, 3),
            in_force(Reach::Stream, "news", Reason::SenderFault, Gate::Closed, 2),
        ];
        let now = gate(&StreamName::new("news"), &limits);
        assert_eq!((now.gate, now.because), (Gate::Closed, Some(Reason::SenderFault)));
        assert_eq!(now.since, Some(Timestamp::from_secs(2)));
        assert_eq!(gate(&StreamName::new("news"), &limits[..1]).gate, Gate::Trickle);
    }
}
