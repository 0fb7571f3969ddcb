//! `[[endpoints.braze]]`: one Braze Currents custom HTTP connector that posts to `/hooks/braze/NAME`.

use serde::Deserialize;

use super::hook_auth::HookAuth;
use super::{Findings, Section, endpoint};
use crate::domain::ids::TeamId;

/// One Currents connector.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrazeEndpoint {
    /// The last part of its URL.
    pub name: String,
    /// The team whose mail it reports.
    pub team: TeamId,
    /// How Braze proves itself: Currents sends a bearer token at most.
    pub auth: HookAuth,
    /// What the workspace's `external_user_id` is.
    #[serde(default)]
    pub external_user_id: ExternalUserId,
}

impl Section for BrazeEndpoint {
    fn check(&self, findings: &mut Findings) {
        endpoint::check_name("name", &self.name, findings);
        endpoint::check_team(&self.team, findings);
    }
}

/// What a Braze workspace puts into `external_user_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExternalUserId {
    /// An id of the customer's own; not read.
    #[default]
    Own,
    /// Apple's `sub`: joins the event to the subject.
    AppleSub,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_url_can_hold_is_told() {
        let endpoint: BrazeEndpoint = toml::from_str("name = \"a/b\"\nteam = \"\"\nauth = \"none\"\n").unwrap();
        let mut findings = Findings::default();
        findings.within("0", &endpoint);
        let fields: Vec<_> = findings.into_result().unwrap_err().into_iter().map(|finding| finding.field).collect();
        assert_eq!(fields, ["0.name", "0.team"]);
    }

    #[test]
    fn the_join_key_is_off_unless_asked_for() {
        let whole = "name = \"main\"\nteam = \"T1\"\nauth = \"none\"\n";
        let endpoint: BrazeEndpoint = toml::from_str(whole).unwrap();
        assert_eq!((endpoint.name.as_str(), endpoint.external_user_id), ("main", ExternalUserId::Own));
        let endpoint: BrazeEndpoint = toml::from_str(&format!("{whole}external_user_id = \"apple_sub\"\n")).unwrap();
        assert_eq!(endpoint.external_user_id, ExternalUserId::AppleSub);
        assert!(toml::from_str::<BrazeEndpoint>(&format!("{whole}external_user_id = \"email\"\n")).is_err());
        assert!(toml::from_str::<BrazeEndpoint>(&format!("{whole}token = \"t\"\n")).is_err());
        assert!(toml::from_str::<BrazeEndpoint>("name = \"main\"\nteam = \"T1\"\n").is_err(), "auth has no default");
    }
}
