//! `[limits]`: what may wait in memory, and what a sender is told when it is full.

use serde::Deserialize;

use super::duration::Span;
use super::findings::{Findings, Section};
use super::size::Size;

/// What may wait.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The memory for events that wait for the disk, each counted as 2 KiB; beyond it a hook answers 503.
    pub queue_bytes: Size,
    /// What a 503 says in `Retry-After`.
    pub retry_after: Span,
    /// How long one transaction may take before the store counts as unavailable.
    pub commit_timeout: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self { queue_bytes: Size::mib(64), retry_after: Span::secs(5), commit_timeout: Span::secs(30) }
    }
}

impl Section for Limits {
    fn check(&self, findings: &mut Findings) {
        findings.expect(self.queue_bytes >= Size::mib(1), "queue_bytes", "must be at least 1MiB");
        findings.expect(
            self.retry_after >= Span::secs(1),
            "retry_after",
            "must be at least 1s, the unit of Retry-After",
        );
        findings.expect(self.commit_timeout >= Span::secs(1), "commit_timeout", "must be at least 1s");
    }
}
