//! What is remembered of a stream between checks: the last that was known, which no missing answer replaces.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::check::CheckReport;
use super::report::Posture;
use crate::domain::finding::State;
use crate::domain::time::Timestamp;

/// What stands, whatever the last check could not find out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The last known posture; `unknown` only until one was known.
    pub posture: Posture,
    /// Since when it stands.
    pub since: Option<Timestamp>,
    /// Since when checks leave the posture, or what decided it, open. None: the last one did not.
    pub unknown_since: Option<Timestamp>,
    /// Per part of the report the last state that was not unknown.
    pub last_known: BTreeMap<String, Known>,
}

/// A state, and when it was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The state; never `unknown`.
    pub state: State,
    /// When it was last seen.
    pub at: Timestamp,
}

/// A change of the known posture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostureChange {
    /// What it was; `unknown` at the first.
    pub from: Posture,
    /// What it is.
    pub to: Posture,
    /// The codes of what was found, the worst first.
    pub findings: Vec<String>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { posture: Posture::Unknown, since: None, unknown_since: None, last_known: BTreeMap::new() }
    }
}

impl Memory {
    /// What is remembered after a check, and what changed by it.
    ///
    /// A worse posture rests on proven faults and stands at once. A better one stands only when nothing that was broken went unanswered:
    /// a fault that cannot be seen for the moment is not mended.
    pub fn learn(&self, report: &CheckReport) -> (Self, Option<PostureChange>) {
        let at = report.checked_at;
        let hidden = report.states().iter().any(|(part, state)| {
            *state == State::Unknown && self.last_known.get(*part).is_some_and(|known| known.state == State::Fail)
        });
        let is_open = report.posture == Posture::Unknown || (hidden && rank(report.posture) < rank(self.posture));
        let mut next = self.clone();
        next.unknown_since = is_open.then_some(self.unknown_since.unwrap_or(at));
        for (part, state) in report.states() {
            if state != State::Unknown {
                next.last_known.insert(part.to_owned(), Known { state, at });
            }
        }
        if is_open || report.posture == self.posture {
            return (next, None);
        }
        next.posture = report.posture;
        next.since = Some(at);
        let findings = report.codes().into_iter().map(str::to_owned).collect();
        (next, Some(PostureChange { from: self.posture, to: report.posture, findings }))
    }
}

/// From good to bad, of what is known.
fn rank(posture: Posture) -> u8 {
    match posture {
        Posture::Unknown => 0,
        Posture::Pass => 1,
        Posture::AtRisk => 2,
        Posture::Failing => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dns::{Failure, Name};
    use crate::domain::finding::{Area, Code, Finding};
    use crate::domain::ids::StreamName;
    use crate::domain::posture::{Apple, AppleVerdict, Status, posture_of};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_750_000_000 + seconds)
    }

    fn report(seconds: i64, spf_path: State, dkim_path: State, findings: Vec<Finding>) -> CheckReport {
        let verdict = match (spf_path, dkim_path) {
            (State::Pass | State::Warn, _) | (_, State::Pass | State::Warn) => AppleVerdict::Accept,
            (State::Fail, State::Fail) => AppleVerdict::Reject,
            _ => AppleVerdict::Unknown,
        };
        let apple = Apple { verdict, spf_path, dkim_path, because: String::new() };
        CheckReport {
            stream: StreamName::new("news"),
            from_domain: "shop.test".into(),
            checked_at: at(seconds),
            posture: posture_of(&findings, &apple),
            status: Status::of(&findings),
            apple,
            findings,
            queries: 1,
            seconds: 0.25,
        }
    }

    fn found(code: Code) -> Finding {
        Finding::new(code, &Name::parse("shop.test").unwrap(), "", "")
    }

    fn silent(area: Area) -> Finding {
        Finding::unanswered(area, &Name::parse("shop.test").unwrap(), Failure::Servfail, "TXT")
    }

    #[test]
    fn what_is_not_answered_leaves_what_was_known_and_is_no_change() {
        use State::{Fail, Pass, Unknown};
        let (memory, change) = Memory::default().learn(&report(0, Pass, Pass, vec![]));
        assert_eq!(change, Some(PostureChange { from: Posture::Unknown, to: Posture::Pass, findings: vec![] }));
        let (memory, change) = memory.learn(&report(60, Unknown, Unknown, vec![silent(Area::Spf)]));
        assert_eq!((memory.posture, memory.since, memory.unknown_since), (Posture::Pass, Some(at(0)), Some(at(60))));
        assert_eq!((memory.last_known["spf"], change), (Known { state: Pass, at: at(0) }, None));
        let (memory, _) = memory.learn(&report(120, Unknown, Unknown, vec![silent(Area::Spf)]));
        assert_eq!(memory.unknown_since, Some(at(60)), "the first of a row");
        let (memory, change) = memory.learn(&report(180, Fail, Pass, vec![found(Code::SpfMultiple)]));
        assert_eq!((memory.posture, memory.unknown_since), (Posture::AtRisk, None));
        assert_eq!(change.unwrap().findings, ["spf_multiple"]);
    }

    #[test]
    fn a_fault_that_is_not_seen_for_the_moment_is_not_mended() {
        use State::{Fail, Pass, Unknown};
        let broken = report(0, Fail, Pass, vec![found(Code::SpfMultiple)]);
        let (memory, _) = Memory::default().learn(&broken);
        // DKIM alone would make it a pass.
        let (memory, change) = memory.learn(&report(60, Unknown, Pass, vec![silent(Area::Spf)]));
        assert_eq!((memory.posture, memory.unknown_since, change), (Posture::AtRisk, Some(at(60)), None));
        // What was sound and is silent now does not keep the mended part from being believed.
        let (memory, change) = memory.learn(&report(120, Pass, Pass, vec![silent(Area::Dmarc)]));
        assert_eq!((memory.posture, memory.unknown_since), (Posture::Pass, None));
        assert_eq!(change.unwrap().from, Posture::AtRisk);
    }

    #[test]
    fn a_proven_fault_stands_at_once_whatever_else_is_silent() {
        use State::{Fail, Pass};
        let (memory, _) = Memory::default().learn(&report(0, Pass, Pass, vec![]));
        let both = vec![found(Code::DmarcNoAlignedPath), silent(Area::Dns)];
        let (memory, change) = memory.learn(&report(60, Fail, Fail, both));
        assert_eq!((memory.posture, memory.since), (Posture::Failing, Some(at(60))));
        assert_eq!(change.unwrap().findings, ["dmarc_no_aligned_path"]);
        assert_eq!(memory.learn(&report(120, Fail, Fail, vec![found(Code::DmarcNoAlignedPath)])).1, None);
    }

    #[test]
    fn a_report_reads_back_as_it_was_written() {
        let report = report(0, State::Fail, State::Pass, vec![found(Code::SpfMultiple), silent(Area::Dkim)]);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<CheckReport>(&text).unwrap(), report);
    }
}
