//! What a check of one stream says: its findings, what they come to per area, Apple's two paths, and the posture.

use serde::{Deserialize, Serialize};

use crate::domain::dns::{Kind, Name};
use crate::domain::finding::{Area, Finding, Severity, State, state_of};

/// What the findings mean for a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Posture {
    /// Both of Apple's paths are open and no record is broken.
    Pass,
    /// One path is gone, or a record is broken.
    AtRisk,
    /// The answer that decides is missing.
    Unknown,
    /// Apple rejects the stream's mail, or DMARC cannot pass.
    Failing,
}

/// Whether the relay would take the stream's mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppleVerdict {
    /// At least one path is open.
    Accept,
    /// No path is open.
    Reject,
    /// None is open, and at least one could not be judged.
    Unknown,
}

/// Apple's two paths: SPF on a registered envelope domain, or DKIM on a registered From domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apple {
    /// Whether the relay would take the mail.
    pub verdict: AppleVerdict,
    /// The SPF path: the envelope domain is registered exactly and passes.
    pub spf_path: State,
    /// The DKIM path: the From domain is registered, and a live key signs for it.
    pub dkim_path: State,
    /// Why, in one sentence.
    pub because: String,
}

/// What the findings of the three record areas come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// SPF.
    pub spf: State,
    /// DKIM.
    pub dkim: State,
    /// DMARC.
    pub dmarc: State,
}

impl Status {
    /// The states of the three areas.
    pub fn of(findings: &[Finding]) -> Self {
        let [spf, dkim, dmarc] = [Area::Spf, Area::Dkim, Area::Dmarc].map(|area| state_of(area, findings));
        Self { spf, dkim, dmarc }
    }
}

/// What was published at one name when it was asked: the texts of its records, sorted; none where the DNS answered that there are none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Published {
    /// The name.
    pub name: Name,
    /// The type.
    pub kind: Kind,
    /// The records as text, as `finding::printable` shows them.
    pub records: Vec<String>,
}

/// The posture that findings and Apple's paths come to (design: failing = reject or a critical finding; at risk = one path gone or any
/// error; unknown = the deciding answer is missing).
///
/// A path that nobody registered what it takes to judge (no selector) hides no proven fault; one whose answer did not come does: with it
/// the stream may be worse off than at risk.
pub fn posture_of(findings: &[Finding], apple: &Apple) -> Posture {
    let worst = findings.iter().map(|f| f.severity).max();
    let gone = |path: State| path == State::Fail;
    let unanswered = |f: &Finding| f.code.is_unanswered() && matches!(f.area, Area::Spf | Area::Dkim);
    let is_open = apple.verdict == AppleVerdict::Accept;
    if apple.verdict == AppleVerdict::Reject || worst == Some(Severity::Critical) {
        Posture::Failing
    } else if !is_open && findings.iter().any(unanswered) {
        Posture::Unknown
    } else if worst == Some(Severity::Error) || gone(apple.spf_path) || gone(apple.dkim_path) {
        Posture::AtRisk
    } else if is_open {
        Posture::Pass
    } else {
        Posture::Unknown
    }
}

impl Posture {
    /// Every posture, from good to bad.
    pub const ALL: [Self; 4] = [Self::Pass, Self::AtRisk, Self::Unknown, Self::Failing];

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|posture| posture.as_str() == word)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::AtRisk => "at_risk",
            Self::Unknown => "unknown",
            Self::Failing => "failing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dns::Failure;
    use crate::domain::finding::Code;

    #[test]
    fn unknown_hides_no_proven_fault_and_none_is_made_of_it() {
        let name = Name::parse("example.com").unwrap();
        let silent = Finding::unanswered(Area::Dkim, &name, Failure::Timeout, "TXT");
        let broken = Finding::new(Code::SpfMultiple, &name, "", "");
        let critical = Finding::new(Code::DmarcNoAlignedPath, &name, "", "");
        let of = |findings: &[Finding], verdict, spf_path, dkim_path| {
            posture_of(findings, &Apple { verdict, spf_path, dkim_path, because: String::new() })
        };
        use AppleVerdict::{Accept, Reject, Unknown};
        use State::{Fail, Pass};
        assert_eq!(of(&[], Accept, Pass, Pass), Posture::Pass);
        assert_eq!(of(std::slice::from_ref(&silent), Accept, Pass, State::Unknown), Posture::Pass);
        assert_eq!(of(&[], Accept, Pass, Fail), Posture::AtRisk);
        assert_eq!(of(std::slice::from_ref(&broken), Accept, Fail, Pass), Posture::AtRisk);
        assert_eq!(of(&[], Unknown, State::Unknown, State::Unknown), Posture::Unknown);
        assert_eq!(of(std::slice::from_ref(&broken), Unknown, Fail, State::Unknown), Posture::AtRisk);
        assert_eq!(of(&[broken, silent.clone()], Unknown, Fail, State::Unknown), Posture::Unknown);
        assert_eq!(of(&[silent, critical], Unknown, Fail, State::Unknown), Posture::Failing);
        assert_eq!(of(&[], Reject, Fail, Fail), Posture::Failing);
    }
}
