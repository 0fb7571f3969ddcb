//! `[[destinations]]`: where changes of user records go, and how far they are trusted to go there by themselves.

use serde::Deserialize;

use super::duration::{Span, check_span};
use super::endpoint::{check_name, check_team};
use super::findings::{Findings, Section};
use super::secret::Secret;
use super::target_url::TargetUrl;
use crate::domain::breaker::Breaker;
use crate::domain::delivery::Mode;
use crate::domain::ids::{AppId, TeamId};
use crate::domain::webhook_signature::SigningKey;

/// How long one delivery may take, at most.
const LONGEST_TIMEOUT: Span = Span::secs(60);

/// All destinations.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Destinations(pub Vec<Destination>);

/// What kind of system stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationKind {
    /// Anything that takes signed webhooks.
    Webhook,
}

/// One `[[destinations]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// Its name, in metrics, commands and the store. Renamed, it is another destination that has been told nothing.
    pub name: String,
    /// What stands there.
    pub kind: DestinationKind,
    /// The team whose users it holds.
    pub team: TeamId,
    /// The app it serves; left out, the whole team.
    #[serde(default)]
    pub app: Option<AppId>,
    /// Where to post.
    pub url: TargetUrl,
    /// Signing secrets, `whsec_…`, one to three. Every one signs, the first in front, so that the receiver can change over.
    pub secrets: Vec<Secret>,
    /// Written down only, delivered as advice, or delivered to be acted on.
    #[serde(default)]
    pub mode: Mode,
    /// Whether it may be reached at an address inside a network, and over http.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// How long one delivery may take.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// When it stops by itself.
    #[serde(default)]
    pub breaker: BreakerSection,
}

/// When a destination stops until a person says go.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSection {
    /// The share of the team's known users that may change within an hour.
    pub share: f64,
    /// So many changes within an hour are never too many.
    pub at_least: u64,
}

impl Default for BreakerSection {
    fn default() -> Self {
        let Breaker { share, at_least } = Breaker::default();
        Self { share, at_least }
    }
}

impl BreakerSection {
    /// As the domain takes it.
    pub fn breaker(self) -> Breaker {
        Breaker { share: self.share, at_least: self.at_least }
    }
}

impl Section for BreakerSection {
    fn check(&self, findings: &mut Findings) {
        findings.expect(self.share > 0.0 && self.share <= 1.0, "share", "must be above 0 and at most 1");
        findings.expect(self.at_least >= 1, "at_least", "must be at least 1");
    }
}

impl Destination {
    /// The keys it signs with, in order.
    pub fn signing_keys(&self) -> Vec<SigningKey> {
        self.secrets.iter().filter_map(|secret| SigningKey::parse(secret.expose()).ok()).collect()
    }
}

impl Section for Destination {
    fn check(&self, findings: &mut Findings) {
        check_name("name", &self.name, findings);
        check_team(&self.team, findings);
        self.url.check(self.allow_private_addresses, findings);
        findings.expect(
            (1..=3).contains(&self.secrets.len()),
            "secrets",
            "takes one secret, or up to three in a rotation",
        );
        for (i, secret) in self.secrets.iter().enumerate() {
            if let Err(error) = SigningKey::parse(secret.expose()) {
                findings.add(&format!("secrets.{i}"), error.to_string());
            }
        }
        check_timeout(self.timeout, findings);
        findings.within("breaker", &self.breaker);
    }
}

impl Section for Destinations {
    fn check(&self, findings: &mut Findings) {
        self.0.check(findings);
        let names = self.0.iter().map(|destination| &destination.name);
        findings.expect_unique(names, |i| format!("{i}.name"), "names two destinations");
    }
}

pub(super) fn timeout() -> Span {
    Span::secs(10)
}

pub(super) fn check_timeout(timeout: Span, findings: &mut Findings) {
    check_span("timeout", timeout, Span::secs(1), LONGEST_TIMEOUT, findings);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn found(text: &str) -> Vec<String> {
        let destination: Destination = toml::from_str(text).unwrap();
        let mut findings = Findings::default();
        findings.within("destinations", &Destinations(vec![destination.clone(), destination]));
        findings.into_result().unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_defaults_are_careful() {
        let text = format!(
            "name = 'crm'\nkind = 'webhook'\nteam = 't'\nurl = 'https://crm.example/in'\nsecrets = ['{SECRET}']"
        );
        let destination: Destination = toml::from_str(&text).unwrap();
        assert_eq!(destination.mode, Mode::Observe);
        assert!(!destination.allow_private_addresses && destination.signing_keys().len() == 1);
        assert_eq!(destination.breaker.breaker(), Breaker { share: 0.05, at_least: 100 });
        assert_eq!(found(&text), ["destinations.1.name: names two destinations"]);
    }

    #[test]
    fn every_finding_names_its_field_and_no_secret() {
        let text = "name = 'c r m'\nkind = 'webhook'\nteam = ' '\nurl = 'http://10.0.0.1/s3cret'\nsecrets = ['s3cret']\ntimeout = '0s'\n\
            breaker = { share = 0.0, at_least = 0 }";
        let found = found(text);
        let fields: Vec<_> = found.iter().take(8).map(|f| f.split(": ").next().unwrap()).collect();
        let want = ["name", "team", "url", "url", "secrets.0", "timeout", "breaker.share", "breaker.at_least"]
            .map(|f| format!("destinations.0.{f}"));
        assert_eq!(fields, want);
        assert!(!found.join("\n").contains("s3cret"));
        let destination: Destination = toml::from_str(text).unwrap();
        assert!(!format!("{destination:?}").contains("s3cret"));
    }

    #[test]
    fn a_share_that_is_no_number_is_refused() {
        let mut findings = Findings::default();
        BreakerSection { share: f64::NAN, at_least: 1 }.check(&mut findings);
        assert!(findings.into_result().is_err());
    }
}
