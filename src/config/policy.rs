//! `[policy]`: the numbers by which verdicts are decided.

use serde::Deserialize;

use super::duration::Span;
use super::findings::{Findings, Section};
use crate::domain::policy::Policy;

/// The settable numbers; each default is the product's promise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySection {
    /// The first hold after a bounce.
    pub first_hold: Span,
    /// The longest hold.
    pub longest_hold: Span,
    /// How far apart two `user not found` must be to convict.
    pub conviction_gap: Span,
    /// How long before an authorization a revocation still wins.
    pub revocation_margin: Span,
    /// How far around a bounce accepted mail counts as its control.
    pub control_window: Span,
    /// How many accepted mails in the window make a control.
    pub control_count: u32,
    /// How long an answer about marketing mail may be used.
    pub marketing_staleness: Span,
    /// How long an answer about transactional or security mail may be used.
    pub transactional_staleness: Span,
    /// Whether a relay address never seen before may get marketing mail.
    pub send_unseen_marketing: bool,
    /// Whether a relay address never seen before may get transactional mail.
    pub send_unseen_transactional: bool,
}

impl Default for PolicySection {
    fn default() -> Self {
        let policy = Policy::default();
        let span = |d: std::time::Duration| Span::secs(d.as_secs());
        Self {
            first_hold: span(policy.first_hold),
            longest_hold: span(policy.longest_hold),
            conviction_gap: span(policy.conviction_gap),
            revocation_margin: span(policy.revocation_margin),
            control_window: span(policy.control_window),
            control_count: policy.control_count,
            marketing_staleness: span(policy.marketing_staleness),
            transactional_staleness: span(policy.transactional_staleness),
            send_unseen_marketing: policy.send_unseen_marketing,
            send_unseen_transactional: policy.send_unseen_transactional,
        }
    }
}

impl PolicySection {
    /// The policy these numbers make.
    pub fn policy(&self) -> Policy {
        Policy {
            first_hold: self.first_hold.get(),
            longest_hold: self.longest_hold.get(),
            conviction_gap: self.conviction_gap.get(),
            revocation_margin: self.revocation_margin.get(),
            control_window: self.control_window.get(),
            control_count: self.control_count,
            marketing_staleness: self.marketing_staleness.get(),
            transactional_staleness: self.transactional_staleness.get(),
            send_unseen_marketing: self.send_unseen_marketing,
            send_unseen_transactional: self.send_unseen_transactional,
        }
    }
}

impl Section for PolicySection {
    fn check(&self, findings: &mut Findings) {
        findings.expect(self.first_hold >= Span::secs(60), "first_hold", "must be at least 1m");
        findings.expect(self.longest_hold >= self.first_hold, "longest_hold", "must not be shorter than first_hold");
        findings.expect(
            self.conviction_gap >= Span::secs(24 * 3_600),
            "conviction_gap",
            "must be at least 24h: a shorter one would let one bad day convict",
        );
        findings.expect(self.control_count > 0, "control_count", "must be at least 1");
    }
}
