//! Whom the verification trusts: hosts, versions, certificates given as files, and roots.

use std::path::Path;

use super::certificate::{Certificate, Roots};
use super::hosts::Hosts;
use super::region;
use crate::config::ses::SnsSection;

/// Everything the verification of SNS messages rests on. [`Trust::default`] is what AWS's own SDK does: every commercial
/// region, both signature versions, no roots.
pub struct Trust {
    /// Where certificates may come from.
    pub hosts: Hosts,
    /// Whether SHA1withRSA is still taken.
    pub version_1: bool,
    /// Certificates by URL that are never fetched.
    pub certificates: Vec<(String, Certificate)>,
    /// Roots to chain to; empty: the verified TLS of the fetch, host list, name and validity must do.
    pub roots: Roots,
}

/// A setting that cannot be used. Names the field and the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TrustError(pub String);

impl Default for Trust {
    fn default() -> Self {
        Self { hosts: Hosts::new(None, None), version_1: true, certificates: Vec::new(), roots: Roots::default() }
    }
}

impl Trust {
    /// Reads the `[sns]` section and the files it names.
    ///
    /// # Errors
    /// Names the field: an impossible region, a URL at which SNS has no certificates, a file that cannot be read or used.
    pub fn from_config(section: &SnsSection) -> Result<Self, TrustError> {
        for region in section.regions.iter().flatten() {
            if !region::is_region_shaped(region) {
                return Err(TrustError(format!("sns.regions: {region:?} is not the name of an AWS region")));
            }
        }
        let mut trust = Self {
            hosts: Hosts::new(section.regions.as_deref(), section.emulator.clone()),
            version_1: section.allow_signature_version_1,
            ..Self::default()
        };
        for (url, file) in &section.certificates {
            let field = format!("sns.certificates.{url:?}");
            if trust.hosts.certificate_names(url).is_none() {
                return Err(TrustError(format!("{field}: SNS has no certificate at such a URL in a listed region")));
            }
            trust.add_certificate(url, &read(&field, file)?).map_err(|e| in_file(&field, file, &e))?;
        }
        for file in &section.trust_roots {
            let pem = read("sns.trust_roots", file)?;
            trust.roots.add_pem(&pem).map_err(|e| in_file("sns.trust_roots", file, &e))?;
        }
        Ok(trust)
    }

    /// Adds a certificate that stands for a URL. The URL must still be one that is acceptable in a message.
    ///
    /// # Errors
    /// When the bytes are no PEM certificate.
    pub fn add_certificate(&mut self, url: &str, pem: &[u8]) -> Result<(), String> {
        self.certificates.push((url.to_owned(), Certificate::from_pem(pem)?));
        Ok(())
    }
}

fn read(field: &str, file: &Path) -> Result<Vec<u8>, TrustError> {
    std::fs::read(file).map_err(|e| in_file(field, file, &e.kind().to_string()))
}

fn in_file(field: &str, file: &Path, error: &str) -> TrustError {
    TrustError(format!("{field}: {}: {error}", file.display()))
}
