//! A signing certificate: its key, its names, its validity, and the chain to the configured roots.

use std::sync::OnceLock;

use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use x509_cert::Certificate as Parsed;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::domain::time::Timestamp;

/// The signature versions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// SHA1withRSA, still the default of a topic.
    One,
    /// SHA256withRSA.
    Two,
}

/// A signing certificate, parsed. What depends on a time is asked each time.
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    /// An `RSAPublicKey` in DER.
    key: Vec<u8>,
    names: Vec<String>,
    validity: Validity,
    /// Seconds since the epoch within which the chain is known to hold, once it was walked.
    chain_holds: OnceLock<Validity>,
}

/// Roots to chain to, with the intermediates that were configured beside them.
#[derive(Default)]
pub struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    /// The roots as they are: a signing certificate that is itself configured needs no chain.
    roots: Vec<CertificateDer<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
}

#[derive(Debug, Clone, Copy)]
struct Validity {
    from: i64,
    to: i64,
}

/// More certificates than this are no certificate file of SNS.
const MOST: usize = 8;

impl Certificate {
    /// Parses a PEM file: the signing certificate first, and any intermediates after it (SNS itself sends none).
    ///
    /// # Errors
    /// When it holds no certificate, too many, or one that cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let chain = certificates(pem)?;
        let parsed = parse(chain.first().ok_or("the file holds no certificate")?)?;
        let tbs = parsed.tbs_certificate();
        let mut names = Vec::new();
        match tbs.get_extension::<SubjectAltName>().map_err(|_| "the certificate's names cannot be read")? {
            Some((_, alternatives)) => names.extend(alternatives.0.iter().filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(name.to_string()),
                _ => None,
            })),
            // RFC 6125 section 6.4.4: the common name counts only where no alternative name was written.
            None => names.extend(tbs.subject().common_name().ok().flatten().map(|name| name.value().into_owned())),
        }
        let key = tbs.subject_public_key_info().subject_public_key.raw_bytes().to_vec();
        let validity = validity_of(&parsed);
        Ok(Self { chain, key, names, validity, chain_holds: OnceLock::new() })
    }

    /// Whether it may speak at `at`, under one of `names` (any, when none is given), by one of `roots` (any, when none
    /// is configured). The roots must be the same each time: a chain that held is remembered.
    ///
    /// # Errors
    /// Says which of the three failed.
    pub fn check(&self, names: &[impl AsRef<str>], at: Timestamp, roots: &Roots) -> Result<(), &'static str> {
        let at = at.secs();
        if at < self.validity.from {
            return Err("the certificate was not yet valid when the message was sent");
        }
        if at > self.validity.to {
            return Err("the certificate had expired when the message was sent");
        }
        let named = |name: &str| self.names.iter().any(|own| own.eq_ignore_ascii_case(name));
        if !names.is_empty() && !names.iter().any(|name| named(name.as_ref())) {
            return Err("the certificate is not in the name of SNS in its region");
        }
        self.check_chain(at, roots)
    }

    fn check_chain(&self, at: i64, roots: &Roots) -> Result<(), &'static str> {
        const UNTRUSTED: &str = "the certificate does not chain to a configured root";
        let leaf = self.chain.first().ok_or(UNTRUSTED)?;
        if roots.is_empty()
            || roots.roots.contains(leaf)
            || self.chain_holds.get().is_some_and(|known| known.covers(at))
        {
            return Ok(());
        }
        let intermediates: Vec<_> = self.chain[1..].iter().chain(&roots.intermediates).cloned().collect();
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.unsigned_abs()));
        let end = webpki::EndEntityCert::try_from(leaf).map_err(|_| UNTRUSTED)?;
        let usage = webpki::KeyUsage::server_auth();
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        let path = end
            .verify_for_usage(algorithms, &roots.anchors, &intermediates, time, usage, None, None)
            .map_err(|_| UNTRUSTED)?;
        // The signatures on the way do not change: within the validity of all its certificates the path need not be walked
        // again. A chain that failed is walked again, since it may be sound at another time.
        let on_the_way = path.intermediate_certificates().filter_map(|cert| parse(&cert.der()).ok());
        let holds = on_the_way.map(|cert| validity_of(&cert)).fold(self.validity, Validity::within);
        let _ = self.chain_holds.set(holds);
        Ok(())
    }

    /// Whether `signature` over `message` was made with this certificate's key, in the hash of `version` and no other.
    pub fn has_signed(&self, version: Version, message: &[u8], signature: &[u8]) -> bool {
        let algorithm = match version {
            Version::One => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Version::Two => &RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(algorithm, &self.key).verify(message, signature).is_ok()
    }
}

impl Roots {
    /// Adds the certificates of a PEM file: the self-signed ones as roots, the others as intermediates.
    ///
    /// # Errors
    /// When the file holds no certificate, or none that is self-signed.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), String> {
        let before = self.anchors.len();
        for der in certificates(pem)? {
            let parsed = parse(&der)?;
            if parsed.tbs_certificate().issuer() == parsed.tbs_certificate().subject() {
                let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|_| "a root certificate cannot be used")?;
                self.anchors.push(anchor.to_owned());
                self.roots.push(der);
            } else {
                self.intermediates.push(der);
            }
        }
        if self.anchors.len() == before { Err("the file holds no self-signed certificate".to_owned()) } else { Ok(()) }
    }

    /// Whether none is configured, so that no chain is asked for.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }
}

