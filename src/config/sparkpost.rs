//! `[[endpoints.sparkpost]]`: one SparkPost webhook that posts to `/hooks/sparkpost/NAME`.

use serde::Deserialize;

use super::hook_auth::HookAuth;
use super::{Findings, Section, endpoint};
use crate::domain::ids::TeamId;

/// One SparkPost webhook.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SparkpostEndpoint {
    /// The last part of its URL.
    pub name: String,
    /// The team whose mail it reports.
    pub team: TeamId,
    /// How SparkPost proves itself: it signs nothing.
    pub auth: HookAuth,
}

impl Section for SparkpostEndpoint {
    fn check(&self, findings: &mut Findings) {
        endpoint::check_name("name", &self.name, findings);
        endpoint::check_team(&self.team, findings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_url_can_hold_is_told() {
        let endpoint: SparkpostEndpoint = toml::from_str("name = \"a/b\"\nteam = \"\"\nauth = \"none\"\n").unwrap();
        let mut findings = Findings::default();
        findings.within("0", &endpoint);
        let fields: Vec<_> = findings.into_result().unwrap_err().into_iter().map(|finding| finding.field).collect();
        assert_eq!(fields, ["0.name", "0.team"]);
    }

    #[test]
    fn every_field_is_required_and_no_other_taken() {
        let whole = "name = \"main\"\nteam = \"T1\"\nauth = { bearer = { tokens = [\"t\"] } }\n";
        let endpoint: SparkpostEndpoint = toml::from_str(whole).unwrap();
        assert_eq!((endpoint.name.as_str(), endpoint.team.as_str()), ("main", "T1"));
        for line in whole.lines() {
            assert!(toml::from_str::<SparkpostEndpoint>(&whole.replace(line, "")).is_err(), "without {line}");
        }
        let error = toml::from_str::<SparkpostEndpoint>(&format!("{whole}secret = \"s\"\n")).unwrap_err();
        assert!(error.to_string().contains("unknown field `secret`"), "{error}");
    }
}
