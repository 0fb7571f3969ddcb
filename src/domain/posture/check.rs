//! The report of one check of a stream, as it is stored, answered and printed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::examine::Judged;
use super::report::{Apple, Posture, Status};
use crate::domain::finding::{Area, Finding, Severity, State, state_of};
use crate::domain::ids::StreamName;
use crate::domain::stream::Stream;
use crate::domain::time::Timestamp;

/// What a check of a stream said. This is the JSON of `POST /v1/streams/{name}/check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The stream.
    pub stream: StreamName,
    /// Domain of the header From.
    pub from_domain: String,
    /// When the look at the DNS began.
    pub checked_at: Timestamp,
    /// What the findings come to.
    pub posture: Posture,
    /// Per area.
    pub status: Status,
    /// Apple's two paths.
    pub apple: Apple,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// How many questions it needed, those included that others had asked already.
    pub queries: usize,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl CheckReport {
    /// The report of what was judged about `stream` in a look that began at `checked_at`.
    pub fn new(stream: &Stream, judged: &Judged, checked_at: Timestamp, queries: usize, took: Duration) -> Self {
        Self {
            stream: stream.name.clone(),
            from_domain: stream.from_domain.clone(),
            checked_at,
            posture: judged.posture,
            status: judged.status,
            apple: judged.apple.clone(),
            findings: judged.findings.clone(),
            queries,
            // Microseconds are enough, and read back as they were written.
            seconds: took.as_micros() as f64 / 1e6,
        }
    }

    /// The state of every part of it: the six areas, then Apple's two paths.
    pub fn states(&self) -> [(&'static str, State); 8] {
        let area = |area: Area| (area.as_str(), state_of(area, &self.findings));
        [
            ("spf", self.status.spf),
            ("dkim", self.status.dkim),
            ("dmarc", self.status.dmarc),
            area(Area::Mailfrom),
            area(Area::Relay),
            area(Area::Dns),
            ("spf_path", self.apple.spf_path),
            ("dkim_path", self.apple.dkim_path),
        ]
    }

    /// The codes of its findings that are more than good to know, the worst first, each once.
    pub fn codes(&self) -> Vec<&'static str> {
        let mut codes: Vec<&'static str> = Vec::new();
        for finding in self.findings.iter().filter(|f| f.severity > Severity::Info) {
            if !codes.contains(&finding.code.as_str()) {
                codes.push(finding.code.as_str());
            }
        }
        codes
    }
}
