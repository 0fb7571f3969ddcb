//! `[canaries]`: mail of our own to our own relay addresses: by which ways, how often, and that the numbers can work.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::duration::{Span, check_span};
use super::endpoint::check_name;
use super::findings::{Findings, Section};
use super::mail_server::MailAddress;
use super::streams::Streams;
use crate::domain::address::Address;
use crate::domain::canary::{DAILY, Pace, Role, Route, RouteKey};
use crate::domain::ids::{Esp, StreamName};
use crate::domain::keyring::Keyring;

/// The section. Without a route nothing is ever sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Canaries {
    /// Between two rounds when nothing happens.
    pub idle: Span,
    /// Between two rounds of a burst, and after any round at least.
    pub burst: Span,
    /// How long a burst lasts.
    pub burst_for: Span,
    /// How long a canary is waited for as long as too few are known to learn it, and at most.
    pub ceiling: Span,
    /// Canaries to one relay address in any 24 hours.
    pub daily: usize,
    /// How long canaries stay in their mailboxes before we delete them. Less than the mailboxes' `look_back`: what is older is not looked at.
    pub keep: Span,
    /// Our own addresses, by name.
    pub addresses: Vec<NamedAddress>,
    /// The ways.
    pub routes: Vec<RouteSection>,
}

/// An address of our own. The name stands for it everywhere.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedAddress {
    /// Its name.
    pub name: String,
    /// The address.
    pub address: MailAddress,
}

/// One way of sending to one mailbox.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSection {
    /// Its name, in metrics and the store. Renamed, it is another route that has learned nothing.
    pub name: String,
    /// The routes of one round are sent together.
    pub round: String,
    /// What it is for.
    pub role: Role,
    /// As which stream it is sent.
    pub stream: StreamName,
    /// The `[[submissions]]` that takes it.
    pub submission: String,
    /// The `[[mailboxes]]` behind its addresses; a negative route has none.
    #[serde(default)]
    pub mailbox: Option<String>,
    /// The header From; without it, `no-reply` at the stream's domain.
    #[serde(default)]
    pub from: Option<MailAddress>,
    /// The names of the addresses it takes turns among.
    pub addresses: Vec<String>,
}

impl Default for Canaries {
    fn default() -> Self {
        Self {
            idle: Span::secs(1_800),
            burst: Span::secs(120),
            burst_for: Span::secs(1_800),
            ceiling: Span::secs(1_800),
            daily: DAILY,
            keep: Span::days(2),
            addresses: Vec::new(),
            routes: Vec::new(),
        }
    }
}

impl Canaries {
    /// How often rounds are sent.
    pub fn pace(&self) -> Pace {
        Pace { idle: self.idle.get(), burst: self.burst.get(), burst_for: self.burst_for.get() }
    }

    /// The address of this name.
    pub fn address(&self, name: &str) -> Option<&Address> {
        self.addresses.iter().find(|own| own.name == name).map(|own| &own.address.0)
    }

    /// The header From of each route, by its name.
    pub fn senders(&self, streams: &Streams) -> BTreeMap<String, Address> {
        let sender = |route: &RouteSection| {
            let own = route.from.as_ref().map(|from| from.0.clone());
            let stream = streams.0.iter().find(|stream| stream.name == route.stream)?;
            let from = own.or_else(|| Address::parse(&format!("no-reply@{}", stream.from_domain)))?;
            Some((route.name.clone(), from))
        };
        self.routes.iter().filter_map(sender).collect()
    }

    /// The routes, ready to go. One whose stream is not configured is left out; the check names it.
    pub fn routes(&self, streams: &Streams, keyring: &Keyring) -> Vec<Route> {
        let route = |section: &RouteSection| {
            let stream = streams.0.iter().find(|stream| stream.name == section.stream)?;
            let addresses = section.addresses.iter().filter_map(|name| self.address(name));
            Some(Route {
                name: section.name.clone(),
                round: section.round.clone(),
                role: section.role,
                stream: section.stream.clone(),
                team: stream.team.clone(),
                esp: Esp::new(stream.provider.as_str()),
                from_domain: stream.from_domain.to_ascii_lowercase(),
                submission: section.submission.clone(),
                mailbox: section.mailbox.clone(),
                addresses: addresses.map(|address| keyring.address(address)).collect(),
            })
        };
        self.routes.iter().filter_map(route).collect()
    }

