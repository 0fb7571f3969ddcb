//! What a registration means for a check: its domains as names, what it says is registered with Apple, and what its provider prescribes.

use super::provider::{Preset, preset};
use crate::domain::dns::{Name, NotAName};
use crate::domain::stream::{PROVIDER_DEFAULT, Stream};

/// A registration, read.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The header From domain.
    pub from: Name,
    /// The envelope domain, where it is the sender's own.
    pub envelope: Option<Name>,
    /// The domain that stands in the envelope: the sender's own, or the provider's where that is known.
    pub sent_as: Option<Name>,
    /// `s=` and `d=` of every signature.
    pub signers: Vec<(String, Name)>,
    /// What the provider prescribes, where it is one that we know.
    pub preset: Option<Preset>,
    sources: Option<Vec<Source>>,
}

/// An email source registered with Apple.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    domain: Name,
    /// An address counts for its own domain only.
    is_address: bool,
}

impl Plan {
    /// Reads a registration.
    ///
    /// # Errors
    /// The field that holds no domain name, and why.
    pub fn of(stream: &Stream) -> Result<Self, (&'static str, NotAName)> {
        let from = domain(&stream.from_domain).map_err(|e| ("from_domain", e))?;
        let preset = preset(stream.provider, stream.region.as_deref());
        let envelope = match stream.mail_from_domain.trim() {
            PROVIDER_DEFAULT | "" => None,
            own => Some(domain(own).map_err(|e| ("mail_from_domain", e))?),
        };
        let sent_as = envelope.clone().or_else(|| preset.as_ref()?.own_envelope.clone());
        let signer = |d: &crate::domain::stream::DkimIdentity| Ok((d.selector.trim().to_owned(), domain(&d.domain)?));
        let signers = stream.dkim.iter().map(signer).collect::<Result<_, _>>().map_err(|e| ("dkim", e))?;
        let sources = stream.apple_sources.as_ref().map(|all| all.iter().filter_map(|text| source(text)).collect());
        Ok(Self { from, envelope, sent_as, signers, preset, sources })
    }

    /// Whether the domain is registered with Apple, exactly; `None` when the registration does not say what is.
    pub fn is_registered(&self, domain: &Name) -> Option<bool> {
        self.sources.as_ref().map(|all| all.iter().any(|source| source.domain == *domain))
    }

    /// Whether any domain of the sender's could be the registered envelope domain: `Some(false)` when nothing is registered with Apple.
    pub fn envelope_is_registered(&self) -> Option<bool> {
        self.sources.as_ref().map(|all| !all.is_empty())
    }

    /// A registered domain above this one: Apple does not count it for the names below.
    pub fn registered_above(&self, domain: &Name) -> Option<&Name> {
        let above =
            |source: &&Source| !source.is_address && source.domain != *domain && domain.is_within(&source.domain);
        self.sources.iter().flatten().find(above).map(|source| &source.domain)
    }

    /// The domains whose SPF record is judged, the envelope's first. Apple's portal looks at every registered domain.
    pub fn spf_domains(&self) -> Vec<&Name> {
        let mut domains: Vec<&Name> = self.envelope.iter().collect();
        let wanted = self.envelope.is_none() || self.is_registered(&self.from) == Some(true);
        if wanted && self.envelope.as_ref() != Some(&self.from) {
            domains.push(&self.from);
        }
        domains
    }
}

fn domain(text: &str) -> Result<Name, NotAName> {
    let name = Name::parse(text.trim())?;
    // The root is a name, and nobody's domain.
    if name.depth() == 0 { Err(NotAName::EmptyLabel) } else { Ok(name) }
}

fn source(text: &str) -> Option<Source> {
    let text = text.trim();
    let (is_address, host) = match text.rsplit_once('@') {
        Some((_, host)) => (true, host),
        None => (false, text),
    };
    Some(Source { domain: domain(host).ok()?, is_address })
}
