//! The configuration: one file per section, unknown keys refused, errors that name the field.
//!
//! To add a section, add a file with its struct (`Deserialize` with `deny_unknown_fields`, `Default`, `Debug`), implement
//! [`Section`] for it, add one line to [`Config`] below, and its keys to `deploy/config.example.toml` (a test insists).

pub mod apple;
pub mod bounce_rules;
pub mod braze;
pub mod canaries;
mod canary_surroundings;
pub mod checks;
pub mod destinations;
pub mod dns;
pub mod duration;
pub mod endpoint;
mod environment;
pub mod findings;
pub mod hook_auth;
pub mod keys;
pub mod limits;
mod load;
pub mod log;
pub mod mail_server;
pub mod mailboxes;
pub mod policy;
pub mod retention;
pub mod secret;
pub mod server;
pub mod ses;
pub mod size;
pub mod sparkpost;
pub mod store;
pub mod streams;
pub mod submissions;
pub mod target_url;
pub mod teams;
pub mod tee;

use crate::domain::ids::TeamId;

pub use findings::{Finding, Findings, Section};
pub use load::{ConfigError, Place, Problem, environment};

/// Declares a table of sections: each line is a key of the configuration, checked under its own name.
macro_rules! sections {
    ($(#[doc = $about:literal])+ pub struct $table:ident {
        $( $(#[doc = $help:literal])+ $key:ident : $section:ty ),+ $(,)?
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $table {
            $( $(#[doc = $help])+ pub $key: $section, )+
        }

        impl $crate::config::Section for $table {
            fn check(&self, findings: &mut $crate::config::Findings) {
                $( findings.within(stringify!($key), &self.$key); )+
            }
        }
    };
}

sections! {
    /// The hooks, by source.
    pub struct Endpoints {
        /// `/hooks/ses/{name}`.
        ses: Vec<ses::SesEndpoint>,
        /// `/hooks/sparkpost/{name}`.
        sparkpost: Vec<sparkpost::SparkpostEndpoint>,
        /// `/hooks/braze/{name}`.
        braze: Vec<braze::BrazeEndpoint>,
        /// `/hooks/apple/{name}`.
        apple: Vec<apple::AppleEndpoint>,
    }
}

sections! {
    /// The whole configuration. Its default is what the daemon runs with when it is given none.
    pub struct Config {
        /// Listeners, and what they allow.
        server: server::Server,
        /// Where everything is kept.
        store: store::Store,
        /// What is logged.
        log: log::Log,
        /// What may wait in memory.
        limits: limits::Limits,
        /// The root secrets.
        keys: keys::Keys,
        /// The numbers of the verdict.
        policy: policy::PolicySection,
        /// Apple developer teams and their apps.
        teams: teams::Teams,
        /// The registered ways of sending.
        streams: streams::Streams,
        /// The hooks.
        endpoints: Endpoints,
        /// How SNS's signatures are checked.
        sns: ses::SnsSection,
        /// Where Apple's keys come from.
        apple: apple::Apple,
        /// An operator's own text rules for bounces, tried before the built-in ones.
        bounce_rules: bounce_rules::BounceRules,
        /// Where changes of user records go.
        destinations: destinations::Destinations,
        /// To whom Apple's notifications are passed on.
        tee: tee::TeeTargets,
        /// Who is asked about DNS records.
        dns: dns::Dns,
        /// When the streams' DNS records are looked at.
        checks: checks::Checks,
        /// The servers that take our canaries.
        submissions: submissions::Submissions,
        /// Where canaries should arrive.
        mailboxes: mailboxes::Mailboxes,
        /// Mail of our own to our own relay addresses.
        canaries: canaries::Canaries,
        /// How long what is kept.
        retention: retention::Retention,
    }
}

impl Config {
    /// Checks what no single value tells: ranges, and values that contradict each other.
    ///
    /// # Errors
    /// All findings, each with its field.
    pub fn validate(&self) -> Result<(), Vec<Finding>> {
        let mut findings = Findings::default();
        self.check(&mut findings);
        self.check_names(&mut findings);
        findings.into_result()
    }
}

impl Config {
    /// What only two sections together can tell: teams that do not exist, endpoints of one name.
    fn check_names(&self, findings: &mut Findings) {
        let known = |team: &TeamId| self.teams.iter().next().is_none() || self.teams.get(team).is_some();
        let mut named = Vec::new();
        let e = &self.endpoints;
        named.extend(e.ses.iter().enumerate().map(|(i, e)| ("ses", i, &e.name, Some(&e.team))));
        named.extend(e.sparkpost.iter().enumerate().map(|(i, e)| ("sparkpost", i, &e.name, Some(&e.team))));
        named.extend(e.braze.iter().enumerate().map(|(i, e)| ("braze", i, &e.name, Some(&e.team))));
        named.extend(e.apple.iter().enumerate().map(|(i, e)| ("apple", i, &e.name, None)));
        let mut seen = std::collections::BTreeSet::new();
        for (source, i, name, team) in named {
            let field = |key| format!("endpoints.{source}.{i}.{key}");
            findings.expect(seen.insert((source, name)), &field("name"), "names two endpoints of this source");
            findings.expect(team.is_none_or(known), &field("team"), "is not among [[teams]]");
        }
        for (i, stream) in self.streams.0.iter().enumerate() {
            findings.expect(known(&stream.team), &format!("streams.{i}.team"), "is not among [[teams]]");
        }
        self.canaries.check_surroundings(&self.streams, &self.submissions, &self.mailboxes, findings);
        for (i, destination) in self.destinations.0.iter().enumerate() {
            let field = |key| format!("destinations.{i}.{key}");
            findings.expect(known(&destination.team), &field("team"), "is not among [[teams]]");
            let apps = self.teams.get(&destination.team).map(|team| &team.apps);
            let serves =
                destination.app.as_ref().is_none_or(|app| apps.is_none_or(|apps| apps.iter().any(|a| a.id == *app)));
            findings.expect(serves, &field("app"), "is not among the team's [[teams.apps]]");
        }
        let apple = !e.apple.is_empty() && self.teams.iter().all(|team| team.apps.is_empty());
        findings.expect(
            !apple,
            "endpoints.apple",
            "needs [[teams.apps]]: without one every notification is for an unknown audience",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn every_finding_is_told_with_its_field() {
        let mut config = Config::default();
        config.server.max_connections = 0;
        config.server.operations_listen = config.server.api_listen;
        let fields: Vec<_> = config.validate().unwrap_err().into_iter().map(|finding| finding.field).collect();
        assert_eq!(fields, ["server.operations_listen", "server.max_connections"]);
    }
}