impl Validity {
    fn covers(self, at: i64) -> bool {
        (self.from..=self.to).contains(&at)
    }

    fn within(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.min(other.to) }
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).take(MOST + 1).collect();
    match all {
        Ok(all) if all.is_empty() => Err("the file holds no PEM certificate".to_owned()),
        Ok(all) if all.len() > MOST => Err(format!("the file holds more than {MOST} certificates")),
        Ok(all) => Ok(all),
        Err(_) => Err("the file is not PEM".to_owned()),
    }
}

fn parse(der: &[u8]) -> Result<Parsed, String> {
    Parsed::from_der(der).map_err(|_| "a certificate cannot be read".to_owned())
}

fn validity_of(certificate: &Parsed) -> Validity {
    let validity = certificate.tbs_certificate().validity();
    let secs = |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Validity { from: secs(validity.not_before), to: secs(validity.not_after) }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    struct Chain {
        root: String,
        intermediate: String,
        leaf: String,
    }

    /// A root (to 2030), an intermediate (to 2028) and a signing certificate (to 2029).
    fn chain() -> Chain {
        let params = |name: &str, to: i32, is_ca: bool| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(to, 1, 1));
            if is_ca {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
            params
        };
        let key = || KeyPair::generate().unwrap();
        let (root_key, middle_key) = (key(), key());
        let (root, middle) = (params("root", 2030, true), params("intermediate", 2028, true));
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);
        let middle_pem = middle.signed_by(&middle_key, &root).unwrap().pem();
        let middle = Issuer::new(middle, middle_key);
        let leaf = params("sns.amazonaws.com", 2029, false).signed_by(&key(), &middle).unwrap().pem();
        Chain { root: root_pem, intermediate: middle_pem, leaf }
    }

    fn roots(pem: &str) -> Roots {
        let mut roots = Roots::default();
        roots.add_pem(pem.as_bytes()).unwrap();
        roots
    }

    const ANY: [&str; 0] = [];

    #[test]
    fn intermediates_come_from_the_roots_file_or_from_the_certificates_own() {
        let chain = chain();
        let at = Timestamp::parse("2026-05-01T00:00:00Z").unwrap();
        let both = format!("{}{}", chain.intermediate, chain.root);
        let read = |pem: &str| Certificate::from_pem(pem.as_bytes()).unwrap();
        assert!(read(&chain.leaf).check(&ANY, at, &roots(&both)).is_ok());
        assert!(read(&format!("{}{}", chain.leaf, chain.intermediate)).check(&ANY, at, &roots(&chain.root)).is_ok());
        assert!(read(&chain.leaf).check(&ANY, at, &roots(&chain.root)).is_err(), "SNS serves the leaf alone");
        assert!(read(&chain.leaf).check(&ANY, at, &Roots::default()).is_ok(), "without roots no chain is walked");
    }

    #[test]
    fn a_chain_is_remembered_only_as_long_as_all_of_it_is_valid() {
        let chain = chain();
        let roots = roots(&format!("{}{}", chain.intermediate, chain.root));
        let leaf = Certificate::from_pem(chain.leaf.as_bytes()).unwrap();
        let check = |time: &str| leaf.check(&ANY, Timestamp::parse(time).unwrap(), &roots);
        for _ in 0..2 {
            assert!(check("2026-05-01T00:00:00Z").is_ok());
            assert!(check("2028-05-01T00:00:00Z").unwrap_err().contains("configured root"), "the intermediate is over");
            assert!(check("2029-05-01T00:00:00Z").unwrap_err().contains("expired"));
        }
    }

    #[test]
    fn a_common_name_counts_where_no_alternative_name_stands() {
        let leaf = Certificate::from_pem(chain().leaf.as_bytes()).unwrap();
        let at = Timestamp::parse("2026-05-01T00:00:00Z").unwrap();
        assert!(leaf.check(&["sns.example.com", "SNS.amazonaws.com"], at, &Roots::default()).is_ok());
        assert!(leaf.check(&["sns.example.com"], at, &Roots::default()).is_err());

        let mut params = CertificateParams::new(vec!["other.example.com".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "sns.amazonaws.com");
        let both = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let both = Certificate::from_pem(both.pem().as_bytes()).unwrap();
        assert!(both.check(&["sns.amazonaws.com"], at, &Roots::default()).is_err());
    }

    #[test]
    fn a_certificate_that_is_itself_configured_needs_no_chain() {
        let mut params = CertificateParams::new(vec!["sns.amazonaws.com".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        let at = Timestamp::parse("2026-05-01T00:00:00Z").unwrap();
        assert!(Certificate::from_pem(own.as_bytes()).unwrap().check(&["sns.amazonaws.com"], at, &roots(&own)).is_ok());
    }
}
