//! `[[tee]]`: services to which Apple's verified notifications are passed on unchanged, because Apple knows one URL per app group.

use serde::Deserialize;

use super::destinations::{check_timeout, timeout};
use super::duration::Span;
use super::endpoint::check_name;
use super::findings::{Findings, Section};
use super::target_url::TargetUrl;

/// All targets.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct TeeTargets(pub Vec<TeeTarget>);

/// One `[[tee]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeeTarget {
    /// Its name, in metrics and the store.
    pub name: String,
    /// Where to post.
    pub url: TargetUrl,
    /// Whether it may be reached at an address inside a network, and over http.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// How long one delivery may take.
    #[serde(default = "timeout")]
    pub timeout: Span,
}

impl Section for TeeTarget {
    fn check(&self, findings: &mut Findings) {
        check_name("name", &self.name, findings);
        self.url.check(self.allow_private_addresses, findings);
        check_timeout(self.timeout, findings);
    }
}

impl Section for TeeTargets {
    fn check(&self, findings: &mut Findings) {
        self.0.check(findings);
        let names = self.0.iter().map(|target| &target.name);
        findings.expect_unique(names, |i| format!("{i}.name"), "names two targets");
    }
}
