//! What the providers prescribe for an envelope domain, in every form they accept: presets for SES and SparkPost.

use crate::domain::dns::Name;
use crate::domain::stream::Provider;

/// What a provider wants to find at the envelope domain, and where its own envelope stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// The provider's word for itself.
    pub called: &'static str,
    /// Names of which one must be reached by the SPF record (or stand above a name that is).
    pub spf: Vec<Name>,
    /// The SPF record that it prescribes.
    pub spf_record: String,
    /// The one MX that it wants; a region that is not registered stands as `*`.
    pub exchange: Exchange,
    /// Whether that must be the only MX.
    pub alone: bool,
    /// Where the envelope domain may lead by CNAME instead.
    pub aliases: Vec<Name>,
    /// The provider's own envelope domain, used where the sender has none.
    pub own_envelope: Option<Name>,
}

/// The host that an MX names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    first: String,
    rest: Name,
    region: Option<String>,
}

/// The preset of a provider in a region; `None` where the provider is none of those we know.
pub fn preset(provider: Provider, region: Option<&str>) -> Option<Preset> {
    let region = region.map(str::trim).filter(|r| !r.is_empty()).map(str::to_ascii_lowercase);
    match provider {
        Provider::Ses => ses(region),
        Provider::Sparkpost => sparkpost(region.as_deref()),
        Provider::Other => None,
    }
}

/// Amazon SES, custom MAIL FROM domain: exactly one MX, `10 feedback-smtp.REGION.amazonses.com`. With a second one SES falls back to its
/// own envelope domain, `REGION.amazonses.com`.
fn ses(region: Option<String>) -> Option<Preset> {
    let amazonses = Name::parse("amazonses.com").ok()?;
    let own = match region.as_deref() {
        // The first region has no name in its envelope.
        None | Some("us-east-1") => amazonses.clone(),
        Some(region) => amazonses.below(region).ok()?,
    };
    Some(Preset {
        called: "Amazon SES",
        spf: vec![amazonses.clone()],
        spf_record: "v=spf1 include:amazonses.com ~all".to_owned(),
        exchange: Exchange {
            first: "feedback-smtp".to_owned(),
            rest: amazonses,
            region: Some(region.unwrap_or_default()),
        },
        alone: true,
        aliases: Vec::new(),
        own_envelope: Some(own),
    })
}

/// SparkPost: the bounce domain is a CNAME to SparkPost, or (as Braze documents for its customers) an MX beside an SPF record that
/// redirects. Both are right.
fn sparkpost(region: Option<&str>) -> Option<Preset> {
    let name = |text: &str| Name::parse(text).ok();
    let (ours, spf, first) = match region {
        Some("eu" | "eu-west-1" | "europe") => ("eu.sparkpostmail.com", "_spf.eu.sparkpostmail.com", "smtp.eu"),
        _ => ("sparkpostmail.com", "_spf.sparkpostmail.com", "smtp"),
    };
    // Enterprise tenants lead to TENANT.mail.e.sparkpost.com.
    Some(Preset {
        called: "SparkPost",
        spf: vec![name("sparkpostmail.com")?, name("e.sparkpost.com")?],
        spf_record: format!("v=spf1 redirect={spf}"),
        exchange: Exchange { first: first.to_owned(), rest: name("sparkpostmail.com")?, region: None },
        alone: false,
        aliases: vec![name(ours)?, name("e.sparkpost.com")?],
        own_envelope: name(ours),
    })
}

impl Exchange {
    /// Whether a host is the one.
    pub fn is(&self, host: &Name) -> bool {
        match self.region.as_deref() {
            Some("") => {
                let first = host.labels().next().is_some_and(|label| label == self.first.as_bytes());
                first && host.depth() == self.rest.depth() + 2 && host.is_within(&self.rest)
            }
            Some(region) => self.rest.below(&format!("{}.{region}", self.first)).is_ok_and(|name| name == *host),
            None => self.rest.below(&self.first).is_ok_and(|name| name == *host),
        }
    }

    /// The record to publish, as a zone file has it.
    pub fn record(&self) -> String {
        let host = match self.region.as_deref() {
            Some("") => format!("{}.REGION.{}", self.first, self.rest),
            Some(region) => format!("{}.{region}.{}", self.first, self.rest),
            None => format!("{}.{}", self.first, self.rest),
        };
        format!("MX 10 {host}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn the_exchange_of_ses_is_that_of_its_region() {
        let ireland = preset(Provider::Ses, Some("EU-West-1")).unwrap();
        assert!(ireland.exchange.is(&name("feedback-smtp.eu-west-1.amazonses.com")));
        assert!(!ireland.exchange.is(&name("feedback-smtp.us-east-1.amazonses.com")));
        assert_eq!(ireland.exchange.record(), "MX 10 feedback-smtp.eu-west-1.amazonses.com.");
        assert_eq!(ireland.own_envelope, Some(name("eu-west-1.amazonses.com")));
        let any = preset(Provider::Ses, None).unwrap();
        assert!(any.exchange.is(&name("feedback-smtp.us-east-1.amazonses.com")));
        assert!(!any.exchange.is(&name("feedback-smtp.amazonses.com")));
        assert!(!any.exchange.is(&name("inbound-smtp.us-east-1.amazonses.com")));
    }

    #[test]
    fn sparkpost_has_two_houses() {
        let europe = preset(Provider::Sparkpost, Some("eu")).unwrap();
        assert!(
            europe.exchange.is(&name("smtp.eu.sparkpostmail.com"))
                && !europe.exchange.is(&name("smtp.sparkpostmail.com"))
        );
        assert_eq!(europe.spf_record, "v=spf1 redirect=_spf.eu.sparkpostmail.com");
        let america = preset(Provider::Sparkpost, None).unwrap();
        assert!(america.exchange.is(&name("smtp.sparkpostmail.com")));
        assert_eq!(preset(Provider::Other, Some("eu")), None);
    }
}