    fn check_spans(&self, findings: &mut Findings) {
        // Seconds make sense between servers of one machine. Apple is protected by the budget, not by these.
        let (second, day) = (Span::secs(1), Span::days(1));
        for (field, span, least) in [
            ("idle", self.idle, self.burst),
            ("burst", self.burst, second),
            ("burst_for", self.burst_for, self.burst),
            ("ceiling", self.ceiling, second),
        ] {
            check_span(field, span, least, day, findings);
        }
        check_span("keep", self.keep, day, Span::days(365), findings);
        let fits = (1..=DAILY).contains(&self.daily);
        findings.expect(
            fits,
            "daily",
            format!("must be from 1 to {DAILY}: Apple takes 100 in 24 hours, replies included"),
        );
    }

    fn check_addresses(&self, findings: &mut Findings) {
        findings.within("addresses", &self.addresses);
        let names = self.addresses.iter().map(|own| &own.name);
        findings.expect_unique(names, |i| format!("addresses.{i}.name"), "names two addresses");
        let addresses = self.addresses.iter().map(|own| &own.address.0);
        findings.expect_unique(addresses, |i| format!("addresses.{i}.address"), "has two names");
    }

    fn check_routes(&self, findings: &mut Findings) {
        findings.within("routes", &self.routes);
        let mut keys = BTreeMap::new();
        for (i, route) in self.routes.iter().enumerate() {
            let field = |key: &str| format!("routes.{i}.{key}");
            if let Some(other) = keys.insert(RouteKey::of(&route.name), &route.name) {
                let message = format!("cannot be told from {other:?} in a token; choose another name");
                findings.add(&field("name"), message);
            }
            for name in &route.addresses {
                let Some(address) = self.address(name) else {
                    findings.add(&field("addresses"), format!("{name:?} is not among [[canaries.addresses]]"));
                    continue;
                };
                let relayed = address.on_relay_domain() || address.on_shared_domain();
                let message = if route.role.is_relayed() {
                    format!("{name:?} is on no domain of the relay")
                } else {
                    format!("{name:?} is on a domain of the relay: a plain mailbox is reached without it")
                };
                findings.expect(relayed == route.role.is_relayed(), &field("addresses"), message);
            }
        }
        for (i, route) in self.routes.iter().enumerate().filter(|(_, route)| route.role == Role::Production) {
            let twin = self.routes[..i].iter().any(|other| other.role == route.role && other.round == route.round);
            findings.expect(
                !twin,
                &format!("routes.{i}.round"),
                "has two production routes: a round is about one stream",
            );
        }
    }

    /// Whether every relay address can bear what is asked of it. The budget holds in any case; what cannot work would only be skipped, round
    /// after round.
    fn check_load(&self, findings: &mut Findings) {
        if self.burst.is_zero() || self.idle.is_zero() {
            return;
        }
        for (i, own) in self.addresses.iter().enumerate() {
            let users = self.routes.iter().filter(|r| r.role.is_relayed() && r.addresses.contains(&own.name));
            let shares: Vec<usize> = users.map(|route| route.addresses.len()).collect();
            let load = self.pace().load(&shares);
            let (name, daily, routes) = (&own.name, self.daily, shares.len());
            let message = format!(
                "{name:?} would get {} canaries in 24 hours when idle (a round every {}, {routes} of its routes) and {} more by one burst (a \
                 round every {} for {}): {} are more than its {daily}. Take a longer `idle`, a shorter `burst_for`, or more addresses for \
                 each route",
                load.idle,
                self.idle,
                load.burst,
                self.burst,
                self.burst_for,
                load.sum()
            );
            let fits = load.sum() <= u64::try_from(daily).unwrap_or(u64::MAX);
            findings.expect(fits, &format!("addresses.{i}.name"), message);
        }
    }
}

impl Section for NamedAddress {
    fn check(&self, findings: &mut Findings) {
        check_name("name", &self.name, findings);
    }
}

impl Section for RouteSection {
    fn check(&self, findings: &mut Findings) {
        check_name("name", &self.name, findings);
        check_name("round", &self.round, findings);
        let needs_mailbox = self.role != Role::Negative;
        let message = if needs_mailbox { "is missing" } else { "makes no sense for an address that does not exist" };
        findings.expect(self.mailbox.is_some() == needs_mailbox, "mailbox", message);
        findings.expect(!self.addresses.is_empty(), "addresses", "is empty");
        // Its load is shared among as many as are listed: one that stands twice would get twice what was computed.
        findings.expect_unique(&self.addresses, |i| format!("addresses.{i}"), "names an address twice");
    }
}

