//! `[[streams]]`: the registered ways of sending. Those registered here are read-only over the API.

use serde::Deserialize;

use super::endpoint::{NAME, is_name};
use super::findings::{Findings, Section};
use crate::domain::address::domain_of;
use crate::domain::ids::UNREGISTERED;
use crate::domain::stream::{PROVIDER_DEFAULT, Stream};

/// The streams of the configuration file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Streams(pub Vec<Stream>);

impl Section for Streams {
    fn check(&self, findings: &mut Findings) {
        for (i, stream) in self.0.iter().enumerate() {
            for (field, message) in wrong(stream) {
                findings.add(&format!("{i}.{field}"), message);
            }
        }
        let names = self.0.iter().map(|stream| &stream.name);
        findings.expect_unique(names, |i| format!("{i}.name"), "names two streams");
    }
}

/// What is wrong with a registration, by field; the same for file, API and `--stream-file`.
pub fn wrong(stream: &Stream) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    let name = stream.name.as_str();
    if !is_name(name) {
        found.push(("name", NAME));
    }
    if name == UNREGISTERED {
        found.push(("name", "is the word for mail of no registered stream"));
    }
    if stream.team.as_str().is_empty() {
        found.push(("team", "is empty"));
    }
    if domain_of(&stream.from_domain).is_none() {
        found.push(("from_domain", "is not a domain name"));
    }
    if stream.mail_from_domain != PROVIDER_DEFAULT && domain_of(&stream.mail_from_domain).is_none() {
        found.push(("mail_from_domain", "is neither a domain name nor provider_default"));
    }
    let sources = stream.apple_sources.as_deref().unwrap_or_default();
    if sources.iter().any(|source| domain_of(source).is_none()) {
        found.push(("apple_sources", "has an entry that is neither a domain name nor a mail address"));
    }
    if sources.len() > stream.apple_account.most_sources() {
        found.push(("apple_sources", "has more entries than Apple lets such an account register (32 or 100)"));
    }
    if stream.dkim.iter().any(|d| domain_of(&d.domain).is_none() || domain_of(&d.selector).is_none()) {
        found.push(("dkim", "has an entry whose domain or selector is not a name"));
    }
    found
}
