//! The URL of a service that we post to. It may carry a token, so only its origin is ever printed.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer};
use url::{Host, Url};

use super::findings::Findings;
use super::secret::Secret;
use crate::domain::public_address::is_public;

/// An absolute http or https URL, written as a secret may be (literal, `{ file = … }`, `{ env = … }`).
#[derive(Clone, PartialEq, Eq)]
pub struct TargetUrl(Url);

/// A text that is no such URL. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a URL to post to; write https://host/path, without user, password and fragment")]
pub struct NotATargetUrl;

impl TargetUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is none, names no host, or holds a user, a password or a fragment.
    pub fn parse(text: &str) -> Result<Self, NotATargetUrl> {
        let url = Url::parse(text.trim()).map_err(|_| NotATargetUrl)?;
        let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let sound = matches!(url.scheme(), "http" | "https") && url.host().is_some() && bare;
        if sound { Ok(Self(url)) } else { Err(NotATargetUrl) }
    }

    /// The URL itself, with whatever token it carries.
    pub fn expose(&self) -> &Url {
        &self.0
    }

    /// Whether what is sent can be read on the way.
    pub fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// The address, where the URL names one and not a host. The URL parser has read every spelling (octal, one number, short).
    pub fn address(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(v4) => Some(v4.into()),
            Host::Ipv6(v6) => Some(v6.into()),
            Host::Domain(_) => None,
        }
    }

    /// Adds what is wrong with posting there.
    pub(super) fn check(&self, allow_private_addresses: bool, findings: &mut Findings) {
        if allow_private_addresses {
            return;
        }
        findings.expect(!self.is_plain(), "url", "must be https; http needs allow_private_addresses = true");
        let public = self.address().is_none_or(is_public);
        findings.expect(public, "url", "names an address inside a network; that needs allow_private_addresses = true");
    }
}

/// Scheme, host and port; the rest may be secret.
impl fmt::Debug for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/***", self.0.origin().ascii_serialization())
    }
}

impl<'de> Deserialize<'de> for TargetUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(Secret::deserialize(deserializer)?.expose()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_only_its_origin() {
        let url = TargetUrl::parse("https://crm.example:8443/in/s3cret?token=s3cret").unwrap();
        assert_eq!(format!("{url:?}"), "https://crm.example:8443/***");
        assert_eq!(url.expose().query(), Some("token=s3cret"));
    }

    #[test]
    fn refuses_what_cannot_be_posted_to_and_repeats_none_of_it() {
        for text in
            ["", "crm.example", "ftp://s3cret.example/", "https://u:s3cret@crm.example/", "https://crm.example/#s3cret"]
        {
            let refused = TargetUrl::parse(text).unwrap_err().to_string();
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn every_spelling_of_an_inner_address_is_refused() {
        for text in [
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://2130706433/",
            "https://127.1/",
            "https://[::1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::ffff:169.254.169.254]/latest",
            "https://[fd00:ec2::254]/",
            "https://100.100.100.200/",
            "https://10.0.0.1./",
        ] {
            let mut findings = Findings::default();
            let url = TargetUrl::parse(text).unwrap();
            url.check(false, &mut findings);
            assert_eq!(findings.into_result().unwrap_err().len(), 1, "{text}");
            let mut findings = Findings::default();
            url.check(true, &mut findings);
            assert!(findings.into_result().is_ok(), "{text}");
        }
        let mut findings = Findings::default();
        TargetUrl::parse("http://crm.example/").unwrap().check(false, &mut findings);
        TargetUrl::parse("https://crm.example/").unwrap().check(false, &mut findings);
        assert_eq!(findings.into_result().unwrap_err().len(), 1);
    }
}
