//! Amazon SNS over HTTP: proves that a message was signed by SNS and comes from a topic on the list.
//!
//! A sound signature alone proves only that some topic of some AWS account sent the message; the topic is therefore taken
//! from the signed body and compared with the endpoint's list. Request headers are never asked, and no URL out of a message
//! is ever visited except that of the certificate, after it was found to be one of SNS's own.

mod cache;
mod canonical;
mod certificate;
mod envelope;
mod hosts;
pub mod region;
mod topic;
mod trust;

pub use certificate::{Certificate, Roots, Version};
pub use envelope::{Envelope, MessageType};
pub use hosts::Hosts;
pub use topic::Topic;
pub use trust::{Trust, TrustError};

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Refusal;
use super::fetch::Fetch;
use crate::domain::time::Timestamp;
use cache::Certificates;

/// How far the signed time may lie ahead of ours. Age is no reason to refuse: a dead-letter queue is redriven days later.
const AHEAD: Duration = Duration::from_secs(3600);

/// Verifies messages. Shared by all endpoints, so that they share certificates.
pub struct Verifier {
    hosts: Hosts,
    version_1: bool,
    roots: Roots,
    certificates: Certificates,
}

/// A message that SNS has signed and whose topic is listed.
#[derive(Clone)]
pub struct Verified {
    /// The fields, now proved, except `certificate_url`.
    pub envelope: Envelope,
    /// The signature version.
    pub version: Version,
}

impl Verifier {
    /// A verifier that fetches what it was not given.
    pub fn new(trust: Trust, fetch: Arc<dyn Fetch>) -> Self {
        let configured =
            trust.certificates.into_iter().map(|(url, certificate)| (url, Arc::new(certificate))).collect();
        Self {
            hosts: trust.hosts,
            version_1: trust.version_1,
            roots: trust.roots,
            certificates: Certificates::new(fetch, configured),
        }
    }

    /// Where SNS may be met, for the fetcher's allow-list and for confirmations.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Proves an envelope. What needs no network is asked first, so that a stranger's body causes no fetch.
    ///
    /// # Errors
    /// 403 when it is malformed, of a foreign topic, or not signed as it should be; 503 when the certificate cannot be had.
    pub async fn verify(
        &self,
        envelope: Envelope,
        is_listed: impl Fn(&str) -> bool,
        received_at: Timestamp,
    ) -> Result<Verified, Refusal> {
        if !is_listed(&envelope.topic_arn) {
            return Err(forbidden("foreign_topic", "TopicArn is not on this endpoint's list"));
        }
        let version = match envelope.signature_version.as_str() {
            "1" if self.version_1 => Version::One,
            "1" => return Err(forbidden("signature_version", "SignatureVersion 1 (SHA-1) is switched off")),
            "2" => Version::Two,
            _ => return Err(forbidden("signature_version", "SignatureVersion is neither 1 nor 2")),
        };
        if envelope.sent_at > received_at.plus(AHEAD) {
            return Err(forbidden("future_timestamp", "Timestamp lies more than an hour in the future"));
        }
        let signature =
            STANDARD.decode(&envelope.signature).map_err(|_| forbidden("bad_signature", "Signature is not base64"))?;
        let names = self.hosts.certificate_names(&envelope.certificate_url).ok_or_else(|| {
            forbidden("certificate_url", "SigningCertURL is not a certificate of SNS in a listed region")
        })?;
        let certificate = self.certificates.at(&envelope.certificate_url, received_at).await.map_err(|error| {
            Refusal::new(503, "certificate_fetch", format!("the signing certificate cannot be had: {error}"))
        })?;
        certificate
            .check(&names, envelope.sent_at, &self.roots)
            .map_err(|because| forbidden("bad_certificate", because))?;
        if !certificate.has_signed(version, canonical::canonical_string(&envelope).as_bytes(), &signature) {
            return Err(forbidden("bad_signature", "Signature does not fit the message"));
        }
        Ok(Verified { envelope, version })
    }
}

fn forbidden(reason: &'static str, because: &'static str) -> Refusal {
    Refusal::new(403, reason, because)
}