impl Section for Canaries {
    fn check(&self, findings: &mut Findings) {
        self.check_spans(findings);
        self.check_addresses(findings);
        self.check_routes(findings);
        self.check_load(findings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"
        [[addresses]]
        name = "one"
        address = "canary-one@privaterelay.appleid.com"
        [[addresses]]
        name = "two"
        address = "canary-two@privaterelay.appleid.com"
        [[addresses]]
        name = "box"
        address = "canary@example.net"
        [[routes]]
        name = "news"
        round = "news"
        role = "production"
        stream = "news"
        submission = "ses"
        mailbox = "behind"
        addresses = ["one", "two"]
        [[routes]]
        name = "news.plain"
        round = "news"
        role = "plain"
        stream = "news"
        submission = "ses"
        mailbox = "behind"
        addresses = ["box"]
    "#;

    fn found(text: &str) -> Vec<String> {
        let mut findings = Findings::default();
        toml::from_str::<Canaries>(text).unwrap().check(&mut findings);
        findings.into_result().err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_section_has_no_findings_and_shows_no_address() {
        assert_eq!(found(SOUND), [""; 0]);
        assert_eq!(found(""), [""; 0]);
        let shown = format!("{:?}", toml::from_str::<Canaries>(SOUND).unwrap());
        assert!(!shown.contains('@') && !shown.contains("canary-one"), "{shown}");
        let refused =
            toml::from_str::<Canaries>("[[addresses]]\nname = 'x'\naddress = 'nobody'").unwrap_err().to_string();
        assert!(refused.contains("is not a mail address"), "{refused}");
    }

    #[test]
    fn numbers_that_cannot_work_are_refused_with_the_numbers() {
        let told = found(&format!("idle = '10m'\n{SOUND}")).join("\n");
        let want = r#"addresses.0.name: "one" would get 72 canaries in 24 hours when idle (a round every 10m, 1 of its routes) and 8 more"#;
        assert!(found(&format!("idle = '11m'\n{SOUND}")).is_empty());
        assert!(told.is_empty(), "72 + 8 are 80: {told}");
        let told = found(&format!("idle = '10m'\nburst_for = '32m'\nburst = '2m'\ndaily = 79\n{SOUND}")).join("\n");
        assert!(told.contains(want) && told.contains("80 are more than its 79"), "{told}");
        assert!(!told.contains("addresses.2"), "Apple does not count a plain mailbox: {told}");
    }

    #[test]
    fn each_mistake_names_its_field() {
        for (from, to, want) in [
            ("\"one\", \"two\"", "\"one\", \"six\"", "routes.0.addresses: \"six\" is not among"),
            ("[\"one\", \"two\"]", "[]", "routes.0.addresses: is empty"),
            ("[\"one\", \"two\"]", "[\"box\"]", "routes.0.addresses: \"box\" is on no domain of the relay"),
            ("\"one\", \"two\"", "\"one\", \"one\"", "routes.0.addresses.1: names an address twice"),
            ("[\"box\"]", "[\"two\"]", "routes.1.addresses: \"two\" is on a domain of the relay"),
            ("\"plain\"", "\"production\"", "routes.1.round: has two production routes"),
            ("\"production\"", "\"negative\"", "routes.0.mailbox: makes no sense"),
            ("\"news.plain\"", "\"news\"", "routes.1.name: cannot be told from"),
            ("\"news.plain\"", "\"a b\"", "routes.1.name: takes"),
            ("canary-two@", "canary-one@", "addresses.1.address: has two names"),
        ] {
            assert!(SOUND.contains(from), "{from}");
            let told = found(&SOUND.replace(from, to)).join("\n");
            assert!(told.contains(want), "{want} is not in {told}");
        }
        for (line, want) in [
            ("burst = '0s'", "burst: must be from 1s"),
            ("idle = '1m'", "idle: must be from 2m"),
            ("burst_for = '1m'", "burst_for: must be from 2m"),
            ("ceiling = '2d'", "ceiling: must be from 1s to 1d"),
            ("daily = 81", "daily: must be from 1 to 80"),
        ] {
            let told = found(line).join("\n");
            assert!(told.contains(want), "{want} is not in {told}");
        }
    }
}
