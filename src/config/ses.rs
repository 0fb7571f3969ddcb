//! The sections of Amazon SES: `[[endpoints.ses]]`, and `[sns]` for what all of them share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::hook_auth::HookAuth;
use super::{Findings, Section, endpoint};
use crate::domain::ids::TeamId;

/// One `[[endpoints.ses]]`: the webhook `/hooks/ses/<name>`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SesEndpoint {
    /// The last segment of its path.
    pub name: String,
    /// The team whose mail its topics report on.
    pub team: TeamId,
    /// The ARNs of the topics whose messages are taken, compared exactly.
    #[serde(default)]
    pub topics: Vec<String>,
    /// The secret of raw message delivery, whose bodies are not signed. Without it they are refused. Basic fits SNS: it
    /// sends the user and password of the subscription's URL.
    pub raw_delivery: Option<HookAuth>,
}

/// `[sns]`: how signatures are checked, for all endpoints.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnsSection {
    /// Regions from which certificates are taken and in which topics are confirmed. Default: every commercial region.
    pub regions: Option<Vec<String>>,
    /// Whether signature version 1 (SHA-1, the default of a topic) is taken.
    pub allow_signature_version_1: bool,
    /// PEM files of roots to which a signing certificate must chain, with intermediates (those not self-signed) beside them.
    /// SNS serves no intermediates, so name them here. Without roots no chain is walked.
    pub trust_roots: Vec<PathBuf>,
    /// PEM files by certificate URL, for hosts without egress. These are never fetched.
    pub certificates: BTreeMap<String, PathBuf>,
    /// A stand-in for AWS in tests, such as LocalStack. Never set this where real mail is watched.
    pub emulator: Option<Emulator>,
}

/// `[sns.emulator]`: a stand-in for SNS whose certificates are taken and at which subscriptions are confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emulator {
    /// Scheme, host and port, e.g. `http://127.0.0.1:4566`.
    pub endpoint: String,
    /// The name its certificate must carry; none: any.
    pub certificate_name: Option<String>,
}

impl Default for SnsSection {
    fn default() -> Self {
        Self {
            regions: None,
            allow_signature_version_1: true,
            trust_roots: Vec::new(),
            certificates: BTreeMap::new(),
            emulator: None,
        }
    }
}

impl Section for SesEndpoint {
    fn check(&self, findings: &mut Findings) {
        endpoint::check_name("name", &self.name, findings);
        endpoint::check_team(&self.team, findings);
        let open = matches!(self.raw_delivery, Some(HookAuth::None));
        findings.expect(!open, "raw_delivery", "must be a secret: a raw body proves nothing by itself");
        let can_take = !self.topics.is_empty() || self.raw_delivery.is_some();
        findings.expect(can_take, "topics", "is empty, so every message would be refused");
    }
}

impl Section for SnsSection {
    fn check(&self, findings: &mut Findings) {
        let some_region = self.regions.as_ref().is_none_or(|regions| !regions.is_empty());
        findings.expect(some_region, "regions", "is empty, so every certificate would be refused");
        findings.within("emulator", &self.emulator);
    }
}

impl Section for Emulator {
    fn check(&self, findings: &mut Findings) {
        let is_base = Url::parse(&self.endpoint).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        findings.expect(is_base, "endpoint", "must be an http or https URL, such as http://127.0.0.1:4566");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_sections_and_refuses_what_it_does_not_know() {
        let endpoint: SesEndpoint = toml::from_str(
            r#"name = "main"
               team = "TEAM1"
               topics = ["arn:aws:sns:eu-west-1:123456789012:ses-events"]
               raw_delivery = { basic = { user = "sns", passwords = ["hush"] } }"#,
        )
        .unwrap();
        assert!(!format!("{endpoint:?}").contains("hush"));
        let section: SnsSection = toml::from_str(
            r#"regions = ["eu-west-1"]
               allow_signature_version_1 = false
               [certificates]
               "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a.pem" = "sns.pem"
               [emulator]
               endpoint = "http://127.0.0.1:4566""#,
        )
        .unwrap();
        assert!(!section.allow_signature_version_1 && section.certificates.len() == 1);
        let error = toml::from_str::<SnsSection>("region = \"eu-west-1\"").unwrap_err().to_string();
        assert!(error.contains("unknown field `region`"), "{error}");
        assert!(toml::from_str::<SesEndpoint>("name = \"x\"\nteam = \"t\"\ntopic = \"y\"").is_err());
    }

    #[test]
    fn a_missing_section_takes_both_versions_from_every_commercial_region() {
        let section: SnsSection = toml::from_str("").unwrap();
        assert!(section.allow_signature_version_1 && section.regions.is_none() && section.trust_roots.is_empty());
    }

    #[test]
    fn what_could_never_work_is_found() {
        let mut findings = Findings::default();
        let endpoint = |text: &str| toml::from_str::<SesEndpoint>(text).unwrap();
        findings.within(
            "ses",
            &vec![
                endpoint("name = 'main'\nteam = 't'\ntopics = ['arn:x']"),
                endpoint("name = 'a/b'\nteam = ''"),
                endpoint("name = 'raw'\nteam = 't'\nraw_delivery = { bearer = { tokens = ['hush'] } }"),
                endpoint("name = 'open'\nteam = 't'\nraw_delivery = 'none'"),
            ],
        );
        findings.within("sns", &SnsSection::default());
        let section = toml::from_str::<SnsSection>("regions = []\nemulator.endpoint = 'localhost:4566'").unwrap();
        findings.within("sns", &section);
        let fields: Vec<_> = findings.into_result().unwrap_err().into_iter().map(|finding| finding.field).collect();
        assert_eq!(
            fields,
            ["ses.1.name", "ses.1.team", "ses.1.topics", "ses.3.raw_delivery", "sns.regions", "sns.emulator.endpoint"]
        );
    }
}
