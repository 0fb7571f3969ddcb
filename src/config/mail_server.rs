//! What `[[submissions]]` and `[[mailboxes]]` have in common: a server to talk to, and how the way there is kept secret.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::findings::Findings;
use super::secret::Secret;
use crate::domain::address::{Address, domain_of};

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// Begun in the clear and then encrypted (RFC 3207, RFC 3501 section 6.2.1). A server that does not offer it is not used.
    #[default]
    Starttls,
    /// From the first byte (RFC 8314 section 3).
    Implicit,
    /// Not at all: only to a loopback address.
    None,
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct MailServer {
    /// Its name or address. The certificate must be for it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// A PEM file with the only authorities whose certificates are taken. Without it those of the system.
    pub ca_file: Option<PathBuf>,
}

/// Who logs in. A user name is often an address, so it is kept as a secret too.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user's name.
    pub username: Secret,
    /// The password.
    pub password: Secret,
}

impl Login {
    /// The login, when both halves of it are configured.
    pub fn of(username: Option<&Secret>, password: Option<&Secret>) -> Option<Self> {
        Some(Self { username: username?.clone(), password: password?.clone() })
    }
}

impl MailServer {
    /// Adds what is wrong with it.
    pub(super) fn check(&self, findings: &mut Findings) {
        let address: Option<IpAddr> = self.host.parse().ok();
        let named = address.is_some() || (domain_of(&self.host).is_some() && !self.host.contains('@'));
        findings.expect(named, "host", "is neither a host name nor an IP address");
        findings.expect(self.port != 0, "port", "must not be 0");
        let loopback = self.host == "localhost" || address.is_some_and(|ip| ip.is_loopback());
        let sealed = self.tls != MailTls::None || loopback;
        findings.expect(sealed, "tls", "must be starttls or implicit; none is only for a loopback host");
    }
}

/// Adds a finding when one half of a login is missing.
pub(super) fn check_login(username: Option<&Secret>, password: Option<&Secret>, findings: &mut Findings) {
    findings.expect(username.is_none() || password.is_some(), "password", "is missing beside username");
    findings.expect(password.is_none() || username.is_some(), "username", "is missing beside password");
}

/// A mail address as configured. Printed as `<address>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailAddress(pub Address);

impl<'de> Deserialize<'de> for MailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Secret::deserialize(deserializer)?;
        // The text is not repeated: it may be somebody's address with a slip in it.
        Address::parse(text.expose()).map(Self).ok_or_else(|| serde::de::Error::custom("is not a mail address"))
    }
}
