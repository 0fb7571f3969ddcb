//! `[retention]`: how long what is kept.

use serde::Deserialize;

use super::duration::{Span, check_span};
use super::findings::{Findings, Section};
use crate::domain::record::IDENTITY_KEPT;

/// Longer than anybody keeps a log, and short enough to be subtracted from any time.
const LONGEST: Span = Span::days(36_500);

/// Ages at which things go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Events of the log.
    pub events: Span,
    /// Quarantined parts, and Apple's bodies that could not be passed on.
    pub quarantine: Span,
    /// Identities of events, by which a repetition is known.
    pub identities: Span,
    /// The audit trail, and what destinations were told.
    pub audit: Span,
    /// Counts per cell.
    pub cells: Span,
    /// DNS records that were replaced, and their changes.
    pub dns: Span,
    /// Domains and addresses that ESPs reported mail of.
    pub observed: Span,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events: Span::days(90),
            quarantine: Span::days(14),
            identities: Span::days(35),
            audit: Span::days(730),
            cells: Span::days(90),
            dns: Span::days(730),
            observed: Span::days(90),
        }
    }
}

impl Section for Retention {
    fn check(&self, findings: &mut Findings) {
        for (field, span) in [
            ("events", self.events),
            ("quarantine", self.quarantine),
            ("audit", self.audit),
            ("cells", self.cells),
            ("dns", self.dns),
            ("observed", self.observed),
        ] {
            check_span(field, span, Span::days(1), LONGEST, findings);
        }
        let fits = self.identities.get() >= IDENTITY_KEPT && self.identities <= LONGEST;
        let message = format!("must be from 35d to {LONGEST}: a younger event is not known to be a repetition");
        findings.expect(fits, "identities", message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_outlive_the_age_at_which_an_event_is_stale() {
        assert_eq!(Retention::default().identities.get(), IDENTITY_KEPT);
        let short = Retention { identities: Span::days(34), events: Span::hours(1), ..Retention::default() };
        let mut findings = Findings::default();
        short.check(&mut findings);
        let found: Vec<_> = findings.into_result().unwrap_err().into_iter().map(|f| f.field).collect();
        assert_eq!(found, ["events", "identities"]);
    }
}
