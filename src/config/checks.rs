//! `[checks]`: when the streams' DNS records are looked at.

use std::time::Duration;

use serde::Deserialize;

use super::duration::Span;
use super::findings::{Findings, Section};
use crate::domain::ids::StreamName;
use crate::domain::schedule::{Schedule, Zone};
use crate::domain::time::Timestamp;

/// When every stream is checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Checks {
    /// Whether they are checked at all. Without it no stream is ever limited for its records.
    pub enabled: bool,
    /// When, as in crontab(5).
    pub schedule: Schedule,
    /// The time zone of all schedules.
    pub time_zone: Zone,
    /// Over how much time the checks of one slot are spread.
    pub jitter: Span,
    /// Streams that have a schedule of their own.
    pub streams: Vec<StreamSchedule>,
}

/// The schedule of one stream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSchedule {
    /// The stream.
    pub stream: StreamName,
    /// When it is checked.
    pub schedule: Schedule,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            enabled: true,
            schedule: Schedule::hourly(),
            time_zone: Zone::UTC,
            jitter: Span::secs(600),
            streams: Vec::new(),
        }
    }
}

impl Checks {
    /// When a stream is next due after an instant. The same on every replica.
    pub fn due(&self, stream: &StreamName, after: Timestamp) -> Timestamp {
        let own = self.streams.iter().find(|own| own.stream == *stream);
        let schedule = own.map_or(&self.schedule, |own| &own.schedule);
        let due = schedule.due(self.time_zone, self.jitter.get(), stream.as_str(), after);
        // Only the end of the calendar has nothing after it.
        due.unwrap_or_else(|| after.plus(Duration::from_secs(86_400)))
    }
}

impl Section for Checks {
    fn check(&self, findings: &mut Findings) {
        let most = Span::hours(1);
        findings.expect(self.jitter <= most, "jitter", format!("must be at most {most}"));
        let streams = self.streams.iter().map(|own| &own.stream);
        findings.expect_unique(streams, |i| format!("streams.{i}.stream"), "has two schedules");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_may_have_its_own_schedule() {
        let text = "jitter = '0s'\n[[streams]]\nstream = 'rare'\nschedule = '30 4 * * *'";
        let checks: Checks = toml::from_str(text).unwrap();
        let after = Timestamp::parse("2026-05-01T10:05:00Z").unwrap();
        let due = |stream: &str| checks.due(&StreamName::new(stream), after).to_string();
        assert_eq!(due("news"), "2026-05-01T11:00:00.000Z");
        assert_eq!(due("rare"), "2026-05-02T04:30:00.000Z");
    }

    #[test]
    fn what_cannot_work_is_found() {
        let own = |name: &str| StreamSchedule { stream: StreamName::new(name), schedule: Schedule::hourly() };
        let checks = Checks { jitter: Span::hours(2), streams: vec![own("a"), own("a")], ..Checks::default() };
        let mut findings = Findings::default();
        checks.check(&mut findings);
        let fields: Vec<_> = findings.into_result().unwrap_err().into_iter().map(|finding| finding.field).collect();
        assert_eq!(fields, ["jitter", "streams.1.stream"]);
        let refused = |text: &str| toml::from_str::<Checks>(text).unwrap_err().to_string();
        assert!(refused("schedule = '0 0 30 2 *'").contains("never comes round"));
        assert!(refused("time_zone = 'Mars'").contains("is not the name of a time zone"));
    }
}
